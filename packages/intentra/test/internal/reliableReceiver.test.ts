import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { BEYOND, DELIVER, DUPLICATE, HELD, ReliableReceiver, VIOLATION } from "../../src/internal/reliableReceiver.js"

const FAR = 2 ** 32 - 5

const setup = (options: { firstNumber?: number; bufferBytes?: number; window?: number } = {}) => {
  const first = options.firstNumber ?? 0
  const receiver = new ReliableReceiver({
    window: options.window ?? 64,
    bufferBytes: options.bufferBytes ?? 6400,
    messageBytes: 100,
    firstNumber: first
  })
  const bytes = new Uint8Array(200)
  return {
    receiver,
    /** Offers the message with this number relative to the first; its payload is 50 bytes of that number. */
    offer: (number: number, consumerHasRoom = true) => {
      bytes.fill(number, 30, 80)
      return receiver.offer((first + number) >>> 0, bytes, 30, 50, consumerHasRoom)
    },
    drain: (most = Infinity) => {
      const taken: Array<number> = []
      for (let slot = receiver.takeNext(); slot >= 0 && taken.length < most; slot = receiver.takeNext()) {
        const view = receiver.view(slot)
        assert.strictEqual(view.length, receiver.lengthOf(slot))
        assert.isTrue(view.every((byte) => byte === view[0]))
        taken.push(view[0])
        receiver.release(slot)
      }
      return taken
    },
    ranges: (max = 32) => {
      const out = new Uint32Array(64)
      const count = receiver.writeAckRanges(out, max)
      return Array.from({ length: count }, (_, i) => [(out[2 * i] - first) >>> 0, (out[2 * i + 1] - first) >>> 0])
    },
    relative: (number: number) => (number - first) >>> 0
  }
}

describe.each([0, FAR])("ReliableReceiver from number %i", (firstNumber) => {
  it("messages in order go straight through and take no memory", () => {
    const { offer, receiver, relative } = setup({ firstNumber })
    for (let i = 0; i < 1000; i++) {
      assert.strictEqual(offer(i), DELIVER)
      assert.strictEqual(offer(i), DUPLICATE)
      assert.strictEqual(relative(receiver.limit), i + 1 + 64)
    }
    assert.deepStrictEqual([relative(receiver.nextExpected), receiver.allocatedBytes, receiver.held], [1000, 0, 0])
  })

  it("messages out of order wait for the missing one, and go out in order after it", () => {
    const { drain, offer, receiver, relative } = setup({ firstNumber })
    assert.deepStrictEqual([offer(3), offer(1), offer(7), offer(2), offer(3)], [HELD, HELD, HELD, HELD, DUPLICATE])
    assert.deepStrictEqual([receiver.held, receiver.heldBytes, receiver.takeNext()], [4, 200, -1])
    assert.strictEqual(offer(0), DELIVER)
    assert.strictEqual(relative(receiver.nextExpected), 4)
    assert.deepStrictEqual(drain(), [1, 2, 3])
    assert.deepStrictEqual([receiver.held, receiver.heldBytes], [1, 50])
  })

  it("what waits for the consumer is acknowledged, kept, and holds the limit back", () => {
    const { drain, offer, receiver, relative } = setup({ firstNumber })
    for (let i = 0; i < 64; i++) assert.strictEqual(offer(i, false), HELD)
    assert.deepStrictEqual([relative(receiver.nextExpected), relative(receiver.limit)], [64, 64])
    assert.strictEqual(offer(64, true), BEYOND)
    assert.strictEqual(offer(65, true), VIOLATION)
    assert.strictEqual(receiver.refused, 2)
    assert.deepStrictEqual(drain(10), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert.strictEqual(relative(receiver.limit), 74)
    // there is room at the consumer, but others are first
    assert.strictEqual(offer(64, true), HELD)
    assert.deepStrictEqual(drain(), Array.from({ length: 55 }, (_, i) => i + 10))
    assert.strictEqual(offer(65, true), DELIVER)
  })

  it("ranges are the runs above the next expected number, highest first", () => {
    const { offer, ranges } = setup({ firstNumber })
    for (const number of [1, 2, 4, 8, 9, 10, 20]) offer(number)
    assert.deepStrictEqual(ranges(), [[20, 21], [8, 11], [4, 5], [1, 3]])
    assert.deepStrictEqual(ranges(2), [[20, 21], [8, 11]])
    assert.deepStrictEqual(ranges(0), [])
    offer(0)
    assert.deepStrictEqual(ranges(), [[20, 21], [8, 11], [4, 5]])
    offer(3)
    assert.deepStrictEqual(ranges(), [[20, 21], [8, 11]])
  })
})

describe("ReliableReceiver", () => {
  it("memory is bounded by the bytes given, goes down when all is taken, and to nothing with trim", () => {
    const { drain, offer, receiver } = setup({ bufferBytes: 4050 })
    assert.strictEqual(receiver.limit, 40)
    for (let i = 39; i > 0; i--) assert.strictEqual(offer(i), HELD)
    assert.strictEqual(offer(40), BEYOND)
    assert.isAtMost(receiver.allocatedBytes, 4050)
    receiver.trim()
    assert.strictEqual(receiver.held, 39)
    assert.strictEqual(offer(0), DELIVER)
    assert.strictEqual(drain().length, 39)
    assert.isAtMost(receiver.allocatedBytes, 800)
    receiver.trim()
    assert.deepStrictEqual([receiver.allocatedBytes, receiver.heldBytes], [0, 0])
    assert.strictEqual(offer(41), HELD)
  })

  it("an ACK is pending after every message, and when the consumer has made much room", () => {
    const { drain, offer, receiver } = setup()
    for (let i = 0; i < 64; i++) offer(i, false)
    assert.isTrue(receiver.ackPending)
    receiver.ackSent()
    assert.isFalse(receiver.ackPending)
    drain(15)
    assert.isFalse(receiver.ackPending)
    drain(1)
    assert.isTrue(receiver.ackPending)
    receiver.ackSent()
    offer(0)
    assert.isTrue(receiver.ackPending)
    receiver.ackSent()
    drain()
    receiver.ackSent()
    offer(200)
    assert.isFalse(receiver.ackPending)
  })

  it("only the message whose turn it is can be released", () => {
    const { offer, receiver } = setup()
    offer(0, false)
    offer(1, false)
    for (const slot of [1, 2, -1, 70]) receiver.release(slot)
    assert.strictEqual(receiver.held, 2)
    receiver.release(0)
    receiver.release(0)
    assert.strictEqual(receiver.held, 1)
  })

  it("destroy wipes what is held", () => {
    const { offer, receiver } = setup()
    offer(0, false)
    const view = receiver.view(receiver.takeNext())
    assert.strictEqual(view.length, 50)
    offer(9, false)
    view.fill(9)
    receiver.destroy()
    assert.isTrue(view.every((byte) => byte === 0))
    assert.deepStrictEqual([receiver.takeNext(), receiver.held, receiver.allocatedBytes], [-1, 0, 0])
  })

  const number = fc.oneof({ weight: 9, arbitrary: fc.nat(150) }, { weight: 1, arbitrary: fc.nat(0xffffffff) })
  const step = fc.oneof(
    fc.record({ number, room: fc.boolean() }),
    fc.record({ take: fc.nat(20) })
  )
  it.prop(
    "whatever comes, it agrees with the list of what it has taken",
    [fc.array(step, { maxLength: 400 }), fc.constantFrom(0, FAR, 2 ** 31 - 10)],
    ([steps, firstNumber]) => {
      const { drain, offer, ranges, receiver, relative } = setup({ firstNumber, bufferBytes: 4000 })
      const received = new Set<number>()
      let next = 0
      let taken = 0
      for (const step of steps) {
        if ("take" in step) {
          for (const payload of drain(step.take)) assert.strictEqual(payload, taken++ & 0xff)
        } else {
          const limit = taken + 40
          const serial = step.number | 0
          const distance = (serial - next) | 0
          const expected = distance < 0 || received.has(step.number)
            ? DUPLICATE
            : step.number === limit
            ? BEYOND
            : distance > limit - next
            ? VIOLATION
            : step.number === next && step.room && taken === next
            ? DELIVER
            : HELD
          assert.strictEqual(offer(step.number, step.room), expected)
          if (expected === DELIVER) taken++
          if (expected === DELIVER || expected === HELD) received.add(step.number)
          while (received.has(next)) next++
        }
        assert.deepStrictEqual([relative(receiver.nextExpected), relative(receiver.limit)], [next, taken + 40])
        const held = [...received].filter((number) => number >= taken)
        assert.deepStrictEqual([receiver.held, receiver.heldBytes], [held.length, held.length * 50])
        assert.isAtMost(receiver.allocatedBytes, 4000)
        const listed = ranges().flatMap(([start, end]) => Array.from({ length: end - start }, (_, i) => end - 1 - i))
        assert.deepStrictEqual(listed, held.filter((number) => number > next).sort((a, b) => b - a))
      }
    }
  )
})
