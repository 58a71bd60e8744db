/**
 * The few figures that are made of many.
 *
 * @since 0.1.0
 */

/**
 * The nearest-rank percentile of samples in ascending order, for a share from 0 to 1; `undefined` without samples.
 *
 * @since 0.1.0
 * @category statistics
 */
export const percentile = (sorted: ArrayLike<number>, share: number): number | undefined =>
  sorted.length === 0
    ? undefined
    : sorted[Math.min(sorted.length, Math.max(1, Math.ceil(share * sorted.length))) - 1]

/**
 * `part` of `whole`; 0 when there is no whole.
 *
 * @since 0.1.0
 * @category statistics
 */
export const ratio = (part: number, whole: number): number => whole > 0 ? part / whole : 0

/**
 * How long round trips took, in microseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface Latency {
  readonly p50Us: number
  readonly p90Us: number
  readonly p99Us: number
  readonly p999Us: number
  readonly maxUs: number
}

/**
 * The percentiles of samples in microseconds, in any order; all are 0 without samples.
 *
 * @since 0.1.0
 * @category statistics
 */
export const latency = (samples: Float64Array): Latency => {
  const sorted = Float64Array.from(samples).sort()
  const at = (share: number): number => round(percentile(sorted, share) ?? 0, 1)
  return { p50Us: at(0.5), p90Us: at(0.9), p99Us: at(0.99), p999Us: at(0.999), maxUs: at(1) }
}

/**
 * Rounds to so many decimal places, half up.
 *
 * @since 0.1.0
 * @category statistics
 */
export const round = (value: number, places = 0): number => {
  const unit = 10 ** places
  return Math.round(value * unit) / unit
}
