/** How a sender spends its turns. */
export interface Pace {
  /** Messages a second; `Infinity`: as many as the turns carry. */
  readonly perSecond: number
  readonly seconds: number
  /** Messages in one turn of the event loop at most. */
  readonly burst: number
}

/** What became of it. */
export interface Paced {
  readonly offered: number
  readonly seconds: number
}

/** A timer's shortest delay. */
const TICK_MS = 1

/**
 * Calls `send(count)` turn by turn until the time is over: by the clock, in small bursts, so that late timers shift
 * nothing and what was missed is caught up with. With `held`, a turn in which it answers true sends nothing.
 */
export const pace = (options: Pace, send: (count: number) => void, held?: () => boolean): Promise<Paced> =>
  new Promise((resolve, reject) => {
    const { burst, perSecond, seconds } = options
    const started = performance.now()
    const end = started + seconds * 1000
    const all = perSecond * seconds
    let offered = 0
    const turn = (): void => {
      try {
        const now = performance.now()
        const due = now >= end ? Math.ceil(all) : (now - started) * perSecond / 1000
        const owed = Math.min(burst, Math.floor(due) - offered)
        if ((now >= end && (perSecond === Infinity || owed <= 0)) || now >= end + GRACE_MS) {
          return resolve({ offered, seconds: (Math.min(now, end) - started) / 1000 })
        }
        if (held?.() === true) return void setTimeout(turn, TICK_MS)
        if (owed > 0) {
          send(owed)
          offered += owed
        }
        if (owed === burst) setImmediate(turn)
        else setTimeout(turn, TICK_MS)
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)))
      }
    }
    turn()
  })

/** How long after its time a sender still catches up with what it is behind. */
const GRACE_MS = 100
