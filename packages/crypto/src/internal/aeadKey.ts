import { type AeadAlgorithm, type AeadKey, NONCE_BYTES, TAG_BYTES } from "../Aead.js"
import { isUint32 } from "./bytes.js"

/** Whether the number is a counter that Noise's nonce can carry exactly. */
const isCounter = (value: number): boolean => Number.isSafeInteger(value) && value >= 0

/** Whether a packet of these parts, tag included, lies within the arena. */
const fitsSeal = (arena: Uint8Array, offset: number, aadLength: number, plaintextLength: number): boolean =>
  isUint32(offset) && isUint32(aadLength) && isUint32(plaintextLength) &&
  offset + aadLength + plaintextLength + TAG_BYTES <= arena.length

/** Whether a packet lies within the arena, has room for its tag, and its plaintext lies within `out`. */
const fitsOpen = (
  arena: Uint8Array,
  offset: number,
  aadLength: number,
  length: number,
  out: Uint8Array,
  outOffset: number
): boolean =>
  isUint32(offset) && isUint32(aadLength) && isUint32(length) && isUint32(outOffset) &&
  aadLength + TAG_BYTES <= length && offset + length <= arena.length &&
  outOffset + length - aadLength - TAG_BYTES <= out.length

/** Whether two stretches of `length` bytes share some, but are not the same. */
const overlapsPartly = (a: number, b: number, length: number): boolean => a !== b && a < b + length && b < a + length

/**
 * Noise's nonce of a counter into the 12 bytes at `at`: four zeros, then 64 bits, big-endian for AESGCM, little-endian
 * for ChaChaPoly (Noise, sections 12.3 and 12.4).
 */
const writeNonce = (nonce: DataView, at: number, algorithm: AeadAlgorithm, counter: number): void => {
  const high = Math.floor(counter / 4294967296)
  if (algorithm === "AES-256-GCM") {
    nonce.setUint32(at + 4, high)
    nonce.setUint32(at + 8, counter)
  } else {
    nonce.setUint32(at + 4, counter, true)
    nonce.setUint32(at + 8, high, true)
  }
}

// Written and read within one synchronous call; the first four bytes stay zero.
const scratchNonce = new Uint8Array(NONCE_BYTES)
const scratchView = new DataView(scratchNonce.buffer)

/**
 * A key that offers packets over its `seal` and `open`.
 *
 * @internal
 */
export abstract class PortableKey implements AeadKey {
  abstract readonly algorithm: AeadAlgorithm
  abstract seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array): number
  abstract open(nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array, out: Uint8Array): number
  abstract destroy(): void

  sealPacket(
    arena: Uint8Array,
    offset: number,
    aadLength: number,
    plaintextLength: number,
    counter: number
  ): number {
    if (!isCounter(counter) || !fitsSeal(arena, offset, aadLength, plaintextLength)) return -1
    writeNonce(scratchView, 0, this.algorithm, counter)
    const start = offset + aadLength
    const end = start + plaintextLength
    const aad = arena.subarray(offset, start)
    const written = this.seal(scratchNonce, aad, arena.subarray(start, end), arena.subarray(start, end + TAG_BYTES))
    return written < 0 ? -1 : aadLength + written
  }

  openPacket(
    arena: Uint8Array,
    offset: number,
    aadLength: number,
    length: number,
    counter: number,
    out: Uint8Array,
    outOffset: number
  ): number {
    if (!isCounter(counter) || !fitsOpen(arena, offset, aadLength, length, out, outOffset)) return -1
    const start = offset + aadLength
    const end = offset + length
    const plaintextLength = end - start - TAG_BYTES
    if (
      out.buffer === arena.buffer &&
      overlapsPartly(out.byteOffset + outOffset, arena.byteOffset + start, plaintextLength)
    ) return -1
    writeNonce(scratchView, 0, this.algorithm, counter)
    return this.open(
      scratchNonce,
      arena.subarray(offset, start),
      arena.subarray(start, end),
      out.subarray(outOffset, outOffset + plaintextLength)
    )
  }
}
