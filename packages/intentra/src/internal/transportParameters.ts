import { readU16, readU32, writeU16, writeU32 } from "./bytes.js"

/**
 * Transport parameters: a list of (id u8, length u8, value), inside handshake messages 2 and 3. Unknown ids are ignored.
 */
export interface TransportParameters {
  /** The conn_id that packets to the sender of this message carry (message 2 only). */
  connId: number
  /** The longest datagram that the sender of this message takes, in bytes. */
  maxDatagram: number
  /** Authenticated packets a second that the sender of this message takes; 2^32-1 stands for no limit. */
  packetsPerSecond: number
  /** In message 2 of IK: the close code of a refusal; -1: none. */
  refusal: number
}

const CONN_ID = 1
const MAX_DATAGRAM = 2
const PACKETS_PER_SECOND = 3
const REFUSAL = 4
/** Ids from here never get a meaning: one is always sent, so that receivers keep ignoring. */
const RESERVED_FIRST = 0xf0

/** No datagram limit below this is believed. */
export const MIN_MAX_DATAGRAM = 1200

export const encode = (
  parameters: Omit<TransportParameters, "refusal"> & { readonly refusal?: number },
  reserved: number
): Uint8Array => {
  const { refusal = -1 } = parameters
  const out = new Uint8Array(6 + 4 + 6 + 3 + (refusal < 0 ? 0 : 3))
  out[0] = CONN_ID
  out[1] = 4
  writeU32(out, 2, parameters.connId)
  out[6] = MAX_DATAGRAM
  out[7] = 2
  writeU16(out, 8, parameters.maxDatagram)
  out[10] = PACKETS_PER_SECOND
  out[11] = 4
  writeU32(out, 12, Math.min(0xffffffff, parameters.packetsPerSecond))
  out[16] = RESERVED_FIRST | (reserved & 15)
  out[17] = 1
  out[18] = reserved >>> 8
  if (refusal >= 0) {
    out[19] = REFUSAL
    out[20] = 1
    out[21] = refusal
  }
  return out
}

/** The parameters, or undefined when the list is malformed. Those that are not given have their defaults. */
export const decode = (bytes: Uint8Array): TransportParameters | undefined => {
  const parameters: TransportParameters = {
    connId: 0,
    maxDatagram: MIN_MAX_DATAGRAM,
    packetsPerSecond: 0xffffffff,
    refusal: -1
  }
  let offset = 0
  while (offset < bytes.length) {
    if (offset + 2 > bytes.length) return undefined
    const id = bytes[offset]
    const length = bytes[offset + 1]
    const value = offset + 2
    offset = value + length
    if (offset > bytes.length) return undefined
    if (id === CONN_ID) {
      if (length !== 4) return undefined
      parameters.connId = readU32(bytes, value)
    } else if (id === MAX_DATAGRAM) {
      if (length !== 2) return undefined
      parameters.maxDatagram = readU16(bytes, value)
      if (parameters.maxDatagram < MIN_MAX_DATAGRAM) return undefined
    } else if (id === PACKETS_PER_SECOND) {
      if (length !== 4) return undefined
      parameters.packetsPerSecond = readU32(bytes, value)
    } else if (id === REFUSAL) {
      if (length !== 1) return undefined
      parameters.refusal = bytes[value]
    }
  }
  return parameters
}
