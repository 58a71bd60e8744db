import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { blockBytes, constantTimeEqual, hashAlgorithms, noble } from "../src/index.js"
import { ascii, backends, bytes, flip, hex, toHex, unaligned } from "./support.js"

// RFC 4231, section 4.
const vectors = [
  {
    test: 1,
    key: "0b".repeat(20),
    data: toHex(ascii("Hi There")),
    sha256: "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
    sha512: "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde" +
      "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"
  },
  {
    test: 2,
    key: toHex(ascii("Jefe")),
    data: toHex(ascii("what do ya want for nothing?")),
    sha256: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    sha512: "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554" +
      "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"
  },
  {
    test: 3,
    key: "aa".repeat(20),
    data: "dd".repeat(50),
    sha256: "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
    sha512: "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39" +
      "bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb"
  },
  {
    test: 4,
    key: "0102030405060708090a0b0c0d0e0f10111213141516171819",
    data: "cd".repeat(50),
    sha256: "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
    sha512: "b0ba465637458c6990e5a8c5f61d4af7e576d97ff94b872de76f8050361ee3db" +
      "a91ca5c11aa25eb4d679275cc5788063a5f19741120c4f2de2adebeb10a298dd"
  },
  {
    test: 6,
    key: "aa".repeat(131),
    data: toHex(ascii("Test Using Larger Than Block-Size Key - Hash Key First")),
    sha256: "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    sha512: "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352" +
      "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"
  },
  {
    test: 7,
    key: "aa".repeat(131),
    data: toHex(ascii(
      "This is a test using a larger than block-size key and a larger than block-size data. " +
        "The key needs to be hashed before being used by the HMAC algorithm."
    )),
    sha256: "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
    sha512: "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944" +
      "b6022cac3c4982b10d5eeb55c3e4de15134676fb6de0446065c97440fa8c6a58"
  }
]

it.prop(
  "every backend gives the same HMAC over every hash, for keys below, at and above the block size",
  [fc.constantFrom(...hashAlgorithms), bytes(200), bytes(2048), fc.nat(7)],
  ([algorithm, key, data, offset]) => {
    const wanted = noble.mac.hmac(algorithm, key, data)
    for (const { mac } of backends) {
      assert.deepStrictEqual(mac.hmac(algorithm, unaligned(key, offset), unaligned(data, offset)), wanted)
    }
  }
)

it.prop(
  "HMAC over every hash is RFC 2104's construction over the digest of the same backend",
  [fc.constantFrom(...hashAlgorithms), bytes(200), bytes(100)],
  ([algorithm, key, data]) => {
    for (const { hash, mac } of backends) {
      const block = new Uint8Array(blockBytes(algorithm))
      block.set(key.length > block.length ? hash.digest(algorithm, key) : key)
      const inner = hash.digest(algorithm, Uint8Array.from([...block.map((byte) => byte ^ 0x36), ...data]))
      const outer = hash.digest(algorithm, Uint8Array.from([...block.map((byte) => byte ^ 0x5c), ...inner]))
      assert.deepStrictEqual(mac.hmac(algorithm, key, data), outer)
    }
  }
)

for (const { mac, name } of backends) {
  describe(name, () => {
    it.each(vectors)("gives the HMACs of RFC 4231, test case $test", ({ data, key, sha256, sha512 }) => {
      assert.strictEqual(toHex(mac.hmac("SHA256", hex(key), hex(data))), sha256)
      assert.strictEqual(toHex(mac.hmac("SHA512", hex(key), hex(data))), sha512)
    })
  })
}

describe("constantTimeEqual", () => {
  it.prop("a byte string equals its copy, at any alignment", [bytes(64), fc.nat(7)], ([data, offset]) => {
    assert.isTrue(constantTimeEqual(data, unaligned(data, offset)))
  })

  it.prop("one flipped bit anywhere makes byte strings unequal", [bytes(64, 1), fc.nat()], ([data, any]) => {
    assert.isFalse(constantTimeEqual(data, flip(data, any % (8 * data.length))))
  })

  it.prop("a byte string never equals a prefix of itself, nor the other way round", [bytes(64, 1)], ([data]) => {
    assert.isFalse(constantTimeEqual(data, data.subarray(1)))
    assert.isFalse(constantTimeEqual(data.subarray(0, data.length - 1), data))
  })
})
