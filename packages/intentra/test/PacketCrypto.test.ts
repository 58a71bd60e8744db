import { assert, describe, it } from "@effect/vitest"
import { noble, node } from "@intentra/crypto"
import { FastCheck as fc } from "effect"
import { createCipheriv, createDecipheriv } from "node:crypto"
import * as PacketCrypto from "../src/PacketCrypto.js"
import { HEADER_BYTES } from "../src/PacketHeader.js"

/** The nonce of the protocol, written down a second time: four zero bytes, then the packet number in 64 bits. */
const nonceOf = (seq: number): Buffer => {
  const nonce = Buffer.alloc(12)
  nonce.writeBigUInt64BE(BigInt(seq), 4)
  return nonce
}

const openWithNode = (key: Uint8Array, datagram: Uint8Array, seq: number): Buffer => {
  const decipher = createDecipheriv("aes-256-gcm", key, nonceOf(seq))
  decipher.setAAD(datagram.subarray(0, 16))
  decipher.setAuthTag(datagram.subarray(datagram.length - 16))
  return Buffer.concat([decipher.update(datagram.subarray(16, datagram.length - 16)), decipher.final()])
}

const sealWithNode = (key: Uint8Array, header: Uint8Array, plaintext: Uint8Array, seq: number): Buffer => {
  const cipher = createCipheriv("aes-256-gcm", key, nonceOf(seq))
  cipher.setAAD(header)
  return Buffer.concat([header, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

const packet = fc.record({
  key: bytes(32),
  header: bytes(HEADER_BYTES),
  plaintext: fc.uint8Array({ maxLength: 400 }),
  seq: fc.oneof(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 1)),
  offset: fc.nat(50)
})

describe.each([["node", node], ["noble", noble]])("PacketCrypto over %s", (_, backend) => {
  const crypto = PacketCrypto.make(backend.aead)

  const seal = ({ header, key, offset, plaintext, seq }: typeof packet extends fc.Arbitrary<infer P> ? P : never) => {
    const arena = new Uint8Array(offset + HEADER_BYTES + plaintext.length + PacketCrypto.TAG_BYTES + 20).fill(0xee)
    arena.set(header, offset)
    arena.set(plaintext, offset + HEADER_BYTES)
    const length = crypto.makeKey(key).sealPacket(arena, offset, HEADER_BYTES, plaintext.length, seq)
    return { arena, length, datagram: arena.slice(offset, offset + length) }
  }

  it.prop(
    "a sealed packet opens with AES-256-GCM alone: its header is the associated data, its number the nonce",
    [packet],
    ([given]) => {
      const { arena, datagram, length } = seal(given)
      assert.strictEqual(length, HEADER_BYTES + given.plaintext.length + PacketCrypto.TAG_BYTES)
      assert.deepStrictEqual(datagram.subarray(0, HEADER_BYTES), given.header)
      assert.deepStrictEqual(
        Uint8Array.from(openWithNode(given.key, datagram, given.seq)),
        Uint8Array.from(given.plaintext)
      )
      arena.forEach((byte, i) => {
        if (i < given.offset || i >= given.offset + length) assert.strictEqual(byte, 0xee)
      })
    }
  )

  it.prop("a packet sealed with AES-256-GCM alone opens here, where it stands in a batch", [packet], ([given]) => {
    const sealed = sealWithNode(given.key, given.header, given.plaintext, given.seq)
    const arena = new Uint8Array(given.offset + sealed.length + 9)
    arena.set(sealed, given.offset)
    const out = new Uint8Array(2048)
    const length = crypto.makeKey(given.key).openPacket(
      arena,
      given.offset,
      HEADER_BYTES,
      sealed.length,
      given.seq,
      out,
      0
    )
    assert.strictEqual(length, given.plaintext.length)
    assert.deepStrictEqual(out.slice(0, length), Uint8Array.from(given.plaintext))
  })

  it.prop(
    "a packet with any bit changed, header included, or under another number or key, does not open",
    [packet, fc.nat(), fc.integer({ min: 0, max: 2 ** 32 - 1 }), bytes(32)],
    ([given, at, otherSeq, otherKey]) => {
      const { datagram, length } = seal(given)
      const out = new Uint8Array(2048)
      const key = crypto.makeKey(given.key)
      assert.strictEqual(key.openPacket(datagram, 0, HEADER_BYTES, length, given.seq, out, 0), given.plaintext.length)
      const bit = at % (length * 8)
      const forged = datagram.slice()
      forged[bit >>> 3] ^= 1 << (bit & 7)
      assert.strictEqual(key.openPacket(forged, 0, HEADER_BYTES, length, given.seq, out, 0), -1)
      if (otherSeq !== given.seq) {
        assert.strictEqual(key.openPacket(datagram, 0, HEADER_BYTES, length, otherSeq, out, 0), -1)
      }
      if (Buffer.compare(otherKey, given.key) !== 0) {
        assert.strictEqual(
          crypto.makeKey(otherKey).openPacket(datagram, 0, HEADER_BYTES, length, given.seq, out, 0),
          -1
        )
      }
      if (length > 33) assert.strictEqual(key.openPacket(datagram, 0, HEADER_BYTES, length - 1, given.seq, out, 0), -1)
    }
  )

  it("one key seals and opens packets in any order, each under its own number", () => {
    const key = crypto.makeKey(new Uint8Array(32).fill(3))
    const packets = Array.from({ length: 20 }, (_, seq) => {
      const arena = new Uint8Array(64).fill(seq)
      return arena.subarray(0, key.sealPacket(arena, 0, HEADER_BYTES, 10, seq))
    })
    const out = new Uint8Array(64)
    for (const seq of [19, 0, 7, 7, 3, 12]) {
      assert.strictEqual(key.openPacket(packets[seq], 0, HEADER_BYTES, packets[seq].length, seq, out, 0), 10)
      assert.isTrue(out.subarray(0, 10).every((byte) => byte === seq))
    }
  })

  it("a destroyed key seals and opens nothing, and does not throw", () => {
    const key = crypto.makeKey(new Uint8Array(32).fill(4))
    const arena = new Uint8Array(64)
    const length = key.sealPacket(arena, 0, HEADER_BYTES, 10, 0)
    key.destroy()
    assert.strictEqual(key.openPacket(arena, 0, HEADER_BYTES, length, 0, new Uint8Array(64), 0), -1)
    assert.strictEqual(key.sealPacket(new Uint8Array(64), 0, HEADER_BYTES, 10, 1), -1)
  })
})
