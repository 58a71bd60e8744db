import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc } from "effect"
import * as PacketHeader from "../src/PacketHeader.js"

const bits = (n: number) => fc.integer({ min: 0, max: 2 ** n - 1 })

const widths = {
  version: 4,
  type: 4,
  intent: 2,
  priority: 3,
  epoch: 2,
  reserved: 1,
  payloadLength: 16,
  connId: 32,
  seq: 32,
  ack: 32
} as const

const names = Object.keys(widths) as ReadonlyArray<keyof typeof widths>

const anyHeader: fc.Arbitrary<PacketHeader.PacketHeader> = fc.record({
  version: bits(widths.version),
  type: bits(widths.type),
  intent: bits(widths.intent),
  priority: bits(widths.priority),
  epoch: bits(widths.epoch),
  reserved: bits(widths.reserved),
  payloadLength: bits(widths.payloadLength),
  connId: bits(widths.connId),
  seq: bits(widths.seq),
  ack: bits(widths.ack)
})

const zero: PacketHeader.PacketHeader = {
  version: 0,
  type: 0,
  intent: 0,
  priority: 0,
  epoch: 0,
  reserved: 0,
  payloadLength: 0,
  connId: 0,
  seq: 0,
  ack: 0
}

const thrownBy = (work: () => unknown): unknown => {
  try {
    work()
  } catch (error) {
    return error
  }
  return undefined
}

describe("PacketHeader", () => {
  it.prop(
    "what is encoded at any offset is decoded there, and no other byte is touched",
    [anyHeader, fc.nat(40), fc.nat(40), bits(8)],
    ([header, before, after, filler]) => {
      const out = new Uint8Array(before + 16 + after).fill(filler)
      assert.strictEqual(PacketHeader.encode(header, out, before), out)
      assert.deepStrictEqual(PacketHeader.decode(out, before), Either.right(header))
      out.forEach((byte, i) => {
        if (i < before || i >= before + 16) assert.strictEqual(byte, filler)
      })
    }
  )

  it.prop(
    "any 16 bytes are a header, and encode to the same bytes again",
    [fc.uint8Array({ minLength: 16, maxLength: 16 })],
    ([bytes]) => {
      const header = Either.getOrThrow(PacketHeader.decode(bytes))
      assert.deepStrictEqual(PacketHeader.encode(header), bytes)
    }
  )

  const layouts: ReadonlyArray<readonly [keyof typeof widths, number, string]> = [
    ["version", 2, "20000000000000000000000000000000"],
    ["version", 15, "f0000000000000000000000000000000"],
    ["type", 3, "03000000000000000000000000000000"],
    ["type", 15, "0f000000000000000000000000000000"],
    ["intent", 3, "00c00000000000000000000000000000"],
    ["intent", 1, "00400000000000000000000000000000"],
    ["priority", 7, "00380000000000000000000000000000"],
    ["priority", 1, "00080000000000000000000000000000"],
    ["epoch", 3, "00060000000000000000000000000000"],
    ["epoch", 1, "00020000000000000000000000000000"],
    ["reserved", 1, "00010000000000000000000000000000"],
    ["payloadLength", 0x1234, "00001234000000000000000000000000"],
    ["connId", 0xdeadbeef, "00000000deadbeef0000000000000000"],
    ["seq", 0xfedcba98, "0000000000000000fedcba9800000000"],
    ["ack", 0x80000001, "00000000000000000000000080000001"]
  ]
  it.each(layouts)("the layout is fixed: %s = %i is %s", (name, value, hex) => {
    assert.strictEqual(Buffer.from(PacketHeader.encode({ ...zero, [name]: value })).toString("hex"), hex)
  })

  it("all fields at once stand where the format says", () => {
    const header = {
      version: 2,
      type: 1,
      intent: 2,
      priority: 5,
      epoch: 3,
      reserved: 0,
      payloadLength: 0x0400,
      connId: 0x01020304,
      seq: 0x05060708,
      ack: 0x090a0b0c
    }
    assert.strictEqual(
      Buffer.from(PacketHeader.encode(header)).toString("hex"),
      "21ae04000102030405060708090a0b0c"
    )
  })

  it.prop(
    "a value that does not fit its bits is refused by name, and nothing is written",
    [
      fc.constantFrom(...names),
      fc.oneof(fc.integer({ min: -(2 ** 40), max: -1 }), fc.nat(1e9), fc.constantFrom(0.5, NaN, Infinity, -Infinity))
    ],
    ([name, excess]) => {
      const value = Number.isInteger(excess) && excess >= 0 ? 2 ** widths[name] + excess : excess
      const out = new Uint8Array(16)
      const error = thrownBy(() => PacketHeader.encode({ ...zero, [name]: value }, out))
      assert.instanceOf(error, PacketHeader.PacketHeaderError)
      assert.strictEqual(error.reason, "FieldOutOfRange")
      assert.include(error.message, name)
      assert.include(error.message, `${widths[name]} bits`)
      assert.isTrue(out.every((byte) => byte === 0))
    }
  )

  it.prop(
    "a header never goes beyond its array: too little room is refused by both directions",
    [fc.nat(60), fc.nat(80)],
    ([length, offset]) => {
      const bytes = new Uint8Array(length).fill(255)
      const decoded = PacketHeader.decode(bytes, offset)
      if (length - offset >= 16) {
        assert.isTrue(Either.isRight(decoded))
        assert.isUndefined(thrownBy(() => PacketHeader.encode(zero, bytes, offset)))
      } else {
        assert.isTrue(Either.isLeft(decoded))
        if (Either.isLeft(decoded)) assert.strictEqual(decoded.left.reason, "Truncated")
        assert.instanceOf(thrownBy(() => PacketHeader.encode(zero, bytes, offset)), PacketHeader.PacketHeaderError)
        assert.isTrue(bytes.every((byte) => byte === 255))
      }
    }
  )

  it("a header inside a larger buffer is read from its view, not from the buffer behind it", () => {
    const backing = new Uint8Array(64).fill(9)
    const view = backing.subarray(20, 35)
    assert.isTrue(Either.isLeft(PacketHeader.decode(view)))
    const exact = backing.subarray(20, 36)
    PacketHeader.encode({ ...zero, seq: 7 }, exact)
    assert.strictEqual(Either.getOrThrow(PacketHeader.decode(exact)).seq, 7)
    assert.strictEqual(backing[19], 9)
    assert.strictEqual(backing[36], 9)
  })
})
