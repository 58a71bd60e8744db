/**
 * The only source of keys, connection ids, cookie secrets and challenges.
 *
 * @since 0.1.0
 */
import { chacha20 } from "@noble/ciphers/chacha.js"
import { sha256 } from "@noble/hashes/sha2.js"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import { randomFillSync } from "node:crypto"
import { POOL_BYTES, pooled } from "./internal/pool.js"

/**
 * The entropy service. `fill` overwrites every byte of `out`; `uint32` draws a uniform whole number from 0 to 2^32 - 1.
 *
 * @since 0.1.0
 * @category models
 */
export interface EntropyShape {
  readonly fill: (out: Uint8Array) => void
  readonly uint32: () => number
}

/**
 * What a seeded generator starts from. Seeds of different types never collide: `1` and `"1"` give different bytes.
 *
 * @since 0.1.0
 * @category models
 */
export type EntropySeed = number | string | Uint8Array

/**
 * The operating system's generator, through `crypto.randomFillSync` in chunks of 4,096 bytes, so that small draws are
 * cheap.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeSystem = (): EntropyShape => pooled((pool) => void randomFillSync(pool))

const encodeSeed = (seed: EntropySeed): Uint8Array => {
  if (typeof seed === "number") {
    const bytes = new Uint8Array(9)
    bytes[0] = 1
    // Adding 0 makes -0 the same seed as 0.
    new DataView(bytes.buffer).setFloat64(1, seed + 0)
    return bytes
  }
  const [type, body] = typeof seed === "string" ? [2, new TextEncoder().encode(seed)] as const : [3, seed] as const
  const bytes = new Uint8Array(1 + body.length)
  bytes[0] = type
  bytes.set(body, 1)
  return bytes
}

/**
 * **For tests and simulations only: whoever knows the seed knows every key.** The ChaCha20 keystream (RFC 8439, section
 * 2.4; zero nonce, counter from 0) under the key SHA-256(type || seed), where type is one byte: 1 for a number (seed: 8
 * bytes, IEEE 754 double, big-endian), 2 for a string (UTF-8), 3 for bytes. Draws are consecutive bytes of the
 * keystream, however they are cut; `uint32` reads four of them big-endian.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeSeeded = (seed: EntropySeed): EntropyShape => {
  const key = sha256(encodeSeed(seed))
  const nonce = new Uint8Array(12)
  const nonceView = new DataView(nonce.buffer)
  const zeros = new Uint8Array(POOL_BYTES)
  const blocks = POOL_BYTES / 64
  let counter = 0
  return pooled((pool) => {
    // The 32-bit block counter ends after 256 GiB; the stream then goes on under the next nonce.
    if (counter > 2 ** 32 - 1 - blocks) {
      counter = 0
      nonceView.setUint32(0, nonceView.getUint32(0) + 1)
    }
    chacha20(key, nonce, zeros, pool, counter)
    counter += blocks
  })
}

/**
 * The entropy service, with its layers.
 *
 * @since 0.1.0
 * @category tags
 */
export class Entropy extends Context.Tag("@intentra/crypto/Entropy")<Entropy, EntropyShape>() {
  /**
   * The operating system's generator: `makeSystem`.
   *
   * @since 0.1.0
   * @category layers
   */
  static readonly layer: Layer.Layer<Entropy> = Layer.sync(this, makeSystem)

  /**
   * **For tests and simulations only: whoever knows the seed knows every key.** Every build of the layer starts the
   * keystream anew: `makeSeeded`.
   *
   * @since 0.1.0
   * @category layers
   */
  static readonly layerSeeded = (seed: EntropySeed): Layer.Layer<Entropy> => Layer.sync(this, () => makeSeeded(seed))
}
