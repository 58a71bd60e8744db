/**
 * Socket addresses as raw bytes. On the packet path an address is `ADDRESS_BYTES` bytes inside a larger array, never a
 * string:
 *
 * | bytes | meaning |
 * |---|---|
 * | 0 | family: 4 or 6 |
 * | 1 | of a received source: the number that the socket gives the address of this host that was asked; else 0 |
 * | 2-3 | port, big-endian |
 * | 4-19 | IP address; an IPv4 address stands in the first four bytes, the rest is 0 |
 * | 20-23 | IPv6 scope id (RFC 4007), big-endian; 0 for none |
 *
 * An IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) is written as family 4, so that one peer has one form whatever
 * socket it came through.
 *
 * @since 0.1.0
 */
import * as scope from "./internal/scope.js"

/**
 * The number of bytes of an encoded address.
 *
 * @since 0.1.0
 * @category constants
 */
export const ADDRESS_BYTES = 24

/**
 * A socket address as text and number. `host` is an IP literal, never a name to be resolved: IPv4 in dotted decimal,
 * IPv6 in the canonical form of RFC 5952 with `%scope` where there is one. `port` is 0 to 65,535.
 *
 * @since 0.1.0
 * @category models
 */
export interface SocketAddress {
  readonly host: string
  readonly port: number
}

const DOT = 46
const COLON = 58

const writeIPv4 = (text: string, start: number, end: number, out: Uint8Array, offset: number): boolean => {
  let part = 0
  let digits = 0
  let value = 0
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i)
    if (code === DOT) {
      if (digits === 0 || part === 3) return false
      out[offset + part] = value
      part++
      digits = 0
      value = 0
    } else {
      const digit = code - 48
      // A leading zero is refused: some readers take it for octal.
      if (digit < 0 || digit > 9 || (digits > 0 && value === 0)) return false
      value = value * 10 + digit
      digits++
      if (value > 255) return false
    }
  }
  if (part !== 3 || digits === 0) return false
  out[offset + 3] = value
  return true
}

const hexDigit = (code: number): number => {
  if (code >= 48 && code <= 57) return code - 48
  const letter = code | 32
  return letter >= 97 && letter <= 102 ? letter - 87 : -1
}

const writeIPv6 = (text: string, start: number, end: number, out: Uint8Array, offset: number): boolean => {
  let written = 0
  let gapAt = -1
  let at = start
  if (end - start >= 2 && text.charCodeAt(start) === COLON) {
    if (text.charCodeAt(start + 1) !== COLON) return false
    gapAt = 0
    at = start + 2
  }
  while (at < end) {
    if (written === 16) return false
    const groupStart = at
    let value = 0
    let digits = 0
    let code = 0
    for (; at < end; at++) {
      code = text.charCodeAt(at)
      const digit = hexDigit(code)
      if (digit < 0) break
      value = value * 16 + digit
      digits++
      if (digits > 4) break
    }
    if (at < end && code === DOT) {
      if (written > 12 || !writeIPv4(text, groupStart, end, out, offset + written)) return false
      written += 4
      at = end
      break
    }
    if (digits === 0 || digits > 4) return false
    out[offset + written] = value >>> 8
    out[offset + written + 1] = value & 0xff
    written += 2
    if (at === end) break
    if (code !== COLON) return false
    at++
    if (at === end) return false
    if (text.charCodeAt(at) === COLON) {
      if (gapAt >= 0) return false
      gapAt = written
      at++
    }
  }
  if (gapAt < 0) return written === 16
  if (written === 16) return false
  const tail = written - gapAt
  out.copyWithin(offset + 16 - tail, offset + gapAt, offset + written)
  out.fill(0, offset + gapAt, offset + 16 - tail)
  return true
}

const writeScope = (text: string, start: number, end: number, out: Uint8Array, offset: number): boolean => {
  if (start === end) return false
  let value = 0
  for (let i = start; i < end && value >= 0; i++) {
    const digit = text.charCodeAt(i) - 48
    value = digit < 0 || digit > 9 ? -1 : value * 10 + digit
    if (value > 0xffffffff) return false
  }
  if (value < 0) value = scope.idOf(text.slice(start, end))
  if (value <= 0) return false
  out[offset] = value >>> 24
  out[offset + 1] = (value >>> 16) & 0xff
  out[offset + 2] = (value >>> 8) & 0xff
  out[offset + 3] = value & 0xff
  return true
}

const isMapped = (bytes: Uint8Array, offset: number): boolean => {
  for (let i = 0; i < 10; i++) {
    if (bytes[offset + i] !== 0) return false
  }
  return bytes[offset + 10] === 0xff && bytes[offset + 11] === 0xff
}

/**
 * Writes an address given as host and port into `out` at `offset`: `encode` without the object. The bytes are
 * undefined when it returns false.
 *
 * @since 0.1.0
 * @category encoding
 */
export const write = (host: string, port: number, out: Uint8Array, offset: number): boolean => {
  if (!(port >= 0 && port <= 0xffff) || port % 1 !== 0) return false
  if (offset < 0 || offset + ADDRESS_BYTES > out.length) return false
  out.fill(0, offset, offset + ADDRESS_BYTES)
  out[offset + 2] = port >>> 8
  out[offset + 3] = port & 0xff
  const ip = offset + 4
  if (host.indexOf(":") < 0) {
    out[offset] = 4
    return writeIPv4(host, 0, host.length, out, ip)
  }
  const percent = host.indexOf("%")
  if (!writeIPv6(host, 0, percent < 0 ? host.length : percent, out, ip)) return false
  if (isMapped(out, ip)) {
    if (percent >= 0) return false
    out[offset] = 4
    out.copyWithin(ip, ip + 12, ip + 16)
    out.fill(0, ip + 4, ip + 16)
    return true
  }
  out[offset] = 6
  return percent < 0 || writeScope(host, percent + 1, host.length, out, offset + 20)
}

/**
 * Writes an address as `ADDRESS_BYTES` bytes into `out` at `offset`. False when `host` is no IP literal, `port` is out
 * of range, or there is no room; the bytes are undefined then. The scope of an IPv6 address is a number or the name of
 * a local interface. An IPv4-mapped IPv6 address becomes family 4.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (address: SocketAddress, out: Uint8Array, offset: number): boolean =>
  write(address.host, address.port, out, offset)

const ipv4Text = (bytes: Uint8Array, ip: number): string =>
  `${bytes[ip]}.${bytes[ip + 1]}.${bytes[ip + 2]}.${bytes[ip + 3]}`

const ipv6Text = (bytes: Uint8Array, ip: number): string => {
  let bestStart = -1
  let bestLength = 1
  let runStart = -1
  for (let i = 0; i <= 8; i++) {
    const zero = i < 8 && bytes[ip + 2 * i] === 0 && bytes[ip + 2 * i + 1] === 0
    if (zero) {
      if (runStart < 0) runStart = i
    } else if (runStart >= 0) {
      // RFC 5952 section 4.2: the longest run of at least two, the first of equal ones.
      if (i - runStart > bestLength) {
        bestLength = i - runStart
        bestStart = runStart
      }
      runStart = -1
    }
  }
  let text = ""
  for (let i = 0; i < 8; i++) {
    if (i === bestStart) {
      text += "::"
      i += bestLength - 1
    } else {
      if (i > 0 && !text.endsWith(":")) text += ":"
      text += ((bytes[ip + 2 * i] << 8) | bytes[ip + 2 * i + 1]).toString(16)
    }
  }
  return text
}

/**
 * The port of an encoded address.
 *
 * @since 0.1.0
 * @category decoding
 */
export const port = (bytes: Uint8Array, offset: number): number => (bytes[offset + 2] << 8) | bytes[offset + 3]

/**
 * The IPv6 scope id of an encoded address, 0 for none.
 *
 * @since 0.1.0
 * @category decoding
 */
export const scopeId = (bytes: Uint8Array, offset: number): number =>
  ((bytes[offset + 20] << 24) | (bytes[offset + 21] << 16) | (bytes[offset + 22] << 8) | bytes[offset + 23]) >>> 0

/**
 * The host of an encoded address as canonical text, without the port; a scope is written as a number.
 *
 * @since 0.1.0
 * @category decoding
 */
export const host = (bytes: Uint8Array, offset: number): string => {
  if (bytes[offset] !== 6) return ipv4Text(bytes, offset + 4)
  const id = scopeId(bytes, offset)
  const text = ipv6Text(bytes, offset + 4)
  return id === 0 ? text : `${text}%${id}`
}

/**
 * Reads the address that `encode` wrote. IPv6 comes in the canonical form of RFC 5952, a scope as a number.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (bytes: Uint8Array, offset: number): SocketAddress => ({
  host: host(bytes, offset),
  port: port(bytes, offset)
})

/**
 * Whether two encoded addresses are the same one: family, port, IP and scope.
 *
 * @since 0.1.0
 * @category comparing
 */
export const equals = (a: Uint8Array, aOffset: number, b: Uint8Array, bOffset: number): boolean => {
  if (a[aOffset] !== b[bOffset]) return false
  // family, port and four bytes of IP are all that an IPv4 address has; what it asked is no part of who it is
  const end = a[aOffset] === 4 ? 8 : ADDRESS_BYTES
  for (let i = 2; i < end; i++) {
    if (a[aOffset + i] !== b[bOffset + i]) return false
  }
  return true
}

/**
 * An encoded address as text: `1.2.3.4:5`, `[::1]:5`, `[fe80::1%2]:5`. `parse` reads it back.
 *
 * @since 0.1.0
 * @category decoding
 */
export const format = (bytes: Uint8Array, offset: number): string =>
  bytes[offset] === 6
    ? `[${host(bytes, offset)}]:${port(bytes, offset)}`
    : `${host(bytes, offset)}:${port(bytes, offset)}`

/**
 * Reads `127.0.0.1:9000` or `[::1]:9000`, and gives it in canonical form. Undefined when the text is no such address.
 *
 * @since 0.1.0
 * @category encoding
 */
export const parse = (text: string): SocketAddress | undefined => {
  const colon = text.lastIndexOf(":")
  const digits = text.slice(colon + 1)
  if (colon < 1 || digits.length === 0 || digits.length > 5 || !/^[0-9]+$/.test(digits)) return undefined
  let name = text.slice(0, colon)
  const bracketed = name.startsWith("[") && name.endsWith("]")
  if (bracketed) name = name.slice(1, -1)
  if (bracketed !== name.includes(":")) return undefined
  const bytes = new Uint8Array(ADDRESS_BYTES)
  return write(name, Number(digits), bytes, 0) ? decode(bytes, 0) : undefined
}
