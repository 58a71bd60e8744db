import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { ConnectionTable } from "../../src/internal/connectionTable.js"
import type { Endpoint } from "../../src/internal/session.js"

const endpoint = (connId: number): Endpoint => ({ connId, state: 0, addressId: 0, timerAt: 0, timerIndex: -1 })

/** Draws the given numbers, then all others from 1 on. */
const draws = (numbers: ReadonlyArray<number>) => {
  let i = 0
  return () => i < numbers.length ? numbers[i++] : ++i - numbers.length
}

/** Ids that share their low bits by threes, so that they meet in the table. */
const crowded = (number: number): number => number === 0 ? 0 : number * 64 + number % 3

const sorted = (endpoints: Iterable<Endpoint>) => Array.from(endpoints).sort((one, other) => one.connId - other.connId)

const REST = 180_000

type Command = { readonly _tag: "open" | "delete" | "rest"; readonly place: number } | {
  readonly _tag: "wait"
  readonly millis: number
}

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ _tag: fc.constant("open" as const), place: fc.nat() }) },
  {
    weight: 3,
    arbitrary: fc.record({
      _tag: fc.constantFrom("delete" as const, "rest" as const, "rest" as const),
      place: fc.nat()
    })
  },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("wait" as const), millis: fc.constantFrom(1, 1000, 90_000) }) }
)

describe("ConnectionTable", () => {
  it.prop(
    "an id is never zero, never in use and never resting, however poor the draw; it is found until it is forgotten",
    [fc.array(fc.nat(12).map(crowded), { maxLength: 200 }), fc.array(command, { maxLength: 60 })],
    ([numbers, commands]) => {
      const table = new ConnectionTable(draws(numbers), REST)
      const open = new Map<number, Endpoint>()
      const resting = new Map<number, number>()
      let now = 0
      for (const step of commands) {
        if (step._tag === "wait") {
          now += step.millis
          continue
        }
        if (step._tag === "open") {
          const id = table.newId(now)
          assert.notStrictEqual(id, 0)
          assert.isFalse(open.has(id))
          assert.isFalse((resting.get(id) ?? -1) > now)
          const one = endpoint(id)
          table.set(one)
          open.set(id, one)
        } else {
          const ids = Array.from(open.keys())
          if (ids.length === 0) continue
          const id = ids[step.place % ids.length]
          open.delete(id)
          if (step._tag === "delete") table.delete(id)
          else {
            table.rest(now, id)
            resting.set(id, now + REST)
          }
        }
        assert.strictEqual(table.size, open.size)
        for (let number = 0; number <= 12; number++) {
          assert.strictEqual(table.get(crowded(number)), open.get(crowded(number)))
        }
        assert.deepStrictEqual(sorted(table.values()), sorted(open.values()))
      }
    }
  )

  it("an id rests for its time to the millisecond, and may be drawn again then", () => {
    const table = new ConnectionTable(draws([7, 7, 8, 7, 7]), REST)
    table.set(endpoint(table.newId(0)))
    table.rest(1000, 7)
    assert.strictEqual(table.newId(1000 + REST - 1), 8)
    assert.strictEqual(table.newId(1000 + REST), 7)
  })

  it("an id that never carried sealed packets does not rest", () => {
    const table = new ConnectionTable(draws([7, 7]), REST)
    table.set(endpoint(table.newId(0)))
    table.delete(7)
    assert.strictEqual(table.newId(0), 7)
  })

  it("resting twice, or without being there, changes nothing", () => {
    const table = new ConnectionTable(draws([7, 9]), REST)
    table.rest(0, 7)
    assert.strictEqual(table.newId(0), 7)
    table.set(endpoint(7))
    table.rest(0, 7)
    table.rest(REST - 1, 7)
    assert.strictEqual(table.newId(REST), 9)
  })

  it.prop("ids are 32 bits without a sign, whatever is drawn", [fc.integer()], ([drawn]) => {
    const id = new ConnectionTable(draws([drawn]), REST).newId(0)
    assert.isAtLeast(id, 1)
    assert.isAtMost(id, 0xffffffff)
  })

  it("a session takes the place of its handshake under the same id", () => {
    const table = new ConnectionTable(draws([5]), REST)
    table.set(endpoint(table.newId(0)))
    const session = endpoint(5)
    table.set(session)
    assert.strictEqual(table.get(5), session)
    assert.strictEqual(table.size, 1)
  })
})
