import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { type AeadKey, noble, TAG_BYTES } from "../src/index.js"
import {
  aeadAlgorithms,
  ascii,
  backends,
  bytes,
  flip,
  hex,
  reasonOf,
  toHex,
  unaligned,
  untouchedOrZeros,
  view
} from "./support.js"

const empty = new Uint8Array(0)
const nonce = new Uint8Array(12).fill(7)
const secret = new Uint8Array(32).map((_, i) => i + 1)

const sealed = (key: AeadKey, nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array => {
  const out = new Uint8Array(plaintext.length + TAG_BYTES)
  assert.strictEqual(key.seal(nonce, aad, plaintext, out), out.length)
  return out
}

const gcmKey = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"
const gcmText = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" +
  "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255"
const gcmCiphertext = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa" +
  "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"

const vectors = [
  {
    name: "GCM specification, test case 13",
    algorithm: "AES-256-GCM",
    key: "00".repeat(32),
    nonce: "00".repeat(12),
    aad: "",
    plaintext: "",
    ciphertext: "",
    tag: "530f8afbc74536b9a963b4f1c4cb738b"
  },
  {
    name: "GCM specification, test case 14",
    algorithm: "AES-256-GCM",
    key: "00".repeat(32),
    nonce: "00".repeat(12),
    aad: "",
    plaintext: "00".repeat(16),
    ciphertext: "cea7403d4d606b6e074ec5d3baf39d18",
    tag: "d0d1c8a799996bf0265b98b5d48ab919"
  },
  {
    name: "GCM specification, test case 15",
    algorithm: "AES-256-GCM",
    key: gcmKey,
    nonce: "cafebabefacedbaddecaf888",
    aad: "",
    plaintext: gcmText,
    ciphertext: gcmCiphertext,
    tag: "b094dac5d93471bdec1a502270e3cc6c"
  },
  {
    name: "GCM specification, test case 16",
    algorithm: "AES-256-GCM",
    key: gcmKey,
    nonce: "cafebabefacedbaddecaf888",
    aad: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
    plaintext: gcmText.slice(0, 120),
    ciphertext: gcmCiphertext.slice(0, 120),
    tag: "76fc6ece0f4e1768cddf8853bb2d551b"
  },
  {
    name: "RFC 8439, section 2.8.2",
    algorithm: "ChaCha20-Poly1305",
    key: "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
    nonce: "070000004041424344454647",
    aad: "50515253c0c1c2c3c4c5c6c7",
    plaintext: toHex(ascii(
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
    )),
    ciphertext: "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b" +
      "1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc" +
      "3ff4def08e4b7a9de576d26586cec64b6116",
    tag: "1ae10b594f09e26a7e902ecbd0600691"
  }
] as const

describe("all backends", () => {
  it.prop(
    "every backend seals to the same bytes and opens what any other sealed, at any alignment, apart and in place",
    [fc.constantFrom(...aeadAlgorithms), bytes(32, 32), bytes(12, 12), bytes(64), bytes(2048), fc.nat(7), fc.nat(40)],
    ([algorithm, key, nonce, aad, plaintext, offset, slack]) => {
      const wanted = sealed(noble.aead.makeKey(algorithm, key), nonce, aad, plaintext)
      for (const backend of backends) {
        const own = backend.aead.makeKey(algorithm, unaligned(key, offset))
        const n = unaligned(nonce, offset)
        const a = unaligned(aad, offset)

        const apart = view(wanted.length, offset, slack).fill(0xee)
        assert.strictEqual(own.seal(n, a, unaligned(plaintext, offset), apart), wanted.length)
        assert.deepStrictEqual(apart.slice(0, wanted.length), wanted)
        assert.isTrue(apart.subarray(wanted.length).every((byte) => byte === 0xee))

        const packet = view(wanted.length, offset, slack)
        packet.set(plaintext)
        assert.strictEqual(own.seal(n, a, packet.subarray(0, plaintext.length), packet), wanted.length)
        assert.deepStrictEqual(packet.slice(0, wanted.length), wanted)

        const opened = view(plaintext.length, offset, slack).fill(0xee)
        assert.strictEqual(own.open(n, a, unaligned(wanted, offset), opened), plaintext.length)
        assert.deepStrictEqual(opened.slice(0, plaintext.length), plaintext)
        assert.isTrue(opened.subarray(plaintext.length).every((byte) => byte === 0xee))

        const ciphertext = packet.subarray(0, wanted.length)
        assert.strictEqual(own.open(n, a, ciphertext, ciphertext), plaintext.length)
        assert.deepStrictEqual(packet.slice(0, plaintext.length), plaintext)
      }
    },
    { fastCheck: { numRuns: 200 } }
  )

  it.prop(
    "sealing and opening leave nonce, associated data and a separate input as they were",
    [fc.constantFrom(...aeadAlgorithms), bytes(12, 12), bytes(64), bytes(256)],
    ([algorithm, nonce, aad, plaintext]) => {
      for (const backend of backends) {
        const key = backend.aead.makeKey(algorithm, secret)
        const inputs = [nonce.slice(), aad.slice(), plaintext.slice()] as const
        const packet = sealed(key, ...inputs)
        const copy = packet.slice()
        assert.strictEqual(key.open(inputs[0], inputs[1], packet, new Uint8Array(256)), plaintext.length)
        assert.deepStrictEqual([...inputs, packet], [nonce, aad, plaintext, copy])
      }
    }
  )
})

for (const backend of backends) {
  describe(backend.name, () => {
    it.each(vectors)("seals and opens the vector of $name", (vector) => {
      const key = backend.aead.makeKey(vector.algorithm, hex(vector.key))
      const packet = sealed(key, hex(vector.nonce), hex(vector.aad), hex(vector.plaintext))
      assert.strictEqual(toHex(packet), vector.ciphertext + vector.tag)
      const out = new Uint8Array(packet.length - TAG_BYTES)
      assert.strictEqual(key.open(hex(vector.nonce), hex(vector.aad), packet, out), out.length)
      assert.strictEqual(toHex(out), vector.plaintext)
    })

    describe.each(aeadAlgorithms)("%s", (algorithm) => {
      const make = () => backend.aead.makeKey(algorithm, secret)

      it("no single flipped bit of nonce, associated data, ciphertext or tag opens", () => {
        const key = make()
        const aad = new Uint8Array(16).fill(3)
        const packet = sealed(key, nonce, aad, new Uint8Array(21).fill(9))
        const out = new Uint8Array(21)
        assert.strictEqual(key.open(nonce, aad, packet, out), 21)
        for (let bit = 0; bit < 8 * nonce.length; bit++) {
          assert.strictEqual(key.open(flip(nonce, bit), aad, packet, out), -1)
        }
        for (let bit = 0; bit < 8 * aad.length; bit++) {
          assert.strictEqual(key.open(nonce, flip(aad, bit), packet, out), -1)
        }
        for (let bit = 0; bit < 8 * packet.length; bit++) {
          assert.strictEqual(key.open(nonce, aad, flip(packet, bit), out), -1)
        }
      })

      it.prop(
        "a packet of any size with one flipped bit does not open, nor under a key with one flipped bit",
        [bytes(64), bytes(2048), fc.nat()],
        ([aad, plaintext, any]) => {
          const packet = sealed(make(), nonce, aad, plaintext)
          const out = new Uint8Array(plaintext.length)
          assert.strictEqual(make().open(nonce, aad, flip(packet, any % (8 * packet.length)), out), -1)
          const other = backend.aead.makeKey(algorithm, flip(secret, any % 256))
          assert.strictEqual(other.open(nonce, aad, packet, out), -1)
        }
      )

      it("associated data and ciphertext of other lengths do not open", () => {
        const key = make()
        const aad = new Uint8Array(16)
        const packet = sealed(key, nonce, aad, new Uint8Array(32))
        const out = new Uint8Array(64)
        const longer = new Uint8Array(49)
        longer.set(packet)
        assert.strictEqual(key.open(nonce, aad.subarray(1), packet, out), -1)
        assert.strictEqual(key.open(nonce, empty, packet, out), -1)
        assert.strictEqual(key.open(nonce, new Uint8Array(17), packet, out), -1)
        assert.strictEqual(key.open(nonce, aad, longer, out), -1)
        for (let length = 0; length < packet.length; length++) {
          assert.strictEqual(key.open(nonce, aad, packet.subarray(0, length), out), -1)
        }
      })

      it("an out one byte too short is -1 and stays untouched", () => {
        const key = make()
        const packet = sealed(key, nonce, empty, new Uint8Array(32).fill(1))
        const short = new Uint8Array(47).fill(0xee)
        assert.strictEqual(key.seal(nonce, empty, new Uint8Array(32), short), -1)
        assert.strictEqual(key.open(nonce, empty, packet, short.subarray(0, 31)), -1)
        assert.isTrue(short.every((byte) => byte === 0xee))
      })

      it("a nonce that is not 12 bytes is -1, never an exception", () => {
        const key = make()
        for (const length of [0, 8, 11, 13, 16]) {
          assert.strictEqual(key.seal(new Uint8Array(length), empty, new Uint8Array(4), new Uint8Array(64)), -1)
          assert.strictEqual(key.open(new Uint8Array(length), empty, new Uint8Array(32), new Uint8Array(64)), -1)
        }
      })

      it.prop(
        "a packet that does not authenticate gives out no plaintext, apart or in place, and touches nothing else",
        [bytes(2048, 1), fc.nat(), fc.nat(9)],
        ([plaintext, any, slack]) => {
          const key = make()
          const { length } = plaintext
          const packet = sealed(key, nonce, empty, plaintext)
          const forged = flip(packet, any % (8 * packet.length))
          const before = forged.slice()
          const out = new Uint8Array(length + slack).fill(0xee)
          assert.strictEqual(key.open(nonce, empty, forged, out), -1)
          assert.isTrue(untouchedOrZeros(out.subarray(0, length), out.slice().fill(0xee)))
          assert.isTrue(out.subarray(length).every((byte) => byte === 0xee))
          assert.deepStrictEqual(forged, before)
          const place = forged.slice()
          assert.strictEqual(key.open(nonce, empty, place, place), -1)
          assert.isTrue(untouchedOrZeros(place.subarray(0, length), forged))
          assert.deepStrictEqual(place.slice(length), forged.slice(length))
        }
      )

      it("a destroyed key overwrites its bytes, and seals and opens nothing", () => {
        const key = make()
        const packet = sealed(key, nonce, empty, new Uint8Array(8))
        const owned = Object.values(key).filter((value) => value instanceof Uint8Array)
        // native keys lie in a table of @intentra/ffi, whose tests look there
        assert.deepStrictEqual(owned, backend.name === "openssl" ? [] : [secret])
        key.destroy()
        key.destroy()
        for (const bytes of owned) assert.deepStrictEqual(bytes, new Uint8Array(32))
        assert.strictEqual(key.seal(nonce, empty, new Uint8Array(8), new Uint8Array(24)), -1)
        assert.strictEqual(key.open(nonce, empty, packet, new Uint8Array(8)), -1)
        assert.strictEqual(make().open(nonce, empty, packet, new Uint8Array(8)), 8)
      })

      it("a key owns a copy: overwriting the caller's bytes changes nothing", () => {
        const bytes = secret.slice()
        const key = backend.aead.makeKey(algorithm, bytes)
        bytes.fill(0)
        assert.deepStrictEqual(sealed(key, nonce, empty, empty), sealed(make(), nonce, empty, empty))
      })

      it("a key that is not 32 bytes is refused with the reason KeyLength", () => {
        for (const length of [0, 16, 24, 31, 33]) {
          assert.strictEqual(reasonOf(() => backend.aead.makeKey(algorithm, new Uint8Array(length))), "KeyLength")
        }
      })
    })
  })
}
