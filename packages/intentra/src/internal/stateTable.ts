/**
 * What a publisher has to say: the newest value of each key, and a log of which version changed which key. The log knows
 * a key's newest version only, so however many updates there were, it is as long as there are keys (twice that at most,
 * until it is compacted).
 */

/** A key with its newest value; `version` 0 until its first flush. */
export class StateCell {
  version = 0
  value: Uint8Array = EMPTY
  /** When the value was published, in milliseconds of the publisher's clock. */
  at = 0
  /** Milliseconds, Infinity for never stale. */
  ttl = Infinity
  deleted = false
  /** Waits for a version. */
  dirty = false

  constructor(readonly key: string, readonly keyBytes: Uint8Array) {}
}

const EMPTY = new Uint8Array(0)
const GOLDEN = 0.6180339887498949

export class StateTable {
  readonly cells = new Map<string, StateCell>()
  /** The newest version that was given. */
  head = 0
  /** Deletions up to this version may be forgotten: who has less needs everything anew. */
  floor = 0
  live = 0
  tombstones = 0
  /** Parallel, in ascending order of version; an entry whose cell has another version by now means nothing. */
  private readonly log: Array<StateCell> = []
  private versions = new Float64Array(64)
  private readonly dirty = new Set<StateCell>()
  private readonly order: Array<StateCell> = []
  private buried: Array<{ readonly cell: StateCell; readonly version: number }> = []
  private flushes = 0

  constructor(private readonly maxTombstones: number) {}

  get isDirty(): boolean {
    return this.dirty.size > 0
  }

  get length(): number {
    return this.log.length
  }

  /** The newest value of a key; returns whether it took the place of one that was never sent. */
  put(cell: StateCell, value: Uint8Array, at: number, ttl: number): boolean {
    if (cell.deleted) {
      cell.deleted = false
      this.live++
      if (cell.version > 0) this.tombstones--
    }
    cell.value = value
    cell.at = at
    cell.ttl = ttl
    return this.touch(cell)
  }

  add(key: string, keyBytes: Uint8Array): StateCell {
    const cell = new StateCell(key, keyBytes)
    this.cells.set(key, cell)
    this.live++
    return cell
  }

  delete(cell: StateCell, at: number): void {
    cell.deleted = true
    cell.value = EMPTY
    cell.at = at
    this.live--
    // nobody has heard of it, so nobody need hear of its end
    if (cell.version === 0) {
      this.cells.delete(cell.key)
      this.dirty.delete(cell)
      cell.dirty = false
    } else {
      this.tombstones++
      this.touch(cell)
    }
  }

  /**
   * Gives every key that has changed its version. Where the order begins wanders, so that when there is never time to send
   * them all, it is not always the same ones that wait.
   */
  assignVersions(): void {
    const { order } = this
    for (const cell of this.dirty) order.push(cell)
    this.dirty.clear()
    const count = order.length
    if (count === 0) return
    const start = Math.floor(((this.flushes++ * GOLDEN) % 1) * count)
    for (let i = 0; i < count; i++) {
      const index = start + i
      const cell = order[index < count ? index : index - count]
      cell.dirty = false
      cell.version = ++this.head
      this.append(cell)
      if (cell.deleted) this.buried.push({ cell, version: cell.version })
    }
    order.length = 0
    if (this.buried.length > 2 * this.tombstones + 64) {
      this.buried = this.buried.filter(({ cell, version }) => cell.deleted && cell.version === version)
    }
  }

  /** Forgets deletions that everybody has, and the oldest of too many. Returns whether some had to go too early. */
  forgetDeletions(acknowledged: number): boolean {
    const { buried } = this
    let forgotten = 0
    let early = false
    for (; forgotten < buried.length; forgotten++) {
      const { cell, version } = buried[forgotten]
      const isCurrent = cell.deleted && cell.version === version && !cell.dirty
      if (isCurrent && version > acknowledged) {
        if (this.tombstones <= this.maxTombstones) break
        early = true
      }
      if (isCurrent) {
        this.cells.delete(cell.key)
        this.tombstones--
        this.floor = version
      }
    }
    if (forgotten > 0) buried.splice(0, forgotten)
    return early
  }

  /** The first place in the log above a version. */
  placeAfter(version: number): number {
    let low = 0
    let high = this.log.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.versions[middle] <= version) low = middle + 1
      else high = middle
    }
    return low
  }

  versionAt(place: number): number {
    return this.versions[place]
  }

  /** The cell at a place; undefined when it has changed again since. */
  cellAt(place: number): StateCell | undefined {
    const cell = this.log[place]
    return cell.version === this.versions[place] ? cell : undefined
  }

  private touch(cell: StateCell): boolean {
    if (cell.dirty) return true
    cell.dirty = true
    this.dirty.add(cell)
    return false
  }

  private append(cell: StateCell): void {
    if (this.log.length >= 2 * this.cells.size + 64) this.compact()
    const place = this.log.length
    if (place >= this.versions.length) {
      const versions = new Float64Array(this.versions.length * 2)
      versions.set(this.versions)
      this.versions = versions
    }
    this.versions[place] = cell.version
    this.log.push(cell)
  }

  private compact(): void {
    let kept = 0
    for (let i = 0; i < this.log.length; i++) {
      const cell = this.log[i]
      if (cell.version !== this.versions[i] || this.cells.get(cell.key) !== cell) continue
      this.log[kept] = cell
      this.versions[kept++] = this.versions[i]
    }
    this.log.length = kept
  }
}
