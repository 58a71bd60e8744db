import type { Delivery } from "../Delivery.js"
import * as Intent from "../Intent.js"
import type { Peer } from "../Peer.js"

const LARGEST_SLAB = 65_536
const SMALLEST_SLAB = 2_048
const NONE = -1

/** A peer, with its droppable messages that wait here: oldest first, linked through the ring's cells. */
export interface RingPeer extends Peer {
  ringOldest: number
  ringNewest: number
  ringHeld: number
}

/**
 * Messages between the packet path and the consumer of the stream, in order of arrival. Payloads are slices of slabs that
 * belong to one chunk. When the consumer is too slow the oldest message of the peer that holds most goes, so that a peer
 * that floods drives out its own.
 */
export class DeliveryRing {
  bytes = 0
  size = 0
  private droppable = 0
  private readonly items: Array<Delivery | undefined> = []
  private next: Int32Array = new Int32Array(0)
  private previous: Int32Array = new Int32Array(0)
  private peerNext: Int32Array = new Int32Array(0)
  private free = NONE
  private oldest = NONE
  private newest = NONE
  private heaviest: RingPeer | undefined = undefined
  private slab = new Uint8Array(0)
  private used = 0
  private slabBytes = SMALLEST_SLAB
  private chunkBytes = 0
  private waiter: (() => void) | undefined = undefined

  constructor(private readonly capacity: number, private readonly capacityBytes: number) {}

  /** Copies a message in; returns how many old ones made room. */
  push(peer: RingPeer, source: Uint8Array, offset: number, length: number, intent: number, now: number): number {
    if (this.used + length > this.slab.length) {
      this.slab = new Uint8Array(Math.max(length, this.slabBytes))
      this.slabBytes = Math.min(LARGEST_SLAB, this.slabBytes * 2)
      this.used = 0
    }
    const end = this.used + length
    const payload = this.slab.subarray(this.used, end)
    for (let i = 0, from = offset; i < length; i++, from++) payload[i] = source[from]
    this.used = end
    this.chunkBytes += length
    if (this.free === NONE) this.grow()
    const cell = this.free
    this.free = this.next[cell]
    this.items[cell] = { peer, payload, intent: Intent.fromCode(intent), receivedAt: now }
    this.previous[cell] = this.newest
    this.next[cell] = NONE
    if (this.newest === NONE) this.oldest = cell
    else this.next[this.newest] = cell
    this.newest = cell
    this.size++
    this.bytes += length
    // whoever delivers Reliable has asked for room first; it is never dropped
    if (intent === Intent.RELIABLE) return 0
    this.droppable++
    this.peerNext[cell] = NONE
    if (peer.ringHeld === 0) peer.ringOldest = cell
    else this.peerNext[peer.ringNewest] = cell
    peer.ringNewest = cell
    peer.ringHeld++
    if (this.heaviest === undefined || peer.ringHeld > this.heaviest.ringHeld) this.heaviest = peer
    let dropped = 0
    while (this.droppable > 0 && (this.size > this.capacity || this.bytes > this.capacityBytes)) {
      this.dropOldestOf(this.heaviest)
      dropped++
      if (this.heaviest.ringHeld === 0) this.heaviest = this.oldestHolder() ?? peer
      else if (peer.ringHeld > this.heaviest.ringHeld) this.heaviest = peer
    }
    return dropped
  }

  /** Whether a Reliable message of so many bytes fits. */
  hasRoom(length: number): boolean {
    return this.size < this.capacity && this.bytes + length <= this.capacityBytes
  }

  /** All that is here, in order, now the caller's. */
  drain(): Array<Delivery> {
    const drained: Array<Delivery> = []
    let cell = this.oldest
    while (cell !== NONE) {
      const item = this.items[cell]
      const next = this.next[cell]
      if (item !== undefined) {
        drained.push(item)
        ;(item.peer as RingPeer).ringHeld = 0
      }
      this.release(cell)
      cell = next
    }
    this.oldest = NONE
    this.newest = NONE
    this.heaviest = undefined
    this.droppable = 0
    this.size = 0
    this.bytes = 0
    // the chunk owns its slabs, so the next one begins its own, about as large as this one was
    this.slab = new Uint8Array(0)
    this.used = 0
    this.slabBytes = Math.min(LARGEST_SLAB, Math.max(SMALLEST_SLAB, this.chunkBytes))
    this.chunkBytes = 0
    return drained
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

  private oldestHolder(): RingPeer | undefined {
    for (let cell = this.oldest; cell !== NONE; cell = this.next[cell]) {
      const peer = this.items[cell]?.peer as RingPeer
      if (peer.ringHeld > 0) return peer
    }
    return undefined
  }

  private dropOldestOf(peer: RingPeer): void {
    const cell = peer.ringOldest
    const next = this.next[cell]
    const previous = this.previous[cell]
    if (previous === NONE) this.oldest = next
    else this.next[previous] = next
    if (next === NONE) this.newest = previous
    else this.previous[next] = previous
    peer.ringOldest = this.peerNext[cell]
    peer.ringHeld--
    this.droppable--
    this.size--
    this.bytes -= this.items[cell]?.payload.length ?? 0
    this.release(cell)
  }

  private release(cell: number): void {
    this.items[cell] = undefined
    this.next[cell] = this.free
    this.free = cell
  }

  private grow(): void {
    const from = this.next.length
    const cells = Math.max(64, from * 2)
    const larger = (old: Int32Array): Int32Array<ArrayBuffer> => {
      const grown = new Int32Array(cells)
      grown.set(old)
      return grown
    }
    this.next = larger(this.next)
    this.previous = larger(this.previous)
    this.peerNext = larger(this.peerNext)
    for (let cell = cells - 1; cell >= from; cell--) this.release(cell)
  }
}
