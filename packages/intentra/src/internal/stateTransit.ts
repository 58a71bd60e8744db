import * as Wire from "./stateWire.js"

/** How long a least value counts, in milliseconds: twice this at most. */
const WINDOW = 10_000
/** Round-trip time before it is known. */
const GUESS = 100
/** A round trip above this is a mistake. */
const LONGEST = 60_000

/** The least of the values of the last 10 to 20 seconds. */
class WindowedMinimum {
  private current = Infinity
  private previous = Infinity
  private since = 0

  add(value: number, now: number): void {
    if (now - this.since >= WINDOW) {
      this.previous = now - this.since >= 2 * WINDOW ? Infinity : this.current
      this.current = Infinity
      this.since = now
    }
    if (value < this.current) this.current = value
  }

  get value(): number {
    return Math.min(this.current, this.previous)
  }
}

/**
 * How long messages of a publisher are under way. The two clocks have nothing in common, but the quickest message of a
 * while took about half of the quickest round trip, and every other message that much more as it is late by its stamp.
 */
export class StateTransit {
  /** Smoothed round-trip time (RFC 6298), in milliseconds. */
  rtt = GUESS
  private measured = false
  private leastRtt = new WindowedMinimum()
  private leastLag = new WindowedMinimum()
  private base = -1

  /** Another clock at the other end, or another way there. */
  reset(): void {
    this.rtt = GUESS
    this.measured = false
    this.leastRtt = new WindowedMinimum()
    this.leastLag = new WindowedMinimum()
    this.base = -1
  }

  /** A message with a stamp of its own, and one of ours that was held for some time. Returns its transit. */
  onMessage(stamp: number, echo: number, held: number, now: number): number {
    const here = Wire.stampOf(now)
    if (held !== Wire.HELD_TOO_LONG) {
      const rtt = (((here - echo) >>> 0) - held) * Wire.AGE_UNIT
      if (rtt < LONGEST) this.onRtt(Math.max(0, rtt), now)
    }
    if (this.base < 0) this.base = (here - stamp) >>> 0
    const lag = ((here - stamp - this.base) | 0) * Wire.AGE_UNIT
    this.leastLag.add(lag, now)
    const { value } = this.leastRtt
    return lag - this.leastLag.value + (value < Infinity ? value / 2 : 0)
  }

  private onRtt(rtt: number, now: number): void {
    this.rtt = this.measured ? this.rtt + (rtt - this.rtt) / 8 : rtt
    this.measured = true
    this.leastRtt.add(rtt, now)
  }
}
