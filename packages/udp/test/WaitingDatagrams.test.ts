import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { Address, AddressTable, SendBatch } from "../src/index.js"
import { WaitingDatagrams } from "../src/internal/waitingDatagrams.js"
import { numbered } from "./support/contract.js"

const addressOf = (n: number): Uint8Array => {
  const bytes = new Uint8Array(Address.ADDRESS_BYTES)
  Address.write("10.0.0.1", n & 0xffff, bytes, 0)
  return bytes
}

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("push" as const), n: fc.integer({ min: 0, max: 3_000 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("push" as const), n: fc.constant(65_507) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("take" as const), n: fc.integer({ min: 1, max: 8 }) }) }
)

describe("WaitingDatagrams", () => {
  it.prop("it is a queue bounded in bytes that keeps bytes, receivers and order, and drops as its policy says", [
    fc.boolean(),
    fc.integer({ min: 0, max: 400_000 }),
    fc.array(step, { maxLength: 60 })
  ], ([dropOldest, maxBytes, steps]) => {
    const waiting = new WaitingDatagrams(maxBytes, dropOldest)
    const batch = new SendBatch(16, 128 * 1024)
    const addresses = new AddressTable()
    const model: Array<{ n: number; length: number }> = []
    const cost = () => model.reduce((sum, { length }) => sum + length + 64, 0)
    let next = 0
    for (const { kind, n: size } of steps) {
      if (kind === "push") {
        const n = next++
        const bytes = numbered(n, size)
        const dropped = waiting.push(bytes, 0, size, addressOf(n), 0)
        if (size + 64 > maxBytes || (!dropOldest && cost() + size + 64 > maxBytes)) {
          assert.strictEqual(dropped, -1)
        } else {
          let expected = 0
          for (; cost() + size + 64 > maxBytes; expected++) model.shift()
          assert.strictEqual(dropped, expected)
          model.push({ n, length: size })
        }
      } else {
        batch.clear()
        waiting.copyTo(batch, addresses)
        if (model.length > 0) assert.isAbove(batch.count, 0)
        for (let i = 0; i < batch.count; i++) {
          const { length, n } = model[i]
          const at = batch.offsets[i]
          assert.deepStrictEqual(batch.arena.slice(at, at + batch.lengths[i]), numbered(n, length))
          assert.isTrue(addresses.equals(batch.addressIds[i], addressOf(n), 0))
        }
        const taken = Math.min(size, batch.count)
        waiting.shift(taken)
        model.splice(0, taken)
      }
      assert.strictEqual(waiting.length, model.length)
    }
  })
})
