import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { spawn } from "node:child_process"
import { createSocket } from "node:dgram"
import { closeSync, existsSync, openSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { KeyFile } from "../src/index.js"
import { bin, TIMEOUT, withCommands } from "./support/command.js"

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  readonly version: string
}

/** A device that takes nothing: every write to it fails. */
const FULL = "/dev/full"

/** Runs a command one of whose streams is the full device; answers with its exit code and what the other one got. */
const intoFull = (
  full: "stdout" | "stderr",
  args: ReadonlyArray<string>,
  folder: string,
  input = ""
): Promise<{ readonly code: number | null; readonly other: string }> =>
  new Promise((resolve) => {
    const device = openSync(FULL, "w")
    const child = spawn(process.execPath, [bin, ...args], {
      cwd: folder,
      env: { ...process.env, INTENTRA_SOURCE: "1" },
      stdio: ["pipe", full === "stdout" ? device : "pipe", full === "stderr" ? device : "pipe"]
    })
    closeSync(device)
    child.stdin?.on("error", () => {}).end(input)
    let other = ""
    const rest = full === "stdout" ? child.stderr : child.stdout
    rest?.setEncoding("utf8").on("data", (text: string) => {
      other += text
    })
    child.on("close", (code) => resolve({ code, other }))
  })

const SCENARIO = JSON.stringify({ peers: 1, hz: 1, duration: "1 second" })

describe.concurrent("main", () => {
  it.each(["--help", "--version", "hub --help", "keygen --json"])(
    "a reader that leaves before the output of %s comes is no failure",
    { timeout: TIMEOUT },
    (line) =>
      withCommands(async (start) => {
        const command = start(...line.split(" "))
        command.child.stdout.destroy()
        assert.strictEqual(await command.exit(), 0)
        assert.strictEqual(command.stderr, "")
      })
  )

  it.skipIf(!existsSync(FULL)).each(["--help", "--version", "hub --help", "keygen a.key", "doctor --json", "sim -"])(
    "output of %s that cannot be written is one line on standard error and exit code 1",
    { timeout: TIMEOUT },
    (line) =>
      withCommands(async (_start, folder) => {
        const { code, other } = await intoFull("stdout", line.split(" "), folder, SCENARIO)
        assert.strictEqual(code, 1)
        assert.match(other, /^intentra: cannot write to standard output: ENOSPC.*\n$/m)
      })
  )

  it.skipIf(!existsSync(FULL))(
    "a standard error that takes nothing ends no command",
    { timeout: TIMEOUT },
    () =>
      withCommands(async (start, folder) => {
        const publicKey = await Effect.runPromise(KeyFile.create(join(folder, "hub.key")))
        const socket = createSocket("udp4")
        await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve))
        const address = `127.0.0.1:${socket.address().port}`
        await new Promise<void>((resolve) => socket.close(() => resolve()))
        const listen = ["listen", "--listen", address, "--key", "hub.key", "--allow", "any", "--count", "1"]
        const ended = intoFull("stderr", listen, folder)
        const send = start("send", "--connect", address, "--server-key", publicKey, "--timeout", "30", "hello")
        assert.deepStrictEqual(await ended, { code: 0, other: "hello\n" })
        assert.strictEqual(await send.exit(), 0)
      })
  )

  it("--help and --version exit 0", { timeout: TIMEOUT }, () =>
    withCommands(async (start) => {
      const [help, bare, told] = [start("--help"), start(), start("--version")]
      assert.deepStrictEqual([await help.exit(), await bare.exit(), await told.exit()], [0, 0, 0])
      const commands = ["demo", "keygen", "hub", "peer", "send", "listen", "top", "doctor", "sim", "replay", "bench"]
      for (const command of commands) assert.match(help.stdout, new RegExp(`^  ${command} `, "m"))
      assert.include(help.stdout, "--json")
      assert.strictEqual(bare.stdout, help.stdout)
      assert.strictEqual(told.stdout, `${version}\n`)
    }))

  it(
    "a port in use is one line on standard error and exit code 1",
    { timeout: TIMEOUT },
    () =>
      withCommands(async (start) => {
        const socket = createSocket("udp4")
        await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve))
        try {
          const command = start("demo", "--port", String(socket.address().port))
          assert.strictEqual(await command.exit(), 1)
          assert.match(command.stderr, /^intentra: port \d+ on 127\.0\.0\.1 is in use by another program.*\n$/)
          assert.strictEqual(command.stdout, "")
        } finally {
          socket.close()
        }
      })
  )
})
