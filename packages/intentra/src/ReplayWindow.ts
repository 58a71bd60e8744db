/**
 * Replay protection for one receiving key: every sequence number is accepted at most once, in any order, as long as it
 * is within `size` of the newest one.
 *
 * @since 0.1.0
 */

/**
 * The number has not been seen and may be accepted.
 *
 * @since 0.1.0
 * @category verdicts
 */
export const FRESH = 0

/**
 * The number is within the window and was marked before.
 *
 * @since 0.1.0
 * @category verdicts
 */
export const REPLAYED = 1

/**
 * The number is `size` or more behind the newest marked one, or is no sequence number at all (negative, fractional,
 * above 2^53 - 1, not a number).
 *
 * @since 0.1.0
 * @category verdicts
 */
export const TOO_OLD = 2

/**
 * What {@link ReplayWindow} says about a number.
 *
 * @since 0.1.0
 * @category models
 */
export type Verdict = typeof FRESH | typeof REPLAYED | typeof TOO_OLD

/**
 * The default number of sequence numbers that a window covers.
 *
 * @since 0.1.0
 * @category constants
 */
export const DEFAULT_SIZE = 8192

/**
 * A sliding window over sequence numbers 0 ... 2^53 - 1. It covers exactly `size` numbers, the newest included. The
 * window belongs to one key and one direction; a new key starts with a new window.
 *
 * Check before opening a packet and mark after it authenticated, so that a forged packet never moves the window.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReplayWindow {
  /** How many sequence numbers the window covers, the newest included. */
  readonly size: number
  /** The highest number marked so far, -1 when there is none. */
  readonly highest: number
  /** Says what would happen to `seq`; changes nothing. */
  readonly check: (seq: number) => Verdict
  /** Records `seq` as seen and slides the window when it is the newest. Does nothing for a number that is not fresh. */
  readonly mark: (seq: number) => void
  /** `check`, followed by `mark` when the answer is {@link FRESH}. */
  readonly accept: (seq: number) => Verdict
}

const NOTHING = new Int32Array(0)

/** Windows whose bits share an array. */
const SHARING = 16

/**
 * Room for the bits of windows that begin one after another, as those of sessions do. An array of its own would be two
 * cache lines more for every packet of thousands of sessions. The room lives as long as one of its windows does, which
 * is as long as their keys do.
 */
class Bits {
  private words = NOTHING
  private next = 0

  /** An array, and where in it the window begins. */
  take(words: number): readonly [words: Int32Array, start: number] {
    if (this.next + words > this.words.length) {
      this.words = new Int32Array(SHARING * words)
      this.next = 0
    }
    const start = this.next
    this.next += words
    return [this.words, start]
  }
}

const bits = new Bits()

/** Which of the blocks of 32 numbers, of which the ring keeps each in one word. */
const blockOf = (seq: number): number => Math.floor(seq / 32)

class Window implements ReplayWindow {
  highest = -1
  /**
   * The bits of the newest number's block. They go to the ring when the next block begins: most packets touch nothing
   * but these fields, and a silent session has no ring before it rekeys.
   */
  private head = 0
  readonly size: number
  private readonly mask: number
  private words: Int32Array = NOTHING
  private start = 0

  constructor(size: number) {
    this.size = size
    this.mask = size - 1
  }

  check(seq: number): Verdict {
    if (!Number.isSafeInteger(seq) || seq < 0) return TOO_OLD
    const behind = this.highest - seq
    if (behind < 0) return FRESH
    if (behind >= this.size) return TOO_OLD
    // `&` reduces modulo 2^32, a multiple of every size, so it is exact above 2^32 too.
    const bits = behind <= (this.highest & 31) ? this.head : this.words === NOTHING ? 0 : this.words[this.wordOf(seq)]
    return (bits & (1 << (seq & 31))) === 0 ? FRESH : REPLAYED
  }

  mark(seq: number): void {
    if (this.check(seq) !== FRESH) return
    const bit = 1 << (seq & 31)
    const ahead = seq - this.highest
    if (ahead > 0) {
      if (this.highest >= 0 && ahead <= 31 - (this.highest & 31)) this.head |= bit
      else {
        if (this.highest >= 0) this.leaveBlock(blockOf(seq) - blockOf(this.highest))
        this.head = bit
      }
      this.highest = seq
    } else if (-ahead <= (this.highest & 31)) this.head |= bit
    else {
      if (this.words === NOTHING) this.takeWords()
      this.words[this.wordOf(seq)] |= bit
    }
  }

  accept(seq: number): Verdict {
    const verdict = this.check(seq)
    if (verdict === FRESH) this.mark(seq)
    return verdict
  }

  private wordOf(seq: number): number {
    return this.start + ((seq & this.mask) >>> 5)
  }

  private takeWords(): void {
    const [words, start] = bits.take(this.size >>> 5)
    this.words = words
    this.start = start
  }

  /**
   * The newest number is so many blocks ahead. Its own word in the ring still has the bits of the numbers that are
   * `size` behind those of its block, some of which the window still covers; all words between are of numbers that were
   * passed over.
   */
  private leaveBlock(blocks: number): void {
    if (this.words === NOTHING) this.takeWords()
    const { words } = this
    words[this.wordOf(this.highest)] = this.head
    const passed = Math.min(blocks - 1, this.size >>> 5)
    for (let i = 1; i <= passed; i++) words[this.wordOf(this.highest + 32 * i)] = 0
  }
}

/**
 * Makes a window of `size` numbers: a power of two from 64 to 65,536 (default 8,192). Its memory, `size / 8` bytes, is
 * allocated when the second block of 32 numbers begins. It is the ring of RFC 6479, whose spare block is the newest one,
 * which lies beside it.
 *
 * Throws a `RangeError` for any other size.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (size: number = DEFAULT_SIZE): ReplayWindow => {
  if (!Number.isInteger(size) || size < 64 || size > 65536 || (size & (size - 1)) !== 0) {
    throw new RangeError(`ReplayWindow.make: size is ${size}; give a power of two from 64 to 65536, such as 8192`)
  }
  return new Window(size)
}
