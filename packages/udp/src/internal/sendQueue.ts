/** What a queued datagram costs besides its bytes, so that empty ones are bounded too. */
const OVERHEAD_BYTES = 64

/** A datagram that waits for the system; its bytes are its own, because libuv may read them later. */
export interface Queued {
  readonly bytes: Uint8Array
  readonly host: string
  readonly port: number
}

/**
 * The datagrams that the system did not take yet: first in, first out, bounded in bytes.
 *
 * @internal
 */
export class SendQueue {
  private items: Array<Queued> = []
  private head = 0
  private bytes = 0

  constructor(private readonly maxBytes: number, private readonly dropOldest: boolean) {}

  get length(): number {
    return this.items.length - this.head
  }

  /** Returns how many older datagrams were dropped to make room, or -1 when the one given was. */
  push(item: Queued): number {
    const cost = item.bytes.length + OVERHEAD_BYTES
    if (cost > this.maxBytes) return -1
    let dropped = 0
    if (this.bytes + cost > this.maxBytes) {
      if (!this.dropOldest) return -1
      while (this.bytes + cost > this.maxBytes) {
        this.shift()
        dropped++
      }
    }
    this.items.push(item)
    this.bytes += cost
    return dropped
  }

  shift(): Queued | undefined {
    if (this.head === this.items.length) return undefined
    const item = this.items[this.head++]
    this.bytes -= item.bytes.length + OVERHEAD_BYTES
    if (this.head === this.items.length || this.head > 1_024) {
      this.items = this.items.slice(this.head)
      this.head = 0
    }
    return item
  }
}
