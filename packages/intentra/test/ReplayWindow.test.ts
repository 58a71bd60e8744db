import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import * as ReplayWindow from "../src/ReplayWindow.js"

const { FRESH, REPLAYED, TOO_OLD } = ReplayWindow
const MAX = Number.MAX_SAFE_INTEGER

/** The law itself: at most `size` numbers, the newest included, each once. */
class Oracle {
  readonly seen = new Set<number>()
  highest = -1
  constructor(readonly size: number) {}
  check(seq: number): number {
    if (!Number.isSafeInteger(seq) || seq < 0) return TOO_OLD
    if (seq > this.highest) return FRESH
    if (seq <= this.highest - this.size) return TOO_OLD
    return this.seen.has(seq) ? REPLAYED : FRESH
  }
  accept(seq: number): number {
    const verdict = this.check(seq)
    if (verdict === FRESH) {
      this.seen.add(seq)
      this.highest = Math.max(this.highest, seq)
    }
    return verdict
  }
}

type Step = readonly [seq: number, accepted: boolean]

const run = (size: number, steps: ReadonlyArray<Step>) => {
  const window = ReplayWindow.make(size)
  steps.forEach(([seq, accepted], i) => {
    assert.strictEqual(window.accept(seq) === FRESH, accepted, `step ${i}: ${seq}`)
  })
}

const up = (from: number, to: number): Array<Step> => {
  const steps: Array<Step> = []
  for (let seq = from; seq <= to; seq++) steps.push([seq, true])
  return steps
}

const down = (from: number, to: number): Array<Step> => up(to, from).reverse()

/** WireGuard's sequence, `t` numbers apart where its table has T_LIM; the window there spans exactly `t` numbers. */
const wireGuard = (t: number): Array<Step> => [
  [0, true],
  [1, true],
  [1, false],
  [9, true],
  [8, true],
  [7, true],
  [7, false],
  [t, true],
  [t - 1, true],
  [t - 1, false],
  [t - 2, true],
  [2, true],
  [2, false],
  [t + 16, true],
  [3, false],
  [t + 16, false],
  [t * 4, true],
  [t * 4 - (t - 1), true],
  [10, false],
  [t * 4 - t, false],
  [t * 4 - (t + 1), false],
  [t * 4 - (t - 2), true],
  [t * 4 + 1 - t, false],
  [0, false],
  [MAX + 1, false],
  [MAX, true],
  [MAX + 1, false],
  [MAX, false],
  [MAX - 1, true],
  [MAX + 2, false],
  [MAX + 3, false],
  [MAX - 1, false],
  [MAX - 2, true],
  [0, false]
]

describe.each([64, 1024, 8192])("ReplayWindow of %i", (size) => {
  it("WireGuard's sequence gives WireGuard's answers", () => {
    run(size, wireGuard(size))
  })

  it("WireGuard's sequence one number further apart loses exactly what is now outside", () => {
    // Steps of size + 1: what lay on the last number of the window lies one behind it.
    const t = size + 1
    const steps = wireGuard(t).map(([seq, accepted]): Step => [seq, seq === t * 4 - (t - 1) ? false : accepted])
    run(size, steps)
  })

  it("bulk: a run from 1 to the size leaves 0 one behind the window's last number", () => {
    run(size, [...up(1, size - 1), [0, true], [0, false]])
    run(size, [...up(1, size), [0, false]])
  })

  it("bulk: a run that begins at 2 leaves 1 fresh and 0 outside", () => {
    run(size, [...up(2, size), [1, true], [0, false]])
  })

  it("bulk: a whole window backwards is accepted", () => {
    run(size, down(size, 1))
    run(size, down(size - 1, 0))
  })

  it("bulk: a window backwards ends exactly at its size", () => {
    run(size, [...down(size + 1, 2), [1, false], [0, false]])
  })

  it("bulk: after a window backwards the next number pushes out exactly one", () => {
    run(size, [...down(size - 1, 1), [size, true], [0, false]])
  })

  it("bulk: the last number of the window, then the next one", () => {
    run(size, [...down(size - 1, 1), [0, true], [size, true], [0, false]])
  })

  it("a packet exactly one window behind the newest is refused every time", () => {
    for (const newest of [size, size + 1, size * 2, size * 5 + 17, 2 ** 32, 2 ** 32 + 3, MAX]) {
      const window = ReplayWindow.make(size)
      window.mark(newest)
      for (let i = 0; i < 5; i++) assert.strictEqual(window.accept(newest - size), TOO_OLD)
      assert.strictEqual(window.accept(newest - size + 1), FRESH)
      assert.strictEqual(window.accept(newest - size + 1), REPLAYED)
    }
  })

  it("a jump far ahead forgets everything before it and nothing after it", () => {
    const window = ReplayWindow.make(size)
    for (let seq = 0; seq < size * 2; seq++) window.mark(seq)
    let newest = size * 2 - 1
    for (const jump of [size - 1, size, size + 1, size * 2 - 1, size * 2, size * 1000 + 5, 2 ** 32, 2 ** 33 - size]) {
      const before = newest
      newest += jump
      assert.strictEqual(window.accept(newest), FRESH)
      for (let seq = newest - 1; seq > newest - size; seq--) {
        const expected = seq > before ? FRESH : REPLAYED
        if (window.accept(seq) !== expected) assert.fail(`${seq} after a jump of ${jump}`)
      }
      assert.strictEqual(window.check(newest - size), TOO_OLD)
    }
  })

  it.prop(
    "any walk of jumps, duplicates and edges is answered as by a set of the accepted numbers",
    [
      fc.constantFrom(0, size * 3, 2 ** 31 - size, 2 ** 32 - size, MAX - size * 4),
      fc.array(
        fc.tuple(
          fc.constantFrom("near", "edge", "duplicate", "jump"),
          fc.integer({ min: -4, max: 4 }),
          fc.nat({ max: size * 3 })
        ),
        { maxLength: 300 }
      )
    ],
    ([start, moves]) => {
      const window = ReplayWindow.make(size)
      const oracle = new Oracle(size)
      let last = start
      for (const [kind, small, large] of moves) {
        const newest = Math.max(oracle.highest, start)
        const seq = kind === "near"
          ? newest + small
          : kind === "edge"
          ? newest - size + small
          : kind === "duplicate"
          ? last
          : newest - size + large
        assert.strictEqual(window.check(seq), oracle.check(seq))
        assert.strictEqual(window.accept(seq), oracle.accept(seq), `${kind} ${seq}`)
        assert.strictEqual(window.highest, oracle.highest)
        last = seq
      }
      // Counted by distance: above 2^53 a number plus one may be itself.
      for (let ahead = -size - 70; ahead <= 70; ahead++) {
        const seq = oracle.highest + ahead
        if (window.check(seq) !== oracle.check(seq)) assert.fail(`at the end: ${seq}`)
      }
    }
  )
})

describe("ReplayWindow", () => {
  it("check changes nothing", () => {
    const window = ReplayWindow.make(64)
    for (const seq of [5, 1000, 3]) assert.strictEqual(window.check(seq), FRESH)
    assert.strictEqual(window.highest, -1)
    window.mark(5)
    assert.strictEqual(window.check(1000), FRESH)
    assert.strictEqual(window.check(4), FRESH)
    assert.strictEqual(window.check(4), FRESH)
    assert.strictEqual(window.highest, 5)
  })

  it("marking a number that is too old changes nothing", () => {
    const window = ReplayWindow.make(64)
    window.mark(1000)
    window.mark(936)
    // 936 and 1000 share their bit.
    assert.strictEqual(window.check(1000), REPLAYED)
    window.mark(1000 - 64 * 3 + 1)
    assert.strictEqual(window.check(937), FRESH)
    assert.strictEqual(window.highest, 1000)
  })

  it("what is no sequence number is never accepted", () => {
    const window = ReplayWindow.make(64)
    for (const seq of [-1, -64, 0.5, MAX + 1, 2 ** 64, Infinity, -Infinity, NaN]) {
      window.mark(seq)
      assert.strictEqual(window.accept(seq), TOO_OLD, `${seq}`)
    }
    assert.strictEqual(window.highest, -1)
    assert.strictEqual(window.accept(0), FRESH)
  })

  it("the default covers 8,192 numbers", () => {
    assert.strictEqual(ReplayWindow.make().size, 8192)
  })

  it("a size that is no power of two from 64 to 65,536 is refused with the reason", () => {
    for (const size of [0, -64, 32, 63, 65, 100, 96, 131072, 64.5, NaN, Infinity]) {
      assert.throws(() => ReplayWindow.make(size), RangeError, "power of two from 64 to 65536")
    }
    for (const size of [64, 128, 65536]) assert.strictEqual(ReplayWindow.make(size).size, size)
  })

  it.prop("windows that begin one after another share no number", [
    fc.array(fc.tuple(fc.nat(19), fc.nat(200)), { minLength: 1, maxLength: 300 })
  ], ([marks]) => {
    const windows = Array.from({ length: 20 }, () => ReplayWindow.make(256))
    const seen = windows.map(() => new Set<number>())
    for (const [which, seq] of marks) {
      assert.strictEqual(
        windows[which].accept(seq),
        seen[which].has(seq) ? ReplayWindow.REPLAYED : ReplayWindow.FRESH
      )
      seen[which].add(seq)
    }
  })
})
