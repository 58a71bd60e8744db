/**
 * One update of a host's telemetry as 80 bytes: what the peers of `intentra demo` send.
 *
 * All numbers are big-endian.
 *
 * | offset | type | field |
 * | --- | --- | --- |
 * | 0 | u8 | layout version, 1 |
 * | 1 | u8 | logical processors, at most 255 |
 * | 2 | u16 | index of the peer |
 * | 4 | u32 | number of the update, from 0 |
 * | 8 | f64 | when it was sent: milliseconds of the host's monotonic clock |
 * | 16 | f32 | host: share of processor time that was busy, 0 to 1 |
 * | 20 | f32 | host: load average of 1 minute |
 * | 24 | f32 | host: load average of 5 minutes |
 * | 28 | f32 | host: load average of 15 minutes |
 * | 32 | f64 | host: free memory, bytes |
 * | 40 | f64 | host: all memory, bytes |
 * | 48 | f64 | process: resident memory, bytes |
 * | 56 | f64 | process: user time, microseconds |
 * | 64 | f64 | process: system time, microseconds |
 * | 72 | f64 | host: time since boot, seconds |
 *
 * @since 0.1.0
 */

/**
 * Bytes of one update.
 *
 * @since 0.1.0
 * @category constants
 */
export const TELEMETRY_BYTES = 80

const LAYOUT_VERSION = 1

/**
 * The fields of one update, mutable so that a hot loop keeps one and fills it again.
 *
 * @since 0.1.0
 * @category models
 */
export interface Telemetry {
  cpus: number
  peer: number
  update: number
  sentAt: number
  cpu: number
  load1: number
  load5: number
  load15: number
  freeMemory: number
  totalMemory: number
  rss: number
  userMicros: number
  systemMicros: number
  uptime: number
}

/**
 * All zeros.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (): Telemetry => ({
  cpus: 0,
  peer: 0,
  update: 0,
  sentAt: 0,
  cpu: 0,
  load1: 0,
  load5: 0,
  load15: 0,
  freeMemory: 0,
  totalMemory: 0,
  rss: 0,
  userMicros: 0,
  systemMicros: 0,
  uptime: 0
})

const scratch = new Uint8Array(TELEMETRY_BYTES)
const view = new DataView(scratch.buffer)

/**
 * Writes an update into the first {@link TELEMETRY_BYTES} bytes of `out`. Shares and loads keep the precision of a
 * 32-bit float.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (it: Telemetry, out: Uint8Array): void => {
  view.setUint8(0, LAYOUT_VERSION)
  view.setUint8(1, Math.min(it.cpus, 255))
  view.setUint16(2, it.peer)
  view.setUint32(4, it.update)
  view.setFloat64(8, it.sentAt)
  view.setFloat32(16, it.cpu)
  view.setFloat32(20, it.load1)
  view.setFloat32(24, it.load5)
  view.setFloat32(28, it.load15)
  view.setFloat64(32, it.freeMemory)
  view.setFloat64(40, it.totalMemory)
  view.setFloat64(48, it.rss)
  view.setFloat64(56, it.userMicros)
  view.setFloat64(64, it.systemMicros)
  view.setFloat64(72, it.uptime)
  out.set(scratch)
}

/**
 * Reads an update into `it`; `false`, and `it` as it was, when the bytes are none of this layout.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (bytes: Uint8Array, it: Telemetry): boolean => {
  if (bytes.length !== TELEMETRY_BYTES || bytes[0] !== LAYOUT_VERSION) return false
  scratch.set(bytes)
  it.cpus = view.getUint8(1)
  it.peer = view.getUint16(2)
  it.update = view.getUint32(4)
  it.sentAt = view.getFloat64(8)
  it.cpu = view.getFloat32(16)
  it.load1 = view.getFloat32(20)
  it.load5 = view.getFloat32(24)
  it.load15 = view.getFloat32(28)
  it.freeMemory = view.getFloat64(32)
  it.totalMemory = view.getFloat64(40)
  it.rss = view.getFloat64(48)
  it.userMicros = view.getFloat64(56)
  it.systemMicros = view.getFloat64(64)
  it.uptime = view.getFloat64(72)
  return true
}
