/**
 * The HMAC-based key derivation function (RFC 5869).
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type { HashAlgorithm } from "./Hash.js"

/**
 * Most bytes of HKDF's `info`, on every backend.
 *
 * @since 0.1.0
 * @category constants
 */
export const HKDF_INFO_BYTES = 1024

/**
 * The HKDF service: extract, then expand, to `length` bytes (0 to `255 * hashBytes(algorithm)`). An empty salt means
 * RFC 5869's default of zeros. Throws `CryptoError` with reason `OutputLength` or `InfoLength`.
 *
 * @since 0.1.0
 * @category models
 */
export interface HkdfShape {
  readonly derive: (
    algorithm: HashAlgorithm,
    ikm: Uint8Array,
    salt: Uint8Array,
    info: Uint8Array,
    length: number
  ) => Uint8Array
}

/**
 * The key derivation of the context.
 *
 * @since 0.1.0
 * @category tags
 */
export class Hkdf extends Context.Tag("@intentra/crypto/Hkdf")<Hkdf, HkdfShape>() {}
