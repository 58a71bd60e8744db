/**
 * Authenticated encryption with associated data, over buffers of the caller.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import { isUint32 } from "./internal/bytes.js"

/**
 * The AEAD algorithms: AES-256-GCM (NIST SP 800-38D) and ChaCha20-Poly1305 (RFC 8439). Both take 32-byte keys, 12-byte
 * nonces and make 16-byte tags.
 *
 * @since 0.1.0
 * @category models
 */
export type AeadAlgorithm = "AES-256-GCM" | "ChaCha20-Poly1305"

/**
 * Bytes of the authentication tag that `seal` appends.
 *
 * @since 0.1.0
 * @category constants
 */
export const TAG_BYTES = 16

/**
 * Bytes of a nonce. A nonce must never be used twice to seal under one key.
 *
 * @since 0.1.0
 * @category constants
 */
export const NONCE_BYTES = 12

/**
 * Bytes of an AEAD key.
 *
 * @since 0.1.0
 * @category constants
 */
export const KEY_BYTES = 32

/**
 * One AEAD key. Its methods are synchronous, never throw, and answer with a number; -1 is a refusal.
 *
 * `seal` and `open` take the parts as arrays; `out` may begin at the first byte of the input (in place), and must not
 * overlap it otherwise, nor `nonce` or `aad`.
 *
 * `sealPacket` and `openPacket` are for packet paths: a packet is a stretch of an arena, associated data first, and its
 * nonce is Noise's for a counter: 4 zero bytes, then 64 bits, big-endian for AES-256-GCM and little-endian for
 * ChaCha20-Poly1305 (Noise, sections 12.3 and 12.4). The counter is a safe integer from 0; one that was sealed under
 * must never be sealed under again with the same key. Every offset and length is checked against the arrays' bounds.
 *
 * @since 0.1.0
 * @category models
 */
export interface AeadKey {
  readonly algorithm: AeadAlgorithm
  /**
   * Writes ciphertext and tag at the start of `out` and returns their length, `plaintext.length + 16`. Returns -1 when
   * `out` is shorter than that, the nonce is not 12 bytes, or the key was destroyed.
   */
  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array): number
  /**
   * Takes ciphertext and tag, writes the plaintext at the start of `out` and returns its length,
   * `ciphertext.length - 16`. Returns -1 when the packet does not authenticate, is shorter than 16 bytes, `out` is too
   * short, the nonce is not 12 bytes, or the key was destroyed. The bytes of `out` that the plaintext would have taken
   * are then as they were or zeros, never unauthenticated plaintext; all others are as they were.
   */
  open(nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array, out: Uint8Array): number
  /**
   * Seals a packet where it lies. `arena` has `aadLength` bytes of associated data from `offset`, then
   * `plaintextLength` bytes, then room for the tag; ciphertext and tag replace the plaintext and the room. Returns the
   * packet's length, `aadLength + plaintextLength + 16`, or -1: out of bounds, no counter, or the key was destroyed.
   */
  sealPacket(arena: Uint8Array, offset: number, aadLength: number, plaintextLength: number, counter: number): number
  /**
   * Opens the packet of `length` bytes, associated data and tag included, that begins at `offset`, and writes its
   * plaintext into `out` from `outOffset`. Returns the plaintext's length, `length - aadLength - 16`. For opening in
   * place `out` is the arena (or shares its memory) and the plaintext goes exactly to where the ciphertext is; another
   * overlap is refused. Returns -1 when the packet does not authenticate, for what is out of bounds, for no counter,
   * and after `destroy`; `out` is then as it is after `open`.
   */
  openPacket(
    arena: Uint8Array,
    offset: number,
    aadLength: number,
    length: number,
    counter: number,
    out: Uint8Array,
    outOffset: number
  ): number
  /** Overwrites the key bytes that this object owns; later calls return -1. */
  destroy(): void
}

/**
 * The AEAD service. `makeKey` copies the 32-byte key, so the caller may overwrite its own; it throws `CryptoError`
 * with reason `KeyLength`.
 *
 * @since 0.1.0
 * @category models
 */
export interface AeadShape {
  readonly makeKey: (algorithm: AeadAlgorithm, key: Uint8Array) => AeadKey
  /**
   * Says that a packet of each of the first `count` keys will be sealed (`sealing`), or opened, in a moment. A hint for
   * those who have thousands of keys that take turns; where it is absent, there is nothing to be won.
   */
  readonly prefetch?: ((keys: ReadonlyArray<AeadKey>, count: number, sealing: boolean) => void) | undefined
}

/**
 * The AEAD of the context.
 *
 * @since 0.1.0
 * @category tags
 */
export class Aead extends Context.Tag("@intentra/crypto/Aead")<Aead, AeadShape>() {}

/**
 * `sealPacket` for the packets `i` from `from` to `from + count - 1`. Packet `i` takes the `lengths[i]` bytes from
 * `offsets[i]`, the tag's 16 included: lengths are those on the wire, before and after. The first is sealed under
 * `firstCounter`, each other one under the next. Stops at the first that is refused. Returns how many were sealed, or
 * -1 when the range is not within both arrays.
 *
 * @since 0.1.0
 * @category packets
 */
export const sealPackets = (
  key: AeadKey,
  arena: Uint8Array,
  offsets: Uint32Array,
  lengths: Uint32Array,
  from: number,
  count: number,
  aadLength: number,
  firstCounter: number
): number => {
  const end = from + count
  if (!isUint32(from) || !isUint32(count) || end > offsets.length || end > lengths.length) return -1
  for (let i = 0; i < count; i++) {
    const at = from + i
    const plaintextLength = lengths[at] - aadLength - TAG_BYTES
    if (key.sealPacket(arena, offsets[at], aadLength, plaintextLength, firstCounter + i) < 0) return i
  }
  return count
}

/**
 * `openPacket` for the packets `i` from `from` to `from + count - 1`: `lengths[i]` bytes from `offsets[i]`, opened
 * under `counters[i]` into `out` from `outOffsets[i]`; `results[i]` becomes the plaintext's length or -1. One that is
 * refused does not hinder the next. Returns how many were opened, or -1 when the range is not within all arrays.
 *
 * @since 0.1.0
 * @category packets
 */
export const openPackets = (
  key: AeadKey,
  arena: Uint8Array,
  offsets: Uint32Array,
  lengths: Uint32Array,
  from: number,
  count: number,
  aadLength: number,
  counters: Float64Array,
  out: Uint8Array,
  outOffsets: Uint32Array,
  results: Int32Array
): number => {
  const end = from + count
  const room = Math.min(offsets.length, lengths.length, counters.length, outOffsets.length, results.length)
  if (!isUint32(from) || !isUint32(count) || end > room) return -1
  let opened = 0
  for (let i = from; i < end; i++) {
    const length = key.openPacket(arena, offsets[i], aadLength, lengths[i], counters[i], out, outOffsets[i])
    results[i] = length
    if (length >= 0) opened++
  }
  return opened
}
