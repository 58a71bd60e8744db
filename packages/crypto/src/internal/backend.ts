import { CryptoError } from "../CryptoError.js"
import { hashBytes } from "../Hash.js"
import { HKDF_INFO_BYTES, type HkdfShape } from "../Hkdf.js"
import type { MacShape } from "../Mac.js"
import { DH_BYTES, type X25519Shape } from "../X25519.js"
import { requireKeyLength } from "./bytes.js"

/**
 * The checks that every backend's X25519 shares. `agree` gets two 32-byte keys and returns `undefined` for a public
 * key of low order.
 *
 * @internal
 */
export const makeX25519 = (
  derive: (secretKey: Uint8Array) => Uint8Array,
  agree: (secretKey: Uint8Array, publicKey: Uint8Array) => Uint8Array | undefined
): X25519Shape => ({
  publicKey: (secretKey) => {
    requireKeyLength("X25519.publicKey", secretKey, DH_BYTES)
    return derive(secretKey)
  },
  generate: (fill) => {
    const secretKey = new Uint8Array(new ArrayBuffer(DH_BYTES))
    fill(secretKey)
    return { secretKey, publicKey: derive(secretKey) }
  },
  sharedSecret: (secretKey, publicKey) => {
    requireKeyLength("X25519.sharedSecret", secretKey, DH_BYTES)
    requireKeyLength("X25519.sharedSecret", publicKey, DH_BYTES)
    const secret = agree(secretKey, publicKey)
    if (secret === undefined) {
      throw new CryptoError({ reason: "AllZeroSharedSecret", operation: "X25519.sharedSecret" })
    }
    return secret
  }
})

/** @internal */
export const makeHkdf = (derive: HkdfShape["derive"]): HkdfShape => ({
  derive: (algorithm, ikm, salt, info, length) => {
    const most = 255 * hashBytes(algorithm)
    if (!Number.isInteger(length) || length < 0 || length > most) {
      throw new CryptoError({ reason: "OutputLength", operation: "Hkdf.derive", expected: most, actual: length })
    }
    if (info.length > HKDF_INFO_BYTES) {
      throw new CryptoError({
        reason: "InfoLength",
        operation: "Hkdf.derive",
        expected: HKDF_INFO_BYTES,
        actual: info.length
      })
    }
    return derive(algorithm, ikm, salt, info, length)
  }
})

/**
 * HKDF (RFC 5869, sections 2.2 and 2.3) over an HMAC.
 *
 * @internal
 */
export const expandFrom = (hmac: MacShape["hmac"]): HkdfShape["derive"] => (algorithm, ikm, salt, info, length) => {
  const bytes = hashBytes(algorithm)
  // no salt is a salt of zeros, and HMAC pads its key with zeros
  const key = hmac(algorithm, salt, ikm)
  const out = new Uint8Array(length)
  // the previous block, info, and the number of this block
  const message = new Uint8Array(bytes + info.length + 1)
  message.set(info, bytes)
  for (let block = 1, written = 0; written < length; block++, written += bytes) {
    message[message.length - 1] = block
    const next = hmac(algorithm, key, block === 1 ? message.subarray(bytes) : message)
    out.set(next.subarray(0, Math.min(bytes, length - written)), written)
    message.set(next)
    next.fill(0)
  }
  message.fill(0)
  key.fill(0)
  return out
}
