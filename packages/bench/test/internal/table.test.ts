import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { aligned, markdown } from "../../src/internal/table.js"

const cell = FastCheck.oneof(
  FastCheck.integer(),
  FastCheck.constant(null),
  FastCheck.boolean(),
  FastCheck.stringMatching(/^[a-z|]{0,9}$/)
)
const rows = FastCheck.array(FastCheck.record({ first: cell, second: cell, third: cell }), { minLength: 1 })

describe("table", () => {
  it.prop("every row of a Markdown table has as many places as its head, bars in names or not", [rows], ([these]) => {
    for (const line of markdown(these).split("\n")) assert.lengthOf(line.match(/(?<!\\)\|/g) ?? [], 4)
  })

  it("figures stand to the right, text to the left, thousands apart", () => {
    const text = aligned([{ name: "ab", "per second": 1_234_567 }, { name: "c", "per second": 0.5 }])
    assert.strictEqual(text, ["name  per second", "ab     1,234,567", "c            0.5"].join("\n"))
  })
})
