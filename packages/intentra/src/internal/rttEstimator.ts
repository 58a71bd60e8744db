/** Bounds of the retransmission timeout, and its value before the first sample, in milliseconds. */
export const MIN_RTO = 200
export const MAX_RTO = 10_000
export const INITIAL_RTO = 1_000

/** Backing off goes no further than this: what is late is worth less than what it costs to ask again. */
const MAX_BACKOFF = 2_000

/** G of RFC 6298: the clock is read once a turn. */
const GRANULARITY = 1

/** Round-trip time and retransmission timeout of one path after RFC 6298, in milliseconds. */
export class RttEstimator {
  /** SRTT; -1 before the first sample. */
  smoothed = -1
  /** RTTVAR. */
  variation = 0
  /** The shortest sample; Infinity before the first. */
  minimum = Infinity
  /** The newest sample; -1 before the first. */
  latest = -1
  rto = INITIAL_RTO

  /**
   * `delay` is how long the peer says that it held its answer back; it never takes a sample below the shortest one
   * (RFC 9002, section 5.3). What is no duration is ignored.
   */
  sample(rtt: number, delay = 0): void {
    if (!(rtt >= 0 && rtt < Infinity)) return
    if (rtt < this.minimum) this.minimum = rtt
    const sample = delay > 0 && rtt - delay >= this.minimum ? rtt - delay : rtt
    this.latest = sample
    if (this.smoothed < 0) {
      this.smoothed = sample
      this.variation = sample / 2
    } else {
      this.variation = 0.75 * this.variation + 0.25 * Math.abs(this.smoothed - sample)
      this.smoothed = 0.875 * this.smoothed + 0.125 * sample
    }
    const rto = this.smoothed + Math.max(GRANULARITY, 4 * this.variation)
    this.rto = rto < MIN_RTO ? MIN_RTO : rto > MAX_RTO ? MAX_RTO : rto
  }

  /** Doubles the timeout, within bounds; the next sample computes it anew. */
  backoff(): void {
    this.rto = Math.max(this.rto, Math.min(MAX_BACKOFF, 2 * this.rto))
  }

  /** Forgets all: the path is another one. */
  reset(): void {
    this.smoothed = -1
    this.variation = 0
    this.minimum = Infinity
    this.latest = -1
    this.rto = INITIAL_RTO
  }
}
