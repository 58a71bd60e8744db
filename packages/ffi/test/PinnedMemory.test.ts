import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { FfiError, PinnedMemory } from "../src/index.js"
import { bindAll, loadKoffi } from "../src/internal/koffi.js"

const koffi = loadKoffi()
if (koffi instanceof FfiError) process.stdout.write(`PinnedMemory is skipped: ${koffi.message}\n`)

const libc = () => {
  if (koffi instanceof FfiError) throw koffi
  const functions = bindAll(koffi, {
    memcpy: ["uintptr_t", ["uintptr_t", "uintptr_t", "size_t"]],
    memcmp: ["int", ["uintptr_t", "uintptr_t", "size_t"]]
  })
  if (functions instanceof FfiError) throw functions
  return functions
}

describe.skipIf(koffi instanceof FfiError)("PinnedMemory", () => {
  it.prop(
    "slices begin at multiples of 64, share no byte, and lie within the block",
    [fc.array(fc.nat(300), { minLength: 1, maxLength: 12 })],
    ([sizes]) => {
      const memory = PinnedMemory.make(sizes.reduce((sum, size) => sum + size + 63, 0))
      let free = memory.address
      for (const size of sizes) {
        const slice = memory.slice(size)
        assert.strictEqual(slice.address % 64, 0)
        assert.isAtLeast(slice.address, free)
        free = slice.address + size
        assert.isAtMost(free, memory.address + memory.bytes.length)
        assert.strictEqual(slice.bytes.length, size)
        assert.strictEqual(slice.view.byteLength, size)
        assert.strictEqual(slice.bytes.byteOffset - memory.bytes.byteOffset, slice.address - memory.address)
      }
    }
  )

  it.prop("native code reads and writes at a slice's address what JavaScript has in its bytes", [
    fc.uint8Array({ minLength: 1, maxLength: 500, size: "max" })
  ], ([text]) => {
    const memory = PinnedMemory.make(4096)
    const from = memory.slice(text.length)
    const to = memory.slice(text.length)
    from.bytes.set(text)
    assert.strictEqual(libc().memcpy(to.address, from.address, text.length), to.address)
    assert.deepStrictEqual(to.bytes.slice(), text)
    to.view.setUint8(0, text[0] ^ 1)
    assert.notStrictEqual(libc().memcmp(to.address, from.address, text.length), 0)
  })

  it.skipIf(process.arch !== "x64")("addresses are small integers of V8, which native calls take without a box", () => {
    for (const bytes of [1, 4096, 4 * 1024 * 1024]) {
      const { address, bytes: block } = PinnedMemory.make(bytes)
      assert.isBelow(address + block.length, 2 ** 31)
      assert.isTrue(block.every((byte) => byte === 0))
    }
  })

  it("a slice that does not fit is a RangeError, and takes nothing", () => {
    const memory = PinnedMemory.make(4096)
    memory.slice(4000)
    assert.throws(() => memory.slice(97), RangeError, "97 bytes were asked for, 64 are left")
    assert.strictEqual(memory.slice(64).bytes.length, 64)
    assert.throws(() => memory.slice(1), RangeError)
  })

  it("wiping overwrites every slice", () => {
    const memory = PinnedMemory.make(100)
    const slices = [memory.slice(10), memory.slice(50)]
    for (const slice of slices) slice.bytes.fill(7)
    memory.wipe()
    for (const slice of slices) assert.isTrue(slice.bytes.every((byte) => byte === 0))
  })
})
