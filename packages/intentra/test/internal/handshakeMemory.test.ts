import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { HandshakeMemory } from "../../src/internal/handshakeMemory.js"

describe("what is remembered of handshakes that are over", () => {
  it.prop(
    "an echo is known for ten seconds after its handshake, unless a thousand others came since",
    [fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 60 })],
    ([gaps]) => {
      const memory = new HandshakeMemory()
      const finished: Array<number> = []
      let now = 0
      gaps.forEach((gap, i) => {
        now += gap
        memory.finish(now, `${i}`)
        finished.push(now)
        finished.forEach((at, j) => assert.strictEqual(memory.isFinished(now, `${j}`), now < at + 10_000))
      })
      assert.isAtMost(memory.size, gaps.length)
      assert.isFalse(memory.isFinished(now, "another"))
    }
  )

  it("holds 1,024 echoes, the newest, and forgets what is older than ten seconds in passing", () => {
    const memory = new HandshakeMemory()
    for (let i = 0; i < 5000; i++) memory.finish(0, `${i}`)
    assert.strictEqual(memory.size, 1024)
    assert.deepStrictEqual([4999, 3976, 3975].map((i) => memory.isFinished(0, `${i}`)), [true, true, false])
    memory.finish(10_000, "late")
    assert.strictEqual(memory.size, 1)
  })

  it.prop(
    "a timestamp is stale when it is not above the highest that its own identity has proven last",
    [fc.array(fc.tuple(fc.constantFrom("a", "b", "c"), fc.nat(20)), { maxLength: 50 })],
    ([steps]) => {
      const memory = new HandshakeMemory()
      const newest = new Map<string, number>()
      for (const [identity, timestamp] of steps) {
        const stale = timestamp <= (newest.get(identity) ?? -1)
        assert.strictEqual(memory.isStale(identity, timestamp), stale)
        if (stale) continue
        memory.prove(identity, timestamp)
        newest.set(identity, timestamp)
      }
    }
  )

  it("holds the timestamps of 16,384 identities: who proves itself often is not forgotten for newcomers", () => {
    const memory = new HandshakeMemory()
    memory.prove("regular", 1)
    for (let i = 0; i < 16_000; i++) memory.prove(`${i}`, 5)
    memory.prove("regular", 2)
    for (let i = 16_000; i < 32_000; i++) memory.prove(`${i}`, 5)
    assert.isTrue(memory.isStale("regular", 2))
    assert.isFalse(memory.isStale("0", 1))
    assert.isTrue(memory.isStale("31999", 5))
  })
})
