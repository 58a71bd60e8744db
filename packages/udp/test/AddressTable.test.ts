import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { Address, AddressTable, TRANSIENT_ADDRESSES } from "../src/index.js"

const addressOf = (n: number): Uint8Array => {
  const out = new Uint8Array(Address.ADDRESS_BYTES)
  Address.write(`10.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`, 1 + (n % 60_000), out, 0)
  return out
}

const operation = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("acquire" as const), n: fc.nat(50) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("release" as const), n: fc.nat(100) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("transient" as const), n: fc.nat(1_000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("endTurn" as const), n: fc.constant(0) }) }
)

describe("AddressTable", () => {
  it.prop("every held id keeps its own address whatever else is acquired, released or answered", [
    fc.array(operation, { maxLength: 200 })
  ], ([operations]) => {
    const table = new AddressTable()
    const held = new Map<number, Uint8Array>()
    const transients = new Map<number, Uint8Array>()
    const gone = new Set<number>()
    const out = new Uint8Array(Address.ADDRESS_BYTES)
    for (const { kind, n } of operations) {
      if (kind === "acquire") {
        const id = table.acquire(addressOf(n), 0)
        assert.isAbove(id, 0)
        assert.isFalse(held.has(id))
        held.set(id, addressOf(n))
        gone.delete(id)
      } else if (kind === "release") {
        const id = [...held.keys()][n % Math.max(1, held.size)]
        if (id !== undefined) {
          table.release(id)
          held.delete(id)
          gone.add(id)
        }
      } else if (kind === "transient") {
        const id = table.transient(addressOf(n), 0)
        assert.isFalse(held.has(id))
        transients.set(id, addressOf(n))
      } else {
        table.endTurn()
        for (const id of transients.keys()) gone.add(id)
        transients.clear()
      }
      assert.strictEqual(table.size, held.size)
    }
    for (const [id, address] of [...held, ...transients]) {
      table.copyTo(id, out, 0)
      assert.deepStrictEqual(out, address)
      assert.isTrue(table.equals(id, address, 0))
      assert.isFalse(table.equals(id, addressOf(5_000_000), 0))
      assert.deepStrictEqual(table.address(id), Address.decode(address, 0))
      gone.delete(id)
    }
    for (const id of gone) assert.isFalse(table.has(id))
  })

  it("an id released twice is given out once", () => {
    const table = new AddressTable()
    const id = table.acquire(addressOf(1), 0)
    table.release(id)
    table.release(id)
    assert.strictEqual(table.size, 0)
    assert.notStrictEqual(table.acquire(addressOf(2), 0), table.acquire(addressOf(3), 0))
  })

  it("strangers take no memory: the ring of transient ids is bounded and keeps the latest", () => {
    const table = new AddressTable()
    const ids = new Set<number>()
    let last = 0
    for (let n = 0; n < 3 * TRANSIENT_ADDRESSES + 5; n++) {
      last = table.transient(addressOf(n), 0)
      ids.add(last)
    }
    assert.strictEqual(ids.size, TRANSIENT_ADDRESSES)
    assert.isTrue(table.equals(last, addressOf(3 * TRANSIENT_ADDRESSES + 4), 0))
    assert.strictEqual(table.size, 0)
  })

  it("ids that never were are answered with nothing", () => {
    const table = new AddressTable()
    const out = new Uint8Array(Address.ADDRESS_BYTES)
    for (const id of [0, -1, 17, 2 ** 30, NaN, 1.5]) {
      table.release(id)
      table.copyTo(id, out, 0)
      assert.isFalse(table.has(id))
      assert.isFalse(table.equals(id, out, 0))
      assert.deepStrictEqual(table.address(id), { host: "0.0.0.0", port: 0 })
    }
    assert.isTrue(out.every((byte) => byte === 0))
  })
})
