import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import type { AeadAlgorithm, AeadKey } from "../src/index.js"
import { noble, openPackets, sealPackets, TAG_BYTES } from "../src/index.js"
import { aeadAlgorithms, backends, bytes, flip, untouchedOrZeros, view } from "./support.js"

const secret = new Uint8Array(32).map((_, i) => 255 - i)

// Noise, sections 12.3 and 12.4.
const noiseNonce = (algorithm: AeadAlgorithm, counter: number): Uint8Array => {
  const nonce = new Uint8Array(12)
  new DataView(nonce.buffer).setBigUint64(4, BigInt(counter), algorithm === "ChaCha20-Poly1305")
  return nonce
}

const counters = fc.oneof(
  fc.maxSafeNat(),
  fc.nat(300),
  fc.constantFrom(2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 53 - 1)
)

interface Packet {
  readonly arena: Uint8Array
  readonly offset: number
  readonly aadLength: number
  readonly length: number
}

/** An arena of `0xee` with a sealed packet in it. */
const sealedPacket = (
  key: AeadKey,
  aad: Uint8Array,
  plaintext: Uint8Array,
  counter: number,
  offset = 5,
  slack = 9
): Packet => {
  const arena = view(offset + aad.length + plaintext.length + TAG_BYTES, 3, slack).fill(0xee)
  arena.set(aad, offset)
  arena.set(plaintext, offset + aad.length)
  const length = key.sealPacket(arena, offset, aad.length, plaintext.length, counter)
  assert.strictEqual(length, aad.length + plaintext.length + TAG_BYTES)
  return { arena, offset, aadLength: aad.length, length }
}

describe("all backends", () => {
  it.prop(
    "sealPacket gives seal's bytes under Noise's nonce of the counter, and touches nothing beside them",
    [fc.constantFrom(...aeadAlgorithms), bytes(32, 32), bytes(64), bytes(2048), counters, fc.nat(40), fc.nat(40)],
    ([algorithm, raw, aad, plaintext, counter, offset, slack]) => {
      const wanted = new Uint8Array(plaintext.length + TAG_BYTES)
      noble.aead.makeKey(algorithm, raw).seal(noiseNonce(algorithm, counter), aad, plaintext, wanted)
      for (const backend of backends) {
        const key = backend.aead.makeKey(algorithm, raw)
        const { arena, length } = sealedPacket(key, aad, plaintext, counter, offset, slack)
        assert.deepStrictEqual(arena.slice(offset, offset + aad.length), aad)
        assert.deepStrictEqual(arena.slice(offset + aad.length, offset + length), wanted)
        assert.isTrue(arena.subarray(0, offset).every((byte) => byte === 0xee))
        assert.isTrue(arena.subarray(offset + length).every((byte) => byte === 0xee))
        key.destroy()
      }
    },
    { fastCheck: { numRuns: 200 } }
  )

  it.prop(
    "openPacket opens what any backend sealed, apart and in place, and touches nothing beside the plaintext",
    [fc.constantFrom(...aeadAlgorithms), bytes(64), bytes(2048), counters, fc.nat(40), fc.nat(40)],
    ([algorithm, aad, plaintext, counter, offset, outOffset]) => {
      const { arena, length } = sealedPacket(noble.aead.makeKey(algorithm, secret), aad, plaintext, counter, offset)
      const sealed = arena.slice()
      const start = offset + aad.length
      for (const backend of backends) {
        const key = backend.aead.makeKey(algorithm, secret)
        const out = view(outOffset + plaintext.length, 1, 7).fill(0x11)
        assert.strictEqual(
          key.openPacket(arena, offset, aad.length, length, counter, out, outOffset),
          plaintext.length
        )
        assert.deepStrictEqual(arena.slice(), sealed)
        assert.deepStrictEqual(out.slice(outOffset, outOffset + plaintext.length), plaintext)
        assert.isTrue(out.subarray(0, outOffset).every((byte) => byte === 0x11))
        assert.isTrue(out.subarray(outOffset + plaintext.length).every((byte) => byte === 0x11))

        const place = view(arena.length, 2)
        place.set(sealed)
        assert.strictEqual(
          key.openPacket(place, offset, aad.length, length, counter, place, start),
          plaintext.length
        )
        assert.deepStrictEqual(place.slice(start, start + plaintext.length), plaintext)
        assert.deepStrictEqual(place.slice(0, start), sealed.slice(0, start))
        assert.deepStrictEqual(place.slice(start + plaintext.length), sealed.slice(start + plaintext.length))
        key.destroy()
      }
    },
    { fastCheck: { numRuns: 200 } }
  )

  it.prop(
    "sealPackets and openPackets do what sealPacket and openPacket do one by one, within their range only",
    [
      fc.constantFrom(...aeadAlgorithms),
      fc.array(bytes(200), { minLength: 1, maxLength: 8 }),
      counters.filter((counter) => counter < 2 ** 52),
      fc.nat(7),
      fc.nat(7),
      fc.nat(24),
      fc.nat(7)
    ],
    ([algorithm, plaintexts, firstCounter, a, b, aadLength, forged]) => {
      const from = a % plaintexts.length
      const count = b % (plaintexts.length - from + 1)
      const lengths = Uint32Array.from(plaintexts, (plaintext) => aadLength + plaintext.length + TAG_BYTES)
      const offsets = new Uint32Array(plaintexts.length)
      for (let i = 1; i < offsets.length; i++) offsets[i] = offsets[i - 1] + lengths[i - 1]
      const plain = new Uint8Array(lengths.reduce((sum, length) => sum + length))
      plaintexts.forEach((plaintext, i) => plain.set(plaintext, offsets[i] + aadLength))
      const outOffsets = offsets.map((offset) => offset + aadLength)

      for (const backend of backends) {
        const key = backend.aead.makeKey(algorithm, secret)
        const wanted = plain.slice()
        for (let i = from; i < from + count; i++) {
          key.sealPacket(wanted, offsets[i], aadLength, plaintexts[i].length, firstCounter + i - from)
        }
        const arena = plain.slice()
        assert.strictEqual(sealPackets(key, arena, offsets, lengths, from, count, aadLength, firstCounter), count)
        assert.deepStrictEqual(arena, wanted)

        const victim = from + forged % Math.max(count, 1)
        if (count > 0) arena[offsets[victim] + lengths[victim] - 1] ^= 1
        const numbers = Float64Array.from(plaintexts, (_, i) => firstCounter + i - from)
        const results = new Int32Array(plaintexts.length).fill(-7)
        const opened = openPackets(
          key,
          arena,
          offsets,
          lengths,
          from,
          count,
          aadLength,
          numbers,
          arena,
          outOffsets,
          results
        )
        assert.strictEqual(opened, Math.max(count - 1, 0))
        plaintexts.forEach((plaintext, i) => {
          const within = i >= from && i < from + count
          assert.strictEqual(results[i], !within ? -7 : i === victim ? -1 : plaintext.length)
          if (!within || i === victim) return
          assert.deepStrictEqual(arena.slice(outOffsets[i], outOffsets[i] + plaintext.length), plaintext)
        })
        key.destroy()
      }
    },
    { fastCheck: { numRuns: 100 } }
  )
})

for (const backend of backends) {
  describe.each(aeadAlgorithms)(`${backend.name}, %s`, (algorithm) => {
    const make = () => backend.aead.makeKey(algorithm, secret)
    const aad = new Uint8Array(16).fill(3)
    const plaintext = new Uint8Array(21).fill(9)

    it("openPacket refuses every corruption of one bit, and every neighbouring counter", () => {
      const key = make()
      const { arena, length, offset } = sealedPacket(key, aad, plaintext, 77)
      const out = new Uint8Array(21)
      for (let bit = 8 * offset; bit < 8 * (offset + length); bit++) {
        assert.strictEqual(key.openPacket(flip(arena, bit), offset, 16, length, 77, out, 0), -1)
      }
      for (const counter of [76, 78, 77 + 2 ** 32, 77 + 2 ** 40]) {
        assert.strictEqual(key.openPacket(arena, offset, 16, length, counter, out, 0), -1)
      }
      assert.strictEqual(key.openPacket(arena, offset, 15, length, 77, out, 0), -1)
      assert.strictEqual(key.openPacket(arena, offset, 17, length, 77, out, 0), -1)
      assert.strictEqual(key.openPacket(arena, offset, 16, length - 1, 77, out, 0), -1)
      assert.strictEqual(key.openPacket(arena, offset, 16, length, 77, out, 0), 21)
    })

    it.prop(
      "a packet that does not authenticate gives out no plaintext, apart or in place, and leaves what is beside it",
      [bytes(512, 1), fc.nat()],
      ([plaintext, any]) => {
        const key = make()
        const { arena, length, offset } = sealedPacket(key, aad, plaintext, 1)
        const forged = flip(arena, 8 * offset + any % (8 * length))
        const before = forged.slice()
        const out = new Uint8Array(plaintext.length + 4).fill(0xee)
        assert.strictEqual(key.openPacket(forged, offset, 16, length, 1, out, 2), -1)
        assert.deepStrictEqual(forged, before)
        assert.isTrue(untouchedOrZeros(out.subarray(2, -2), new Uint8Array(plaintext.length).fill(0xee)))
        assert.deepStrictEqual([...out.subarray(0, 2), ...out.subarray(-2)], [0xee, 0xee, 0xee, 0xee])

        const start = offset + 16
        const end = start + plaintext.length
        assert.strictEqual(key.openPacket(forged, offset, 16, length, 1, forged, start), -1)
        assert.isTrue(untouchedOrZeros(forged.subarray(start, end), before.subarray(start, end)))
        assert.deepStrictEqual(forged.slice(0, start), before.slice(0, start))
        assert.deepStrictEqual(forged.slice(end), before.slice(end))
        key.destroy()
      }
    )

    it("a stretch that is not within its array, or no whole number, is -1 and nothing is written", () => {
      const key = make()
      const arena = new Uint8Array(200).fill(0xee)
      const seals: ReadonlyArray<readonly [offset: number, aadLength: number, plaintextLength: number]> = [
        [0, 16, 169],
        [169, 16, 0],
        [185, 0, 0],
        [200, 0, 0],
        [-1, 16, 20],
        [0, -1, 20],
        [0, 16, -1],
        [16, -16, 20],
        [2 ** 32, 16, 20],
        [0, 2 ** 32, 20],
        [0, 2 ** 32 - 1, 2 ** 32 - 1],
        [0.5, 16, 20],
        [0, 0.5, 20],
        [0, 16, 0.5],
        [NaN, 16, 20],
        [0, NaN, 20],
        [0, 16, NaN],
        [0, 16, Infinity]
      ]
      for (const [offset, aadLength, plaintextLength] of seals) {
        assert.strictEqual(key.sealPacket(arena, offset, aadLength, plaintextLength, 1), -1)
        const length = aadLength + plaintextLength + TAG_BYTES
        assert.strictEqual(key.openPacket(arena, offset, aadLength, length, 1, new Uint8Array(400), 0), -1)
      }
      for (const counter of [-1, 0.5, 2 ** 53, NaN, Infinity]) {
        assert.strictEqual(key.sealPacket(arena, 0, 16, 20, counter), -1)
        assert.strictEqual(key.openPacket(arena, 0, 16, 52, counter, new Uint8Array(20), 0), -1)
      }
      assert.isTrue(arena.every((byte) => byte === 0xee))
      const packet = sealedPacket(key, aad, plaintext, 5)
      const out = new Uint8Array(40).fill(0xee)
      for (const outOffset of [20, 40, 41, -1, 0.5, NaN, 2 ** 32]) {
        assert.strictEqual(key.openPacket(packet.arena, packet.offset, 16, packet.length, 5, out, outOffset), -1)
      }
      for (const length of [0, 15, 16, 31]) {
        assert.strictEqual(key.openPacket(packet.arena, packet.offset, 16, length, 5, out, 0), -1)
      }
      assert.isTrue(out.every((byte) => byte === 0xee))
      assert.strictEqual(key.openPacket(packet.arena, packet.offset, 16, packet.length, 5, out, 19), 21)
    })

    it("a range that is not within the arrays of a batch is -1, and a refused packet ends a batch of seals", () => {
      const key = make()
      const arena = new Uint8Array(300)
      const offsets = Uint32Array.of(0, 60, 260, 120)
      const lengths = Uint32Array.of(50, 50, 50, 50)
      const numbers = Float64Array.of(1, 2, 3, 4)
      const results = new Int32Array(4)
      for (const [from, count] of [[0, 5], [4, 1], [-1, 2], [0, -1], [0.5, 1], [0, NaN], [2 ** 32, 1]] as const) {
        assert.strictEqual(sealPackets(key, arena, offsets, lengths, from, count, 16, 1), -1)
        assert.strictEqual(
          openPackets(key, arena, offsets, lengths, from, count, 16, numbers, arena, offsets, results),
          -1
        )
      }
      assert.isTrue(arena.every((byte) => byte === 0))
      const short = results.subarray(0, 3)
      assert.strictEqual(openPackets(key, arena, offsets, lengths, 0, 4, 16, numbers, arena, offsets, short), -1)
      assert.strictEqual(sealPackets(key, arena, offsets, lengths, 0, 4, 16, 1), 2)
      assert.isTrue(arena.subarray(110).every((byte) => byte === 0))
      assert.strictEqual(sealPackets(key, arena, offsets, Uint32Array.of(31), 0, 1, 16, 1), 0)
      assert.strictEqual(sealPackets(key, arena, offsets, Uint32Array.of(32), 0, 1, 16, 1), 1)
    })

    it("a plaintext that would go partly over its own ciphertext is -1, and nothing is written", () => {
      const key = make()
      const { arena, length, offset } = sealedPacket(key, aad, plaintext, 5)
      const before = arena.slice()
      const start = offset + 16
      for (const outOffset of [start - 20, start - 1, start + 1, start + 8]) {
        assert.strictEqual(key.openPacket(arena, offset, 16, length, 5, arena, outOffset), -1)
      }
      const shifted = arena.subarray(1)
      assert.strictEqual(key.openPacket(arena, offset, 16, length, 5, shifted, start), -1)
      assert.deepStrictEqual(arena.slice(), before)
      assert.strictEqual(key.openPacket(arena, offset, 16, length, 5, shifted, start - 1), 21)
      assert.deepStrictEqual(arena.slice(start, start + 21), plaintext)
    })

    it("a destroyed key seals and opens no packet", () => {
      const key = make()
      const { arena, length, offset } = sealedPacket(key, aad, plaintext, 5)
      const before = arena.slice()
      key.destroy()
      key.destroy()
      assert.strictEqual(key.sealPacket(arena, offset, 16, 21, 6), -1)
      assert.strictEqual(key.openPacket(arena, offset, 16, length, 5, new Uint8Array(21), 0), -1)
      assert.strictEqual(sealPackets(key, arena, Uint32Array.of(5), Uint32Array.of(53), 0, 1, 16, 6), 0)
      assert.deepStrictEqual(arena, before)
    })
  })
}
