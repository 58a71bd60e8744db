/**
 * Message authentication codes, and the comparison that belongs to them.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type { HashAlgorithm } from "./Hash.js"

/**
 * The MAC service: HMAC (RFC 2104) over any of the four hashes, as Noise uses it, with a key of any length. Returns a
 * fresh array of `hashBytes(algorithm)` bytes.
 *
 * @since 0.1.0
 * @category models
 */
export interface MacShape {
  readonly hmac: (algorithm: HashAlgorithm, key: Uint8Array, data: Uint8Array) => Uint8Array
}

/**
 * The HMAC of the context.
 *
 * @since 0.1.0
 * @category tags
 */
export class Mac extends Context.Tag("@intentra/crypto/Mac")<Mac, MacShape>() {}

/**
 * Whether two byte strings are equal, in a time that depends on their lengths only. Lengths are public: when they
 * differ, the answer is `false` at once. Portable; as constant in time as JavaScript allows.
 *
 * @since 0.1.0
 * @category guards
 */
export const constantTimeEqual = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= a[i] ^ b[i]
  return difference === 0
}
