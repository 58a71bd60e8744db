import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync
} from "node:crypto"
import type { CipherGCMTypes } from "node:crypto"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { FfiError, OpenSsl } from "../src/index.js"
import { EvpAeadCipher } from "../src/internal/aeadCipher.js"
import { AeadCiphers } from "../src/internal/aeadCiphers.js"
import { bindEvp } from "../src/internal/evp.js"
import { bindAll, loadKoffi } from "../src/internal/koffi.js"
import { openOpenSsl } from "../src/internal/openOpenSsl.js"
import { selfTest } from "../src/internal/openSslSelfTest.js"
import { EvpX25519 } from "../src/internal/x25519.js"

const loaded = OpenSsl.load()
// A machine may have no koffi; one that has it must pass the self-test.
const present = !(loaded instanceof FfiError) || loaded.reason === "SelfTestFailed"
if (loaded instanceof FfiError && !present) process.stdout.write(`OpenSSL through ffi is skipped: ${loaded.message}\n`)

const native = (): OpenSsl.OpenSsl => {
  if (loaded instanceof FfiError) throw loaded
  return loaded
}

let opened: OpenSsl.OpenSsl | FfiError | undefined

/** The same without machine code. */
const single = (): OpenSsl.OpenSsl => {
  opened ??= openOpenSsl(false)
  if (opened instanceof FfiError) throw opened
  return opened
}

const evp = (joins = true) => {
  const bound = bindEvp(joins)
  if (bound instanceof FfiError) throw bound
  return bound
}

const algorithms: ReadonlyArray<OpenSsl.CipherAlgorithm> = ["AES-256-GCM", "ChaCha20-Poly1305"]
const secret = new Uint8Array(32).map((_, i) => 3 * i + 1)
const bytes = (maxLength: number, minLength = 0) => fc.uint8Array({ minLength, maxLength, size: "max" })

const edges = (...lengths: Array<number>) =>
  fc.constantFrom(...lengths).map((length) => new Uint8Array(length).fill(length))

const nonceOf = (algorithm: OpenSsl.CipherAlgorithm, counter: number): Buffer => {
  const nonce = Buffer.alloc(12)
  if (algorithm === "AES-256-GCM") nonce.writeBigUInt64BE(BigInt(counter), 4)
  else nonce.writeBigUInt64LE(BigInt(counter), 4)
  return nonce
}

/** What node:crypto seals. */
const reference = (
  algorithm: OpenSsl.CipherAlgorithm,
  nonce: Uint8Array,
  aad: Uint8Array,
  plaintext: Uint8Array
): Buffer => {
  const cipher = createCipheriv(algorithm.toLowerCase() as CipherGCMTypes, secret, nonce, { authTagLength: 16 })
  cipher.setAAD(aad)
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0

interface Resizable extends ArrayBuffer {
  readonly resize: (length: number) => void
}

// The types know resizable buffers from ES2024 on.
const resizable = (length: number): Resizable =>
  Reflect.construct(ArrayBuffer, [length, { maxByteLength: 4096 }]) as Resizable

/** The sixteen bytes of associated data and `length` bytes of plaintext, with room for the tag. */
const packetOf = (length: number, byte = 5): Uint8Array => new Uint8Array(16 + length + 16).fill(byte)

describe.skipIf(!present)("OpenSsl", () => {
  it("is bound and tested once: every load gives the same functions, of OpenSSL 3 or newer", () => {
    assert.strictEqual(OpenSsl.load(), loaded)
    assert.match(native().version, /^[3-9]\.\d+\.\d+$/)
    assert.strictEqual(native().version, process.versions.openssl.split("+")[0])
  })

  it.each(["EVP_Cipher", "EVP_no_such_function"])("binding tells whether %s is there, by its name", (name) => {
    const koffi = loadKoffi()
    if (koffi instanceof FfiError) throw koffi
    const bound = bindAll(koffi, { abs: ["int", ["int"]], [name]: ["int", []] })
    if (name === "EVP_Cipher") assert.isFalse(bound instanceof FfiError)
    else assert.deepInclude(bound, { reason: "SymbolMissing", detail: name })
  })

  it("is joined on x64, and not where it is told not to be", () => {
    assert.strictEqual(native().joined, process.arch === "x64")
    assert.isFalse(single().joined)
  })

  const ways = { joined: native, "one by one": single }

  describe.each(
    (["joined", "one by one"] as const).flatMap((way) => algorithms.map((algorithm) => ({ way, algorithm })))
  )("$algorithm, calls $way", ({ algorithm, way }) => {
    const native = ways[way]
    const make = () => native().makeCipher(algorithm, secret)

    const steps = fc.array(
      fc.record({
        does: fc.constantFrom("sealPacket", "sealNext", "sealNext", "seal", "openPacket", "open", "forged"),
        counter: fc.oneof(
          fc.nat(5),
          fc.maxSafeNat(),
          fc.constantFrom(2 ** 31 - 1, 2 ** 32 - 2, 2 ** 32 - 1, 2 ** 53 - 1)
        ),
        aad: bytes(80),
        plaintext: bytes(300)
      }),
      { maxLength: 24, size: "max" }
    )

    it.prop(
      "one key gives node:crypto's bytes whatever was sealed, opened or refused under it before, in any order of counters",
      [steps],
      ([steps]) => {
        const key = make()
        let last = -1
        for (const { aad, counter: drawn, does, plaintext } of steps) {
          const counter = does === "sealNext" && last < 2 ** 53 - 1 ? last + 1 : drawn
          const nonce = nonceOf(algorithm, counter)
          const wanted = reference(algorithm, nonce, aad, plaintext)
          const packet = new Uint8Array(aad.length + wanted.length)
          packet.set(aad)
          if (does === "sealPacket" || does === "sealNext") {
            packet.set(plaintext, aad.length)
            assert.strictEqual(key.sealPacket(packet, 0, aad.length, plaintext.length, counter), packet.length)
            assert.isTrue(same(packet.subarray(aad.length), wanted))
            last = counter
            continue
          }
          packet.set(wanted, aad.length)
          const out = new Uint8Array(does === "seal" ? wanted.length : plaintext.length)
          switch (does) {
            case "seal":
              // another nonce than the counter's: sealing by counter must not go on from it
              nonce[0] = 9
              assert.strictEqual(key.seal(nonce, aad, plaintext, out), out.length)
              assert.isTrue(same(out, reference(algorithm, nonce, aad, plaintext)))
              break
            case "openPacket":
              assert.strictEqual(
                key.openPacket(packet, 0, aad.length, packet.length, counter, out, 0),
                plaintext.length
              )
              assert.isTrue(same(out, plaintext))
              break
            case "open":
              nonce[3] = 1
              assert.strictEqual(key.open(nonce, aad, wanted, out), -1)
              nonce[3] = 0
              assert.strictEqual(key.open(nonce, aad, wanted, out), plaintext.length)
              assert.isTrue(same(out, plaintext))
              break
            case "forged":
              packet[packet.length - 1] ^= 128
              assert.strictEqual(key.openPacket(packet, 0, aad.length, packet.length, counter, out, 0), -1)
              assert.isTrue(out.every((byte) => byte === 0))
          }
        }
        key.destroy()
      },
      { fastCheck: { numRuns: 200 } }
    )

    const anyNumber = fc.oneof(
      { weight: 6, arbitrary: fc.nat(160) },
      { weight: 1, arbitrary: fc.integer() },
      { weight: 1, arbitrary: fc.double() },
      { weight: 1, arbitrary: fc.constantFrom(-1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, 2 ** 53, NaN, Infinity) }
    )

    it.prop(
      "no numbers make it read or write beside the arrays: what is not within them is -1, and nothing is touched",
      [anyNumber, anyNumber, anyNumber, anyNumber, anyNumber, fc.constantFrom(0, 40, 64, 65, 150)],
      ([offset, aadLength, length, counter, outOffset, size]) => {
        const key = make()
        // one buffer: what would go beside one array goes into a neighbour
        const whole = new Uint8Array(600).fill(0xee)
        const arena = whole.subarray(100, 100 + size)
        const out = whole.subarray(350, 350 + size)
        const natural = [offset, aadLength, length].every((it) => Number.isSafeInteger(it) && it >= 0) &&
          Number.isSafeInteger(counter) && counter >= 0
        const before = whole.slice()
        const sealed = key.sealPacket(arena, offset, aadLength, length, counter)
        const end = offset + aadLength + length + 16
        assert.strictEqual(sealed, natural && end <= size ? aadLength + length + 16 : -1)
        if (sealed >= 0) whole.fill(0xee, 100 + offset + aadLength, 100 + end)
        assert.isTrue(same(whole, before))

        const opened = key.openPacket(arena, offset, aadLength, length, counter, out, outOffset)
        assert.strictEqual(opened, -1)
        const fits = natural && Number.isSafeInteger(outOffset) && outOffset >= 0 && length >= aadLength + 16 &&
          outOffset + length - aadLength - 16 <= size
        if (fits) whole.fill(0xee, 350 + outOffset, 350 + outOffset + length - aadLength - 16)
        assert.isTrue(same(whole, before))
        key.destroy()
      },
      { fastCheck: { numRuns: 1000 } }
    )

    it("a packet may end where its array ends, not one byte behind, in arrays of every kind", () => {
      const key = make()
      for (const size of [40, 64, 65, 150]) {
        for (const kind of [(length: number) => new ArrayBuffer(length), resizable]) {
          const array = () => new Uint8Array(kind(size))
          const offset = 3
          const length = size - offset - 32
          const arena = array()
          assert.strictEqual(key.sealPacket(arena, offset, 16, length + 1, 1), -1)
          assert.isTrue(arena.every((byte) => byte === 0))
          assert.strictEqual(key.sealPacket(arena, offset, 16, length, 1), size - offset)
          const out = array()
          assert.strictEqual(key.openPacket(arena, offset, 16, size - offset + 1, 1, out, 0), -1)
          assert.strictEqual(key.openPacket(arena, offset, 16, size - offset, 1, out, size - length + 1), -1)
          const short = arena.subarray(0, size - 1)
          assert.strictEqual(key.openPacket(short, offset, 16, size - offset, 1, out, 0), -1)
          assert.strictEqual(key.openPacket(arena, offset, 16, size - offset, 1, out, size - length), length)
        }
      }
      key.destroy()
    })

    it("a plaintext goes to where its ciphertext is, or clear of it: one that would go partly over it is -1", () => {
      const key = make()
      const arena = new Uint8Array(300)
      assert.strictEqual(key.sealPacket(arena, 100, 16, 60, 1), 92)
      const sealed = arena.slice()
      for (let outOffset = 0; outOffset <= 240; outOffset++) {
        const clear = outOffset === 116 || Math.abs(outOffset - 116) >= 60
        arena.set(sealed)
        assert.strictEqual(key.openPacket(arena, 100, 16, 92, 1, arena, outOffset), clear ? 60 : -1)
        if (clear) assert.isTrue(arena.subarray(outOffset, outOffset + 60).every((byte) => byte === 0))
        else assert.isTrue(same(arena, sealed))
      }
      key.destroy()
    })

    it("an array whose memory went elsewhere is -1, even in code that was optimized for arrays of other kinds", () => {
      const key = make()
      const nonce = new Uint8Array(12)
      const use = (array: Uint8Array, part: Uint8Array, other: Uint8Array) => [
        key.sealPacket(array, 0, 16, 8, 1),
        key.openPacket(array, 0, 16, 40, 1, other, 0),
        key.openPacket(other, 0, 16, 40, 1, array, 16),
        key.seal(nonce, other, part, other),
        key.seal(nonce, array, nonce, other),
        key.seal(nonce, nonce, nonce, array),
        key.open(nonce, array, other, other),
        key.open(nonce, nonce, array, other),
        key.open(nonce, nonce, other, array)
      ]
      for (const size of [60, 4096]) {
        const buffers = [resizable(size), new ArrayBuffer(size)]
        for (let i = 0; i < 20_000; i++) {
          const array = new Uint8Array(buffers[i % 2])
          use(array, array.subarray(0, 4), new Uint8Array(buffers[i % 2]))
        }
        const array = new Uint8Array(size)
        const part = array.subarray(0, 4)
        assert.strictEqual(use(array, part, new Uint8Array(size))[0], 40)
        structuredClone(array, { transfer: [array.buffer] })
        const [sealed, opened, ...others] = use(array, part, new Uint8Array(size))
        assert.deepStrictEqual([sealed, opened], [-1, -1])
        assert.strictEqual(others.length, 7)
      }
      key.destroy()
    })

    it("packets in more arenas than are kept at hand are sealed and opened, and none where memory was moved", () => {
      const key = make()
      const arenas = Array.from({ length: 20 }, () => new Uint8Array(4096))
      for (let round = 0; round < 3; round++) {
        for (const arena of arenas) {
          assert.strictEqual(key.sealPacket(arena, 0, 16, 100, round), 132)
          assert.strictEqual(key.openPacket(arena, 0, 16, 132, round, arena, 16), 100)
        }
      }
      const moved = structuredClone(arenas[0], { transfer: [arenas[0].buffer] })
      assert.strictEqual(key.sealPacket(arenas[0], 0, 16, 100, 9), -1)
      assert.strictEqual(key.openPacket(arenas[1], 0, 16, 132, 2, arenas[0], 16), -1)
      assert.strictEqual(key.sealPacket(moved, 0, 16, 100, 9), 132)
      key.destroy()
    })

    it("a packet whose memory was moved opens where it went", () => {
      const key = make()
      const arena = new Uint8Array(4096)
      assert.strictEqual(key.sealPacket(arena, 0, 16, 100, 1), 132)
      const moved = structuredClone(arena, { transfer: [arena.buffer] })
      assert.strictEqual(key.sealPacket(arena, 0, 16, 100, 2), -1)
      assert.strictEqual(key.openPacket(arena, 0, 16, 132, 1, arena, 16), -1)
      assert.strictEqual(key.openPacket(moved, 0, 16, 132, 1, arena, 16), -1)
      assert.strictEqual(key.openPacket(moved, 0, 16, 132, 1, moved, 16), 100)
      key.destroy()
    })

    it("an arena over a resizable buffer is sealed and opened like any other", () => {
      const key = make()
      const arena = new Uint8Array(resizable(300))
      const aad = new Uint8Array(16)
      for (let counter = 0; counter < 3; counter++) {
        arena.fill(0)
        assert.strictEqual(key.sealPacket(arena, 20, 16, 100, counter), 132)
        const wanted = reference(algorithm, nonceOf(algorithm, counter), aad, new Uint8Array(100))
        assert.isTrue(same(arena.subarray(36, 152), wanted))
        assert.strictEqual(key.openPacket(arena, 20, 16, 132, counter, arena, 35), -1)
        assert.strictEqual(key.openPacket(arena, 20, 16, 132, counter, arena, 36), 100)
        assert.isTrue(arena.subarray(36, 136).every((byte) => byte === 0))
      }
      key.destroy()
    })

    it("an arena that shrank holds no packet beyond its end", () => {
      const buffer = resizable(1024)
      const key = make()
      const arena = new Uint8Array(buffer)
      assert.strictEqual(key.sealPacket(arena, 800, 16, 100, 1), 132)
      buffer.resize(900)
      assert.strictEqual(key.sealPacket(arena, 800, 16, 100, 2), -1)
      assert.strictEqual(key.sealPacket(arena, 700, 16, 100, 2), 132)
      buffer.resize(4096)
      assert.strictEqual(key.sealPacket(arena, 3000, 16, 100, 3), 132)
      key.destroy()
    })

    it("many arenas in turn, small ones and views of one buffer among them, each get their own bytes", () => {
      const key = make()
      const shared = new Uint8Array(2000)
      const arenas = [40, 64, 65, 100, 500, 41, 2000].map((size) => new Uint8Array(size))
        .concat([shared.subarray(0, 50), shared.subarray(50, 150), shared.subarray(1000)])
      for (let counter = 0; counter < 100; counter++) {
        const arena = arenas[counter * 7 % arenas.length].fill(counter)
        const packet = arena.slice(0, 24)
        assert.strictEqual(key.sealPacket(arena, 0, 16, 8, counter), 40)
        const wanted = reference(algorithm, nonceOf(algorithm, counter), packet.subarray(0, 16), packet.subarray(16))
        assert.isTrue(same(arena.subarray(16, 40), wanted))
        assert.isTrue(arena.subarray(40).every((byte) => byte === counter))
        const out = arenas[(counter * 7 + 3) % arenas.length]
        assert.strictEqual(key.openPacket(arena, 0, 16, 40, counter, out, out === arena ? 16 : 30), 8)
      }
      key.destroy()
    })

    it("arenas stay where they are while the collector runs", () => {
      const key = make()
      const arena = packetOf(100)
      for (let counter = 0; counter < 5; counter++) {
        arena.fill(5)
        collect()
        key.sealPacket(arena, 0, 16, 100, counter)
        const wanted = reference(algorithm, nonceOf(algorithm, counter), packetOf(0).subarray(0, 16), packetOf(68))
        assert.isTrue(same(arena.subarray(16), wanted))
      }
      key.destroy()
    })

    it("a key has a context for each direction that it is used in, and none once it is destroyed, however often", () => {
      const before = native().liveContexts
      const key = make()
      assert.strictEqual(native().liveContexts, before)
      const packet = packetOf(20)
      key.sealPacket(packet, 0, 16, 20, 1)
      key.sealPacket(packet, 0, 16, 20, 2)
      assert.strictEqual(native().liveContexts, before + 1)
      key.openPacket(packet, 0, 16, 52, 2, new Uint8Array(20), 0)
      key.openPacket(packet, 0, 16, 52, 3, new Uint8Array(20), 0)
      assert.strictEqual(native().liveContexts, before + 2)
      key.destroy()
      key.destroy()
      assert.strictEqual(native().liveContexts, before)
      assert.strictEqual(key.sealPacket(packet, 0, 16, 20, 3), -1)
      assert.strictEqual(key.seal(new Uint8Array(12), packet, packet, new Uint8Array(100)), -1)
      assert.strictEqual(native().liveContexts, before)
    })

    it("50,000 keys that are used and destroyed leave no context behind", () => {
      const before = native().liveContexts
      const packet = packetOf(20)
      for (let i = 0; i < 50_000; i++) {
        const key = make()
        if (key.sealPacket(packet, 0, 16, 20, i) < 0) assert.fail()
        if (i % 2 === 0) key.openPacket(packet, 0, 16, 52, i, packet, 16)
        key.destroy()
      }
      assert.strictEqual(native().liveContexts, before)
    })

    it("hints change nothing, whatever keys they name: of thousands, of none, destroyed, or no keys at all", () => {
      const before = native().liveContexts
      const { prefetch } = native()
      const keys = Array.from({ length: 1100 }, make)
      const plain = make()
      for (let counter = 0; counter < 3; counter++) {
        const wanted = packetOf(20)
        assert.strictEqual(plain.sealPacket(wanted, 0, 16, 20, counter), 52)
        for (let from = 0; from < keys.length; from += 16) {
          const row = keys.slice(from, from + 16)
          prefetch(row, row.length, true)
          for (const key of row) {
            const packet = packetOf(20)
            assert.strictEqual(key.sealPacket(packet, 0, 16, 20, counter), 52)
            assert.deepStrictEqual(packet, wanted)
          }
          prefetch([...row, {} as OpenSsl.AeadCipher, ...row], 2 * row.length + 1, false)
          prefetch(row, 0, false)
          for (const key of row) {
            assert.strictEqual(key.openPacket(wanted.slice(), 0, 16, 52, counter, new Uint8Array(99), 0), 20)
          }
        }
      }
      assert.strictEqual(native().liveContexts, before + 2 * keys.length + 1)
      for (const key of keys) key.destroy()
      prefetch(keys, keys.length, true)
      prefetch(keys, keys.length, false)
      plain.destroy()
      assert.strictEqual(native().liveContexts, before)
    })

    it("contexts can be fetched ahead where calls are joined", () => {
      const shared = new AeadCiphers(evp(way === "joined"))
      assert.strictEqual(shared.prefetcher !== undefined, shared.calls.joined)
    })

    it("no byte of a key stays in pinned memory after set-up, nor in the key after destroy", () => {
      const shared = new AeadCiphers(evp(way === "joined"))
      const block = Buffer.from(shared.key.bytes.buffer)
      const key = new EvpAeadCipher(shared, algorithm, secret)
      const slots: ReadonlyArray<Uint8Array> = Reflect.get(shared.keys[algorithm], "slabs")
      const held = () => slots.some((slab) => Buffer.from(slab.buffer).indexOf(secret.subarray(0, 8)) >= 0)
      assert.strictEqual(slots.length, 1)
      assert.isTrue(held())
      const packet = packetOf(20)
      assert.strictEqual(key.sealPacket(packet, 0, 16, 20, 1), 52)
      assert.strictEqual(key.openPacket(packet, 0, 16, 52, 1, packet, 16), 20)
      for (let i = 0; i + 4 <= secret.length; i++) assert.strictEqual(block.indexOf(secret.subarray(i, i + 4)), -1)
      key.destroy()
      assert.isFalse(held())
      assert.isTrue(slots[0].every((byte) => byte === 0))
    })

    it("keys that come and go take no more places than there are at one time", () => {
      const shared = new AeadCiphers(evp(way === "joined"))
      const slots: ReadonlyArray<Uint8Array> = Reflect.get(shared.keys[algorithm], "slabs")
      const keys = Array.from({ length: 200 }, () => new EvpAeadCipher(shared, algorithm, secret))
      assert.strictEqual(slots.length, 2)
      for (const key of keys) key.destroy()
      for (let i = 0; i < 1_000; i++) new EvpAeadCipher(shared, algorithm, secret).destroy()
      assert.strictEqual(slots.length, 2)
    })

    it("no byte of a plaintext stays in pinned memory, whether its packet is sealed, opened or refused", () => {
      const shared = new AeadCiphers(evp(way === "joined"))
      const block = Buffer.from(shared.key.bytes.buffer)
      const key = new EvpAeadCipher(shared, algorithm, secret)
      const nonce = new Uint8Array(12)
      const text = Buffer.from("attack at dawn")
      const clean = () => assert.strictEqual(block.indexOf(text.subarray(0, 6)), -1)
      const sealed = new Uint8Array(text.length + 16)
      key.seal(nonce, nonce, text, sealed)
      clean()
      key.open(nonce, nonce, sealed, new Uint8Array(text.length))
      clean()
      sealed[0] ^= 1
      key.open(nonce, nonce, sealed, new Uint8Array(text.length))
      clean()
      const packet = new Uint8Array(40)
      packet.set(text, 4)
      key.sealPacket(packet, 0, 4, text.length, 0)
      clean()
      key.openPacket(packet, 0, 4, 4 + text.length + 16, 0, packet, 4)
      clean()
      assert.isTrue(same(packet.subarray(4, 4 + text.length), text))
      key.destroy()
    })

    it("a key that is not 32 bytes is a RangeError", () => {
      for (const length of [0, 31, 33]) assert.throws(() => native().makeCipher(algorithm, new Uint8Array(length)))
    })
  })

  it("contexts of a key that was forgotten are freed by the collector", async () => {
    const before = native().liveContexts
    const forget = () => {
      const key = native().makeCipher("AES-256-GCM", secret)
      key.sealPacket(packetOf(20), 0, 16, 20, 1)
    }
    for (let i = 0; i < 10; i++) forget()
    assert.isAbove(native().liveContexts, before)
    for (let turn = 0; turn < 100 && native().liveContexts > before; turn++) {
      collect()
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.isAtMost(native().liveContexts, before)
  })

  it("keys beyond the contexts that may live take turns with them, and seal and open as before", () => {
    const before = native().liveContexts
    const keys = Array.from({ length: 11_000 }, (_, i) => {
      const secret = new Uint8Array(32)
      new DataView(secret.buffer).setUint32(0, i)
      return { counting: native().makeCipher("AES-256-GCM", secret), secret }
    })
    const packets = keys.map(() => packetOf(40))
    const out = new Uint8Array(100)
    // the second round finds the contexts of most keys with others
    for (const counter of [7, 8]) {
      for (const [i, { counting }] of keys.entries()) {
        const packet = packetOf(40)
        assert.strictEqual(counting.sealPacket(packet, 0, 16, 40, counter), 72)
        packets[i] = packet
      }
      for (const [i, { counting, secret }] of keys.entries()) {
        assert.strictEqual(counting.openPacket(packets[i], 0, 16, 72, counter, out, 0), 40)
        assert.strictEqual(counting.openPacket(packets[i], 0, 16, 72, counter + 1, out, 0), -1)
        if (i % 500 === 0) {
          const nonce = Buffer.alloc(12)
          nonce.writeUInt32BE(counter, 8)
          const decipher = createDecipheriv("aes-256-gcm", secret, nonce).setAAD(packets[i].subarray(0, 16))
            .setAuthTag(packets[i].subarray(56))
          assert.isTrue(same(decipher.update(packets[i].subarray(16, 56)), packetOf(40).subarray(16, 56)))
          decipher.final()
        }
      }
    }
    assert.isAtMost(native().liveContexts - before, 2 * 10_240)
    for (const { counting } of keys) counting.destroy()
    assert.strictEqual(native().liveContexts, before)
  })

  it("what is refused leaves nothing in OpenSSL's queue of errors, which Node reads", () => {
    const queue = () => evp().functions.ERR_peek_error()
    for (const algorithm of algorithms) {
      const key = native().makeCipher(algorithm, secret)
      const packet = packetOf(20)
      assert.strictEqual(key.openPacket(packet, 0, 16, 52, 1, new Uint8Array(20), 0), -1)
      assert.strictEqual(key.open(new Uint8Array(12), secret, packet, new Uint8Array(36)), -1)
      assert.strictEqual(queue(), 0)
      key.destroy()
    }
    assert.isUndefined(native().x25519(secret, new Uint8Array(32)))
    assert.strictEqual(queue(), 0)
  })

  it("X25519 agrees with node:crypto, and keeps no secret in pinned memory", () => {
    const bound = evp()
    const x25519 = new EvpX25519(bound)
    const block = Buffer.from(bound.slice(1).bytes.buffer)
    const clean = (bytes: Uint8Array) => assert.strictEqual(block.indexOf(bytes.subarray(8, 14)), -1)
    for (let i = 0; i < 20; i++) {
      const [ours, theirs] = [generateKeyPairSync("x25519"), generateKeyPairSync("x25519")]
      const secretKey = Buffer.from(ours.privateKey.export({ format: "jwk" }).d ?? "", "base64url")
      const ownPublic = Buffer.from(ours.publicKey.export({ format: "jwk" }).x ?? "", "base64url")
      const publicKey = Buffer.from(theirs.publicKey.export({ format: "jwk" }).x ?? "", "base64url")
      const wanted = diffieHellman({ privateKey: ours.privateKey, publicKey: theirs.publicKey })
      assert.isTrue(same(x25519.publicKey(secretKey), ownPublic))
      clean(secretKey)
      const shared = x25519.sharedSecret(secretKey, publicKey)
      assert.isTrue(shared !== undefined && same(shared, wanted))
      clean(secretKey)
      clean(wanted)
    }
  })

  it.prop(
    "digests and HMACs are node:crypto's, for keys and data of any length",
    [
      fc.constantFrom(
        ["SHA256", "sha256"] as const,
        ["SHA512", "sha512"] as const,
        ["BLAKE2s", "blake2s256"] as const,
        ["BLAKE2b", "blake2b512"] as const
      ),
      fc.oneof(bytes(200), edges(64, 65, 128, 129)),
      fc.oneof(bytes(200), bytes(5000), edges(1023, 1024, 1025))
    ],
    ([[name, nodeName], key, data]) => {
      assert.isTrue(same(native().digest(name, data), createHash(nodeName).update(data).digest()))
      assert.isTrue(same(native().hmac(name, key, data), createHmac(nodeName, key).update(data).digest()))
    },
    { fastCheck: { numRuns: 200 } }
  )

  it.prop(
    "HMAC and HKDF-Expand are node:crypto's HKDF, for every length that there is",
    [
      fc.constantFrom(
        ["SHA256", "sha256", 32] as const,
        ["SHA512", "sha512", 64] as const,
        ["BLAKE2s", "blake2s256", 32] as const,
        ["BLAKE2b", "blake2b512", 64] as const
      ),
      fc.oneof(bytes(200), edges(0, 64, 65, 128, 129)),
      fc.oneof(bytes(100), edges(0, 1023, 1024)),
      fc.oneof(fc.nat(300), fc.constantFrom(0, 1, 31, 32, 33, 63, 64, 65, 255 * 32))
    ],
    ([[name, nodeName, digestBytes], salt, info, length]) => {
      const input = new Uint8Array(40).fill(7)
      const key = native().hmac(name, salt, input)
      // newer versions of OpenSSL refuse to derive nothing
      const whole = new Uint8Array(hkdfSync(nodeName, input, salt, info, Math.max(1, length))).subarray(0, length)
      assert.isTrue(same(native().hkdfExpand(name, key, info, length), whole))
      assert.throws(() => native().hkdfExpand(name, key, info, 255 * digestBytes + 1), RangeError)
    },
    { fastCheck: { numRuns: 200 } }
  )

  it("HKDF-Expand refuses more information than its memory holds", () => {
    assert.throws(() => native().hkdfExpand("SHA256", new Uint8Array(32), new Uint8Array(1025), 32), RangeError)
  })
})

let gc: (() => void) | undefined

const collect = (): void => {
  if (gc === undefined) {
    setFlagsFromString("--expose-gc")
    gc = runInNewContext("gc") as () => void
  }
  gc()
}

describe.skipIf(!present)("the self-test", () => {
  type Change = (cipher: OpenSsl.AeadCipher) => Partial<OpenSsl.AeadCipher>

  const withCipher = (change: Change, of?: OpenSsl.CipherAlgorithm): OpenSsl.OpenSsl => ({
    ...native(),
    makeCipher: (algorithm, key) => {
      const cipher = native().makeCipher(algorithm, key)
      const whole: OpenSsl.AeadCipher = {
        algorithm,
        seal: (...args) => cipher.seal(...args),
        open: (...args) => cipher.open(...args),
        sealPacket: (...args) => cipher.sealPacket(...args),
        openPacket: (...args) => cipher.openPacket(...args),
        destroy: () => cipher.destroy()
      }
      return of === undefined || of === algorithm ? { ...whole, ...change(cipher) } : whole
    }
  })

  it("passes what is right", () => {
    assert.isUndefined(selfTest(withCipher(() => ({}))))
  })

  const faults: Record<string, readonly [detail: RegExp, faulty: () => OpenSsl.OpenSsl]> = {
    "a tag that is not written": [/^AES-256-GCM/, () =>
      withCipher((cipher) => ({
        seal: (nonce, aad, plaintext, out) => {
          const length = cipher.seal(nonce, aad, plaintext, out)
          out.fill(0, plaintext.length)
          return length
        }
      }))],
    "a tag that is not compared": [/^ChaCha20-Poly1305: RFC 8439/, () =>
      withCipher((cipher) => ({
        open: (...args) => Math.max(cipher.open(...args), args[3].length)
      }), "ChaCha20-Poly1305")],
    "plaintext that stays after a refusal": [/^AES-256-GCM/, () =>
      withCipher((cipher) => ({
        open: (...args) => {
          const length = cipher.open(...args)
          if (length < 0) args[3].fill(1)
          return length
        }
      }))],
    "a counter that stands still": [/^AES-256-GCM: nonces by counter/, () =>
      withCipher((cipher) => ({
        sealPacket: (arena, offset, aadLength, length, counter) =>
          cipher.sealPacket(arena, offset, aadLength, length, counter === 1 ? 0 : counter)
      }))],
    "a counter of 32 bits": [/^ChaCha20-Poly1305: nonces by counter/, () =>
      withCipher((cipher) => ({
        sealPacket: (arena, offset, aadLength, length, counter) =>
          cipher.sealPacket(arena, offset, aadLength, length, counter >>> 0)
      }), "ChaCha20-Poly1305")],
    "a wrong public key": [/^X25519 public key/, () => ({ ...native(), x25519PublicKey: (key) => key })],
    "a wrong agreement": [/^X25519: RFC 7748/, () => ({ ...native(), x25519: (_, key) => key })],
    "a public key of low order that is let through": [/low order/, () => ({
      ...native(),
      x25519: (secretKey, publicKey) => native().x25519(secretKey, publicKey) ?? new Uint8Array(32)
    })],
    "a wrong HMAC": [/^HMAC/, () => ({ ...native(), hmac: () => new Uint8Array(32) })],
    "a wrong HKDF": [/^HKDF/, () => ({ ...native(), hkdfExpand: () => new Uint8Array(42) })],
    "contexts that stay": [/2 contexts/, () => ({ ...native(), liveContexts: 2 })]
  }

  it.each(Object.entries(faults))("refuses %s", (_, [detail, faulty]) => {
    const error = selfTest(faulty())
    assert.strictEqual(error?.reason, "SelfTestFailed")
    assert.match(error?.detail ?? "", detail)
    assert.match(error?.message ?? "", /use the portable path$/)
  })
})
