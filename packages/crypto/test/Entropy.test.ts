import { assert, describe, it } from "@effect/vitest"
import { chacha20 } from "@noble/ciphers/chacha.js"
import { sha256 } from "@noble/hashes/sha2.js"
import { Effect, FastCheck as fc } from "effect"
import type { EntropySeed, EntropyShape } from "../src/index.js"
import { Entropy, makeSeeded, makeSystem } from "../src/index.js"
import { POOL_BYTES, pooled } from "../src/internal/pool.js"
import { ascii, bytes } from "./support.js"

const draw = (entropy: EntropyShape, length: number): Uint8Array => {
  const out = new Uint8Array(length)
  entropy.fill(out)
  return out
}

const seeds: fc.Arbitrary<EntropySeed> = fc.oneof(fc.double({ noNaN: true }), fc.string(), bytes(64))

describe("makeSeeded", () => {
  it.prop("equal seeds give equal bytes", [seeds], ([seed]) => {
    const copy = seed instanceof Uint8Array ? seed.slice() : seed
    assert.deepStrictEqual(draw(makeSeeded(seed), 100), draw(makeSeeded(copy), 100))
  })

  it.prop("different seeds give different bytes", [seeds, seeds], ([a, b]) => {
    fc.pre(!(a === b || (a instanceof Uint8Array && b instanceof Uint8Array && Buffer.compare(a, b) === 0)))
    assert.notDeepEqual(draw(makeSeeded(a), 32), draw(makeSeeded(b), 32))
  })

  it("seeds of different types and the same text never collide, and -0 is 0", () => {
    const outputs = [1, "1", ascii("1")].map((seed) => draw(makeSeeded(seed), 32).join())
    assert.strictEqual(new Set(outputs).size, 3)
    assert.deepStrictEqual(draw(makeSeeded(-0), 32), draw(makeSeeded(0), 32))
  })

  it.prop("it is the ChaCha20 keystream of noble under the hashed seed", [fc.string()], ([seed]) => {
    const key = sha256(Uint8Array.from([2, ...ascii(seed)]))
    const keystream = chacha20(key, new Uint8Array(12), new Uint8Array(10_000))
    assert.deepStrictEqual(draw(makeSeeded(seed), 10_000), keystream)
  })

  it("a number seeds by its eight big-endian bytes, a byte string by itself", () => {
    const keystream = (seed: ReadonlyArray<number>) =>
      chacha20(sha256(Uint8Array.from(seed)), new Uint8Array(12), new Uint8Array(64))
    assert.deepStrictEqual(draw(makeSeeded(1.5), 64), keystream([1, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0]))
    assert.deepStrictEqual(draw(makeSeeded(Uint8Array.of(5, 6)), 64), keystream([3, 5, 6]))
  })

  it.prop(
    "draws are consecutive bytes of the keystream, however they are cut",
    [fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 12 })],
    ([lengths]) => {
      const entropy = makeSeeded("cut")
      const cut = lengths.flatMap((length) => [...draw(entropy, length)])
      assert.deepStrictEqual(Uint8Array.from(cut), draw(makeSeeded("cut"), cut.length))
    }
  )

  it.prop("uint32 is the next four bytes, big-endian", [fc.integer({ min: 0, max: 5000 })], ([skip]) => {
    const entropy = makeSeeded(7)
    draw(entropy, skip)
    const word = draw(makeSeeded(7), skip + 4).subarray(skip)
    assert.strictEqual(entropy.uint32(), Buffer.from(word).readUInt32BE())
  })
})

describe("makeSystem", () => {
  it.prop(
    "every byte asked for is written and none outside of it",
    [fc.integer({ min: 0, max: 9000 }), fc.nat(7)],
    ([length, offset]) => {
      const entropy = makeSystem()
      const written = new Uint8Array(length)
      for (let round = 0; round < 8; round++) {
        const frame = new Uint8Array(offset + length + 8)
        entropy.fill(frame.subarray(offset, offset + length))
        assert.isTrue(frame.subarray(0, offset).every((byte) => byte === 0))
        assert.isTrue(frame.subarray(offset + length).every((byte) => byte === 0))
        for (let i = 0; i < length; i++) written[i] |= frame[offset + i]
      }
      // A byte that is zero in eight draws has a chance of 2^-64.
      assert.isTrue(written.every((byte) => byte !== 0))
    },
    { fastCheck: { numRuns: 30 } }
  )

  it("no two of 20,000 draws of 16 bytes are equal, within one pool or across pools and generators", () => {
    const generators = [makeSystem(), makeSystem()]
    const seen = new Set<string>()
    for (let i = 0; i < 20_000; i++) seen.add(draw(generators[i & 1], 16).join())
    assert.strictEqual(seen.size, 20_000)
  })

  it("uint32 is a whole number that reaches every bit", () => {
    const entropy = makeSystem()
    let ones = 0
    let zeros = 0
    for (let i = 0; i < 200; i++) {
      const value = entropy.uint32()
      assert.isTrue(Number.isInteger(value) && value >= 0 && value < 2 ** 32)
      ones |= value
      zeros |= ~value
    }
    assert.deepStrictEqual([ones >>> 0, zeros >>> 0], [0xffffffff, 0xffffffff])
  })
})

describe("the pool", () => {
  it.prop(
    "a drawn byte is overwritten in the pool as soon as it is handed out, and one refill serves a whole pool",
    [fc.array(fc.integer({ min: 0, max: 2000 }), { maxLength: 12 })],
    ([lengths]) => {
      let pool: Uint8Array = new Uint8Array(0)
      let refills = 0
      const entropy = pooled((bytes) => {
        pool = bytes.fill(0xff)
        refills++
      })
      let drawn = 0
      for (const length of lengths) {
        assert.isTrue(draw(entropy, length).every((byte) => byte === 0xff))
        drawn += length
        assert.strictEqual(refills, Math.ceil(drawn / POOL_BYTES))
        const left = refills * POOL_BYTES - drawn
        assert.isTrue(pool.every((byte, i) => byte === (i < pool.length - left ? 0 : 0xff)))
      }
    }
  )
})

describe("layers", () => {
  it.effect("the seeded layer starts the same keystream at every build", () =>
    Effect.gen(function*() {
      const entropy = yield* Entropy
      assert.deepStrictEqual(draw(entropy, 40), draw(makeSeeded("layer"), 40))
    }).pipe(Effect.provide(Entropy.layerSeeded("layer")), Effect.repeatN(1)))

  it.effect("the live layer never gives the same 32 bytes twice", () =>
    Effect.gen(function*() {
      const entropy = yield* Entropy
      assert.notDeepEqual(draw(entropy, 32), draw(entropy, 32))
    }).pipe(Effect.provide(Entropy.layer)))
})
