import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import * as StrikeCounter from "../src/StrikeCounter.js"

describe("StrikeCounter", () => {
  it("nine strikes in five seconds never close", () => {
    const counter = StrikeCounter.make()
    for (let burst = 0; burst < 20; burst++) {
      for (let i = 0; i < 9; i++) assert.isFalse(counter.strike(burst * 5000.001 + i))
    }
  })

  it("ten strikes spread over more than five seconds never close", () => {
    const counter = StrikeCounter.make()
    // Any ten in a row span nine intervals, a little above 5,000 ms.
    for (let i = 0; i < 1000; i++) assert.isFalse(counter.strike(i * 556))
  })

  it("the tenth strike within five seconds closes, and not one before it", () => {
    const counter = StrikeCounter.make()
    for (let i = 0; i < 9; i++) assert.isFalse(counter.strike(1000 + i))
    assert.isTrue(counter.strike(6000))
    const atOnce = StrikeCounter.make()
    for (let i = 0; i < 9; i++) assert.isFalse(atOnce.strike(0))
    assert.isTrue(atOnce.strike(0))
  })

  it("the window slides: ten strikes across two whole windows close too", () => {
    const counter = StrikeCounter.make()
    for (let i = 0; i < 5; i++) assert.isFalse(counter.strike(4900 + i))
    for (let i = 0; i < 4; i++) assert.isFalse(counter.strike(5100 + i))
    assert.isTrue(counter.strike(9900))
  })

  it("a reset forgets every strike and keeps its time", () => {
    const counter = StrikeCounter.make({ limit: 3, windowMs: 100 })
    assert.strictEqual(counter.lastReset, -1)
    counter.strike(10)
    counter.strike(11)
    counter.reset(12)
    assert.strictEqual(counter.lastReset, 12)
    assert.strictEqual(counter.count(12), 0)
    assert.isFalse(counter.strike(13))
    assert.isFalse(counter.strike(13))
    assert.isTrue(counter.strike(13))
  })

  it("time going backwards neither adds nor removes strikes", () => {
    const counter = StrikeCounter.make({ limit: 3, windowMs: 100 })
    counter.strike(1000)
    counter.strike(0)
    assert.strictEqual(counter.count(0), 2)
    assert.strictEqual(counter.count(1100), 2)
    assert.strictEqual(counter.count(1100.1), 0)
  })

  it.prop(
    "any run of strikes is judged as by the list of all of them",
    [
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 5000 }),
      fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 1200 })), { maxLength: 120 })
    ],
    ([limit, windowMs, calls]) => {
      const counter = StrikeCounter.make({ limit, windowMs })
      const strikes: Array<number> = []
      let now = 0
      for (const [strike, step] of calls) {
        now += step
        const within = () => strikes.filter((at) => now - at <= windowMs).length
        if (strike) {
          strikes.push(now)
          assert.strictEqual(counter.strike(now), within() >= limit)
        }
        assert.strictEqual(counter.count(now), Math.min(limit, within()))
      }
    }
  )

  it("a limit or window without meaning is refused with the reason", () => {
    for (const limit of [0, -1, 1.5, NaN, 65_537]) {
      assert.throws(() => StrikeCounter.make({ limit }), RangeError, `limit is ${limit}`)
    }
    for (const windowMs of [0, -1, NaN, Infinity]) {
      assert.throws(() => StrikeCounter.make({ windowMs }), RangeError, `windowMs is ${windowMs}`)
    }
  })
})
