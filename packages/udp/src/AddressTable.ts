/**
 * Numbers for addresses that datagrams are sent to.
 *
 * @since 0.1.0
 */
import * as Address from "./Address.js"

const { ADDRESS_BYTES } = Address

/**
 * How many transient ids a table can give between two sends.
 *
 * @since 0.1.0
 * @category constants
 */
export const TRANSIENT_ADDRESSES = 4_096

/** Ids from here on are transient: id minus this is the place in the ring. */
const TRANSIENT_BASE = 2 ** 30

const doubled = (bytes: Uint8Array): Uint8Array => {
  const larger = new Uint8Array(bytes.length * 2)
  larger.set(bytes)
  return larger
}

/**
 * Gives an address a small number, its id, that a `SendBatch` carries instead of the address.
 *
 * - `acquire` gives a lasting id, for an address that has been validated. It takes a slot of its own until `release`;
 *   the same address acquired twice has two ids.
 * - `transient` gives an id for answering a stranger: valid until the socket's next `send` has returned. Of more than
 *   `TRANSIENT_ADDRESSES` of them between two sends, the oldest are overwritten. Nothing of a stranger stays in memory.
 *
 * Ids are positive; 0 is never one. An id that is not held makes the methods answer with nothing (0, false, no write)
 * rather than throw. Nothing is hashed, so no sender can choose addresses that collide.
 *
 * @since 0.1.0
 * @category models
 */
export class AddressTable {
  /**
   * Text that a socket keeps for a lasting id (its host as the system wants it); cleared when the slot changes.
   *
   * @internal
   */
  readonly texts: Array<string | undefined> = [undefined]
  /**
   * Whether a socket has written the address of a lasting id in the system's form (1), or not since the slot changed (0).
   *
   * @internal
   */
  written: Uint8Array = new Uint8Array(16)
  private lasting: Uint8Array = new Uint8Array(16 * ADDRESS_BYTES)
  private held: Uint8Array = new Uint8Array(16)
  private transients: Uint8Array = new Uint8Array(16 * ADDRESS_BYTES)
  private transientCount = 0
  private transientNext = 0
  private readonly free: Array<number> = []
  private count = 0

  /** How many lasting ids are held. */
  get size(): number {
    return this.count
  }

  /** A lasting id for the address at `offset` of `bytes`, to be given back with `release`. */
  acquire(bytes: Uint8Array, offset: number): number {
    let id = this.free.pop()
    if (id === undefined) {
      id = this.texts.length
      this.texts.push(undefined)
      if (id === this.held.length) {
        this.lasting = doubled(this.lasting)
        this.held = doubled(this.held)
        this.written = doubled(this.written)
      }
    }
    const start = id * ADDRESS_BYTES
    for (let i = 0; i < ADDRESS_BYTES; i++) this.lasting[start + i] = bytes[offset + i]
    this.held[id] = 1
    this.written[id] = 0
    this.count++
    return id
  }

  /** Gives a lasting id back. One that is not held is ignored. */
  release(id: number): void {
    if (id >= TRANSIENT_BASE || !this.has(id)) return
    this.held[id] = 0
    this.lasting[id * ADDRESS_BYTES] = 0
    this.texts[id] = undefined
    this.free.push(id)
    this.count--
  }

  /** An id for the address at `offset` of `bytes` that is valid until the socket's next `send` has returned. */
  transient(bytes: Uint8Array, offset: number): number {
    const place = this.transientNext
    this.transientNext = (place + 1) % TRANSIENT_ADDRESSES
    if (place === this.transientCount) {
      this.transientCount++
      if (this.transientCount * ADDRESS_BYTES > this.transients.length) this.transients = doubled(this.transients)
    }
    const start = place * ADDRESS_BYTES
    for (let i = 0; i < ADDRESS_BYTES; i++) this.transients[start + i] = bytes[offset + i]
    return TRANSIENT_BASE + place
  }

  /** Whether the id stands for an address now. */
  has(id: number): boolean {
    if (id >= TRANSIENT_BASE) return id - TRANSIENT_BASE < this.transientCount
    return id > 0 && this.held[id] === 1
  }

  /** Writes the address of `id` as `ADDRESS_BYTES` bytes into `out` at `offset`. */
  copyTo(id: number, out: Uint8Array, offset: number): void {
    if (!this.has(id)) return
    const from = this.bytesOf(id)
    const start = this.startOf(id)
    for (let i = 0; i < ADDRESS_BYTES; i++) out[offset + i] = from[start + i]
  }

  /** Whether `id` stands for the address at `offset` of `bytes`. */
  equals(id: number, bytes: Uint8Array, offset: number): boolean {
    if (id >= TRANSIENT_BASE) return this.has(id) && Address.equals(this.transients, this.startOf(id), bytes, offset)
    const { lasting } = this
    const start = id * ADDRESS_BYTES
    // an id that is not held has no family: each packet of a session asks, and this is one look into memory less
    return lasting[start] > 0 && Address.equals(lasting, start, bytes, offset)
  }

  /** The address of `id` as text and number; `0.0.0.0` port 0 for an id that is not held. Not for the packet path. */
  address(id: number): Address.SocketAddress {
    return this.has(id) ? Address.decode(this.bytesOf(id), this.startOf(id)) : { host: "0.0.0.0", port: 0 }
  }

  /**
   * The array that holds the address of an id, at `startOf`. The array is another one after the next acquire.
   *
   * @internal
   */
  bytesOf(id: number): Uint8Array {
    return id >= TRANSIENT_BASE ? this.transients : this.lasting
  }

  /** @internal */
  startOf(id: number): number {
    return (id >= TRANSIENT_BASE ? id - TRANSIENT_BASE : id) * ADDRESS_BYTES
  }

  /**
   * The number of the address of this host that its source asked, 0 for none: what goes to it goes from there.
   *
   * @internal
   */
  localOf(id: number): number {
    return this.bytesOf(id)[this.startOf(id) + 1]
  }

  /**
   * Nothing goes from there any more.
   *
   * @internal
   */
  forgetLocal(id: number): void {
    this.bytesOf(id)[this.startOf(id) + 1] = 0
  }

  /** @internal */
  isLasting(id: number): boolean {
    return id < TRANSIENT_BASE
  }

  /**
   * Forgets the transient ids; a socket calls it at the end of `send`.
   *
   * @internal
   */
  endTurn(): void {
    this.transientCount = 0
    this.transientNext = 0
  }
}
