import { CryptoError } from "../CryptoError.js"
import { hashBytes } from "../Hash.js"
import { HKDF_INFO_BYTES, type HkdfShape } from "../Hkdf.js"
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
    // newer versions of OpenSSL refuse to derive nothing
    return length === 0 ? new Uint8Array(0) : derive(algorithm, ikm, salt, info, length)
  }
})
