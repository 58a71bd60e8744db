import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { inspect } from "node:util"
import { TransportEvent } from "../src/index.js"
import { connected } from "./internal/harness.js"

describe("Peer", () => {
  it.scoped("a peer is shown by name and address only: neither its transport nor a key reaches a log", () =>
    Effect.gen(function*() {
      const { peer } = yield* connected()
      const event = TransportEvent.PeerConnected({ peer })
      const forms = [
        JSON.stringify(peer),
        inspect(peer, { depth: 20 }),
        JSON.stringify(event),
        inspect(event, { depth: 20 })
      ]
      for (const form of forms) {
        assert.isBelow(form.length, 1000)
        assert.include(form, peer.id)
      }
    }))
})
