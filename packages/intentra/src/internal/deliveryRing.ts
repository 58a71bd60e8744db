import type { Delivery } from "../Delivery.js"
import * as Intent from "../Intent.js"
import { MAX_PACKET_BYTES } from "../PacketHeader.js"
import type { Peer } from "../Peer.js"
import { Waiter } from "./waiter.js"

const LARGEST_SLAB = 65_536
const SMALLEST_SLAB = 2 * MAX_PACKET_BYTES
const SMALLEST_TABLE = 64
const NONE = -1

/** A peer, with its droppable messages that wait here: oldest first, linked through the ring's places. */
export interface RingPeer extends Peer {
  ringOldest: number
  ringNewest: number
  ringHeld: number
  /** Its Reliable messages that wait here. */
  ringReliable: number
}

/** Memory that messages lie in. */
interface Slab {
  readonly bytes: Uint8Array
  /** Messages here that wait. */
  live: number
}

const NO_BYTES = new Uint8Array(0)
const NO_SLAB: Slab = { bytes: NO_BYTES, live: 0 }

/** A message that lies behind so much more that does not wait than it has itself is copied, to waste less. */
const GAP = 32

/**
 * Messages that wait for the consumer of `deliveries`, bounded in number and bytes. When it is full, the oldest droppable
 * message of the peer that has most of them here goes: a flood by one peer costs that peer.
 *
 * Payloads lie in slabs. A packet is opened where its messages will stay (`room`), so that delivering one copies nothing;
 * objects are made when the consumer takes a chunk, not before. A chunk owns its slabs. What holes leave of them is
 * bounded: when they are more than twice what may wait, the messages move together.
 */
export class DeliveryRing extends Waiter {
  bytes = 0
  size = 0
  /** Bytes of all slabs that something waits in, or is put into. */
  held = 0
  private current: Slab = NO_SLAB
  private used = 0
  /** Where messages are copied to that do not come from the packet being read: held ones, while it still is. */
  private copies: Slab = NO_SLAB
  private copied = 0
  private slabBytes = SMALLEST_SLAB
  private chunkBytes = 0
  private droppable = 0
  private reliable = 0
  private reliableBytes = 0
  private heaviest: RingPeer | undefined = undefined

  // messages by place, in order of arrival; a dropped one leaves a hole
  private places = 0
  private oldest = 0
  private peers: Array<RingPeer | undefined> = []
  private slabs: Array<Slab> = []
  private starts: Int32Array = new Int32Array(0)
  private lengths: Int32Array = new Int32Array(0)
  private intents: Uint8Array = new Uint8Array(0)
  private times: Float64Array = new Float64Array(0)
  /** The same peer's next droppable message. */
  private peerNext: Int32Array = new Int32Array(0)

  constructor(private readonly capacity: number, private readonly capacityBytes: number) {
    super()
  }

  /** Where packets are opened: from `room()` on. */
  get slab(): Uint8Array {
    return this.current.bytes
  }

  /** Where the next packet may be opened in the slab: there is room for the longest. */
  room(): number {
    if (this.used + MAX_PACKET_BYTES > this.current.bytes.length) {
      this.current = this.nextSlab(MAX_PACKET_BYTES, this.current)
      this.used = 0
    }
    return this.used
  }

  /** Takes a message, where it lies in the slab or by copying it; returns how many old ones made room. */
  push(peer: RingPeer, source: Uint8Array, offset: number, length: number, intent: number, now: number): number {
    let slab = this.current
    let start = offset
    if (source === slab.bytes && offset >= this.used && offset - this.used <= length + GAP) this.used = start + length
    else {
      start = this.copy(source, offset, length)
      slab = this.copies
    }
    slab.live++
    this.chunkBytes += length
    if (this.places === this.starts.length) this.makePlaces()
    const place = this.places++
    this.peers[place] = peer
    this.slabs[place] = slab
    this.starts[place] = start
    this.lengths[place] = length
    this.intents[place] = intent
    this.times[place] = now
    this.size++
    this.bytes += length
    if (this.held > 2 * (Math.max(this.bytes, this.capacityBytes) + LARGEST_SLAB)) this.moveTogether()
    // whoever delivers Reliable has asked for room first; it is never dropped
    if (intent === Intent.RELIABLE) {
      this.reliable++
      this.reliableBytes += length
      peer.ringReliable++
      return 0
    }
    this.droppable++
    this.link(peer, place)
    return this.size > this.capacity || this.bytes > this.capacityBytes ? this.shed(peer) : 0
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
    const { intents, lengths, peers, places, slabs, starts, times } = this
    const drained = new Array<Delivery>(this.size)
    let count = 0
    for (let place = this.oldest; place < places; place++) {
      const peer = peers[place]
      if (peer === undefined) continue
      peers[place] = undefined
      peer.ringHeld = 0
      peer.ringReliable = 0
      drained[count++] = {
        peer,
        payload: new Uint8Array(slabs[place].bytes.buffer, starts[place], lengths[place]),
        intent: Intent.fromCode(intents[place]),
        receivedAt: times[place]
      }
    }
    slabs.fill(NO_SLAB, 0, places)
    this.places = 0
    this.oldest = 0
    this.heaviest = undefined
    this.droppable = 0
    this.reliable = 0
    this.reliableBytes = 0
    this.size = 0
    this.bytes = 0
    // the chunk owns its slabs, so the next one begins its own, about as large as this one was
    this.dropSlabs()
    this.slabBytes = Math.min(LARGEST_SLAB, Math.max(SMALLEST_SLAB, this.chunkBytes + MAX_PACKET_BYTES))
    this.chunkBytes = 0
    return drained
  }

  /** A slab in the place of one that is full. */
  private nextSlab(bytes: number, full: Slab): Slab {
    if (full.live === 0) this.held -= full.bytes.length
    const slab = { bytes: new Uint8Array(Math.max(bytes, this.slabBytes)), live: 0 }
    this.slabBytes = Math.min(LARGEST_SLAB, this.slabBytes * 2)
    this.held += slab.bytes.length
    return slab
  }

  /** Copies a message to where copies are, and says where there. */
  private copy(source: Uint8Array, offset: number, length: number): number {
    if (this.copied + length > this.copies.bytes.length) {
      this.copies = this.nextSlab(length, this.copies)
      this.copied = 0
    }
    const start = this.copied
    this.copies.bytes.set(new Uint8Array(source.buffer, source.byteOffset + offset, length), start)
    this.copied += length
    return start
  }

  /** A message has gone from here. */
  private release(slab: Slab): void {
    if (--slab.live === 0 && slab !== this.current && slab !== this.copies) this.held -= slab.bytes.length
  }

  private dropSlabs(): void {
    this.held = 0
    this.current = NO_SLAB
    this.used = 0
    this.copies = NO_SLAB
    this.copied = 0
  }

  /** Copies all that waits into slabs of its own: few small messages among many that were dropped keep whole slabs. */
  private moveTogether(): void {
    const { lengths, peers, slabs, starts } = this
    this.dropSlabs()
    for (let place = this.oldest; place < this.places; place++) {
      if (peers[place] === undefined) continue
      starts[place] = this.copy(slabs[place].bytes, starts[place], lengths[place])
      slabs[place] = this.copies
      this.copies.live++
    }
  }

  private link(peer: RingPeer, place: number): void {
    this.peerNext[place] = NONE
    if (peer.ringHeld === 0) peer.ringOldest = place
    else this.peerNext[peer.ringNewest] = place
    peer.ringNewest = place
    peer.ringHeld++
    if (this.heaviest === undefined || peer.ringHeld > this.heaviest.ringHeld) this.heaviest = peer
  }

  /** Drops messages of whoever has most of them until the rest is within the bounds. */
  private shed(newcomer: RingPeer): number {
    let dropped = 0
    while (this.droppable > 0 && (this.size > this.capacity || this.bytes > this.capacityBytes)) {
      const heaviest = this.heaviest ?? newcomer
      this.dropOldestOf(heaviest)
      dropped++
      if (heaviest.ringHeld === 0) this.heaviest = this.oldestDroppable() ?? newcomer
      else if (newcomer.ringHeld > heaviest.ringHeld) this.heaviest = newcomer
    }
    return dropped
  }

  private dropOldestOf(peer: RingPeer): void {
    const place = peer.ringOldest
    peer.ringOldest = this.peerNext[place]
    peer.ringHeld--
    this.droppable--
    this.size--
    this.bytes -= this.lengths[place]
    this.peers[place] = undefined
    this.release(this.slabs[place])
    this.slabs[place] = NO_SLAB
    while (this.oldest < this.places && this.peers[this.oldest] === undefined) this.oldest++
  }

  private oldestDroppable(): RingPeer | undefined {
    for (let place = this.oldest; place < this.places; place++) {
      if (this.peers[place] !== undefined && this.intents[place] !== Intent.RELIABLE) return this.peers[place]
    }
    return undefined
  }

  /** All places are taken: closes the holes when half of them are, else makes more places. */
  private makePlaces(): void {
    const { intents, lengths, peers, places, slabs, starts, times } = this
    if (this.size * 2 > places || places === 0) {
      const count = Math.max(SMALLEST_TABLE, places * 2)
      this.starts = grown(starts, new Int32Array(count))
      this.lengths = grown(lengths, new Int32Array(count))
      this.intents = grown(intents, new Uint8Array(count))
      this.times = grown(times, new Float64Array(count))
      this.peerNext = grown(this.peerNext, new Int32Array(count))
      return
    }
    let to = 0
    for (let from = this.oldest; from < places; from++) {
      const peer = peers[from]
      if (peer === undefined) continue
      // before its messages are linked anew
      if (from === peer.ringOldest) peer.ringHeld = 0
      peers[to] = peer
      slabs[to] = slabs[from]
      starts[to] = starts[from]
      lengths[to] = lengths[from]
      intents[to] = intents[from]
      times[to] = times[from]
      if (intents[to] !== Intent.RELIABLE) this.link(peer, to)
      to++
    }
    peers.fill(undefined, to, places)
    slabs.fill(NO_SLAB, to, places)
    this.oldest = 0
    this.places = to
  }
}

const grown = <A extends Int32Array | Uint8Array | Float64Array>(old: A, larger: A): A => {
  larger.set(old)
  return larger
}
