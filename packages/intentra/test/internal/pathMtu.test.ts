import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { BASE_MTU, MAX_MTU, MAX_PROBES, PathMtu } from "../../src/internal/pathMtu.js"
import { RttEstimator } from "../../src/internal/rttEstimator.js"

/** Runs the machine over a path until `end` (virtual time), or until there is nothing to wait for. */
const run = (
  mtu: PathMtu,
  from: number,
  end: number,
  truth: (now: number) => number,
  lost: () => boolean = () => false
): number => {
  let now = from
  let token = 1000
  for (let steps = 0; mtu.deadline <= end; steps++) {
    assert.isBelow(steps, 10_000)
    now = Math.max(now, mtu.deadline)
    const size = mtu.probeDue(now)
    assert.isTrue(size === 0 || (size > mtu.current && size <= mtu.ceiling))
    if (size === 0) continue
    mtu.probeSent(now, ++token)
    assert.strictEqual(mtu.probeDue(now), 0)
    if (size <= truth(now) && !lost()) mtu.probeAcknowledged(now += 20, token)
    assert.isAtMost(mtu.current, Math.max(BASE_MTU, truth(now)))
  }
  return now
}

const make = (ceiling = MAX_MTU, now = 0) => new PathMtu({ ceiling, rtt: new RttEstimator(), now })

const sizes = fc.integer({ min: BASE_MTU, max: MAX_MTU })

describe("PathMtu", () => {
  it.prop("finds the path's size, to 32 bytes below 1,500 and 64 above, within 24 probes", [sizes, sizes], (
    [truth, ceiling]
  ) => {
    const mtu = make(ceiling)
    run(mtu, 0, 100_000, () => truth)
    const reachable = Math.min(truth, ceiling)
    assert.isAtMost(mtu.current, reachable)
    assert.isAtLeast(mtu.current, Math.max(BASE_MTU, reachable - (reachable < 1500 ? 32 : 64)))
    assert.isAtMost(mtu.probes, 24)
  })

  it("finds the sizes of common links and the ceiling exactly", () => {
    for (const truth of [1232, 1280, 1372, 1392, 1412, 1432, 1444, 1452, 1464, 1472, 1500, 2048]) {
      const mtu = make()
      run(mtu, 0, 100_000, () => truth)
      assert.strictEqual(mtu.current, truth)
    }
    const mtu = make(1437)
    run(mtu, 0, 100_000, () => 9000)
    assert.deepStrictEqual([mtu.current, mtu.probes, mtu.deadline], [1437, 1, Infinity])
  })

  it("searches nothing when the ceiling is the base, and takes no ceiling above 2,048", () => {
    for (const ceiling of [0, 1199, 1200]) {
      const mtu = make(ceiling)
      assert.deepStrictEqual([mtu.current, mtu.deadline, mtu.probeDue(1e9)], [1200, Infinity, 0])
      mtu.reset(5)
      assert.strictEqual(mtu.deadline, Infinity)
    }
    assert.strictEqual(make(9000).ceiling, MAX_MTU)
  })

  it("gives a size up after three losses, a second or an RTO apart, and not before", () => {
    const rtt = new RttEstimator()
    rtt.sample(1000)
    const mtu = new PathMtu({ ceiling: MAX_MTU, rtt, now: 0 })
    const seen: Array<number> = []
    for (let i = 0; i <= MAX_PROBES; i++) {
      assert.strictEqual(mtu.probeDue(i * 3000 - 1), 0)
      seen.push(mtu.probeDue(i * 3000))
      mtu.probeSent(i * 3000, i)
    }
    assert.deepStrictEqual(seen, [1472, 1472, 1472, 1372])
  })

  it("a late acknowledgement of any probe of the size counts, a foreign or older one does not", () => {
    const mtu = make()
    mtu.probeDue(0)
    mtu.probeSent(0, 7)
    mtu.probeDue(1000)
    mtu.probeSent(1000, 8)
    for (const token of [6, -1, NaN]) mtu.probeAcknowledged(1100, token)
    assert.strictEqual(mtu.current, 1200)
    mtu.probeAcknowledged(1200, 7)
    assert.strictEqual(mtu.current, 1472)
    mtu.probeAcknowledged(1201, 8)
    assert.strictEqual(mtu.current, 1472)
    assert.strictEqual(mtu.probeDue(1202), 2048)
  })

  it("tries the next size up every ten minutes, and follows a path that has grown", () => {
    const mtu = make()
    let truth = 1472
    const done = run(mtu, 0, 100_000, () => truth)
    const { probes } = mtu
    run(mtu, done, 1_300_000, () => truth)
    assert.deepStrictEqual([mtu.current, mtu.probes], [1472, probes + 2 * MAX_PROBES])
    truth = 2048
    run(mtu, 1_300_000, 2_000_000, () => truth)
    assert.strictEqual(mtu.current, 2048)
  })

  it("falls back to the base after three large losses in a row, and searches again after a growing pause", () => {
    const mtu = make()
    let now = run(mtu, 0, 100, () => MAX_MTU)
    const pauses: Array<number> = []
    for (let i = 0; i < 8; i++) {
      assert.strictEqual(mtu.current, MAX_MTU)
      mtu.lostLarge(now)
      mtu.lostLarge(now)
      mtu.confirmed()
      mtu.lostLarge(now)
      mtu.lostLarge(now)
      assert.strictEqual(mtu.current, MAX_MTU)
      mtu.lostLarge(now)
      assert.strictEqual(mtu.current, BASE_MTU)
      mtu.lostLarge(now)
      pauses.push(mtu.deadline - now)
      now = run(mtu, now, mtu.deadline + 60, () => MAX_MTU)
    }
    assert.deepStrictEqual(pauses, [10, 20, 40, 80, 160, 320, 600, 600].map((seconds) => seconds * 1000))
    now += 600_001
    for (let i = 0; i < 3; i++) mtu.lostLarge(now)
    assert.strictEqual(mtu.deadline - now, 10_000)
  })

  it("a path that has shrunk is found again", () => {
    const mtu = make()
    run(mtu, 0, 100, () => MAX_MTU)
    for (let i = 0; i < 3; i++) mtu.lostLarge(1000)
    run(mtu, 1000, 200_000, () => 1412)
    assert.strictEqual(mtu.current, 1412)
  })

  it("another path begins at the base and at once", () => {
    const mtu = make()
    run(mtu, 0, 100, () => MAX_MTU)
    mtu.reset(500)
    assert.deepStrictEqual([mtu.current, mtu.deadline], [BASE_MTU, 500])
    mtu.probeDue(500)
    mtu.probeSent(500, 1)
    mtu.reset(600)
    mtu.probeAcknowledged(610, 1)
    assert.deepStrictEqual([mtu.current, mtu.deadline, mtu.probeDue(610)], [BASE_MTU, 600, 1472])
  })

  it.prop(
    "random loss of probes never leads above the path or the ceiling, and the search ends",
    [sizes, sizes, fc.infiniteStream(fc.boolean())],
    ([truth, ceiling, coins]) => {
      const mtu = make(ceiling)
      run(mtu, 0, 590_000, () => truth, () => coins.next().value === true)
      assert.isAtMost(mtu.current, Math.min(truth, ceiling))
      assert.isAtMost(mtu.probes, 24)
    }
  )
})
