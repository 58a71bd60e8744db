import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import * as Frame from "../src/Frame.js"

const frame: fc.Arbitrary<Frame.Frame> = fc.record({
  type: fc.integer({ min: 0, max: 255 }),
  body: fc.uint8Array({ maxLength: 300 })
})
const frames = fc.array(frame, { maxLength: 12 })

const plain = (list: ReadonlyArray<Frame.Frame> | undefined) =>
  list?.map(({ body, type }) => ({ type, body: Array.from(body) }))

describe("Frame", () => {
  it.prop("a list of frames is read as it was written", [frames], ([list]) => {
    assert.deepStrictEqual(plain(Frame.decodeAll(Frame.encodeAll(list))), plain(list))
  })

  it("the layout is fixed: type, length, body", () => {
    const bytes = Frame.encodeAll([
      { type: Frame.REALTIME, body: Uint8Array.of(0xaa, 0xbb) },
      { type: Frame.PADDING, body: new Uint8Array(0) },
      { type: Frame.SEQUENCED, body: Uint8Array.of(0, 0, 1, 2, 0xcc) }
    ])
    assert.strictEqual(Buffer.from(bytes).toString("hex"), "010002aabb00000002000500000102cc")
  })

  it("type numbers are those of the protocol", () => {
    assert.deepStrictEqual(
      [Frame.PADDING, Frame.REALTIME, Frame.SEQUENCED, Frame.PING, Frame.PONG, Frame.CLOSE, Frame.RESERVED_FIRST],
      [0x00, 0x01, 0x02, 0x20, 0x21, 0x30, 0xf0]
    )
  })

  it.prop(
    "a list cut anywhere but between two frames is malformed, and one cut between them is the shorter list",
    [fc.array(frame, { minLength: 1, maxLength: 8 })],
    ([list]) => {
      const bytes = Frame.encodeAll(list)
      const borders = new Map([[0, 0]])
      list.reduce((end, { body }, i) => {
        const next = end + Frame.FRAME_HEADER_BYTES + body.length
        borders.set(next, i + 1)
        return next
      }, 0)
      for (let length = 0; length < bytes.length; length++) {
        const decoded = Frame.decodeAll(bytes.subarray(0, length))
        const complete = borders.get(length)
        if (complete === undefined) assert.isUndefined(decoded)
        else assert.deepStrictEqual(plain(decoded), plain(list.slice(0, complete)))
      }
    },
    { fastCheck: { numRuns: 40 } }
  )

  it.prop("a frame that claims one byte more than there is, is malformed", [frames, frame], ([list, last]) => {
    const bytes = Frame.encodeAll([...list, last])
    const lengthAt = bytes.length - last.body.length - 2
    const claimed = last.body.length + 1
    bytes[lengthAt] = claimed >>> 8
    bytes[lengthAt + 1] = claimed
    assert.isUndefined(Frame.decodeAll(bytes))
  })

  it.prop(
    "types without a meaning are skipped by their length, wherever they stand",
    [frames, fc.integer({ min: Frame.RESERVED_FIRST, max: 255 }), fc.uint8Array({ maxLength: 64 }), fc.nat()],
    ([list, type, body, place]) => {
      const known = list.filter((one) => one.type < Frame.RESERVED_FIRST)
      const at = place % (known.length + 1)
      const mixed = [...known.slice(0, at), { type, body }, ...known.slice(at)]
      const decoded = Frame.decodeAll(Frame.encodeAll(mixed))
      assert.deepStrictEqual(plain(decoded?.filter((one) => one.type < Frame.RESERVED_FIRST)), plain(known))
    }
  )

  it.prop(
    "whatever the bytes, reading ends, and a list that is read makes the same bytes again",
    [fc.uint8Array({ maxLength: 200 })],
    ([bytes]) => {
      const decoded = Frame.decodeAll(bytes)
      if (decoded !== undefined) assert.deepStrictEqual(Frame.encodeAll(decoded), bytes)
    }
  )

  it.prop(
    "the next frame lies behind this one and never beyond the end",
    [fc.uint8Array({ maxLength: 64 }), fc.nat(64), fc.nat(64)],
    ([bytes, offset, limit]) => {
      const end = Math.min(limit, bytes.length)
      const behind = Frame.next(bytes, offset, end)
      if (behind >= 0) {
        assert.isAtLeast(behind, offset + Frame.FRAME_HEADER_BYTES)
        assert.isAtMost(behind, end)
      } else {
        assert.strictEqual(behind, -1)
        const header = offset + Frame.FRAME_HEADER_BYTES <= end
        if (header) {
          assert.isAbove(offset + Frame.FRAME_HEADER_BYTES + (bytes[offset + 1] << 8 | bytes[offset + 2]), end)
        }
      }
    }
  )

  it.prop(
    "a token frame is seven bytes, and its number is read again in all 32 bits",
    [fc.constantFrom(Frame.PING, Frame.PONG), fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.nat(10)],
    ([type, token, offset]) => {
      const out = new Uint8Array(offset + 7)
      assert.strictEqual(Frame.writeToken(out, offset, type, token), offset + 7)
      assert.strictEqual(out[offset], type)
      assert.strictEqual(Frame.next(out, offset, out.length), out.length)
      assert.strictEqual(Frame.readNumber(out, offset + Frame.FRAME_HEADER_BYTES), token)
    }
  )

  it.prop(
    "the overhead of a message is what its frame adds to the payload",
    [fc.uint8Array({ maxLength: 100 })],
    ([payload]) => {
      assert.strictEqual(
        Frame.encodeAll([{ type: Frame.REALTIME, body: payload }]).length - payload.length,
        Frame.REALTIME_OVERHEAD
      )
      const numbered = new Uint8Array(4 + payload.length)
      assert.strictEqual(
        Frame.encodeAll([{ type: Frame.SEQUENCED, body: numbered }]).length - payload.length,
        Frame.SEQUENCED_OVERHEAD
      )
    }
  )
})
