import { TransportCounters } from "../TransportCounters.js"

type Names<A> = { [Name in keyof TransportCounters]: TransportCounters[Name] extends A ? Name : never }[
  keyof TransportCounters
]

const blank = new TransportCounters()
const names = Object.keys(blank) as Array<keyof TransportCounters>
const scalars = names.filter((name): name is Names<number> => typeof blank[name] === "number")
const arrays = names.filter((name): name is Names<Float64Array> => blank[name] instanceof Float64Array)

/** Of these the greatest counts: they do not add up. */
const peaks: ReadonlySet<keyof TransportCounters> = new Set<Names<number>>(["longestTurnMs", "oldestQueuedMs"])

/** Numbers that all counters of one transport take. */
export const COUNTERS = arrays.reduce((count, name) => count + blank[name].length, scalars.length)

/** Copies counters into a part of shared memory, where another thread may look at any time. */
export const writeCounters = (counters: TransportCounters, out: Float64Array): void => {
  let at = 0
  for (let i = 0; i < scalars.length; i++) out[at++] = counters[scalars[i]]
  for (let i = 0; i < arrays.length; i++) {
    const values = counters[arrays[i]]
    for (let j = 0; j < values.length; j++) out[at++] = values[j]
  }
}

/**
 * The counters of several threads as those of one transport: whatever is read is summed at that moment (of ages and of
 * the longest turn, the greatest), from each thread's part and from `own`.
 */
export const sumCounters = (parts: ReadonlyArray<Float64Array>, own: TransportCounters): TransportCounters => {
  const summed = new TransportCounters()
  scalars.forEach((name, at) => {
    const combine = peaks.has(name) ? Math.max : (a: number, b: number) => a + b
    Object.defineProperty(summed, name, {
      enumerable: true,
      get: () => parts.reduce((sum, part) => combine(sum, part[at]), own[name])
    })
  })
  let start = scalars.length
  for (const name of arrays) {
    const values = summed[name]
    const from = start
    start += values.length
    Object.defineProperty(summed, name, {
      enumerable: true,
      get: () => {
        for (let j = 0; j < values.length; j++) {
          values[j] = parts.reduce((sum, part) => sum + part[from + j], own[name][j])
        }
        return values
      }
    })
  }
  return summed
}
