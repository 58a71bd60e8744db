import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { Pacer } from "../../src/internal/pacer.js"

const period = FastCheck.double({ min: 0.5, max: 100, noNaN: true })
const lateness = FastCheck.array(FastCheck.double({ min: 0, max: 50, noNaN: true }), { minLength: 20, maxLength: 20 })

describe("Pacer", () => {
  it.prop("late timers shift nothing: after any delays, as many are done as were due", [period, lateness], (
    [ms, late]
  ) => {
    const start = 1000
    const pacer = new Pacer(start, ms, 1000)
    let now = start
    for (const delay of late) {
      now += Math.max(pacer.wait(now), 0) + delay
      while (pacer.wait(now) <= 0) pacer.done++
      const deadlines = Array.from({ length: 1000 }, (_, index) => start + index * ms)
      assert.strictEqual(pacer.done, deadlines.filter((at) => at <= now).length)
    }
  })

  it("nothing is due before its time, and nothing after the last one", () => {
    const pacer = new Pacer(0, 5, 2)
    assert.strictEqual(pacer.wait(-1), 1)
    pacer.done++
    assert.strictEqual(pacer.wait(0), 5)
    pacer.done++
    assert.isTrue(pacer.finished)
    assert.strictEqual(pacer.wait(1e9), Infinity)
  })
})
