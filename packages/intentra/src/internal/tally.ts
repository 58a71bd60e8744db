/**
 * Counts which of a fixed number of slots belong to which key, and lists the slots of a key in the order they came. A
 * key is three 32-bit integers. Everything is allocated at once: a hash with open addressing leads from a key to its
 * record, and every list is threaded through the slots.
 */

const NONE = -1

export const hash = (seed: number, kind: number, a: number, b: number): number => {
  let h = Math.imul(seed ^ kind ^ a, 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 15) ^ b, 0xc2b2ae35)
  h = Math.imul(h ^ (h >>> 13) ^ seed, 0x27d4eb2f)
  return (h ^ (h >>> 16)) >>> 0
}

export class Tally {
  private readonly seed: number
  private readonly mask: number
  // Positions hold record + 1, so that 0 is empty.
  private readonly positions: Int32Array
  private readonly kinds: Int32Array
  private readonly as: Int32Array
  private readonly bs: Int32Array
  private readonly hashes: Uint32Array
  private readonly counts: Int32Array
  private readonly heads: Int32Array
  private readonly tails: Int32Array
  private readonly free: Int32Array
  private freeCount: number
  private readonly recordOf: Int32Array
  private readonly nexts: Int32Array
  private readonly previouses: Int32Array

  constructor(slots: number, seed: number) {
    let capacity = 8
    while (capacity < slots * 2) capacity *= 2
    this.seed = seed
    this.mask = capacity - 1
    this.positions = new Int32Array(capacity)
    this.kinds = new Int32Array(slots)
    this.as = new Int32Array(slots)
    this.bs = new Int32Array(slots)
    this.hashes = new Uint32Array(slots)
    this.counts = new Int32Array(slots)
    this.heads = new Int32Array(slots).fill(NONE)
    this.tails = new Int32Array(slots).fill(NONE)
    this.free = Int32Array.from({ length: slots }, (_, i) => slots - 1 - i)
    this.freeCount = slots
    this.recordOf = new Int32Array(slots).fill(NONE)
    this.nexts = new Int32Array(slots).fill(NONE)
    this.previouses = new Int32Array(slots).fill(NONE)
  }

  /** How many slots the key has. */
  count(kind: number, a: number, b: number): number {
    const record = this.find(hash(this.seed, kind, a, b), kind, a, b)
    return record === NONE ? 0 : this.counts[record]
  }

  /** Gives a slot that has no key to a key, as its newest. */
  add(slot: number, kind: number, a: number, b: number): void {
    const h = hash(this.seed, kind, a, b)
    let record = this.find(h, kind, a, b)
    if (record === NONE) {
      record = this.free[--this.freeCount]
      this.kinds[record] = kind
      this.as[record] = a
      this.bs[record] = b
      this.hashes[record] = h
      let position = h & this.mask
      while (this.positions[position] !== 0) position = (position + 1) & this.mask
      this.positions[position] = record + 1
    }
    const tail = this.tails[record]
    this.recordOf[slot] = record
    this.previouses[slot] = tail
    this.nexts[slot] = NONE
    if (tail === NONE) this.heads[record] = slot
    else this.nexts[tail] = slot
    this.tails[record] = slot
    this.counts[record]++
  }

  /** Takes a slot from its key. */
  remove(slot: number): void {
    const record = this.recordOf[slot]
    if (record === NONE) return
    const next = this.nexts[slot]
    const previous = this.previouses[slot]
    if (previous === NONE) this.heads[record] = next
    else this.nexts[previous] = next
    if (next === NONE) this.tails[record] = previous
    else this.previouses[next] = previous
    this.recordOf[slot] = NONE
    if (--this.counts[record] === 0) this.forget(record)
  }

  /** The oldest slot of a key, -1 when it has none. */
  oldest(kind: number, a: number, b: number): number {
    const record = this.find(hash(this.seed, kind, a, b), kind, a, b)
    return record === NONE ? NONE : this.heads[record]
  }

  /** The oldest slot of the key that has most; among equals the one whose oldest slot came first by `order`. */
  oldestOfLargest(order: Float64Array): number {
    let best = NONE
    let bestCount = 0
    for (let record = 0; record < this.counts.length; record++) {
      const count = this.counts[record]
      if (count === 0 || count < bestCount) continue
      if (count > bestCount || order[this.heads[record]] < order[best]) {
        best = this.heads[record]
        bestCount = count
      }
    }
    return best
  }

  private find(h: number, kind: number, a: number, b: number): number {
    for (let position = h & this.mask;; position = (position + 1) & this.mask) {
      const record = this.positions[position] - 1
      if (record === NONE) return NONE
      if (this.as[record] === a && this.bs[record] === b && this.kinds[record] === kind) return record
    }
  }

  // Closes the gap instead of leaving a tombstone: whatever may move back towards its own position does.
  private forget(record: number): void {
    const { hashes, mask, positions } = this
    this.free[this.freeCount++] = record
    let gap = hashes[record] & mask
    while (positions[gap] !== record + 1) gap = (gap + 1) & mask
    for (let at = (gap + 1) & mask; positions[at] !== 0; at = (at + 1) & mask) {
      const home = hashes[positions[at] - 1] & mask
      if (((at - home) & mask) < ((at - gap) & mask)) continue
      positions[gap] = positions[at]
      gap = at
    }
    positions[gap] = 0
  }
}
