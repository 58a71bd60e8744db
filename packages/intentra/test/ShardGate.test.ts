import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { createHmac, randomFillSync } from "node:crypto"
import * as AdmissionTable from "../src/AdmissionTable.js"
import * as Cookie from "../src/Cookie.js"

const address = (host: number, port = 1000): Uint8Array => {
  const bytes = new Uint8Array(24)
  bytes.set([4, 0, port >>> 8, port & 255, 10, 0, host >>> 8, host & 255])
  return bytes
}

/** Tables of several threads that count together. */
const tables = (count: number, options: { readonly limit: number; readonly perSource?: number }) => {
  const shared = new Int32Array(new SharedArrayBuffer(4 * (1 + 4096)))
  return {
    shared,
    tables: Array.from(
      { length: count },
      () => AdmissionTable.make({ sourceRate: Infinity, seed: 7, shared, ...options })
    )
  }
}

const mac = (key: Uint8Array, data: Uint8Array): Uint8Array => createHmac("sha256", key).update(data).digest()

describe("admission over several threads", () => {
  it("all tables together hold no more than the limit, and the newcomer puts out one of its own table's", () => {
    const { shared, tables: [a, b] } = tables(2, { limit: 6, perSource: 100 })
    for (let i = 0; i < 4; i++) assert.isAtLeast(a.admit(i, address(i), 0, false), 0)
    for (let i = 0; i < 2; i++) assert.isAtLeast(b.admit(i, address(10 + i), 0, false), 0)
    assert.strictEqual(shared[0], 6)
    assert.isAtLeast(b.admit(10, address(20), 0, false), 0)
    assert.isAtLeast(b.evicted, 0)
    assert.deepStrictEqual([a.inFlight, b.inFlight, shared[0]], [4, 2, 6])
  })

  it("a table with nothing to put out takes one above the limit, and no more", () => {
    const { shared, tables: [a, b] } = tables(2, { limit: 4, perSource: 100 })
    for (let i = 0; i < 4; i++) a.admit(i, address(i), 0, false)
    for (let i = 0; i < 5; i++) assert.isAtLeast(b.admit(i, address(10 + i), 0, false), 0)
    assert.deepStrictEqual([a.inFlight, b.inFlight, shared[0]], [4, 1, 5])
  })

  it("a source's handshakes count together whichever thread has them, once half of the slots are taken", () => {
    const { tables: [a, b] } = tables(2, { limit: 10, perSource: 5 })
    for (let i = 0; i < 3; i++) a.admit(0, address(1, i), 0, false)
    for (let i = 3; i < 5; i++) b.admit(0, address(1, i), 0, false)
    assert.strictEqual(a.admit(0, address(1, 5), 0, false), AdmissionTable.REFUSED_SOURCE)
    assert.strictEqual(b.admit(0, address(1, 5), 0, false), AdmissionTable.REFUSED_SOURCE)
    assert.isAtLeast(b.admit(0, address(2), 0, false), 0)
  })

  it.prop(
    "what is released is free for every table, and nothing is left of it when all is released",
    [fc.array(fc.record({ table: fc.nat(2), host: fc.nat(20), release: fc.boolean() }), { maxLength: 200 })],
    ([steps]) => {
      const { shared, tables: all } = tables(3, { limit: 8, perSource: 3 })
      const held: Array<[number, number]> = []
      steps.forEach(({ host, release, table }, now) => {
        if (release) {
          const [of, slot] = held.pop() ?? [0, -1]
          assert.strictEqual(all[of].release(slot), slot >= 0)
          return
        }
        const slot = all[table].admit(now, address(host), 0, false)
        if (slot < 0) return
        const taken = held.findIndex(([of, other]) => of === table && other === slot)
        assert.strictEqual(taken >= 0, all[table].evicted === slot)
        if (taken >= 0) held.splice(taken, 1)
        held.push([table, slot])
        assert.strictEqual(shared[0], held.length)
        assert.isAtMost(shared[0], 8 + 2)
      })
      for (const [of, slot] of held) all[of].release(slot)
      assert.isTrue(shared.every((count) => count === 0))
    }
  )
})

describe("cookies over several threads", () => {
  it.prop(
    "jars that derive their secrets from one root verify each other's cookies, over rotations too",
    [fc.double({ min: 0, max: 1e7, noNaN: true }), fc.uint8Array({ minLength: 23, maxLength: 23 })],
    ([now, fields]) => {
      const root = randomFillSync(new Uint8Array(32))
      const fill = (out: Uint8Array, period: number) =>
        out.set(createHmac("sha256", root).update(String(period)).digest())
      const [a, b] = [Cookie.make({ fill, mac }), Cookie.make({ fill, mac })]
      const cookie = new Uint8Array(16)
      a.mint(now, address(1), 0, fields, cookie, 0)
      assert.isTrue(b.verify(now + 4_999, address(1), 0, fields, cookie, 0))
      assert.isFalse(b.verify(now + 10_000, address(1), 0, fields, cookie, 0))
    }
  )

  it("a jar asks for the secret of a period by the period's number, once", () => {
    const asked: Array<number> = []
    const jar = Cookie.make({ fill: (_out, period) => asked.push(period), mac })
    const out = new Uint8Array(16)
    for (const now of [0, 119_999, 120_000, 125_000, 240_000 * 3]) jar.mint(now, address(1), 0, out, out, 0)
    assert.deepStrictEqual(asked, [0, 1, 6])
  })
})
