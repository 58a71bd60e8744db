import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { INITIAL_RTO, MAX_RTO, MIN_RTO, RttEstimator } from "../../src/internal/rttEstimator.js"

type Row = readonly [sample: number, smoothed: number, variation: number, rto: number]

// worked by hand from RFC 6298, section 2
const table: ReadonlyArray<Row> = [
  [100, 100, 50, 300],
  [100, 100, 37.5, 250],
  [100, 100, 28.125, 212.5],
  [180, 110, 41.09375, 274.375],
  [30, 100, 50.8203125, 303.28125],
  [4100, 600, 1038.115234375, 4752.4609375]
]

const durations = fc.double({ min: 0, max: 100_000, noNaN: true })

describe("RttEstimator", () => {
  it("computes SRTT, RTTVAR and RTO as RFC 6298 does", () => {
    const rtt = new RttEstimator()
    for (const [sample, smoothed, variation, rto] of table) {
      rtt.sample(sample)
      assert.deepStrictEqual([rtt.smoothed, rtt.variation, rtt.rto], [smoothed, variation, rto])
    }
    assert.deepStrictEqual([rtt.minimum, rtt.latest], [30, 4100])
  })

  it("waits one second before the first sample", () => {
    const rtt = new RttEstimator()
    assert.deepStrictEqual([rtt.rto, rtt.smoothed, rtt.minimum], [INITIAL_RTO, -1, Infinity])
    assert.strictEqual(INITIAL_RTO, 1000)
  })

  it.prop(
    "keeps RTO within its bounds and SRTT within the samples",
    [fc.array(durations, { minLength: 1 })],
    ([all]) => {
      const rtt = new RttEstimator()
      for (const sample of all) {
        rtt.sample(sample)
        assert.isTrue(rtt.rto >= MIN_RTO && rtt.rto <= MAX_RTO)
      }
      assert.isTrue(rtt.smoothed >= Math.min(...all) - 1e-6 && rtt.smoothed <= Math.max(...all) + 1e-6)
      assert.strictEqual(rtt.minimum, Math.min(...all))
    }
  )

  it("doubles RTO at each backoff up to the bound, until a new sample", () => {
    const rtt = new RttEstimator()
    rtt.sample(100)
    const seen = []
    for (let i = 0; i < 7; i++) {
      rtt.backoff()
      seen.push(rtt.rto)
    }
    assert.deepStrictEqual(seen, [600, 1200, 2000, 2000, 2000, 2000, 2000])
    rtt.sample(100)
    assert.strictEqual(rtt.rto, 250)
  })

  it("subtracts the peer's delay unless that goes below the shortest sample", () => {
    const rtt = new RttEstimator()
    rtt.sample(50, 20)
    assert.strictEqual(rtt.latest, 50)
    rtt.sample(90, 30)
    assert.strictEqual(rtt.latest, 60)
    rtt.sample(90, 41)
    assert.strictEqual(rtt.latest, 90)
    rtt.sample(90, -5)
    assert.strictEqual(rtt.latest, 90)
    assert.strictEqual(rtt.minimum, 50)
  })

  it("ignores what is no duration, and forgets all at a reset", () => {
    const rtt = new RttEstimator()
    for (const sample of [NaN, -1, Infinity]) rtt.sample(sample)
    assert.deepStrictEqual(rtt, new RttEstimator())
    rtt.sample(5)
    rtt.backoff()
    rtt.reset()
    assert.deepStrictEqual(rtt, new RttEstimator())
  })
})
