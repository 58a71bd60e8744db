import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import * as TransportParameters from "../../src/internal/transportParameters.js"

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })

const parameters = fc.record({
  connId: u32,
  maxDatagram: fc.integer({ min: TransportParameters.MIN_MAX_DATAGRAM, max: 65_535 }),
  packetsPerSecond: u32
})

const defaults = { connId: 0, maxDatagram: 1200, packetsPerSecond: 0xffffffff, refusal: -1 }

const list = (...entries: ReadonlyArray<readonly [id: number, value: ReadonlyArray<number>]>): Uint8Array =>
  Uint8Array.from(Buffer.concat(entries.map(([id, value]) => Buffer.of(id, value.length, ...value))))

/** The encoded list, entry by entry. */
const split = (bytes: Uint8Array): Array<Uint8Array> => {
  const entries: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length; at += 2 + bytes[at + 1]) entries.push(bytes.slice(at, at + 2 + bytes[at + 1]))
  return entries
}

const unknown = fc.tuple(
  fc.oneof(fc.constant(0), fc.integer({ min: 5, max: 255 })),
  fc.uint8Array({ maxLength: 255 })
).map(([id, value]) => list([id, Array.from(value)]))

describe("TransportParameters", () => {
  it.prop("parameters are read as they were written", [parameters, u32], ([given, reserved]) => {
    assert.deepStrictEqual(TransportParameters.decode(TransportParameters.encode(given, reserved)), {
      ...given,
      refusal: -1
    })
  })

  it.prop("a refusal of message 2 is read as it was written", [parameters, fc.nat(255)], ([given, refusal]) => {
    const bytes = TransportParameters.encode({ ...given, refusal }, 7)
    assert.deepStrictEqual(TransportParameters.decode(bytes), { ...given, refusal })
  })

  it("no limit is written as the largest number", () => {
    const bytes = TransportParameters.encode({ ...defaults, packetsPerSecond: Infinity }, 0)
    assert.strictEqual(TransportParameters.decode(bytes)?.packetsPerSecond, 0xffffffff)
  })

  it("the layout is fixed: id, length, value", () => {
    const bytes = TransportParameters.encode({ connId: 0x01020304, maxDatagram: 2048, packetsPerSecond: 10_000 }, 0xab7)
    assert.strictEqual(
      Buffer.from(bytes).toString("hex"),
      "01040102030402020800030400002710f7010a"
    )
  })

  it.prop("every list holds an id that has no meaning, and another one at other times", [fc.nat(15)], ([reserved]) => {
    const ids = split(TransportParameters.encode(defaults, reserved)).map((entry) => entry[0])
    assert.deepStrictEqual(ids, [1, 2, 3, 0xf0 + reserved])
  })

  it.prop(
    "unknown ids are ignored wherever they stand, and the order means nothing",
    [parameters, fc.array(unknown, { maxLength: 5 }), fc.infiniteStream(fc.nat())],
    ([given, strangers, shuffle]) => {
      const entries = [...split(TransportParameters.encode(given, 0)), ...strangers]
        .map((entry) => [shuffle.next().value as number, entry] as const)
        .sort(([a], [b]) => a - b)
        .map(([, entry]) => entry)
      assert.deepStrictEqual(TransportParameters.decode(Uint8Array.from(Buffer.concat(entries))), {
        ...given,
        refusal: -1
      })
    }
  )

  it("what is not given has its default", () => {
    assert.deepStrictEqual(TransportParameters.decode(new Uint8Array(0)), defaults)
    assert.deepStrictEqual(TransportParameters.decode(list([2, [8, 0]])), { ...defaults, maxDatagram: 2048 })
  })

  it.prop(
    "a list cut inside of an entry is malformed",
    [parameters, fc.array(unknown, { maxLength: 3 })],
    ([given, strangers]) => {
      const entries = [...split(TransportParameters.encode(given, 0)), ...strangers]
      const bytes = Uint8Array.from(Buffer.concat(entries))
      const borders = new Set([0])
      entries.reduce((end, entry) => {
        borders.add(end + entry.length)
        return end + entry.length
      }, 0)
      for (let length = 0; length < bytes.length; length++) {
        assert.strictEqual(TransportParameters.decode(bytes.subarray(0, length)) !== undefined, borders.has(length))
      }
    },
    { fastCheck: { numRuns: 30 } }
  )

  it.prop(
    "a known id with a value of another length is malformed",
    [fc.constantFrom(1, 2, 3), fc.uint8Array({ maxLength: 12 })],
    ([id, value]) => {
      const right = value.length === (id === 2 ? 2 : 4)
      if (!right) assert.isUndefined(TransportParameters.decode(list([id, Array.from(value)])))
    }
  )

  it.prop(
    "a largest datagram below 1,200 bytes is not believed",
    [fc.integer({ min: 0, max: 1199 })],
    ([size]) => assert.isUndefined(TransportParameters.decode(list([2, [size >>> 8, size & 255]])))
  )

  it.prop("whatever the bytes, reading ends and never throws", [fc.uint8Array({ maxLength: 64 })], ([bytes]) => {
    TransportParameters.decode(bytes)
  })
})
