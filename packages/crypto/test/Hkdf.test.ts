import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { hashAlgorithms, hashBytes, HKDF_INFO_BYTES, noble } from "../src/index.js"
import { backends, bytes, hex, reasonOf, toHex, unaligned } from "./support.js"

const range = (from: number, to: number): string =>
  toHex(Uint8Array.from({ length: to - from + 1 }, (_, i) => from + i))

// RFC 5869, appendix A, the SHA-256 cases.
const vectors = [
  {
    test: "A.1",
    ikm: "0b".repeat(22),
    salt: range(0x00, 0x0c),
    info: range(0xf0, 0xf9),
    okm: "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
  },
  {
    test: "A.2",
    ikm: range(0x00, 0x4f),
    salt: range(0x60, 0xaf),
    info: range(0xb0, 0xff),
    okm: "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09" +
      "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
  },
  {
    test: "A.3",
    ikm: "0b".repeat(22),
    salt: "",
    info: "",
    okm: "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
  }
]

const none = new Uint8Array(0)

it.prop(
  "every backend derives the same bytes, for every hash and every length",
  [
    fc.constantFrom(...hashAlgorithms),
    bytes(128),
    bytes(200),
    bytes(HKDF_INFO_BYTES),
    fc.integer({ min: 0, max: 300 }),
    fc.nat(7)
  ],
  ([algorithm, ikm, salt, info, length, offset]) => {
    const wanted = noble.hkdf.derive(algorithm, ikm, salt, info, length)
    assert.strictEqual(wanted.length, length)
    for (const { hkdf } of backends) {
      const derived = hkdf.derive(
        algorithm,
        unaligned(ikm, offset),
        unaligned(salt, offset),
        unaligned(info, offset),
        length
      )
      assert.deepStrictEqual(derived, wanted)
    }
  }
)

for (const { hkdf, name } of backends) {
  describe(name, () => {
    it.each(vectors)("derives the output of RFC 5869, $test", ({ ikm, info, okm, salt }) => {
      assert.strictEqual(toHex(hkdf.derive("SHA256", hex(ikm), hex(salt), hex(info), okm.length / 2)), okm)
    })

    it("derives nothing where nothing is asked for", () => {
      for (const algorithm of hashAlgorithms) assert.strictEqual(hkdf.derive(algorithm, none, none, none, 0).length, 0)
    })

    it("derives up to 255 hashes, and refuses one byte more, a negative or a broken length as OutputLength", () => {
      for (const algorithm of hashAlgorithms) {
        const most = 255 * hashBytes(algorithm)
        assert.strictEqual(hkdf.derive(algorithm, none, none, none, most).length, most)
        for (const length of [most + 1, -1, 1.5, Number.NaN]) {
          assert.strictEqual(reasonOf(() => hkdf.derive(algorithm, none, none, none, length)), "OutputLength")
        }
      }
    })

    it("refuses an info above 1,024 bytes as InfoLength", () => {
      const info = new Uint8Array(HKDF_INFO_BYTES + 1)
      assert.strictEqual(reasonOf(() => hkdf.derive("SHA256", none, none, info, 32)), "InfoLength")
    })
  })
}
