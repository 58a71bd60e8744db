import { Address, AddressTable, ReceiveBatch, SendBatch } from "@intentra/udp"
import type { EventLoop, UdpSocketShape } from "@intentra/udp"
import { makeStats } from "@intentra/udp/UdpSocketShape"
import { Deferred, FiberId } from "effect"
import { keyAt } from "./bytes.js"
import type { World } from "./world.js"

/** Datagrams that a station is given at once, at most. */
export const BATCH = 512
export const MAX_DATAGRAM = 2048

const { ADDRESS_BYTES } = Address

/** A datagram that a station sent. */
export interface Packet {
  at: number
  readonly from: Uint8Array
  readonly to: number
  readonly bytes: Uint8Array
}

/** What a socket does at the end of `send`; it is stripped from the declarations. */
const { endTurn } = AddressTable.prototype as unknown as { readonly endTurn: (this: AddressTable) => void }

/** A socket that hands over what the world puts into its batch. */
export class FuzzSocket implements UdpSocketShape {
  readonly kind = "simulated"
  readonly granted = { receiveBufferBytes: 0, sendBufferBytes: 0 }
  readonly maxDatagramBytes = MAX_DATAGRAM
  readonly addresses = new AddressTable()
  readonly outbox = new SendBatch(256, 512 * 1024)
  readonly localAddress
  readonly loop: EventLoop.EventLoop
  readonly closed: UdpSocketShape["closed"] = Deferred.unsafeMake(FiberId.none)
  readonly stats = makeStats()
  readonly batch = new ReceiveBatch(BATCH, BATCH * MAX_DATAGRAM)
  /** On their way to this socket. */
  pending: Array<Packet> = []
  private end = 0
  private handler: ((batch: ReceiveBatch) => void) | undefined = undefined

  constructor(private readonly world: World, public address: Uint8Array) {
    this.localAddress = Address.decode(address, 0)
    this.loop = world.loop
  }

  setHandler(handler: ((batch: ReceiveBatch) => void) | undefined): void {
    this.handler = handler
  }

  send(): number {
    const { addresses, outbox, stats } = this
    const { count } = outbox
    let accepted = 0
    for (let i = 0; i < count; i++) {
      const id = outbox.addressIds[i]
      if (!addresses.has(id)) {
        this.world.fail(`a datagram is sent to address id ${id}, which stands for nothing`)
        stats.sendErrors++
        continue
      }
      if (!this.world.quiet && this.world.dice.once(5000)) {
        stats.sendQueueDropped++
        continue
      }
      const to = new Uint8Array(ADDRESS_BYTES)
      addresses.copyTo(id, to, 0)
      stats.sent++
      accepted++
      const start = outbox.offsets[i]
      this.world.carry(this, keyAt(to, 0), outbox.arena.slice(start, start + outbox.lengths[i]))
    }
    outbox.clear()
    endTurn.call(addresses)
    return accepted
  }

  /** Room for a datagram of any length in the batch, where the world writes it before it calls `put`. */
  room(): number {
    if (this.batch.count === BATCH || this.end + MAX_DATAGRAM > this.batch.arena.length) this.flush()
    return this.end
  }

  put(length: number, from: Uint8Array): void {
    const { batch } = this
    const i = batch.count++
    batch.offsets[i] = this.end
    batch.lengths[i] = length
    batch.addresses.set(from, batch.addressOffsets[i])
    this.end += Math.min(length, MAX_DATAGRAM)
  }

  flush(): void {
    const { batch, handler } = this
    if (batch.count > 0) handler?.(batch)
    batch.clear()
    this.end = 0
  }

  deliver(now: number): void {
    const { pending } = this
    if (pending.length === 0) return
    this.pending = []
    for (const packet of pending) {
      if (packet.at > now) {
        this.pending.push(packet)
        continue
      }
      this.batch.arena.set(packet.bytes, this.room())
      this.put(packet.bytes.length, packet.from)
    }
    this.flush()
  }
}

export class FuzzAlarm implements EventLoop.Alarm {
  at = Infinity
  constructor(readonly callback: () => void) {}
  set(at: number): void {
    this.at = at
  }
  clear(): void {
    this.at = Infinity
  }
}
