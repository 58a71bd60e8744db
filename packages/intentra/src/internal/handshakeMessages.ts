/**
 * Layouts of the five handshake messages. Offsets count from the start of the datagram; bytes 0-15 are the packet
 * header with conn_id of the receiver (zero in hello and echo), and intent, priority, epoch, seq and ack zero.
 */
import { constantTimeEqual } from "@intentra/crypto"
import { HANDSHAKE, HEADER_BYTES, WIRE_VERSION } from "../PacketHeader.js"
import { readU16, writeU16, writeU32 } from "./bytes.js"

export const HELLO = 1
export const CHALLENGE = 2
export const ECHO = 3
export const MESSAGE_2 = 4
export const MESSAGE_3 = 5

/** Hello and echo are padded with zeros to this size: no answer is ever larger than what asked for it. */
export const PADDED_BYTES = 1200
export const MAC1_BYTES = 16
export const NONCE_BYTES = 16

export const KIND = 16
/** Bit 0: mac1 is keyed with the responder's static key. */
export const FLAGS = 17
export const PATTERN = 18
export const RESERVED = 19
export const INITIATOR_CONN_ID = 20
export const NONCE = 24
/** Hello ends here (then zeros, then mac1); the echo goes on with the cookie. */
export const HELLO_FIXED_END = NONCE + NONCE_BYTES
export const ECHO_COOKIE = HELLO_FIXED_END
export const COOKIE_BYTES = 16
export const ECHO_NOISE_LENGTH = ECHO_COOKIE + COOKIE_BYTES
export const ECHO_NOISE = ECHO_NOISE_LENGTH + 2
export const MAC1 = PADDED_BYTES - MAC1_BYTES

export const CHALLENGE_NONCE = 20
export const CHALLENGE_COOKIE = CHALLENGE_NONCE + NONCE_BYTES
export const CHALLENGE_MAC = CHALLENGE_COOKIE + COOKIE_BYTES
export const CHALLENGE_BYTES = CHALLENGE_MAC + MAC1_BYTES

/** Where the Noise message of messages 2 and 3 begins. */
export const NOISE_MESSAGE = 20

export const PINNED_FLAG = 1

export const PATTERN_XX = 0
export const PATTERN_XXPSK3 = 1
export const PATTERN_IK = 2
export const PATTERN_IKPSK2 = 3

/** Payload of IK's first message: a number that grows with every handshake of its sender, u64. */
export const TIMESTAMP_BYTES = 8

/** The fields of a hello that a cookie binds, also those of the echo: flags to nonce. */
export const cookieFields = (datagram: Uint8Array, offset: number): Uint8Array =>
  datagram.subarray(offset + FLAGS, offset + HELLO_FIXED_END)

const writeHeader = (out: Uint8Array, connId: number, kind: number): void => {
  out[0] = (WIRE_VERSION << 4) | HANDSHAKE
  writeU16(out, 2, out.length - HEADER_BYTES)
  writeU32(out, 4, connId)
  out[KIND] = kind
}

type Mac = (data: Uint8Array) => Uint8Array

const seal = (out: Uint8Array, fixedEnd: number, mac: Mac): Uint8Array => {
  out.set(mac(out.subarray(0, fixedEnd)).subarray(0, MAC1_BYTES), MAC1)
  return out
}

export const encodeHello = (
  pinned: boolean,
  pattern: number,
  connId: number,
  nonce: Uint8Array,
  mac: Mac
): Uint8Array => {
  const out = new Uint8Array(PADDED_BYTES)
  writeHeader(out, 0, HELLO)
  out[FLAGS] = pinned ? PINNED_FLAG : 0
  out[PATTERN] = pattern
  writeU32(out, INITIATOR_CONN_ID, connId)
  out.set(nonce, NONCE)
  return seal(out, HELLO_FIXED_END, mac)
}

/** The echo repeats its hello's fixed fields, and adds the cookie and Noise message 1. */
export const encodeEcho = (hello: Uint8Array, cookie: Uint8Array, message1: Uint8Array, mac: Mac): Uint8Array => {
  const out = new Uint8Array(PADDED_BYTES)
  writeHeader(out, 0, ECHO)
  out.set(hello.subarray(FLAGS, HELLO_FIXED_END), FLAGS)
  out.set(cookie, ECHO_COOKIE)
  writeU16(out, ECHO_NOISE_LENGTH, message1.length)
  out.set(message1, ECHO_NOISE)
  return seal(out, ECHO_NOISE + message1.length, mac)
}

/** Ends a challenge whose cookie is written with its MAC. */
export const sealChallenge = (out: Uint8Array, mac: Mac): void =>
  out.set(mac(out.subarray(0, CHALLENGE_MAC)).subarray(0, MAC1_BYTES), CHALLENGE_MAC)

export const verifyChallenge = (datagram: Uint8Array, offset: number, mac: Mac): boolean =>
  constantTimeEqual(
    mac(datagram.subarray(offset, offset + CHALLENGE_MAC)).subarray(0, MAC1_BYTES),
    datagram.subarray(offset + CHALLENGE_MAC, offset + CHALLENGE_BYTES)
  )

/** Writes a challenge's fields but the cookie and the MAC into `out` (CHALLENGE_BYTES long). */
export const encodeChallenge = (out: Uint8Array, connId: number, hello: Uint8Array, offset: number): void => {
  out.fill(0)
  writeHeader(out, connId, CHALLENGE)
  for (let i = 0; i < NONCE_BYTES; i++) out[CHALLENGE_NONCE + i] = hello[offset + NONCE + i]
}

export const encodeNoise = (kind: typeof MESSAGE_2 | typeof MESSAGE_3, connId: number, message: Uint8Array) => {
  const out = new Uint8Array(NOISE_MESSAGE + message.length)
  writeHeader(out, connId, kind)
  out.set(message, NOISE_MESSAGE)
  return out
}

/** Where the bytes that mac1 covers end, or -1 when the lengths do not fit. */
export const fixedEnd = (datagram: Uint8Array, offset: number, kind: number): number => {
  if (kind === HELLO) return HELLO_FIXED_END
  const end = ECHO_NOISE + readU16(datagram, offset + ECHO_NOISE_LENGTH)
  return end > MAC1 ? -1 : end
}

export const verifyMac1 = (datagram: Uint8Array, offset: number, end: number, mac: Mac): boolean =>
  constantTimeEqual(
    mac(datagram.subarray(offset, offset + end)).subarray(0, MAC1_BYTES),
    datagram.subarray(offset + MAC1, offset + PADDED_BYTES)
  )

/** Intent byte, seq and ack of a handshake packet are zero. */
export const headerIsPlain = (datagram: Uint8Array, offset: number): boolean => {
  let sum = datagram[offset + 1]
  for (let i = 8; i < HEADER_BYTES; i++) sum |= datagram[offset + i]
  return sum === 0
}
