import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { latency, percentile, ratio, round } from "../src/Statistics.js"

const samples = FastCheck.array(FastCheck.integer({ min: 0, max: 1_000_000 }), { minLength: 1, maxLength: 200 })
const share = FastCheck.double({ min: 0, max: 1, noNaN: true })

describe("Statistics", () => {
  it.prop("a percentile is a sample that at least its share of all samples does not exceed, and the least such", [
    samples,
    share
  ], ([values, part]) => {
    const sorted = Float64Array.from(values).sort()
    const found = percentile(sorted, part)
    if (found === undefined) return assert.fail("there are samples")
    const upTo = (limit: number): number => sorted.filter((value) => value <= limit).length
    assert.include(values, found)
    assert.isAtLeast(upTo(found), part * sorted.length)
    for (const value of values) if (value < found) assert.isBelow(upTo(value), Math.max(1, part * sorted.length))
  })

  it("the percentiles of the numbers from 1 to 1,000 are known", () => {
    const thousand = Float64Array.from({ length: 1000 }, (_, i) => 1000 - i)
    assert.deepStrictEqual(latency(thousand), { p50Us: 500, p90Us: 900, p99Us: 990, p999Us: 999, maxUs: 1000 })
  })

  it("of no samples there is no percentile, and all latencies are 0", () => {
    assert.isUndefined(percentile([], 0.5))
    assert.deepStrictEqual(latency(new Float64Array(0)), { p50Us: 0, p90Us: 0, p99Us: 0, p999Us: 0, maxUs: 0 })
  })

  it.prop("latencies do not depend on the order of the samples", [samples], ([values]) => {
    assert.deepStrictEqual(latency(Float64Array.from(values)), latency(Float64Array.from(values.toReversed())))
  })

  it.prop("a part is the whole times its ratio", [
    FastCheck.integer({ min: 0, max: 1e6 }),
    FastCheck.integer({ min: 1, max: 1e6 })
  ], ([part, whole]) => {
    assert.closeTo(ratio(part, whole) * whole, part, 1e-6)
    assert.strictEqual(ratio(part, 0), 0)
  })

  it("rounding keeps as many places as asked for", () => {
    assert.strictEqual(round(0.99949, 3), 0.999)
    assert.strictEqual(round(1234.5), 1235)
  })
})
