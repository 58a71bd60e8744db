import { hash } from "./tally.js"

/**
 * Token buckets of many sources in constant memory: sets of eight entries, each entry the time at which its bucket is
 * full again (the virtual scheduling form of a token bucket: one number, and a bucket that has refilled is the same as
 * no bucket).
 *
 * A source without an entry takes over the fullest bucket of its set, with its level. So nobody gains by being pushed
 * out: the buckets that remain were at most as full, and all fill at the same rate.
 */

const WAYS = 8

export class SourceRates {
  private readonly seed: number
  private readonly setMask: number
  private readonly burst: number
  private readonly interval: number
  private readonly tolerance: number
  private readonly emptyAhead: number
  private readonly kinds: Int32Array
  private readonly as: Int32Array
  private readonly bs: Int32Array
  private readonly fullAt: Float64Array
  private entry = 0
  private start = 0

  /** `entries` is rounded up to a power of two, at least eight; `rate` in tokens a second. */
  constructor(entries: number, rate: number, burst: number, seed: number) {
    let sets = 1
    while (sets * WAYS < entries) sets *= 2
    this.seed = seed
    this.setMask = sets - 1
    this.interval = 1e6 / rate
    this.emptyAhead = burst * this.interval
    // A millionth of a token of slack, for rates whose interval has no exact representation.
    this.tolerance = (burst - 1 + 1e-6) * this.interval
    this.burst = burst
    this.kinds = new Int32Array(sets * WAYS)
    this.as = new Int32Array(sets * WAYS)
    this.bs = new Int32Array(sets * WAYS)
    this.fullAt = new Float64Array(sets * WAYS).fill(-Infinity)
  }

  /** Takes a token of the source, times in microseconds. Without one: false and no change, or true when forced. */
  take(now: number, kind: number, a: number, b: number, force: boolean): boolean {
    this.locate(now, kind, a, b)
    const { emptyAhead, entry, interval, start, tolerance } = this
    if (start - now > tolerance && !force) return false
    this.fullAt[entry] = Math.min(start + interval, Math.max(start, now + emptyAhead))
    this.kinds[entry] = kind
    this.as[entry] = a
    this.bs[entry] = b
    return true
  }

  /** Tokens that the source would find. */
  tokens(now: number, kind: number, a: number, b: number): number {
    this.locate(now, kind, a, b)
    return this.interval === 0 ? this.burst : Math.max(0, this.burst - (this.start - now) / this.interval)
  }

  private locate(now: number, kind: number, a: number, b: number): void {
    const first = (hash(this.seed, kind, a, b) & this.setMask) * WAYS
    let found = first
    for (let i = first; i < first + WAYS; i++) {
      if (this.as[i] === a && this.bs[i] === b && this.kinds[i] === kind) {
        found = i
        break
      }
      if (this.fullAt[i] < this.fullAt[found]) found = i
    }
    this.entry = found
    this.start = Math.max(now, this.fullAt[found])
  }
}
