/**
 * Milliseconds of the host's monotonic clock, whose origin all processes of a host share: `process.hrtime` reads it,
 * `performance.now` is the same clock from another origin and allocates nothing.
 */
const [seconds, nanos] = process.hrtime()
const origin = seconds * 1000 + nanos / 1e6 - performance.now()

export const hostNow = (): number => origin + performance.now()
