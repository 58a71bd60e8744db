const INITIAL = 32
const MINIMUM = 8

/**
 * How many messages may be in flight: slow start, then one more for each window acknowledged, half after a loss. Orders
 * number the packets of a session in the order of sending.
 */
export class CongestionWindow {
  size: number
  private threshold: number
  /** The newest packet sent when the window was last reduced: losses up to it belong to the same event. */
  private reducedAt = -1
  private acknowledged = 0

  constructor(private readonly maximum: number) {
    this.size = Math.min(INITIAL, maximum)
    this.threshold = maximum
  }

  /** `limited`: the flight was large enough for the window to matter. */
  onAcknowledged(order: number, limited: boolean): void {
    if (!limited || order <= this.reducedAt || this.size >= this.maximum) return
    if (this.size < this.threshold) {
      this.size++
    } else if (++this.acknowledged >= this.size) {
      this.acknowledged = 0
      this.size++
    }
  }

  /** A message of packet `order` was lost; `newest` is the newest packet sent. Returns whether that is a new event. */
  onLost(order: number, newest: number): boolean {
    if (order <= this.reducedAt) return false
    this.reduce(newest, this.half())
    return true
  }

  /** Nothing was heard for a whole timeout. */
  onTimeout(order: number, newest: number): void {
    // the same flight timing out again is no news on how much the path takes
    if (order > this.reducedAt) this.threshold = this.half()
    const { threshold } = this
    this.reduce(newest, Math.min(MINIMUM, this.maximum))
    this.threshold = threshold
  }

  /** Another path, about which nothing is known. */
  reset(): void {
    this.size = Math.min(INITIAL, this.maximum)
    this.threshold = this.maximum
    this.acknowledged = 0
  }

  private half(): number {
    return Math.min(this.maximum, Math.max(MINIMUM, this.size >> 1))
  }

  private reduce(newest: number, size: number): void {
    this.size = size
    this.threshold = size
    this.reducedAt = newest
    this.acknowledged = 0
  }
}
