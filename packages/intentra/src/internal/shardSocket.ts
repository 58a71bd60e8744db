import { Address, ReceiveBatch } from "@intentra/udp"
import type { EventLoop, UdpSocketShape } from "@intentra/udp"
import * as DropReason from "../DropReason.js"
import { HEADER_BYTES, WIRE_VERSION } from "../PacketHeader.js"
import type { TransportCounters } from "../TransportCounters.js"
import { readU32 } from "./bytes.js"
import type { ShardRing } from "./shardRing.js"

const { ADDRESS_BYTES } = Address

/** Datagrams from other workers that are handled at once. */
const RELAYED = 256
const SHARD_OVERFLOW = DropReason.code.ShardOverflow

/** The worker that a conn_id of this transport belongs to: its top byte says so. */
export const ownerOf = (connId: number, workers: number): number => (connId >>> 24) % workers

/** Draws numbers until one names this worker. */
export const drawOwn = (uint32: () => number, index: number, workers: number) => (): number => {
  for (;;) {
    const id = uint32()
    if (ownerOf(id, workers) === index) return id
  }
}

/** Another worker: the ring to it, the ring from it, and how to tell it that there is something. */
export interface Neighbour {
  readonly outgoing: ShardRing
  readonly incoming: ShardRing
  readonly tell: () => void
}

export interface ShardSocketOptions {
  readonly index: number
  /** One place for each worker; nobody at this one's own. */
  readonly neighbours: ReadonlyArray<Neighbour | undefined>
  readonly counters: TransportCounters
  /** Milliseconds that the transport's clock is ahead of this thread's. */
  readonly clockShift: number
}

/** The loop of another thread, by the clock that all threads of the transport share. */
const shifted = (loop: EventLoop.EventLoop, shift: number): EventLoop.EventLoop => ({
  now: () => loop.now() + shift,
  makeAlarm: (callback) => {
    const alarm = loop.makeAlarm(callback)
    return { set: (at) => alarm.set(at - shift), clear: () => alarm.clear() }
  },
  defer: (callback) => loop.defer(callback),
  soon: (callback) => loop.soon(callback)
})

/**
 * One worker's socket as its hub sees it: datagrams whose conn_id names another worker are moved to that one and never
 * seen here, and those that others moved here come as if they had been received here. What is moved is counted as
 * received where it is handled, or dropped.
 */
export class ShardSocket implements UdpSocketShape {
  readonly kind
  readonly localAddress
  readonly granted
  readonly maxDatagramBytes
  readonly loop: EventLoop.EventLoop
  readonly addresses
  readonly outbox
  readonly stats
  readonly closed
  private handler: ((batch: ReceiveBatch) => void) | undefined = undefined
  private readonly workers: number
  private readonly inbox: ReceiveBatch
  private inboxEnd = 0
  private relayScheduled = false
  /** The neighbour whose ring is emptied first. */
  private turnOf = 0

  constructor(private readonly inner: UdpSocketShape, private readonly options: ShardSocketOptions) {
    this.kind = inner.kind
    this.localAddress = inner.localAddress
    this.granted = inner.granted
    this.maxDatagramBytes = inner.maxDatagramBytes
    this.loop = shifted(inner.loop, options.clockShift)
    this.addresses = inner.addresses
    this.outbox = inner.outbox
    this.stats = inner.stats
    this.closed = inner.closed
    this.workers = options.neighbours.length
    this.inbox = new ReceiveBatch(RELAYED, RELAYED * inner.maxDatagramBytes)
  }

  send(): number {
    return this.inner.send()
  }

  setHandler(handler: ((batch: ReceiveBatch) => void) | undefined): void {
    this.handler = handler
    this.inner.setHandler(handler === undefined ? undefined : this.onBatch)
  }

  private readonly onBatch = (batch: ReceiveBatch): void => {
    if (this.workers > 1) this.divert(batch)
    if (batch.first < batch.count) this.handler?.(batch)
  }

  /** Moves what belongs to others out of the batch: it stands before `first` then, as if it had been handled. */
  private divert(batch: ReceiveBatch): void {
    const { arena, count, first, lengths, offsets } = batch
    let moved = 0
    for (let i = first; i < count; i++) {
      if (!this.isForeign(arena, offsets[i], lengths[i])) continue
      moved++
      this.relay(batch, i)
    }
    if (moved === 0) return
    let kept = count - 1
    for (let i = count - 1; i >= first; i--) {
      if (this.isForeign(arena, offsets[i], lengths[i])) continue
      swap(offsets, i, kept)
      swap(lengths, i, kept)
      swap(batch.addressOffsets, i, kept)
      kept--
    }
    batch.first = kept + 1
    for (const neighbour of this.options.neighbours) {
      if (neighbour !== undefined) this.show(neighbour)
    }
  }

  private isForeign(arena: Uint8Array, offset: number, length: number): boolean {
    if (length < HEADER_BYTES || length > this.maxDatagramBytes || arena[offset] >> 4 !== WIRE_VERSION) return false
    const connId = readU32(arena, offset + 4)
    // hello and echo name nobody: they belong to whoever got them
    return connId !== 0 && ownerOf(connId, this.workers) !== this.options.index
  }

  private relay(batch: ReceiveBatch, i: number): void {
    const { addressOffsets, addresses, arena, lengths, offsets } = batch
    const { counters, neighbours } = this.options
    const length = lengths[i]
    const ring = neighbours[ownerOf(readU32(arena, offsets[i] + 4), this.workers)]?.outgoing
    const at = ring === undefined ? -1 : ring.reserve(ADDRESS_BYTES + length)
    if (ring === undefined || at < 0) {
      counters.received++
      counters.receivedBytes += length
      counters.drops[SHARD_OVERFLOW]++
      return
    }
    copy(addresses, addressOffsets[i], ADDRESS_BYTES, ring.bytes, at)
    copy(arena, offsets[i], length, ring.bytes, at + ADDRESS_BYTES)
  }

  private show({ outgoing, tell }: Neighbour): void {
    if (!outgoing.hasUncommitted) return
    outgoing.commit()
    if (outgoing.mustTell()) tell()
  }

  /** A neighbour says that there is something in its ring. */
  readonly receiveRelayed = (): void => {
    if (this.relayScheduled) return
    this.handOver()
  }

  /** One batch of what neighbours have moved here; the rest in the next turn. */
  private readonly handOver = (): void => {
    this.relayScheduled = false
    const { handler, inbox } = this
    if (handler === undefined) return
    const isFull = inbox.count === 0 ? this.fill() : true
    if (inbox.count > 0) {
      const { first } = inbox
      handler(inbox)
      if (inbox.first <= first || inbox.first >= inbox.count) inbox.clear()
    }
    if (isFull || inbox.count > 0) {
      this.relayScheduled = true
      this.loop.defer(this.handOver)
    }
  }

  /** Takes datagrams out of the rings, each neighbour's in its turn. True when more may be there. */
  private fill(): boolean {
    const { neighbours } = this.options
    const { inbox } = this
    this.inboxEnd = 0
    this.turnOf = (this.turnOf + 1) % this.workers
    for (let i = 0; i < this.workers; i++) {
      const ring = neighbours[(this.turnOf + i) % this.workers]?.incoming
      if (ring === undefined) continue
      ring.look()
      while (inbox.count < inbox.capacity) {
        const at = ring.next()
        if (at < 0) break
        this.take(ring, at)
      }
      ring.release()
      if (inbox.count === inbox.capacity) return true
    }
    return false
  }

  private take(ring: ShardRing, at: number): void {
    const { inbox } = this
    const i = inbox.count++
    const length = ring.length - ADDRESS_BYTES
    copy(ring.bytes, at, ADDRESS_BYTES, inbox.addresses, inbox.addressOffsets[i])
    copy(ring.bytes, at + ADDRESS_BYTES, length, inbox.arena, this.inboxEnd)
    inbox.offsets[i] = this.inboxEnd
    inbox.lengths[i] = length
    this.inboxEnd += length
  }
}

const copy = (from: Uint8Array, at: number, length: number, to: Uint8Array, offset: number): void =>
  to.set(new Uint8Array(from.buffer, from.byteOffset + at, length), offset)

const swap = (values: Uint32Array, i: number, j: number): void => {
  const value = values[i]
  values[i] = values[j]
  values[j] = value
}
