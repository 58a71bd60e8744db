import { assert, describe, it } from "@effect/vitest"
import { dhBudget } from "../../src/internal/dhBudget.js"

/** Milliseconds that one takes, generously. */
const COST = { openssl: 0.045, node: 0.13, noble: 0.9 }

describe("the budget of Diffie-Hellmans", () => {
  it("is about 4 ms of a turn and less than a core, whatever computes them", () => {
    for (const [backend, millis] of Object.entries(COST)) {
      const { dhPerSecond, dhPerTurn } = dhBudget(backend)
      assert.isAtMost(dhPerTurn * millis, 5, backend)
      assert.isAtMost(dhPerSecond * millis, 800, backend)
    }
  })

  it("lets every step of a handshake fit a turn", () => {
    for (const backend of [...Object.keys(COST), undefined]) assert.isAtLeast(dhBudget(backend).dhPerTurn, 5)
  })
})
