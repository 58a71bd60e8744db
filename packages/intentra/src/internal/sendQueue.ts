/**
 * Messages waiting for the next flush, all sessions together: a bounded table of cells on typed arrays. Each message
 * stands in two lists: its session's (most urgent first, then oldest) and its priority's (oldest first), so that
 * both packing and dropping are O(1).
 */
import type { Session } from "./session.js"

const PRIORITIES = 8
const NONE = -1

export class SendQueue {
  /** Messages queued now. */
  count = 0
  /** What the last `makeRoom` dropped: counts for the ledger. */
  expired = 0
  overloaded = 0

  private arena: Uint8Array
  private lengths: Int32Array
  private deadlines: Float64Array
  private queuedAt: Float64Array
  private intents: Uint8Array
  private priorities: Uint8Array
  private sessionNext: Int32Array
  private sessionPrevious: Int32Array
  private ageNext: Int32Array
  private agePrevious: Int32Array
  private readonly sessions: Array<Session | undefined> = []
  private readonly oldest = new Int32Array(PRIORITIES).fill(NONE)
  private readonly youngest = new Int32Array(PRIORITIES).fill(NONE)
  private free = NONE
  private cells = 0
  private earliestDeadline = Infinity

  constructor(readonly capacity: number, readonly cellBytes: number) {
    this.arena = new Uint8Array(0)
    this.lengths = new Int32Array(0)
    this.deadlines = new Float64Array(0)
    this.queuedAt = new Float64Array(0)
    this.intents = new Uint8Array(0)
    this.priorities = new Uint8Array(0)
    this.sessionNext = new Int32Array(0)
    this.sessionPrevious = new Int32Array(0)
    this.ageNext = new Int32Array(0)
    this.agePrevious = new Int32Array(0)
  }

  /**
   * Makes room for a message of this priority when the table is full: first the expired go, then the oldest of the
   * lowest priority, unless all that wait are more urgent than the newcomer. Returns whether there is room.
   */
  makeRoom(now: number, priority: number): boolean {
    if (this.count < this.capacity) return true
    if (this.earliestDeadline <= now && this.dropExpired(now) > 0) return true
    for (let lowest = 0; lowest <= priority; lowest++) {
      const cell = this.oldest[lowest]
      if (cell !== NONE) {
        this.overloaded++
        this.remove(cell)
        return true
      }
    }
    return false
  }

  /** Copies a message in; call `makeRoom` first. Returns its cell. */
  push(
    now: number,
    session: Session,
    payload: Uint8Array,
    intent: number,
    priority: number,
    ttl: number
  ): number {
    if (this.free === NONE) this.grow()
    const cell = this.free
    this.free = this.sessionNext[cell]
    this.arena.set(payload, cell * this.cellBytes)
    this.lengths[cell] = payload.length
    this.intents[cell] = intent
    this.priorities[cell] = priority
    this.queuedAt[cell] = now
    const deadline = now + ttl
    this.deadlines[cell] = deadline
    if (deadline < this.earliestDeadline) this.earliestDeadline = deadline
    this.sessions[cell] = session
    let after = session.queueTail
    while (after !== NONE && this.priorities[after] < priority) after = this.sessionPrevious[after]
    const before = after === NONE ? session.queueHead : this.sessionNext[after]
    this.sessionPrevious[cell] = after
    this.sessionNext[cell] = before
    if (after === NONE) session.queueHead = cell
    else this.sessionNext[after] = cell
    if (before === NONE) session.queueTail = cell
    else this.sessionPrevious[before] = cell
    const young = this.youngest[priority]
    this.agePrevious[cell] = young
    this.ageNext[cell] = NONE
    if (young === NONE) this.oldest[priority] = cell
    else this.ageNext[young] = cell
    this.youngest[priority] = cell
    this.count++
    session.queued++
    return cell
  }

  remove(cell: number): void {
    const session = this.sessions[cell]
    if (session === undefined) return
    const sessionNext = this.sessionNext[cell]
    const sessionPrevious = this.sessionPrevious[cell]
    if (sessionPrevious === NONE) session.queueHead = sessionNext
    else this.sessionNext[sessionPrevious] = sessionNext
    if (sessionNext === NONE) session.queueTail = sessionPrevious
    else this.sessionPrevious[sessionNext] = sessionPrevious
    const priority = this.priorities[cell]
    const ageNext = this.ageNext[cell]
    const agePrevious = this.agePrevious[cell]
    if (agePrevious === NONE) this.oldest[priority] = ageNext
    else this.ageNext[agePrevious] = ageNext
    if (ageNext === NONE) this.youngest[priority] = agePrevious
    else this.agePrevious[ageNext] = agePrevious
    if (session.queuedSequenced === cell) session.queuedSequenced = NONE
    this.sessions[cell] = undefined
    this.sessionNext[cell] = this.free
    this.free = cell
    this.count--
    session.queued--
    if (this.count === 0) this.earliestDeadline = Infinity
  }

  /** Drops all of a session's messages and returns how many there were. */
  removeAll(session: Session): number {
    let dropped = 0
    while (session.queueHead !== NONE) {
      this.remove(session.queueHead)
      dropped++
    }
    return dropped
  }

  copyPayload(cell: number, out: Uint8Array, offset: number): void {
    const start = cell * this.cellBytes
    out.set(new Uint8Array(this.arena.buffer, start, this.lengths[cell]), offset)
  }

  lengthOf(cell: number): number {
    return this.lengths[cell]
  }

  intentOf(cell: number): number {
    return this.intents[cell]
  }

  priorityOf(cell: number): number {
    return this.priorities[cell]
  }

  nextOf(cell: number): number {
    return this.sessionNext[cell]
  }

  isExpired(cell: number, now: number): boolean {
    return this.deadlines[cell] <= now
  }

  /** Age in milliseconds of the message that has waited longest, 0 when none waits. */
  oldestAge(now: number): number {
    let oldest = now
    for (let priority = 0; priority < PRIORITIES; priority++) {
      const cell = this.oldest[priority]
      if (cell !== NONE && this.queuedAt[cell] < oldest) oldest = this.queuedAt[cell]
    }
    return now - oldest
  }

  private dropExpired(now: number): number {
    let dropped = 0
    let earliest = Infinity
    for (let cell = 0; cell < this.cells; cell++) {
      if (this.sessions[cell] === undefined) continue
      if (this.deadlines[cell] <= now) {
        this.remove(cell)
        dropped++
      } else if (this.deadlines[cell] < earliest) {
        earliest = this.deadlines[cell]
      }
    }
    this.earliestDeadline = earliest
    this.expired += dropped
    return dropped
  }

  private grow(): void {
    const cells = Math.min(this.capacity, Math.max(32, this.cells * 2))
    const ints = (old: Int32Array): Int32Array => {
      const grown = new Int32Array(cells)
      grown.set(old)
      return grown
    }
    const floats = (old: Float64Array): Float64Array => {
      const grown = new Float64Array(cells)
      grown.set(old)
      return grown
    }
    const bytes = (old: Uint8Array, size: number): Uint8Array => {
      const grown = new Uint8Array(size)
      grown.set(old)
      return grown
    }
    this.arena = bytes(this.arena, cells * this.cellBytes)
    this.lengths = ints(this.lengths)
    this.sessionNext = ints(this.sessionNext)
    this.sessionPrevious = ints(this.sessionPrevious)
    this.ageNext = ints(this.ageNext)
    this.agePrevious = ints(this.agePrevious)
    this.deadlines = floats(this.deadlines)
    this.queuedAt = floats(this.queuedAt)
    this.intents = bytes(this.intents, cells)
    this.priorities = bytes(this.priorities, cells)
    for (let cell = cells - 1; cell >= this.cells; cell--) {
      this.sessionNext[cell] = this.free
      this.free = cell
      this.sessions[cell] = undefined
    }
    this.cells = cells
  }
}
