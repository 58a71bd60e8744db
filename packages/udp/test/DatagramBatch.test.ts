import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { Address, ReceiveBatch, SendBatch } from "../src/index.js"

const operation = fc.record({ reserve: fc.integer({ min: -1, max: 80 }), commit: fc.integer({ min: -2, max: 90 }) })

describe("ReceiveBatch", () => {
  it("has room for a source of each datagram", () => {
    const batch = new ReceiveBatch(5, 10)
    assert.deepStrictEqual(Array.from(batch.addressOffsets), [0, 1, 2, 3, 4].map((i) => i * Address.ADDRESS_BYTES))
    assert.strictEqual(batch.addresses.length, 5 * Address.ADDRESS_BYTES)
  })

  it("clear forgets where a handler stopped", () => {
    const batch = new ReceiveBatch(5, 10)
    batch.count = 5
    batch.first = 3
    batch.clear()
    assert.deepStrictEqual([batch.count, batch.first], [0, 0])
  })
})

describe("SendBatch", () => {
  it.prop("committed datagrams never overlap, never leave the arena, and keep their lengths and receivers", [
    fc.integer({ min: 0, max: 8 }),
    fc.integer({ min: 0, max: 256 }),
    fc.array(operation, { maxLength: 40 })
  ], ([capacity, arenaBytes, operations]) => {
    const batch = new SendBatch(capacity, arenaBytes)
    const expected: Array<{ offset: number; length: number; id: number }> = []
    operations.forEach(({ commit, reserve }, id) => {
      const offset = batch.reserve(reserve)
      const used = expected.reduce((sum, { length }) => sum + length, 0)
      const fits = reserve >= 0 && expected.length < capacity && used + reserve <= arenaBytes
      assert.strictEqual(offset, fits ? used : -1)
      batch.commit(commit, id)
      if (fits && commit >= 0 && commit <= reserve) expected.push({ offset, length: commit, id })
      assert.strictEqual(batch.count, expected.length)
    })
    let end = 0
    expected.forEach(({ id, length, offset }, i) => {
      assert.strictEqual(batch.offsets[i], offset)
      assert.strictEqual(batch.lengths[i], length)
      assert.strictEqual(batch.addressIds[i], id)
      assert.isAtLeast(offset, end)
      end = offset + length
    })
    assert.isAtMost(end, arenaBytes)
    assert.strictEqual(batch.bytes, end)
  })

  it("one reservation is committed at most once", () => {
    const batch = new SendBatch(4, 100)
    batch.reserve(10)
    batch.commit(5, 1)
    batch.commit(5, 1)
    assert.strictEqual(batch.count, 1)
  })

  it("clear gives all room back", () => {
    const batch = new SendBatch(1, 10)
    batch.reserve(10)
    batch.commit(10, 1)
    assert.strictEqual(batch.reserve(1), -1)
    batch.clear()
    batch.commit(1, 1)
    assert.strictEqual(batch.count, 0)
    assert.strictEqual(batch.reserve(10), 0)
  })
})
