import { assert, describe, it } from "@effect/vitest"
import * as DropReason from "../../src/DropReason.js"
import type { EpochKeys } from "../../src/internal/session.js"
import type { PacketKey } from "../../src/PacketCrypto.js"
import { ALICE, assertDrops, bytesOf, HUB, makeWorld } from "../support/simulation.js"
import type { Datagram, Station } from "../support/simulation.js"

const MESSAGES = 40
const textOf = (i: number): string => `message number ${i}.`
const TEXTS = Array.from({ length: MESSAGES }, (_, i) => textOf(i))
const includes = (bytes: Uint8Array, text: string): boolean => Buffer.from(bytes).includes(Buffer.from(bytesOf(text)))

const clear = (datagrams: ReadonlyArray<Datagram>, texts: ReadonlyArray<string>): boolean =>
  datagrams.some(({ bytes }) => texts.some((text) => includes(bytes, text)))

/** A session's key answers otherwise where `seal` has an answer for a counter. */
const sealing = (station: Station, other: Station, seal: (counter: number) => number | undefined): EpochKeys => {
  const keys = station.sessionWith(other).current
  if (keys === undefined) return assert.fail("a session has keys")
  const real = keys.send.sealPacket.bind(keys.send)
  const sealPacket: PacketKey["sealPacket"] = (arena, offset, aadLength, plaintextLength, counter) =>
    seal(counter) ?? real(arena, offset, aadLength, plaintextLength, counter)
  Object.assign(keys.send, { sealPacket })
  return keys
}

/** Alice sends messages in a row to the hub, each in a packet of its own; the key does something else for one of them. */
const sendRow = (odd: number, seal: () => number) => {
  const world = makeWorld({ clients: { coalesce: false } })
  const { alice, hub, simulation } = world
  const { sendSeq } = sealing(alice, hub, (counter) => counter === sendSeq + odd ? seal() : undefined)
  const mark = simulation.sent.length
  alice.mayThrow = true
  hub.inbox.length = 0
  for (let i = 0; i < MESSAGES; i++) if (alice.findSession(hub) !== undefined) alice.send(hub, textOf(i))
  simulation.advance(100)
  return { ...world, left: simulation.since(mark, ALICE, HUB), arrived: hub.inbox.map(({ text }) => text) }
}

describe("packets that wait for their seal", () => {
  it.each([0, 7, 15, 16, 39])(
    "one that its key refuses (%i) never leaves, nor in the clear; those before it arrive, and the session ends",
    (odd) => {
      const { alice, arrived, hub, left } = sendRow(odd, () => -1)
      assert.isFalse(clear(left, TEXTS))
      assert.isUndefined(alice.findSession(hub))
      assert.strictEqual(alice.defects, 0)
      assert.deepStrictEqual(arrived.slice(0, odd), TEXTS.slice(0, odd))
      assert.notInclude(arrived, textOf(odd))
      assert.strictEqual(alice.counters.closes.reduce((sum, count) => sum + count, 0), 1)
    }
  )

  it.each([0, 7, 15, 16, 39])(
    "one over which the service throws (%i) never leaves, nor in the clear; all others arrive, and the session lives",
    (odd) => {
      const { alice, arrived, hub, left } = sendRow(odd, () => {
        throw new Error("a service that throws")
      })
      assert.isFalse(clear(left, TEXTS))
      assert.isDefined(alice.findSession(hub))
      assert.strictEqual(alice.defects, 1)
      assert.deepStrictEqual(arrived, TEXTS.filter((_, i) => i !== odd))
    }
  )

  it("of several transports in a thread are sealed by whoever is the first to hand its outbox over", () => {
    const { alice, bob, hub, simulation } = makeWorld({ clients: { coalesce: false } })
    hub.inbox.length = 0
    for (let i = 0; i < MESSAGES; i++) {
      alice.queue(hub, `alice ${i}`)
      bob.queue(hub, `bob ${i}`)
    }
    alice.core.handOver()
    simulation.advance(50)
    bob.core.handOver()
    simulation.advance(50)
    const of = (name: string) => hub.inbox.map(({ text }) => text).filter((text) => text.startsWith(name))
    for (const name of ["alice", "bob"]) {
      assert.deepStrictEqual(of(name), Array.from({ length: MESSAGES }, (_, i) => `${name} ${i}`))
    }
  })

  it("leave though the other end closes the session in the turn in which they were made, as all that counts as sent", () => {
    const { alice, hub, simulation } = makeWorld({ clients: { coalesce: false } })
    alice.hub.handler = () => {
      alice.queue(hub, "too late")
    }
    const { sent } = alice.counters
    // both arrive in one turn
    hub.queue(alice, "the last word")
    hub.hub.close(hub.sessionWith(alice), "LocalClosed")
    simulation.advance(50)
    assert.isUndefined(alice.findSession(hub))
    assert.strictEqual(alice.counters.sent, sent + 1)
    assert.strictEqual(alice.counters.drops[DropReason.code.SendQueueFull], 0)
  })

  it("go before the CLOSE of a session that ends, and are not lost with its keys", () => {
    const { alice, hub, simulation } = makeWorld({ clients: { coalesce: false } })
    hub.inbox.length = 0
    alice.queue(hub, "the last word")
    alice.hub.close(alice.sessionWith(hub), "Replaced")
    simulation.advance(50)
    assert.deepStrictEqual(hub.inbox.map(({ text }) => text), ["the last word"])
    assert.isUndefined(hub.findSession(alice))
  })

  const refusing = (station: Station, other: Station, refuses: () => boolean): void => {
    sealing(station, other, () => refuses() ? -1 : undefined)
  }

  it("a session that fails within a row leaves all other packets of the row as they were", () => {
    const { alice, bob, hub, simulation } = makeWorld({ hub: { coalesce: false } })
    let first = true
    refusing(hub, alice, () => {
      const refuses = first
      first = false
      return refuses
    })
    bob.inbox.length = 0
    for (let i = 0; i < 16; i++) hub.queue(alice, `alice ${i}`)
    for (let i = 0; i < 5; i++) hub.queue(bob, `bob ${i}`)
    hub.core.handOver()
    hub.hub.turn(() => {})
    simulation.advance(100)
    assert.deepStrictEqual(bob.inbox.map(({ text }) => text), ["bob 0", "bob 1", "bob 2", "bob 3", "bob 4"])
    assert.isUndefined(hub.findSession(alice))
    assertDrops(bob, {}, () => simulation.advance(100))
    assert.strictEqual(bob.counters.strikes, 0)
  })

  it.each([0, 14, 15, 16])(
    "a CLOSE behind %i others whose key refuses is never sent, nor kept in the clear",
    (others) => {
      const { alice, bob, hub, simulation } = makeWorld({ hub: { coalesce: false } })
      refusing(hub, alice, () => true)
      const mark = simulation.sent.length
      for (let i = 0; i < others; i++) hub.queue(bob, textOf(i))
      const session = hub.sessionWith(alice)
      hub.core.closeSession(simulation.network.now, session, "LimitExceeded", "what nobody may read")
      hub.hub.turn(() => {})
      simulation.advance(2000)
      assert.isUndefined(session.closeBytes)
      assert.isFalse(clear(simulation.since(mark), ["what nobody may read"]))
      assert.strictEqual(bob.inbox.filter(({ text }) => text.startsWith("message")).length, others)
    }
  )

  it("a service that sends while it seals loses what it sends, and nothing leaves in the clear", () => {
    const { alice, hub, simulation } = makeWorld({ clients: { coalesce: false } })
    const mark = simulation.sent.length
    let once = true
    refusing(alice, hub, () => {
      if (once) {
        once = false
        alice.queue(hub, textOf(1))
      }
      return false
    })
    hub.inbox.length = 0
    alice.send(hub, textOf(0))
    simulation.advance(50)
    alice.send(hub, textOf(2))
    simulation.advance(50)
    assert.deepStrictEqual(hub.inbox.map(({ text }) => text), [textOf(0), textOf(2)])
    assert.isFalse(clear(simulation.since(mark), [textOf(0), textOf(1), textOf(2)]))
  })

  it("a hint that throws costs nothing", () => {
    const { alice, hub, simulation } = makeWorld({ clients: { coalesce: false } })
    Object.assign(alice.core.services, {
      crypto: {
        ...alice.core.services.crypto,
        prefetch: () => {
          throw new Error("a service that throws")
        }
      }
    })
    hub.inbox.length = 0
    for (let i = 0; i < MESSAGES; i++) alice.queue(hub, textOf(i))
    alice.core.handOver()
    simulation.advance(50)
    assert.strictEqual(hub.inbox.length, MESSAGES)
  })
})
