import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { SendOptions } from "../src/SendOptions.js"
import { ACCEPTED, OVERLOAD, PAYLOAD_TOO_LARGE, SESSION_CLOSED } from "../src/SendResult.js"
import type { Station } from "./support/simulation.js"
import {
  ALICE,
  assertDelivers,
  assertDrops,
  assertLedger,
  assertMessageLedger,
  assertUntouched,
  connected,
  HUB,
  keyOf,
  makeWorld,
  packet,
  realtime,
  reliable,
  seal,
  seeded,
  sequenced,
  Simulation,
  STRANGER,
  tableSizes
} from "./support/simulation.js"

describe("liveness", () => {
  it("a session that hears nothing authentic for 60 seconds ends with Timeout, on both sides", () => {
    const world = makeWorld()
    const { alice, bob, hub, simulation } = world
    const [there, here] = [alice.peerOf(hub), hub.peerOf(alice)]
    assertDelivers(alice, hub)
    simulation.network.unsafePartition(["10.0.0.1"], ["10.0.0.2"])
    const cut = simulation.network.now
    simulation.advance(59_800)
    assert.isUndefined(there.closeReason)
    assert.isUndefined(here.closeReason)
    simulation.advance(400)
    assert.strictEqual(there.closeReason, "Timeout")
    assert.strictEqual(here.closeReason, "Timeout")
    const ends = [alice, hub].map((station) => station.events[station.events.length - 1])
    for (const event of ends) assert.isTrue(event._tag === "PeerClosed" && !event.byPeer)
    assert.isAtLeast(simulation.network.now, cut + 60_000)
    simulation.advance(31_000)
    assert.deepInclude(tableSizes(alice), { connections: 0, identities: 0, addresses: 0, timers: 0 })
    assert.deepInclude(tableSizes(hub), { connections: 1, identities: 1, addresses: 1, timers: 1 })
    assertDelivers(bob, hub)
  })

  it("keepalives keep a silent session alive for an hour, with a handful of packets a minute", () => {
    const world = makeWorld()
    const { alice, bob, hub, simulation } = world
    const [there, here] = [alice.peerOf(hub), hub.peerOf(alice)]
    const mark = simulation.sent.length
    simulation.advance(3_600_000)
    assert.isUndefined(there.closeReason)
    assert.isUndefined(here.closeReason)
    const packets = simulation.since(mark, ALICE, HUB).length
    assert.isAtLeast(packets, 60)
    assert.isAtMost(packets, 60 * 8)
    assert.strictEqual(alice.peerOf(hub), there)
    assertDelivers(alice, hub)
    assertDelivers(bob, hub)
    for (const station of [alice, bob, hub]) {
      assertLedger(station)
      assert.deepStrictEqual(station.counters.dropsByReason(), {})
    }
  })

  it("keepalives that are lost now and then do not end a silent session", () => {
    const simulation = new Simulation({ loss: 0.1 }, 3)
    const hub = simulation.station("10.0.0.1", 1, { allow: "any" })
    const alice = simulation.station("10.0.0.2", 2)
    const peer = connected(alice, hub)
    simulation.advance(1_800_000)
    assert.isUndefined(peer.closeReason)
  })

  it("who only receives answers within ten seconds", () => {
    const world = makeWorld()
    const { alice, hub, simulation } = world
    simulation.advance(2000)
    const session = alice.sessionWith(hub)
    let mark = simulation.sent.length
    let last = simulation.network.now
    for (let second = 0; second < 100; second++) {
      // messages alone: nothing asks for an answer
      simulation.inject(ALICE, HUB, seal(session, realtime(`${second}`)))
      simulation.advance(1000)
      const [answer] = simulation.since(mark, HUB, ALICE)
      if (answer !== undefined) {
        mark = simulation.sent.length
        last = answer.at
      }
      assert.isAtMost(simulation.network.now - last, 11_000)
    }
    assert.strictEqual(hub.inbox.length, 100)
  })

  it("a session goes on when its hub is restarted, with the same peer", () => {
    const { alice, hub, simulation } = makeWorld()
    const peer = alice.peerOf(hub)
    hub.crash()
    const again = simulation.station("10.0.0.1", 1, { allow: "any" })
    for (let second = 0; second < 20; second++) {
      peer.unsafeSend(new Uint8Array(1))
      simulation.advance(1000)
    }
    assert.isUndefined(peer.closeReason)
    assert.strictEqual(alice.peerOf(again), peer)
    assertDelivers(alice, again)
    assertLedger(alice)
  })
})

describe("intents", () => {
  it("a Realtime packet lost between two Sequenced ones stalls neither", () => {
    const world = makeWorld()
    const { alice, hub, simulation } = world
    const session = alice.sessionWith(hub)
    const packets = [sequenced(1, "one"), realtime("lost"), sequenced(2, "two"), realtime("three")]
      .map((plaintext) => seal(session, plaintext))
    for (const i of [0, 2, 3]) simulation.inject(ALICE, HUB, packets[i])
    simulation.advance(1)
    assert.deepStrictEqual(hub.inbox.map(({ text }) => text), ["one", "two", "three"])
    simulation.inject(ALICE, HUB, packets[1])
    simulation.advance(1)
    assert.deepStrictEqual(hub.inbox.map(({ text }) => text), ["one", "two", "three", "lost"])
  })

  it.prop(
    "every Realtime packet that arrives is delivered once, and Sequenced ones only forward, in any order of arrival",
    [fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 1e6 })), { minLength: 1, maxLength: 60 })],
    ([plan]) => {
      const world = makeWorld()
      const { alice, hub, simulation } = world
      const session = alice.sessionWith(hub)
      const packets = plan.map(([isRealtime, order], i) => ({
        order,
        isRealtime,
        i,
        bytes: seal(session, isRealtime ? realtime(`r${i}`) : sequenced(i, `s${i}`))
      })).sort((a, b) => a.order - b.order)
      for (const { bytes } of packets) simulation.inject(ALICE, HUB, bytes)
      simulation.advance(1)
      let newest = -1
      const expected: Array<string> = []
      for (const { i, isRealtime } of packets) {
        if (isRealtime) expected.push(`r${i}`)
        else if (i > newest) {
          newest = i
          expected.push(`s${i}`)
        }
      }
      assert.deepStrictEqual(hub.inbox.map(({ text }) => text), expected)
      assert.strictEqual(hub.counters.dropped("Stale"), plan.length - expected.length)
      assertLedger(hub)
    },
    seeded(30)
  )

  it("Sequenced numbers go on over the end of 32 bits", () => {
    const world = makeWorld()
    const { alice, hub, simulation } = world
    const session = alice.sessionWith(hub)
    session.nextSequenced = 2 ** 32 - 3
    for (let i = 0; i < 6; i++) {
      alice.send(hub, `${i}`, { intent: "Sequenced" })
      simulation.advance(10)
    }
    assert.deepStrictEqual(hub.inbox.map(({ text }) => text), ["0", "1", "2", "3", "4", "5"])
    assertDrops(hub, { Stale: 1 }, () => simulation.inject(ALICE, HUB, seal(session, sequenced(2 ** 32 - 1, "old"))))
  })
})

describe("a packet of several messages", () => {
  it("brings all of them as they were sent, also when its first one releases others that were held", () => {
    const { alice, hub, simulation } = makeWorld({ hub: { stream: true } })
    const session = alice.sessionWith(hub)
    for (const number of [2, 1, 3]) {
      simulation.inject(ALICE, HUB, seal(session, reliable(number, `held ${number} `.repeat(20))))
    }
    simulation.advance(10)
    const parts = [reliable(0, "first"), ...Array.from({ length: 40 }, (_, i) => realtime(`fresh ${i} `.repeat(2)))]
    simulation.inject(ALICE, HUB, seal(session, Uint8Array.from(parts.flatMap((part) => Array.from(part)))))
    simulation.advance(10)
    assert.deepStrictEqual(hub.hub.takeDeliveries().map(({ payload }) => new TextDecoder().decode(payload)), [
      "first",
      ...[1, 2, 3].map((number) => `held ${number} `.repeat(20)),
      ...Array.from({ length: 40 }, (_, i) => `fresh ${i} `.repeat(2))
    ])
    assertLedger(hub)
  })
})

describe("the send queue", () => {
  it("is bounded: the oldest of the lowest priority make room, and what is most urgent leaves first", () => {
    const world = makeWorld({ clients: { sendQueue: 16 } })
    const { alice, hub, simulation } = world
    alice.hub.turn(() => {
      for (let i = 0; i < 40; i++) alice.queue(hub, `${i}`, { priority: i % 2 })
    })
    simulation.advance(20)
    const got = hub.inbox.map(({ text }) => Number(text))
    assert.deepStrictEqual(got, Array.from({ length: 16 }, (_, i) => 9 + 2 * i))
    assert.strictEqual(alice.counters.dropped("Overload"), 24)
    assertMessageLedger(alice)
  })

  it("refuses a message that is less urgent than all that wait", () => {
    const world = makeWorld({ clients: { sendQueue: 16 } })
    const { alice, hub } = world
    alice.hub.turn(() => {
      for (let i = 0; i < 16; i++) assert.strictEqual(alice.queue(hub, `${i}`, { priority: 3 }), ACCEPTED)
      assert.strictEqual(alice.queue(hub, "less urgent", { priority: 2 }), OVERLOAD)
      assert.strictEqual(alice.queue(hub, "as urgent", { priority: 3 }), ACCEPTED)
    })
    assert.strictEqual(alice.counters.dropped("Overload"), 2)
    assertMessageLedger(alice)
    assertDelivers(alice, hub)
  })

  it("takes no message that does not fit a datagram, and one that just fits arrives", () => {
    const world = makeWorld()
    const { alice, hub, simulation } = world
    const peer = alice.peerOf(hub)
    for (const intent of ["Realtime", "Sequenced"] as const) {
      const limit = peer.maxPayload(intent)
      const options = SendOptions.make({ intent })
      assert.strictEqual(peer.unsafeSend(new Uint8Array(limit + 1), options), PAYLOAD_TOO_LARGE)
      const mark = simulation.sent.length
      assert.strictEqual(peer.unsafeSend(new Uint8Array(limit), options), ACCEPTED)
      simulation.advance(20)
      assert.isTrue(simulation.since(mark, ALICE).every(({ bytes }) => bytes.length <= 1200))
      assert.strictEqual(hub.inbox[hub.inbox.length - 1].text.length, limit)
    }
  })

  it("packs what is sent in one turn into as few datagrams as hold it", () => {
    const world = makeWorld()
    const { alice, hub, simulation } = world
    const mark = simulation.sent.length
    for (let i = 0; i < 50; i++) alice.send(hub, `message ${i}`)
    simulation.advance(20)
    assert.strictEqual(hub.inbox.length, 50)
    assert.strictEqual(simulation.since(mark, ALICE, HUB).filter(({ bytes }) => bytes[0] === 0x20).length, 1)
  })
})

describe("the end of a session", () => {
  const closeOf = (from: Station, to: Station, act: () => void): ReadonlyArray<{ at: number; bytes: Uint8Array }> => {
    const { simulation } = from
    const mark = simulation.sent.length
    act()
    simulation.advance(1000)
    return simulation.since(mark, from.address, to.address)
  }

  it("CLOSE is sealed, and sent three times byte for byte within a second", () => {
    const world = makeWorld()
    const { alice, bob, hub, simulation } = world
    const start = simulation.network.now
    const peer = alice.peerOf(hub)
    const sends = closeOf(hub, alice, () => hub.hub.close(hub.sessionWith(alice), "LocalClosed"))
    assert.strictEqual(sends.length, 3)
    assert.strictEqual(sends[0].at, start)
    for (const { bytes } of sends) {
      assert.deepStrictEqual(bytes, sends[0].bytes)
      assert.strictEqual(bytes[0], 0x23)
    }
    assert.strictEqual(peer.closeReason, "PeerClosed")
    assert.strictEqual(alice.counters.sessionsActive, 0)
    assertUntouched(bob, hub, () => {})
  })

  it("one CLOSE of the three is enough", () => {
    for (const survivor of [0, 1, 2]) {
      const world = makeWorld()
      const { alice, hub } = world
      const peer = alice.peerOf(hub)
      let n = 0
      alice.wants = ({ from }) => from !== HUB || n++ === survivor
      closeOf(hub, alice, () => hub.hub.close(hub.sessionWith(alice), "LocalClosed"))
      assert.strictEqual(peer.closeReason, "PeerClosed")
    }
  })

  it("when all three are lost the next packet brings another", () => {
    const world = makeWorld()
    const { alice, hub, simulation } = world
    const peer = alice.peerOf(hub)
    alice.wants = ({ from }) => from !== HUB
    closeOf(hub, alice, () => hub.hub.close(hub.sessionWith(alice), "LocalClosed"))
    alice.wants = () => true
    assert.isUndefined(peer.closeReason)
    alice.send(hub, "are you there? this is long enough for an answer of the same length")
    simulation.advance(50)
    assert.strictEqual(peer.closeReason, "PeerClosed")
  })

  it("late packets are answered once a second for 30 seconds, never with more bytes than came, and nothing more is held", () => {
    const world = makeWorld()
    const { alice, hub, simulation } = world
    const session = alice.sessionWith(hub)
    const late = seal(session, realtime("late, and long enough for an answer"))
    const { bytes } = closeOf(hub, alice, () => hub.hub.close(hub.sessionWith(alice), "LocalClosed"))[0]
    const mark = simulation.sent.length
    simulation.inject(STRANGER, HUB, late)
    simulation.advance(100)
    assert.deepStrictEqual(simulation.since(mark, HUB, ALICE), [], "another address draws nothing to anybody")
    for (let i = 0; i < 400; i++) {
      simulation.inject(ALICE, HUB, late)
      simulation.inject(STRANGER, HUB, late)
      simulation.inject(ALICE, HUB, packet(session.remoteConnId, {}, new Uint8Array(bytes.length - 17)))
      simulation.advance(100)
    }
    const answers = simulation.since(mark, HUB, ALICE)
    assert.isAtLeast(answers.length, 28)
    assert.isAtMost(answers.length, 30)
    for (const answer of answers) {
      assert.deepStrictEqual(answer.bytes, bytes)
      assert.isAtMost(answer.bytes.length, late.length)
    }
    assert.deepStrictEqual(simulation.since(mark, HUB, STRANGER), [])
    assert.strictEqual(hub.inbox.length, 0)
    assert.deepInclude(tableSizes(hub), { connections: 1, identities: 1, addresses: 1, timers: 1 })
    assertLedger(hub)
  })

  it("a packet shorter than CLOSE gets no answer", () => {
    const world = makeWorld()
    const { alice, hub, simulation } = world
    const { remoteConnId } = alice.sessionWith(hub)
    const { bytes } = closeOf(hub, alice, () => hub.hub.close(hub.sessionWith(alice), "LocalClosed"))[0]
    const mark = simulation.sent.length
    for (let length = 16; length < bytes.length - 16; length++) {
      simulation.inject(ALICE, HUB, packet(remoteConnId, {}, new Uint8Array(length)))
      simulation.advance(1500)
    }
    assert.deepStrictEqual(simulation.since(mark, HUB, ALICE), [])
  })

  it("what was sent before a close arrives before it, and nothing can be sent after", () => {
    const world = makeWorld()
    const { alice, hub, simulation } = world
    const peer = alice.peerOf(hub)
    alice.send(hub, "last words")
    alice.hub.close(alice.sessionWith(hub), "LocalClosed")
    assert.strictEqual(peer.unsafeSend(new Uint8Array(1)), SESSION_CLOSED)
    simulation.advance(50)
    assert.deepStrictEqual(hub.inbox.map(({ text }) => text), ["last words"])
    assertMessageLedger(alice)
  })

  it("a transport that ends says CLOSE to everybody, three times", () => {
    const world = makeWorld()
    const { alice, bob, hub, simulation } = world
    const peers = [alice, bob].map((one) => one.peerOf(hub))
    const mark = simulation.sent.length
    hub.hub.end("scope")
    simulation.advance(500)
    for (const one of [alice, bob]) assert.strictEqual(simulation.since(mark, HUB, one.address).length, 3)
    for (const peer of peers) assert.strictEqual(peer.closeReason, "PeerClosed")
    assert.strictEqual(hub.counters.sessionsActive, 0)
    assert.strictEqual(hub.counters.undecided, 0)
  })

  it("two ends that close at once both end, and neither answers the other for ever", () => {
    const world = makeWorld()
    const { alice, hub, simulation } = world
    const mark = simulation.sent.length
    hub.hub.close(hub.sessionWith(alice), "LocalClosed")
    alice.hub.close(alice.sessionWith(hub), "LocalClosed")
    simulation.advance(60_000)
    assert.isAtMost(simulation.since(mark, ALICE, HUB).length, 3 + 30)
    assert.deepInclude(tableSizes(alice), { connections: 0, addresses: 0, timers: 0 })
    assert.deepInclude(tableSizes(hub), { connections: 1, addresses: 1, timers: 1 })
  })
})

describe("the ledgers", () => {
  const weather = fc.record({
    loss: fc.constantFrom(0, 0.05, 0.3),
    duplicate: fc.constantFrom(0, 0.1, 0.5),
    corrupt: fc.constantFrom(0, 0.05, 0.3),
    reorder: fc.constantFrom(0, 0.2),
    jitter: fc.constantFrom(0, 5, 30)
  })
  const step = fc.record({
    who: fc.integer({ min: 0, max: 2 }),
    what: fc.constantFrom("Realtime", "Sequenced", "burst", "close", "connect", "wait", "crowd") as fc.Arbitrary<
      "Realtime" | "Sequenced" | "burst" | "close" | "connect" | "wait" | "crowd"
    >,
    priority: fc.integer({ min: 0, max: 7 }),
    wait: fc.integer({ min: 0, max: 40 })
  })

  it.prop(
    "balance at every moment, whatever is lost, doubled, bent, closed and begun anew",
    [weather, fc.array(step, { minLength: 5, maxLength: 60 }), fc.integer({ min: 0, max: 1e6 })],
    ([conditions, steps, seed]) => {
      const simulation = new Simulation({ latency: 10 }, seed)
      const hub = simulation.station("10.0.0.1", 1, { allow: "any", sendQueue: 32 })
      const clients = [2, 3, 4].map((n) => simulation.station(`10.0.0.${n}`, n, { sendQueue: 16 }))
      for (const client of clients) connected(client, hub)
      simulation.network.unsafeConfigure(conditions)
      const all = [hub, ...clients]
      const balance = (): void => {
        for (const station of all) {
          assertLedger(station)
          assertMessageLedger(station)
          const { counters } = station
          assert.strictEqual(counters.sessionsActive, station.core.byIdentity.size)
          assert.strictEqual(counters.sessionsActive, station.hub.peers().length)
        }
        const { delivered, duplicated, inFlight, injected, lostTotal, sent } = simulation.network.ledger
        assert.strictEqual(sent + duplicated + injected, delivered + lostTotal + inFlight)
        assert.strictEqual(sent, all.reduce((sum, { counters }) => sum + counters.sent, 0))
      }
      for (const { priority, wait, what, who } of steps) {
        const client = clients[who]
        const session = client.findSession(hub)
        if (what === "connect") client.connect(hub)
        else if (session === undefined || what === "wait") simulation.advance(wait * 10)
        else if (what === "close") client.hub.close(session, "LocalClosed")
        else if (what === "burst") {
          client.hub.turn(() => {
            for (let i = 0; i < 40; i++) client.queue(hub, `${i}`, { priority: i & 7, ttl: 5 })
          })
        } else if (what === "crowd") {
          for (const peer of hub.hub.peers()) {
            for (let i = 0; i < 20; i++) peer.unsafeSend(new Uint8Array(300), SendOptions.make({ priority }))
          }
        } else client.send(hub, "state", { intent: what, priority })
        simulation.advance(wait)
        balance()
      }
      simulation.advance(100_000)
      balance()
      assert.strictEqual(hub.counters.undecided, 0)
      assert.strictEqual(hub.counters.strikes, 0)
    },
    seeded(25)
  )
})

describe("determinism", () => {
  const run = (seed: number): { readonly hash: string; readonly drops: unknown; readonly inbox: unknown } => {
    const simulation = new Simulation({ latency: 20, jitter: 10, loss: 0.05, duplicate: 0.05, corrupt: 0.02 }, seed)
    const hub = simulation.station("10.0.0.1", 1, { allow: "any", psk: keyOf(9) })
    const peers = Array.from({ length: 20 }, (_, i) => simulation.station(`10.0.1.${i + 1}`, 10 + i, { psk: keyOf(9) }))
    for (const peer of peers) peer.connect(hub)
    simulation.advance(3000)
    for (let tick = 0; tick < 100; tick++) {
      for (const peer of peers) {
        const session = peer.findSession(hub)
        if (session !== undefined) peer.send(hub, `tick ${tick}`, { intent: tick % 3 === 0 ? "Sequenced" : "Realtime" })
      }
      for (const peer of hub.hub.peers()) peer.unsafeSend(new Uint8Array(tick))
      simulation.advance(50)
    }
    simulation.advance(150_000)
    return { hash: simulation.network.trace.hash, drops: hub.counters.dropsByReason(), inbox: hub.inbox }
  }

  it("the same seed gives the same trace, byte for byte, and another seed another one", () => {
    const first = run(1)
    assert.isAbove((first.inbox as ReadonlyArray<unknown>).length, 1000)
    assert.deepStrictEqual(run(1), first)
    assert.notStrictEqual(run(2).hash, first.hash)
  })
})
