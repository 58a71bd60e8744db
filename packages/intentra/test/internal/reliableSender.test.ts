import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import {
  ACK_OK,
  ACK_VIOLATION,
  INITIAL_PEER_WINDOW,
  ReliableSender,
  REORDERING
} from "../../src/internal/reliableSender.js"
import { MAX_RTO, RttEstimator } from "../../src/internal/rttEstimator.js"

const FAR = 2 ** 32 - 100

const setup = (options: { window?: number; firstNumber?: number; rtt?: number } = {}) => {
  const rtt = new RttEstimator()
  if (options.rtt !== undefined) rtt.sample(options.rtt)
  const first = options.firstNumber ?? 0
  const sender = new ReliableSender({ window: options.window ?? 256, cellBytes: 100, rtt, firstNumber: first })
  let order = 0
  return {
    rtt,
    sender,
    push: (count: number, now = 0) => {
      for (let i = 0; i < count; i++) assert.isAtLeast(sender.push(now, Uint8Array.of(i), 0), 0)
    },
    /** Sends all that may go, one message to a packet, and returns the numbers relative to the first. */
    flush: (now = 0, most = Infinity) => {
      const numbers: Array<number> = []
      for (let slot = sender.next(); slot >= 0 && numbers.length < most; slot = sender.next()) {
        numbers.push((sender.numberOf(slot) - first) >>> 0)
        sender.sent(now, slot, order++)
      }
      return numbers
    },
    /** Numbers are relative to the first. */
    ack: (
      now: number,
      cumulative: number,
      ranges: ReadonlyArray<readonly [number, number]> = [],
      newest = -1,
      limit = cumulative + 256,
      delay = 0
    ) =>
      sender.onAck(
        now,
        (first + cumulative) >>> 0,
        Uint32Array.from(ranges.flat(), (number) => (first + number) >>> 0),
        ranges.length,
        newest,
        (first + limit) >>> 0,
        delay
      )
  }
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

const state = (sender: ReliableSender) => [
  sender.held,
  sender.inFlight,
  sender.lost,
  sender.cwnd,
  sender.peerLimit,
  sender.lostDetected,
  sender.deadline
]

describe.each([0, FAR])("ReliableSender from number %i", (firstNumber) => {
  it("numbers messages from the first, keeps length, priority and payload, and sends them in number order", () => {
    const { sender, flush } = setup({ firstNumber })
    for (let i = 0; i < 20; i++) {
      const slot = sender.push(0, new Uint8Array(i).fill(i), i & 7)
      assert.strictEqual(sender.numberOf(slot), (firstNumber + i) >>> 0)
      assert.deepStrictEqual([sender.lengthOf(slot), sender.priorityOf(slot)], [i, i & 7])
      const out = new Uint8Array(i + 2)
      sender.copyPayload(slot, out, 1)
      assert.deepStrictEqual([...out], [0, ...new Array<number>(i).fill(i), 0])
    }
    assert.deepStrictEqual(flush(), range(0, 20))
    assert.deepStrictEqual([sender.held, sender.inFlight], [20, 20])
  })

  it("an ACK that says what was never sent, or is malformed, is a violation and changes nothing", () => {
    const { ack, flush, push, sender } = setup({ firstNumber })
    push(40)
    flush()
    assert.strictEqual(ack(10, 10, [], 9, 200), ACK_OK)
    flush(10)
    const before = state(sender)
    for (
      const [cumulative, ranges] of [
        [41, []],
        [2 ** 31, []],
        [2 ** 31 + 10, []],
        [-1, []],
        [10, [[12, 41]]],
        [10, [[10, 12]]],
        [10, [[9, 12]]],
        [10, [[12, 12]]],
        [10, [[15, 13]]],
        [10, [[12, 14], [20, 22]]],
        [10, [[20, 25], [15, 21]]],
        [10, [[20, 25], [15, 20]]],
        [5, [[5, 7]]]
      ] as const
    ) {
      assert.strictEqual(ack(20, cumulative, ranges, 30), ACK_VIOLATION, `${cumulative} ${JSON.stringify(ranges)}`)
      assert.deepStrictEqual(state(sender), before)
    }
    assert.strictEqual(ack(20, 12, [], 30, 11), ACK_VIOLATION)
    assert.strictEqual(sender.onAck(20, firstNumber, new Uint32Array(2), 2, -1, firstNumber), ACK_VIOLATION)
    assert.strictEqual(sender.onAck(20, firstNumber, new Uint32Array(2), NaN, -1, firstNumber), ACK_VIOLATION)
    assert.deepStrictEqual(state(sender), before)
    assert.strictEqual(ack(20, 10, [[22, 40], [15, 21]], 30), ACK_OK)
  })

  it("old, repeated and reordered ACKs are harmless", () => {
    const { ack, flush, push, sender } = setup({ firstNumber, rtt: 50 })
    push(60)
    flush()
    const old = [[5, [], 4], [5, [[8, 10]], 9], [5, [[20, 22], [8, 12]], 21]] as const
    assert.strictEqual(ack(50, 25, [], 24), ACK_OK)
    flush(50)
    assert.strictEqual(ack(60, 25, [[30, 35]], 34), ACK_OK)
    const before = state(sender)
    for (const [cumulative, ranges, newest] of old) {
      assert.strictEqual(ack(61, cumulative, ranges, newest), ACK_OK)
      assert.deepStrictEqual(state(sender), before)
    }
    assert.strictEqual(ack(61, 25, [[30, 35]], 34), ACK_OK)
    assert.deepStrictEqual(state(sender), before)
  })

  it("ranges below what is acknowledged do not touch the messages that have taken over the slots", () => {
    const { ack, flush, push, sender } = setup({ firstNumber, window: 8 })
    push(8)
    flush()
    assert.strictEqual(ack(10, 8, [], 7), ACK_OK)
    push(8)
    flush(10)
    assert.strictEqual(ack(11, 1, [[6, 8], [2, 4]], 7), ACK_OK)
    assert.strictEqual(ack(11, 1, [[6, 9], [2, 4]], 7), ACK_OK)
    assert.deepStrictEqual([sender.held, sender.inFlight], [7, 7])
  })

  it("a message is lost when a packet more than three after its own has arrived, and no sooner", () => {
    const { ack, flush, push, sender } = setup({ firstNumber, rtt: 50 })
    push(20)
    flush()
    ack(10, 0, [[1, 1 + REORDERING]], REORDERING)
    assert.deepStrictEqual([sender.lost, sender.next()], [0, -1])
    ack(11, 0, [[1, 2 + REORDERING]], 1 + REORDERING)
    assert.deepStrictEqual([sender.lost, sender.lostDetected], [1, 1])
    assert.deepStrictEqual(flush(12), [0])
    assert.strictEqual(sender.retransmitted, 1)
    // sent again under a new packet: the old one's age no longer counts
    ack(13, 0, [[1, 10]], 9)
    assert.strictEqual(sender.lost, 0)
  })

  it("lost messages go out before new ones, lowest number first", () => {
    const { ack, flush, push } = setup({ firstNumber, rtt: 50 })
    push(60)
    assert.deepStrictEqual(flush(), range(0, 32))
    ack(50, 4, [[9, 32]], 31, 256)
    assert.deepStrictEqual(flush(50, 10), [4, 5, 6, 7, 8, ...range(32, 37)])
  })
})

describe("ReliableSender", () => {
  it("a packet overtaken by fewer than three is lost after 9/8 of the round trip", () => {
    const { ack, flush, push, sender } = setup({ rtt: 80 })
    push(2)
    flush(1000)
    ack(1080, 0, [[1, 2]], 1)
    assert.strictEqual(sender.deadline, 1090)
    sender.timeout(1089)
    assert.strictEqual(sender.lost, 0)
    sender.timeout(1090)
    assert.deepStrictEqual([sender.lost, sender.timeouts], [1, 0])
  })

  it("without any ACK the retransmission timeout repairs, one message at a time, ever more slowly", () => {
    const { flush, push, sender } = setup()
    push(10)
    flush(0)
    const times: Array<number> = []
    for (let i = 0; i < 6; i++) {
      const now = sender.deadline
      times.push(now)
      sender.timeout(now - 0.001)
      assert.strictEqual(sender.lost, 0)
      sender.timeout(now)
      // the congestion window has collapsed to 8 with 9 in flight, the repair goes out all the same
      assert.strictEqual(sender.cwnd, 8)
      assert.deepStrictEqual(flush(now), [0])
    }
    assert.deepStrictEqual(times, [1000, 3000, 5000, 7000, 9000, 11_000])
    assert.strictEqual(sender.timeouts, 6)
  })

  it("after a timeout one ACK finds all that was lost with it", () => {
    const { ack, flush, push, sender } = setup()
    push(10)
    flush(0)
    sender.timeout(1000)
    assert.deepStrictEqual(flush(1000), [0])
    ack(1050, 1, [], 10)
    assert.deepStrictEqual(flush(1050), [1, 2, 3, 4, 5, 6, 7, 8, 9])
    assert.strictEqual(sender.lost, 0)
  })

  it("the congestion window halves once for each loss event, and not below 8", () => {
    const { ack, flush, push, sender } = setup({ rtt: 50 })
    push(200)
    flush(0)
    assert.strictEqual(sender.cwnd, 32)
    ack(50, 1, [[5, 6]], 5)
    assert.deepStrictEqual([sender.lost, sender.cwnd], [1, 17])
    ack(51, 1, [[10, 11], [5, 6]], 10)
    assert.deepStrictEqual([sender.lostDetected, sender.cwnd], [5, 17])
    ack(52, 1, [[31, 32], [10, 11], [5, 6]], 31)
    assert.deepStrictEqual([sender.lostDetected >= 24, sender.cwnd], [true, 17])
    const again = flush(52)
    // everything of the second flight but its last packet is lost: one more event
    ack(102, 1, [[31, 32], [10, 11], [5, 6]], 31 + again.length)
    assert.strictEqual(sender.cwnd, 8)
    for (let i = 0, newest = 31 + again.length; i < 5; i++) {
      newest += flush(200 + 100 * i).length
      ack(299 + 100 * i, 1, [[31, 32], [10, 11], [5, 6]], newest)
    }
    assert.strictEqual(sender.cwnd, 8)
  })

  it("the congestion window grows by one a message in slow start, then by one a window, up to the window", () => {
    const { ack, flush, push, sender } = setup({ rtt: 50, window: 64 })
    push(40)
    flush(0)
    ack(50, 8, [], 7)
    assert.strictEqual(sender.cwnd, 40)
    const slow = setup({ rtt: 50 })
    slow.push(200)
    slow.flush(0)
    slow.ack(50, 1, [[5, 6]], 5)
    slow.flush(50)
    slow.ack(60, 32, [], 31)
    assert.strictEqual(slow.sender.cwnd, 17)
    assert.strictEqual(slow.flush(70).length, 17)
    slow.ack(120, 49, [], 48)
    assert.strictEqual(slow.sender.cwnd, 18)
    let acknowledged = 8
    for (let now = 100; now < 2000; now += 50) {
      while (sender.hasRoom) push(1, now)
      acknowledged += flush(now).length
      ack(now + 50, acknowledged)
    }
    assert.strictEqual(sender.cwnd, 64)
  })

  it("an application that sends little does not grow the congestion window", () => {
    const { ack, flush, push, sender } = setup({ rtt: 50 })
    for (let i = 0; i < 300; i++) {
      push(1, i)
      flush(i)
      ack(i + 0.5, i + 1, [], i)
    }
    assert.strictEqual(sender.cwnd, 32)
  })

  it("nothing goes past the peer's limit, which an older ACK does not take back", () => {
    const { ack, flush, push, sender } = setup()
    push(100)
    assert.strictEqual(flush().length, INITIAL_PEER_WINDOW)
    ack(10, 32, [], 31, 40)
    assert.deepStrictEqual(flush(10), range(32, 40))
    ack(20, 40, [], 39, 50)
    ack(21, 32, [], 31, 45)
    assert.strictEqual(sender.peerLimit, 50)
    assert.deepStrictEqual(flush(21), range(40, 50))
    assert.strictEqual(sender.next(), -1)
  })

  it("a closed limit is probed with the message that it excludes, ever more slowly, until it opens", () => {
    const { ack, flush, push, sender } = setup({ rtt: 50 })
    push(40)
    flush(0)
    ack(50, 32, [], 31, 32)
    assert.strictEqual(sender.next(), -1)
    const waits: Array<number> = []
    let last = 50
    for (let i = 0; i < 7; i++) {
      const now = sender.deadline
      waits.push(now - last)
      last = now
      sender.timeout(now)
      assert.deepStrictEqual(flush(now), [32])
      assert.strictEqual(ack(now + 50, 32, [], 32 + i, 32), ACK_OK)
      assert.deepStrictEqual([sender.next(), sender.inFlight, sender.lostDetected], [-1, 0, 0])
    }
    assert.deepStrictEqual(waits.slice(0, 3), [200, 400, 800])
    assert.strictEqual(waits[6], MAX_RTO)
    // this probe is taken
    sender.timeout(sender.deadline)
    flush(last)
    assert.strictEqual(ack(last + 50, 33, [], 39, 60), ACK_OK)
    assert.deepStrictEqual(flush(last + 50), range(33, 40))
    assert.strictEqual(sender.retransmitted, 0)
  })

  it("a probe on its way when the limit opens is not sent twice, one that was refused is", () => {
    const taken = setup({ rtt: 50 })
    taken.push(34)
    taken.flush(0)
    taken.ack(50, 32, [], 31, 32)
    taken.sender.timeout(taken.sender.deadline)
    assert.deepStrictEqual(taken.flush(250), [32])
    taken.ack(260, 32, [], 31, 64)
    assert.deepStrictEqual(taken.flush(260), [33])
    assert.strictEqual(taken.ack(300, 34, [], 33, 64), ACK_OK)
    assert.strictEqual(taken.sender.held, 0)
    const refused = setup({ rtt: 50 })
    refused.push(34)
    refused.flush(0)
    refused.ack(50, 32, [], 31, 32)
    refused.sender.timeout(refused.sender.deadline)
    refused.flush(250)
    refused.ack(300, 32, [], 32, 64)
    assert.deepStrictEqual(refused.flush(300), [32, 33])
  })

  it("samples the round trip from the newest packet only, less the peer's delay", () => {
    const { ack, flush, push, rtt } = setup()
    push(2)
    flush(0)
    ack(40, 1, [], 0)
    assert.strictEqual(rtt.latest, 40)
    ack(200, 2, [], 1, 258, 150)
    assert.strictEqual(rtt.latest, 50)
    push(1)
    flush(300)
    // another packet was newer: how long this one took is not known
    ack(999, 3, [], 7)
    assert.strictEqual(rtt.latest, 50)
  })

  it("an ACK without packet order gives no sample for a message that was sent twice (Karn)", () => {
    const { ack, flush, push, rtt, sender } = setup()
    push(1)
    flush(0)
    sender.timeout(1000)
    flush(1000)
    ack(1001, 1)
    assert.strictEqual(rtt.latest, -1)
    push(1)
    flush(2000)
    ack(2030, 2)
    assert.strictEqual(rtt.latest, 30)
  })

  it("takes at most a window of messages, none that is too long, and none once destroyed", () => {
    const { ack, flush, push, sender } = setup({ window: 8 })
    assert.strictEqual(sender.push(0, new Uint8Array(101), 0), -1)
    push(8)
    assert.isFalse(sender.hasRoom)
    assert.strictEqual(sender.push(0, new Uint8Array(1), 0), -1)
    flush()
    // the span counts, not how many are left in it
    ack(1, 0, [[1, 8]])
    assert.isFalse(sender.hasRoom)
    ack(2, 8)
    assert.isTrue(sender.hasRoom)
    sender.destroy()
    assert.isFalse(sender.hasRoom)
    assert.deepStrictEqual([sender.push(3, new Uint8Array(1), 0), sender.next(), sender.deadline], [-1, -1, Infinity])
    assert.strictEqual(ack(4, 99), ACK_OK)
  })

  it("memory comes with the messages, stays bounded and goes with release, and numbers go on", () => {
    const { ack, flush, push, sender } = setup()
    assert.strictEqual(sender.allocatedBytes, 0)
    push(1)
    assert.strictEqual(sender.allocatedBytes, 800)
    push(255)
    assert.strictEqual(sender.allocatedBytes, 25_600)
    let sent = 0
    while (sent < 256) {
      sent += flush(sent).length
      sender.release()
      assert.strictEqual(sender.allocatedBytes, 25_600)
      ack(sent + 1, sent)
    }
    assert.strictEqual(sender.held, 0)
    sender.release()
    assert.strictEqual(sender.allocatedBytes, 0)
    assert.strictEqual(ack(999, 256), ACK_OK)
    push(1, 1000)
    assert.deepStrictEqual(flush(1000), [256])
  })

  it("destroy leaves no payload in memory", () => {
    const { sender } = setup()
    const slot = sender.push(0, new Uint8Array(100).fill(7), 0)
    const { cells } = sender as unknown as { cells: { view: (cell: number, length: number) => Uint8Array } }
    const view = cells.view(0, 100)
    assert.strictEqual(view[99], 7)
    assert.strictEqual(slot, 0)
    sender.destroy()
    assert.isTrue(view.every((byte) => byte === 0))
    assert.strictEqual(sender.allocatedBytes, 0)
  })

  it.prop(
    "no ACK whatever makes it throw, or lose count",
    [fc.array(
      fc.record({
        cumulative: fc.oneof(fc.nat(300), fc.nat(0xffffffff)),
        ranges: fc.array(fc.oneof(fc.nat(300), fc.nat(0xffffffff)), { maxLength: 6 }),
        count: fc.integer({ min: -1, max: 4 }),
        newest: fc.integer({ min: -1, max: 300 }),
        limit: fc.oneof(fc.nat(600), fc.nat(0xffffffff))
      })
    )],
    ([acks]) => {
      const { flush, push, sender } = setup()
      let now = 0
      for (const { count, cumulative, limit, newest, ranges } of acks) {
        while (sender.hasRoom) push(1, now)
        flush(now)
        sender.onAck(++now, cumulative, Uint32Array.from(ranges), count, newest, limit)
        sender.timeout(now)
        assert.isTrue(sender.held <= 256 && sender.inFlight + sender.lost <= sender.held && sender.inFlight >= 0)
        assert.isTrue(sender.cwnd >= 8 && sender.cwnd <= 256)
        assert.isTrue(sender.deadline > now || sender.next() >= 0)
      }
    }
  )
})
