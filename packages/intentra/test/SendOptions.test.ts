import { assert, describe, it } from "@effect/vitest"
import { Duration, FastCheck as fc } from "effect"
import { IntentraError } from "../src/IntentraError.js"
import { SendOptions } from "../src/SendOptions.js"
import type { SendOptionsInput } from "../src/SendOptions.js"

const refused = (options: object): IntentraError => {
  try {
    SendOptions.make(options as SendOptionsInput)
  } catch (error) {
    assert.instanceOf(error, IntentraError)
    return error
  }
  return assert.fail(`accepted ${JSON.stringify(options)}`)
}

describe("SendOptions", () => {
  it("without options a message is Realtime, of the lowest priority, and never expires", () => {
    for (const options of [SendOptions.default, SendOptions.make({}), SendOptions.from(undefined)]) {
      assert.deepStrictEqual([options.intentCode, options.priority, options.ttlMillis], [0, 0, Infinity])
    }
  })

  it.prop(
    "every intent, priority and ttl in range is taken as it is",
    [
      fc.constantFrom("Realtime" as const, "Sequenced" as const),
      fc.integer({ min: 0, max: 7 }),
      fc.integer({ min: 1, max: 1e9 })
    ],
    ([intent, priority, ttl]) => {
      const options = SendOptions.make({ intent, priority, ttl })
      assert.strictEqual(options.intentCode, intent === "Realtime" ? 0 : 2)
      assert.strictEqual(options.priority, priority)
      assert.strictEqual(options.ttlMillis, ttl)
    }
  )

  it("a ttl is any duration", () => {
    for (
      const [ttl, millis] of [
        ["50 millis", 50],
        ["2 seconds", 2000],
        [Duration.minutes(1), 60_000],
        [Duration.infinity, Infinity]
      ] as const
    ) assert.strictEqual(SendOptions.make({ ttl }).ttlMillis, millis)
  })

  it.prop(
    "a priority that is no integer from 0 to 7 is refused by name",
    [fc.oneof(fc.integer({ min: 8 }), fc.integer({ max: -1 }), fc.constantFrom(0.5, NaN, Infinity))],
    ([priority]) => {
      const error = refused({ priority })
      assert.strictEqual(error.reason, "InvalidOptions")
      assert.include(error.message, "priority")
      assert.include(error.message, "0 (lowest) to 7")
    }
  )

  it("a ttl of nothing is refused by name", () => {
    for (const ttl of [0, -1, Duration.zero]) {
      const error = refused({ ttl })
      assert.strictEqual(error.reason, "InvalidOptions")
      assert.include(error.message, "ttl")
    }
  })

  it("an intent that does not exist is refused by name with those that do", () => {
    for (const intent of ["Urgent", "realtime", "", 0]) {
      const error = refused({ intent })
      assert.strictEqual(error.reason, "InvalidOptions")
      assert.include(error.message, "intent")
      for (const known of ["Realtime", "Sequenced"]) assert.include(error.message, `"${known}"`)
    }
  })

  it("options that were made once are used as they are", () => {
    const options = SendOptions.make({ priority: 3 })
    assert.strictEqual(SendOptions.from(options), options)
    assert.strictEqual(SendOptions.from({ priority: 3 }).priority, 3)
  })
})
