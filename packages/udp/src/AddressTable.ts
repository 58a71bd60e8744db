/**
 * Numbers for addresses that datagrams are sent to.
 *
 * @since 0.1.0
 */
import * as Address from "./Address.js"

const { ADDRESS_BYTES } = Address

/**
 * How many of the latest transient ids of a table are valid at a time.
 *
 * @since 0.1.0
 * @category constants
 */
export const TRANSIENT_ADDRESSES = 4_096

/**
 * Gives an address a small number, its id, that a `SendBatch` carries instead of the address.
 *
 * - `acquire` gives a lasting id, for an address that has been validated. It takes a slot of its own until `release`;
 *   the same address acquired twice has two ids.
 * - `transient` gives an id for answering a stranger: valid until the socket's next `send` has returned, and for the
 *   `TRANSIENT_ADDRESSES` latest ones at most. Nothing of a stranger stays in memory.
 *
 * Ids are positive; 0 is never one. An id that is not held makes the methods answer with nothing (0, false, no write)
 * rather than throw. Nothing is hashed, so no sender can choose addresses that collide.
 *
 * @since 0.1.0
 * @category models
 */
export class AddressTable {
  /**
   * The text of each id's host in the form that the socket wants; cleared whenever a slot gets another address.
   *
   * @internal
   */
  readonly hosts: Array<string | undefined> = []
  /** @internal */
  bytes = new Uint8Array(0)
  private held = new Uint8Array(0)
  private readonly firstLasting: number
  private readonly free: Array<number> = []
  private end: number
  private nextTransient = 1
  private count = 0

  constructor(transientAddresses: number = TRANSIENT_ADDRESSES) {
    this.firstLasting = Math.max(1, transientAddresses) + 1
    this.end = this.firstLasting
  }

  /** How many lasting ids are held. */
  get size(): number {
    return this.count
  }

  /** A lasting id for the address at `offset` of `bytes`, to be given back with `release`. */
  acquire(bytes: Uint8Array, offset: number): number {
    const id = this.free.pop() ?? this.end++
    this.write(id, bytes, offset)
    this.count++
    return id
  }

  /** Gives a lasting id back. One that is not held is ignored. */
  release(id: number): void {
    if (id < this.firstLasting || !this.has(id)) return
    this.held[id] = 0
    this.hosts[id] = undefined
    this.free.push(id)
    this.count--
  }

  /** An id for the address at `offset` of `bytes` that is valid until the socket's next `send` has returned. */
  transient(bytes: Uint8Array, offset: number): number {
    const id = this.nextTransient
    this.nextTransient = id + 1 === this.firstLasting ? 1 : id + 1
    this.write(id, bytes, offset)
    return id
  }

  /** Whether the id stands for an address now. */
  has(id: number): boolean {
    return id > 0 && id < this.held.length && this.held[id] === 1
  }

  /** Writes the address of `id` as `ADDRESS_BYTES` bytes into `out` at `offset`. */
  copyTo(id: number, out: Uint8Array, offset: number): void {
    if (!this.has(id)) return
    const start = id * ADDRESS_BYTES
    for (let i = 0; i < ADDRESS_BYTES; i++) out[offset + i] = this.bytes[start + i]
  }

  /** Whether `id` stands for the address at `offset` of `bytes`. */
  equals(id: number, bytes: Uint8Array, offset: number): boolean {
    return this.has(id) && Address.equals(this.bytes, id * ADDRESS_BYTES, bytes, offset)
  }

  /** The address of `id` as text and number; `0.0.0.0` port 0 for an id that is not held. Not for the packet path. */
  address(id: number): Address.SocketAddress {
    return this.has(id) ? Address.decode(this.bytes, id * ADDRESS_BYTES) : { host: "0.0.0.0", port: 0 }
  }

  private write(id: number, from: Uint8Array, offset: number): void {
    if (id >= this.held.length) this.grow(id)
    const start = id * ADDRESS_BYTES
    for (let i = 0; i < ADDRESS_BYTES; i++) this.bytes[start + i] = from[offset + i]
    this.held[id] = 1
    if (id < this.hosts.length) this.hosts[id] = undefined
  }

  private grow(id: number): void {
    const slots = Math.max(64, 2 ** Math.ceil(Math.log2(id + 1)))
    const bytes = new Uint8Array(slots * ADDRESS_BYTES)
    bytes.set(this.bytes)
    this.bytes = bytes
    const held = new Uint8Array(slots)
    held.set(this.held)
    this.held = held
  }
}
