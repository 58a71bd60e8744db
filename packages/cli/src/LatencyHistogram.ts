/**
 * Times of many events in bounded memory: a log-linear histogram (as HdrHistogram has it), so that a percentile of a
 * million samples costs no million numbers.
 *
 * @since 0.1.0
 */

/** Microseconds below this have a bucket each; above it every octave has half as many buckets. */
const LINEAR = 128
const LINEAR_BITS = 7
const PER_OCTAVE = 64
const OCTAVE_BITS = 6
const OCTAVES = 31 - LINEAR_BITS
const MAX_MICROS = 2 ** 31 - 1

const bucketOf = (micros: number): number => {
  if (micros < LINEAR) return micros
  const exponent = 31 - Math.clz32(micros)
  return LINEAR + (exponent - LINEAR_BITS) * PER_OCTAVE + ((micros >>> (exponent - OCTAVE_BITS)) & (PER_OCTAVE - 1))
}

/** The largest whole number of microseconds that falls into a bucket. */
const upperEdge = (bucket: number): number => {
  if (bucket < LINEAR) return bucket
  const exponent = LINEAR_BITS + Math.floor((bucket - LINEAR) / PER_OCTAVE)
  const sub = (bucket - LINEAR) % PER_OCTAVE
  return (PER_OCTAVE + sub + 1) * 2 ** (exponent - OCTAVE_BITS) - 1
}

/**
 * Counts durations from 0 to about 36 minutes (longer ones count as that) with a resolution of 1 microsecond or 1/64,
 * whichever is coarser. Recording allocates nothing.
 *
 * @since 0.1.0
 * @category models
 */
export class LatencyHistogram {
  private readonly buckets = new Float64Array(LINEAR + OCTAVES * PER_OCTAVE)
  private total = 0

  /** Samples recorded. */
  get count(): number {
    return this.total
  }

  /** Takes one duration in milliseconds, rounded up to a whole microsecond; a negative one counts as zero. */
  record(millis: number): void {
    const micros = Math.ceil(millis * 1000)
    this.buckets[bucketOf(micros > 0 ? (micros < MAX_MICROS ? micros : MAX_MICROS) : 0)]++
    this.total++
  }

  /**
   * The nearest-rank percentile in milliseconds, for a share from 0 to 1: never below the exact one, and above it by at
   * most 1 microsecond or 1/64. `undefined` while nothing has been recorded.
   */
  percentile(share: number): number | undefined {
    if (this.total === 0) return undefined
    const rank = Math.min(Math.max(Math.ceil(share * this.total), 1), this.total)
    let seen = 0
    for (let bucket = 0; bucket < this.buckets.length; bucket++) {
      seen += this.buckets[bucket]
      if (seen >= rank) return upperEdge(bucket) / 1000
    }
    return undefined
  }
}
