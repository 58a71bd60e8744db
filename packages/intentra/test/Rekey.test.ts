import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import * as Frame from "../src/Frame.js"
import { SEAL_LIMIT, SEAL_RESERVE } from "../src/internal/core.js"
import { REKEY_AFTER_PACKETS } from "../src/internal/rekey.js"
import { ACTIVE } from "../src/internal/session.js"
import * as PacketHeader from "../src/PacketHeader.js"
import { epochOf, framesOf, isSealed, says, seqOf } from "./support/frames.js"
import { assertSerial, due, makePair, neverAsks, rekeyingOf } from "./support/rekeying.js"
import type { Station } from "./support/simulation.js"
import {
  ALICE,
  assertDelivers,
  assertDrops,
  assertLedger,
  connected,
  HUB,
  intercept,
  keyOf,
  realtime,
  seal,
  seeded,
  Simulation
} from "./support/simulation.js"

const control = (type: number, body: Uint8Array): Uint8Array => Frame.encodeAll([{ type, body }])

/** A REKEY frame with a Noise message of 48 bytes that authenticates nothing. */
const garbage = (step: number, epoch: number, filler = 7): Uint8Array =>
  control(Frame.REKEY, new Uint8Array(50).fill(filler).fill(step, 0, 1).fill(epoch, 1, 2))

const sendControl = (from: Station, to: Station, plaintext: Uint8Array): void =>
  from.simulation.inject(
    from.address,
    to.address,
    seal(from.sessionWith(to), plaintext, { type: PacketHeader.CONTROL })
  )

/** Time passes with a message a second both ways, so that nothing but the rekey can end the session. */
const talkUntil = (a: Station, b: Station, at: number): void => {
  const { simulation } = a
  while (simulation.network.now + 1000 < at) {
    a.send(b, "tick")
    b.send(a, "tock")
    simulation.advance(1000)
  }
  simulation.advance(at - simulation.network.now)
}

/** Counts the Noise KK handshakes that a station begins, each of which costs it a set of Diffie-Hellmans. */
const countRekeys = (station: Station) => {
  const begun: Array<{ readonly at: number; readonly role: string; readonly protocolName: string }> = []
  const { beginRekey } = station.handshake
  Object.assign(station.handshake, {
    beginRekey: (...args: Parameters<typeof beginRekey>) => {
      const noise = beginRekey(...args)
      begun.push({ at: station.simulation.network.now, role: args[0], protocolName: noise.protocolName })
      return noise
    }
  })
  return begun
}

describe("when new keys come", () => {
  it("the session's initiator asks 108 to 114 seconds after the last keys, for as long as the session lives", () => {
    const simulation = new Simulation({ latency: 5 })
    const hub = simulation.station("10.0.0.1", 1, { allow: "any" })
    const clients = [2, 3, 4, 5, 6].map((n) => simulation.station(`10.0.0.${n}`, n))
    const waited: Array<number> = []
    const asked = new Map<Station, number>()
    for (const client of clients) connected(client, hub)
    const here = countRekeys(hub)
    const there = clients.map(countRekeys)
    const born = clients.map((client) => rekeyingOf(client, hub).bornAt)
    simulation.advance(1_200_000)
    clients.forEach((client, i) => {
      let last = born[i]
      for (const { at, role } of there[i]) {
        assert.strictEqual(role, "initiator")
        waited.push(at - last)
        // bornAt of the next: the answer is there one round trip later
        last = at + 10
      }
      asked.set(client, there[i].length)
      assertSerial(client, hub, there[i].length)
      assertDelivers(client, hub)
    })
    for (const one of waited) assert.isTrue(one >= 108_000 && one <= 114_001, `${one}`)
    assert.isAbove(Math.max(...waited) - Math.min(...waited), 2000, "they are spread")
    assert.strictEqual(waited.length, 50)
    assert.isTrue(here.every(({ role }) => role === "responder"))
    assert.strictEqual(hub.counters.rekeys, 50)
    assert.strictEqual(hub.events.filter(({ _tag }) => _tag === "Rekeyed").length, 50)
    assert.deepStrictEqual(hub.counters.dropsByReason(), {})
  })

  it("the responder asks 114 to 120 seconds after the last keys when the initiator has not", () => {
    const simulation = new Simulation({ latency: 5 })
    const hub = simulation.station("10.0.0.1", 1, { allow: "any" })
    for (const n of [2, 3, 4, 5, 6, 7, 8, 9]) {
      const client = simulation.station(`10.0.0.${n}`, n)
      connected(client, hub)
      neverAsks(client, hub)
    }
    const begun = countRekeys(hub)
    const clients = Array.from(hub.core.active).map(({ rekeying }) => rekeying?.bornAt ?? 0)
    simulation.advance(121_000)
    assert.strictEqual(begun.length, 8)
    assert.isTrue(begun.every(({ role }) => role === "initiator"))
    assert.isAtLeast(begun[0].at - Math.max(...clients), 113_000)
    assert.isAtLeast(begun[0].at - Math.min(...clients), 114_000)
    assert.isAtMost(begun[7].at - Math.max(...clients), 120_001)
    for (const session of hub.core.active) assert.strictEqual(session.epoch, 1)
  })

  it("2^27 packets under one key ask for another at once, from either end", () => {
    for (const hubSends of [false, true]) {
      const { alice, hub, simulation } = makePair()
      const [from, to] = hubSends ? [hub, alice] : [alice, hub]
      const keys = from.sessionWith(to).keys[0]
      const there = to.sessionWith(from).keys[0]
      assert.isTrue(keys !== undefined && there !== undefined)
      if (keys === undefined) return
      keys.sendSeq = REKEY_AFTER_PACKETS - 1
      from.send(to, "the last one before")
      simulation.advance(1)
      assert.isUndefined(rekeyingOf(from, to).request)
      from.send(to, "the one that asks")
      simulation.advance(50)
      assertSerial(from, to, 1)
      assertDelivers(alice, hub)
      assert.strictEqual(from.counters.rekeys, 1)
    }
  })

  it("a key that has sealed 2^28 packets less its reserve seals nothing more but CLOSE", () => {
    const { alice, hub, simulation } = makePair()
    const [there, here] = [alice.peerOf(hub), hub.peerOf(alice)]
    const keys = alice.sessionWith(hub).keys[0]
    if (keys === undefined) throw new Error("no keys")
    keys.sendSeq = SEAL_LIMIT - SEAL_RESERVE - 1
    alice.send(hub, "the last")
    simulation.advance(20)
    assert.isUndefined(there.closeReason)
    assert.strictEqual(hub.inbox.length, 1)
    alice.send(hub, "one too many")
    simulation.advance(20)
    assert.strictEqual(there.closeReason, "LimitExceeded")
    assert.strictEqual(here.closeReason, "LimitExceeded")
    assert.strictEqual(hub.inbox.length, 1)
  })

  it("no turn starts more than eight rekeys, however many sessions were born together, and all get their keys", () => {
    const simulation = new Simulation({ latency: 5 })
    const hub = simulation.station("10.0.0.1", 1, { allow: "any" })
    const clients = Array.from({ length: 100 }, (_, i) => simulation.station(`10.0.${1 + (i >> 6)}.${i & 63}`, 2 + i))
    for (const client of clients) client.connect(hub)
    simulation.advance(4_000)
    for (const client of clients) {
      neverAsks(client, hub)
      due(hub, client, 10)
    }
    const begun = countRekeys(hub)
    simulation.advance(9)
    assert.strictEqual(begun.length, 0)
    const perTurn = new Map<number, number>()
    let turns = hub.counters.turns
    for (let step = 0; step < 20_000 && begun.length < 100; step++) {
      const before = begun.length
      simulation.advance(1)
      // everything of one moment, which may be several turns
      perTurn.set(step, (begun.length - before) / Math.max(1, hub.counters.turns - turns))
      turns = hub.counters.turns
    }
    assert.strictEqual(begun.length, 100)
    assert.isAtMost(Math.max(...perTurn.values()), 8)
    simulation.advance(1000)
    for (const client of clients) assertSerial(client, hub, 1)
  })
})

describe("a rekey harms no message", () => {
  it("on a perfect link ten rekeys lose and delay nothing of 100 messages a second both ways, and no nonce is used twice", () => {
    const { alice, hub, simulation } = makePair({ latency: 5 })
    const seen = new Set<string>()
    const repeated: Array<string> = []
    simulation.network.tap(({ bytes, from, kind }) => {
      if (kind !== "sent" || !isSealed(bytes)) return
      const [station, other] = from === ALICE ? [alice, hub] : [hub, alice]
      const nonce = `${from} ${station.sessionWith(other).keys[epochOf(bytes)]?.serial} ${seqOf(bytes)}`
      if (seen.has(nonce)) repeated.push(nonce)
      seen.add(nonce)
    })
    const sentAt: Array<number> = []
    for (let i = 0; i < 12_000; i++) {
      // either end asks, and none sooner than the old key is gone
      if (i % 1100 === 50) due(i % 2200 === 50 ? alice : hub, i % 2200 === 50 ? hub : alice)
      sentAt.push(simulation.network.now)
      alice.send(hub, `${i}`)
      hub.send(alice, `${i}`)
      simulation.advance(10)
    }
    simulation.advance(20)
    assertSerial(alice, hub, 11)
    assert.strictEqual(alice.counters.rekeys, 11)
    assert.deepStrictEqual(repeated, [])
    assert.isAbove(seen.size, 24_000)
    for (const station of [alice, hub]) {
      assert.strictEqual(station.inbox.length, 12_000)
      assert.isTrue(station.inbox.every(({ at, text }, i) => text === `${i}` && at === sentAt[i] + 5))
      assert.deepStrictEqual(station.counters.dropsByReason(), {})
      assertLedger(station)
    }
  })

  it("with 30 % loss, reordering and duplicates every rekey completes and the session lives on for half an hour", () => {
    const { alice, hub, simulation } = makePair(
      { latency: 30, jitter: 20, loss: 0.3, reorder: 0.2, reorderDelay: 200, duplicate: 0.2 },
      {},
      4
    )
    const peer = alice.peerOf(hub)
    for (let i = 0; i < 1800; i++) {
      alice.send(hub, `${i}`)
      hub.send(alice, `${i}`)
      simulation.advance(1000)
    }
    assert.isUndefined(peer.closeReason)
    assert.strictEqual(alice.counters.handshakes, 1)
    assert.isAtLeast(alice.counters.rekeys, 15)
    assert.isAtMost(Math.abs(alice.counters.rekeys - hub.counters.rekeys), 1)
    for (const station of [alice, hub]) {
      assert.isAbove(station.inbox.length, 1150)
      assert.strictEqual(new Set(station.inbox.map(({ text }) => text)).size, station.inbox.length)
      assert.strictEqual(station.counters.strikes, 0)
      assert.strictEqual(station.counters.dropped("AuthFailed"), 0)
    }
  })

  it("Reliable messages arrive once each and in order across rekeys in foul weather, and Sequenced ones go only forward", () => {
    const { alice, hub, simulation } = makePair({ latency: 20, jitter: 15, loss: 0.1, duplicate: 0.1 })
    const accepted: Array<string> = []
    for (let i = 0; i < 3000; i++) {
      if (i % 600 === 100) due(alice, hub)
      if (alice.send(hub, `${i}`, { intent: "Reliable" }) === 0) accepted.push(`${i}`)
      alice.send(hub, `${i}`, { intent: "Sequenced" })
      simulation.advance(20)
    }
    simulation.advance(10_000)
    assertSerial(alice, hub, 5)
    const got = (intent: string) => hub.inbox.filter((one) => one.intent === intent).map(({ text }) => text)
    assert.isAbove(accepted.length, 1000)
    assert.isTrue(got("Reliable").join() === accepted.join(), "each once, in order")
    const numbers = got("Sequenced").map(Number)
    assert.isAbove(numbers.length, 2500)
    assert.isTrue(numbers.every((number, i) => i === 0 || number > numbers[i - 1]))
  })

  it.prop(
    "whichever of its packets are lost once, and whoever asks, a rekey recovers",
    [fc.uniqueArray(fc.integer({ min: 0, max: 9 }), { maxLength: 8 }), fc.boolean()],
    ([lost, hubAsks]) => {
      const { alice, hub, simulation } = makePair()
      simulation.advance(2000)
      let n = 0
      for (const station of [alice, hub]) station.wants = () => !lost.includes(n++)
      if (hubAsks) due(hub, alice)
      else due(alice, hub)
      simulation.advance(10_000)
      assertSerial(alice, hub, 1)
      assert.deepStrictEqual([alice.counters.rekeys, hub.counters.rekeys], [1, 1])
      assert.strictEqual(rekeyingOf(alice, hub).confirmAt, Infinity)
      assert.strictEqual(rekeyingOf(hub, alice).confirmAt, Infinity)
      for (const station of [alice, hub]) station.wants = () => true
      assertDelivers(alice, hub)
    },
    seeded(60)
  )

  it.each([0, 1, 2, 3, 4])("packet %i of a rekey, lost alone, costs at most a repeat", (nth) => {
    const { alice, hub, simulation } = makePair()
    simulation.advance(2000)
    let n = 0
    for (const station of [alice, hub]) station.wants = () => n++ !== nth
    due(alice, hub)
    simulation.advance(320)
    assertSerial(alice, hub, 1)
    simulation.advance(10_000)
    for (const station of [alice, hub]) station.wants = () => true
    assertDelivers(alice, hub)
    assert.deepStrictEqual([alice.counters.rekeys, hub.counters.rekeys], [1, 1])
  })

  it.prop(
    "both ends that ask at once end with one new key",
    [fc.integer({ min: 0, max: 60 }), fc.boolean(), fc.integer({ min: 0, max: 50 })],
    ([gap, hubFirst, latency]) => {
      const { alice, hub, simulation } = makePair({ latency })
      due(alice, hub, hubFirst ? 1 + gap : 1)
      due(hub, alice, hubFirst ? 1 : 1 + gap)
      simulation.advance(3000)
      assertSerial(alice, hub, 1)
      assert.deepStrictEqual([alice.counters.rekeys, hub.counters.rekeys], [1, 1])
      assert.deepStrictEqual([alice.counters.strikes, hub.counters.strikes], [0, 0])
      assert.isUndefined(rekeyingOf(alice, hub).request)
      assert.isUndefined(rekeyingOf(hub, alice).request)
      simulation.advance(12_000)
      assertDelivers(alice, hub)
    },
    seeded(40)
  )

  it("the answering end seals under the new key only when it has opened a packet under it", () => {
    const { alice, hub, simulation } = makePair()
    hub.wants = ({ bytes, from }) => from !== ALICE || epochOf(bytes) === 0
    const mark = simulation.sent.length
    due(alice, hub)
    for (let i = 0; i < 50; i++) {
      hub.send(alice, `under the old key ${i}`)
      simulation.advance(100)
    }
    assert.strictEqual(alice.sessionWith(hub).epoch, 1)
    assert.isTrue(simulation.since(mark, HUB, ALICE).every(({ bytes }) => epochOf(bytes) === 0))
    assert.strictEqual(alice.inbox.length, 50)
    hub.wants = () => true
    simulation.advance(300)
    assertSerial(alice, hub, 1)
    const last = simulation.sent.length
    hub.send(alice, "under the new key")
    simulation.advance(10)
    assert.isTrue(simulation.since(last, HUB, ALICE).every(({ bytes }) => epochOf(bytes) === 1))
    assert.strictEqual(alice.inbox.length, 51)
  })
})

describe("old keys", () => {
  it("late packets of the old epoch open for ten seconds, once each, and are UnknownEpoch later", () => {
    const { alice, hub, simulation } = makePair({ latency: 5 })
    simulation.advance(2000)
    const late = ["in time", "too late"].map((text) => intercept(hub, ALICE, () => alice.send(hub, text)))
    due(alice, hub)
    simulation.advance(1)
    while (hub.sessionWith(alice).epoch === 0) simulation.advance(1)
    const switched = simulation.network.now
    simulation.advance(9_990)
    assertDrops(hub, {}, () => simulation.inject(ALICE, HUB, late[0]))
    assert.strictEqual(hub.inbox[hub.inbox.length - 1].text, "in time")
    assertDrops(hub, { Replayed: 1 }, () => simulation.inject(ALICE, HUB, late[0]))
    simulation.advance(switched + 10_001 - simulation.network.now)
    for (const bytes of late) {
      assertDrops(hub, { UnknownEpoch: 1 }, () => simulation.inject(ALICE, HUB, bytes))
    }
    assertDelivers(alice, hub)
  })

  it("the keys of an epoch that is over are overwritten at both ends, and one key of each direction remains", () => {
    const { alice, hub, simulation } = makePair()
    for (let serial = 0; serial < 6; serial++) {
      const old = [alice.sessionWith(hub), hub.sessionWith(alice)].map((session) => session.keys[session.epoch])
      const packet = intercept(hub, ALICE, () => alice.send(hub, "kept by an eavesdropper"))
      due(alice, hub)
      simulation.advance(9000)
      const out = new Uint8Array(2048)
      assert.isAbove(
        old[1]?.receive.openPacket(packet, 0, PacketHeader.HEADER_BYTES, packet.length, seqOf(packet), out, 0) ?? -1,
        0
      )
      simulation.advance(1200)
      assertSerial(alice, hub, serial + 1)
      assert.isBelow(
        old[1]?.receive.openPacket(packet, 0, PacketHeader.HEADER_BYTES, packet.length, seqOf(packet), out, 0) ?? 0,
        0
      )
      for (const session of [alice.sessionWith(hub), hub.sessionWith(alice)]) {
        assert.deepStrictEqual(
          session.keys.map((keys) => keys !== undefined),
          [0, 1, 2, 3].map((epoch) => epoch === session.epoch)
        )
      }
    }
  })

  it("a packet of an epoch four rekeys ago, whose number comes again, does not open", () => {
    const { alice, hub, simulation } = makePair()
    simulation.advance(2000)
    const old = intercept(hub, ALICE, () => alice.send(hub, "long ago"))
    for (let serial = 1; serial <= 4; serial++) {
      due(alice, hub)
      simulation.advance(10_500)
      assertSerial(alice, hub, serial)
    }
    const before = hub.inbox.length
    assertDrops(hub, { AuthFailed: 1 }, () => simulation.inject(ALICE, HUB, old))
    assert.strictEqual(hub.inbox.length, before)
    assertDelivers(alice, hub)
  })

  it("no key is ever used for two directions, two epochs or two sessions, not even of the same two ends", () => {
    const simulation = new Simulation()
    const hub = simulation.station("10.0.0.1", 1, { allow: "any" })
    const alice = simulation.station("10.0.0.2", 2)
    const made = [alice, hub].map((station) => {
      const keys: Array<string> = []
      const { crypto } = station.core.services
      const { makeKey } = crypto
      Object.assign(crypto, {
        makeKey: (key: Uint8Array) => {
          keys.push(Buffer.from(key).toString("hex"))
          return makeKey(key)
        }
      })
      return keys
    })
    for (let session = 0; session < 3; session++) {
      connected(alice, hub)
      for (let rekey = 0; rekey < 5; rekey++) {
        if (rekey % 2 === 0) due(alice, hub)
        else due(hub, alice)
        simulation.advance(10_500)
      }
      alice.hub.close(alice.sessionWith(hub), "LocalClosed")
      simulation.advance(1000)
    }
    for (const keys of made) {
      assert.strictEqual(keys.length, 3 * 6 * 2)
      assert.strictEqual(new Set(keys).size, keys.length)
    }
    assert.sameMembers(made[0], made[1])
  })
})

describe("a rekey under attack", () => {
  it("a REKEY of garbage from an authentic peer is a strike and changes nothing", () => {
    const { alice, hub, simulation } = makePair()
    const session = hub.sessionWith(alice)
    const before = { ...rekeyingOf(hub, alice) }
    for (const plaintext of [garbage(1, 1), garbage(3, 1), garbage(0, 1), control(Frame.REKEY, Uint8Array.of(1, 1))]) {
      assertDrops(hub, {}, () => sendControl(alice, hub, plaintext), 1)
    }
    assertDrops(hub, { MalformedFrame: 1 }, () => sendControl(alice, hub, control(Frame.REKEY, Uint8Array.of(1))), 1)
    // nothing was asked for, or it is late
    for (const plaintext of [garbage(2, 1), garbage(1, 0), garbage(1, 2), garbage(1, 3), garbage(1, 255)]) {
      assertDrops(hub, {}, () => sendControl(alice, hub, plaintext), 0)
    }
    assert.deepStrictEqual({ ...rekeyingOf(hub, alice), failedAt: -Infinity }, before)
    assert.strictEqual(session.epoch, 0)
    assert.strictEqual(session.keys.filter((keys) => keys !== undefined).length, 1)
    simulation.advance(10_500)
    due(alice, hub)
    simulation.advance(100)
    assertSerial(alice, hub, 1)
  })

  it("ten such strikes close the session with ProtocolViolation", () => {
    const { alice, hub, simulation } = makePair()
    const peer = hub.peerOf(alice)
    for (let i = 0; i < 10; i++) {
      assert.isUndefined(peer.closeReason)
      sendControl(alice, hub, garbage(1, 1, i))
      simulation.advance(6)
    }
    assert.strictEqual(peer.closeReason, "ProtocolViolation")
  })

  it("a garbage answer is a strike, and the genuine one is taken after it", () => {
    const { alice, hub, simulation } = makePair()
    alice.wants = ({ bytes }) => !says(alice, bytes, Frame.REKEY)
    due(alice, hub)
    simulation.advance(20)
    alice.wants = () => true
    assertDrops(alice, {}, () => sendControl(hub, alice, garbage(2, 1)), 1)
    assert.strictEqual(alice.sessionWith(hub).epoch, 0)
    simulation.advance(600)
    assertSerial(alice, hub, 1)
    assertDelivers(alice, hub)
  })

  it("an authentic peer that asks without end makes us compute new keys every ten seconds at most", () => {
    const { alice, hub, simulation } = makePair()
    const begun = countRekeys(hub)
    const started = simulation.network.now
    for (let i = 0; i < 600; i++) {
      const rekeying = rekeyingOf(alice, hub)
      // its own old key does not keep this one from asking
      rekeying.oldEpoch = -1
      due(alice, hub)
      simulation.advance(100)
    }
    assert.isAtLeast(begun.length, 4)
    assert.isAtMost(begun.length, (simulation.network.now - started) / 10_000 + 1)
    for (let i = 1; i < begun.length; i++) assert.isAtLeast(begun[i].at - begun[i - 1].at, 10_000)
    assert.strictEqual(hub.counters.strikes, 0)
  })

  it("requests that do not authenticate, too few to close the session, cost no more than that", () => {
    const { alice, hub, simulation } = makePair()
    const begun = countRekeys(hub)
    for (let i = 0; i < 100; i++) {
      sendControl(alice, hub, garbage(1, 1, i))
      simulation.advance(600)
    }
    assert.isAtMost(begun.length, 7)
    assert.isUndefined(hub.peerOf(alice).closeReason)
  })

  it("an authentic peer that never confirms gets one computation out of us until the key's end", () => {
    const { alice, hub, simulation } = makePair()
    const begun = countRekeys(hub)
    neverAsks(hub, alice)
    const session = alice.sessionWith(hub)
    for (let i = 0; i < 200; i++) {
      const hash = rekeyingOf(alice, hub).hash
      const noise = alice.handshake.beginRekey("initiator", hub.publicKey, Uint8Array.of(...hash, 1))
      const message = noise.writeMessage(new Uint8Array(0))
      simulation.inject(
        ALICE,
        HUB,
        seal(session, control(Frame.REKEY, Uint8Array.of(1, 1, ...message)), { type: PacketHeader.CONTROL })
      )
      simulation.advance(100)
    }
    assert.strictEqual(begun.length, 1)
    assertDelivers(alice, hub)
  })

  it("with REKEY lost for ever the session serves until its keys are 180 seconds old, and ends with LimitExceeded", () => {
    const { alice, hub, simulation } = makePair()
    const [there, here] = [alice.peerOf(hub), hub.peerOf(alice)]
    for (const station of [alice, hub]) station.wants = ({ bytes }) => !says(station, bytes, Frame.REKEY)
    const born = [rekeyingOf(alice, hub).bornAt, rekeyingOf(hub, alice).bornAt]
    talkUntil(alice, hub, Math.min(...born) + 179_700)
    assert.deepStrictEqual([there.closeReason, here.closeReason], [undefined, undefined])
    assertDelivers(alice, hub)
    assert.deepStrictEqual([there.closeReason, here.closeReason], [undefined, undefined])
    simulation.advance(Math.max(...born) + 180_010 - simulation.network.now)
    assert.deepStrictEqual([there.closeReason, here.closeReason], ["LimitExceeded", "LimitExceeded"])
    simulation.advance(31_000)
    for (const station of [alice, hub]) {
      assert.strictEqual(station.core.timers.size, 0)
      assert.strictEqual(station.hub.addresses.size, 0)
    }
  })

  it("a way back within the last minute is enough: the request is repeated until then", () => {
    const { alice, hub, simulation } = makePair()
    for (const station of [alice, hub]) station.wants = ({ bytes }) => !says(station, bytes, Frame.REKEY)
    talkUntil(alice, hub, rekeyingOf(alice, hub).bornAt + 178_000)
    for (const station of [alice, hub]) station.wants = () => true
    simulation.advance(1100)
    assertSerial(alice, hub, 1)
    simulation.advance(60_000)
    assertDelivers(alice, hub)
  })

  it("what strangers replay or forge into a rekey stops nothing", () => {
    const { alice, hub, simulation } = makePair()
    due(alice, hub)
    simulation.network.tap(({ bytes, from, kind, to }) => {
      if (kind !== "sent") return
      const copy = bytes.slice()
      simulation.inject(from, to, copy, 7)
      copy[copy.length - 1] ^= 1
      simulation.inject(from, to, copy, 0)
    })
    simulation.advance(1000)
    assertSerial(alice, hub, 1)
    assert.deepStrictEqual([alice.counters.strikes, hub.counters.strikes], [0, 0])
    assert.deepStrictEqual([alice.counters.rekeys, hub.counters.rekeys], [1, 1])
    assert.isAbove(hub.counters.dropped("AuthFailed"), 0)
    assert.isAbove(hub.counters.dropped("Replayed"), 0)
  })
})

describe("networks with a pre-shared key", () => {
  it("rekeys mix the key in: KKpsk0, and a request without it is a strike", () => {
    const psk = keyOf(9)
    const { alice, hub, simulation } = makePair({}, { psk })
    const begun = [countRekeys(alice), countRekeys(hub)]
    due(alice, hub)
    simulation.advance(11_000)
    assertSerial(alice, hub, 1)
    due(hub, alice)
    simulation.advance(11_000)
    assertSerial(alice, hub, 2)
    for (const { protocolName } of begun.flat()) {
      assert.strictEqual(protocolName, "Noise_KKpsk0_25519_AESGCM_SHA256")
    }
    // the same two static keys and the right prologue, but KK alone
    const plain = simulation.handshake(2)
    const noise = plain.beginRekey("initiator", hub.publicKey, Uint8Array.of(...rekeyingOf(alice, hub).hash, 3))
    const body = Uint8Array.of(1, 3, ...noise.writeMessage(new Uint8Array(0)))
    assertDrops(hub, {}, () => sendControl(alice, hub, control(Frame.REKEY, body)), 1)
    assertDelivers(alice, hub)
  })

  it("a network without one rekeys with KK, bound to the handshake before and to the epoch", () => {
    const { alice, hub, simulation } = makePair()
    const begun = countRekeys(hub)
    const { hash } = rekeyingOf(alice, hub)
    const request = (prologue: Uint8Array) => {
      const noise = alice.handshake.beginRekey("initiator", hub.publicKey, prologue)
      return control(Frame.REKEY, Uint8Array.of(1, 1, ...noise.writeMessage(new Uint8Array(0))))
    }
    assertDrops(hub, {}, () => sendControl(alice, hub, request(Uint8Array.of(...hash, 2))), 1)
    assertDrops(hub, {}, () => sendControl(alice, hub, request(Uint8Array.of(...hash.map((byte) => byte ^ 1), 1))), 1)
    simulation.advance(10_500)
    assertDrops(hub, {}, () => sendControl(alice, hub, request(Uint8Array.of(...hash, 1))), 0)
    assert.isTrue(begun.every(({ protocolName }) => protocolName === "Noise_KK_25519_AESGCM_SHA256"))
    assert.strictEqual(rekeyingOf(hub, alice).pendingEpoch, 1)
    simulation.advance(10)
    assert.isTrue(framesOf(hub, seal(alice.sessionWith(hub), realtime("still"))).length === 1)
    assert.strictEqual(hub.sessionWith(alice).state, ACTIVE)
  })
})
