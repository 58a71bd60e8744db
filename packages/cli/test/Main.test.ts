import { assert, describe, it } from "@effect/vitest"
import { createSocket } from "node:dgram"
import { readFileSync } from "node:fs"
import { TIMEOUT, withCommands } from "./support/command.js"

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  readonly version: string
}

describe.concurrent("main", () => {
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
