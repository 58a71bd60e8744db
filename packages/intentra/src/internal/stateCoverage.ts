/**
 * Which versions a subscriber has: all up to `have`, and some ranges beyond. A range (from, to] says that every key whose
 * newest version lay in it when the range was sent has arrived.
 */
const RANGES = 256

export class StateCoverage {
  have = 0
  /** The highest version that was heard of. */
  heard = 0
  private count = 0
  private readonly starts = new Float64Array(RANGES)
  private readonly ends = new Float64Array(RANGES)

  /** All up to a version is here, and nothing else. */
  restart(have: number): void {
    this.have = have
    this.heard = have
    this.count = 0
  }

  get complete(): boolean {
    return this.have >= this.heard
  }

  add(from: number, to: number): void {
    if (to > this.heard) this.heard = to
    if (from > this.have) return this.insert(from, to)
    if (to > this.have) this.have = to
    let absorbed = 0
    while (absorbed < this.count && this.starts[absorbed] <= this.have) {
      if (this.ends[absorbed] > this.have) this.have = this.ends[absorbed]
      absorbed++
    }
    if (absorbed > 0) this.removeAt(0, absorbed)
  }

  /** Calls back for each missing range (from, to], at most so many. */
  eachMissing(limit: number, found: (from: number, to: number) => void): void {
    let from = this.have
    let left = limit
    for (let i = 0; i < this.count && left > 0; i++) {
      found(from, this.starts[i])
      from = this.ends[i]
      left--
    }
    if (left > 0 && from < this.heard) found(from, this.heard)
  }

  private insert(from: number, to: number): void {
    if (to <= from) return
    const { ends, starts } = this
    let first = 0
    while (first < this.count && ends[first] < from) first++
    let last = first
    let start = from
    let end = to
    while (last < this.count && starts[last] <= to) {
      start = Math.min(start, starts[last])
      end = Math.max(end, ends[last])
      last++
    }
    if (last === first) {
      if (this.count === RANGES) {
        // the furthest is forgotten, and will be asked for again
        if (first === RANGES) return
        this.count--
      }
      starts.copyWithin(first + 1, first, this.count)
      ends.copyWithin(first + 1, first, this.count)
      this.count++
    } else {
      this.removeAt(first + 1, last - first - 1)
    }
    starts[first] = start
    ends[first] = end
  }

  private removeAt(index: number, length: number): void {
    this.starts.copyWithin(index, index + length, this.count)
    this.ends.copyWithin(index, index + length, this.count)
    this.count -= length
  }
}
