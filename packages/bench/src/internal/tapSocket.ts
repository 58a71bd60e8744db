import { UdpSocket } from "@intentra/udp"
import type { AddressTable, EventLoop, SendBatch, UdpSocketOptions, UdpSocketShape } from "@intentra/udp"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

const STORE_BYTES = 16 * 1024 * 1024

/** Datagrams as they would have left, for later: sealing them costs nothing then. */
export class Stored {
  count = 0
  private readonly blocks: Array<Uint8Array> = []
  private readonly lengths: Array<Uint32Array> = []
  private readonly perBlock: number
  private sentCount = 0

  constructor(private readonly stride: number) {
    this.perBlock = Math.floor(STORE_BYTES / stride)
  }

  get left(): number {
    return this.count - this.sentCount
  }

  push(arena: Uint8Array, offset: number, length: number): void {
    if (length > this.stride) return
    const block = Math.floor(this.count / this.perBlock)
    if (block === this.blocks.length) {
      this.blocks.push(new Uint8Array(this.perBlock * this.stride))
      this.lengths.push(new Uint32Array(this.perBlock))
    }
    const place = this.count++ % this.perBlock
    const bytes = this.blocks[block]
    for (let i = 0, at = place * this.stride; i < length; i++) bytes[at + i] = arena[offset + i]
    this.lengths[block][place] = length
  }

  /** Copies the first one; returns its length, 0 when there is none. */
  copyFirst(out: Uint8Array): number {
    if (this.count === 0) return 0
    const length = this.lengths[0][0]
    out.set(this.blocks[0].subarray(0, length))
    return length
  }

  /** Puts the next ones into an outbox; returns how many. */
  take(most: number, outbox: SendBatch, addressId: number): number {
    let taken = 0
    while (taken < most && this.sentCount < this.count) {
      const block = Math.floor(this.sentCount / this.perBlock)
      const place = this.sentCount % this.perBlock
      const length = this.lengths[block][place]
      const offset = outbox.reserve(length)
      if (offset < 0) break
      const bytes = this.blocks[block]
      const { arena } = outbox
      for (let i = 0, at = place * this.stride; i < length; i++) arena[offset + i] = bytes[at + i]
      outbox.commit(length, addressId)
      this.sentCount++
      taken++
    }
    return taken
  }
}

/** A socket under a transport that can hold back what it sends, and whose clock may run faster. */
export class TapSocket implements UdpSocketShape {
  /** While set, datagrams go there instead of to the system. */
  store: Stored | undefined = undefined
  /** Where the last datagram was to go. */
  lastAddressId = 0
  readonly loop: EventLoop.EventLoop

  constructor(readonly inner: UdpSocketShape, speed: number) {
    const { loop } = inner
    this.loop = speed === 1 ? loop : {
      now: () => loop.now() * speed,
      defer: loop.defer,
      soon: loop.soon,
      makeAlarm: (callback) => {
        const alarm = loop.makeAlarm(callback)
        return { set: (atMs) => alarm.set(atMs / speed), clear: () => alarm.clear() }
      }
    }
  }

  get kind(): UdpSocketShape["kind"] {
    return this.inner.kind
  }
  get localAddress(): UdpSocketShape["localAddress"] {
    return this.inner.localAddress
  }
  get granted(): UdpSocketShape["granted"] {
    return this.inner.granted
  }
  get maxDatagramBytes(): number {
    return this.inner.maxDatagramBytes
  }
  get addresses(): AddressTable {
    return this.inner.addresses
  }
  get outbox(): SendBatch {
    return this.inner.outbox
  }
  get stats(): UdpSocketShape["stats"] {
    return this.inner.stats
  }
  get closed(): UdpSocketShape["closed"] {
    return this.inner.closed
  }

  setHandler(handler: Parameters<UdpSocketShape["setHandler"]>[0]): void {
    this.inner.setHandler(handler)
  }

  send(): number {
    const { outbox, store } = this
    const { count } = outbox
    if (count > 0) this.lastAddressId = outbox.addressIds[count - 1]
    if (store === undefined) return this.inner.send()
    for (let i = 0; i < count; i++) store.push(outbox.arena, outbox.offsets[i], outbox.lengths[i])
    outbox.clear()
    return count
  }
}

/** The best socket of this machine under a tap, which `onOpen` gets. */
export const layerTapped = (
  onOpen: (socket: TapSocket) => void,
  options: UdpSocketOptions = {},
  speed = 1
) =>
  Layer.effect(
    UdpSocket,
    Effect.map(UdpSocket, (inner) => {
      const socket = new TapSocket(inner, speed)
      onOpen(socket)
      return socket
    })
  ).pipe(Layer.provide(UdpSocket.layerBest(options)))
