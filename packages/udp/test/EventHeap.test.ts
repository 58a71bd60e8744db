import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { EventHeap, type Scheduled } from "../src/internal/eventHeap.js"

const operation = fc.record({
  kind: fc.constantFrom("put", "put", "put", "remove"),
  item: fc.nat(30),
  at: fc.nat(100)
})

describe("EventHeap", () => {
  it.prop("the first by time and then by order comes first, whatever was put, moved, removed or taken before", [
    fc.array(operation, { minLength: 50, maxLength: 300 })
  ], ([operations]) => {
    const heap = new EventHeap()
    const items: Array<Scheduled> = Array.from({ length: 31 }, () => ({ at: 0, order: 0, index: -1, fire: () => {} }))
    const model = new Set<Scheduled>()
    const first = (): Scheduled | undefined => [...model].sort((a, b) => a.at - b.at || a.order - b.order)[0]
    operations.forEach(({ at, item, kind }, order) => {
      const chosen = items[item]
      if (kind === "put") {
        chosen.at = at
        chosen.order = order
        heap.put(chosen)
        model.add(chosen)
      } else if (kind === "remove") {
        heap.remove(chosen)
        model.delete(chosen)
      } else {
        const expected = first()
        assert.strictEqual(heap.pop(), expected)
        if (expected !== undefined) model.delete(expected)
      }
      assert.strictEqual(heap.size, model.size)
      assert.strictEqual(heap.peek(), first())
    })
    while (model.size > 0) {
      const expected = first()
      assert.strictEqual(heap.pop(), expected)
      if (expected !== undefined) model.delete(expected)
    }
    assert.isUndefined(heap.pop())
  })
})
