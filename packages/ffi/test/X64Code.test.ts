import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { FfiError } from "../src/index.js"
import type { Call } from "../src/internal/callSequence.js"
import { CallRecord } from "../src/internal/callSequence.js"
import { loadKoffi } from "../src/internal/koffi.js"
import type { MemoryMaps } from "../src/internal/memoryMaps.js"
import { memoryMaps, PROT_EXEC, PROT_READ } from "../src/internal/memoryMaps.js"
import { joinX64, prefetchX64 } from "../src/internal/x64Code.js"
import * as PinnedMemory from "../src/PinnedMemory.js"

const koffi = loadKoffi()
const present = !(koffi instanceof FfiError) && process.arch === "x64"
if (!present) process.stdout.write("Joined native calls are skipped: they are for x64, with koffi\n")

const native = () => {
  if (koffi instanceof FfiError) throw koffi
  return koffi
}

/** A field that a test may use. */
const LAST = 14

describe.skipIf(!present)("calls that are joined by machine code", () => {
  it.prop(
    "are made in order, with the arguments they name, up to the first that answers otherwise than it must",
    [fc.array(fc.record({ byte: fc.integer({ min: 1, max: 255 }), right: fc.boolean() }), { maxLength: 4 }), fc.nat(1)],
    ([steps, lie]) => {
      const memory = PinnedMemory.make(4096)
      const record = new CallRecord(memory.slice(CallRecord.BYTES))
      const marks = memory.slice(64)
      // memset(mark, byte, 1) answers with the mark's address
      const calls = steps.map((step, i): Call<"memset"> => {
        record.set(3 * i, marks.address + i)
        record.set(3 * i + 1, step.byte)
        record.set(3 * i + 2, step.right ? marks.address + i : marks.address + i + 1 + lie)
        return { name: "memset", takes: [3 * i, 3 * i + 1, LAST], answers: 3 * i + 2 }
      })
      record.set(LAST, 1)
      const joined = joinX64(native(), memoryMaps(native()), record, { calls, none: [] })
      joined?.none()
      assert.isTrue(record.succeeded)
      joined?.calls()
      assert.strictEqual(record.succeeded, steps.every(({ right }) => right))
      const wrong = steps.findIndex(({ right }) => !right)
      const made = wrong < 0 ? steps.length : wrong + 1
      const marked = Array.from(marks.bytes.subarray(0, steps.length))
      assert.deepStrictEqual(marked, steps.map(({ byte }, i) => i < made ? byte : 0))
    },
    { fastCheck: { numRuns: 50 } }
  )

  it("take five arguments, whole 64-bit words", () => {
    const memory = PinnedMemory.make(4096)
    const record = new CallRecord(memory.slice(CallRecord.BYTES))
    const text = memory.slice(64)
    text.bytes.set(Buffer.from("one two three"))
    const found = memory.slice(64)
    found.bytes.set(Buffer.from("two"))
    // memmem(haystack, length, needle, length) takes four, and leaves a fifth alone
    const fields = [text.address, 13, found.address, 3, 2 ** 40 + 1, text.address + 4]
    fields.forEach((value, field) => record.set(field, value))
    const table = { find: [{ name: "memmem", takes: [0, 1, 2, 3, 4], answers: 5 }] } as const
    const joined = joinX64(native(), memoryMaps(native()), record, table)
    joined?.find()
    assert.isTrue(record.succeeded)
    // a length beyond 32 bits is too long for the needle
    record.set(3, 2 ** 32 + 3)
    joined?.find()
    assert.isFalse(record.succeeded)
  })

  it.prop(
    "ask for cache lines at any addresses without touching what is there, or minding that nothing is",
    [fc.array(fc.oneof(fc.maxSafeNat(), fc.nat(4096), fc.constant(-1)), { minLength: 2, maxLength: 32 })],
    ([addresses]) => {
      const list = PinnedMemory.make(4096).slice(512)
      const entries = addresses.length >>> 1
      list.view.setBigUint64(0, BigInt(entries), true)
      for (let i = 0; i < 2 * entries; i++) {
        const address = addresses[i] < 0 ? list.address : addresses[i]
        list.view.setBigUint64(8 + 8 * i, BigInt(address), true)
      }
      const before = list.bytes.slice()
      const prefetch = prefetchX64(native(), memoryMaps(native()), list.address, [3, 16])
      if (prefetch === undefined) return assert.fail("memory may be executed here")
      prefetch()
      assert.deepStrictEqual(list.bytes, before)
    },
    { fastCheck: { numRuns: 30 } }
  )

  const record = () => new CallRecord(PinnedMemory.make(4096).slice(CallRecord.BYTES))

  it("lie where nothing can be written once something can be executed", () => {
    const maps = memoryMaps(native())
    const protections: Array<number> = []
    const watched: MemoryMaps = {
      ...maps,
      protect: (address, bytes, protection) => {
        protections.push(protection)
        return maps.protect(address, bytes, protection)
      }
    }
    assert.isDefined(joinX64(native(), watched, record(), { none: [] }))
    assert.isDefined(prefetchX64(native(), watched, PinnedMemory.make(64).slice(64).address, [1, 1]))
    assert.deepStrictEqual(protections, [PROT_READ | PROT_EXEC, PROT_READ | PROT_EXEC])
  })

  it("are not there where the system refuses, or a function is missing, and leave no page behind", () => {
    const maps = memoryMaps(native())
    let pages = 0
    const watched: MemoryMaps = {
      map: (bytes, flags) => {
        pages++
        return maps.map(bytes, flags)
      },
      unmap: (address, bytes) => {
        pages--
        maps.unmap(address, bytes)
      },
      protect: () => false
    }
    assert.isUndefined(joinX64(native(), watched, record(), { none: [] }))
    const missing = { calls: [{ name: "no_such_function", takes: [0], answers: 0 }] }
    assert.isUndefined(joinX64(native(), { ...watched, protect: maps.protect }, record(), missing))
    assert.isUndefined(joinX64(native(), { ...watched, map: () => undefined }, record(), { none: [] }))
    assert.strictEqual(pages, 0)
  })
})
