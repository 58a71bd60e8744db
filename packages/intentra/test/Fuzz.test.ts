import { assert, describe, it } from "@effect/vitest"
import { fuzz } from "./support/fuzz.js"

/** `npm run fuzz` goes on from here for as long as it is let. */
const DATAGRAMS = 1_000_000

describe("a million hostile datagrams among the traffic of honest stations", () => {
  it("throw nothing, lose count of nothing, forge and double no message, leave no session stuck and no memory taken", {
    timeout: 300_000
  }, () => {
    const report = fuzz({ seed: 1, datagrams: DATAGRAMS })
    // a fuzzer that reaches nothing would hold every law
    assert.isAtLeast(report.hostile, DATAGRAMS)
    assert.isAbove(report.delivered, 10_000)
    assert.isAbove(report.survivors, 50)
    assert.isAbove(report.handshakes, 500)
    assert.isAbove(report.rekeys, 100)
    assert.isAbove(report.moves, 100)
    for (const reason of REACHED) assert.isAbove(report.drops[reason] ?? 0, 10, reason)
  })

  it("draw the same datagrams when all of it happens again", () => {
    const run = () => fuzz({ seed: 7, datagrams: 10_000, episode: 10_000 })
    assert.deepStrictEqual(run(), run())
    assert.notStrictEqual(fuzz({ seed: 8, datagrams: 10_000, episode: 10_000 }).hash, run().hash)
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
