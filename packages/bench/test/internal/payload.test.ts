import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { LEAST_PAYLOAD, Numbered, Tally } from "../../src/internal/payload.js"

const PHASE = 7

const made = (count: number, bytes: number, lane = 0, phase = PHASE): ReadonlyArray<Uint8Array> => {
  const numbered = new Numbered(bytes, phase, lane)
  return Array.from({ length: count }, () => {
    numbered.write()
    return numbered.payload.slice()
  })
}

const counted = (messages: Iterable<Uint8Array>, lanes = 2): Tally => {
  const tally = new Tally()
  tally.begin(PHASE, lanes)
  for (const message of messages) tally.take(message, 1)
  return tally
}

const bytes = FastCheck.integer({ min: LEAST_PAYLOAD, max: 256 })
const count = FastCheck.integer({ min: 1, max: 300 })

describe("payload", () => {
  it.prop("every message counts once, in whatever order they come", [count, bytes, FastCheck.integer()], ([
    many,
    length,
    seed
  ]) => {
    const messages = [...made(many, length), ...made(many, length, 1)]
    messages.sort((a, b) => ((a[0] * 31 + a[5] * 17 + seed) % 7) - ((b[0] * 31 + b[5] * 17 + seed) % 7))
    const { corrupt, delivered, duplicates } = counted(messages)
    assert.deepStrictEqual({ delivered, duplicates, corrupt }, { delivered: 2 * many, duplicates: 0, corrupt: 0 })
  })

  it.prop("a message that comes again is a duplicate, not a delivery", [count, bytes], ([many, length]) => {
    const messages = made(many, length)
    const { delivered, duplicates } = counted([...messages, ...messages])
    assert.deepStrictEqual({ delivered, duplicates }, { delivered: many, duplicates: many })
  })

  it.prop("a message whose number was changed is corrupt", [
    bytes,
    FastCheck.integer({ min: 0, max: 31 })
  ], ([length, bit]) => {
    const [message] = made(1, length)
    message[bit >>> 3] ^= 1 << (bit & 7)
    const { corrupt, delivered } = counted([message])
    assert.deepStrictEqual({ delivered, corrupt }, { delivered: 0, corrupt: 1 })
  })

  it("a message of an earlier phase counts for none", () => {
    const { delivered, late } = counted(made(3, 64, 0, PHASE - 1))
    assert.deepStrictEqual({ delivered, late }, { delivered: 0, late: 3 })
  })

  it("numbers far beyond the first million count too", () => {
    const numbered = new Numbered(64, PHASE, 1)
    const tally = new Tally()
    tally.begin(PHASE, 2)
    for (const next of [0, 2 ** 20, 2 ** 24 + 1]) {
      numbered.next = next
      numbered.write()
      tally.take(numbered.payload, 1)
      tally.take(numbered.payload, 1)
    }
    assert.deepStrictEqual([tally.delivered, tally.duplicates], [3, 3])
  })
})
