import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import type { Timed } from "../../src/internal/timerHeap.js"
import { TimerHeap } from "../../src/internal/timerHeap.js"

interface Item extends Timed {
  readonly id: number
}

const makeItems = (count: number): ReadonlyArray<Item> =>
  Array.from({ length: count }, (_, id) => ({ id, timerAt: 0, timerIndex: -1 }))

type Command =
  | { readonly _tag: "set"; readonly item: number; readonly at: number }
  | { readonly _tag: "remove"; readonly item: number }
  | { readonly _tag: "pop"; readonly now: number }

const ITEMS = 48
const item = fc.nat(ITEMS - 1)
// few different times, so that ties are common
const time = fc.oneof(fc.nat(20), fc.double({ min: 0, max: 100, noNaN: true }))

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ _tag: fc.constant("set" as const), item, at: time }) },
  { weight: 2, arbitrary: fc.record({ _tag: fc.constant("remove" as const), item }) },
  { weight: 2, arbitrary: fc.record({ _tag: fc.constant("pop" as const), now: time }) }
)

describe("TimerHeap", () => {
  it.prop(
    "it behaves as a sorted list does, whatever is set, moved, removed and popped",
    [fc.array(command, { maxLength: 200 })],
    ([commands]) => {
      const items = makeItems(ITEMS)
      const heap = new TimerHeap<Item>()
      const oracle = new Map<number, number>()
      const earliest = () => Math.min(Infinity, ...oracle.values())
      for (const step of commands) {
        if (step._tag === "set") {
          heap.set(items[step.item], step.at)
          oracle.set(step.item, step.at)
        } else if (step._tag === "remove") {
          heap.remove(items[step.item])
          oracle.delete(step.item)
        } else {
          const popped = heap.pop(step.now)
          if (earliest() > step.now) assert.isUndefined(popped)
          else {
            assert.isDefined(popped)
            assert.strictEqual(oracle.get(popped.id), earliest())
            assert.strictEqual(popped.timerIndex, -1)
            oracle.delete(popped.id)
          }
        }
        assert.strictEqual(heap.size, oracle.size)
        assert.strictEqual(heap.next, earliest())
        for (const one of items) {
          assert.strictEqual(one.timerIndex >= 0, oracle.has(one.id))
          if (oracle.has(one.id)) assert.strictEqual(one.timerAt, oracle.get(one.id))
        }
      }
      const left: Array<number> = []
      for (let one = heap.pop(Infinity); one !== undefined; one = heap.pop(Infinity)) left.push(one.timerAt)
      assert.deepStrictEqual(left, Array.from(oracle.values()).sort((a, b) => a - b))
    },
    { fastCheck: { numRuns: 200 } }
  )

  it.prop(
    "whatever is taken out of the middle, the rest comes in the order of its deadlines",
    [
      fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 10, maxLength: 60 }),
      fc.array(fc.nat(), { minLength: 1, maxLength: 30 })
    ],
    ([times, removals]) => {
      const heap = new TimerHeap<Item>()
      const items = makeItems(times.length)
      items.forEach((one, i) => heap.set(one, times[i]))
      const left = new Set(items)
      for (const removal of removals) {
        const one = items[removal % items.length]
        heap.remove(one)
        left.delete(one)
      }
      const popped: Array<number> = []
      for (let one = heap.pop(Infinity); one !== undefined; one = heap.pop(Infinity)) popped.push(one.timerAt)
      assert.deepStrictEqual(popped, Array.from(left, (one) => one.timerAt).sort((x, y) => x - y))
    },
    { fastCheck: { numRuns: 300 } }
  )

  it.prop(
    "popped without end, items come in the order of their deadlines",
    [fc.array(time, { maxLength: 200 })],
    ([times]) => {
      const heap = new TimerHeap<Item>()
      makeItems(times.length).forEach((one, i) => heap.set(one, times[i]))
      const popped: Array<number> = []
      for (let one = heap.pop(Infinity); one !== undefined; one = heap.pop(Infinity)) popped.push(one.timerAt)
      assert.deepStrictEqual(popped, times.slice().sort((a, b) => a - b))
    }
  )

  it("an empty heap has no deadline, and what is not in it is removed without harm", () => {
    const heap = new TimerHeap<Item>()
    const [one] = makeItems(1)
    heap.remove(one)
    assert.strictEqual(heap.next, Infinity)
    assert.isUndefined(heap.pop(Infinity))
    heap.set(one, Infinity)
    assert.strictEqual(heap.size, 1)
    assert.isUndefined(heap.pop(1e15))
  })

  it("an item is due at its deadline, not before", () => {
    const heap = new TimerHeap<Item>()
    const [one] = makeItems(1)
    heap.set(one, 10)
    assert.isUndefined(heap.pop(9.999))
    assert.strictEqual(heap.pop(10), one)
  })
})
