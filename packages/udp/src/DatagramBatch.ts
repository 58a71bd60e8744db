/**
 * Datagrams by the batch, in arrays that are allocated once.
 *
 * @since 0.1.0
 */
import { ADDRESS_BYTES } from "./Address.js"

/**
 * Received datagrams. Datagram `i` (`first` to `count` - 1) is the bytes of `arena` from `offsets[i]`, `lengths[i]` long,
 * and came from the address (see `Address`) at `addressOffsets[i]` of `addresses`. All of it is valid only during the
 * call that hands it over.
 *
 * A handler that has no more time stops after any datagram and leaves in `first` the number of the next one: the socket
 * hands over the same batch from there when the event loop has turned, before it reads more. Whoever leaves `first` as
 * it was, or at `count`, has handled everything.
 *
 * A datagram longer than the socket's `maxDatagramBytes` is handed over with a length above it: its true length where
 * the socket knows it, else `maxDatagramBytes + 1`. Only its first `maxDatagramBytes` bytes are in the arena. Check the
 * length before reading.
 *
 * @since 0.1.0
 * @category models
 */
export class ReceiveBatch {
  /** The bytes of all datagrams. */
  arena: Uint8Array
  /** Where each datagram starts in the arena. */
  readonly offsets: Uint32Array
  /** The length of each datagram, in bytes. */
  readonly lengths: Uint32Array
  /** The sources, `ADDRESS_BYTES` each. */
  readonly addresses: Uint8Array
  /** Where the source of each datagram stands in `addresses`; several datagrams may share one. Made as one for each. */
  readonly addressOffsets: Uint32Array
  /** How many datagrams it holds. */
  count = 0
  /** The datagram that a handler begins with; after the call, the one that it would go on with. */
  first = 0

  constructor(
    /** How many datagrams it can hold. */
    readonly capacity: number,
    /** The arena, or how many bytes it has. */
    arena: Uint8Array | number,
    /** How many sources it has room for. */
    sources = capacity
  ) {
    this.arena = typeof arena === "number" ? new Uint8Array(arena) : arena
    this.offsets = new Uint32Array(capacity)
    this.lengths = new Uint32Array(capacity)
    this.addresses = new Uint8Array(sources * ADDRESS_BYTES)
    this.addressOffsets = new Uint32Array(capacity)
    for (let i = 0; i < sources; i++) this.addressOffsets[i] = i * ADDRESS_BYTES
  }

  /** Forgets all datagrams. */
  clear(): void {
    this.count = 0
    this.first = 0
  }
}

/**
 * Datagrams to be sent: `reserve` room, write the bytes into `arena`, `commit` the length and the receiver's id (see
 * `AddressTable`).
 *
 * @example
 * ```ts
 * import { SendBatch } from "@intentra/udp/DatagramBatch"
 *
 * const batch = new SendBatch(8, 4096)
 * const offset = batch.reserve(1200)
 * if (offset >= 0) {
 *   batch.arena[offset] = 42
 *   batch.commit(1, 1)
 * }
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export class SendBatch {
  /** The bytes of all datagrams. It stays the same array for the life of the batch. */
  readonly arena: Uint8Array
  /** Where each datagram starts in the arena. */
  readonly offsets: Uint32Array
  /** The length of each datagram, in bytes. */
  readonly lengths: Uint32Array
  /** The receiver of each datagram. */
  readonly addressIds: Int32Array
  /** How many datagrams it holds. */
  count = 0
  private end = 0
  private reserved = -1

  constructor(
    /** How many datagrams it can hold. */
    readonly capacity: number,
    /** The arena, or how many bytes it has. */
    arena: Uint8Array | number
  ) {
    this.arena = typeof arena === "number" ? new Uint8Array(arena) : arena
    this.offsets = new Uint32Array(capacity)
    this.lengths = new Uint32Array(capacity)
    this.addressIds = new Int32Array(capacity)
  }

  /** How many bytes of the arena are taken. */
  get bytes(): number {
    return this.end
  }

  /**
   * Room for a datagram of at most `maxBytes` bytes: its offset in the arena, or -1 when the batch is full (send it and
   * ask again). A reservation that is not committed is given back by the next one.
   */
  reserve(maxBytes: number): number {
    if (this.count === this.capacity || maxBytes < 0 || this.end + maxBytes > this.arena.length) {
      this.reserved = -1
      return -1
    }
    this.reserved = maxBytes
    return this.end
  }

  /**
   * Makes the last reservation a datagram of `length` bytes for `addressId`. Without a reservation, or with a length
   * above the reserved one, nothing happens.
   */
  commit(length: number, addressId: number): void {
    if (length < 0 || length > this.reserved) return
    const i = this.count++
    this.offsets[i] = this.end
    this.lengths[i] = length
    this.addressIds[i] = addressId
    this.end += length
    this.reserved = -1
  }

  /** Forgets all datagrams. */
  clear(): void {
    this.count = 0
    this.end = 0
    this.reserved = -1
  }
}
