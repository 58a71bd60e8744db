/**
 * Diffie-Hellman over Curve25519 (RFC 7748).
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * Bytes of an X25519 secret key, public key and shared secret.
 *
 * @since 0.1.0
 * @category constants
 */
export const DH_BYTES = 32

/**
 * An X25519 key pair: 32 raw bytes each. The secret key is as drawn; clamping happens at use (RFC 7748, section 5).
 *
 * @since 0.1.0
 * @category models
 */
export interface X25519KeyPair {
  readonly secretKey: Uint8Array
  readonly publicKey: Uint8Array
}

/**
 * The X25519 service. All keys are 32 raw bytes; another length throws `CryptoError` with reason `KeyLength`.
 *
 * @since 0.1.0
 * @category models
 */
export interface X25519Shape {
  /** The public key of a secret key. */
  readonly publicKey: (secretKey: Uint8Array) => Uint8Array
  /** A key pair whose 32 secret bytes are drawn with one call of `fill`: deterministic under a seeded `Entropy`. */
  readonly generate: (fill: (out: Uint8Array) => void) => X25519KeyPair
  /**
   * The 32-byte shared secret. Throws `CryptoError` with reason `AllZeroSharedSecret` for a public key of low order;
   * other non-canonical public keys are accepted, as RFC 7748 section 5 says.
   */
  readonly sharedSecret: (secretKey: Uint8Array, publicKey: Uint8Array) => Uint8Array
}

/**
 * The Diffie-Hellman function of the context.
 *
 * @since 0.1.0
 * @category tags
 */
export class X25519 extends Context.Tag("@intentra/crypto/X25519")<X25519, X25519Shape>() {}
