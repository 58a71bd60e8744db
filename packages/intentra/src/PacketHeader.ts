/**
 * The 16-byte packet header of wire version 2, big-endian. All of it is associated data of the AEAD.
 *
 * ```text
 *  byte 0      version (high nibble) | type (low nibble)
 *  byte 1      intent (2 bits) | priority (3 bits) | key epoch (2 bits) | reserved (1 bit, zero)
 *  bytes 2-3   payload_len: bytes after the header, tag included
 *  bytes 4-7   conn_id, chosen by the receiver of the packet
 *  bytes 8-11  seq: the packet number, which is the AEAD nonce's counter
 *  bytes 12-15 ack: next expected Reliable message number
 * ```
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Either from "effect/Either"
import { readU16, readU32, writeU16, writeU32 } from "./internal/bytes.js"

/**
 * Bytes of the header of every packet.
 *
 * @since 0.1.0
 * @category constants
 */
export const HEADER_BYTES = 16
/**
 * The version in the first four bits of every packet.
 *
 * @since 0.1.0
 * @category constants
 */
export const WIRE_VERSION = 2
/**
 * No packet above this many bytes is sealed or opened.
 *
 * @since 0.1.0
 * @category constants
 */
export const MAX_PACKET_BYTES = 2048

/**
 * Packet types: sealed messages, sealed acknowledgements, handshake (the only unsealed one), sealed control.
 *
 * @since 0.1.0
 * @category constants
 */
export const DATA = 0
/**
 * The packet type of acknowledgements without messages.
 *
 * @since 0.1.0
 * @category constants
 */
export const ACK = 1
/**
 * The packet type of all handshake messages.
 *
 * @since 0.1.0
 * @category constants
 */
export const HANDSHAKE = 2
/**
 * The packet type of control frames without messages.
 *
 * @since 0.1.0
 * @category constants
 */
export const CONTROL = 3

/**
 * The fields of a header, as numbers.
 *
 * @since 0.1.0
 * @category models
 */
export interface PacketHeader {
  readonly version: number
  readonly type: number
  /** 0 Realtime, 1 Reliable, 2 Sequenced: the most urgent message's. */
  readonly intent: number
  /** 0 (lowest) to 7. */
  readonly priority: number
  /** Two bits. */
  readonly epoch: number
  readonly reserved: number
  /** Bytes after the header. */
  readonly payloadLength: number
  readonly connId: number
  readonly seq: number
  readonly ack: number
}

/**
 * A header that cannot be read, or a field that cannot be written.
 *
 * @since 0.1.0
 * @category errors
 */
export class PacketHeaderError extends Data.TaggedError("PacketHeaderError")<{
  readonly reason: "Truncated" | "FieldOutOfRange"
  readonly detail: string
}> {
  override get message(): string {
    return this.detail
  }
}

const fits = (value: number, bits: number): boolean => Number.isInteger(value) && value >= 0 && value < 2 ** bits

/**
 * Encodes a header: 16 bytes, written at `offset` of `out` (a new array by default). Returns the array written to.
 *
 * Throws `PacketHeaderError` (`FieldOutOfRange`) when a field does not fit its bits, and when `out` is too short.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (
  header: PacketHeader,
  out: Uint8Array = new Uint8Array(HEADER_BYTES),
  offset = 0
): Uint8Array => {
  const check = (name: keyof PacketHeader, bits: number) => {
    if (!fits(header[name], bits)) {
      throw new PacketHeaderError({
        reason: "FieldOutOfRange",
        detail: `packet header: ${name} is ${header[name]}, but must be an integer of ${bits} bits`
      })
    }
  }
  check("version", 4)
  check("type", 4)
  check("intent", 2)
  check("priority", 3)
  check("epoch", 2)
  check("reserved", 1)
  check("payloadLength", 16)
  check("connId", 32)
  check("seq", 32)
  check("ack", 32)
  if (out.length - offset < HEADER_BYTES) {
    throw new PacketHeaderError({
      reason: "FieldOutOfRange",
      detail: `packet header: 16 bytes do not fit at offset ${offset} of ${out.length}`
    })
  }
  out[offset] = (header.version << 4) | header.type
  out[offset + 1] = (header.intent << 6) | (header.priority << 3) | (header.epoch << 1) | header.reserved
  writeU16(out, offset + 2, header.payloadLength)
  writeU32(out, offset + 4, header.connId)
  writeU32(out, offset + 8, header.seq)
  writeU32(out, offset + 12, header.ack)
  return out
}

/**
 * Decodes the 16 bytes at `offset`. It reads what stands there and judges nothing: version, type, reserved bit and
 * payload_len are checked by the receiver, each with its own `DropReason`.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (bytes: Uint8Array, offset = 0): Either.Either<PacketHeader, PacketHeaderError> =>
  bytes.length - offset < HEADER_BYTES
    ? Either.left(
      new PacketHeaderError({
        reason: "Truncated",
        detail: `packet header: ${Math.max(0, bytes.length - offset)} bytes, 16 needed`
      })
    )
    : Either.right({
      version: bytes[offset] >> 4,
      type: bytes[offset] & 15,
      intent: bytes[offset + 1] >> 6,
      priority: (bytes[offset + 1] >> 3) & 7,
      epoch: (bytes[offset + 1] >> 1) & 3,
      reserved: bytes[offset + 1] & 1,
      payloadLength: readU16(bytes, offset + 2),
      connId: readU32(bytes, offset + 4),
      seq: readU32(bytes, offset + 8),
      ack: readU32(bytes, offset + 12)
    })
