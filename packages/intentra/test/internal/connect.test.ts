import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { connectWith } from "../../src/internal/connect.js"
import type { Connector } from "../../src/internal/connect.js"

const target = { host: "127.0.0.1", port: 9, publicKey: new Uint8Array(32) }

describe("connect", () => {
  it.scoped("begins nothing in a transport that ended while a live peer was looked for", () =>
    Effect.gen(function*() {
      let ended = false
      let begun = 0
      const connector: Connector = {
        localAddress: { host: "127.0.0.1", port: 1 },
        maxSessions: 1,
        shares: true,
        sessions: () => 0,
        ended: () => ended ? "scope" : undefined,
        livePeer: () =>
          Effect.sync(() => {
            ended = true
            return undefined
          }),
        begin: () => {
          begun++
          return () => {}
        }
      }
      const error = yield* Effect.flip(connectWith(connector)(target))
      assert.strictEqual(error.reason, "TransportClosed")
      assert.strictEqual(begun, 0)
    }))
})
