import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { DELIVER, ReliableReceiver, VIOLATION } from "../../src/internal/reliableReceiver.js"
import { ACK_OK, ReliableSender } from "../../src/internal/reliableSender.js"
import { RttEstimator } from "../../src/internal/rttEstimator.js"

const MESSAGE_BYTES = 40

interface PipeOptions {
  readonly seed?: number
  readonly messages: number
  readonly window?: number
  readonly bufferBytes?: number
  readonly firstNumber?: number
  readonly perPacket?: number
  /** One way, milliseconds. */
  readonly delay?: number
  readonly jitter?: number
  readonly loss?: number
  readonly ackLoss?: number
  readonly duplication?: number
  /** Share of packets between that carry no Reliable message. */
  readonly others?: number
  /** Milliseconds between two messages of the application; 0: all at once. */
  readonly interval?: number
  /** Messages that the consumer takes before it is full, and when (stalled, for how long) it takes none. */
  readonly consumerRoom?: number
  readonly stalls?: boolean
  readonly withoutOrder?: boolean
  readonly maxRanges?: number
  readonly dropData?: (order: number, numbers: ReadonlyArray<number>, now: number) => boolean
  readonly dropAck?: (now: number) => boolean
}

/** mulberry32 */
const generator = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}

const payloadOf = (index: number): Uint8Array => {
  const bytes = new Uint8Array(4 + (index % (MESSAGE_BYTES - 3)))
  bytes.fill(index & 0xff)
  new DataView(bytes.buffer).setUint32(0, index)
  return bytes
}

/** A sender, a receiver, a consumer and a network between them in virtual time; every law is checked at every step. */
const simulate = (options: PipeOptions) => {
  const { delay = 25, firstNumber = 0, interval = 0, messages, perPacket = 1, window = 256 } = options
  const bufferBytes = options.bufferBytes ?? window * MESSAGE_BYTES
  const random = generator(options.seed ?? 1)
  const rtt = new RttEstimator()
  const sender = new ReliableSender({ window, cellBytes: MESSAGE_BYTES, rtt, firstNumber })
  const receiver = new ReliableReceiver({ window, bufferBytes, messageBytes: MESSAGE_BYTES, firstNumber })
  const events: Array<{ readonly at: number; readonly run: () => void }> = []
  const deliveredAt: Array<number> = []
  let now = 0
  let order = 0
  let pushed = 0
  let newest = -1
  let stalled = false
  let queued = 0
  let mostInFlight = 0

  const schedule = (at: number, run: () => void) => {
    let i = events.length
    while (i > 0 && events[i - 1].at <= at) i--
    events.splice(i, 0, { at, run })
  }

  const transmit = (lost: boolean, run: () => void) => {
    if (!lost) schedule(now + delay + random() * (options.jitter ?? 0), run)
    if (random() < (options.duplication ?? 0)) schedule(now + delay + random() * 3 * delay, run)
  }

  const work = () => {
    if (!stalled) queued = 0
  }

  const consume = (payload: Uint8Array) => {
    if (Buffer.compare(payload, payloadOf(deliveredAt.length)) !== 0) {
      assert.fail(`message ${deliveredAt.length} differs`)
    }
    deliveredAt.push(now)
    if (++queued === 1) schedule(now + 1, work)
  }

  const consumerHasRoom = () => !stalled && queued < (options.consumerRoom ?? Infinity)

  const drain = () => {
    while (consumerHasRoom()) {
      const slot = receiver.takeNext()
      if (slot < 0) return
      const out = new Uint8Array(receiver.lengthOf(slot))
      receiver.copyPayload(slot, out, 0)
      consume(out)
      receiver.release(slot)
    }
  }

  const acknowledge = () => {
    const ranges = new Uint32Array(2 * window)
    const count = receiver.writeAckRanges(ranges, options.maxRanges ?? window)
    const { limit, nextExpected } = receiver
    const newestOrder = options.withoutOrder ? -1 : newest
    receiver.ackSent()
    const lost = random() < (options.ackLoss ?? 0) || options.dropAck?.(now) === true
    transmit(lost, () => {
      assert.strictEqual(sender.onAck(now, nextExpected, ranges, count, newestOrder, limit), ACK_OK)
    })
  }

  const arrive = (packetOrder: number, numbers: ReadonlyArray<number>, payloads: ReadonlyArray<Uint8Array>) => {
    newest = Math.max(newest, packetOrder)
    numbers.forEach((number, i) => {
      const verdict = receiver.offer(number, payloads[i], 0, payloads[i].length, consumerHasRoom())
      assert.notStrictEqual(verdict, VIOLATION)
      if (verdict === DELIVER) {
        consume(payloads[i])
        drain()
      }
    })
  }

  const flush = () => {
    while (sender.next() >= 0) {
      const numbers: Array<number> = []
      const payloads: Array<Uint8Array> = []
      for (let slot = sender.next(); slot >= 0 && numbers.length < perPacket; slot = sender.next()) {
        const payload = new Uint8Array(sender.lengthOf(slot))
        sender.copyPayload(slot, payload, 0)
        numbers.push(sender.numberOf(slot))
        payloads.push(payload)
        sender.sent(now, slot, order)
      }
      const packetOrder = order++
      const lost = random() < (options.loss ?? 0) || options.dropData?.(packetOrder, numbers, now) === true
      transmit(lost, () => arrive(packetOrder, numbers, payloads))
      if (random() < (options.others ?? 0)) {
        const other = order++
        transmit(random() < (options.loss ?? 0), () => arrive(other, [], []))
      }
    }
  }

  const toggle = () => {
    stalled = !stalled
    work()
    if (deliveredAt.length < messages) schedule(now + random() * (stalled ? 3000 : 300), toggle)
  }
  if (options.stalls) schedule(30, toggle)

  const application = () => {
    if (interval === 0) {
      while (pushed < messages && sender.hasRoom) sender.push(now, payloadOf(pushed++), 0)
    } else if (pushed < messages) {
      if (sender.hasRoom) sender.push(now, payloadOf(pushed++), 0)
      schedule(now + interval, application)
    }
  }
  if (interval > 0) schedule(0, application)

  for (let steps = 0; deliveredAt.length < messages || sender.held > 0 || events.length > 0; steps++) {
    assert.isBelow(steps, 100_000, "it ends")
    if (interval === 0) application()
    flush()
    const due = sender.deadline
    const event = events.at(-1)
    if (event !== undefined && event.at <= due) {
      events.pop()
      now = Math.max(now, event.at)
      event.run()
    } else {
      assert.isBelow(due, Infinity, "nobody waits for anything, and not all is delivered")
      now = Math.max(now, due)
      sender.timeout(now)
      assert.isTrue(sender.deadline > now || sender.next() >= 0, "a timeout leaves nothing due")
    }
    drain()
    if (receiver.ackPending) acknowledge()
    mostInFlight = Math.max(mostInFlight, sender.inFlight)
    assert.isTrue(sender.held <= window && sender.inFlight <= window && sender.cwnd <= window)
    assert.isTrue(receiver.allocatedBytes <= bufferBytes && receiver.heldBytes <= receiver.allocatedBytes)
    assert.isAtMost(sender.allocatedBytes, window * MESSAGE_BYTES)
  }
  assert.strictEqual(deliveredAt.length, messages)
  assert.strictEqual(receiver.nextExpected, (firstNumber + messages) >>> 0)
  sender.release()
  receiver.trim()
  assert.deepStrictEqual([sender.allocatedBytes, receiver.allocatedBytes, receiver.heldBytes], [0, 0, 0])
  return { deliveredAt, mostInFlight, receiver, rtt, sender }
}

const firstNumbers = fc.constantFrom(0, 2 ** 32 - 100, 2 ** 31 - 50, 2 ** 32 - 1)

describe("a Reliable sender and receiver", () => {
  it.prop(
    "deliver exactly what was sent, in order, once, over loss, reordering and duplication, to a consumer that stalls",
    [fc.record({
      seed: fc.integer(),
      messages: fc.integer({ min: 1, max: 400 }),
      window: fc.constantFrom(32, 64, 256),
      firstNumber: firstNumbers,
      perPacket: fc.integer({ min: 1, max: 8 }),
      jitter: fc.constantFrom(0, 5, 60),
      loss: fc.double({ min: 0, max: 0.3, noNaN: true }),
      ackLoss: fc.double({ min: 0, max: 0.3, noNaN: true }),
      duplication: fc.constantFrom(0, 0.2),
      others: fc.constantFrom(0, 0.5),
      interval: fc.constantFrom(0, 3),
      consumerRoom: fc.constantFrom(1, 10, 1000),
      stalls: fc.boolean(),
      withoutOrder: fc.boolean(),
      maxRanges: fc.constantFrom(1, 8, 256)
    })],
    ([options]) => {
      simulate(options)
    },
    { fastCheck: { numRuns: 60 } }
  )

  it.prop(
    "a perfect link sees every message once, however the consumer stalls",
    [fc.record({
      seed: fc.integer(),
      messages: fc.integer({ min: 1, max: 600 }),
      firstNumber: firstNumbers,
      perPacket: fc.integer({ min: 1, max: 8 }),
      bufferBytes: fc.constantFrom(32 * MESSAGE_BYTES, 256 * MESSAGE_BYTES),
      interval: fc.constantFrom(0, 3),
      others: fc.constantFrom(0, 0.5),
      stalls: fc.boolean(),
      consumerRoom: fc.constantFrom(1, 10, 1000)
    })],
    ([options]) => {
      const { sender } = simulate(options)
      assert.deepStrictEqual([sender.retransmitted, sender.lostDetected, sender.timeouts], [0, 0, 0])
    },
    { fastCheck: { numRuns: 40 } }
  )

  it("use the whole window on a link that loses nothing, and never more", () => {
    const { deliveredAt, mostInFlight } = simulate({ messages: 3000 })
    assert.strictEqual(mostInFlight, 256)
    // slow start from 32 to 256 and 256 a round trip of 50 ms from there
    assert.isBelow(deliveredAt[2999], 25 + 50 * (3 + 3000 / 256))
  })

  it("repair a single loss within about a round trip, by the order of packets", () => {
    const { deliveredAt, sender } = simulate({
      messages: 40,
      interval: 1,
      dropData: (order) => order === 10
    })
    assert.deepStrictEqual([sender.retransmitted, sender.timeouts], [1, 0])
    // sent at 10, missed when packet 14 arrives, whose ACK is back at 64, repaired at 89
    assert.strictEqual(deliveredAt[10], 89)
    assert.strictEqual(deliveredAt[39], 89)
  })

  it("repair the loss of the last message by timeout", () => {
    const { deliveredAt, rtt, sender } = simulate({
      messages: 40,
      interval: 2,
      dropData: (order) => order === 39
    })
    assert.deepStrictEqual([sender.retransmitted, sender.timeouts], [1, 1])
    assert.isAtMost(deliveredAt[39], 78 + 50 + 200 + 25)
    assert.strictEqual(rtt.smoothed, 50)
  })

  it("survive the loss of all acknowledgements for a while", () => {
    const { sender } = simulate({ messages: 500, dropAck: (now) => now > 60 && now < 3000 })
    assert.isAtLeast(sender.timeouts, 1)
  })

  it("do not deadlock when the update that opens the window is lost", () => {
    let opened = Infinity
    const { sender } = simulate({
      seed: 3,
      messages: 300,
      bufferBytes: 32 * MESSAGE_BYTES,
      stalls: true,
      // every ACK of the first three seconds after the first stall is lost, once the window is closed
      dropAck: (now) => {
        if (now > 200 && opened === Infinity) opened = now
        return now >= opened && now < opened + 3000
      }
    })
    assert.isAtLeast(sender.probes, 1)
  })

  it("hold the sender back when the consumer stops, and lose nothing of what was acknowledged", () => {
    const { sender } = simulate({ messages: 200, window: 32, stalls: true, consumerRoom: 1, seed: 9 })
    assert.strictEqual(sender.retransmitted, 0)
  })
})
