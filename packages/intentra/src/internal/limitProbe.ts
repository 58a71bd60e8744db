import { MAX_RTO } from "./rttEstimator.js"

/**
 * Asks a peer whose limit leaves no room whether it has moved, by sending the first message that the limit excludes: the
 * ACK that told of the move may be lost, and with nothing in flight no other would come.
 */
export class LimitProbe {
  /** When to ask; Infinity when the peer need not be asked. */
  at = Infinity
  /** It is time: the excluded message may go out. */
  due = false
  /** The excluded message has gone out and is neither acknowledged nor sent in the regular way. */
  outstanding = false
  order = -1
  sentAt = 0
  private interval = 0

  watch(now: number, blocked: boolean, interval: number): void {
    if (!blocked) {
      this.at = Infinity
      this.due = false
    } else if (this.at === Infinity) {
      this.interval = interval
      this.at = now + interval
    }
  }

  timeout(now: number): void {
    if (this.at > now) return
    this.due = true
    this.interval = Math.min(MAX_RTO, 2 * this.interval)
    this.at = now + this.interval
  }

  sent(now: number, order: number): void {
    this.due = false
    this.outstanding = true
    this.order = order
    this.sentAt = now
  }
}
