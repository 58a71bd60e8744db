import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import type { RingPeer } from "../../src/internal/deliveryRing.js"
import { DeliveryRing } from "../../src/internal/deliveryRing.js"
import { MAX_PACKET_BYTES } from "../../src/PacketHeader.js"

const makePeer = (id = "one") => ({ id, ringOldest: -1, ringNewest: -1, ringHeld: 0, ringReliable: 0 }) as RingPeer

/** A message whose bytes follow from its number, somewhere inside a larger buffer. */
const message = (number: number, length: number) => {
  const source = new Uint8Array(length + 10).fill(0xee)
  for (let i = 0; i < length; i++) source[5 + i] = number * 31 + i
  return { source, offset: 5, bytes: source.slice(5, 5 + length) }
}

describe("DeliveryRing", () => {
  it.prop(
    "it keeps the newest that fit its count and its bytes, in order, and tells how many went",
    [
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 400 }),
      fc.array(fc.oneof({ weight: 8, arbitrary: fc.nat(120) }, { weight: 1, arbitrary: fc.constant("drain" as const) }))
    ],
    ([capacity, capacityBytes, steps]) => {
      const ring = new DeliveryRing(capacity, capacityBytes)
      const peer = makePeer()
      let kept: Array<{ readonly number: number; readonly bytes: Uint8Array }> = []
      const bytesKept = () => kept.reduce((sum, one) => sum + one.bytes.length, 0)
      const drain = () => {
        assert.deepStrictEqual(
          ring.drain().map((one) => [one.receivedAt, one.intent, Array.from(one.payload)]),
          kept.map(({ bytes, number }) => [number, number % 2 === 0 ? "Realtime" : "Sequenced", Array.from(bytes)])
        )
        kept = []
      }
      steps.forEach((step, number) => {
        if (step === "drain") drain()
        else {
          const { bytes, offset, source } = message(number, step)
          kept.push({ number, bytes })
          let dropped = 0
          while (kept.length > capacity || bytesKept() > capacityBytes) {
            kept.shift()
            dropped++
          }
          assert.strictEqual(ring.push(peer, source, offset, step, number % 2 === 0 ? 0 : 2, number), dropped)
        }
        assert.strictEqual(ring.size, kept.length)
        assert.strictEqual(ring.bytes, bytesKept())
      })
      drain()
      assert.strictEqual(ring.size, 0)
      assert.strictEqual(ring.bytes, 0)
    }
  )

  it.prop(
    "messages that were held elsewhere come between those of a packet that is being read, and change none of them",
    [fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 200 })), { maxLength: 60 })],
    ([steps]) => {
      const ring = new DeliveryRing(1e6, 1e9)
      const peer = makePeer()
      const expected: Array<Array<number>> = []
      for (let packet = 0; packet < 5; packet++) {
        let at = ring.room()
        const { slab } = ring
        const filled = slab.subarray(at, at + MAX_PACKET_BYTES)
        for (let i = 0; i < filled.length; i++) filled[i] = packet * 7 + i
        const before = filled.slice()
        const start = at
        steps.forEach(([isOfPacket, length], number) => {
          if (isOfPacket && at + length <= start + MAX_PACKET_BYTES) {
            expected.push(Array.from(before.subarray(at - start, at - start + length)))
            ring.push(peer, slab, at, length, 0, 0)
            at += length
          } else {
            const { bytes, offset, source } = message(number, length)
            expected.push(Array.from(bytes))
            ring.push(peer, source, offset, length, 1, 0)
          }
        })
      }
      assert.deepStrictEqual(ring.drain().map((one) => Array.from(one.payload)), expected)
    }
  )

  it.prop(
    "a payload stays what it was, whatever comes after it and whatever becomes of its source",
    [fc.array(fc.integer({ min: 0, max: 1200 }), { minLength: 1, maxLength: 200 }), fc.nat(200)],
    ([lengths, drainAt]) => {
      const ring = new DeliveryRing(1e6, 1e9)
      const peer = makePeer()
      const taken: Array<Uint8Array> = []
      const take = () => ring.drain().forEach((one) => taken.push(one.payload))
      lengths.forEach((length, number) => {
        const { offset, source } = message(number, length)
        ring.push(peer, source, offset, length, 0, number)
        source.fill(0)
        if (number === drainAt) take()
      })
      take()
      taken.forEach((payload, number) => assert.deepStrictEqual(payload, message(number, lengths[number]).bytes))
      // no two of them share a byte: writing to one leaves all others as they were
      const target = taken[Math.floor(taken.length / 2)]
      target.fill(0x55)
      taken.forEach((payload, number) => {
        if (payload !== target) assert.deepStrictEqual(payload, message(number, lengths[number]).bytes)
      })
    },
    { fastCheck: { numRuns: 30 } }
  )

  it("a message that is copied while a packet is being read leaves the rest of that packet as it is", () => {
    const ring = new DeliveryRing(1e6, 1e9)
    const peer = makePeer()
    const start = ring.room()
    ring.slab.fill(1, start, start + 10).fill(2, start + 10, start + 20)
    ring.push(peer, ring.slab, start, 10, 0, 0)
    // what was held back until now comes from elsewhere
    ring.push(peer, new Uint8Array(500).fill(9), 0, 500, 1, 0)
    ring.push(peer, ring.slab, start + 10, 10, 0, 0)
    assert.deepStrictEqual(
      ring.drain().map(({ payload }) => [payload.length, new Set(payload)]),
      [[10, new Set([1])], [500, new Set([9])], [10, new Set([2])]]
    )
  })

  it("many more messages than it holds pass through it, and it lets go of what it dropped", () => {
    const ring = new DeliveryRing(100, 1e9)
    const peer = makePeer()
    let dropped = 0
    for (let i = 0; i < 20_000; i++) dropped += ring.push(peer, Uint8Array.of(i), 0, 1, 0, i)
    assert.strictEqual(dropped, 19_900)
    const held: ReadonlyArray<unknown> = Reflect.get(ring, "slabs")
    assert.isAtMost(held.length, 2500)
    assert.deepStrictEqual(ring.drain().map((one) => one.receivedAt), Array.from({ length: 100 }, (_, i) => 19_900 + i))
  })

  const SLAB = 65_536

  it("few small messages among many that are dropped keep little memory, and stay what they are", () => {
    const capacityBytes = 100_000
    const ring = new DeliveryRing(4000, capacityBytes)
    const flood = makePeer("flood")
    const quiet = makePeer("quiet")
    const kept: Array<number> = []
    let most = 0
    for (let i = 0; i < 20_000; i++) {
      const at = ring.room()
      const isKept = i % 33 === 0 && ring.hasRoom(quiet, 5)
      const length = isKept ? 5 : 1990
      ring.slab.fill(i, at + 3, at + 3 + length)
      if (isKept) kept.push(i & 255)
      ring.push(isKept ? quiet : flood, ring.slab, at + 3, length, isKept ? 1 : 0, i)
      most = Math.max(most, ring.held)
    }
    assert.isAtLeast(kept.length, 100)
    assert.isAtMost(most, 2 * (capacityBytes + SLAB) + SLAB)
    const payloads = ring.drain().filter(({ peer }) => peer === quiet).map(({ payload }) => Array.from(payload))
    assert.deepStrictEqual(payloads, kept.map((byte) => [byte, byte, byte, byte, byte]))
    assert.strictEqual(ring.held, 0)
  })

  it("messages behind much that is none keep no more memory than others", () => {
    const ring = new DeliveryRing(60_000, 2 ** 24)
    const peer = makePeer()
    for (let i = 0; i < 40_000; i++) {
      const at = ring.room()
      ring.slab[at + 1900] = i
      ring.push(peer, ring.slab, at + 1900, 1, 0, i)
    }
    assert.isAtMost(ring.held, 40_000 + 2 * SLAB)
    assert.isTrue(ring.drain().every(({ payload, receivedAt }) => payload[0] === (receivedAt & 255)))
  })

  it("memory is counted until the last message in it has gone, and when the next is begun", () => {
    const ring = new DeliveryRing(10, 2 ** 24)
    const peer = makePeer()
    for (let i = 0; i < 5000; i++) {
      const at = ring.room()
      ring.push(peer, ring.slab, at, 1000, 0, i)
      assert.isAtMost(ring.held, 3 * SLAB)
    }
  })

  it("a message larger than all the bytes it may hold goes itself", () => {
    const ring = new DeliveryRing(10, 50)
    const peer = makePeer()
    ring.push(peer, new Uint8Array(20), 0, 20, 0, 0)
    assert.strictEqual(ring.push(peer, new Uint8Array(51), 0, 51, 0, 1), 2)
    assert.strictEqual(ring.size, 0)
    assert.strictEqual(ring.push(peer, new Uint8Array(50), 0, 50, 0, 2), 0)
  })

  it("whoever waits is called once for each time it waits, and not when it has left", () => {
    const ring = new DeliveryRing(10, 50)
    let calls = 0
    ring.wake()
    ring.onWake(() => calls++)
    assert.strictEqual(calls, 0)
    ring.wake()
    ring.wake()
    assert.strictEqual(calls, 1)
    ring.onWake(() => calls++)
    ring.forgetWaiter()
    ring.wake()
    assert.strictEqual(calls, 1)
  })

  it("whoever is called may wait again at once", () => {
    const ring = new DeliveryRing(10, 50)
    let calls = 0
    const again = () => {
      calls++
      ring.onWake(again)
    }
    ring.onWake(again)
    ring.wake()
    ring.wake()
    assert.strictEqual(calls, 2)
  })

  it.prop(
    "a peer that floods drives out its own messages: who holds no more than its share loses none",
    [fc.integer({ min: 10, max: 40 }), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 50, max: 300 })],
    ([capacity, quiet, flood]) => {
      const ring = new DeliveryRing(capacity, 1e9)
      const flooder = makePeer("flooder")
      const others = Array.from({ length: quiet }, (_, i) => makePeer(`quiet ${i}`))
      const one = new Uint8Array(1)
      let dropped = 0
      for (let i = 0; i < flood; i++) dropped += ring.push(flooder, one, 0, 1, 0, i)
      for (const other of others) dropped += ring.push(other, one, 0, 1, 0, 0)
      for (let i = 0; i < flood; i++) dropped += ring.push(flooder, one, 0, 1, 0, flood + i)
      const left = ring.drain()
      assert.strictEqual(left.length + dropped, 2 * flood + quiet)
      for (const other of others) assert.strictEqual(left.filter((item) => item.peer === other).length, 1)
    }
  )
})
