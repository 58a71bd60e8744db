import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { tmpdir } from "node:os"
import { Readable } from "node:stream"
import type { CliError } from "../../src/CliError.js"
import { Lines } from "../../src/internal/lines.js"

const readAll = (lines: Lines): Effect.Effect<ReadonlyArray<string>, CliError> =>
  Effect.gen(function*() {
    const all: Array<string> = []
    for (let line = yield* lines.next; line !== undefined; line = yield* lines.next) all.push(line)
    return all
  })

const reading = (...chunks: ReadonlyArray<string | Buffer>): Lines =>
  new Lines("the test", Readable.from(chunks.map((it) => Buffer.from(it)), { objectMode: false }))

const MANY = "x".repeat(65_536)

describe("Lines", () => {
  it.effect("the lines are the same wherever the input is cut", () =>
    Effect.gen(function*() {
      const text = Buffer.from("one\n\ntwo \u2603\r\nthree\rfour\n\r\nfive\u2028six\r")
      const whole = ["one", "", "two \u2603", "three", "four", "", "five", "six"]
      for (let at = 0; at <= text.length; at++) {
        const parts = [text.subarray(0, at), text.subarray(at)]
        assert.deepStrictEqual(yield* readAll(reading(...parts)), whole, `cut at ${at}`)
      }
      assert.deepStrictEqual(yield* readAll(reading(...Array.from(text, (byte) => Buffer.of(byte)))), whole)
      assert.deepStrictEqual(yield* readAll(reading("no end")), ["no end"])
      assert.deepStrictEqual(yield* readAll(reading()), [])
    }))

  it.effect("a line that does not end is refused with its number, after those before it, and long before its end", () =>
    Effect.gen(function*() {
      let read = 0
      const endless = function*() {
        yield Buffer.from("one\ntwo\n")
        for (; read < 1000; read++) yield Buffer.from(MANY)
      }
      const lines = new Lines("the test", Readable.from(endless(), { objectMode: false }))
      assert.strictEqual(yield* lines.next, "one")
      assert.strictEqual(yield* lines.next, "two")
      const error = yield* Effect.flip(lines.next)
      assert.strictEqual(error.reason, "Input")
      assert.match(error.message, /from the test: line 3 is longer than 1,048,576 characters$/)
      assert.isBelow(read, 100)
    }))

  it.effect("a line that is as long as one may be is read", () =>
    Effect.gen(function*() {
      const long = MANY.repeat(16)
      assert.deepStrictEqual(yield* readAll(reading("a\n", long, "\nb")), ["a", long, "b"])
      const error = yield* Effect.flip(readAll(reading("a\n", long, "y\nb")))
      assert.match(error.message, /line 2 is longer/)
    }))

  it.effect("whoever gives up waiting loses no line", () =>
    Effect.gen(function*() {
      const input = new Readable({ read() {} })
      const lines = new Lines("the test", input)
      yield* Effect.raceFirst(lines.next, Effect.void)
      input.push("one\ntwo\n")
      input.push(null)
      assert.deepStrictEqual(yield* readAll(lines), ["one", "two"])
    }))

  it.effect.each(["/no/such/file", tmpdir()])("what cannot be read is named: %s", (path) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.flatMap(Lines.open(path), readAll))
      assert.strictEqual(error.reason, "Input")
      assert.isTrue(error.message.startsWith(`cannot read the updates from ${path}: E`), error.message)
    }))
})
