import { assert, describe, it } from "@effect/vitest"
import { LinuxSocket } from "@intentra/ffi"
import { Effect, FastCheck as fc, type Scope } from "effect"
import { constants } from "node:os"
import type { UdpSocketOptions } from "../src/index.js"
import * as batch from "../src/internal/batch.js"
import { collect, idOf, numbered, put } from "./support/contract.js"
import { answering, hasBatch, hostUntil, type Send } from "./support/kits.js"

const { EAGAIN, ECONNREFUSED, EINTR, EINVAL, EIO, EMSGSIZE, ENOBUFS, EPERM } = constants.errno

/** A socket whose system answers otherwise, and one that it sends to. */
const pair = (answer: (real: Send) => Send, options: UdpSocketOptions = {}) =>
  Effect.gen(function*() {
    const { sockets: real } = answering((send) => send)
    const sender = yield* batch.make(options, () => answering(answer))
    const receiver = yield* batch.make({ maxDatagramBytes: 65_535 })
    return { real, sender, received: collect(receiver), id: idOf(sender, receiver.localAddress) }
  })

/** A system that answers as told, by errno or how many messages it takes, and as ever when nothing is told any more. */
const scripted = (script: ReadonlyArray<number>) => {
  const log: Array<number> = []
  const answer = (real: Send): Send => {
    let next = 0
    return (fd, headers, count, flags) => {
      const told = script[next++]
      if (told !== undefined && told < 0) {
        log.push(told)
        return told
      }
      const sent = real(fd, headers, told === undefined ? count : Math.min(count, told), flags)
      log.push(sent)
      return sent
    }
  }
  return { log, answer }
}

/** So many of these lengths arrive in order. */
const arrive = (received: ReadonlyArray<{ readonly bytes: Uint8Array }>, lengths: ReadonlyArray<number>) =>
  Effect.map(hostUntil(() => received.length >= lengths.length), () => {
    assert.deepStrictEqual(received.map(({ bytes }) => bytes), lengths.map((length, n) => numbered(n, length)))
  })

const law = (name: string, body: Effect.Effect<void, unknown, Scope.Scope>): void => {
  it.scopedLive(name, () => body)
}

describe.skipIf(!hasBatch)("the sending half of layerBatch", () => {
  law(
    "what a call did not take is taken by the next ones, in order",
    Effect.gen(function*() {
      const { answer, log } = scripted([3, 1, 1, 7])
      const { id, received, sender } = yield* pair(answer)
      const lengths = Array.from({ length: 40 }, (_, n) => 10 + n)
      lengths.forEach((length, n) => put(sender, id, numbered(n, length)))
      assert.strictEqual(sender.send(), 40)
      yield* arrive(received, lengths)
      assert.deepStrictEqual(log.slice(0, 4), [3, 1, 1, 7])
      assert.strictEqual(sender.stats.sent, 40)
    })
  )

  law(
    "while the system takes no more, datagrams wait; they go out whole, once and in order, the outbox being free at once",
    Effect.gen(function*() {
      const { answer } = scripted([2, -EAGAIN, -EAGAIN, 1, -ENOBUFS, 1, -EAGAIN, -EAGAIN, -EAGAIN])
      const { id, received, sender } = yield* pair(answer)
      const lengths: Array<number> = []
      for (let round = 0; round < 5; round++) {
        for (let i = 0; i < 6; i++) {
          lengths.push(100 + lengths.length)
          put(sender, id, numbered(lengths.length - 1, lengths[lengths.length - 1]))
        }
        assert.strictEqual(sender.send(), 6)
        sender.outbox.arena.fill(0xee)
      }
      assert.strictEqual(sender.stats.sent, 4)
      yield* arrive(received, lengths)
      assert.strictEqual(sender.stats.sendQueueDropped, 0)
      assert.strictEqual(sender.stats.sendErrors, 0)
    })
  )

  const answers = fc.array(
    fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constantFrom(-EAGAIN, -ENOBUFS, -EINTR, -ECONNREFUSED)),
    { maxLength: 25 }
  ).map((script) => {
    // an interrupted call says nothing of the datagram, so that a refusal before it and one behind it are two
    const answered = script.filter((told) => told !== -EINTR)
    const twice = answered.filter((told, i) => told === -ECONNREFUSED && answered[i - 1] === told)
    return twice.length === 0 ? script : script.filter((told) => told !== -ECONNREFUSED)
  })

  it.effect.prop(
    "whatever passing errors the system answers with, every datagram goes out once and in order",
    [answers, fc.array(fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 40 }), { maxLength: 8 })],
    ([script, rounds]) =>
      Effect.scoped(Effect.gen(function*() {
        const { id, received, sender } = yield* pair(scripted(script).answer)
        let given = 0
        for (const lengths of rounds) {
          for (const length of lengths) put(sender, id, numbered(given++, length))
          assert.strictEqual(sender.send(), lengths.length)
        }
        yield* arrive(received, rounds.flat())
        assert.strictEqual(sender.stats.sent, given)
        assert.strictEqual(sender.stats.sendErrors + sender.stats.sendQueueDropped, 0)
      })),
    { fastCheck: { numRuns: 30 } }
  )

  for (const sendQueuePolicy of ["drop-newest", "drop-oldest"] as const) {
    law(
      `the queue is bounded, and full of it, ${sendQueuePolicy} drops the ${sendQueuePolicy.slice(5)} datagrams`,
      Effect.gen(function*() {
        let isFull = true
        const { id, received, sender } = yield* pair(
          (real) => (...args) => isFull ? -EAGAIN : real(...args),
          { sendQueueBytes: 5 * (200 + 64), sendQueuePolicy }
        )
        let accepted = 0
        for (let n = 0; n < 12; n++) {
          put(sender, id, numbered(n, 200))
          accepted += sender.send()
        }
        isFull = false
        yield* hostUntil(() => received.length === 5)
        const numbers = received.map(({ bytes }) => new DataView(bytes.buffer).getUint16(0))
        assert.deepStrictEqual(numbers, sendQueuePolicy === "drop-newest" ? [0, 1, 2, 3, 4] : [7, 8, 9, 10, 11])
        assert.strictEqual(sender.stats.sendQueueDropped, 7)
        assert.strictEqual(accepted, sendQueuePolicy === "drop-newest" ? 5 : 12)
      })
    )
  }

  law(
    "an error that tells of an earlier datagram eats none: what was refused is sent again, once",
    Effect.gen(function*() {
      const { answer } = scripted([-ECONNREFUSED, 1, -EPERM])
      const { id, received, sender } = yield* pair(answer)
      const lengths = [10, 20, 30]
      lengths.forEach((length, n) => put(sender, id, numbered(n, length)))
      assert.strictEqual(sender.send(), 3)
      yield* arrive(received, lengths)
      assert.strictEqual(sender.stats.sendErrors, 0)
    })
  )

  law(
    "a datagram that is refused twice is counted, and stops no other",
    Effect.gen(function*() {
      const { answer } = scripted([1, -EPERM, -EPERM])
      const { id, received, sender } = yield* pair(answer)
      for (const [n, length] of [10, 20, 30].entries()) put(sender, id, numbered(n, length))
      assert.strictEqual(sender.send(), 2)
      yield* hostUntil(() => received.length === 2)
      assert.deepStrictEqual(received.map(({ length }) => length), [10, 30])
      assert.strictEqual(sender.stats.sendErrors, 1)
    })
  )

  law(
    "a datagram that is too long for the path is counted without another attempt, and stops no other",
    Effect.gen(function*() {
      const { answer, log } = scripted([1, -EMSGSIZE])
      const { id, received, sender } = yield* pair(answer)
      for (const [n, length] of [10, 3_000, 4_000].entries()) put(sender, id, numbered(n, length))
      assert.strictEqual(sender.send(), 2)
      yield* hostUntil(() => received.length === 2)
      assert.deepStrictEqual(log, [1, -EMSGSIZE, 1])
      assert.strictEqual(sender.stats.sendErrors, 1)
    })
  )

  for (const errno of [EIO, EINVAL, EMSGSIZE]) {
    law(
      `datagrams that are refused as one message (errno ${errno}) go singly, then and later, and none is lost`,
      Effect.gen(function*() {
        const { answer, log } = scripted([-errno])
        const { id, received, sender } = yield* pair(answer)
        for (let n = 0; n < 8; n++) put(sender, id, numbered(n, 100))
        assert.strictEqual(sender.send(), 8)
        assert.deepStrictEqual(log, [-errno, 8])
        for (let n = 8; n < 16; n++) put(sender, id, numbered(n, 100))
        assert.strictEqual(sender.send(), 8)
        assert.deepStrictEqual(log, [-errno, 8, 8])
        yield* arrive(received, Array.from({ length: 16 }, () => 100))
        assert.strictEqual(sender.stats.sendErrors, 0)
      })
    )
  }

  law(
    "a system that takes nothing apart (no checksums) is found out by the first message, which is not lost",
    Effect.gen(function*() {
      const { log, answer } = scripted([])
      const { id, real, received, sender } = yield* pair(answer)
      const SO_NO_CHECK = 11
      real.setsockopt(sender.fd, LinuxSocket.SOL_SOCKET, SO_NO_CHECK, 1)
      for (let n = 0; n < 8; n++) put(sender, id, numbered(n, 100))
      assert.strictEqual(sender.send(), 8)
      assert.deepStrictEqual(log, [-EINVAL, 8])
      yield* arrive(received, Array.from({ length: 8 }, () => 100))
    })
  )

  law(
    "datagrams that are too long for the path as parts of a message go singly, and shorter ones stay together",
    Effect.gen(function*() {
      const { answer, log } = scripted([-EINVAL])
      const { id, received, sender } = yield* pair(answer)
      const lengths: Array<number> = []
      for (const length of [1_400, 1_200]) {
        for (let i = 0; i < 4; i++) {
          put(sender, id, numbered(lengths.length, length))
          lengths.push(length)
        }
        assert.strictEqual(sender.send(), 4)
      }
      assert.deepStrictEqual(log, [-EINVAL, 4, 1])
      yield* arrive(received, lengths)
    })
  )

  law(
    "a receiver who cannot be sent to at all takes the messages of no other apart",
    Effect.gen(function*() {
      const { answer, log } = scripted([-EINVAL, -EINVAL, -EINVAL, -EINVAL, -EINVAL])
      const { id, received, sender } = yield* pair(answer)
      for (let n = 0; n < 2; n++) put(sender, idOf(sender, { host: "127.0.0.1", port: 9 }), numbered(n, 100))
      for (let n = 0; n < 4; n++) put(sender, id, numbered(n, 100))
      assert.strictEqual(sender.send(), 4)
      // one message of two, each of them twice, and the four others as one
      assert.deepStrictEqual(log, [-EINVAL, -EINVAL, -EINVAL, -EINVAL, -EINVAL, 1])
      yield* arrive(received, [100, 100, 100, 100])
      assert.strictEqual(sender.stats.sendErrors, 2)
    })
  )

  law(
    "a message has at most 64 datagrams and 65,507 bytes, all of one length but the last",
    Effect.gen(function*() {
      const { answer, log } = scripted([])
      const { id, received, sender } = yield* pair(answer)
      const lengths: Array<number> = []
      const give = (length: number, times: number, messages: number): void => {
        for (let i = 0; i < times; i++) {
          put(sender, id, numbered(lengths.length, length))
          lengths.push(length)
        }
        log.length = 0
        sender.send()
        assert.deepStrictEqual(log, [messages])
      }
      give(100, 64, 1)
      give(100, 65, 2)
      give(1_200, 54, 1)
      give(1_200, 55, 2)
      give(65_507, 2, 2)
      give(32_753, 2, 1)
      give(32_754, 2, 2)
      give(1, 64, 1)
      give(0, 3, 3)
      yield* arrive(received, lengths)
    })
  )

  law(
    "a shorter datagram ends a message, a longer one begins the next, an empty one is alone",
    Effect.gen(function*() {
      const { answer, log } = scripted([])
      const { id, received, sender } = yield* pair(answer)
      const lengths = [50, 50, 40, 40, 60, 0, 60, 60, 10, 20]
      lengths.forEach((length, n) => put(sender, id, numbered(n, length)))
      sender.send()
      // 50 50 40 | 40 | 60 | 0 | 60 60 10 | 20
      assert.deepStrictEqual(log, [6])
      yield* arrive(received, lengths)
    })
  )

  law(
    "datagrams for one address under several ids go as one message, for two addresses as two",
    Effect.gen(function*() {
      const { answer, log } = scripted([])
      const { id, received, sender } = yield* pair(answer)
      const again = idOf(sender, sender.addresses.address(id))
      put(sender, id, numbered(0, 100))
      put(sender, again, numbered(1, 100))
      sender.send()
      put(sender, id, numbered(2, 100))
      put(sender, idOf(sender, sender.localAddress), numbered(0, 100))
      sender.send()
      assert.deepStrictEqual(log, [1, 2])
      yield* arrive(received, [100, 100, 100])
    })
  )

  law(
    "a socket that is gone fails closed, and every datagram is counted",
    Effect.gen(function*() {
      const { answer } = scripted([-constants.errno.EBADF])
      const { id, sender } = yield* pair(answer)
      for (let n = 0; n < 3; n++) put(sender, id, numbered(n, 10 + n))
      put(sender, 0, numbered(3, 10))
      assert.strictEqual(sender.send(), 0)
      assert.strictEqual(sender.stats.sendErrors, 4)
      const error = yield* Effect.flip(sender.closed)
      assert.strictEqual(error.reason, "Closed")
    })
  )
})
