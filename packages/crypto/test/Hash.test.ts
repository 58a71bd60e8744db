import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { blockBytes, hashAlgorithms, hashBytes, noble } from "../src/index.js"
import { ascii, backends, bytes, toHex, unaligned } from "./support.js"

const vectors = [
  {
    algorithm: "SHA256",
    source: "FIPS 180-4",
    block: 64,
    digest: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
  },
  {
    algorithm: "SHA512",
    source: "FIPS 180-4",
    block: 128,
    digest: "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a" +
      "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
  },
  {
    algorithm: "BLAKE2s",
    source: "RFC 7693, appendix B",
    block: 64,
    digest: "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982"
  },
  {
    algorithm: "BLAKE2b",
    source: "RFC 7693, appendix A",
    block: 128,
    digest: "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1" +
      "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"
  }
] as const

it.prop(
  "every backend gives the same digest, of hashBytes bytes, at any alignment",
  [fc.constantFrom(...hashAlgorithms), bytes(2048), fc.nat(7)],
  ([algorithm, data, offset]) => {
    const wanted = noble.hash.digest(algorithm, data)
    assert.strictEqual(wanted.length, hashBytes(algorithm))
    for (const { hash } of backends) assert.deepStrictEqual(hash.digest(algorithm, unaligned(data, offset)), wanted)
  }
)

for (const { hash, name } of backends) {
  describe(name, () => {
    it.each(vectors)("$algorithm of \"abc\" is that of $source", ({ algorithm, block, digest }) => {
      assert.strictEqual(toHex(hash.digest(algorithm, ascii("abc"))), digest)
      assert.strictEqual(hashBytes(algorithm) * 2, digest.length)
      assert.strictEqual(blockBytes(algorithm), block)
    })
  })
}
