/**
 * The payloads of state channels, as bytes. PROTOCOL.md, appendix A, is the normative text; the layouts here follow its
 * tables in order.
 */
import { readU32, writeU16, writeU32 } from "./bytes.js"

/** 0xff begins no UTF-8 text; "is" for intentra state; the layout's version. */
const MAGIC_0 = 0xff
const MAGIC_1 = 0x69
const MAGIC_2 = 0x73
const MAGIC_3 = 0x01

export const SUBSCRIBE = 1
export const DATA = 2
export const STATUS = 3
export const UNSUBSCRIBE = 4
export const RESUBSCRIBE = 5
export const QUERY = 6

/** Magic, kind, channel, subscription. */
export const PREFIX_BYTES = 13
const KIND_AT = 4
const CHANNEL_AT = 5
const SUBSCRIPTION_AT = 9

/** DATA: the subscription gets everything from version 0, so what it held before must be confirmed. */
export const FULL = 1
/** Where DATA has its flags. */
export const FLAGS_AT = PREFIX_BYTES
/** SUBSCRIBE: every key. */
export const EVERYTHING = 1
/** STATUS: an answer is wanted, whatever there is to say. */
export const ANSWER = 1
/** DATA entry: the key is gone. */
export const DELETED = 1
/** DATA entry: it goes stale after a time. */
export const HAS_TTL = 2

export const EXACT = 0
export const PREFIX = 1

/** Ages and stamps travel in tenths of a millisecond. */
export const AGE_UNIT = 0.1
/** An age or ttl above this (a year) is as good as this. */
export const LONGEST = 31_536_000_000

/** Where DATA has `to`: after the flags, the incarnation and `from`. */
export const TO_AT = PREFIX_BYTES + 1 + 8 + 8
/** Where it has the stamp that it gives back, and for how long that was held: after `to`, `head` and its own stamp. */
const ECHO_AT = TO_AT + 8 + 8 + 4
/** `held` of a stamp that is not worth giving back. */
export const HELD_TOO_LONG = 0xffff
/** Of an entry besides its key and value: flags, version, key length, age, ttl, value length. */
export const ENTRY_BYTES = 1 + 8 + 2 + 6 + 6 + 2
/** A message fits any path: datagrams of 1,200 bytes. */
export const SAFE_PAYLOAD = 1165
export const MAX_PAYLOAD = 2048
/** What keys and values of one entry may take together. */
export const MAX_ENTRY_BYTES = 1024
/** Missing ranges in one STATUS. */
export const MAX_MISSING = 64
/** Bytes of the terms of an interest. */
export const MAX_TERMS_BYTES = 800
export const MAX_NAME_BYTES = 128

/** FNV-1a, 32 bits (draft-eastlake-fnv), of the name's UTF-8. */
export const channelOf = (name: Uint8Array): number => {
  let hash = 0x811c9dc5
  for (const byte of name) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash >>> 0
}

export const isChannelMessage = (payload: Uint8Array): boolean =>
  payload.length >= 4 && payload[0] === MAGIC_0 && payload[1] === MAGIC_1 && payload[2] === MAGIC_2 &&
  payload[3] === MAGIC_3

export const kindOf = (payload: Uint8Array): number => payload[KIND_AT]

export const channelIn = (payload: Uint8Array): number => readU32(payload, CHANNEL_AT)

export const subscriptionIn = (payload: Uint8Array): number => readU32(payload, SUBSCRIPTION_AT)

/** Gives a stamp back in a DATA message. */
export const setEcho = (message: Uint8Array, stamp: number, held: number): void => {
  writeU32(message, ECHO_AT, stamp)
  writeU16(message, ECHO_AT + 4, held)
}

export const setSubscription = (message: Uint8Array, id: number): void => writeU32(message, SUBSCRIPTION_AT, id)

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

/** The text of bytes; undefined when they are none. */
export const decodeText = (bytes: Uint8Array): string | undefined => {
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

/** A time as a stamp, modulo 2^32: comparable over some days. */
export const stampOf = (now: number): number => Math.floor(now / AGE_UNIT) >>> 0

/** Reads on from a place; once something is missing or too large it is `failed` and answers zeros. */
export class WireReader {
  failed = false
  at = 0
  private bytes: Uint8Array = new Uint8Array(0)

  open(bytes: Uint8Array, at: number): void {
    this.bytes = bytes
    this.at = at
    this.failed = at > bytes.length
  }

  get done(): boolean {
    return this.failed || this.at >= this.bytes.length
  }

  u8(): number {
    if (this.at >= this.bytes.length) return this.fail()
    return this.bytes[this.at++]
  }

  u16(): number {
    return this.u8() * 256 + this.u8()
  }

  u32(): number {
    if (this.at + 4 > this.bytes.length) return this.fail()
    const value = readU32(this.bytes, this.at)
    this.at += 4
    return value
  }

  /** At most 2^53 - 1. */
  u64(): number {
    const high = this.u32()
    const low = this.u32()
    return high < 0x20_0000 ? high * 0x1_0000_0000 + low : this.fail()
  }

  /** Little-endian groups of 7 bits, at most 8 of them, at most 2^53 - 1. */
  varint(): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < 8; i++) {
      if (this.at >= this.bytes.length) return this.fail()
      const byte = this.bytes[this.at++]
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value <= Number.MAX_SAFE_INTEGER ? value : this.fail()
      scale *= 128
    }
    return this.fail()
  }

  /** Passes over bytes and says where they began. */
  skip(length: number): number {
    const start = this.at
    if (this.failed || length > this.bytes.length - start) return this.fail()
    this.at = start + length
    return start
  }

  private fail(): number {
    this.failed = true
    return 0
  }
}

/** Writes into a buffer of its own that is as long as any message. */
export class WireWriter {
  at = 0
  readonly bytes: Uint8Array

  constructor(capacity = MAX_PAYLOAD) {
    this.bytes = new Uint8Array(capacity)
  }

  /** Begins a message. */
  begin(kind: number, channel: number, subscription: number): void {
    this.at = 0
    this.u8(MAGIC_0)
    this.u8(MAGIC_1)
    this.u8(MAGIC_2)
    this.u8(MAGIC_3)
    this.u8(kind)
    this.u32(channel)
    this.u32(subscription)
  }

  u8(value: number): void {
    this.bytes[this.at++] = value
  }

  u32(value: number): void {
    writeU32(this.bytes, this.at, value)
    this.at += 4
  }

  u64(value: number): void {
    this.u32(Math.floor(value / 0x1_0000_0000))
    this.u32(value >>> 0)
  }

  /** A u64 somewhere before. */
  u64At(at: number, value: number): void {
    const end = this.at
    this.at = at
    this.u64(value)
    this.at = end
  }

  varint(value: number): void {
    let rest = value
    while (rest >= 0x8000_0000) {
      this.bytes[this.at++] = (rest % 128) | 0x80
      rest = Math.floor(rest / 128)
    }
    while (rest >= 128) {
      this.bytes[this.at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.bytes[this.at++] = rest
  }

  raw(source: Uint8Array, length = source.length): void {
    const { at, bytes } = this
    // most keys and values are short, and a loop is quicker than a view for those
    if (length <= 32) { for (let i = 0; i < length; i++) bytes[at + i] = source[i] }
    else bytes.set(length === source.length ? source : source.subarray(0, length), at)
    this.at = at + length
  }

  /** What was written, a view. */
  message(): Uint8Array {
    return this.bytes.subarray(0, this.at)
  }
}
