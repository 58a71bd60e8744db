const SAMPLES = 8

/**
 * The system's monotonic clock, which is one for all threads, in ms when this thread's `performance.now` stood at 0: the
 * best of a few looks at both.
 */
export const clockOrigin = (): number => {
  let origin = 0
  let width = Infinity
  for (let i = 0; i < SAMPLES; i++) {
    const before = process.hrtime.bigint()
    const now = performance.now()
    const after = process.hrtime.bigint()
    const between = Number(after - before)
    if (between < width) {
      width = between
      origin = (Number(before) + between / 2) / 1e6 - now
    }
  }
  return origin
}
