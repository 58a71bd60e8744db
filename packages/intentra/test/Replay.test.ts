import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc } from "effect"
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { crc32 } from "node:zlib"
import { afterAll, beforeAll } from "vitest"
import { Replay } from "../src/index.js"
import * as Format from "../src/internal/tapeFormat.js"
import type { Life } from "./support/recorded.js"
import { live } from "./support/recorded.js"

const PREAMBLE = 16
let path = ""
let life: Life

beforeAll(async () => {
  path = mkdtempSync(join(tmpdir(), "intentra-"))
  life = await Effect.runPromise(live(path))
}, 60_000)

afterAll(() => rmSync(path, { recursive: true }))

interface Chunk {
  readonly offset: number
  readonly bytes: Buffer
}

const chunksOf = (file: Buffer): Array<Chunk> => {
  const chunks: Array<Chunk> = []
  for (let offset = PREAMBLE; offset < file.length;) {
    const length = file.readUInt32BE(offset)
    chunks.push({ offset, bytes: file.subarray(offset + 8, offset + 8 + length) })
    offset += 8 + length
  }
  return chunks
}

interface Found {
  readonly kind: number
  /** Of the record's kind, in the chunk. */
  readonly at: number
  readonly length: number
}

const ADDRESS_BYTES = 24

/** Where each record of a chunk stands, read as the format says and not as the reader reads it. */
const recordsOf = ({ bytes }: Chunk): ReadonlyArray<Found> => {
  const found: Array<Found> = []
  for (let at = 0; at < bytes.length;) {
    const kind = bytes[at]
    let end = at + 1
    if (kind === Format.BATCH || kind === Format.SENT) {
      const count = bytes.readUInt16BE(end)
      end += 2
      for (let i = 0; i < count; i++) end += ADDRESS_BYTES + 4 + bytes.readUInt32BE(end + ADDRESS_BYTES)
    } else if (kind === Format.FILL) end += 4 + bytes.readUInt32BE(end)
    else if (kind === Format.SEND) end += 18 + bytes.readUInt16BE(end + 16)
    else {
      const body = BODIES[kind]
      if (body === undefined) throw new Error(`no record has kind ${kind}`)
      end += body
    }
    found.push({ kind, at, length: end - at })
    at = end
  }
  return found
}

const BODIES: { readonly [kind: number]: number } = {
  [Format.ALARM]: 0,
  [Format.FLUSH]: 0,
  [Format.CONNECT]: ADDRESS_BYTES + 33,
  [Format.CANCEL]: 4,
  [Format.CLOSE]: 5,
  [Format.VERDICT]: 5,
  [Format.RESUME]: 0,
  [Format.END]: 0,
  [Format.FINISHED]: 0,
  [Format.CLOCK]: 8,
  [Format.WORD]: 4,
  [Format.AUTHORIZE]: 1,
  [Format.ROOM]: 1,
  [Format.NESTED]: 4
}

let files = 0

/** What a replay of these bytes says. */
const replay = (bytes: Uint8Array, options?: Replay.ReplayOptions) =>
  Effect.suspend(() => {
    const file = join(path, `changed ${files++}`)
    writeFileSync(file, bytes)
    return Effect.ensuring(Replay.run(file, options), Effect.sync(() => rmSync(file)))
  })

/** The recording with some bits of some bytes changed, its checksums right again. */
const forged = (file: Buffer, chunk: Chunk, at: number, mask: number, length = 1): Buffer => {
  const copy = Buffer.from(file)
  const start = chunk.offset + 8
  for (let i = 0; i < length; i++) copy[start + at + i] ^= mask
  copy.writeUInt32BE(crc32(copy.subarray(start, start + chunk.bytes.length)), chunk.offset + 4)
  return copy
}

describe("Replay", () => {
  it.effect("what a hub sent in an eventful life is sent again, byte for byte, and the same is delivered", () =>
    Effect.gen(function*() {
      const report = yield* Replay.run(life.hubFile)
      assert.isUndefined(report.difference)
      assert.isTrue(report.complete)
      assert.deepStrictEqual(report.defects, [])
      assert.strictEqual(report.datagrams, life.hubSent())
      assert.deepStrictEqual(
        report.messages.map(({ intent, payload, peer }) => ({ peer, intent, payload })),
        life.hubDelivered
      )
      // it was eventful
      const kinds = new Set(
        [life.hubFile, life.clientFile].flatMap((file) =>
          chunksOf(readFileSync(file)).slice(1).flatMap(recordsOf).map(({ kind }) => Format.nameOf(kind))
        )
      )
      assert.deepStrictEqual(
        [...kinds].sort(),
        Object.keys(BODIES).map(Number).concat(1, 6, 17, 21).map(Format.nameOf).sort()
      )
      assert.isAtLeast(life.rekeys, 2)
      assert.isAtLeast(life.moves, 1)
      assert.isAbove(life.held, 0)
      assert.isAbove(report.elapsed, 150_000)
      assert.isAbove(report.received, 500)
      assert.isAbove(report.turns, 500)
      assert.isAtLeast(report.drops.Unauthorized ?? 0, 1)
      assert.isAtLeast(report.drops.RateLimited ?? 0, 1)
      assert.isAtLeast(report.drops.Expired ?? 0, 1)
    }))

  it.effect("and so is what a client sent, whose consumer was slow and whose connect was interrupted", () =>
    Effect.gen(function*() {
      const report = yield* Replay.run(life.clientFile)
      assert.isUndefined(report.difference)
      assert.isTrue(report.complete)
      assert.isAbove(report.datagrams, 500)
      assert.strictEqual(report.datagrams, life.clientSent())
      const reliable = ({ intent }: { readonly intent: string }) => intent === "Reliable"
      assert.deepStrictEqual(
        report.messages.filter(reliable).map(({ payload }) => payload),
        life.clientDelivered.filter(reliable).map(({ payload }) => payload)
      )
      assert.isAbove(life.clientDelivered.filter(reliable).length, 20)
    }))

  it.effect.prop(
    "a flipped bit anywhere is a typed error that says where",
    { at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), bit: fc.integer({ min: 0, max: 7 }) },
    ({ at, bit }) =>
      Effect.gen(function*() {
        const file = readFileSync(life.clientFile)
        const offset = Math.floor(at * file.length)
        file[offset] ^= 1 << bit
        const error = yield* Effect.flip(replay(file))
        assert.isAtMost(error.offset, offset)
        assert.include(error.message, error.path)
        assert.include(
          offset < PREAMBLE - 1 ? ["NotARecording"] : ["UnsupportedVersion", "Corrupt", "Truncated"],
          error.reason
        )
      }),
    { fastCheck: { numRuns: 25, seed: 3, endOnFailure: true }, timeout: 30_000 }
  )

  it.effect.prop(
    "a flipped bit under a right checksum is a typed error or a report, never a crash",
    { at: fc.nat(), chunk: fc.nat(), bit: fc.integer({ min: 0, max: 7 }) },
    ({ at, bit, chunk }) =>
      Effect.gen(function*() {
        const file = readFileSync(life.clientFile)
        const chunks = chunksOf(file)
        // the first ones come before most of the work
        const chosen = chunks[chunk % Math.min(3, chunks.length)]
        const result = yield* Effect.either(replay(forged(file, chosen, at % chosen.bytes.length, 1 << bit)))
        if (result._tag === "Left") assert.strictEqual(result.left._tag, "ReplayError")
        else assert.deepStrictEqual(result.right.defects, [])
      }),
    { fastCheck: { numRuns: 40, seed: 5, endOnFailure: true }, timeout: 30_000 }
  )

  it.effect("a datagram that was recorded otherwise is the first difference, with both", () =>
    Effect.gen(function*() {
      const file = readFileSync(life.hubFile)
      const [, chunk] = chunksOf(file)
      const sent = recordsOf(chunk).filter((record) => record.kind === Format.SENT)[3]
      const { datagrams, difference } = yield* replay(forged(file, chunk, sent.at + sent.length - 1, 1))
      assert.strictEqual(difference?.detail, "a datagram is another one")
      assert.strictEqual(difference?.datagram, datagrams)
      const [recorded, replayed] = [difference?.recorded, difference?.replayed]
      assert.strictEqual(recorded?.length, replayed?.length)
      assert.deepStrictEqual(recorded?.subarray(0, -1), replayed?.subarray(0, -1))
      assert.strictEqual((recorded?.at(-1) ?? 0) ^ 1, replayed?.at(-1))
    }))

  it.effect.prop(
    "every input and every reading decides: another datagram in, word, verdict or message makes another one out",
    { kind: fc.constantFrom(Format.BATCH, Format.FILL, Format.WORD, Format.AUTHORIZE, Format.SEND), nth: fc.nat(8) },
    ({ kind, nth }) =>
      Effect.gen(function*() {
        const file = readFileSync(life.hubFile)
        const [, chunk] = chunksOf(file)
        // of the words the second one is seen at once: the first seeds a hash table, others are jitter of what never comes
        const all = recordsOf(chunk).filter((record) => record.kind === kind)
        const found = kind === Format.WORD ? all.slice(1, 2) : all
        const { at, length } = found[nth % found.length]
        const width = kind === Format.WORD ? 4 : 1
        const { difference } = yield* replay(forged(file, chunk, at + length - width, width === 4 ? 255 : 1, width))
        assert.isDefined(difference, Format.nameOf(kind))
      }),
    { fastCheck: { numRuns: 20, seed: 11, endOnFailure: true }, timeout: 30_000 }
  )

  it.effect("a clock that steps is no clock of a transport: Corrupt, and no endless loop", () =>
    Effect.gen(function*() {
      const file = readFileSync(life.clientFile)
      const [, chunk] = chunksOf(file)
      const clocks = recordsOf(chunk).filter(({ kind }) => kind === Format.CLOCK)
      // the sign, and the highest bit of the exponent
      for (const mask of [0x80, 0x40]) {
        const { at } = clocks[clocks.length - 1]
        const error = yield* Effect.flip(replay(forged(file, chunk, at + 1, mask)))
        assert.strictEqual(error.reason, "Corrupt")
        assert.include(error.message, "clock")
      }
    }))

  it.effect("a recording that ends with a whole chunk is replayed up to there, and said to be incomplete", () =>
    Effect.gen(function*() {
      const file = readFileSync(life.hubFile)
      const chunks = chunksOf(file)
      assert.isAbove(chunks.length, 3)
      const { complete, datagrams, difference } = yield* replay(file.subarray(0, chunks[2].offset))
      assert.isFalse(complete)
      assert.isUndefined(difference)
      assert.isAbove(datagrams, 0)
      assert.isBelow(datagrams, life.hubSent())
    }))

  it.effect("one that ends within a chunk is Truncated, unless that is allowed", () =>
    Effect.gen(function*() {
      const file = readFileSync(life.hubFile)
      const chunks = chunksOf(file)
      for (const cut of [chunks[2].offset + 3, chunks[2].offset + 8, chunks[3].offset - 1]) {
        const error = yield* Effect.flip(replay(file.subarray(0, cut)))
        assert.strictEqual(error.reason, "Truncated")
        assert.strictEqual(error.offset, chunks[2].offset)
        assert.include(error.message, `byte ${chunks[2].offset}`)
        const { complete, difference } = yield* replay(file.subarray(0, cut), { allowTruncated: true })
        assert.isFalse(complete)
        assert.isUndefined(difference)
      }
    }))

  it.effect("what is no recording, of another version, or not there is said so", () =>
    Effect.gen(function*() {
      const file = readFileSync(life.hubFile)
      const reasons = [
        yield* Effect.flip(replay(new Uint8Array(0))),
        yield* Effect.flip(replay(new TextEncoder().encode("a diary, and a long one at that"))),
        yield* Effect.flip(replay(Buffer.concat([file.subarray(0, 15), Buffer.from([9]), file.subarray(16)]))),
        yield* Effect.flip(replay(file.subarray(0, PREAMBLE))),
        yield* Effect.flip(Replay.run(join(path, "nowhere")))
      ].map(({ reason }) => reason)
      assert.deepStrictEqual(reasons, [
        "NotARecording",
        "NotARecording",
        "UnsupportedVersion",
        "Corrupt",
        "Unreadable"
      ])
    }))

  it.effect("a replay changes nothing: it can be run again", () =>
    Effect.gen(function*() {
      const copy = join(path, "copy")
      copyFileSync(life.clientFile, copy)
      assert.deepStrictEqual(yield* Replay.run(copy), yield* Replay.run(life.clientFile))
    }))
})
