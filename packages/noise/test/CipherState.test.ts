import { assert, describe, it } from "@effect/vitest"
import { noble, node } from "@intentra/crypto"
import { FastCheck as fc } from "effect"
import { createCipheriv } from "node:crypto"
import { CipherState, MAX_MESSAGE_BYTES, NoiseError } from "../src/index.js"
import type { CipherName, NoiseErrorReason } from "../src/index.js"
import { bytes, empty, hex, unhex } from "./support/bytes.js"

const cipher = fc.constantFrom<CipherName>("AESGCM", "ChaChaPoly")
const LAST = (1n << 64n) - 2n
const counter = fc.oneof(fc.bigInt(0n, LAST), fc.constantFrom(0n, (1n << 32n) - 1n, 1n << 32n, (1n << 53n) - 1n, LAST))

const refuses = (reason: NoiseErrorReason, run: () => unknown): void => {
  try {
    run()
  } catch (error) {
    assert.instanceOf(error, NoiseError)
    assert.strictEqual(error.reason, reason)
    return
  }
  assert.fail(`not refused with ${reason}`)
}

/** The AEAD of section 12 straight from the platform. */
const seal = (name: CipherName, key: Uint8Array, n: bigint, ad: Uint8Array, plaintext: Uint8Array): string => {
  const nonce = Buffer.alloc(12)
  if (name === "AESGCM") nonce.writeBigUInt64BE(n, 4)
  else nonce.writeBigUInt64LE(n, 4)
  const aead = createCipheriv(
    (name === "AESGCM" ? "aes-256-gcm" : "chacha20-poly1305") as "aes-256-gcm",
    key,
    nonce,
    { authTagLength: 16 }
  )
  aead.setAAD(ad)
  return Buffer.concat([aead.update(plaintext), aead.final(), aead.getAuthTag()]).toString("hex")
}

describe("CipherState", () => {
  it.prop("AESGCM counts big-endian and ChaChaPoly little-endian, over 64 bits", [
    cipher,
    bytes(32, 32),
    counter,
    bytes(0, 40),
    bytes(0, 100)
  ], ([name, key, n, ad, plaintext]) => {
    const state = CipherState.unsafeMake(name, key)
    state.setNonce(n)
    assert.strictEqual(hex(state.encryptWithAd(ad, plaintext)), seal(name, key, n, ad, plaintext))
    assert.strictEqual(BigInt(state.nonce), n + 1n)
  })

  it.prop("what one side encrypts the other decrypts, message by message, on either backend", [
    cipher,
    bytes(32, 32),
    fc.array(fc.record({ ad: bytes(0, 20), plaintext: bytes(0, 300) }), { maxLength: 8 })
  ], ([name, key, messages]) => {
    const sender = CipherState.unsafeMake(name, key, node)
    const receiver = CipherState.unsafeMake(name, key, noble)
    for (const { ad, plaintext } of messages) {
      const ciphertext = sender.encryptWithAd(ad, plaintext)
      assert.strictEqual(hex(receiver.decryptWithAd(ad, ciphertext)), hex(plaintext))
    }
    assert.deepStrictEqual([sender.nonce, receiver.nonce], [messages.length, messages.length])
  })

  it.prop("a message with a flipped bit is refused, and the genuine one still opens", [
    cipher,
    bytes(32, 32),
    bytes(1, 20),
    bytes(0, 60),
    fc.nat()
  ], ([name, key, ad, plaintext, at]) => {
    const ciphertext = CipherState.unsafeMake(name, key).encryptWithAd(ad, plaintext)
    const receiver = CipherState.unsafeMake(name, key)
    const forged = ciphertext.slice()
    const bit = at % (forged.length * 8)
    forged[bit >> 3] ^= 1 << (bit & 7)
    const before = hex(forged)
    refuses("DecryptFailed", () => receiver.decryptWithAd(ad, forged))
    refuses("DecryptFailed", () => receiver.decryptWithAd(ad.subarray(1), ciphertext))
    assert.strictEqual(hex(forged), before)
    assert.strictEqual(receiver.nonce, 0)
    assert.strictEqual(hex(receiver.decryptWithAd(ad, ciphertext)), hex(plaintext))
  })

  it.prop("rekey takes the first 32 bytes of 32 zeros encrypted under nonce 2^64-1, and keeps the nonce", [
    cipher,
    bytes(32, 32),
    fc.nat()
  ], ([name, key, n]) => {
    const state = CipherState.unsafeMake(name, key)
    state.setNonce(n)
    state.rekey()
    const next = unhex(seal(name, key, (1n << 64n) - 1n, empty, new Uint8Array(32))).subarray(0, 32)
    assert.strictEqual(state.nonce, n)
    assert.strictEqual(hex(state.encryptWithAd(empty, key)), seal(name, next, BigInt(n), empty, key))
  })

  it("nonce 2^64-2 is the last one, 2^64-1 is refused, and rekey does not bring it back", () => {
    const key = new Uint8Array(32)
    const state = CipherState.unsafeMake("ChaChaPoly", key)
    state.setNonce(LAST)
    const ciphertext = state.encryptWithAd(empty, key)
    assert.strictEqual(hex(ciphertext), seal("ChaChaPoly", key, LAST, empty, key))
    refuses("NonceExhausted", () => state.encryptWithAd(empty, key))
    refuses("NonceExhausted", () => state.decryptWithAd(empty, ciphertext))
    state.rekey()
    refuses("NonceExhausted", () => state.encryptWithAd(empty, key))
  })

  it("the nonce is a number up to 2^53-1 and an exact bigint above", () => {
    const state = CipherState.unsafeMake("AESGCM", new Uint8Array(32))
    state.setNonce(Number.MAX_SAFE_INTEGER)
    assert.strictEqual(state.nonce, Number.MAX_SAFE_INTEGER)
    state.encryptWithAd(empty, empty)
    assert.strictEqual(state.nonce, 1n << 53n)
    state.setNonce((1n << 53n) + 1n)
    assert.strictEqual(state.nonce, (1n << 53n) + 1n)
  })

  it("setNonce refuses what is no 64-bit integer", () => {
    const state = CipherState.unsafeMake("AESGCM", new Uint8Array(32))
    for (const nonce of [-1, 0.5, NaN, Infinity, 2 ** 53, -1n, 1n << 64n]) {
      refuses("InvalidNonce", () => state.setNonce(nonce))
    }
    assert.strictEqual(state.nonce, 0)
  })

  it("no message is longer than 65,535 bytes or shorter than its tag", () => {
    const state = CipherState.unsafeMake("AESGCM", new Uint8Array(32))
    assert.strictEqual(state.encryptWithAd(empty, new Uint8Array(MAX_MESSAGE_BYTES - 16)).length, MAX_MESSAGE_BYTES)
    refuses("MessageTooLong", () => state.encryptWithAd(empty, new Uint8Array(MAX_MESSAGE_BYTES - 15)))
    refuses("MessageTooLong", () => state.decryptWithAd(empty, new Uint8Array(MAX_MESSAGE_BYTES + 1)))
    refuses("MessageTooShort", () => state.decryptWithAd(empty, new Uint8Array(15)))
    assert.strictEqual(state.nonce, 1)
  })

  it("the key is copied, and a key of another length is refused", () => {
    const key = new Uint8Array(32).fill(7)
    const state = CipherState.unsafeMake("AESGCM", key)
    const expected = seal("AESGCM", key, 0n, empty, empty)
    key.fill(0)
    assert.strictEqual(hex(state.encryptWithAd(empty, empty)), expected)
    refuses("InvalidKeyLength", () => CipherState.unsafeMake("AESGCM", new Uint8Array(31)))
  })

  it("a destroyed cipher state refuses every use", () => {
    const state = CipherState.unsafeMake("AESGCM", new Uint8Array(32))
    state.destroy()
    refuses("Destroyed", () => state.encryptWithAd(empty, empty))
    refuses("Destroyed", () => state.decryptWithAd(empty, new Uint8Array(16)))
    refuses("Destroyed", () => state.rekey())
    refuses("Destroyed", () => state.setNonce(1))
    state.destroy()
  })
})
