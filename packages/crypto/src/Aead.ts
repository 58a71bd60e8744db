/**
 * Authenticated encryption with associated data, over buffers of the caller.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

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
 * One AEAD key. Its methods are synchronous, never throw, and answer with a number of bytes or -1. `out` may begin at
 * the first byte of the input (in place); it must not overlap `nonce` or `aad`.
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
   * short, the nonce is not 12 bytes, or the key was destroyed; `out` then holds no unauthenticated plaintext.
   */
  open(nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array, out: Uint8Array): number
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
}

/**
 * @since 0.1.0
 * @category tags
 */
export class Aead extends Context.Tag("@intentra/crypto/Aead")<Aead, AeadShape>() {}
