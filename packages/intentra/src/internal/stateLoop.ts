import * as Effect from "effect/Effect"

/** What a channel's fiber calls. */
export interface Ticking {
  /** When there is something to do, Infinity when there is not. */
  readonly due: () => number
  /** Does it. Returns whether the event loop should turn before it goes on. */
  readonly tick: (now: number) => boolean
}

/** Timers of the host are no finer. */
const FINEST = 0.05

/** One fiber that does everything of a channel in its time, and sleeps in between. */
export class StateLoop {
  private wakeAt = -Infinity
  private readonly latch = Effect.unsafeMakeLatch(false)

  constructor(private readonly now: () => number, private readonly period: number) {}

  /** There is something to do at a time, perhaps earlier than was known. */
  readonly wake = (at: number): void => {
    if (at < this.wakeAt) this.latch.unsafeOpen()
  }

  run(ticking: Ticking): Effect.Effect<never> {
    const { latch, now, period } = this
    const turn = Effect.suspend(() => {
      if (ticking.tick(now())) return Effect.sleep(0)
      latch.unsafeClose()
      const due = ticking.due()
      if (due === Infinity) {
        this.wakeAt = Infinity
        return latch.await
      }
      const wait = Math.max(FINEST, due - now())
      // nothing that comes meanwhile is due before the next flush
      if (wait <= period) {
        this.wakeAt = -Infinity
        return Effect.sleep(wait)
      }
      this.wakeAt = due
      return Effect.raceFirst(Effect.sleep(wait), latch.await)
    })
    return Effect.forever(turn)
  }
}
