import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { LatencyHistogram } from "../src/index.js"

const duration = FastCheck.oneof(
  FastCheck.double({ min: 0, max: 1, noNaN: true }),
  FastCheck.double({ min: 0, max: 2_000_000, noNaN: true })
)

describe("LatencyHistogram", () => {
  it.prop(
    "a percentile is never below the exact nearest-rank one, and above it by at most 1 microsecond or 1/64",
    [FastCheck.array(duration, { minLength: 1, maxLength: 200 }), FastCheck.double({ min: 0, max: 1, noNaN: true })],
    ([durations, share]) => {
      const histogram = new LatencyHistogram()
      for (const millis of durations) histogram.record(millis)
      const sorted = durations.toSorted((a, b) => a - b)
      const exact = sorted[Math.max(Math.ceil(share * sorted.length), 1) - 1]
      const found = histogram.percentile(share)
      assert.isDefined(found)
      // a rounding of the unit itself
      const slack = exact * 1e-12
      assert.isAtLeast(found + slack, exact)
      assert.isAtMost(found, exact + Math.max(0.001, exact / 64 + 0.001) + slack)
    }
  )

  it.prop("percentiles grow with their share", [FastCheck.array(duration, { minLength: 1 })], ([durations]) => {
    const histogram = new LatencyHistogram()
    for (const millis of durations) histogram.record(millis)
    const found = [0, 0.25, 0.5, 0.9, 0.99, 1].map((share) => histogram.percentile(share) ?? NaN)
    assert.deepStrictEqual(found, found.toSorted((a, b) => a - b))
    assert.strictEqual(histogram.count, durations.length)
  })

  it("an empty one has no percentiles", () => {
    assert.isUndefined(new LatencyHistogram().percentile(0.5))
  })

  it("durations out of range count as the nearest one in range", () => {
    const histogram = new LatencyHistogram()
    histogram.record(-5)
    assert.strictEqual(histogram.percentile(1), 0)
    histogram.record(1e12)
    assert.strictEqual(histogram.percentile(1), (2 ** 31 - 1) / 1000)
  })
})
