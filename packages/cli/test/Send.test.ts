import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { KeyFile } from "../src/index.js"
import { TIMEOUT, withCommands } from "./support/command.js"

describe.concurrent("intentra send and listen", () => {
  it(
    "what was sent is printed at the other end, and both end with 0",
    { timeout: TIMEOUT },
    () =>
      withCommands(async (start, folder) => {
        const publicKey = await Effect.runPromise(KeyFile.create(join(folder, "hub.key")))
        const peerKey = await Effect.runPromise(KeyFile.create(join(folder, "peer.key")))
        writeFileSync(join(folder, "allowed.keys"), `${peerKey}\n`)
        const listen = start(
          "listen",
          "--listen",
          "127.0.0.1:0",
          "--key",
          "hub.key",
          "--allow",
          "allowed.keys",
          "--count",
          "4"
        )
        const [, address] = await listen.match(/listening on (\S+), public key/, "stderr")
        const to = ["--connect", address, "--server-key", publicKey, "--key", "peer.key"]

        const one = start("send", ...to, "--json", "restart\u001b[2J now")
        assert.strictEqual(await one.exit(), 0, one.output)
        assert.deepStrictEqual(JSON.parse(one.stdout), {
          type: "sent",
          messages: 1,
          intent: "reliable",
          acknowledged: true
        })

        const lines = start("send", ...to)
        lines.child.stdin.end("a\n\nb ☃\n")
        assert.strictEqual(await lines.exit(), 0, lines.output)
        assert.strictEqual(lines.stdout, "3 messages arrived\n")

        assert.strictEqual(await listen.exit(), 0)
        assert.strictEqual(listen.stdout, "restart now\na\n\nb ☃\n")
      })
  )

  it("nobody at the other end is exit code 1 and one line", { timeout: TIMEOUT }, () =>
    withCommands(async (start) => {
      const publicKey = Buffer.alloc(32, 9).toString("base64")
      const send = start("send", "--connect", "127.0.0.1:9", "--server-key", publicKey, "--timeout", "0.2", "x")
      assert.strictEqual(await send.exit(), 1)
      assert.match(send.stderr, /^intentra: nobody answered at 127\.0\.0\.1:9 within 0\.2 s: .*\n$/)
      assert.strictEqual(send.stdout, "")
    }))
})
