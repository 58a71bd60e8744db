/**
 * The OpenSSL that Node itself runs on, called without the layers between: AES-256-GCM, ChaCha20-Poly1305, X25519,
 * hashes, HMAC and HKDF over the EVP functions that the running program exports (OpenSSL 3). A packet costs an eighth of
 * what it costs through node:crypto.
 *
 * @since 0.1.0
 */
import { FfiError } from "./FfiError.js"
import { openOpenSsl } from "./internal/openOpenSsl.js"

/**
 * AES-256-GCM (NIST SP 800-38D) or ChaCha20-Poly1305 (RFC 8439): 32-byte keys, 12-byte nonces, 16-byte tags.
 *
 * @since 0.1.0
 * @category models
 */
export type CipherAlgorithm = "AES-256-GCM" | "ChaCha20-Poly1305"

/**
 * SHA-256 and SHA-512 (FIPS 180-4), BLAKE2s-256 and BLAKE2b-512 (RFC 7693).
 *
 * @since 0.1.0
 * @category models
 */
export type DigestAlgorithm = "SHA256" | "SHA512" | "BLAKE2s" | "BLAKE2b"

/**
 * One AEAD key, and the OpenSSL context of each direction that it is used in. Its methods never throw; they answer with
 * a number of bytes or -1. No length or offset reaches OpenSSL before it was found to lie within its array.
 *
 * @since 0.1.0
 * @category models
 */
export interface AeadCipher {
  readonly algorithm: CipherAlgorithm
  /**
   * Writes ciphertext and tag at the start of `out`, returns their length. `out` may begin at the plaintext's first byte
   * and must not overlap it otherwise. -1: `out` is too short, the nonce is not 12 bytes, or the key was destroyed.
   */
  readonly seal: (nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array) => number
  /**
   * Writes the plaintext at the start of `out`, returns its length. -1 for what `seal` refuses, and when the packet does
   * not authenticate: where the plaintext would be are then the bytes as they were, or zeros.
   */
  readonly open: (nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array, out: Uint8Array) => number
  /**
   * Seals in place: `aadLength` bytes from `offset`, then `plaintextLength` bytes, which ciphertext and tag replace,
   * under Noise's nonce of the counter: 4 zero bytes, then 64 bits, big-endian for AES-256-GCM, little-endian for
   * ChaCha20-Poly1305. Returns the length of all of it. Counters in order are the fastest for AES-256-GCM.
   */
  readonly sealPacket: (
    arena: Uint8Array,
    offset: number,
    aadLength: number,
    plaintextLength: number,
    counter: number
  ) => number
  /**
   * Opens the packet of `length` bytes, associated data and tag included, and writes its plaintext into `out` from
   * `outOffset`: where the ciphertext is, or clear of it. Returns the plaintext's length, -1 as `open` does.
   */
  readonly openPacket: (
    arena: Uint8Array,
    offset: number,
    aadLength: number,
    length: number,
    counter: number,
    out: Uint8Array,
    outOffset: number
  ) => number
  /** Overwrites the key and frees the contexts, which OpenSSL overwrites; later calls return -1. */
  readonly destroy: () => void
}

/**
 * OpenSSL's functions, bound and tested. They are not for sharing between threads: each loads its own.
 *
 * @since 0.1.0
 * @category models
 */
export interface OpenSsl {
  /** As in `3.0.19`. */
  readonly version: string
  /**
   * Whether what a packet wants of OpenSSL is one native call: on x64, where the system lets memory be made executable. It
   * is several calls otherwise, and takes more than half as long again.
   */
  readonly joined: boolean
  /** Cipher contexts that were made and not freed: at most two for a key, none after its `destroy`. */
  readonly liveContexts: number
  /** A key, of which the 32 bytes are copied; another length throws a `RangeError`. */
  readonly makeCipher: (algorithm: CipherAlgorithm, key: Uint8Array) => AeadCipher
  /**
   * Says that a packet of each of the first `count` keys, at best of 16 in a row, will be sealed, or opened, in a
   * moment: where thousands of keys take turns, what they need is fetched meanwhile. It changes nothing else.
   */
  readonly prefetch: (keys: ReadonlyArray<AeadCipher>, count: number, sealing: boolean) => void
  /** The X25519 public key of a secret key: 32 bytes each. */
  readonly x25519PublicKey: (secretKey: Uint8Array) => Uint8Array
  /** The X25519 shared secret (RFC 7748), 32 bytes; `undefined` for a public key of low order. */
  readonly x25519: (secretKey: Uint8Array, publicKey: Uint8Array) => Uint8Array | undefined
  /** A fresh array of 32 or 64 bytes. */
  readonly digest: (algorithm: DigestAlgorithm, data: Uint8Array) => Uint8Array
  /** HMAC (RFC 2104) over one of the hashes, under a key of any length, as a fresh array. */
  readonly hmac: (algorithm: DigestAlgorithm, key: Uint8Array, data: Uint8Array) => Uint8Array
  /**
   * HKDF-Expand (RFC 5869, section 2.3): `length` bytes out of a key, as a fresh array. Throws a `RangeError` for more
   * than 255 blocks, and for more than 1,024 bytes of `info`.
   */
  readonly hkdfExpand: (algorithm: DigestAlgorithm, key: Uint8Array, info: Uint8Array, length: number) => Uint8Array
}

const best = (): OpenSsl | FfiError => {
  const joined = openOpenSsl(true)
  return joined instanceof FfiError && joined.reason === "SelfTestFailed" ? openOpenSsl(false) : joined
}

let loaded: OpenSsl | FfiError | undefined

/**
 * OpenSSL's functions, or why there are none: bound, and tested with known vectors, at the first call in a thread. It
 * never throws. Whoever gets an `FfiError` goes through node:crypto instead.
 *
 * @example
 * import { FfiError, OpenSsl } from "@intentra/ffi"
 *
 * const openSsl = OpenSsl.load()
 * console.log(openSsl instanceof FfiError ? openSsl.message : openSsl.version)
 *
 * @since 0.1.0
 * @category constructors
 */
export const load = (): OpenSsl | FfiError => {
  loaded ??= best()
  return loaded
}
