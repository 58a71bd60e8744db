import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { OldestFirst } from "../../src/internal/oldestFirst.js"

const key = fc.nat(20)

const command = fc.oneof(
  { weight: 4, arbitrary: fc.record({ _tag: fc.constant("set" as const), key }) },
  { weight: 2, arbitrary: fc.record({ _tag: fc.constant("delete" as const), key }) },
  { weight: 3, arbitrary: fc.record({ _tag: fc.constant("drop" as const), key }) }
)

let gc: (() => void) | undefined

const heldBytes = (): number => {
  if (gc === undefined) {
    setFlagsFromString("--expose-gc")
    gc = runInNewContext("gc") as () => void
  }
  gc()
  return process.memoryUsage().heapUsed
}

describe("OldestFirst", () => {
  it("holds what is there and no more, though the oldest stays for ever while others come and go", () => {
    const map = new OldestFirst<string, number>()
    const churn = (): void => {
      for (let i = 0; i < 100_000; i++) {
        map.set(`${i % 100}`, i)
        assert.deepStrictEqual(map.oldest, ["stays", 0])
      }
    }
    map.set("stays", 0)
    churn()
    const before = heldBytes()
    churn()
    churn()
    assert.isBelow(heldBytes() - before, 2_000_000)
    assert.strictEqual(map.size, 101)
  })

  it.prop(
    "knows the key that was set before all others, whatever is set again and deleted between two looks",
    [fc.array(command, { maxLength: 300 })],
    ([commands]) => {
      const map = new OldestFirst<number, number>()
      let model: Array<readonly [number, number]> = []
      commands.forEach(({ _tag, key }, i) => {
        if (_tag === "set") {
          model = [...model.filter(([other]) => other !== key), [key, i]]
          map.set(key, i)
        } else if (_tag === "delete") {
          assert.strictEqual(map.delete(key), model.some(([other]) => other === key))
          model = model.filter(([other]) => other !== key)
        } else {
          const { oldest } = map
          assert.deepStrictEqual(oldest, model.at(0))
          if (oldest !== undefined) map.delete(oldest[0])
          model = model.slice(1)
        }
        assert.strictEqual(map.size, model.length)
        for (const [other, value] of model) assert.strictEqual(map.get(other), value)
        assert.strictEqual(map.has(key), model.some(([other]) => other === key))
      })
      for (const entry of model) {
        assert.deepStrictEqual(map.oldest, entry)
        map.delete(entry[0])
      }
      assert.isUndefined(map.oldest)
    }
  )
})
