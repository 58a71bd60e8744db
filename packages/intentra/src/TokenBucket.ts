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

/** What changes with every call, 8 bytes each: the level, when it was last refilled, the last `now` seen. */
const ROW = 4
const LEVEL = 0
const REFILLED_AT = 1
const SEEN_AT = 2
const SLAB_ROWS = 64

/** What buckets of one size share. */
interface Size {
  readonly rate: number
  readonly burst: number
  readonly capacity: number
}

/**
 * As fields of objects these numbers would be boxes strewn over the heap. Buckets that are made one after another, as
 * those of sessions are, share an array; it lives as long as one of them.
 */
class Bucket implements TokenBucket {
  private static slab = new Float64Array(0)
  private static next = 0

  private readonly numbers: Float64Array
  private readonly at: number

  constructor(private readonly size: Size) {
    if (Bucket.next === Bucket.slab.length) {
      Bucket.slab = new Float64Array(ROW * SLAB_ROWS)
      Bucket.next = 0
    }
    this.numbers = Bucket.slab
    this.at = Bucket.next
    Bucket.next += ROW
    this.numbers[this.at + LEVEL] = size.capacity
    // Not -Infinity: a rate of 0 would turn it into NaN.
    this.numbers[this.at + REFILLED_AT] = -Number.MAX_VALUE
    this.numbers[this.at + SEEN_AT] = -Number.MAX_VALUE
  }

  check(now: number): boolean {
    this.refill(now)
    return this.numbers[this.at + LEVEL] >= TOKEN
  }

  take(now: number): boolean {
    if (!this.check(now)) return false
    this.spend(TOKEN)
    return true
  }

  charge(now: number, tokens: number = 1): void {
    this.refill(now)
    this.spend(tokens * TOKEN)
  }

  tokens(now: number): number {
    this.refill(now)
    return this.numbers[this.at + LEVEL] / TOKEN
  }

  private spend(units: number): void {
    if (this.size.rate === Infinity || !(units > 0)) return
    const level = this.numbers[this.at + LEVEL]
    this.numbers[this.at + LEVEL] = units >= level ? 0 : level - units
  }

  private refill(now: number): void {
    const { at, numbers, size } = this
    // many calls come with the time of one turn
    if (now === numbers[at + SEEN_AT]) return
    numbers[at + SEEN_AT] = now
    const micros = Math.round(now * 1000)
    const elapsed = micros - numbers[at + REFILLED_AT]
    if (!(elapsed > 0)) return
    numbers[at + REFILLED_AT] = micros
    const level = numbers[at + LEVEL] + elapsed * size.rate
    numbers[at + LEVEL] = level < size.capacity ? level : size.capacity
  }
}

let lastSize: Size = { rate: 0, burst: 1, capacity: TOKEN }
/** Without a limit it is always full, so that one serves all: a packet of thousands of sessions finds it in the caches. */
let unlimited: Bucket | undefined

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
  if (lastSize.rate !== rate || lastSize.burst !== burst) {
    lastSize = { rate, burst, capacity: burst * TOKEN }
    unlimited = undefined
  }
  if (rate !== Infinity) return new Bucket(lastSize)
  unlimited ??= new Bucket(lastSize)
  return unlimited
}
