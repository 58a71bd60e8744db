/**
 * The one error of the cryptographic services. It is thrown by the calls that set something up (a key, an agreement,
 * a derivation); `seal` and `open` never throw.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * Why a cryptographic call was refused.
 *
 * - `KeyLength`: a key is not 32 bytes long.
 * - `AllZeroSharedSecret`: the peer's X25519 public key is of low order (RFC 7748, section 6.1).
 * - `InfoLength`: HKDF's `info` is longer than 1,024 bytes.
 * - `OutputLength`: HKDF was asked for more than 255 hashes, or for no whole number of bytes (RFC 5869, section 2.3).
 *
 * @since 0.1.0
 * @category models
 */
export type CryptoErrorReason = "KeyLength" | "AllZeroSharedSecret" | "InfoLength" | "OutputLength"

/**
 * A refused cryptographic call. `operation` is the call (`X25519.sharedSecret`), `expected` and `actual` are lengths in
 * bytes where the reason is a length. It never carries key bytes.
 *
 * @since 0.1.0
 * @category errors
 */
export class CryptoError extends Data.TaggedError("CryptoError")<{
  readonly reason: CryptoErrorReason
  readonly operation: string
  readonly expected?: number
  readonly actual?: number
}> {
  override get message(): string {
    switch (this.reason) {
      case "KeyLength":
        return `${this.operation}: the key has ${this.actual} bytes, not ${this.expected}; pass the raw key bytes, ` +
          "neither text nor an encoded key"
      case "AllZeroSharedSecret":
        return `${this.operation}: the public key is of low order, the shared secret would be all zeros; ` +
          "abort the handshake with this peer"
      case "InfoLength":
        return `${this.operation}: info has ${this.actual} bytes, at most ${this.expected} are allowed; ` +
          "pass a hash of it instead"
      case "OutputLength":
        return `${this.operation}: ${this.actual} bytes were asked for; ask for a whole number from 0 to ${this.expected}`
    }
  }
}
