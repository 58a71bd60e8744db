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
  /** Its Reliable messages that wait here. */
  ringReliable: number
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
  private reliable = 0
  private reliableBytes = 0
  // droppable messages in order of arrival
  private dropNext: Int32Array = new Int32Array(0)
  private dropPrevious: Int32Array = new Int32Array(0)
  private oldestDroppable = NONE
  private newestDroppable = NONE
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
    const payload = new Uint8Array(this.slab.buffer, this.used, length)
    payload.set(new Uint8Array(source.buffer, source.byteOffset + offset, length))
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
    if (intent === Intent.RELIABLE) {
      this.reliable++
      this.reliableBytes += length
      peer.ringReliable++
      return 0
    }
    this.droppable++
    this.dropPrevious[cell] = this.newestDroppable
    this.dropNext[cell] = NONE
    if (this.newestDroppable === NONE) this.oldestDroppable = cell
    else this.dropNext[this.newestDroppable] = cell
    this.newestDroppable = cell
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
      if (this.heaviest.ringHeld === 0) {
        this.heaviest = this.oldestDroppable === NONE ? peer : this.items[this.oldestDroppable]?.peer as RingPeer
      } else if (peer.ringHeld > this.heaviest.ringHeld) this.heaviest = peer
    }
    return dropped
  }

  /**
   * Whether a Reliable message of so many bytes fits. Reliable has half of the ring, and no peer more than a quarter, so
   * that what must wait does not shut out what must be fresh.
   */
  hasRoom(peer: RingPeer, length: number): boolean {
    return this.size < this.capacity && this.bytes + length <= this.capacityBytes &&
      this.reliable * 2 < this.capacity && (this.reliableBytes + length) * 2 <= this.capacityBytes &&
      peer.ringReliable * 4 < this.capacity
  }

  /** Whether acknowledged messages of an ended session, which can wait nowhere else, may go above the bounds. */
  hasLastRoom(): boolean {
    return this.size < 2 * this.capacity && this.bytes < 2 * this.capacityBytes
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
        const peer = item.peer as RingPeer
        peer.ringHeld = 0
        peer.ringReliable = 0
      }
      this.release(cell)
      cell = next
    }
    this.oldest = NONE
    this.newest = NONE
    this.heaviest = undefined
    this.droppable = 0
    this.reliable = 0
    this.reliableBytes = 0
    this.oldestDroppable = NONE
    this.newestDroppable = NONE
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
    const dropNext = this.dropNext[cell]
    const dropPrevious = this.dropPrevious[cell]
    if (dropPrevious === NONE) this.oldestDroppable = dropNext
    else this.dropNext[dropPrevious] = dropNext
    if (dropNext === NONE) this.newestDroppable = dropPrevious
    else this.dropPrevious[dropNext] = dropPrevious
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
    this.dropNext = larger(this.dropNext)
    this.dropPrevious = larger(this.dropPrevious)
    for (let cell = cells - 1; cell >= from; cell--) this.release(cell)
  }
}
