/**
 * The receiving half of Reliable: puts messages in order and drops repeats. What it has acknowledged it keeps until the
 * consumer takes it. It holds at most `capacity` messages, and `limit` never promises more than it can hold, so a peer
 * that respects the limit is never refused.
 */
import { PayloadCells } from "./payloadCells.js"

/** The next in order: hand the bytes to the consumer now, they were not copied. Then `takeNext`. */
export const DELIVER = 1
/** Copied; `takeNext` gives it when its turn comes. */
export const HELD = 2
/** Received before. */
export const DUPLICATE = 3
/** Exactly at the limit: not taken, but a peer may ask in this way whether the limit has moved. */
export const BEYOND = 4
/** Past the limit, or longer than a message may be. */
export const VIOLATION = -1

const NONE = -1
const NO_BYTES = new Uint8Array(0)
const NO_INTS = new Int32Array(0)

/** What every sender may send before the first ACK names a limit. */
const MINIMUM_CAPACITY = 32

export interface ReliableReceiverOptions {
  /** How many messages may be held: a power of two from 32 to 32,768. */
  readonly window: number
  /** How many bytes of payload memory may be allocated. It is room for `bufferBytes / messageBytes` messages. */
  readonly bufferBytes: number
  /** The longest payload (default 2,048). */
  readonly messageBytes?: number
  /** Number of the first message (default 0). */
  readonly firstNumber?: number
}

export class ReliableReceiver {
  /** The lowest number not received: all before it are acknowledged. */
  nextExpected: number
  /** The first number that is not taken. It never decreases. */
  limit: number
  /** Something came, or the limit rose so far, that an ACK is worth its packet. */
  ackPending = false
  /** Messages held, in order or not. */
  held = 0
  /** Bytes of their payloads. */
  heldBytes = 0
  /** Messages refused with BEYOND or VIOLATION. */
  refused = 0

  private readonly cells: PayloadCells
  private readonly capacity: number
  private readonly window: number
  private readonly mask: number
  /** The lowest number that the consumer has not taken. */
  private taken: number
  /** Messages held above `nextExpected`. */
  private ahead = 0
  /** One past the highest number received. */
  private end: number
  /** The limit in the last ACK. */
  private advertised: number

  // by slot; allocated by the first message that is held
  private marks = NO_BYTES
  private lengths = NO_INTS
  private cellOf = NO_INTS

  constructor(options: ReliableReceiverOptions) {
    const { bufferBytes, firstNumber = 0, messageBytes = 2048, window } = options
    if (!(window >= MINIMUM_CAPACITY && window <= 32_768) || (window & (window - 1)) !== 0) {
      throw new RangeError(`ReliableReceiver: window is ${window}; give a power of two from 32 to 32768, such as 256`)
    }
    this.capacity = Math.min(window, Math.floor(bufferBytes / messageBytes))
    if (!(this.capacity >= MINIMUM_CAPACITY)) {
      throw new RangeError(
        `ReliableReceiver: bufferBytes is ${bufferBytes}; give at least 32 messages of ${messageBytes} bytes`
      )
    }
    this.cells = new PayloadCells(this.capacity, messageBytes)
    this.window = window
    this.mask = window - 1
    this.nextExpected = this.taken = this.end = firstNumber >>> 0
    this.limit = (firstNumber + this.capacity) >>> 0
    this.advertised = (firstNumber + MINIMUM_CAPACITY) >>> 0
  }

  /** Payload memory held at present: never above `bufferBytes`. */
  get allocatedBytes(): number {
    return this.cells.allocatedBytes
  }

  /** Takes message `number`, which lies in `bytes` from `offset`, and says what became of it. */
  offer(number: number, bytes: Uint8Array, offset: number, length: number, consumerHasRoom: boolean): number {
    const distance = (number - this.nextExpected) | 0
    if (distance < 0) {
      this.ackPending = true
      return DUPLICATE
    }
    const room = (this.limit - this.nextExpected) | 0
    if (distance > room || !(length >= 0 && length <= this.cells.cellBytes)) {
      this.refused++
      return VIOLATION
    }
    this.ackPending = true
    if (distance === room) {
      this.refused++
      return BEYOND
    }
    if (distance > 0) {
      if (this.ahead > 0 && this.marks[number & this.mask] === 1) return DUPLICATE
      this.hold(number, bytes, offset, length)
      this.ahead++
      if (((number - this.end) | 0) >= 0) this.end = (number + 1) >>> 0
      return HELD
    }
    const direct = consumerHasRoom && this.taken === this.nextExpected
    if (direct) this.passOn()
    else this.hold(number, bytes, offset, length)
    this.nextExpected = (this.nextExpected + 1) >>> 0
    while (this.ahead > 0 && this.marks[this.nextExpected & this.mask] === 1) {
      this.nextExpected = (this.nextExpected + 1) >>> 0
      this.ahead--
    }
    if (this.ahead === 0) this.end = this.nextExpected
    return direct ? DELIVER : HELD
  }

  /** The slot of the next message for the consumer, -1 for none. Release it when the consumer has it. */
  takeNext(): number {
    return this.taken === this.nextExpected ? NONE : this.taken & this.mask
  }

  lengthOf(slot: number): number {
    return this.lengths[slot]
  }

  /** The payload in place, valid until the slot is released. */
  view(slot: number): Uint8Array {
    return this.cells.view(this.cellOf[slot], this.lengths[slot])
  }

  copyPayload(slot: number, out: Uint8Array, offset: number): void {
    out.set(this.view(slot), offset)
  }

  /** The consumer has the message that `takeNext` named. Any other slot is ignored. */
  release(slot: number): void {
    if (slot < 0 || slot !== this.takeNext()) return
    this.marks[slot] = 0
    this.held--
    this.heldBytes -= this.lengths[slot]
    this.cells.give(this.cellOf[slot])
    this.passOn()
    // a quarter more room is worth a packet; with less than that untold, three quarters are open
    if (((this.limit - this.advertised) | 0) * 4 >= this.capacity) this.ackPending = true
    // one chunk stays, so that a link that loses now and then does not allocate each time
    if (this.held === 0) this.cells.shrink(1)
  }

  /**
   * Writes the runs of numbers received above `nextExpected` as pairs (start, end exclusive), the highest first, at most
   * `max` of them, and returns how many.
   */
  writeAckRanges(out: Uint32Array, max: number): number {
    const most = Math.min(max, out.length >> 1)
    let left = this.ahead
    let number = this.end
    let pairs = 0
    while (left > 0 && pairs < most) {
      while (this.marks[(number - 1) & this.mask] !== 1) number = (number - 1) >>> 0
      const end = number
      while (this.marks[(number - 1) & this.mask] === 1) {
        number = (number - 1) >>> 0
        left--
      }
      out[2 * pairs] = number
      out[2 * pairs + 1] = end
      pairs++
    }
    return pairs
  }

  /** An ACK with all that this says now was sent. */
  ackSent(): void {
    this.ackPending = false
    this.advertised = this.limit
  }

  /** Gives all memory back when nothing is held. */
  trim(): void {
    if (this.held > 0) return
    this.cells.shrink(0)
    this.marks = NO_BYTES
    this.lengths = this.cellOf = NO_INTS
  }

  /** Wipes what is held. */
  destroy(): void {
    this.cells.destroy()
    this.held = this.heldBytes = this.ahead = 0
    this.taken = this.limit = this.end = this.nextExpected
    this.trim()
  }

  private hold(number: number, bytes: Uint8Array, offset: number, length: number): void {
    if (this.marks === NO_BYTES) {
      this.marks = new Uint8Array(this.window)
      this.lengths = new Int32Array(this.window)
      this.cellOf = new Int32Array(this.window)
    }
    const slot = number & this.mask
    const cell = this.cells.take()
    this.cells.write(cell, bytes.subarray(offset, offset + length))
    this.cellOf[slot] = cell
    this.lengths[slot] = length
    this.marks[slot] = 1
    this.held++
    this.heldBytes += length
  }

  private passOn(): void {
    this.taken = (this.taken + 1) >>> 0
    this.limit = (this.limit + 1) >>> 0
  }
}
