import { Address } from "@intentra/udp"

const { ADDRESS_BYTES } = Address

const u16 = (bytes: Uint8Array, offset: number): number => (bytes[offset] << 8) | bytes[offset + 1]
export const u32 = (bytes: Uint8Array, offset: number): number => (u16(bytes, offset) * 65_536) + u16(bytes, offset + 2)
export const put16 = (bytes: Uint8Array, offset: number, value: number): void => {
  bytes[offset] = value >>> 8
  bytes[offset + 1] = value
}
export const put32 = (bytes: Uint8Array, offset: number, value: number): void => {
  put16(bytes, offset, value >>> 16)
  put16(bytes, offset + 2, value)
}

/** The address 10.x.y.z:port. */
export const addressOf = (x: number, y: number, z: number, port: number): Uint8Array => {
  const out = new Uint8Array(ADDRESS_BYTES)
  out[0] = 4
  out[2] = port >>> 8
  out[3] = port
  out[4] = 10
  out[5] = x
  out[6] = y
  out[7] = z
  return out
}

/** An address 10.x.y.z:port as one number. */
export const keyAt = (bytes: Uint8Array, offset: number): number =>
  ((bytes[offset + 5] << 16) | (bytes[offset + 6] << 8) | bytes[offset + 7]) * 65_536 +
  ((bytes[offset + 2] << 8) | bytes[offset + 3])

/** The bytes of the address that {@link keyAt} made a number of. */
export const addressAt = (key: number): Uint8Array =>
  addressOf(
    Math.floor(key / 2 ** 32),
    Math.floor(key / 2 ** 24) & 255,
    Math.floor(key / 65_536) & 255,
    key % 65_536
  )

export const checksum = (bytes: Uint8Array, end: number, start: number): number => {
  let h = start
  for (let i = 0; i < end; i++) h = Math.imul(h ^ bytes[i], 0x01000193) ^ (h >>> 15)
  return h >>> 0
}
