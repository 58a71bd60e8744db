import { assert, describe, it } from "@effect/vitest"
import { Scratch } from "../../src/internal/scratch.js"

describe("the place where handlers' packets are opened", () => {
  it("is another one for a hub whose turn lies within that of another, and the same one for hubs that take turns", () => {
    const outer = Scratch.take()
    const inner = Scratch.take()
    assert.notStrictEqual(inner.bytes.buffer, outer.bytes.buffer)
    inner.give()
    outer.give()
    const next = Scratch.take()
    assert.strictEqual(next, outer)
    next.give()
  })

  it("is not lent again when a handler has transferred it", () => {
    const scratch = Scratch.take()
    structuredClone(scratch.bytes, { transfer: [scratch.bytes.buffer] })
    scratch.give()
    const next = Scratch.take()
    assert.isAbove(next.bytes.length, 0)
    next.give()
  })

  it("shows what lies there, wherever a message begins and however long it is", () => {
    const scratch = Scratch.take()
    scratch.bytes.set([1, 2, 3, 4, 5, 6])
    for (const [offset, length] of [[1, 2], [1, 3], [1, 3], [0, 6], [5, 0], [1, 2]]) {
      assert.deepStrictEqual(
        Array.from(scratch.viewOf(offset, length)),
        [1, 2, 3, 4, 5, 6].slice(offset, offset + length)
      )
    }
    scratch.give()
  })
})
