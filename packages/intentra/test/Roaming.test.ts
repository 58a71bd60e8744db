import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import * as Frame from "../src/Frame.js"
import * as PacketHeader from "../src/PacketHeader.js"
import type { TransportEvent } from "../src/TransportEvent.js"
import { framesOf, says } from "./support/frames.js"
import { assertSerial, due, makePair } from "./support/rekeying.js"
import type { Datagram, Simulation, Station } from "./support/simulation.js"
import {
  ALICE,
  assertDelivers,
  assertDrops,
  assertLedger,
  HUB,
  intercept,
  makeWorld,
  realtime,
  seal,
  seeded,
  STRANGER
} from "./support/simulation.js"

const MOVED = "10.0.7.2:9000"

/** A NAT before the client forgets what it knew: the client is seen at another address from now on. */
const rebind = (simulation: Simulation, from = ALICE, to = MOVED): void => simulation.network.unsafeRebindNat(from, to)

/** Where a station's session with another goes to. */
const addressOf = (station: Station, other: Station): string => {
  const { host, port } = station.hub.addresses.address(station.sessionWith(other).addressId)
  return `${host}:${port}`
}

const roamed = (station: Station) =>
  station.events.filter((event): event is Extract<TransportEvent, { _tag: "PeerRoamed" }> =>
    event._tag === "PeerRoamed"
  )

const text = ({ host, port }: { readonly host: string; readonly port: number }): string => `${host}:${port}`

/** The challenges among datagrams for a station: where they went, and with which token. */
const challenges = (to: Station, datagrams: ReadonlyArray<Datagram>) =>
  datagrams.flatMap((datagram) =>
    framesOf(to, datagram.bytes).filter(({ type }) => type === Frame.PATH_CHALLENGE).map(({ body }) => ({
      to: datagram.to,
      token: Buffer.from(body).toString("hex")
    }))
  )

/** Everything that a station says, again from another address and before the original arrives. */
const copyFrom = (simulation: Simulation, from: string, as: string): () => void =>
  simulation.network.tap((event) => {
    if (event.kind === "sent" && event.from === from) simulation.inject(as, event.to, event.bytes.slice(), 0)
  })

describe("a peer that moves", () => {
  it("is followed one round trip after its first packet from the new address, and all traffic goes there", () => {
    const { alice, hub, simulation } = makePair({ latency: 20 })
    const rtt = () => hub.peerOf(alice).unsafeStats().rtt
    for (let i = 0; i < 200; i++) {
      alice.send(hub, `up ${i}`)
      hub.send(alice, `down ${i}`)
      simulation.advance(10)
    }
    assert.isAtLeast(rtt() ?? 0, 40)
    rebind(simulation)
    const mark = simulation.sent.length
    const at = simulation.network.now
    let moved = -1
    for (let step = 0; step < 1000; step++) {
      if (step % 10 === 0) {
        alice.send(hub, `up ${200 + step / 10}`)
        hub.send(alice, `down ${200 + step / 10}`)
      }
      simulation.advance(1)
      if (moved < 0 && addressOf(hub, alice) === MOVED) {
        moved = simulation.network.now
        assert.isUndefined(rtt(), "a new path has a round trip of its own")
      }
    }
    simulation.advance(40)
    // the packet's way, and the challenge's way there and back
    assert.isAtLeast(moved, at + 60)
    assert.isAtMost(moved, at + 62)
    const down = simulation.since(mark, HUB)
    for (const datagram of down.filter((one) => one.at > moved)) assert.strictEqual(datagram.to, MOVED)
    for (const datagram of down.filter((one) => one.at < moved && one.to === MOVED)) {
      assert.strictEqual(challenges(alice, [datagram]).length, 1, "only challenges before")
    }
    assert.strictEqual(hub.inbox.filter((one) => one.text.startsWith("up")).length, 300)
    // what was on its way to the old address is lost, 60 ms of it
    const missing = 300 - alice.inbox.filter((one) => one.text.startsWith("down")).length
    assert.isTrue(missing > 0 && missing <= 9, `${missing} lost`)
    const [event] = roamed(hub)
    assert.deepStrictEqual([text(event.from), text(event.to)], [ALICE, MOVED])
    assert.strictEqual(roamed(hub).length, 1)
    assert.strictEqual(event.peer, hub.peerOf(alice))
    assert.strictEqual(text(hub.peerOf(alice).address), MOVED)
    assert.deepStrictEqual([hub.counters.moves, alice.counters.moves, hub.counters.handshakes], [1, 0, 1])
    assert.isAtLeast(rtt() ?? 0, 40)
    assertDelivers(alice, hub)
    assertLedger(hub)
  })

  it("is challenged at both addresses with tokens of their own, and nowhere else", () => {
    const { alice, hub, simulation } = makePair({ latency: 20 })
    simulation.advance(1000)
    rebind(simulation)
    const mark = simulation.sent.length
    alice.send(hub, "from the new address")
    simulation.advance(25)
    const found = challenges(alice, simulation.since(mark, HUB))
    assert.sameMembers(found.map((one) => one.to), [ALICE, MOVED])
    assert.notStrictEqual(found[0].token, found[1].token)
  })

  it("has a path whose longest datagram must be found anew", () => {
    const { alice, hub, simulation } = makePair({ latency: 5 })
    const atFirst = hub.peerOf(alice).maxPayload()
    for (let i = 0; i < 300; i++) {
      alice.send(hub, "up")
      // full datagrams: nobody looks for a longer one before
      hub.send(alice, "down".padEnd(atFirst))
      simulation.advance(100)
    }
    assert.isAbove(hub.peerOf(alice).maxPayload(), atFirst)
    rebind(simulation)
    alice.send(hub, "moving")
    while (addressOf(hub, alice) !== MOVED) simulation.advance(1)
    assert.strictEqual(hub.peerOf(alice).maxPayload(), atFirst)
    assertDelivers(alice, hub)
  })

  it.prop(
    "is followed although challenges and answers are lost, up to three of them",
    [fc.uniqueArray(fc.integer({ min: 0, max: 7 }), { maxLength: 3 })],
    ([lost]) => {
      const { alice, hub, simulation } = makePair()
      simulation.advance(1000)
      let n = 0
      const wants = (station: Station) => ({ bytes }: Datagram) =>
        !(says(station, bytes, Frame.PATH_CHALLENGE) || says(station, bytes, Frame.PATH_RESPONSE)) ||
        !lost.includes(n++)
      alice.wants = wants(alice)
      hub.wants = wants(hub)
      rebind(simulation)
      alice.send(hub, "here I am")
      simulation.advance(1000)
      assert.strictEqual(addressOf(hub, alice), MOVED)
      assert.isUndefined(hub.sessionWith(alice).move)
      assertDelivers(alice, hub)
    },
    seeded(40)
  )

  it("is followed at its next packet when a first attempt came to nothing", () => {
    const { alice, hub, simulation } = makePair()
    simulation.advance(1000)
    rebind(simulation)
    alice.wants = ({ bytes }) => !says(alice, bytes, Frame.PATH_CHALLENGE)
    const mark = simulation.sent.length
    alice.send(hub, "into the void")
    simulation.advance(1300)
    assert.strictEqual(challenges(alice, simulation.since(mark, HUB)).filter((one) => one.to === MOVED).length, 3)
    assert.strictEqual(challenges(alice, simulation.since(mark, HUB)).filter((one) => one.to === ALICE).length, 4)
    assert.isUndefined(hub.sessionWith(alice).move)
    assert.strictEqual(addressOf(hub, alice), ALICE)
    alice.wants = () => true
    alice.send(hub, "again")
    simulation.advance(50)
    assert.strictEqual(addressOf(hub, alice), MOVED)
    assertDelivers(alice, hub)
  })

  it("may come back, and go again", () => {
    const { alice, hub, simulation } = makePair()
    for (const [from, to] of [[ALICE, MOVED], [MOVED, ALICE], [ALICE, "10.0.8.2:1234"], ["10.0.8.2:1234", MOVED]]) {
      rebind(simulation, from, to)
      alice.send(hub, to)
      simulation.advance(50)
      assert.strictEqual(addressOf(hub, alice), to)
      assertDelivers(alice, hub)
    }
    assert.deepStrictEqual(roamed(hub).map((event) => text(event.to)), [MOVED, ALICE, "10.0.8.2:1234", MOVED])
  })

  it("may be the hub: its clients follow", () => {
    const { alice, bob, hub, simulation } = makeWorld()
    simulation.advance(1000)
    rebind(simulation, HUB, "10.0.9.1:9000")
    hub.send(alice, "I have moved")
    hub.send(bob, "I have moved")
    simulation.advance(50)
    for (const client of [alice, bob]) {
      assert.strictEqual(addressOf(client, hub), "10.0.9.1:9000")
      assert.strictEqual(roamed(client).length, 1)
      assertDelivers(client, hub)
    }
  })

  it("that is silent is followed when its keepalive comes", () => {
    const { alice, hub, simulation } = makePair()
    simulation.advance(20_000)
    rebind(simulation)
    simulation.advance(16_600)
    assert.strictEqual(addressOf(hub, alice), MOVED)
    assert.strictEqual(hub.counters.handshakes, 1)
    assertDelivers(alice, hub)
  })

  it.prop(
    "keeps its session and gets its new keys when it moves while they change",
    [fc.integer({ min: 0, max: 40 }), fc.boolean()],
    ([gap, hubAsks]) => {
      const { alice, hub, simulation } = makePair({ latency: 5 })
      simulation.advance(1000)
      const peer = hub.peerOf(alice)
      if (hubAsks) due(hub, alice)
      else due(alice, hub)
      simulation.advance(gap)
      rebind(simulation)
      alice.send(hub, "moving")
      simulation.advance(3000)
      assertSerial(alice, hub, 1)
      assert.strictEqual(addressOf(hub, alice), MOVED)
      assert.strictEqual(hub.peerOf(alice), peer)
      assert.deepStrictEqual([hub.counters.handshakes, hub.counters.strikes, alice.counters.strikes], [1, 0, 0])
      simulation.advance(10_000)
      assertDelivers(alice, hub)
    },
    seeded(41)
  )

  it("loses nothing Reliable, both ways, however often it moves", () => {
    const { alice, hub, simulation } = makePair({ latency: 20, loss: 0.05 })
    const sent: ReadonlyArray<Array<string>> = [[], []]
    let from = ALICE
    for (let i = 0; i < 1500; i++) {
      if (i % 100 === 50) {
        const to = `10.0.8.${i / 50}:9000`
        rebind(simulation, from, to)
        from = to
      }
      if (alice.send(hub, `${i}`, { intent: "Reliable" }) === 0) sent[0].push(`${i}`)
      if (hub.send(alice, `${i}`, { intent: "Reliable" }) === 0) sent[1].push(`${i}`)
      simulation.advance(20)
    }
    simulation.advance(20_000)
    assert.strictEqual(hub.counters.moves, 15)
    assert.isAbove(Math.min(sent[0].length, sent[1].length), 500)
    for (const [station, texts] of [[hub, sent[0]], [alice, sent[1]]] as const) {
      assert.isTrue(station.inbox.map(({ text }) => text).join() === texts.join(), "each once, in order")
    }
  })

  it("a thousand times leaves no address behind", () => {
    const { alice, hub, simulation } = makePair({ latency: 1 })
    simulation.advance(500)
    const before = [hub.hub.addresses.size, alice.hub.addresses.size]
    let from = ALICE
    for (let i = 0; i < 1000; i++) {
      const to = `10.1.${i >> 7}.${i & 127}:${9000 + i % 3}`
      rebind(simulation, from, to)
      alice.send(hub, to)
      simulation.advance(6)
      assert.strictEqual(addressOf(hub, alice), to)
      from = to
    }
    assert.strictEqual(hub.counters.moves, 1000)
    assert.deepStrictEqual([hub.hub.addresses.size, alice.hub.addresses.size], before)
    alice.hub.close(alice.sessionWith(hub), "LocalClosed")
    simulation.advance(31_000)
    assert.deepStrictEqual([hub.hub.addresses.size, alice.hub.addresses.size], [0, 0])
  })

  it("a thousand attempts that come to nothing leave no address behind either", () => {
    const { alice, hub, simulation } = makePair({ latency: 1 })
    simulation.advance(500)
    const before = hub.hub.addresses.size
    const session = alice.sessionWith(hub)
    for (let i = 0; i < 1000; i++) {
      simulation.inject(`10.1.${i >> 7}.${i & 127}:7`, HUB, seal(session, realtime("not from here")))
      simulation.advance(i % 2 === 0 ? 5 : 1300)
    }
    simulation.advance(2000)
    assert.strictEqual(hub.hub.addresses.size, before)
    assert.strictEqual(hub.counters.moves, 0)
    assertDelivers(alice, hub)
  })
})

describe("strangers and addresses", () => {
  it("a replayed packet or an older one never begins a move", () => {
    const { alice, hub, simulation } = makePair()
    simulation.advance(1000)
    const older = intercept(hub, ALICE, () => alice.send(hub, "older"))
    let newest: Uint8Array | undefined
    const stop = simulation.network.tap((event) => {
      if (event.kind === "sent" && event.from === ALICE) newest = event.bytes.slice()
    })
    alice.send(hub, "newest")
    simulation.advance(100)
    stop()
    if (newest === undefined) throw new Error("nothing was sent")
    const replay = newest
    const mark = simulation.sent.length
    // fresh, so it is delivered, but a newer one is here
    assertDrops(hub, {}, () => simulation.inject(STRANGER, HUB, older))
    assert.strictEqual(hub.inbox[hub.inbox.length - 1].text, "older")
    assertDrops(hub, { Replayed: 1 }, () => simulation.inject(STRANGER, HUB, replay))
    assertDrops(hub, { Replayed: 1 }, () => simulation.inject(STRANGER, HUB, older))
    simulation.advance(2000)
    assert.strictEqual(simulation.since(mark).filter((one) => one.to === STRANGER).length, 0)
    assert.isUndefined(hub.sessionWith(alice).move)
    assert.strictEqual(addressOf(hub, alice), ALICE)
  })

  it("a late packet of an older epoch never begins a move, whatever its number", () => {
    const { alice, hub, simulation } = makePair()
    for (let i = 0; i < 20; i++) {
      alice.send(hub, "many")
      simulation.advance(10)
    }
    const late = intercept(hub, ALICE, () => alice.send(hub, "late"))
    due(alice, hub)
    simulation.advance(500)
    assertSerial(alice, hub, 1)
    assertDrops(hub, {}, () => simulation.inject(STRANGER, HUB, late))
    assert.strictEqual(hub.inbox[hub.inbox.length - 1].text, "late")
    assert.isUndefined(hub.sessionWith(alice).move)
  })

  it("a forged packet from another address begins nothing", () => {
    const { alice, hub, simulation } = makePair()
    const forged = seal(alice.sessionWith(hub), realtime("forged"))
    forged[forged.length - 1] ^= 1
    assertDrops(hub, { AuthFailed: 1 }, () => simulation.inject(STRANGER, HUB, forged))
    assert.isUndefined(hub.sessionWith(alice).move)
  })

  it("who copies packets from a spoofed address and does not answer never moves the session, and gets three times what it sent at most, all challenges", () => {
    for (const size of [1, 40, 900]) {
      const { alice, hub, simulation } = makePair({ latency: 10 })
      simulation.advance(1000)
      const mark = simulation.sent.length
      let given = 0
      simulation.network.tap((event) => {
        if (event.kind !== "sent" || event.from !== ALICE) return
        given += event.bytes.length
        simulation.inject(STRANGER, event.to, event.bytes.slice(), 0)
        const taken = simulation.since(mark, HUB, STRANGER).reduce((sum, one) => sum + one.bytes.length, 0)
        assert.isAtMost(taken, 3 * given)
      })
      for (let i = 0; i < 500; i++) {
        alice.send(hub, `${i}`.padEnd(size))
        hub.send(alice, `${i}`)
        simulation.advance(20)
        assert.strictEqual(addressOf(hub, alice), ALICE)
      }
      simulation.advance(2000)
      const got = simulation.since(mark, HUB, STRANGER)
      assert.isAbove(got.length, 0)
      assert.strictEqual(challenges(alice, got).length, got.length)
      assert.isAtMost(got.reduce((sum, one) => sum + one.bytes.length, 0), 3 * given)
      assert.deepStrictEqual([hub.counters.moves, roamed(hub).length], [0, 0])
      assert.strictEqual(hub.inbox.length, 500)
      assert.strictEqual(alice.inbox.length, 500)
      assert.deepStrictEqual([hub.counters.strikes, alice.counters.strikes], [0, 0])
    }
  })

  it("an answer from the old address ends the attempt at once, so that the next one need not wait", () => {
    const { alice, hub, simulation } = makePair({ latency: 10 })
    simulation.advance(1000)
    simulation.inject(STRANGER, HUB, seal(alice.sessionWith(hub), realtime("copied")))
    simulation.advance(1)
    assert.isDefined(hub.sessionWith(alice).move)
    simulation.advance(21)
    assert.isUndefined(hub.sessionWith(alice).move)
    rebind(simulation)
    alice.send(hub, "moving")
    simulation.advance(35)
    assert.strictEqual(addressOf(hub, alice), MOVED)
  })

  it("one tiny packet from a spoofed address brings three times its bytes there at most, however long it is waited", () => {
    const { alice, hub, simulation } = makePair()
    simulation.advance(1000)
    rebind(simulation, ALICE, MOVED)
    const mark = simulation.sent.length
    const tiny = seal(alice.sessionWith(hub), realtime(""))
    simulation.inject(STRANGER, HUB, tiny)
    simulation.advance(5000)
    const got = simulation.since(mark, HUB, STRANGER)
    assert.isAbove(got.length, 0)
    assert.isAtMost(got.reduce((sum, one) => sum + one.bytes.length, 0), 3 * tiny.length)
  })

  it("who relays both ways moves the session while it relays, and a direct packet brings it back", () => {
    const { alice, hub, simulation } = makePair({ latency: 10 })
    simulation.advance(1000)
    const stops = [
      copyFrom(simulation, ALICE, STRANGER),
      simulation.network.tap((event) => {
        if (event.kind === "sent" && event.to === STRANGER) simulation.inject(HUB, ALICE, event.bytes.slice(), 0)
      })
    ]
    for (let i = 0; i < 100; i++) {
      alice.send(hub, `up ${i}`)
      hub.send(alice, `down ${i}`)
      simulation.advance(20)
    }
    assert.strictEqual(addressOf(hub, alice), STRANGER)
    // a relay reads nothing, changes nothing and loses nothing
    for (const station of [alice, hub]) assert.strictEqual(station.inbox.length, 100)
    for (const stop of stops) stop()
    alice.send(hub, "directly")
    simulation.advance(50)
    assert.strictEqual(addressOf(hub, alice), ALICE)
    assertDelivers(alice, hub)
    assert.deepStrictEqual([hub.counters.handshakes, hub.counters.strikes], [1, 0])
  })

  it("one move is in progress at a time: another address is looked at when the first has had its time", () => {
    const { alice, hub, simulation } = makePair()
    simulation.advance(1000)
    // nobody answers at the old address
    rebind(simulation, ALICE, MOVED)
    alice.wants = ({ bytes }) => !says(alice, bytes, Frame.PATH_CHALLENGE)
    const session = alice.sessionWith(hub)
    const mark = simulation.sent.length
    const others = Array.from({ length: 20 }, (_, i) => `10.6.6.${i + 1}:666`)
    for (const other of others) {
      simulation.inject(other, HUB, seal(session, realtime(other)))
      simulation.advance(50)
    }
    const asked = new Set(challenges(alice, simulation.since(mark, HUB)).map((one) => one.to))
    assert.sameMembers(Array.from(asked), [others[0], ALICE])
    simulation.advance(400)
    simulation.inject(others[5], HUB, seal(session, realtime("later")))
    simulation.advance(5)
    assert.isAbove(simulation.since(mark, HUB, others[5]).length, 0)
    assert.strictEqual(hub.hub.addresses.size, 2)
  })

  it("an answer with a wrong token, or from a third address, moves nothing", () => {
    const { alice, hub, simulation } = makePair()
    simulation.advance(1000)
    rebind(simulation)
    const session = alice.sessionWith(hub)
    alice.wants = ({ bytes }) => !says(alice, bytes, Frame.PATH_CHALLENGE)
    const answer = (token: Uint8Array, from: string): void =>
      simulation.inject(
        from,
        HUB,
        seal(session, Frame.encodeAll([{ type: Frame.PATH_RESPONSE, body: token }]), { type: PacketHeader.CONTROL })
      )
    // without a move in progress
    assertDrops(hub, {}, () => answer(new Uint8Array(8), ALICE))
    assertDrops(hub, {}, () => simulation.inject(MOVED, HUB, seal(session, realtime("moving"))))
    const { move } = hub.sessionWith(alice)
    if (move === undefined) throw new Error("no move began")
    const wrong = move.token.slice()
    wrong[7] ^= 1
    assertDrops(hub, {}, () => answer(wrong, MOVED))
    assertDrops(hub, {}, () => answer(move.oldToken, MOVED))
    assertDrops(hub, {}, () => answer(move.token, STRANGER))
    assertDrops(hub, {}, () => answer(move.token, ALICE))
    assert.strictEqual(addressOf(hub, alice), ALICE)
    assert.strictEqual(hub.sessionWith(alice).move, move)
    assertDrops(hub, {}, () => answer(move.token, MOVED))
    assert.strictEqual(addressOf(hub, alice), MOVED)
    // and the same again moves nothing back
    assertDrops(hub, {}, () => answer(move.oldToken, ALICE))
    assert.strictEqual(addressOf(hub, alice), MOVED)
  })

  it("tokens come again never, and have nothing of each other", () => {
    const { alice, hub, simulation } = makePair()
    const tokens = new Set<string>()
    const session = alice.sessionWith(hub)
    for (let i = 0; i < 50; i++) {
      simulation.inject(STRANGER, HUB, seal(session, realtime("x")))
      simulation.advance(2)
      const { move } = hub.sessionWith(alice)
      if (move === undefined) throw new Error("no move began")
      tokens.add(Buffer.from(move.token).toString("hex")).add(Buffer.from(move.oldToken).toString("hex"))
      simulation.advance(100)
    }
    assert.strictEqual(tokens.size, 100)
  })

  it("a session that closes while it moves frees both addresses", () => {
    const { alice, hub, simulation } = makePair()
    simulation.advance(1000)
    simulation.inject(STRANGER, HUB, seal(alice.sessionWith(hub), realtime("x")))
    simulation.advance(1)
    assert.isDefined(hub.sessionWith(alice).move)
    hub.hub.close(hub.sessionWith(alice), "LocalClosed")
    simulation.advance(31_000)
    assert.strictEqual(hub.hub.addresses.size, 0)
  })

  it("what one session does about its address is nothing to another", () => {
    const { alice, bob, hub, simulation } = makeWorld()
    simulation.advance(1000)
    rebind(simulation)
    alice.send(hub, "moving")
    simulation.advance(100)
    assert.strictEqual(addressOf(hub, alice), MOVED)
    assert.strictEqual(addressOf(hub, bob), "10.0.0.3:9000")
    assertDelivers(bob, hub)
    assertDelivers(alice, hub)
  })

  it("a packet of many challenges draws one answer, whoever's address it bears", () => {
    for (const from of [ALICE, STRANGER]) {
      const { alice, hub, simulation } = makePair()
      simulation.advance(1000)
      const body = new Uint8Array(8)
      const many = Frame.encodeAll(Array.from({ length: 150 }, () => ({ type: Frame.PATH_CHALLENGE, body })))
      const packet = seal(alice.sessionWith(hub), many, { type: PacketHeader.CONTROL })
      const mark = simulation.sent.length
      simulation.inject(from, HUB, packet)
      simulation.advance(1)
      // to a new address a challenge of the hub's own goes too
      assert.isAtMost(simulation.since(mark, HUB, from).length, from === ALICE ? 1 : 2)
    }
  })
})
