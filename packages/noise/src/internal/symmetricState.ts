import { hashBytes, KEY_BYTES, NONCE_BYTES, TAG_BYTES } from "@intentra/crypto"
import type { CryptoBackend, HashAlgorithm } from "@intentra/crypto"
import type { CipherName } from "../ProtocolName.js"
import { aeadOf, writeNonce } from "./nonce.js"

const EMPTY = new Uint8Array(0)

const concat = (a: Uint8Array, b: Uint8Array): Uint8Array => {
  const out = new Uint8Array(a.length + b.length)
  out.set(a)
  out.set(b, a.length)
  return out
}

/** The SymmetricState of section 5.2, with the handshake's CipherState folded in. `h` is replaced, never written to. */
export class SymmetricState {
  hasKey = false
  private n = 0
  private readonly k = new Uint8Array(KEY_BYTES)
  private readonly nonce = new Uint8Array(NONCE_BYTES)

  private constructor(
    private readonly crypto: CryptoBackend,
    private readonly cipher: CipherName,
    private readonly hash: HashAlgorithm,
    private readonly ck: Uint8Array,
    public h: Uint8Array
  ) {}

  static initialize(crypto: CryptoBackend, cipher: CipherName, hash: HashAlgorithm, name: string): SymmetricState {
    const label = new TextEncoder().encode(name)
    const ck = new Uint8Array(hashBytes(hash))
    ck.set(label.length <= ck.length ? label : crypto.hash.digest(hash, label))
    return new SymmetricState(crypto, cipher, hash, ck, ck.slice())
  }

  copy(): SymmetricState {
    const out = new SymmetricState(this.crypto, this.cipher, this.hash, this.ck.slice(), this.h)
    out.k.set(this.k)
    out.n = this.n
    out.hasKey = this.hasKey
    return out
  }

  wipe(): void {
    this.ck.fill(0)
    this.k.fill(0)
  }

  mixHash(data: Uint8Array): void {
    this.h = this.crypto.hash.digest(this.hash, concat(this.h, data))
  }

  mixKey(input: Uint8Array): void {
    const outputs = this.hkdf(input, 2)
    this.ck.set(outputs.subarray(0, this.ck.length))
    this.initializeKey(outputs, this.ck.length)
    outputs.fill(0)
  }

  mixKeyAndHash(input: Uint8Array): void {
    const size = this.ck.length
    const outputs = this.hkdf(input, 3)
    this.ck.set(outputs.subarray(0, size))
    this.mixHash(outputs.subarray(size, 2 * size))
    this.initializeKey(outputs, 2 * size)
    outputs.fill(0)
  }

  /** Writes at the start of `out`; returns the number of bytes written. */
  encryptAndHash(plaintext: Uint8Array, out: Uint8Array): number {
    let written = plaintext.length
    if (this.hasKey) {
      const key = this.crypto.aead.makeKey(aeadOf[this.cipher], this.k)
      written = key.seal(this.nextNonce(), this.h, plaintext, out)
      key.destroy()
      if (written < 0) throw new Error("the AEAD refused to seal")
    } else {
      out.set(plaintext)
    }
    this.mixHash(out.subarray(0, written))
    return written
  }

  /** The plaintext in a new array, or undefined when the input does not authenticate. */
  decryptAndHash(ciphertext: Uint8Array): Uint8Array | undefined {
    let plaintext: Uint8Array
    if (this.hasKey) {
      plaintext = new Uint8Array(ciphertext.length - TAG_BYTES)
      const key = this.crypto.aead.makeKey(aeadOf[this.cipher], this.k)
      const length = key.open(this.nextNonce(), this.h, ciphertext, plaintext)
      key.destroy()
      if (length < 0) return undefined
    } else {
      plaintext = new Uint8Array(ciphertext)
    }
    this.mixHash(ciphertext)
    return plaintext
  }

  /** The two transport keys, initiator's sending key first. Overwrites the chaining key. */
  split(): readonly [Uint8Array, Uint8Array] {
    const outputs = this.hkdf(EMPTY, 2)
    const first = new Uint8Array(outputs.subarray(0, KEY_BYTES))
    const second = new Uint8Array(outputs.subarray(this.ck.length, this.ck.length + KEY_BYTES))
    outputs.fill(0)
    this.wipe()
    return [first, second]
  }

  /** HKDF of section 4.3 is RFC 5869 with the chaining key as salt and no info. */
  private hkdf(input: Uint8Array, outputs: number): Uint8Array {
    return this.crypto.hkdf.derive(this.hash, input, this.ck, EMPTY, outputs * this.ck.length)
  }

  private initializeKey(outputs: Uint8Array, offset: number): void {
    this.k.set(outputs.subarray(offset, offset + KEY_BYTES))
    this.n = 0
    this.hasKey = true
  }

  private nextNonce(): Uint8Array {
    writeNonce(this.nonce, this.cipher, 0, this.n++)
    return this.nonce
  }
}
