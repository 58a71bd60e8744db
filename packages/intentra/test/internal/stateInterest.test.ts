import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { StateInterest } from "../../src/internal/stateInterest.js"

const text = fc.string({ unit: fc.constantFrom("a", "b", "/", "\u{e9}", "\u{1f600}"), maxLength: 6 })

describe("StateInterest", () => {
  it("matches its keys, and what one of its prefixes begins, and nothing else", () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 3 }), fc.array(text, { maxLength: 12 }), text, (keys, prefixes, key) => {
        assert.strictEqual(
          new StateInterest(false, new Set(keys), prefixes).matches(key),
          keys.includes(key) || prefixes.some((prefix) => key.startsWith(prefix))
        )
      }),
      { numRuns: 5000 }
    )
  })
})
