/**
 * Frames: what the plaintext of a sealed packet is made of, so that several messages, acknowledgements and control
 * share one datagram.
 *
 * ```text
 *  type u8 | length u16 | body (length bytes)
 * ```
 *
 * Unknown types are skipped by their length.
 *
 * @since 0.1.0
 */
import { readU16, readU32, writeU16, writeU32 } from "./internal/bytes.js"

/**
 * Bytes before a frame's body.
 *
 * @since 0.1.0
 * @category constants
 */
export const FRAME_HEADER_BYTES = 3

/**
 * Body ignored.
 *
 * @since 0.1.0
 * @category types
 */
export const PADDING = 0x00
/**
 * Body: the payload.
 *
 * @since 0.1.0
 * @category types
 */
export const REALTIME = 0x01
/**
 * Body: message number u32, payload.
 *
 * @since 0.1.0
 * @category types
 */
export const SEQUENCED = 0x02
/**
 * Body: message number u32, payload.
 *
 * @since 0.1.0
 * @category types
 */
export const RELIABLE = 0x03
/**
 * Body: next expected Reliable number u32, first number not taken u32, epoch u8 and seq u32 of the newest packet
 * received, microseconds since it came u32; then ranges of Reliable numbers received beyond, highest first:
 * start u32, end u32 (exclusive).
 *
 * @since 0.1.0
 * @category types
 */
export const ACK = 0x10
/**
 * Body: token u32. Answered by {@link PONG} with the same token.
 *
 * @since 0.1.0
 * @category types
 */
export const PING = 0x20
/**
 * Body: token u32, packets opened in this session u32, messages delivered in it u32 (both modulo 2^32).
 *
 * @since 0.1.0
 * @category types
 */
export const PONG = 0x21
/**
 * Body: close code u8, then UTF-8 text of at most 64 bytes.
 *
 * @since 0.1.0
 * @category types
 */
export const CLOSE = 0x30
/**
 * No body. The responder's authorizer has not decided yet: the initiator goes on waiting.
 *
 * @since 0.1.0
 * @category types
 */
export const WAIT = 0x31
/**
 * Body: token, 8 bytes. Answered by {@link PATH_RESPONSE} with the same token.
 *
 * @since 0.1.0
 * @category types
 */
export const PATH_CHALLENGE = 0x32
/**
 * Body: token, 8 bytes.
 *
 * @since 0.1.0
 * @category types
 */
export const PATH_RESPONSE = 0x33
/**
 * Body: step u8 (1 request, 2 answer), epoch u8, message of Noise KK.
 *
 * @since 0.1.0
 * @category types
 */
export const REKEY = 0x34
/**
 * First of the types that will never be given a meaning: senders use them now and then so that receivers keep skipping.
 *
 * @since 0.1.0
 * @category types
 */
export const RESERVED_FIRST = 0xf0

/**
 * Bytes that a Realtime message adds to its payload.
 *
 * @since 0.1.0
 * @category constants
 */
export const REALTIME_OVERHEAD = FRAME_HEADER_BYTES
/**
 * Bytes that a Sequenced message adds to its payload.
 *
 * @since 0.1.0
 * @category constants
 */
export const SEQUENCED_OVERHEAD = FRAME_HEADER_BYTES + 4
/**
 * Bytes that a Reliable message adds to its payload.
 *
 * @since 0.1.0
 * @category constants
 */
export const RELIABLE_OVERHEAD = FRAME_HEADER_BYTES + 4
/**
 * UTF-8 bytes of the text in a CLOSE frame, at most.
 *
 * @since 0.1.0
 * @category constants
 */
export const MAX_CLOSE_TEXT_BYTES = 64

/**
 * Writes a frame's three header bytes and returns the offset of its body.
 *
 * @since 0.1.0
 * @category encoding
 */
export const begin = (out: Uint8Array, offset: number, type: number, bodyLength: number): number => {
  out[offset] = type
  writeU16(out, offset + 1, bodyLength)
  return offset + FRAME_HEADER_BYTES
}

/**
 * Writes a frame whose body is one u32 (PING, PONG) and returns the offset behind it.
 *
 * @since 0.1.0
 * @category encoding
 */
export const writeToken = (out: Uint8Array, offset: number, type: number, token: number): number => {
  const body = begin(out, offset, type, 4)
  writeU32(out, body, token)
  return body + 4
}

/**
 * The offset behind the frame at `offset`, or -1 when it does not end within `end`.
 *
 * @since 0.1.0
 * @category decoding
 */
export const next = (bytes: Uint8Array, offset: number, end: number): number => {
  if (offset + FRAME_HEADER_BYTES > end) return -1
  const behind = offset + FRAME_HEADER_BYTES + readU16(bytes, offset + 1)
  return behind > end ? -1 : behind
}

/**
 * A frame as an object, for tests and tools.
 *
 * @since 0.1.0
 * @category models
 */
export interface Frame {
  readonly type: number
  readonly body: Uint8Array
}

/**
 * All frames of a plaintext (bodies are views), or `undefined` when the list is malformed.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decodeAll = (plaintext: Uint8Array): ReadonlyArray<Frame> | undefined => {
  const frames: Array<Frame> = []
  let offset = 0
  while (offset < plaintext.length) {
    const behind = next(plaintext, offset, plaintext.length)
    if (behind < 0) return undefined
    frames.push({ type: plaintext[offset], body: plaintext.subarray(offset + FRAME_HEADER_BYTES, behind) })
    offset = behind
  }
  return frames
}

/**
 * The plaintext that these frames make. Throws a `RangeError` for a body above 65,535 bytes.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encodeAll = (frames: ReadonlyArray<Frame>): Uint8Array => {
  const out = new Uint8Array(frames.reduce((sum, frame) => sum + FRAME_HEADER_BYTES + frame.body.length, 0))
  let offset = 0
  for (const frame of frames) {
    if (frame.body.length > 0xffff) {
      throw new RangeError(`a frame's body has ${frame.body.length} bytes, 65,535 at most`)
    }
    offset = begin(out, offset, frame.type, frame.body.length)
    out.set(frame.body, offset)
    offset += frame.body.length
  }
  return out
}

/**
 * The u32 at the start of a frame's body (SEQUENCED, PING, PONG).
 *
 * @since 0.1.0
 * @category decoding
 */
export const readNumber = (bytes: Uint8Array, bodyOffset: number): number => readU32(bytes, bodyOffset)
