/** Positions count bytes ever written or read, modulo 2^32; each thread's own stand in cache lines of their own. */
const HEAD = 0
const TAIL = 16
/** The consumer has been told that there is something. */
const TOLD = 32
/** The producer had no room, and waits to hear that there is some. */
const STARVED = 48
const CONTROL_WORDS = 64
const CONTROL_BYTES = CONTROL_WORDS * 4

const RECORD_HEADER = 8
/** In place of a length: the next record stands at the ring's start. */
const SKIP = -1
const SMALLEST = 1024
const LARGEST = 2 ** 30

const aligned = (length: number): number => (length + 7) & ~7

/**
 * Records of bytes from one thread to another, in order, through shared memory: one producer, one consumer, bounded,
 * without locks. What does not fit is refused at once; nobody ever waits.
 *
 * Both threads make one of these over the same memory, and each calls its own half. A record's body is `length` bytes in
 * one piece of `bytes`, from an offset that is a multiple of 8.
 */
export class ShardRing {
  readonly bytes: Uint8Array
  readonly view: DataView
  /** The length of the record that `next` has found. */
  length = 0
  private readonly control: Int32Array
  private readonly words: Int32Array
  private readonly mask: number
  private head: number
  private committed: number
  private tail: number
  /** What this thread has last seen of the other's position. */
  private seen: number

  constructor(shared: SharedArrayBuffer) {
    const capacity = shared.byteLength - CONTROL_BYTES
    this.control = new Int32Array(shared, 0, CONTROL_WORDS)
    this.bytes = new Uint8Array(shared, CONTROL_BYTES, capacity)
    this.view = new DataView(shared, CONTROL_BYTES, capacity)
    this.words = new Int32Array(shared, CONTROL_BYTES, capacity / 4)
    this.mask = capacity - 1
    this.head = Atomics.load(this.control, HEAD)
    this.committed = this.head
    this.tail = Atomics.load(this.control, TAIL)
    this.seen = this.tail
  }

  /** Memory for at least so many bytes of records: a power of two from 1,024, at most a gigabyte. */
  static allocate(bytes: number): SharedArrayBuffer {
    let capacity = SMALLEST
    while (capacity < bytes && capacity < LARGEST) capacity *= 2
    return new SharedArrayBuffer(CONTROL_BYTES + capacity)
  }

  get capacity(): number {
    return this.mask + 1
  }

  /** The longest record, which fits whenever the ring is empty. */
  get longest(): number {
    return this.capacity / 2 - RECORD_HEADER
  }

  // the producer's half

  /** Where the next record will begin, for the consumer's `hasPassed`. */
  get position(): number {
    return this.head
  }

  /** Whether a record of so many bytes would leave `spare` bytes free. */
  hasRoom(length: number, spare = 0): boolean {
    return this.cost(length, spare) > 0
  }

  /** Takes room for a record and returns where its body goes in `bytes`; -1 when there is none. */
  reserve(length: number, spare = 0): number {
    const cost = this.cost(length, spare)
    if (cost === 0) return -1
    let at = this.head & this.mask
    if (cost > RECORD_HEADER + aligned(length)) {
      this.words[at >> 2] = SKIP
      at = 0
    }
    this.words[at >> 2] = length
    this.head = (this.head + cost) | 0
    return at + RECORD_HEADER
  }

  /** Whether something was reserved that the consumer has not been shown. */
  get hasUncommitted(): boolean {
    return this.head !== this.committed
  }

  /** Shows the consumer all that was reserved. */
  commit(): void {
    this.committed = this.head
    Atomics.store(this.control, HEAD, this.head)
  }

  /** Whether the consumer must be told: true once, until it has looked. */
  mustTell(): boolean {
    return Atomics.exchange(this.control, TOLD, 1) === 0
  }

  /** Whether the consumer has given back everything before a position. */
  isReleased(position: number): boolean {
    this.seen = Atomics.load(this.control, TAIL)
    return ((this.seen - position) | 0) >= 0
  }

  /** Asks to hear when there is room. Look once more after this: it may have come meanwhile. */
  starve(): void {
    Atomics.store(this.control, STARVED, 1)
  }

  // the consumer's half

  /** `next` finds all that is committed now; of what comes later the consumer is told again. */
  look(): void {
    Atomics.store(this.control, TOLD, 0)
    this.seen = Atomics.load(this.control, HEAD)
  }

  /** Where the body of the next record stands in `bytes`, -1 when `look` has seen no more; its length is in `length`. */
  next(): number {
    if (this.tail === this.seen) return -1
    let at = this.tail & this.mask
    if (this.words[at >> 2] === SKIP) {
      this.tail = (this.tail + this.capacity - at) | 0
      at = 0
    }
    this.length = this.words[at >> 2]
    this.tail = (this.tail + RECORD_HEADER + aligned(this.length)) | 0
    return at + RECORD_HEADER
  }

  /** Gives back the room of all records that `next` has found. */
  release(): void {
    Atomics.store(this.control, TAIL, this.tail)
  }

  /** Whether everything before a producer's position has been found. */
  hasPassed(position: number): boolean {
    return ((this.tail - position) | 0) >= 0
  }

  /** Whether the producer waits to hear of room: true once. */
  mustFeed(): boolean {
    return Atomics.load(this.control, STARVED) === 1 && Atomics.exchange(this.control, STARVED, 0) === 1
  }

  /** Overwrites what was in it, when neither thread uses it any more. */
  wipe(): void {
    this.bytes.fill(0)
  }

  /** What a record takes of the ring, with the bytes that it must skip; 0 when there is no room. */
  private cost(length: number, spare: number): number {
    if (length > this.longest) return 0
    const record = RECORD_HEADER + aligned(length)
    const behind = this.capacity - (this.head & this.mask)
    const cost = record > behind ? behind + record : record
    if (this.used + cost + spare <= this.capacity) return cost
    this.seen = Atomics.load(this.control, TAIL)
    return this.used + cost + spare <= this.capacity ? cost : 0
  }

  /** As the producer knows it. */
  private get used(): number {
    return (this.head - this.seen) | 0
  }
}
