import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import * as Frame from "../src/Frame.js"
import * as PacketHeader from "../src/PacketHeader.js"
import { SendOptions } from "../src/SendOptions.js"
import { ACCEPTED, WOULD_BLOCK } from "../src/SendResult.js"
import { framesOf } from "./support/frames.js"
import { assertSerial, due, makePair } from "./support/rekeying.js"
import type { Pair } from "./support/rekeying.js"
import type { Station } from "./support/simulation.js"
import {
  ALICE,
  assertDelivers,
  assertDrops,
  assertLedger,
  assertMessageLedger,
  bytesOf,
  HUB,
  seal,
  seeded,
  sequenced
} from "./support/simulation.js"
import { u32 } from "./support/stranger.js"

const COUNT = 300
const NUMBERS = 2 ** 32
const MOVED = "10.0.7.2:9000"
const RELIABLE = SendOptions.make({ intent: "Reliable" })
const SEQUENCED = SendOptions.make({ intent: "Sequenced" })

const sent = Array.from({ length: COUNT }, (_, i) => `r${i}`)

/** What a station was told in one intent, in the order of arrival. */
const heard = (station: Station, intent: string): ReadonlyArray<string> =>
  station.inbox.filter((one) => one.intent === intent).map(({ text }) => text)

interface Acknowledgement {
  readonly cumulative: number
  readonly ranges: ReadonlyArray<readonly [start: number, end: number]>
}

/** Every ACK frame that a station receives, as it comes. */
const acknowledgements = (station: Station): ReadonlyArray<Acknowledgement> => {
  const seen: Array<Acknowledgement> = []
  station.wants = ({ bytes }) => {
    if ((bytes[0] & 15) === PacketHeader.HANDSHAKE) return true
    for (const { body, type } of framesOf(station, bytes)) {
      if (type !== Frame.ACK) continue
      const view = new DataView(body.buffer, body.byteOffset, body.length)
      const ranges: Array<readonly [number, number]> = []
      for (let at = 17; at < body.length; at += 8) ranges.push([view.getUint32(at), view.getUint32(at + 4)])
      seen.push({ cumulative: view.getUint32(0), ranges })
    }
    return true
  }
  return seen
}

/** Serial distance (RFC 1982) of two numbers. */
const ahead = (number: number, from: number): number => (number - from) | 0

const pair = (first: number, seed: number): Pair => {
  const it = makePair({ latency: 15 }, { limits: { firstReliable: first } }, seed)
  it.alice.sessionWith(it.hub).nextSequenced = first
  it.hub.sessionWith(it.alice).nextSequenced = first
  return it
}

/** Both ends send everything, one message of each intent in a step, as fast as Reliable lets them. */
const talk = ({ alice, hub, simulation }: Pair, between: (step: number) => void): void => {
  const next = new Map([[alice, 0], [hub, 0]])
  for (let step = 0; step < 10_000; step++) {
    let busy = false
    for (const [station, other] of [[alice, hub], [hub, alice]] as const) {
      const n = next.get(station) ?? 0
      if (n === COUNT) continue
      busy = true
      const peer = station.peerOf(other)
      const result = peer.unsafeSend(bytesOf(`r${n}`), RELIABLE)
      assert.include([ACCEPTED, WOULD_BLOCK], result)
      if (result === WOULD_BLOCK) continue
      next.set(station, n + 1)
      assert.strictEqual(peer.unsafeSend(bytesOf(`s${n}`), SEQUENCED), ACCEPTED)
    }
    if (!busy) return
    between(step)
    simulation.advance(5)
  }
  assert.fail("Reliable takes nothing any more")
}

describe("message numbers over the end of 32 bits", () => {
  it.prop(
    "lose, double and reorder no Reliable message, through loss, a rekey and a move in the middle of the crossing",
    {
      seed: fc.nat(1e6),
      first: fc.constantFrom(NUMBERS - 50, NUMBERS - 1, NUMBERS - 150, NUMBERS - COUNT, NUMBERS / 2 - 50),
      rekeyAt: fc.integer({ min: 20, max: 120 }),
      moveAt: fc.integer({ min: 20, max: 120 })
    },
    ({ first, moveAt, rekeyAt, seed }) => {
      const it = pair(first, seed)
      const { alice, hub, simulation } = it
      simulation.network.unsafeConfigure({
        latency: 15,
        jitter: 10,
        loss: 0.2,
        reorder: 0.2,
        duplicate: 0.2,
        reorderDelay: 30
      })
      const acks = [acknowledgements(alice), acknowledgements(hub)]
      talk(it, (step) => {
        if (step === rekeyAt) due(alice, hub)
        if (step === moveAt) simulation.network.unsafeRebindNat(ALICE, MOVED)
      })
      simulation.advance(60_000)
      simulation.network.unsafeConfigure({ loss: 0, reorder: 0, duplicate: 0, jitter: 0 })
      simulation.advance(15_000)

      const next = (first + COUNT) % NUMBERS
      for (const [station, other] of [[alice, hub], [hub, alice]] as const) {
        assert.deepStrictEqual(heard(station, "Reliable"), sent)
        // a Sequenced message that was overtaken or lost is gone; none goes back
        const latest = heard(station, "Sequenced").map((text) => Number(text.slice(1)))
        assert.deepStrictEqual(latest, [...new Set(latest)].sort((a, b) => a - b))
        assert.isAbove(latest.length, COUNT / 10)
        const session = station.sessionWith(other)
        assert.strictEqual(session.incoming?.nextExpected, next)
        assert.strictEqual(session.outgoing?.held, 0)
        assert.strictEqual(session.nextSequenced, next)
        assert.strictEqual(station.counters.strikes, 0)
        assert.strictEqual(station.counters.reorderBytes, 0)
        assertLedger(station)
      }
      assertSerial(alice, hub, 1)
      assert.strictEqual(hub.counters.moves, 1)

      for (const frames of acks) {
        let highest = first
        for (const { cumulative, ranges } of frames) {
          assert.isAtLeast(ahead(cumulative, first), 0)
          assert.isAtMost(ahead(cumulative, first), COUNT)
          if (ahead(cumulative, highest) > 0) highest = cumulative
          let above = 257
          for (const [start, end] of ranges) {
            assert.isAbove(ahead(start, cumulative), 0)
            assert.isAbove(ahead(end, start), 0)
            assert.isBelow(ahead(end, cumulative), above)
            above = ahead(start, cumulative)
          }
        }
        assert.strictEqual(highest, next)
      }
      assertDelivers(alice, hub)
      simulation.close()
    },
    seeded(12)
  )

  it("let ACK ranges lie on both sides of it and across it", () => {
    const it = pair(NUMBERS - 20, 3)
    const { alice, hub, simulation } = it
    const frames = acknowledgements(alice)
    simulation.network.unsafeConfigure({ loss: 0.3, reorder: 0.3 })
    talk(it, () => {})
    simulation.advance(60_000)
    assert.deepStrictEqual(heard(hub, "Reliable"), sent)
    const before = (number: number): boolean => number >= NUMBERS / 2
    const ranges = frames.flatMap((one) => one.ranges.map((range) => ({ cumulative: one.cumulative, range })))
    assert.isTrue(ranges.some(({ cumulative, range: [start] }) => before(cumulative) && !before(start)))
    assert.isTrue(ranges.some(({ range: [start, end] }) => before(start) && !before(end)))
    assert.isTrue(frames.some((one) => one.ranges.some(([start]) => before(start)) && one.ranges.length > 1))
  })

  it("go over it in the header's ack, which never goes back from one sealed packet to the next", () => {
    const it = pair(NUMBERS - 50, 4)
    const { alice, hub, simulation } = it
    const mark = simulation.sent.length
    talk(it, () => {})
    simulation.advance(1000)
    let last = NUMBERS - 50
    for (const { bytes } of simulation.since(mark, HUB, ALICE)) {
      const ack = u32(bytes, 12)
      assert.isAtLeast(ahead(ack, last), 0)
      last = ack
    }
    assert.strictEqual(last, COUNT - 50)
    for (const station of [alice, hub]) assertMessageLedger(station)
  })

  it("keep an acknowledgement of what was never sent a strike", () => {
    const { alice, hub, simulation } = pair(NUMBERS - 2, 5)
    for (let i = 0; i < 4; i++) alice.send(hub, `r${i}`, { intent: "Reliable" })
    simulation.advance(1000)
    assert.deepStrictEqual(heard(hub, "Reliable"), ["r0", "r1", "r2", "r3"])
    const say = (ack: number, strikes: number): void => {
      const word = seal(hub.sessionWith(alice), Frame.encodeAll([{ type: Frame.PADDING, body: new Uint8Array(1) }]), {
        type: PacketHeader.CONTROL,
        ack
      })
      const drops = strikes === 0 ? {} : { ForbiddenFrame: 1 }
      assertDrops(alice, drops, () => simulation.inject(HUB, ALICE, word), strikes)
    }
    for (const ack of [NUMBERS - 2, NUMBERS - 1, 0, 1, 2]) say(ack, 0)
    for (const ack of [3, NUMBERS - 3, NUMBERS / 2]) say(ack, 1)
  })

  it("drop a Sequenced message from before it as Stale once one from beyond it was delivered", () => {
    const { alice, hub, simulation } = pair(NUMBERS - 2, 6)
    const session = alice.sessionWith(hub)
    for (let i = 0; i < 4; i++) {
      alice.send(hub, `s${i}`, { intent: "Sequenced" })
      simulation.advance(20)
    }
    assert.deepStrictEqual(heard(hub, "Sequenced"), ["s0", "s1", "s2", "s3"])
    const say = (number: number, text: string): void =>
      simulation.inject(ALICE, HUB, seal(session, sequenced(number, text), { ack: NUMBERS - 2 }))
    for (const number of [NUMBERS - 2, NUMBERS - 1, 0, 1, 1 + NUMBERS / 2]) {
      assertDrops(hub, { Stale: 1 }, () => say(number, "old"))
    }
    assertDrops(hub, {}, () => say(NUMBERS / 2, "far ahead"))
    assert.strictEqual(heard(hub, "Sequenced").at(-1), "far ahead")
  })
})
