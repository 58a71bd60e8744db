import { assert, describe, it } from "@effect/vitest"
import { fuzz } from "./support/fuzz/episode.js"
import type { FuzzOptions, FuzzReport } from "./support/fuzz/report.js"

/** `npm run fuzz` goes on from here for as long as it is let. */
const DATAGRAMS = 1_000_000

const all = async (options: FuzzOptions): Promise<FuzzReport> => {
  let last: FuzzReport | undefined
  for (const report of fuzz(options)) {
    last = report
    // the runner hears from this process between two episodes
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
  }
  if (last === undefined) throw new Error("there was no episode")
  return last
}

describe("a million hostile datagrams among the traffic of honest stations", () => {
  it("throw nothing, lose count of nothing, forge and double no message, leave no session stuck and no memory taken", {
    timeout: 300_000
  }, async () => {
    const report = await all({ seed: 1, datagrams: DATAGRAMS })
    // a fuzzer that reaches nothing would hold every law
    assert.isAtLeast(report.hostile, DATAGRAMS)
    assert.isAbove(report.delivered, 10_000)
    assert.isAbove(report.survivors, 50)
    assert.isAbove(report.handshakes, 500)
    assert.isAbove(report.rekeys, 100)
    assert.isAbove(report.moves, 100)
    for (const reason of REACHED) assert.isAbove(report.drops[reason] ?? 0, 10, reason)
  })

  it("draw the same datagrams when all of it happens again", async () => {
    const run = (seed: number) => all({ seed, datagrams: 10_000, episode: 10_000 })
    assert.deepStrictEqual(await run(7), await run(7))
    assert.notStrictEqual((await run(8)).hash, (await run(7)).hash)
  })
})

const REACHED = [
  "Truncated",
  "Oversized",
  "BadVersion",
  "BadType",
  "ReservedBit",
  "LengthMismatch",
  "UnknownConnection",
  "UnknownEpoch",
  "WrongState",
  "Replayed",
  "TooOld",
  "AuthFailed",
  "MalformedFrame",
  "ForbiddenFrame",
  "HandshakeMalformed",
  "BadMac1",
  "BadCookie",
  "HandshakeBudget",
  "HandshakeRepeated",
  "HandshakeForged",
  "HandshakeUnexpected",
  "Unauthorized",
  "Stale"
]
