import type { Delivery } from "../Delivery.js"
import * as Intent from "../Intent.js"
import type { Peer } from "../Peer.js"

const SLAB_BYTES = 65_536

/**
 * Messages between the packet path and the consumer of the stream. Payloads are slices of slabs that the consumer keeps;
 * when it is too slow the oldest go, and are counted.
 */
export class DeliveryRing {
  bytes = 0
  private items: Array<Delivery> = []
  private head = 0
  private slab = new Uint8Array(0)
  private used = 0
  private waiter: (() => void) | undefined = undefined

  constructor(private readonly capacity: number, private readonly capacityBytes: number) {}

  get size(): number {
    return this.items.length - this.head
  }

  /** Copies a message in; returns how many old ones made room. */
  push(peer: Peer, source: Uint8Array, offset: number, length: number, intent: number, now: number): number {
    if (this.used + length > this.slab.length) {
      this.slab = new Uint8Array(SLAB_BYTES)
      this.used = 0
    }
    const end = this.used + length
    const payload = this.slab.subarray(this.used, end)
    for (let i = 0, from = offset; i < length; i++, from++) payload[i] = source[from]
    this.used = end
    this.items.push({ peer, payload, intent: Intent.fromCode(intent), receivedAt: now })
    this.bytes += length
    let dropped = 0
    while (this.size > this.capacity || this.bytes > this.capacityBytes) {
      this.bytes -= this.items[this.head].payload.length
      this.head++
      dropped++
    }
    // what was dropped is let go before it costs as much memory as what is kept
    if (this.head > 1024 && this.head * 2 > this.items.length) {
      this.items = this.items.slice(this.head)
      this.head = 0
    }
    return dropped
  }

  /** All that is here, now the caller's. */
  drain(): Array<Delivery> {
    const { head, items } = this
    this.items = []
    this.head = 0
    this.bytes = 0
    // the consumer owns the slab's bytes now, but the rest of it may still be filled
    return head === 0 ? items : items.slice(head)
  }

  /** Calls back once, when `wake` finds something or says that it is over. */
  onWake(callback: () => void): void {
    this.waiter = callback
  }

  forgetWaiter(): void {
    this.waiter = undefined
  }

  /** At most once a turn. */
  wake(): void {
    const { waiter } = this
    if (waiter === undefined) return
    this.waiter = undefined
    waiter()
  }
}
