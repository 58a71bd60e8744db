import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Logger, LogLevel } from "effect"
import { Intentra } from "intentra"
import type { IntentraOptions } from "intentra"
import { readFileSync, writeFileSync } from "node:fs"
import { get } from "node:http"
import { join } from "node:path"
import { KeyFile } from "../src/index.js"
import type { Running } from "./support/command.js"
import { TIMEOUT, withCommands } from "./support/command.js"

const text = (url: string): Promise<string> =>
  new Promise((resolve, reject) => {
    get(url, (response) => {
      let body = ""
      response.setEncoding("utf8").on("data", (part: string) => {
        body += part
      }).on("end", () => resolve(body))
    }).on("error", reject)
  })

const status = (url: string): Promise<number> =>
  new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    }).on("error", reject)
  })

/** Whether a hub admits a key. */
const attempt = (
  options: IntentraOptions,
  hub: { readonly host: string; readonly port: number; readonly publicKey: string }
) =>
  Effect.gen(function*() {
    const transport = yield* Effect.map(
      Layer.build(Layer.provide(Intentra.layer(options), Logger.minimumLogLevel(LogLevel.Warning))),
      Context.get(Intentra)
    )
    return yield* transport.connect(hub).pipe(
      Effect.as("joined"),
      Effect.catchAll(({ reason }) => Effect.succeed(reason))
    )
  }).pipe(Effect.scoped)

const records = (it: Running): ReadonlyArray<Record<string, unknown>> =>
  it.stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>)

describe("intentra hub and peer", () => {
  it("every line of a peer arrives at a hub that is restarted meanwhile, and strangers are turned away", {
    timeout: TIMEOUT
  }, () =>
    withCommands(async (start, folder) => {
      const publicKey = await Effect.runPromise(KeyFile.create(join(folder, "hub.key")))
      const peerKey = await Effect.runPromise(KeyFile.create(join(folder, "peer.key")))
      writeFileSync(join(folder, "allowed.keys"), `${peerKey}\n`)

      const hubArgs = ["--key", "hub.key", "--allow", "allowed.keys"]
      const hub = start("hub", "--listen", "127.0.0.1:0", ...hubArgs, "--metrics", "0", "--print", "--json")
      const [, address] = await hub.match(/"type":"listening","address":"([^"]+)"/)
      const [, metrics] = await hub.match(/"type":"metrics","address":"([^"]+)"/)

      const peer = start("peer", "--connect", address, "--server-key", publicKey, "--key", "peer.key", "--json")
      const stranger = start("peer", "--connect", address, "--server-key", publicKey)
      peer.child.stdin.write("one\ntwo ☃\n")
      await hub.match(/two ☃/)
      assert.deepStrictEqual(
        records(hub).filter(({ type }) => type === "update").map(({ text }) => text),
        ["one", "two ☃"]
      )
      assert.match(await text(`http://${metrics}/metrics`), /^intentra_messages_received_total 2$/m)
      assert.strictEqual(await text(`http://${metrics}/healthz`), "ok\n")

      assert.strictEqual(await stranger.exit(), 1)
      assert.match(stranger.stderr, /^intentra: .* does not admit our key: put our public key on its allow-list\n$/)

      hub.child.kill("SIGTERM")
      assert.strictEqual(await hub.exit(), 0)
      await peer.match(/"type":"disconnected"/)
      const again = start("hub", "--listen", address, ...hubArgs, "--print")
      peer.child.stdin.end("thr\u001bee")
      await again.match(/^[0-9a-f]{16} thr\\x1bee$/m)
      assert.strictEqual(await peer.exit(), 0)
      assert.deepInclude(records(peer).at(-1), { type: "summary", sent: 3, skipped: 0 })
      await again.match(/^- [0-9a-f]{16} left/m, "stderr")
      again.child.kill("SIGINT")
      assert.strictEqual(await again.exit(), 0)
    }))

  it(
    "reliable updates that a hub never acknowledges are told, and are exit code 1",
    { timeout: TIMEOUT },
    () =>
      withCommands(async (start, folder) => {
        const publicKey = await Effect.runPromise(KeyFile.create(join(folder, "hub.key")))
        const hub = start("hub", "--listen", "127.0.0.1:0", "--key", "hub.key", "--allow", "any", "--print", "--json")
        const [, address] = await hub.match(/"type":"listening","address":"([^"]+)"/)
        const to = ["--connect", address, "--server-key", publicKey]
        const peer = start("peer", ...to, "--intent", "reliable", "--json")
        peer.child.stdin.write("first\n")
        await hub.match(/"text":"first"/)
        hub.child.kill("SIGKILL")
        await hub.exit()
        peer.child.stdin.end("second\nthird\n")
        assert.strictEqual(await peer.exit(), 1)
        const summary = records(peer).at(-1)
        assert.deepInclude(summary, { type: "summary", sent: 3, skipped: 0 })
        // the first arrived, but its acknowledgement may have ended with the hub
        assert.include([2, 3], summary?.unacknowledged)
        assert.match(peer.stderr, /^intentra: 127\.0\.0\.1:\d+ has not acknowledged [23] of 3 updates\n$/m)
      })
  )

  it("the allow-list is read again on SIGHUP, and a hub that ends is not ready first; no secret is ever shown", {
    timeout: TIMEOUT
  }, () =>
    withCommands(async (start, folder) => {
      const publicKey = await Effect.runPromise(KeyFile.create(join(folder, "hub.key")))
      const peerKey = await Effect.runPromise(KeyFile.create(join(folder, "peer.key")))
      const key = await Effect.runPromise(KeyFile.read(join(folder, "peer.key")))
      const allowed = join(folder, "allowed.keys")
      writeFileSync(allowed, `${publicKey}\n`)
      writeFileSync(
        join(folder, "hub.json"),
        JSON.stringify({
          listen: "127.0.0.1:0",
          "key-file": "hub.key",
          "allow-file": "allowed.keys",
          metrics: 0,
          drain: "2 seconds",
          "log-format": "json"
        })
      )
      const hub = start("--log-level", "all", "hub", "--config", "hub.json", "--json")
      const [, address] = await hub.match(/"type":"listening","address":"([^"]+)"/)
      const [, metrics] = await hub.match(/"type":"metrics","address":"([^"]+)"/)
      const [host, port] = address.split(":")
      const admitted = attempt({ key }, { host, port: Number(port), publicKey })

      assert.strictEqual(await Effect.runPromise(admitted), "Refused")
      writeFileSync(allowed, `${publicKey}\n${peerKey}\n`)
      hub.child.kill("SIGHUP")
      await hub.match(/"type":"reloaded","path":"allowed.keys","keys":2/)
      assert.strictEqual(await Effect.runPromise(admitted), "joined")

      writeFileSync(allowed, "rubbish\n")
      hub.child.kill("SIGHUP")
      const [line] = await hub.match(/^\{.*the allow-list is as it was.*\}$/m, "stderr")
      assert.include(JSON.parse(line), { logLevel: "ERROR" })
      assert.strictEqual(await Effect.runPromise(admitted), "joined")

      assert.strictEqual(await status(`http://${metrics}/readyz`), 200)
      hub.child.kill("SIGTERM")
      await hub.match(/"type":"stopping"/)
      assert.strictEqual(await status(`http://${metrics}/readyz`), 503)
      assert.strictEqual(await status(`http://${metrics}/healthz`), 200)
      assert.strictEqual(await hub.exit(), 0)
      for (const file of ["hub.key", "peer.key"]) {
        const [, secret] = readFileSync(join(folder, file), "utf8").split("\n")
        assert.isAbove(secret.length, 40)
        assert.notInclude(hub.output, secret)
      }
    }))
})
