/**
 * The hash functions that the Noise Protocol Framework names.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * SHA-256 and SHA-512 (FIPS 180-4), BLAKE2s-256 and BLAKE2b-512 (RFC 7693), by their Noise names.
 *
 * @since 0.1.0
 * @category models
 */
export type HashAlgorithm = "SHA256" | "SHA512" | "BLAKE2s" | "BLAKE2b"

/**
 * Every hash algorithm.
 *
 * @since 0.1.0
 * @category constants
 */
export const hashAlgorithms: ReadonlyArray<HashAlgorithm> = ["SHA256", "SHA512", "BLAKE2s", "BLAKE2b"]

/**
 * Bytes of a digest (HASHLEN of Noise): 32 or 64.
 *
 * @since 0.1.0
 * @category constants
 */
export const hashBytes = (algorithm: HashAlgorithm): 32 | 64 =>
  algorithm === "SHA256" || algorithm === "BLAKE2s" ? 32 : 64

/**
 * Bytes of an input block (BLOCKLEN of Noise): 64 or 128.
 *
 * @since 0.1.0
 * @category constants
 */
export const blockBytes = (algorithm: HashAlgorithm): 64 | 128 =>
  algorithm === "SHA256" || algorithm === "BLAKE2s" ? 64 : 128

/**
 * The hash service. `digest` returns a fresh array of `hashBytes(algorithm)` bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface HashShape {
  readonly digest: (algorithm: HashAlgorithm, data: Uint8Array) => Uint8Array
}

/**
 * The hash functions of the context.
 *
 * @since 0.1.0
 * @category tags
 */
export class Hash extends Context.Tag("@intentra/crypto/Hash")<Hash, HashShape>() {}
