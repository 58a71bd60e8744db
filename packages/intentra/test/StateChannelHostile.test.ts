import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { StateInterest } from "../src/internal/stateInterest.js"
import * as Wire from "../src/internal/stateWire.js"
import { seeded } from "./support/simulation.js"
import { channel, End, peer, subscribing } from "./support/stateCores.js"
import type { FakePeer } from "./support/stateCores.js"

const limits = { maxKeys: 20, maxTombstones: 20, maxSubscriptions: 30 }

/** A change of one message: bytes overwritten, cut off, or added. */
const damage = FastCheck.record({
  message: FastCheck.nat(),
  at: FastCheck.integer({ min: 4, max: 80 }),
  bytes: FastCheck.uint8Array({ minLength: 1, maxLength: 12 }),
  cut: FastCheck.option(FastCheck.integer({ min: 0, max: 80 }), { nil: undefined })
})

type Damage = typeof damage extends FastCheck.Arbitrary<infer T> ? T : never

const damaged = (message: Uint8Array, { at, bytes, cut }: Damage): Uint8Array => {
  const out = new Uint8Array(Math.max(message.length, at + bytes.length))
  out.set(message)
  out.set(bytes, at)
  return out.subarray(0, cut ?? out.length)
}

const sizeOf = (end: End): void => {
  const { core } = end
  assert.isAtMost(core.publisher.count, limits.maxSubscriptions)
  assert.isAtMost(core.publisher.table.cells.size, limits.maxKeys + limits.maxTombstones)
  for (const subscription of core.subscriptions) {
    let records = 0
    for (const source of core.numbers.values()) records += source.holding.records.size
    assert.isAtMost(records, 2 * (2 * limits.maxKeys + limits.maxTombstones))
    assert.isAtMost(core.numbers.size, 2)
    assert.isAtMost(subscription.deadlines.size, records + 2)
  }
}

/** An end that publishes and subscribes, and the end that it talks to; both see the other as `peer`. */
const pair = () => {
  const here: FakePeer = peer(1)
  const there: FakePeer = peer(2)
  const honest = new End([there], limits, 1)
  const other = new End([here], limits, 2)
  return { here, there, honest, other }
}

describe("a hostile peer of a state channel", () => {
  it.prop(
    "damaged messages never throw, are counted, and take no more memory than the limits say",
    [FastCheck.array(damage, { minLength: 1, maxLength: 60 })],
    ([damages]) => {
      const { here, honest, other, there } = pair()
      const subscription = honest.subscribe()
      const consumer = subscription.addConsumer()
      other.subscribe()
      const seen: Array<Uint8Array> = []
      let now = 0
      for (const one of damages) {
        now += 5
        for (const end of [honest, other]) {
          end.publish(`${now % 17}`, now)
          end.tick(now)
        }
        // what the other end says arrives whole, and then damaged
        for (const message of here.outbox.splice(0)) {
          seen.push(message)
          honest.core.receive(there, message, now)
        }
        for (const message of there.outbox.splice(0)) {
          seen.push(message)
          other.core.receive(here, message, now)
        }
        if (seen.length > 0) honest.core.receive(there, damaged(seen[one.message % seen.length], one), now)
        consumer.drain()
        sizeOf(honest)
      }
    },
    seeded(300)
  )

  it.prop(
    "bytes behind the prefix that mean nothing never throw, and are counted",
    [FastCheck.integer({ min: 0, max: 8 }), FastCheck.uint8Array({ maxLength: 100 })],
    ([kind, rest]) => {
      const { honest, there } = pair()
      honest.subscribe()
      honest.tick(0)
      const writer = new Wire.WireWriter()
      writer.begin(kind, channel, 1)
      writer.raw(rest)
      honest.core.receive(there, writer.message().slice(), 1)
      honest.core.receive(there, writer.message().subarray(0, Math.min(12, writer.at)), 1)
      sizeOf(honest)
      assert.isAtLeast(honest.counters.malformed, 1)
    },
    seeded(1000)
  )

  it("a publisher that invents keys without end is held to twice the limit, and the rest is counted", () => {
    const { here, honest, there } = pair()
    const liar = new End([here], { ...limits, maxKeys: 1e6 }, 3)
    const subscription = honest.subscribe()
    const consumer = subscription.addConsumer()
    for (let now = 0; now < 2000; now += 5) {
      for (let i = 0; i < 20; i++) liar.publish(`${now} ${i}`, i)
      liar.tick(now)
      honest.tick(now)
      for (const message of here.outbox.splice(0)) honest.core.receive(there, message, now)
      for (const message of there.outbox.splice(0)) liar.core.receive(here, message, now)
      sizeOf(honest)
    }
    assert.isAtMost(consumer.drain().length, 2 * limits.maxKeys)
    assert.isAbove(honest.counters.limited, 1000)
    assert.strictEqual(honest.counters.malformed, 0)
  })

  it("a peer has 16 subscriptions, and all together have the limit; the oldest of its own make room", () => {
    const { honest, there } = pair()
    for (let id = 0; id < 1000; id++) honest.core.receive(there, subscribing(id), id)
    assert.strictEqual(honest.core.publisher.count, 16)
    const another = peer(3)
    for (let id = 0; id < 1000; id++) honest.core.receive(another, subscribing(id), id)
    assert.strictEqual(honest.core.publisher.count, limits.maxSubscriptions)
    assert.isAbove(honest.counters.refused, 900)
  })

  it("who acknowledges what was never sent, or misses it, is counted and not believed", () => {
    const { here, honest, other, there } = pair()
    other.subscribe()
    honest.publish("a", 1)
    for (let now = 0; now <= 100; now += 5) {
      honest.tick(now)
      other.tick(now)
      for (const message of here.outbox.splice(0)) honest.core.receive(there, message, now)
      for (const message of there.outbox.splice(0)) other.core.receive(here, message, now)
    }
    assert.strictEqual(honest.counters.malformed, 0)
    const id = [...other.core.numbers.keys()][0]
    const writer = new Wire.WireWriter()
    for (const [have, missing] of [[1e9, []], [0, [0, 1e9]], [0, [1e9, 1]]] as const) {
      writer.begin(Wire.STATUS, channel, id)
      writer.u8(0)
      writer.u32(0)
      writer.u64(have)
      for (const one of missing) writer.varint(one)
      honest.core.receive(there, writer.message(), 100)
    }
    assert.strictEqual(honest.counters.malformed, 3)
    honest.tick(200)
    assert.isAtMost(there.outbox.length, 1)
  })

  it("who subscribes may ask after thousands of keys that are gone within a period, not after a million: the rest is asked again", () => {
    const there = peer(2)
    const end = new End([there], { maxKeys: 100, maxTombstones: 100, maxSubscriptions: 100 })
    end.publish("it", 1)
    end.tick(5)
    end.core.receive(there, subscribing(1, ["it"]), 5)
    end.tick(10)
    const query = (now: number): number => {
      const writer = new Wire.WireWriter()
      writer.begin(Wire.QUERY, channel, 1)
      writer.u64(0)
      for (let i = 0; i < 100; i++) {
        writer.varint(2)
        writer.raw(Uint8Array.of(0x41 + i % 26, 0x41 + Math.floor(i / 26)))
      }
      there.outbox.length = 0
      end.core.receive(there, writer.message().slice(), now)
      return there.outbox.length
    }
    const answers = (now: number) => Array.from({ length: 1000 }, () => query(now)).reduce((sum, one) => sum + one, 0)
    assert.strictEqual(answers(11), 41)
    assert.strictEqual(answers(12), 0)
    assert.strictEqual(answers(16), 41)
  })

  it("who subscribes to what there is little of does not hold up the event loop: no turn looks at more than 40,960 keys, and each gets what it wants", () => {
    const there = peer(2)
    const end = new End([there], { maxKeys: 65_536, maxTombstones: 65_536, maxSubscriptions: 100 })
    for (let i = 0; i < 65_536; i++) end.publish(`sensor/${i}`, i)
    end.publish("wanted", 1)
    end.tick(5)
    const before = StateInterest.prototype.matches
    let looked = 0
    StateInterest.prototype.matches = function(key) {
      looked++
      return before.call(this, key)
    }
    try {
      for (let id = 0; id < 16; id++) end.core.receive(there, subscribing(id, [`x${id}`, "wanted"]), 5)
      let most = 0
      for (let now = 10; now < 200; now += 5) {
        for (let more = true; more;) {
          looked = 0
          more = end.core.tick(now)
          most = Math.max(most, looked)
        }
      }
      assert.isAtMost(most, 40_960)
      const told = new Set(
        there.outbox.filter((message) => Buffer.from(message).includes("wanted")).map(Wire.subscriptionIn)
      )
      assert.strictEqual(told.size, 16)
    } finally {
      StateInterest.prototype.matches = before
    }
  })
})
