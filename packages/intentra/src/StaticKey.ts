/**
 * Static keys: X25519, 32 bytes, written as base64.
 *
 * @since 0.1.0
 */
import { Entropy, layerNode, X25519 } from "@intentra/crypto"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { IntentraError } from "./IntentraError.js"
import { invalidOption } from "./internal/invalidOption.js"

/**
 * Bytes of a secret key, a public key and a pre-shared key.
 *
 * @since 0.1.0
 * @category constants
 */
export const KEY_BYTES = 32

/**
 * A secret key and its public half, 32 bytes each.
 *
 * @since 0.1.0
 * @category models
 */
export interface KeyPair {
  readonly secretKey: Redacted.Redacted<Uint8Array>
  readonly publicKey: Uint8Array
}

/**
 * A new key pair.
 *
 * @since 0.1.0
 * @category constructors
 */
export const generate: Effect.Effect<KeyPair, never, Entropy | X25519> = Effect.map(
  Effect.all([Entropy, X25519]),
  ([entropy, x25519]) => {
    const pair = x25519.generate(entropy.fill)
    return { secretKey: Redacted.make(pair.secretKey), publicKey: pair.publicKey }
  }
)

/**
 * What {@link generate} and {@link publicKey} need, for programs that handle keys without a transport: the system's
 * entropy and Node's own X25519.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Entropy | X25519> = Layer.merge(layerNode, Entropy.layer)

/**
 * The public half of a secret key.
 *
 * @since 0.1.0
 * @category getters
 */
export const publicKey = (secretKey: Redacted.Redacted<Uint8Array>): Effect.Effect<Uint8Array, never, X25519> =>
  Effect.map(X25519, (x25519) => x25519.publicKey(Redacted.value(secretKey)))

/**
 * Base64 with padding: 44 characters.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (key: Uint8Array): string =>
  Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("base64")

/**
 * 32 bytes from base64 or base64url, with or without padding. `name` says in the error what it was meant to be.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (text: string, name = "key"): Either.Either<Uint8Array, IntentraError> => {
  const trimmed = text.trim()
  const bytes = /^[A-Za-z0-9+/_-]{43}=?$/.test(trimmed) ? Uint8Array.from(Buffer.from(trimmed, "base64")) : undefined
  return bytes !== undefined && bytes.length === KEY_BYTES
    ? Either.right(bytes)
    : Either.left(
      invalidOption(`${name} must be ${KEY_BYTES} bytes in base64 (44 characters): "intentra keygen" makes one`)
    )
}

/**
 * A list of public keys: separated by commas or white space, `#` begins a comment that ends with the line. A key may
 * be followed by a name on the same line of a file only behind a `#`.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decodeList = (
  text: string,
  name = "allow-list"
): Either.Either<ReadonlyArray<Uint8Array>, IntentraError> =>
  Either.all(
    text.split("\n").flatMap((line, index) =>
      line.replace(/#.*/, "").split(/[\s,]+/).filter((word) => word !== "").map((word) =>
        decode(word, `${name}, line ${index + 1}: "${word.length > 12 ? `${word.slice(0, 12)}…` : word}"`)
      )
    )
  )
