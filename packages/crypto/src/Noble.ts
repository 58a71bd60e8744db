/**
 * The portable reference backend: the audited noble libraries, plain JavaScript. This module loads nothing of Node.
 *
 * @since 0.1.0
 */
import { gcm } from "@noble/ciphers/aes.js"
import { chacha20poly1305 } from "@noble/ciphers/chacha.js"
import { x25519 } from "@noble/curves/ed25519.js"
import { blake2b, blake2s } from "@noble/hashes/blake2.js"
import { hkdf } from "@noble/hashes/hkdf.js"
import { hmac } from "@noble/hashes/hmac.js"
import { sha256, sha512 } from "@noble/hashes/sha2.js"
import type * as Layer from "effect/Layer"
import { type AeadAlgorithm, KEY_BYTES, NONCE_BYTES, TAG_BYTES } from "./Aead.js"
import { type CryptoBackend, type CryptoServices, layerBackend } from "./CryptoBackend.js"
import { PortableKey } from "./internal/aeadKey.js"
import { makeHkdf, makeX25519 } from "./internal/backend.js"
import { copySecret, requireKeyLength } from "./internal/bytes.js"

const hashes = { SHA256: sha256, SHA512: sha512, BLAKE2s: blake2s, BLAKE2b: blake2b }

class NobleKey extends PortableKey {
  private readonly key: Uint8Array
  private live = true

  constructor(readonly algorithm: AeadAlgorithm, key: Uint8Array) {
    super()
    this.key = copySecret(key)
  }

  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array): number {
    const length = plaintext.length + TAG_BYTES
    if (!this.live || nonce.length !== NONCE_BYTES || out.length < length) return -1
    try {
      if (this.algorithm === "AES-256-GCM") {
        out.set(gcm(this.key, nonce, aad).encrypt(plaintext))
      } else {
        chacha20poly1305(this.key, nonce, aad).encrypt(plaintext, out.subarray(0, length))
      }
      return length
    } catch {
      return -1
    }
  }

  open(nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array, out: Uint8Array): number {
    const length = ciphertext.length - TAG_BYTES
    if (!this.live || nonce.length !== NONCE_BYTES || length < 0 || out.length < length) return -1
    try {
      if (this.algorithm === "AES-256-GCM") {
        const plaintext = gcm(this.key, nonce, aad).decrypt(ciphertext)
        out.set(plaintext)
        plaintext.fill(0)
      } else {
        // noble compares the tag before it writes a byte of plaintext.
        chacha20poly1305(this.key, nonce, aad).decrypt(ciphertext, out.subarray(0, length))
      }
      return length
    } catch {
      return -1
    }
  }

  destroy(): void {
    this.live = false
    this.key.fill(0)
  }
}

/**
 * The noble backend.
 *
 * @since 0.1.0
 * @category constructors
 */
export const noble: CryptoBackend = {
  name: "noble",
  aead: {
    makeKey: (algorithm, key) => {
      requireKeyLength("Aead.makeKey", key, KEY_BYTES)
      return new NobleKey(algorithm, key)
    }
  },
  x25519: makeX25519(
    (secretKey) => x25519.getPublicKey(secretKey),
    (secretKey, publicKey) => {
      try {
        return x25519.getSharedSecret(secretKey, publicKey)
      } catch {
        // Both keys are 32 bytes here, so a public key of low order is all that noble can refuse.
        return undefined
      }
    }
  ),
  hash: { digest: (algorithm, data) => hashes[algorithm](data) },
  mac: { hmac: (algorithm, key, data) => hmac(hashes[algorithm], key, data) },
  hkdf: makeHkdf((algorithm, ikm, salt, info, length) => hkdf(hashes[algorithm], ikm, salt, info, length))
}

/**
 * Every service on the noble backend.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerNoble: Layer.Layer<CryptoServices> = layerBackend(noble)
