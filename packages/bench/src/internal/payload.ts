/**
 * Numbered messages, and the count of those that arrive: what came twice or was changed on the way is a failure.
 *
 * | bytes | meaning |
 * |---|---|
 * | 0-3 | number, from 0, little-endian |
 * | 4 | phase of the run, so that a late message counts for none but its own |
 * | 5 | lane: which sender |
 * | last 4 | the number again, mixed with phase and lane |
 */

/** The shortest message that has its number at both ends. */
export const LEAST_PAYLOAD = 12

const MIX = 0x5bd1e995

/** Writes message after message into one array. */
export class Numbered {
  readonly payload: Uint8Array
  next = 0

  constructor(bytes: number, private readonly phase: number, private readonly lane: number) {
    this.payload = new Uint8Array(bytes)
    for (let i = 0; i < bytes; i++) this.payload[i] = i
    this.payload[4] = phase
    this.payload[5] = lane
  }

  /** Puts the next number into the payload. */
  write(): void {
    const { payload } = this
    const seq = this.next++
    payload[0] = seq
    payload[1] = seq >>> 8
    payload[2] = seq >>> 16
    payload[3] = seq >>> 24
    const mixed = seq ^ MIX ^ (this.phase << 8) ^ this.lane
    const at = payload.length - 4
    payload[at] = mixed
    payload[at + 1] = mixed >>> 8
    payload[at + 2] = mixed >>> 16
    payload[at + 3] = mixed >>> 24
  }
}

const FIRST_MARKS = 1 << 17

/** Counts the messages of one phase, each number of each lane once. */
export class Tally {
  delivered = 0
  duplicates = 0
  corrupt = 0
  /** Messages of an earlier phase. */
  late = 0
  /** Milliseconds of the receiver's clock; -1 before the first one. */
  firstAt = -1
  lastAt = -1
  private phase = 0
  private marks: Array<Uint8Array> = []

  begin(phase: number, lanes: number): void {
    this.delivered = 0
    this.duplicates = 0
    this.corrupt = 0
    this.late = 0
    this.firstAt = -1
    this.lastAt = -1
    this.phase = phase
    this.marks = Array.from({ length: lanes }, () => new Uint8Array(FIRST_MARKS))
  }

  take(payload: Uint8Array, at: number): void {
    const { length } = payload
    if (length < LEAST_PAYLOAD) {
      this.corrupt++
      return
    }
    const seq = (payload[0] | (payload[1] << 8) | (payload[2] << 16) | (payload[3] << 24)) >>> 0
    const phase = payload[4]
    const lane = payload[5]
    const mixed = payload[length - 4] | (payload[length - 3] << 8) | (payload[length - 2] << 16) |
      (payload[length - 1] << 24)
    if (((seq ^ MIX ^ (phase << 8) ^ lane) | 0) !== mixed) {
      this.corrupt++
      return
    }
    if (phase !== this.phase) {
      this.late++
      return
    }
    if (lane >= this.marks.length) {
      this.corrupt++
      return
    }
    let marks = this.marks[lane]
    const byte = seq >>> 3
    if (byte >= marks.length) marks = this.grow(lane, byte)
    const bit = 1 << (seq & 7)
    if ((marks[byte] & bit) !== 0) {
      this.duplicates++
      return
    }
    marks[byte] |= bit
    if (this.firstAt < 0) this.firstAt = at
    this.lastAt = at
    this.delivered++
  }

  private grow(lane: number, byte: number): Uint8Array {
    const old = this.marks[lane]
    let size = old.length
    while (size <= byte) size *= 2
    const grown = new Uint8Array(size)
    grown.set(old)
    this.marks[lane] = grown
    return grown
  }
}
