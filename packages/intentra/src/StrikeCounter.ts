/**
 * Counts authenticated misbehaviour of one session over a sliding window.
 *
 * @since 0.1.0
 */

/**
 * When strikes add up to a close.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How many strikes within the window are too many: 1 to 65,536 (default 10). */
  readonly limit?: number
  /** The length of the window in milliseconds, above 0 (default 5,000). */
  readonly windowMs?: number
}

/**
 * Remembers the times of the last `limit` strikes, which is all that an exact sliding window needs. `now` is a monotonic
 * time in milliseconds; a `now` before the latest one seen is taken as the latest.
 *
 * @since 0.1.0
 * @category models
 */
export interface StrikeCounter {
  /** Records a strike; true when it and the `limit - 1` before it lie within `windowMs`, both ends included. */
  readonly strike: (now: number) => boolean
  /** How many of the last `limit` strikes are at most `windowMs` old: 0 to `limit`. */
  readonly count: (now: number) => number
  /** Forgets every strike. */
  readonly reset: (now: number) => void
  /** When `reset` was last called, -1 when it never was. */
  readonly lastReset: number
}

const NOTHING = new Float64Array(0)

class Counter implements StrikeCounter {
  lastReset = -1
  private readonly limit: number
  private readonly windowMs: number
  // Most sessions never strike: the ring is allocated by the first one.
  private times: Float64Array = NOTHING
  private next = 0
  private latest = -Infinity

  constructor(limit: number, windowMs: number) {
    this.limit = limit
    this.windowMs = windowMs
  }

  strike(now: number): boolean {
    this.advance(now)
    if (this.times === NOTHING) this.times = new Float64Array(this.limit).fill(-Infinity)
    this.times[this.next] = this.latest
    this.next = this.next + 1 === this.limit ? 0 : this.next + 1
    // After the step `next` is the oldest of the last `limit` strikes.
    return this.latest - this.times[this.next] <= this.windowMs
  }

  count(now: number): number {
    this.advance(now)
    let count = 0
    for (let i = 0; i < this.times.length; i++) {
      if (this.latest - this.times[i] <= this.windowMs) count++
    }
    return count
  }

  reset(now: number): void {
    this.advance(now)
    this.times.fill(-Infinity)
    this.lastReset = this.latest
  }

  private advance(now: number): void {
    if (now > this.latest) this.latest = now
  }
}

/**
 * Makes a counter without strikes. Throws a `RangeError` when `limit` is not an integer from 1 to 65,536 or `windowMs`
 * is not a finite number above 0.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options = {}): StrikeCounter => {
  const limit = options.limit ?? 10
  const windowMs = options.windowMs ?? 5000
  if (!Number.isInteger(limit) || limit < 1 || limit > 65536) {
    throw new RangeError(`StrikeCounter.make: limit is ${limit}; give an integer from 1 to 65536, such as 10`)
  }
  if (!(windowMs > 0 && windowMs < Infinity)) {
    throw new RangeError(`StrikeCounter.make: windowMs is ${windowMs}; give milliseconds above 0, such as 5000`)
  }
  return new Counter(limit, windowMs)
}
