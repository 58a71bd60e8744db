/**
 * What turns time and I/O into calls: the operating system's event loop, or a simulated one.
 *
 * @since 0.1.0
 */

/**
 * A timer that can be set again at no cost.
 *
 * @since 0.1.0
 * @category models
 */
export interface Alarm {
  /**
   * Calls the callback once, at `atMs` of the loop's clock or as soon after as the loop can. Replaces the earlier
   * setting. A time in the past means: on the loop's next turn, never at once. `Infinity` is the same as `clear`.
   */
  set(atMs: number): void
  /** The callback is not called until the next `set`. */
  clear(): void
}

/**
 * Time and turns. Callbacks are called one at a time and must not throw.
 *
 * @since 0.1.0
 * @category models
 */
export interface EventLoop {
  /** Monotonic milliseconds with fractions. It never steps; its origin means nothing. */
  now(): number
  /** An alarm that is not set. */
  makeAlarm(callback: () => void): Alarm
  /** Calls the callback once after the I/O of this turn; callbacks are called in the order in which they were given. */
  defer(callback: () => void): void
  /** Calls the callback once when the code that runs now has ended, not later than what is deferred; in order too. */
  soon(callback: () => void): void
}

/** The longest delay that setTimeout takes; above it, it would fire at once. */
const MAX_DELAY_MS = 0x7fffffff

class NodeAlarm implements Alarm {
  private due = Infinity
  private armedFor = Infinity
  private timer: NodeJS.Timeout | undefined
  private readonly fire: () => void

  constructor(private readonly callback: () => void) {
    this.fire = () => {
      this.armedFor = Infinity
      this.timer = undefined
      // A timer may come up to a millisecond early, or was armed for an earlier setting.
      if (performance.now() < this.due) return this.arm()
      this.due = Infinity
      this.callback()
    }
  }

  set(atMs: number): void {
    if (!(atMs < Infinity)) return this.clear()
    this.due = atMs
    if (this.armedFor <= atMs) return
    if (this.timer !== undefined) clearTimeout(this.timer)
    this.arm()
  }

  clear(): void {
    // The armed timer would keep the process alive for nothing.
    if (this.timer !== undefined) clearTimeout(this.timer)
    this.timer = undefined
    this.armedFor = Infinity
    this.due = Infinity
  }

  private arm(): void {
    const now = performance.now()
    const delay = Math.min(Math.max(Math.ceil(this.due - now), 1), MAX_DELAY_MS)
    this.armedFor = this.due
    this.timer = setTimeout(this.fire, delay)
  }
}

const ended = Promise.resolve()
let due: Array<() => void> = []
let spare: Array<() => void> = []

const callDue = (): void => {
  const called = due
  due = spare
  for (let i = 0; i < called.length; i++) {
    try {
      called[i]()
    } catch (error) {
      // a defect of one must not be the end of the others
      setImmediate(() => {
        throw error
      })
    }
  }
  called.length = 0
  spare = called
}

/**
 * Node's own event loop: `performance.now` (monotonic), `setTimeout` armed again only when an earlier time is asked
 * for, `setImmediate`, a microtask.
 *
 * @since 0.1.0
 * @category instances
 */
export const node: EventLoop = {
  now: () => performance.now(),
  makeAlarm: (callback) => new NodeAlarm(callback),
  defer: (callback) => {
    setImmediate(callback)
  },
  soon: (callback) => {
    // one microtask for all: `queueMicrotask` makes an object of each
    if (due.push(callback) === 1) void ended.then(callDue)
  }
}
