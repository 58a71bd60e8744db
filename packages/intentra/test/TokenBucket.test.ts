import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import * as TokenBucket from "../src/TokenBucket.js"

/** The same bucket in exact integers: microseconds and millionths of a token. */
class Oracle {
  level: bigint
  last: bigint | undefined
  constructor(readonly rate: bigint, readonly burst: bigint) {
    this.level = burst * 1_000_000n
  }
  refill(us: bigint) {
    if (this.last === undefined) this.last = us
    if (us <= this.last) return
    this.level += (us - this.last) * this.rate
    this.last = us
    if (this.level > this.burst * 1_000_000n) this.level = this.burst * 1_000_000n
  }
  charge(units: bigint) {
    this.level = units > this.level ? 0n : this.level - units
  }
}

describe("TokenBucket", () => {
  it("20 a second, burst 5: WireGuard's timeline of one source", () => {
    const bucket = TokenBucket.make({ rate: 20, burst: 5 })
    let now = 1234.567
    for (let i = 0; i < 5; i++) assert.isTrue(bucket.take(now))
    assert.isFalse(bucket.take(now))
    now += 50
    assert.isTrue(bucket.take(now))
    assert.isFalse(bucket.take(now))
    now += 100
    assert.isTrue(bucket.take(now))
    assert.isTrue(bucket.take(now))
    assert.isFalse(bucket.take(now))
  })

  it("starts full, at whatever time", () => {
    for (const now of [0, 5e-4, 1e12]) {
      assert.strictEqual(TokenBucket.make({ rate: 10_000, burst: 500 }).tokens(now), 500)
      assert.strictEqual(TokenBucket.make({ rate: 0, burst: 3 }).tokens(now), 3)
    }
  })

  it("check takes nothing", () => {
    const bucket = TokenBucket.make({ rate: 1, burst: 2 })
    for (let i = 0; i < 10; i++) assert.isTrue(bucket.check(7))
    assert.strictEqual(bucket.tokens(7), 2)
  })

  it("a charge never takes the level below 0", () => {
    const bucket = TokenBucket.make({ rate: 10, burst: 5 })
    bucket.charge(0, 3)
    assert.strictEqual(bucket.tokens(0), 2)
    bucket.charge(0, 100)
    assert.strictEqual(bucket.tokens(0), 0)
    bucket.charge(0)
    assert.isFalse(bucket.check(99.999))
    assert.isTrue(bucket.check(100))
  })

  it("time counts to the nearest microsecond", () => {
    const bucket = TokenBucket.make({ rate: 20, burst: 5 })
    bucket.charge(0, 5)
    assert.isFalse(bucket.check(49.9994))
    assert.isTrue(bucket.check(49.9996))
  })

  it("time going backwards changes nothing", () => {
    const bucket = TokenBucket.make({ rate: 10, burst: 5 })
    bucket.charge(1000, 5)
    assert.strictEqual(bucket.tokens(0), 0)
    assert.strictEqual(bucket.tokens(1000), 0)
    assert.strictEqual(bucket.tokens(NaN), 0)
    assert.strictEqual(bucket.tokens(1100), 1)
  })

  it("an infinite rate is no limit", () => {
    const bucket = TokenBucket.make({ rate: Infinity, burst: 1 })
    bucket.charge(0, 1e9)
    for (let i = 0; i < 1000; i++) assert.isTrue(bucket.take(0))
    assert.strictEqual(bucket.tokens(0), 1)
  })

  it("a rate of 0 gives the burst once", () => {
    const bucket = TokenBucket.make({ rate: 0, burst: 1 })
    assert.isTrue(bucket.take(0))
    assert.isFalse(bucket.take(1e15))
  })

  it.prop(
    "every call answers as exact integer arithmetic does",
    [
      fc.integer({ min: 0, max: 50_000 }),
      fc.integer({ min: 1, max: 2_000 }),
      fc.integer({ min: 0, max: 1_000_000_000 }),
      fc.array(
        fc.tuple(
          fc.oneof(
            fc.integer({ min: -2_000, max: 2_000 }),
            fc.integer({ min: 0, max: 300_000 }),
            fc.constant(100_000_000)
          ),
          fc.constantFrom("check", "take", "charge", "tokens"),
          fc.integer({ min: 0, max: 700 })
        ),
        { maxLength: 200 }
      )
    ],
    ([rate, burst, start, calls]) => {
      const bucket = TokenBucket.make({ rate, burst })
      const oracle = new Oracle(BigInt(rate), BigInt(burst))
      let us = start
      for (const [step, call, amount] of calls) {
        us = Math.max(0, us + step)
        const now = us / 1000
        oracle.refill(BigInt(us))
        const there = oracle.level >= 1_000_000n
        if (call === "check") assert.strictEqual(bucket.check(now), there)
        else if (call === "take") {
          assert.strictEqual(bucket.take(now), there)
          if (there) oracle.charge(1_000_000n)
        } else if (call === "charge") {
          bucket.charge(now, amount)
          oracle.charge(BigInt(amount) * 1_000_000n)
        }
        assert.strictEqual(bucket.tokens(now), Number(oracle.level) / 1e6)
      }
    }
  )

  it("a million calls at uneven fractions of a millisecond hand out exactly what the rate allows", () => {
    const bucket = TokenBucket.make({ rate: 10_000, burst: 500 })
    let taken = 0
    let us = 17
    const start = us
    bucket.charge(us / 1000, 500)
    for (let i = 0; i < 1_000_000; i++) {
      us += 1 + (i * 7919) % 97
      if (bucket.take(us / 1000)) taken++
    }
    const level = bucket.tokens(us / 1000)
    assert.strictEqual(taken * 1e6 + Math.round(level * 1e6), (us - start) * 10_000)
  })

  it("a rate or burst without meaning is refused with the reason", () => {
    assert.throws(() => TokenBucket.make({ rate: -1, burst: 1 }), RangeError, "rate is -1")
    assert.throws(() => TokenBucket.make({ rate: NaN, burst: 1 }), RangeError, "rate is NaN")
    for (const burst of [0, 0.5, -1, NaN, Infinity]) {
      assert.throws(() => TokenBucket.make({ rate: 1, burst }), RangeError, `burst is ${burst}`)
    }
  })
})
