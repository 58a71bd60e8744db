import { assert, describe, it } from "@effect/vitest"
import * as DropReason from "../src/DropReason.js"
import { TransportCounters } from "../src/TransportCounters.js"

describe("DropReason", () => {
  it("the code of a reason is its place, and no two reasons share one", () => {
    assert.strictEqual(new Set(DropReason.all).size, DropReason.all.length)
    DropReason.all.forEach((reason, index) => assert.strictEqual(DropReason.code[reason], index))
    assert.sameMembers(Object.keys(DropReason.code), [...DropReason.all])
  })

  it("every reason is explained to the operator in one line, each in other words", () => {
    assert.sameMembers(Object.keys(DropReason.describe), [...DropReason.all])
    const texts = DropReason.all.map((reason) => DropReason.describe[reason])
    for (const text of texts) assert.match(text, /^\S.{5,110}\S$/)
    assert.strictEqual(new Set(texts).size, texts.length)
  })

  it("every reason belongs to one ledger: those of messages and of sealed datagrams are listed, all others end a datagram", () => {
    const message = [
      "Stale",
      "Duplicate",
      "BeyondWindow",
      "DeliveryOverflow",
      "Expired",
      "Superseded",
      "Overload",
      "PathShrunk",
      "SessionClosed"
    ]
    const outbound = ["SendQueueFull"]
    for (const reason of DropReason.all) {
      const expected = message.includes(reason) ? "message" : outbound.includes(reason) ? "outbound" : "datagram"
      assert.strictEqual(DropReason.level(reason), expected, reason)
    }
  })

  it("a counter exists for each reason, and those that moved are listed by name", () => {
    const counters = new TransportCounters()
    assert.strictEqual(counters.drops.length, DropReason.all.length)
    assert.deepStrictEqual(counters.dropsByReason(), {})
    DropReason.all.forEach((reason, i) => {
      counters.drops[DropReason.code[reason]] += i
    })
    DropReason.all.forEach((reason, i) => assert.strictEqual(counters.dropped(reason), i))
    assert.deepStrictEqual(
      counters.dropsByReason(),
      Object.fromEntries(DropReason.all.map((reason, i) => [reason, i] as const).slice(1))
    )
  })
})
