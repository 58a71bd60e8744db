import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { untilSteady } from "../../src/internal/exchange.js"

/** How many rounds a warm-up takes that is so fast in each. */
const roundsOf = (rates: ReadonlyArray<number>) =>
  Effect.gen(function*() {
    let rounds = 0
    yield* untilSteady(Effect.sync(() => rates[rounds++]))
    return rounds
  })

describe("a warm-up", () => {
  it.effect.each<readonly [ReadonlyArray<number>, number]>([
    [[100, 100, 100, 100], 3],
    [[913, 1051, 1299, 1718, 2298, 2144, 2167, 2356], 7],
    [[100, 90, 120, 119, 121, 200], 5],
    [[100, 102, 102.9, 200], 3],
    [[0, 0, 1], 2]
  ])(
    "ends with the second round in a row that was no faster than all before: %j",
    ([rates, rounds]) => Effect.map(roundsOf(rates), (took) => assert.strictEqual(took, rounds))
  )

  it.effect("ends after ten rounds though each is faster", () =>
    Effect.map(roundsOf(Array.from({ length: 20 }, (_, i) => 2 ** i)), (took) => assert.strictEqual(took, 10)))
})
