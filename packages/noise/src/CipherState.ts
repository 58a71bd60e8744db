/**
 * The CipherState of the Noise Protocol Framework (section 5.1): one key, one direction, a counter as nonce.
 *
 * @since 0.1.0
 */
import { KEY_BYTES, node, NONCE_BYTES, TAG_BYTES } from "@intentra/crypto"
import type { AeadKey, CryptoBackend } from "@intentra/crypto"
import { aeadOf, writeNonce } from "./internal/nonce.js"
import { NoiseError } from "./NoiseError.js"
import type { NoiseErrorReason } from "./NoiseError.js"
import type { CipherName } from "./ProtocolName.js"

const TWO_32 = 4294967296
const EMPTY = new Uint8Array(0)

/**
 * The greatest Noise message in bytes, tag included (section 3).
 *
 * @since 0.1.0
 * @category constants
 */
export const MAX_MESSAGE_BYTES = 65_535

/**
 * Encrypts or decrypts the messages of one direction, in order, each under the next nonce. Nonces are 64-bit and exact:
 * 0 to 2^64-2 are for messages, 2^64-1 is reserved for `rekey`.
 *
 * @since 0.1.0
 * @category models
 */
export class CipherState {
  readonly #cipher: CipherName
  readonly #crypto: CryptoBackend
  readonly #nonceBytes = new Uint8Array(NONCE_BYTES)
  #key: AeadKey | undefined
  #closed: "Destroyed" | "OneWay" = "Destroyed"
  #hi = 0
  #lo = 0

  private constructor(cipher: CipherName, key: Uint8Array | undefined, crypto: CryptoBackend) {
    this.#cipher = cipher
    this.#crypto = crypto
    if (key === undefined) this.#closed = "OneWay"
    else this.#key = crypto.aead.makeKey(aeadOf[cipher], key)
  }

  /**
   * A cipher state with nonce 0. `key` is 32 bytes, copied. Throws a `NoiseError` with reason `InvalidKeyLength`.
   *
   * @since 0.1.0
   */
  static unsafeMake(cipher: CipherName, key: Uint8Array, crypto: CryptoBackend = node): CipherState {
    if (key.length !== KEY_BYTES) {
      throw new NoiseError({
        reason: "InvalidKeyLength",
        operation: "CipherState.unsafeMake",
        detail: `the cipher key has ${key.length} bytes instead of ${KEY_BYTES}`,
        part: "key"
      })
    }
    return new CipherState(cipher, key, crypto)
  }

  /** @internal The direction that a one-way pattern does not have: every use is refused. */
  static unusable(cipher: CipherName, crypto: CryptoBackend): CipherState {
    return new CipherState(cipher, undefined, crypto)
  }

  /**
   * The nonce of the next message: a number up to 2^53-1, a bigint above.
   *
   * @since 0.1.0
   */
  get nonce(): number | bigint {
    return this.#hi < 0x200000 ? this.#hi * TWO_32 + this.#lo : (BigInt(this.#hi) << 32n) | BigInt(this.#lo)
  }

  /**
   * Sets the nonce of the next message, an integer of 0 to 2^64-1 (`InvalidNonce` otherwise). For receivers of
   * out-of-order messages (section 11.4). Setting a sender back to a used nonce breaks the cipher.
   *
   * @since 0.1.0
   */
  setNonce(nonce: number | bigint): void {
    this.#use("setNonce")
    const valid = typeof nonce === "bigint"
      ? nonce >= 0n && nonce < 1n << 64n
      : Number.isSafeInteger(nonce) && nonce >= 0
    if (!valid) throw this.#refuse("InvalidNonce", "setNonce", `${nonce} is not a nonce`)
    if (typeof nonce === "bigint") {
      this.#hi = Number(nonce >> 32n)
      this.#lo = Number(nonce & 0xffffffffn)
    } else {
      this.#hi = Math.floor(nonce / TWO_32)
      this.#lo = nonce % TWO_32
    }
  }

  /**
   * Ciphertext and 16-byte tag, in a new array, and the nonce moves on. `ad` is authenticated, not sent. Throws a
   * `NoiseError`: `MessageTooLong` (above 65,519 bytes of plaintext), `NonceExhausted`, `OneWay`, `Destroyed`.
   *
   * @since 0.1.0
   */
  encryptWithAd(ad: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const key = this.#use("encryptWithAd")
    if (plaintext.length + TAG_BYTES > MAX_MESSAGE_BYTES) {
      throw this.#refuse(
        "MessageTooLong",
        "encryptWithAd",
        `the message would have ${plaintext.length + TAG_BYTES} bytes`
      )
    }
    const out = new Uint8Array(plaintext.length + TAG_BYTES)
    const written = key.seal(this.#nextNonce("encryptWithAd"), ad, plaintext, out)
    if (written < 0) throw new Error("the AEAD refused to seal")
    this.#advance()
    return out
  }

  /**
   * The plaintext, in a new array, and the nonce moves on. A message that does not authenticate is refused and the
   * nonce stays, so the genuine message can still be read. Throws a `NoiseError`: `DecryptFailed`, `MessageTooShort`,
   * `MessageTooLong`, `NonceExhausted`, `OneWay`, `Destroyed`.
   *
   * @since 0.1.0
   */
  decryptWithAd(ad: Uint8Array, ciphertext: Uint8Array): Uint8Array {
    const key = this.#use("decryptWithAd")
    if (ciphertext.length < TAG_BYTES || ciphertext.length > MAX_MESSAGE_BYTES) {
      const reason = ciphertext.length < TAG_BYTES ? "MessageTooShort" : "MessageTooLong"
      throw this.#refuse(reason, "decryptWithAd", `the message has ${ciphertext.length} bytes`)
    }
    const out = new Uint8Array(ciphertext.length - TAG_BYTES)
    if (key.open(this.#nextNonce("decryptWithAd"), ad, ciphertext, out) < 0) {
      throw this.#refuse("DecryptFailed", "decryptWithAd", `message ${this.nonce} does not authenticate`)
    }
    this.#advance()
    return out
  }

  /**
   * Replaces the key by a one-way function of it (sections 4.2 and 11.3) and overwrites the old one. The nonce stays.
   * Both parties must do it between the same two messages.
   *
   * @since 0.1.0
   */
  rekey(): void {
    const old = this.#use("rekey")
    const out = new Uint8Array(KEY_BYTES + TAG_BYTES)
    writeNonce(this.#nonceBytes, this.#cipher, 0xffffffff, 0xffffffff)
    old.seal(this.#nonceBytes, EMPTY, new Uint8Array(KEY_BYTES), out)
    this.#key = this.#crypto.aead.makeKey(aeadOf[this.#cipher], out.subarray(0, KEY_BYTES))
    old.destroy()
    out.fill(0)
  }

  /**
   * Overwrites the key. Later use is refused with `Destroyed`.
   *
   * @since 0.1.0
   */
  destroy(): void {
    this.#key?.destroy()
    this.#key = undefined
  }

  #use(operation: string): AeadKey {
    if (this.#key !== undefined) return this.#key
    throw this.#refuse(
      this.#closed,
      operation,
      this.#closed === "OneWay" ? "the pattern has no messages in this direction" : "the key was destroyed"
    )
  }

  #nextNonce(operation: string): Uint8Array {
    if (this.#hi === 0xffffffff && this.#lo === 0xffffffff) {
      throw this.#refuse("NonceExhausted", operation, "the nonce 2^64-1 is reserved")
    }
    writeNonce(this.#nonceBytes, this.#cipher, this.#hi, this.#lo)
    return this.#nonceBytes
  }

  #advance(): void {
    if (this.#lo === 0xffffffff) {
      this.#lo = 0
      this.#hi++
    } else {
      this.#lo++
    }
  }

  #refuse(reason: NoiseErrorReason, operation: string, detail: string): NoiseError {
    return new NoiseError({ reason, operation, detail })
  }
}
