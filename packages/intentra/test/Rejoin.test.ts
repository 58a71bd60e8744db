import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import type { Session } from "../src/internal/session.js"
import type { SessionPeer } from "../src/internal/sessionPeer.js"
import { SendOptions } from "../src/SendOptions.js"
import { isSealed } from "./support/frames.js"
import { due, makePair } from "./support/rekeying.js"
import type { Attempt, Station, StationOptions } from "./support/simulation.js"
import {
  ALICE,
  assertDelivers,
  assertLedger,
  bytesOf,
  connected,
  keyOf,
  makeWorld,
  seeded,
  Simulation,
  tableSizes
} from "./support/simulation.js"
import { u32 } from "./support/stranger.js"

const RELIABLE = SendOptions.make({ intent: "Reliable" })

/** The hub's process comes again: same address, same key, nothing remembered. */
const restart = (simulation: Simulation, hub: Station, options: StationOptions = {}): Station => {
  hub.crash()
  return simulation.station("10.0.0.1", 1, { allow: "any", ...options })
}

const count = (station: Station, tag: string): number => station.events.filter(({ _tag }) => _tag === tag).length

/** The sessions of a station with another, oldest first. */
const sessionsWith = (station: Station, other: Station): ReadonlyArray<Session> =>
  Array.from(station.core.active).filter(({ id }) => id === other.id)

/** What `connect` does: a live session is shared, whoever began it. */
const connectOrShare = (from: Station, to: Station): Attempt => {
  const peer = from.hub.livePeer(to.publicKey)
  if (peer === undefined) return from.connect(to)
  return { peer, error: undefined, at: from.simulation.network.now, cancel: () => {} }
}

const settle = (simulation: Simulation, attempts: ReadonlyArray<Attempt>, millis: number): void => {
  for (let i = 0; i < millis / 20 && attempts.some((attempt) => attempt.at < 0); i++) simulation.advance(20)
}

describe("a hub that was restarted", () => {
  it("is found again within about 15 seconds by a client that sends, whose peer goes on as the same one", () => {
    const { alice, hub, simulation } = makePair()
    const peer = alice.peerOf(hub)
    simulation.advance(3000)
    const again = restart(simulation, hub)
    const crashed = simulation.network.now
    while (count(alice, "PeerRejoined") === 0 && simulation.network.now < crashed + 60_000) {
      peer.unsafeSend(bytesOf("state"))
      simulation.advance(100)
    }
    const took = simulation.network.now - crashed
    assert.isTrue(took >= 15_000 && took <= 17_000, `${took}`)
    assert.isUndefined(peer.closeReason)
    assert.strictEqual(alice.peerOf(again), peer)
    assert.strictEqual(peer.unsafeSend(bytesOf("after")), 0)
    simulation.advance(50)
    assert.strictEqual(again.inbox[again.inbox.length - 1].text, "after")
    assertDelivers(alice, again)
    assert.deepStrictEqual(alice.events.map(({ _tag }) => _tag), ["PeerConnected", "PeerRejoined"])
    assert.strictEqual(alice.core.counters.sessionsActive, 1)
    assert.strictEqual(count(again, "PeerConnected"), 1)
    simulation.advance(31_000)
    assert.deepInclude(tableSizes(alice), { connections: 1, identities: 1, addresses: 1, timers: 1 })
    assertLedger(alice)
    assertLedger(again)
  })

  it("is found again by an idle client, after a keepalive without an answer", () => {
    const { alice, hub, simulation } = makePair()
    const peer = alice.peerOf(hub)
    simulation.advance(4321)
    const again = restart(simulation, hub)
    simulation.advance(31_500)
    assert.strictEqual(count(alice, "PeerRejoined"), 1)
    assert.isUndefined(peer.closeReason)
    assert.strictEqual(alice.peerOf(again), peer)
    assertDelivers(alice, again)
  })

  it("is found again by an idle client that was about to ask it for new keys", () => {
    const { alice, hub, simulation } = makePair()
    const peer = alice.peerOf(hub)
    simulation.advance(20_000)
    const again = restart(simulation, hub)
    due(alice, hub, 100)
    simulation.advance(59_000)
    assert.deepStrictEqual(alice.events.map(({ _tag }) => _tag), ["PeerConnected", "PeerRejoined"])
    assert.strictEqual(alice.peerOf(again), peer)
  })

  it.prop(
    "is found again whenever it dies and however long it is away, up to the idle time, though datagrams are lost",
    [fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 0, max: 25_000 }), fc.integer({ min: 1, max: 99 })],
    ([after, away, seed]) => {
      const { alice, hub, simulation } = makePair({ latency: 30, loss: 0.2 }, {}, seed)
      const peer = alice.peerOf(hub)
      const tick = (millis: number): void => {
        for (let i = 0; i < millis; i += 500) {
          peer.unsafeSend(bytesOf("state"))
          simulation.advance(500)
        }
      }
      tick(after)
      hub.crash()
      tick(away)
      const again = simulation.station("10.0.0.1", 1, { allow: "any" })
      tick(30_000)
      assert.isUndefined(peer.closeReason)
      assert.strictEqual(alice.peerOf(again), peer)
      assert.strictEqual(alice.core.active.size, 1)
      assert.strictEqual(again.core.active.size, 1)
      simulation.network.unsafeConfigure({ loss: 0 })
      simulation.advance(1000)
      assertDelivers(alice, again)
    },
    seeded(20)
  )

  it("gets its clients back, two at once, each in its own session", () => {
    const { alice, bob, hub, simulation } = makeWorld()
    const peers = [alice.peerOf(hub), bob.peerOf(hub)]
    const again = restart(simulation, hub)
    for (let i = 0; i < 180; i++) {
      for (const peer of peers) peer.unsafeSend(bytesOf("state"))
      simulation.advance(100)
    }
    assert.strictEqual(alice.peerOf(again), peers[0])
    assert.strictEqual(bob.peerOf(again), peers[1])
    assert.strictEqual(again.core.active.size, 2)
    assertDelivers(alice, again)
    assertDelivers(bob, again)
  })

  it("three times over is rejoined three times, by the same peer", () => {
    const { alice, hub, simulation } = makePair()
    const peer = alice.peerOf(hub)
    let current = hub
    for (let round = 1; round <= 3; round++) {
      current = restart(simulation, current)
      simulation.advance(32_000)
      assert.strictEqual(count(alice, "PeerRejoined"), round)
      assert.strictEqual(alice.peerOf(current), peer)
      assertDelivers(alice, current)
    }
    simulation.advance(31_000)
    assert.deepInclude(tableSizes(alice), { connections: 1, identities: 1, addresses: 1, timers: 1 })
  })

  it("with a network key, or with the client on another address meanwhile, is rejoined all the same", () => {
    for (const options of [{ psk: keyOf(9) }, {}]) {
      const { alice, hub, simulation } = makePair({}, options)
      const peer = alice.peerOf(hub)
      const again = restart(simulation, hub, options)
      simulation.network.unsafeRebindNat(ALICE, "10.0.7.2:9000")
      simulation.advance(32_000)
      assert.strictEqual(alice.peerOf(again), peer)
      assertDelivers(alice, again)
    }
  })

  it("that admits the client no longer lets its session end with the idle time", () => {
    const { alice, hub, simulation } = makePair()
    const peer = alice.peerOf(hub)
    const again = restart(simulation, hub, { allow: [] })
    simulation.advance(62_000)
    assert.strictEqual(peer.closeReason, "Timeout")
    assert.isAbove(again.counters.dropped("Unauthorized"), 0)
    simulation.advance(40_000)
    assert.deepInclude(tableSizes(alice), { connections: 0, identities: 0, addresses: 0, timers: 0 })
    assert.strictEqual(count(alice, "ConnectFailed"), 0)
  })
})

describe("a hub that is gone for good", () => {
  it("ends the session with Timeout 60 seconds after its last word, and nothing is left", () => {
    for (const sends of [true, false]) {
      const { alice, hub, simulation } = makePair()
      const peer = alice.peerOf(hub)
      simulation.advance(sends ? 2000 : 500)
      hub.crash()
      const { lastReceived } = alice.sessionWith(hub)
      while (simulation.network.now < lastReceived + 59_900) {
        if (sends) peer.unsafeSend(bytesOf("anybody?"))
        simulation.advance(100)
      }
      assert.isUndefined(peer.closeReason)
      simulation.advance(300)
      assert.strictEqual(peer.closeReason, "Timeout")
      simulation.advance(31_000)
      assert.deepInclude(tableSizes(alice), {
        connections: 0,
        identities: 0,
        addresses: 0,
        timers: 0,
        queued: 0
      })
      assert.strictEqual(alice.counters.sessionsActive, 0)
      const mark = simulation.sent.length
      simulation.advance(600_000)
      assert.strictEqual(simulation.since(mark).length, 0)
    }
  })

  it("a peer that is closed while it rejoins ends at once, and its handshake with it, however far that had come", () => {
    for (const after of [0, 30, 60, 80, 110, 140]) {
      const { alice, hub, simulation } = makePair({ latency: 25 })
      const peer = alice.peerOf(hub)
      simulation.advance(3000)
      const again = restart(simulation, hub)
      while (peer.session.rejoining === undefined) {
        peer.unsafeSend(bytesOf("state"))
        simulation.advance(1)
      }
      simulation.advance(after)
      alice.hub.close(peer.session, "LocalClosed")
      assert.strictEqual(peer.closeReason, "LocalClosed")
      simulation.advance(6000)
      assert.deepStrictEqual([alice.core.active.size, again.core.active.size], [0, 0])
      assert.strictEqual(count(alice, "PeerRejoined"), 0)
      simulation.advance(40_000)
      assert.deepInclude(tableSizes(alice), { connections: 0, identities: 0, addresses: 0, timers: 0 })
      assert.deepInclude(tableSizes(again), { connections: 0, identities: 0, addresses: 0, timers: 0 })
      assert.strictEqual(alice.counters.sessionsActive, 0)
    }
  })
})

describe("a hub that is alive", () => {
  const talks: ReadonlyArray<readonly [law: string, up: number, down: number]> = [
    ["idle", 0, 0],
    ["one-way traffic to the hub", 1, 0],
    ["one-way traffic from the hub", 0, 1],
    ["a message now and then", 100, 170]
  ]
  it.each(talks)("is never rejoined in an hour of %s", (_, up, down) => {
    const { alice, bob, hub, simulation } = makeWorld()
    for (let second = 0; second < 3600; second++) {
      if (up > 0 && second % up === 0) alice.send(hub, "up")
      if (down > 0 && second % down === 0) hub.send(alice, "down")
      simulation.advance(1000)
    }
    assert.deepStrictEqual([alice, bob, hub].map(({ counters }) => counters.handshakes), [1, 1, 2])
    assert.deepStrictEqual([alice, bob, hub].map((station) => count(station, "PeerClosed")), [0, 0, 0])
    assertDelivers(alice, hub)
  })

  it("that was cut off for a while goes on in one session, whichever end noticed", () => {
    for (const cut of [5000, 14_000, 20_000, 45_000]) {
      const { alice, hub, simulation } = makePair()
      const peer = alice.peerOf(hub)
      simulation.advance(1000)
      simulation.network.unsafePartition(["10.0.0.1"], ["10.0.0.2"])
      for (let i = 0; i < cut; i += 500) {
        peer.unsafeSend(bytesOf("up"))
        simulation.advance(500)
      }
      simulation.network.unsafeHeal()
      for (let i = 0; i < 20_000; i += 500) {
        peer.unsafeSend(bytesOf("up"))
        simulation.advance(500)
      }
      assert.isUndefined(peer.closeReason, `${cut}`)
      assert.strictEqual(alice.peerOf(hub), peer)
      assert.deepStrictEqual([sessionsWith(alice, hub).length, sessionsWith(hub, alice).length], [1, 1])
      assert.strictEqual(alice.sessionWith(hub).connId, hub.sessionWith(alice).remoteConnId)
      assert.strictEqual(count(alice, "PeerClosed"), 0)
      assertDelivers(alice, hub)
      simulation.advance(31_000)
      assert.deepInclude(tableSizes(hub), { connections: 1, identities: 1, addresses: 1 })
    }
  })

  it("and holds a stale session of the client ends that one with Replaced when it rejoins", () => {
    const { alice, hub, simulation } = makePair()
    const stale = hub.peerOf(alice)
    simulation.advance(1000)
    simulation.network.unsafePartition(["10.0.0.1"], ["10.0.0.2"])
    for (let i = 0; i < 17; i++) {
      alice.send(hub, "up")
      simulation.advance(1000)
    }
    simulation.network.unsafeHeal()
    simulation.advance(2000)
    assert.strictEqual(stale.closeReason, "Replaced")
    assert.notStrictEqual(hub.peerOf(alice), stale)
    assert.strictEqual(hub.core.active.size, 1)
    assertDelivers(alice, hub)
  })

  it.each([0, 50, 200, 400].flatMap((after) => [300, 700, 1500].map((until) => [after, until] as const)))(
    "is connected to by the user, %d ms after the transport began to rejoin and %d ms before it is back: one session lives",
    (after, until) => {
      const simulation = new Simulation({ latency: 10 })
      const hub = simulation.station("10.0.0.1", 1, { allow: "any" })
      const alice = simulation.station("10.0.0.2", 2)
      connected(alice, hub)
      const peer = alice.peerOf(hub)
      let isBack = false
      hub.wants = () => isBack
      alice.wants = () => isBack
      for (let i = 0; i < 400 && alice.sessionWith(hub).rejoining === undefined; i++) {
        peer.unsafeSend(bytesOf("state"))
        simulation.advance(50)
      }
      simulation.advance(after)
      const again = alice.connect(hub)
      simulation.advance(until)
      isBack = true
      simulation.advance(5000)
      assert.strictEqual(again.error, undefined)
      assert.strictEqual(again.peer?.closeReason, undefined)
      assert.deepStrictEqual([alice.hub.peers().length, hub.hub.peers().length], [1, 1])
      assertDelivers(alice, hub)
    }
  )

  it("may say Replaced before the client has heard the new session: its peer goes on all the same", () => {
    const { alice, hub, simulation } = makePair()
    const peer = alice.peerOf(hub)
    const { connId } = peer.session
    simulation.advance(1000)
    simulation.network.unsafePartition(["10.0.0.1"], ["10.0.0.2"])
    while (peer.session.rejoining === undefined) {
      peer.unsafeSend(bytesOf("up"))
      simulation.advance(100)
    }
    simulation.network.unsafeHeal()
    // of the sealed packets only those of the old session arrive
    alice.wants = ({ bytes }) => !isSealed(bytes) || u32(bytes, 4) === connId
    simulation.advance(3000)
    assert.strictEqual(hub.counters.handshakes, 2)
    assert.isUndefined(peer.closeReason)
    alice.wants = () => true
    simulation.advance(1500)
    assert.deepStrictEqual(alice.events.map(({ _tag }) => _tag), ["PeerConnected", "PeerRejoined"])
    assert.strictEqual(alice.peerOf(hub), peer)
    assertDelivers(alice, hub)
  })
})

describe("Reliable messages of a session that another one replaces", () => {
  /** Numbered messages of a peer, as they were accepted. */
  const say = (peer: SessionPeer, from: number, count: number): void => {
    for (let i = from; i < from + count; i++) {
      assert.strictEqual(peer.unsafeSend(bytesOf(`${i}`), RELIABLE), 0)
    }
  }
  const heard = (station: Station): ReadonlyArray<string> => station.inbox.map(({ text }) => text)
  const left = (station: Station, tag: "PeerClosed" | "PeerRejoined") =>
    station.events.flatMap((event) => event._tag === tag ? [event.unacknowledged] : [])

  it("end with it when the other end forgot them: the user is told how many, and the next one begins anew", () => {
    const { alice, hub, simulation } = makePair()
    const peer = alice.peerOf(hub)
    say(peer, 0, 5)
    simulation.advance(1000)
    const again = restart(simulation, hub)
    say(peer, 5, 7)
    while (count(alice, "PeerRejoined") === 0) simulation.advance(100)
    simulation.advance(10_000)
    assert.deepStrictEqual(left(alice, "PeerRejoined"), [7])
    assert.deepStrictEqual([heard(hub), heard(again)], [["0", "1", "2", "3", "4"], []])
    assert.strictEqual(peer.unsafeStats().unacknowledged, 0)
    say(peer, 12, 3)
    simulation.advance(1000)
    assert.deepStrictEqual(heard(again), ["12", "13", "14"])
    assert.strictEqual(alice.counters.strikes + again.counters.strikes, 0)
  })

  it("come once when they came, though nobody could say so, and are not sent again", () => {
    const { alice, hub, simulation } = makePair()
    const [peer, stale] = [alice.peerOf(hub), hub.peerOf(alice)]
    simulation.advance(1000)
    simulation.network.unsafeLink("10.0.0.1", "10.0.0.2", { loss: 1 })
    say(peer, 0, 6)
    say(stale, 100, 4)
    simulation.advance(17_000)
    assert.deepStrictEqual(heard(hub), ["0", "1", "2", "3", "4", "5"])
    simulation.network.unsafeLink("10.0.0.1", "10.0.0.2", undefined)
    // the handshake beside the session is the first to come through
    alice.wants = ({ bytes }) => !isSealed(bytes) || u32(bytes, 4) !== peer.session.connId
    while (count(alice, "PeerRejoined") === 0) simulation.advance(10)
    alice.wants = () => true
    simulation.advance(10_000)
    assert.deepStrictEqual(left(alice, "PeerRejoined"), [6])
    assert.deepStrictEqual(hub.events.map(({ _tag }) => _tag), ["PeerConnected", "PeerClosed", "PeerConnected"])
    assert.deepStrictEqual(left(hub, "PeerClosed"), [4])
    assert.deepStrictEqual([heard(hub).length, heard(alice).length], [6, 0])
    say(peer, 6, 1)
    say(hub.peerOf(alice), 104, 1)
    simulation.advance(1000)
    assert.deepStrictEqual([heard(hub).slice(6), heard(alice)], [["6"], ["104"]])
  })

  it("and of one that ends for good are counted in PeerClosed, at whichever end they were sent", () => {
    const { alice, hub, simulation } = makePair()
    simulation.advance(1000)
    say(alice.peerOf(hub), 0, 3)
    simulation.advance(1000)
    simulation.network.unsafePartition(["10.0.0.1"], ["10.0.0.2"])
    say(alice.peerOf(hub), 3, 8)
    say(hub.peerOf(alice), 100, 2)
    simulation.advance(62_000)
    assert.deepStrictEqual([left(alice, "PeerClosed"), left(hub, "PeerClosed")], [[8], [2]])
    assert.strictEqual(heard(hub).length, 3)
  })
})

describe("everything at once", () => {
  type Trouble = readonly [kind: "rebind" | "cut" | "restart" | "rekey", after: number, size: number]
  const troubles: fc.Arbitrary<ReadonlyArray<Trouble>> = fc.array(
    fc.tuple(
      fc.constantFrom("rebind" as const, "cut" as const, "restart" as const, "rekey" as const),
      fc.integer({ min: 0, max: 5000 }),
      fc.integer({ min: 0, max: 100 })
    ),
    { minLength: 2, maxLength: 6 }
  )

  it.prop(
    "a hub restarted, paths cut, addresses lost and keys changed: a peer that talks is the same one after it, and talks",
    [troubles, fc.boolean()],
    ([plan, hubTalks]) => {
      const { alice, hub, simulation } = makePair({ latency: 20, jitter: 10, loss: 0.05, duplicate: 0.05 })
      const peer = alice.peerOf(hub)
      let current = hub
      let seenAt = ALICE
      const talk = (millis: number): void => {
        for (let i = 0; i < millis; i += 250) {
          peer.unsafeSend(bytesOf("up"))
          if (hubTalks && current.findSession(alice) !== undefined) current.send(alice, "down")
          simulation.advance(250)
        }
      }
      plan.forEach(([kind, after, size], i) => {
        talk(after)
        if (kind === "rebind") {
          const next = `10.7.${i}.${size}:${9000 + i}`
          simulation.network.unsafeRebindNat(seenAt, next)
          seenAt = next
        } else if (kind === "cut") {
          simulation.network.unsafePartition(["10.0.0.1"], [seenAt])
          talk(size * 60)
          simulation.network.unsafeHeal()
        } else if (kind === "restart") {
          current = restart(simulation, current)
        } else {
          const { rekeying } = peer.session
          if (rekeying !== undefined) rekeying.rekeyAt = simulation.network.now
        }
      })
      talk(40_000)
      assert.isUndefined(peer.closeReason)
      assert.deepStrictEqual([alice.core.active.size, current.core.active.size], [1, 1])
      assert.strictEqual(alice.sessionWith(current).handle === peer, true)
      simulation.network.unsafeConfigure({ loss: 0, duplicate: 0, jitter: 0 })
      simulation.advance(1000)
      assertDelivers(alice, current)
      simulation.advance(31_000)
      assert.deepInclude(tableSizes(alice), { connections: 1, identities: 1, addresses: 1, timers: 1, inFlight: 0 })
      assert.deepInclude(tableSizes(current), { connections: 1, identities: 1, addresses: 1, timers: 1, inFlight: 0 })
      assertLedger(alice)
      assertLedger(current)
    },
    seeded(60)
  )
})

describe("two sessions of one key", () => {
  const twins = (options: StationOptions) => {
    const simulation = new Simulation()
    const hub = simulation.station("10.0.0.1", 1, { allow: "any", ...options })
    const first = simulation.station("10.0.0.2", 2)
    const second = simulation.station("10.0.0.3", 2)
    connected(first, hub)
    const attempt = second.connect(hub)
    settle(simulation, [attempt], 6000)
    simulation.advance(500)
    return { simulation, hub, first, second, attempt }
  }

  it("replace: the newer one takes the place of the older, which ends with Replaced", () => {
    const { attempt, first, hub, second, simulation } = twins({})
    assert.isDefined(attempt.peer)
    assert.strictEqual(first.core.active.size, 0)
    assert.deepStrictEqual(
      first.events.flatMap((event) => event._tag === "PeerClosed" ? [event.reason, event.byPeer] : []),
      ["Replaced", true]
    )
    assert.strictEqual(hub.core.active.size, 1)
    simulation.advance(31_000)
    assertDelivers(second, hub)
    assert.strictEqual(hub.core.table.size, 1)
  })

  it("reject: the newer one is refused, and the older one lives on as if nothing had been", () => {
    const { attempt, first, hub, second, simulation } = twins({ sameIdentity: "reject" })
    assert.isUndefined(attempt.peer)
    assert.isDefined(attempt.error)
    assert.strictEqual(second.core.active.size, 0)
    assert.strictEqual(hub.core.active.size, 1)
    assert.strictEqual(count(hub, "PeerClosed"), 0)
    assertDelivers(first, hub)
    simulation.advance(120_000)
    assertDelivers(first, hub)
    assert.deepInclude(tableSizes(second), { connections: 0, addresses: 0, timers: 0 })
    assert.deepInclude(tableSizes(hub), { connections: 1, identities: 1, addresses: 1 })
    // its place is free when it has gone
    first.hub.close(first.sessionWith(hub), "LocalClosed")
    simulation.advance(100)
    connected(second, hub)
    assertDelivers(second, hub)
  })

  it("allow: both live, the list of peers has both, and closing one keeps the other", () => {
    for (const closeFirst of [true, false]) {
      const { attempt, first, hub, second, simulation } = twins({ sameIdentity: "allow" })
      assert.isDefined(attempt.peer)
      assert.deepStrictEqual(hub.hub.peers().map(({ id }) => id), [first.id, second.id])
      const [one, two] = hub.hub.peers()
      for (const [station, peer, name] of [[first, one, "first"], [second, two, "second"]] as const) {
        peer.unsafeSend(bytesOf(`to the ${name}`))
        station.send(hub, `from the ${name}`)
        simulation.advance(20)
        assert.strictEqual(station.inbox[station.inbox.length - 1].text, `to the ${name}`)
        assert.strictEqual(hub.inbox[hub.inbox.length - 1].text, `from the ${name}`)
      }
      const [gone, left] = closeFirst ? [first, second] : [second, first]
      gone.hub.close(gone.sessionWith(hub), "LocalClosed")
      simulation.advance(100)
      assert.deepStrictEqual(hub.hub.peers(), [closeFirst ? two : one])
      assertDelivers(left, hub)
      simulation.advance(200_000)
      assertDelivers(left, hub)
      assert.strictEqual(hub.core.byIdentity.size, 1)
    }
  })
})

describe("both ends connect at once", () => {
  it.prop(
    "and end with one session, the same on both sides, and both connects succeed",
    [
      fc.integer({ min: 0, max: 200 }),
      fc.integer({ min: 0, max: 500 }),
      fc.boolean(),
      fc.integer({ min: 0, max: 200 })
    ],
    ([latency, gap, swapped, jitter]) => {
      const simulation = new Simulation({ latency, jitter: Math.min(jitter, latency) / 2 }, gap)
      const a = simulation.station("10.0.0.1", swapped ? 2 : 1, { allow: "any" })
      const b = simulation.station("10.0.0.2", swapped ? 1 : 2, { allow: "any" })
      const first = a.connect(b)
      simulation.advance(gap)
      const second = connectOrShare(b, a)
      settle(simulation, [first, second], 6000)
      assert.isDefined(first.peer, `${first.error?.message}`)
      assert.isDefined(second.peer, `${second.error?.message}`)
      simulation.advance(8000)
      assert.deepStrictEqual([a.core.active.size, b.core.active.size], [1, 1])
      assert.strictEqual(a.sessionWith(b).connId, b.sessionWith(a).remoteConnId)
      assert.strictEqual(b.sessionWith(a).connId, a.sessionWith(b).remoteConnId)
      // whichever session stays, what connect gave is its peer
      assert.isTrue(first.peer === a.peerOf(b) && second.peer === b.peerOf(a))
      simulation.network.unsafeConfigure({ latency: 5, jitter: 0 })
      assertDelivers(a, b)
      simulation.advance(40_000)
      assert.deepInclude(tableSizes(a), { connections: 1, identities: 1, addresses: 1, timers: 1, inFlight: 0 })
      assert.deepInclude(tableSizes(b), { connections: 1, identities: 1, addresses: 1, timers: 1, inFlight: 0 })
      assertDelivers(a, b)
    },
    seeded(100)
  )

  it.prop(
    "though a quarter of all datagrams is lost, and whoever succeeds has the one session that is left",
    [fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 500 }), fc.integer({ min: 1, max: 1000 })],
    ([latency, gap, seed]) => {
      const simulation = new Simulation({ latency, loss: 0.25, duplicate: 0.1 }, seed)
      const a = simulation.station("10.0.0.1", 1, { allow: "any" })
      const b = simulation.station("10.0.0.2", 2, { allow: "any" })
      const first = a.connect(b)
      simulation.advance(gap)
      const second = connectOrShare(b, a)
      settle(simulation, [first, second], 6000)
      simulation.network.unsafeConfigure({ latency: 5, loss: 0, duplicate: 0 })
      simulation.advance(70_000)
      assert.deepStrictEqual([a.core.active.size, b.core.active.size], [1, 1])
      assert.strictEqual(a.sessionWith(b).connId, b.sessionWith(a).remoteConnId)
      assertDelivers(a, b)
    },
    seeded(40)
  )
})
