/**
 * The file of a flight recorder. All integers are big-endian.
 *
 * | part | bytes |
 * | --- | --- |
 * | preamble | `intentra flight` in ASCII, then the version: 1 |
 * | chunk | length u32 of what follows the next field, its CRC-32 u32 (ISO 3309), then so many bytes |
 *
 * The first chunk is a {@link Header} as JSON in UTF-8. All others are records, each a kind u8 and its body; no record
 * spans two chunks. Inputs (1 to 15) are what made the transport do something, in order. Readings (16 to 31) are what it
 * asked for and gave out while it did that, in order, after the input that they belong to. An input that user code made
 * from within a callback of the transport stands where it was made, behind a NESTED record.
 */

export const VERSION = 1
export const PREAMBLE_BYTES = 16
export const CHUNK_HEADER_BYTES = 8
/** No writer makes a longer chunk. */
export const MAX_CHUNK_BYTES = 64 * 2 ** 20

/** The preamble without its version. */
export const MAGIC: Uint8Array = Uint8Array.from("intentra flight", (character) => character.charCodeAt(0))

/** count u16, then for each datagram: source (24 bytes), length u32, the bytes that arrived whole. */
export const BATCH = 1
/** The alarm went off. No body. */
export const ALARM = 2
/** The deferred flush came. No body. */
export const FLUSH = 3
/** address (24 bytes), flags u8, the pinned key (32 bytes, or zeros). */
export const CONNECT = 4
/** Flags of CONNECT. */
export const PINNED = 1
export const QUICK = 2
/** The caller of `connect` lost interest: conn_id u32. */
export const CANCEL = 5
/** conn_id u32, intent u8, priority u8, ttl f64 in ms, length u16, stored u16, so many bytes of the payload. */
export const SEND = 6
/** conn_id u32, close reason u8. */
export const CLOSE = 7
/** The authorizer's later verdict: which question u32, counted from 0, admitted u8. */
export const VERDICT = 8
/** The consumer has room for Reliable messages again. No body. */
export const RESUME = 9
/** The transport ends. No body. */
export const END = 10
/** The recorder was closed in good order: the last record. No body. */
export const FINISHED = 15

/** ms f64. */
export const CLOCK = 16
/** length u32, bytes. */
export const FILL = 17
/** u32. */
export const WORD = 18
/** The authorizer's answer at once u8: 0 no, 1 yes, 2 later. */
export const AUTHORIZE = 19
/** Whether the consumer had room for a Reliable message u8. */
export const ROOM = 20
/** count u16, then for each datagram: destination (24 bytes), length u32, bytes. */
export const SENT = 21

/** Which callback the next input was made from: u32, counted from 1. */
export const NESTED = 32

export const VERDICT_NO = 0
export const VERDICT_YES = 1
export const VERDICT_LATER = 2

const NAMES: { readonly [kind: number]: string } = {
  [BATCH]: "received datagrams",
  [ALARM]: "an alarm",
  [FLUSH]: "a flush",
  [CONNECT]: "a call of connect",
  [CANCEL]: "an interrupted connect",
  [SEND]: "a call of send",
  [CLOSE]: "a call of close",
  [VERDICT]: "an authorizer's later verdict",
  [RESUME]: "a consumer's room",
  [END]: "the end of the transport",
  [FINISHED]: "the end of the recording",
  [CLOCK]: "a reading of the clock",
  [FILL]: "drawn bytes",
  [WORD]: "a drawn word",
  [AUTHORIZE]: "an authorizer's verdict",
  [ROOM]: "an answer about room",
  [SENT]: "sent datagrams",
  [NESTED]: "a call from a callback"
}

export const nameOf = (kind: number): string => NAMES[kind] ?? `a record of the unknown kind ${kind}`

/** What a transport was made of. Keys in base64. */
export interface Header {
  readonly key: string
  readonly psk: string | null
  readonly socket: {
    readonly host: string
    readonly port: number
    readonly maxDatagramBytes: number
    readonly outboxDatagrams: number
    readonly outboxBytes: number
  }
  /** Resolved options of the transport by name, times in milliseconds. */
  readonly settings: { readonly [name: string]: unknown }
  /** Options of the other concerns, as given. */
  readonly concerns: { readonly [name: string]: unknown }
}

/** JSON has no Infinity. */
const INFINITY = "Infinity"

export const stringify = (header: Header): string =>
  JSON.stringify(header, (_, value: unknown) => value === Infinity ? INFINITY : value)

/** Throws a SyntaxError for what is no JSON. */
export const parse = (text: string): unknown =>
  JSON.parse(text, (_, value: unknown) => value === INFINITY ? Infinity : value)
