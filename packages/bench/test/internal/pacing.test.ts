import { assert, describe, it } from "@effect/vitest"
import { pace } from "../../src/internal/pacing.js"

describe("pacing", () => {
  it("a paced sender offers what its rate and time make, neither more nor in larger bursts than allowed", async () => {
    const bursts: Array<number> = []
    const { offered } = await pace({ perSecond: 20_000, seconds: 0.1, burst: 50 }, (count) => void bursts.push(count))
    assert.strictEqual(offered, bursts.reduce((sum, count) => sum + count, 0))
    assert.isAtMost(offered, 2000)
    assert.isAtMost(Math.max(...bursts), 50)
  })

  it("a sender without a rate sends a burst every turn, and none while it is held", async () => {
    let sent = 0
    let asked = 0
    await pace(
      { perSecond: Infinity, seconds: 0.05, burst: 8 },
      (count) => {
        assert.strictEqual(count, 8)
        assert.strictEqual(asked % 2, 0)
        sent += count
      },
      () => ++asked % 2 === 1
    )
    assert.isAbove(sent, 0)
  })

  it("what a sender throws ends it", async () => {
    const failed = await pace({ perSecond: Infinity, seconds: 10, burst: 1 }, () => {
      throw new Error("no more")
    }).catch((error: unknown) => error)
    assert.instanceOf(failed, Error)
  })
})
