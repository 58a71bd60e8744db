/**
 * A token bucket that refills lazily: no timer, one subtraction and one multiplication a call.
 *
 * @since 0.1.0
 */

/**
 * The size of a bucket.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Tokens a second, 0 or more; `Infinity` makes a bucket that is always full. */
  readonly rate: number
  /** The most tokens that the bucket holds, 1 to 1,000,000,000. */
  readonly burst: number
}

/**
 * A bucket of `burst` tokens that refills at `rate` tokens a second and starts full. `now` is a monotonic time in
 * milliseconds, rounded to the nearest microsecond; a `now` before the latest one seen is taken as the latest.
 *
 * Between two moments it never hands out more than `burst + rate * seconds` tokens. For a whole number of tokens a
 * second the arithmetic is exact, so that nothing drifts however many calls are made.
 *
 * @since 0.1.0
 * @category models
 */
export interface TokenBucket {
  /** Whether there is a whole token; takes nothing. */
  readonly check: (now: number) => boolean
  /** Takes one token when there is one, and says whether it did. */
  readonly take: (now: number) => boolean
  /** Takes `tokens` (default 1), or what there is when that is less: the level never falls below 0. */
  readonly charge: (now: number, tokens?: number) => void
  /** How many tokens there are, with fractions, 0 to `burst`. */
  readonly tokens: (now: number) => number
}

// Time is kept in whole microseconds and the level in millionths of a token: a microsecond then brings `rate` units.
const TOKEN = 1e6

class Bucket implements TokenBucket {
  private readonly rate: number
  private readonly capacity: number
  private level: number
  // Not -Infinity: a rate of 0 would turn it into NaN.
  private refilledAt = -Number.MAX_VALUE
  private seenAt = -Number.MAX_VALUE

  constructor(rate: number, burst: number) {
    this.rate = rate
    this.capacity = burst * TOKEN
    this.level = this.capacity
  }

  check(now: number): boolean {
    this.refill(now)
    return this.level >= TOKEN
  }

  take(now: number): boolean {
    this.refill(now)
    if (this.level < TOKEN) return false
    this.spend(TOKEN)
    return true
  }

  charge(now: number, tokens: number = 1): void {
    this.refill(now)
    this.spend(tokens * TOKEN)
  }

  tokens(now: number): number {
    this.refill(now)
    return this.level / TOKEN
  }

  private spend(units: number): void {
    if (this.rate !== Infinity && units > 0) this.level = units >= this.level ? 0 : this.level - units
  }

  private refill(now: number): void {
    // many calls come with the time of one turn
    if (now === this.seenAt) return
    this.seenAt = now
    const at = Math.round(now * 1000)
    const elapsed = at - this.refilledAt
    if (!(elapsed > 0)) return
    this.refilledAt = at
    const level = this.level + elapsed * this.rate
    this.level = level < this.capacity ? level : this.capacity
  }
}

/**
 * Makes a full bucket. Throws a `RangeError` when `rate` is negative or no number, or when `burst` is not within 1 to
 * 1,000,000,000.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): TokenBucket => {
  const { burst, rate } = options
  if (!(rate >= 0)) {
    throw new RangeError(
      `TokenBucket.make: rate is ${rate}; give tokens per second, 0 or more, or Infinity for no limit`
    )
  }
  if (!(burst >= 1 && burst <= 1e9)) {
    throw new RangeError(`TokenBucket.make: burst is ${burst}; give a number of tokens from 1 to 1000000000`)
  }
  return new Bucket(rate, burst)
}
