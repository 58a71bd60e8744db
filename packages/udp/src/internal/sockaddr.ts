import { LinuxSocket } from "@intentra/ffi"
import { ADDRESS_BYTES } from "../Address.js"

const { AF_INET, AF_INET6, SOCKADDR_IN, SOCKADDR_IN6 } = LinuxSocket

/** Where the bytes of an `Address` stand. */
const PORT = 2
const IP = 4
const SCOPE = 20

/** The first 12 bytes of an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2): ten of 0, two of 255. */
const MAPPED_BYTES = 12

/** How long an address is in the system's form on a socket of that family. */
export const nameBytes = (ipv6: boolean): number => ipv6 ? SOCKADDR_IN6.bytes : SOCKADDR_IN.bytes

const writeFamily = (out: Uint8Array, offset: number, family: number): void => {
  out[offset] = family & 0xff
  out[offset + 1] = family >> 8
}

/** Whether a socket of that family can send to an `Address`: IPv4 reaches no IPv6, and nobody is at port 0. */
export const isReachable = (address: Uint8Array, from: number, ipv6: boolean): boolean =>
  (ipv6 || address[from] === 4) && (address[from + PORT] !== 0 || address[from + PORT + 1] !== 0)

/** Whether an `Address` is `0.0.0.0` or `::`: a socket there hears what comes to any address of this host. */
export const isUnspecified = (address: Uint8Array, from: number): boolean => {
  for (let i = IP; i < SCOPE; i++) if (address[from + i] !== 0) return false
  return true
}

/**
 * Writes an `Address` as the `sockaddr` of a socket of that family. An IPv4 address becomes an IPv4-mapped one for an
 * IPv6 socket.
 */
export const writeName = (
  address: Uint8Array,
  from: number,
  ipv6: boolean,
  out: Uint8Array,
  offset: number
): void => {
  for (let i = 0; i < nameBytes(ipv6); i++) out[offset + i] = 0
  writeFamily(out, offset, ipv6 ? AF_INET6 : AF_INET)
  out[offset + SOCKADDR_IN.port] = address[from + PORT]
  out[offset + SOCKADDR_IN.port + 1] = address[from + PORT + 1]
  if (!ipv6) {
    for (let i = 0; i < 4; i++) out[offset + SOCKADDR_IN.address + i] = address[from + IP + i]
    return
  }
  const ip = offset + SOCKADDR_IN6.address
  if (address[from] === 6) {
    for (let i = 0; i < 16; i++) out[ip + i] = address[from + IP + i]
    // big-endian in an `Address`, the machine's order in a `sockaddr`
    for (let i = 0; i < 4; i++) out[offset + SOCKADDR_IN6.scope + i] = address[from + SCOPE + 3 - i]
  } else {
    out[ip + MAPPED_BYTES - 2] = 0xff
    out[ip + MAPPED_BYTES - 1] = 0xff
    for (let i = 0; i < 4; i++) out[ip + MAPPED_BYTES + i] = address[from + IP + i]
  }
}

const isMapped = (name: Uint8Array, ip: number): boolean => {
  for (let i = 0; i < MAPPED_BYTES - 2; i++) {
    if (name[ip + i] !== 0) return false
  }
  return name[ip + MAPPED_BYTES - 2] === 0xff && name[ip + MAPPED_BYTES - 1] === 0xff
}

/** Writes a `sockaddr` as an `Address`. False when it is of another family than IPv4 and IPv6. */
export const readName = (name: Uint8Array, from: number, out: Uint8Array, offset: number): boolean => {
  const family = name[from] | (name[from + 1] << 8)
  if (family !== AF_INET && family !== AF_INET6) return false
  for (let i = 0; i < ADDRESS_BYTES; i++) out[offset + i] = 0
  out[offset + PORT] = name[from + SOCKADDR_IN.port]
  out[offset + PORT + 1] = name[from + SOCKADDR_IN.port + 1]
  const ip = from + SOCKADDR_IN6.address
  const four = family === AF_INET ? from + SOCKADDR_IN.address : isMapped(name, ip) ? ip + MAPPED_BYTES : -1
  out[offset] = four < 0 ? 6 : 4
  if (four >= 0) {
    for (let i = 0; i < 4; i++) out[offset + IP + i] = name[four + i]
  } else {
    for (let i = 0; i < 16; i++) out[offset + IP + i] = name[ip + i]
    for (let i = 0; i < 4; i++) out[offset + SCOPE + i] = name[from + SOCKADDR_IN6.scope + 3 - i]
  }
  return true
}
