/**
 * When the next of `count` events is due, at a fixed rate from `start`: by absolute deadlines, so that late timers shift
 * nothing and what was missed is caught up with. Times in milliseconds.
 */
export class Pacer {
  done = 0

  constructor(private readonly start: number, private readonly period: number, readonly count: number) {}

  get finished(): boolean {
    return this.done >= this.count
  }

  /** Milliseconds until the next event is due; zero or less: it is due now. `Infinity` when all are done. */
  wait(now: number): number {
    return this.finished ? Infinity : this.start + this.done * this.period - now
  }
}
