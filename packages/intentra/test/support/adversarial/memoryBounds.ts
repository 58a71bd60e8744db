/** Everything that one can be made to hold, and where that ends. */
import { assert } from "@effect/vitest"
import * as Frame from "../../../src/Frame.js"
import { SendOptions } from "../../../src/SendOptions.js"
import { ACCEPTED, WOULD_BLOCK } from "../../../src/SendResult.js"
import { ALICE, bytesOf, realtime, reliable, seal, STRANGER } from "../simulation.js"
import type { World } from "../simulation.js"
import { genuine, joined, send, strangerIn, times, zeros } from "./attack.js"
import type { Attack } from "./attack.js"

const RELIABLE = SendOptions.make({ intent: "Reliable" })

/** Sealed by the first client, sent one after the other. */
const sealedAll = (world: World, plaintexts: ReadonlyArray<Uint8Array>): () => void => {
  const session = world.alice.sessionWith(world.hub)
  const all = plaintexts.map((plaintext) => seal(session, plaintext))
  return () => {
    for (const bytes of all) send(world, ALICE, bytes)
  }
}

const numbers = (from: number, count: number, length = 100): ReadonlyArray<Uint8Array> =>
  Array.from({ length: count }, (_, i) => reliable(from + i, "x".repeat(length)))

const queues: ReadonlyArray<Attack> = [
  {
    name: "a send queue of 16 holds 16 of a thousand messages",
    who: "peer",
    world: { clients: { sendQueue: 16 } },
    drops: { Overload: 984 },
    prepare: ({ alice, hub }) => ({
      at: alice,
      act: () =>
        alice.hub.turn(() => {
          times(1000, (i) => alice.queue(hub, `${i}`))
          assert.strictEqual(alice.core.queue.count, 16)
        })
    })
  },
  {
    name: "of a thousand Sequenced messages that wait one is held: the newest",
    who: "peer",
    drops: { Superseded: 999 },
    prepare: ({ alice, hub }) => ({
      at: alice,
      act: () =>
        alice.hub.turn(() => {
          times(1000, (i) => alice.queue(hub, `${i}`, { intent: "Sequenced" }))
          assert.strictEqual(alice.core.queue.count, 1)
        })
    })
  },
  {
    name: "messages that expire while the pacer holds them back are not sent",
    who: "peer",
    world: { clients: { pacePacketsPerSecond: 100 } },
    drops: { Expired: 10 },
    moves: "any",
    settle: 40,
    prepare: ({ alice, hub }) => ({
      at: alice,
      act: () => {
        times(17, () => alice.queue(hub, "x".repeat(1100)))
        times(10, (i) => alice.queue(hub, `${i}`, { ttl: 5 }))
      }
    })
  },
  {
    name: "messages that wait when their peer closes the session are dropped with it",
    who: "peer",
    world: { clients: { pacePacketsPerSecond: 1 } },
    drops: { SessionClosed: 7 },
    moves: "any",
    holds: { connections: -1, identities: -1, addresses: -1, timers: -1, queued: -7 },
    settle: 20,
    prepare: ({ alice, hub, simulation }) => {
      times(16 + 7, () => alice.queue(hub, "x".repeat(1100)))
      simulation.advance(1)
      assert.strictEqual(alice.core.queue.count, 7)
      return { at: alice, act: () => hub.hub.close(hub.sessionWith(alice), "AuthFail") }
    }
  },
  {
    name: "a delivery queue of 10 holds 10 of a hundred messages",
    who: "peer",
    world: { hub: { stream: true, deliveryQueue: 10 } },
    drops: { DeliveryOverflow: 90 },
    moves: { accepted: 10, delivered: 100 },
    prepare: (world) => {
      const act = sealedAll(
        world,
        Array.from({ length: 10 }, () => joined(...Array.from({ length: 10 }, () => realtime("x"))))
      )
      return () => {
        act()
        world.simulation.advance(1)
        assert.strictEqual(world.hub.hub.ring.size, 10)
      }
    }
  },
  {
    name: "a delivery queue of 4,096 bytes holds no more of them",
    who: "peer",
    world: { hub: { stream: true, deliveryQueueBytes: 4096 } },
    drops: { DeliveryOverflow: 16 },
    moves: { accepted: 20, delivered: 20 },
    prepare: (world) => {
      const act = sealedAll(world, Array.from({ length: 20 }, () => realtime("x".repeat(1000))))
      return () => {
        act()
        world.simulation.advance(1)
        assert.strictEqual(world.hub.hub.ring.bytes, 4000)
      }
    }
  },
  {
    name: "a thousand empty messages are a thousand, and no more are held than fit",
    who: "peer",
    world: { hub: { stream: true, deliveryQueue: 100 } },
    drops: { DeliveryOverflow: 900 },
    moves: { accepted: 4, delivered: 1000 },
    prepare: (world) => {
      const many = joined(...Array.from({ length: 250 }, () => realtime("")))
      const act = sealedAll(world, [many, many, many, many])
      return () => {
        act()
        world.simulation.advance(1)
        assert.strictEqual(world.hub.hub.ring.size, 100)
      }
    }
  }
]

const reliables: ReadonlyArray<Attack> = [
  {
    name: "Reliable messages that wait for the first are held up to the limit, and the one at it is asked for again",
    who: "peer",
    drops: { BeyondWindow: 1 },
    moves: { accepted: 256 },
    prepare: (world) => {
      const act = sealedAll(world, numbers(1, 256))
      return () => {
        act()
        world.simulation.advance(1)
        assert.strictEqual(world.hub.counters.reorderBytes, 255 * 100)
      }
    }
  },
  {
    name: "a Reliable message beyond the limit is not held, and strikes",
    who: "peer",
    drops: {},
    moves: { accepted: 1, strikes: 1 },
    prepare: (world) => {
      const act = sealedAll(world, numbers(257, 1))
      return () => {
        act()
        world.simulation.advance(1)
        assert.strictEqual(world.hub.counters.reorderBytes, 0)
      }
    }
  },
  {
    name: "a Reliable message that is held already is not held twice",
    who: "peer",
    drops: { Duplicate: 50 },
    moves: { accepted: 51 },
    prepare: (world) => {
      const act = sealedAll(world, Array.from({ length: 51 }, () => reliable(9, "x".repeat(100))))
      return () => {
        act()
        world.simulation.advance(1)
        assert.strictEqual(world.hub.counters.reorderBytes, 100)
      }
    }
  },
  {
    name: "what was held goes with its session",
    who: "peer",
    drops: {},
    moves: { accepted: 1, closes: { PeerClosed: 1 } },
    holds: { connections: -1, identities: -1, addresses: -1, timers: -1 },
    prepare: (world) => {
      sealedAll(world, numbers(1, 200))()
      world.simulation.advance(20)
      assert.strictEqual(world.hub.counters.reorderBytes, 200 * 100)
      const close = seal(world.alice.sessionWith(world.hub), zeros(Frame.CLOSE, 1), { type: 3 })
      return () => {
        send(world, ALICE, close)
        world.simulation.advance(1)
        assert.strictEqual(world.hub.counters.reorderBytes, 0)
      }
    }
  },
  {
    name:
      "a consumer that takes nothing holds a quarter of its queue and the reorder buffer, and drops nothing Reliable",
    who: "peer",
    world: { hub: { stream: true, deliveryQueue: 40 } },
    drops: {},
    moves: { accepted: 200, delivered: 10 },
    prepare: (world) => {
      const act = sealedAll(world, numbers(0, 200))
      return () => {
        act()
        world.simulation.advance(1)
        assert.strictEqual(world.hub.hub.ring.size, 10)
        assert.strictEqual(world.hub.counters.reorderBytes, 190 * 100)
      }
    }
  },
  {
    name: "a sender whose peer says nothing holds 256 Reliable messages and takes no more",
    who: "peer",
    drops: {},
    prepare: ({ alice, hub }) => ({
      at: alice,
      act: () => {
        const peer = alice.peerOf(hub)
        times(
          1000,
          (i) => assert.strictEqual(peer.unsafeSend(bytesOf(`${i}`), RELIABLE), i < 256 ? ACCEPTED : WOULD_BLOCK)
        )
        assert.strictEqual(peer.unsafeStats().unacknowledged, 256)
      }
    })
  },
  {
    name: "an ACK of 33 ranges is read by nobody, and strikes",
    who: "peer",
    drops: {},
    moves: { accepted: 1, strikes: 1 },
    prepare: (world) => {
      const bytes = seal(world.alice.sessionWith(world.hub), zeros(Frame.ACK, 17 + 33 * 8), { type: 1 })
      return () => send(world, ALICE, bytes)
    }
  }
]

const tables: ReadonlyArray<Attack> = [
  {
    name: "a peer that seems to be at a hundred places at once is asked at one",
    who: "peer",
    drops: {},
    moves: { accepted: 100, delivered: 100 },
    holds: { addresses: 1 },
    prepare: (world) => {
      const all = Array.from({ length: 100 }, (_, i) => genuine(world, `${i}`))
      return () => all.forEach((bytes, i) => send(world, `10.9.${i}.1:1`, bytes))
    }
  },
  {
    name: "an attempt to move that nobody answers is forgotten",
    who: "time",
    drops: {},
    moves: "any",
    prepare: (world) => () => {
      send(world, "10.9.9.1:1", genuine(world))
      world.simulation.advance(3000)
    }
  },
  {
    name: "a packet of 600 frames without a meaning holds nothing",
    who: "peer",
    drops: {},
    moves: { accepted: 1 },
    prepare: (world) => {
      const many = joined(...Array.from({ length: 600 }, () => zeros(Frame.PADDING, 0)))
      const bytes = seal(world.alice.sessionWith(world.hub), many, { type: 3 })
      return () => send(world, ALICE, bytes)
    }
  },
  {
    name: "a closed session is held for thirty seconds, for its late packets",
    who: "peer",
    drops: {},
    moves: { closes: { LocalClosed: 1 } },
    holds: { identities: -1 },
    prepare: (world) => () => world.hub.hub.close(world.hub.sessionWith(world.alice), "LocalClosed")
  },
  {
    name: "and no longer",
    who: "peer",
    drops: {},
    holds: { connections: -1, addresses: -1, timers: -1 },
    settle: 400,
    prepare: (world) => {
      world.hub.hub.close(world.hub.sessionWith(world.alice), "LocalClosed")
      world.simulation.advance(29_000)
      // its keepalive shall not come between
      world.bob.send(world.hub, "still here")
      world.simulation.advance(700)
      return () => {}
    }
  },
  {
    name: "sixty handshakes that end are remembered for their late echoes, in no more than their number",
    drops: { HandshakeRepeated: 60 },
    prepare: (world) => {
      const echoes = Array.from({ length: 60 }, (_, i) => {
        const one = strangerIn(world, 100 + i, `172.16.${i}.1:5000`)
        const echo = one.echo()
        one.say(echo)
        return { address: one.address, echo }
      })
      world.simulation.advance(5200)
      return () => {
        for (const { address, echo } of echoes) send(world, address, echo)
      }
    }
  },
  {
    name: "cookies of a minute ago find nothing of the sixty handshakes that were remembered",
    drops: { BadCookie: 60 },
    prepare: (world) => {
      const echoes = Array.from({ length: 60 }, (_, i) => strangerIn(world, 100 + i, `172.16.${i}.1:5000`).echo())
      echoes.forEach((echo, i) => send(world, `172.16.${i}.1:5000`, echo))
      world.simulation.advance(14_000)
      return () => echoes.forEach((echo, i) => send(world, `172.16.${i}.1:5000`, echo))
    }
  },
  {
    name: "a datagram of 65,507 bytes is counted and not kept",
    drops: { Oversized: 20 },
    prepare: (world) => {
      const bytes = new Uint8Array(65_507).fill(0x20)
      return () => times(20, () => send(world, STRANGER, bytes))
    }
  }
]

export const memoryBounds: ReadonlyArray<Attack> = [...queues, ...reliables, ...tables]
