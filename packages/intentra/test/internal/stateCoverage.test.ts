import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { StateCoverage } from "../../src/internal/stateCoverage.js"

const range = FastCheck.tuple(FastCheck.integer({ min: 0, max: 60 }), FastCheck.integer({ min: 0, max: 12 })).map(
  ([from, length]) => [from, from + length] as const
)

describe("StateCoverage", () => {
  it.prop(
    "it has what a set of single versions has, and misses the rest of what it heard of",
    [FastCheck.array(range, { maxLength: 40 })],
    ([ranges]) => {
      const coverage = new StateCoverage()
      const set = new Set<number>()
      let heard = 0
      for (const [from, to] of ranges) {
        coverage.add(from, to)
        for (let version = from + 1; version <= to; version++) set.add(version)
        heard = Math.max(heard, to)
        let have = 0
        while (set.has(have + 1)) have++
        assert.strictEqual(coverage.have, have)
        assert.strictEqual(coverage.complete, have >= heard)
        const missing: Array<number> = []
        coverage.eachMissing(1000, (start, end) => {
          assert.isBelow(start, end)
          for (let version = start + 1; version <= end; version++) missing.push(version)
        })
        const expected = Array.from({ length: heard }, (_, i) => i + 1).filter((version) => !set.has(version))
        assert.deepStrictEqual(missing, expected)
      }
    }
  )

  it("what is beyond its room is missing again, nothing else", () => {
    const coverage = new StateCoverage()
    for (let i = 1; i <= 2000; i++) coverage.add(2 * i, 2 * i + 1)
    let count = 0
    coverage.eachMissing(10_000, () => count++)
    assert.strictEqual(count, 257)
    assert.strictEqual(coverage.have, 0)
    for (let i = 0; i < 4004; i++) coverage.add(i, i + 1)
    assert.strictEqual(coverage.have, 4004)
  })
})
