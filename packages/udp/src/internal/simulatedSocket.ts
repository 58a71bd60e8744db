import * as Deferred from "effect/Deferred"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import * as Address from "../Address.js"
import { AddressTable } from "../AddressTable.js"
import { ReceiveBatch, SendBatch } from "../DatagramBatch.js"
import type { EventLoop } from "../EventLoop.js"
import type { UdpSocketError } from "../UdpSocketError.js"
import type { ResolvedOptions } from "../UdpSocketOptions.js"
import { makeStats, type UdpSocketShape } from "../UdpSocketShape.js"
import type { Endpoint } from "./endpoint.js"
import type { Scheduled } from "./eventHeap.js"
import { Fifo } from "./fifo.js"
import { handOver } from "./handOver.js"
import type { Link } from "./link.js"
import type { Packet } from "./packet.js"

const OUTBOX_CAPACITY = 256
const OUTBOX_BYTES = 64 * 1024

/** The longest UDP payload. */
const MAX_PAYLOAD_IPV4 = 65_507
const MAX_PAYLOAD_IPV6 = 65_527

/** What a socket needs of the network that carries its datagrams. */
export interface Carrier {
  /** Takes `length` bytes of `arena` from `offset` on their way to the address in that text. */
  transmit(source: SimulatedSocket, to: string, arena: Uint8Array, offset: number, length: number): void
  /** The batch to deliver with, at least that large. */
  batch(datagrams: number, bytes: number): ReceiveBatch
  delivered(packet: Packet): void
  lost(packet: Packet, cause: "receiveBufferFull" | "unhandled" | "unreachable"): void
  scheduleDelivery(delivery: Scheduled): void
  unbind(socket: SimulatedSocket): void
}

/**
 * A socket of the simulated network.
 *
 * @internal
 */
export class SimulatedSocket implements UdpSocketShape {
  readonly kind = "simulated"
  readonly localAddress: Address.SocketAddress
  readonly granted: UdpSocketShape["granted"]
  readonly maxDatagramBytes: number
  readonly addresses = new AddressTable()
  readonly outbox: SendBatch
  readonly stats = makeStats()
  readonly closed = Deferred.unsafeMake<void, UdpSocketError>(FiberId.none)
  /** The links that it sends on, by destination. */
  readonly links = new Map<string, Link>()
  /** The address that others see: a NAT may change it. */
  readonly publicBytes = new Uint8Array(Address.ADDRESS_BYTES)

  private handler: ((batch: ReceiveBatch) => void) | undefined
  private readonly pending = new Fifo<Packet>()
  private pendingBytes = 0
  /** What the handler left of its last batch. */
  private rest: ReceiveBatch | undefined
  private readonly turnBudget: number
  private readonly ipv6: boolean
  private readonly delivery: Scheduled = { at: 0, order: 0, index: -1, fire: () => this.deliver() }
  private isOpen = true

  constructor(
    private readonly carrier: Carrier,
    readonly loop: EventLoop,
    options: ResolvedOptions,
    public publicEndpoint: Endpoint & { readonly port: number }
  ) {
    this.localAddress = { host: publicEndpoint.host, port: publicEndpoint.port }
    this.ipv6 = publicEndpoint.host.includes(":")
    Address.encode(this.localAddress, this.publicBytes, 0)
    this.granted = {
      receiveBufferBytes: options.receiveBufferBytes,
      sendBufferBytes: options.sendBufferBytes
    }
    this.maxDatagramBytes = options.maxDatagramBytes
    this.turnBudget = options.turnBudget
    this.outbox = new SendBatch(OUTBOX_CAPACITY, Math.max(OUTBOX_BYTES, 2 * options.maxDatagramBytes))
    this.stats.kernelDrops = 0
  }

  setHandler(handler: ((batch: ReceiveBatch) => void) | undefined): void {
    this.handler = handler
  }

  send(): number {
    const { addresses, outbox, stats } = this
    const count = outbox.count
    const maxPayload = this.ipv6 ? MAX_PAYLOAD_IPV6 : MAX_PAYLOAD_IPV4
    let accepted = 0
    for (let i = 0; i < count; i++) {
      const id = outbox.addressIds[i]
      const length = outbox.lengths[i]
      const to = this.isOpen && length <= maxPayload ? this.textOf(id) : ""
      if (to === "") {
        stats.sendErrors++
        continue
      }
      this.carrier.transmit(this, to, outbox.arena, outbox.offsets[i], length)
      stats.sent++
      stats.sentBytes += length
      accepted++
    }
    outbox.clear()
    addresses.endTurn()
    return accepted
  }

  /** Takes a packet that arrived. */
  receive(packet: Packet): void {
    if (this.pendingBytes + packet.length > this.granted.receiveBufferBytes) {
      this.stats.kernelDrops++
      this.carrier.lost(packet, "receiveBufferFull")
      return
    }
    this.pending.push(packet)
    this.pendingBytes += packet.length
    // After all that arrives at this instant and is on its way already.
    if (this.delivery.index < 0) this.carrier.scheduleDelivery(this.delivery)
  }

  close(): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.handler = undefined
    this.carrier.unbind(this)
    Deferred.unsafeDone(this.closed, Exit.void)
  }

  /** The destination in text; "" when it cannot be reached by this socket. */
  private textOf(id: number): string {
    const { addresses } = this
    if (!addresses.has(id)) return ""
    const known = addresses.isLasting(id) ? addresses.texts[id] : undefined
    if (known !== undefined) return known
    const bytes = addresses.bytesOf(id)
    const start = addresses.startOf(id)
    const sameFamily = (bytes[start] === 6) === this.ipv6
    const text = sameFamily && Address.port(bytes, start) !== 0 ? Address.format(bytes, start) : ""
    if (addresses.isLasting(id)) addresses.texts[id] = text
    return text
  }

  private deliver(): void {
    if (this.rest !== undefined) return this.deliverRest(this.rest)
    const { carrier, handler, maxDatagramBytes, pending, stats } = this
    const count = Math.min(pending.length, this.turnBudget)
    const batch = carrier.batch(count, Math.min(this.pendingBytes, count * maxDatagramBytes))
    let end = 0
    for (let i = 0; i < count; i++) {
      const packet = pending.shift()
      if (packet === undefined) break
      const { length } = packet
      this.pendingBytes -= length
      if (handler === undefined) {
        stats.unhandled++
        carrier.lost(packet, this.isOpen ? "unhandled" : "unreachable")
        continue
      }
      const kept = Math.min(length, maxDatagramBytes)
      if (kept < length) stats.truncated++
      for (let j = 0; j < kept; j++) batch.arena[end + j] = packet.bytes[j]
      batch.addressOffsets[i] = i * Address.ADDRESS_BYTES
      batch.addresses.set(packet.fromBytes, batch.addressOffsets[i])
      batch.offsets[i] = end
      batch.lengths[i] = length
      end += kept
      carrier.delivered(packet)
    }
    if (handler !== undefined) {
      batch.count = count
      this.hand(batch, handler)
      if (batch.first < batch.count) this.keep(batch)
      batch.clear()
    }
    // The rest waits for a turn of the loop, at the same instant.
    if (this.rest !== undefined || pending.length > 0) carrier.scheduleDelivery(this.delivery)
  }

  private hand(batch: ReceiveBatch, handler: (batch: ReceiveBatch) => void): void {
    const { first } = batch
    this.stats.received += handOver(batch, handler)
    for (let i = first; i < batch.first; i++) this.stats.receivedBytes += batch.lengths[i]
  }

  /** All sockets share one batch, so that what a handler left needs one of its own. */
  private keep(batch: ReceiveBatch): void {
    const { count, first } = batch
    const rest = new ReceiveBatch(count - first, (count - first) * this.maxDatagramBytes)
    for (let i = first; i < count; i++) {
      const j = i - first
      const kept = Math.min(batch.lengths[i], this.maxDatagramBytes)
      rest.offsets[j] = j * this.maxDatagramBytes
      rest.lengths[j] = batch.lengths[i]
      rest.arena.set(batch.arena.subarray(batch.offsets[i], batch.offsets[i] + kept), rest.offsets[j])
      const source = batch.addressOffsets[i]
      rest.addresses.set(batch.addresses.subarray(source, source + Address.ADDRESS_BYTES), rest.addressOffsets[j])
    }
    rest.count = count - first
    this.rest = rest
  }

  private deliverRest(rest: ReceiveBatch): void {
    if (this.handler === undefined) this.stats.unhandled += rest.count - rest.first
    else this.hand(rest, this.handler)
    if (this.handler === undefined || rest.first === rest.count) this.rest = undefined
    if (this.rest !== undefined || this.pending.length > 0) this.carrier.scheduleDelivery(this.delivery)
  }
}
