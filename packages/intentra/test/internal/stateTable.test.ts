import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { StateTable } from "../../src/internal/stateTable.js"

const step = FastCheck.record({
  op: FastCheck.constantFrom("put", "put", "delete", "flush", "forget"),
  key: FastCheck.integer({ min: 0, max: 9 }).map(String)
})

const bytes = new Uint8Array(1)

/** All that the log says after a version: each key once. */
const after = (
  table: StateTable,
  version: number
): Map<string, { readonly version: number; readonly deleted: boolean }> => {
  const said = new Map<string, { readonly version: number; readonly deleted: boolean }>()
  for (let place = table.placeAfter(version); place < table.length; place++) {
    const cell = table.cellAt(place)
    if (cell === undefined) continue
    assert.isFalse(said.has(cell.key), `${cell.key} twice`)
    said.set(cell.key, { version: table.versionAt(place), deleted: cell.deleted })
  }
  return said
}

describe("StateTable", () => {
  it.prop(
    "after any version the log has every key that changed since, once, with its newest version",
    [FastCheck.array(step, { maxLength: 300 })],
    ([steps]) => {
      const table = new StateTable(3)
      // the newest flushed version of each key, and whether it was a deletion
      const model = new Map<string, { version: number; deleted: boolean }>()
      const live = new Set<string>()
      const touched = new Set<string>()
      for (const { key, op } of steps) {
        const cell = table.cells.get(key)
        if (op === "put") {
          table.put(cell ?? table.add(key, bytes), bytes, 0, Infinity)
          live.add(key)
          touched.add(key)
        } else if (op === "delete" && cell !== undefined && !cell.deleted) {
          table.delete(cell, 0)
          live.delete(key)
          if (cell.version === 0) touched.delete(key)
          else touched.add(key)
        } else if (op === "flush") {
          const before = table.head
          table.assignVersions()
          assert.strictEqual(table.head, before + touched.size)
          for (const name of touched) {
            const flushed = table.cells.get(name)
            assert.isAbove(flushed?.version ?? 0, before)
            model.set(name, { version: flushed?.version ?? 0, deleted: !live.has(name) })
          }
          touched.clear()
        } else if (op === "forget") table.forgetDeletions(table.head)
        assert.strictEqual(table.live, live.size)
        if (touched.size > 0) continue
        for (const version of [0, table.head >> 1, table.head]) {
          const said = after(table, version)
          for (const [name, expected] of model) {
            if (expected.version <= version) assert.isFalse(said.has(name))
            // a deletion may be forgotten, up to the floor
            else if (!expected.deleted || expected.version > table.floor) {
              assert.deepStrictEqual(said.get(name), expected)
            }
          }
        }
      }
    }
  )

  it("it is as large as there are keys, however many updates and deletions there were", () => {
    const table = new StateTable(10)
    for (let i = 0; i < 50_000; i++) {
      const key = `${i % 7}`
      table.put(table.cells.get(key) ?? table.add(key, bytes), bytes, 0, Infinity)
      const passing = table.add(`passing ${i}`, bytes)
      table.put(passing, bytes, 0, Infinity)
      if (i % 3 === 0) table.assignVersions()
      table.delete(passing, 0)
      if (i % 5 === 0) {
        table.assignVersions()
        table.forgetDeletions(0)
      }
    }
    assert.strictEqual(table.live, 7)
    assert.isAtMost(table.tombstones, 10 + 5)
    assert.isAtMost(table.cells.size, 7 + 10 + 5)
    assert.isAtMost(table.length, 2 * table.cells.size + 64 + 15)
  })

  it("when there is never time for all of them, it is not always the same keys that come first", () => {
    const table = new StateTable(10)
    const keys = Array.from({ length: 100 }, (_, n) => `${n}`)
    const cells = keys.map((key) => table.add(key, bytes))
    const waited = new Map(keys.map((key) => [key, 0]))
    let longest = 0
    for (let flush = 0; flush < 500; flush++) {
      for (const cell of cells) table.put(cell, bytes, 0, Infinity)
      const before = table.head
      table.assignVersions()
      const first = new Set(
        Array.from({ length: 20 }, (_, i) => table.cellAt(table.placeAfter(before) + i)?.key)
      )
      for (const key of keys) {
        const count = first.has(key) ? 0 : (waited.get(key) ?? 0) + 1
        waited.set(key, count)
        longest = Math.max(longest, count)
      }
    }
    // a fifth of them in each flush: everyone once in five would be perfect
    assert.isAtMost(longest, 13)
  })
})
