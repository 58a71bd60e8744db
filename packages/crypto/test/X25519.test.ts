import { assert, describe, it } from "@effect/vitest"
import { makeSeeded, noble } from "../src/index.js"
import { backends, bytes, hex, reasonOf, toHex, unaligned } from "./support.js"

// RFC 7748, section 5.2.
const ladder = [
  {
    scalar: "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
    u: "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
    result: "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"
  },
  {
    scalar: "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
    u: "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
    result: "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"
  }
]

// Points of order 1, 2, 4 and 8, with their non-canonical encodings and with the ignored top bit set.
const lowOrder = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "0000000000000000000000000000000000000000000000000000000000000080"
]

describe("all backends", () => {
  it.prop(
    "every backend gives the same public key and shared secret, and both sides the same secret",
    [bytes(32, 32), bytes(32, 32)],
    ([a, b]) => {
      const publicA = noble.x25519.publicKey(a)
      const publicB = noble.x25519.publicKey(b)
      const shared = noble.x25519.sharedSecret(a, publicB)
      for (const { x25519 } of backends) {
        assert.deepStrictEqual(x25519.publicKey(unaligned(a, 3)), publicA)
        assert.deepStrictEqual(x25519.publicKey(b), publicB)
        assert.deepStrictEqual(x25519.sharedSecret(a, unaligned(publicB, 1)), shared)
        assert.deepStrictEqual(x25519.sharedSecret(b, publicA), shared)
      }
    },
    { fastCheck: { numRuns: 50 } }
  )

  it.prop(
    "every backend agrees on any 32 bytes as a public key, canonical or not, top bit set or not",
    [bytes(32, 32), bytes(32, 32)],
    ([secretKey, publicKey]) => {
      const [wanted, ...others] = backends.map(({ x25519 }) => x25519.sharedSecret(secretKey, publicKey))
      for (const other of others) assert.deepStrictEqual(other, wanted)
    },
    { fastCheck: { numRuns: 50 } }
  )

  it("equal entropy gives equal key pairs on every backend, from 32 bytes drawn at once and kept as drawn", () => {
    const wanted = new Uint8Array(32)
    makeSeeded("pair").fill(wanted)
    for (const { x25519 } of backends) {
      const draws: Array<number> = []
      const entropy = makeSeeded("pair")
      const pair = x25519.generate((out) => {
        draws.push(out.length)
        entropy.fill(out)
      })
      assert.deepStrictEqual(draws, [32])
      assert.deepStrictEqual(pair, { secretKey: wanted, publicKey: noble.x25519.publicKey(wanted) })
    }
  })
})

for (const { name, x25519 } of backends) {
  describe(name, () => {
    it.each(ladder)("multiplies the vector of RFC 7748, section 5.2: $result", ({ result, scalar, u }) => {
      assert.strictEqual(toHex(x25519.sharedSecret(hex(scalar), hex(u))), result)
    })

    // noble needs a millisecond or more a multiplication.
    it("gives RFC 7748's values after 1 and 1,000 iterations", { timeout: 60_000 }, () => {
      let k = hex("09" + "00".repeat(31))
      let u = k
      for (let i = 1; i <= 1000; i++) {
        const next = x25519.sharedSecret(k, u)
        u = k
        k = next
        if (i === 1) assert.strictEqual(toHex(k), "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079")
      }
      assert.strictEqual(toHex(k), "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51")
    })

    it("makes the key pairs and the shared secret of RFC 7748, section 6.1", () => {
      const alice = hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
      const bob = hex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
      const alicePublic = x25519.publicKey(alice)
      const bobPublic = x25519.publicKey(bob)
      assert.strictEqual(toHex(alicePublic), "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
      assert.strictEqual(toHex(bobPublic), "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")
      const shared = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
      assert.strictEqual(toHex(x25519.sharedSecret(alice, bobPublic)), shared)
      assert.strictEqual(toHex(x25519.sharedSecret(bob, alicePublic)), shared)
    })

    it("a public key of low order is refused with the reason AllZeroSharedSecret", () => {
      for (const point of lowOrder) {
        const run = () => x25519.sharedSecret(new Uint8Array(32).fill(0x55), hex(point))
        assert.strictEqual(reasonOf(run), "AllZeroSharedSecret", point)
      }
    })

    it("a key that is not 32 bytes is refused with the reason KeyLength", () => {
      const good = new Uint8Array(32).fill(9)
      for (const length of [0, 31, 33, 64]) {
        const bad = new Uint8Array(length)
        assert.strictEqual(reasonOf(() => x25519.publicKey(bad)), "KeyLength")
        assert.strictEqual(reasonOf(() => x25519.sharedSecret(bad, good)), "KeyLength")
        assert.strictEqual(reasonOf(() => x25519.sharedSecret(good, bad)), "KeyLength")
      }
    })
  })
}
