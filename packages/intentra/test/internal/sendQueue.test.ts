import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { SendQueue } from "../../src/internal/sendQueue.js"
import type { Session } from "../../src/internal/session.js"

const CELL_BYTES = 64

/** What the queue knows of a session. */
const makeSession = (): Session =>
  ({ queueHead: -1, queueTail: -1, queued: 0, queuedSequenced: -1 }) as unknown as Session

interface Message {
  readonly session: number
  readonly payload: Uint8Array
  readonly intent: number
  readonly priority: number
  readonly deadline: number
  readonly queuedAt: number
  readonly order: number
}

/** The same queue as a plain list: what waits, in the order in which it came. */
class Oracle {
  messages: Array<Message> = []
  expired = 0
  overloaded = 0

  constructor(readonly capacity: number) {}

  makeRoom(now: number, priority: number): boolean {
    if (this.messages.length < this.capacity) return true
    const fresh = this.messages.filter((it) => it.deadline > now)
    if (fresh.length < this.messages.length) {
      this.expired += this.messages.length - fresh.length
      this.messages = fresh
      return true
    }
    const lowest = Math.min(...this.messages.map((it) => it.priority))
    if (lowest > priority) return false
    const victim = this.messages.findIndex((it) => it.priority === lowest)
    this.messages.splice(victim, 1)
    this.overloaded++
    return true
  }

  /** A session's messages as they are to be sent. */
  of(session: number): Array<Message> {
    return this.messages
      .filter((it) => it.session === session)
      .sort((a, b) => b.priority - a.priority || a.order - b.order)
  }
}

type Command =
  | {
    readonly _tag: "push"
    readonly session: number
    readonly priority: number
    readonly ttl: number
    readonly size: number
  }
  | { readonly _tag: "remove"; readonly session: number; readonly place: number }
  | { readonly _tag: "removeAll"; readonly session: number }
  | { readonly _tag: "wait"; readonly millis: number }

const SESSIONS = 3

const session = fc.nat(SESSIONS - 1)

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      _tag: fc.constant("push" as const),
      session,
      priority: fc.nat(7),
      ttl: fc.constantFrom(1, 3, 10, Infinity, Infinity),
      size: fc.nat(CELL_BYTES)
    })
  },
  { weight: 3, arbitrary: fc.record({ _tag: fc.constant("remove" as const), session, place: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ _tag: fc.constant("removeAll" as const), session }) },
  { weight: 2, arbitrary: fc.record({ _tag: fc.constant("wait" as const), millis: fc.nat(6) }) }
)

const walk = (queue: SendQueue, of: Session): Array<number> => {
  const cells: Array<number> = []
  for (let cell = of.queueHead; cell >= 0 && cells.length <= queue.capacity; cell = queue.nextOf(cell)) cells.push(cell)
  return cells
}

const payloadOf = (queue: SendQueue, cell: number): Array<number> => {
  const out = new Uint8Array(CELL_BYTES + 2).fill(0xee)
  queue.copyPayload(cell, out, 1)
  const length = queue.lengthOf(cell)
  assert.strictEqual(out[0], 0xee)
  assert.strictEqual(out[1 + length], 0xee)
  return Array.from(out.subarray(1, 1 + length))
}

const run = (capacity: number, commands: ReadonlyArray<Command>): void => {
  const queue = new SendQueue(capacity, CELL_BYTES)
  const sessions = Array.from({ length: SESSIONS }, makeSession)
  const oracle = new Oracle(capacity)
  let now = 100
  let order = 0
  for (const step of commands) {
    switch (step._tag) {
      case "wait":
        now += step.millis
        break
      case "removeAll": {
        const expected = oracle.of(step.session).length
        oracle.messages = oracle.messages.filter((it) => it.session !== step.session)
        assert.strictEqual(queue.removeAll(sessions[step.session]), expected)
        break
      }
      case "remove": {
        const mine = oracle.of(step.session)
        if (mine.length === 0) break
        const place = step.place % mine.length
        queue.remove(walk(queue, sessions[step.session])[place])
        oracle.messages = oracle.messages.filter((it) => it !== mine[place])
        break
      }
      case "push": {
        const room = oracle.makeRoom(now, step.priority)
        assert.strictEqual(queue.makeRoom(now, step.priority), room)
        if (!room) break
        const payload = new Uint8Array(step.size).map((_, i) => order + i)
        const intent = order % 3
        const message = {
          session: step.session,
          payload: payload.slice(),
          intent,
          priority: step.priority,
          deadline: now + step.ttl,
          queuedAt: now,
          order: order++
        }
        oracle.messages.push(message)
        const cell = queue.push(now, sessions[step.session], payload, intent, step.priority, step.ttl)
        payload.fill(0)
        assert.isAtLeast(cell, 0)
        assert.isBelow(cell, capacity)
        break
      }
    }
    assert.strictEqual(queue.count, oracle.messages.length)
    assert.strictEqual(queue.expired, oracle.expired)
    assert.strictEqual(queue.overloaded, oracle.overloaded)
    assert.strictEqual(
      queue.oldestAge(now),
      oracle.messages.length === 0 ? 0 : now - Math.min(...oracle.messages.map((it) => it.queuedAt))
    )
    const seen = new Set<number>()
    sessions.forEach((one, index) => {
      const expected = oracle.of(index)
      const cells = walk(queue, one)
      assert.strictEqual(one.queued, expected.length)
      assert.strictEqual(cells.length, expected.length)
      assert.strictEqual(one.queueTail, cells.at(-1) ?? -1)
      cells.forEach((cell, i) => {
        assert.isFalse(seen.has(cell))
        seen.add(cell)
        const message = expected[i]
        assert.deepStrictEqual(payloadOf(queue, cell), Array.from(message.payload))
        assert.strictEqual(queue.intentOf(cell), message.intent)
        assert.strictEqual(queue.priorityOf(cell), message.priority)
        assert.strictEqual(queue.isExpired(cell, now), message.deadline <= now)
      })
    })
  }
}

describe("SendQueue", () => {
  it.prop(
    "a full queue behaves as a plain list does: most urgent then oldest leaves first, expired then oldest-lowest is dropped first",
    [fc.integer({ min: 1, max: 8 }), fc.array(command, { maxLength: 80 })],
    ([capacity, commands]) => run(capacity, commands),
    { fastCheck: { numRuns: 200 } }
  )

  it.prop(
    "the same while the table grows to its capacity and no further",
    [fc.integer({ min: 33, max: 70 }), fc.array(command, { minLength: 100, maxLength: 200 })],
    ([capacity, commands]) => run(capacity, commands),
    { fastCheck: { numRuns: 10 } }
  )

  it("a queue that was full and is empty takes as many again, in the same cells", () => {
    const capacity = 100
    const queue = new SendQueue(capacity, CELL_BYTES)
    const one = makeSession()
    const fill = () =>
      Array.from({ length: capacity }, (_, i) => {
        assert.isTrue(queue.makeRoom(0, 0))
        return queue.push(0, one, Uint8Array.of(i), 0, 0, Infinity)
      })
    const cells = new Set(fill())
    assert.strictEqual(cells.size, capacity)
    assert.strictEqual(queue.removeAll(one), capacity)
    assert.strictEqual(queue.count, 0)
    assert.deepStrictEqual(new Set(fill()), cells)
    assert.strictEqual(queue.overloaded, 0)
  })

  it("everything waiting is more urgent: the newcomer is refused, and nothing is dropped for it", () => {
    const queue = new SendQueue(2, CELL_BYTES)
    const one = makeSession()
    queue.push(0, one, Uint8Array.of(1), 0, 5, Infinity)
    queue.push(0, one, Uint8Array.of(2), 0, 4, Infinity)
    assert.isFalse(queue.makeRoom(1, 3))
    assert.isTrue(queue.makeRoom(1, 4))
    assert.deepStrictEqual(walk(queue, one).map((cell) => payloadOf(queue, cell)), [[1]])
  })

  it("an expired message of the highest priority goes before a fresh one of the lowest", () => {
    const queue = new SendQueue(2, CELL_BYTES)
    const one = makeSession()
    queue.push(0, one, Uint8Array.of(1), 0, 7, 10)
    queue.push(0, one, Uint8Array.of(2), 0, 0, Infinity)
    assert.isTrue(queue.makeRoom(10, 0))
    assert.deepStrictEqual([queue.expired, queue.overloaded], [1, 0])
    assert.deepStrictEqual(walk(queue, one).map((cell) => payloadOf(queue, cell)), [[2]])
  })

  it("the Sequenced message that a session remembers is forgotten when it leaves", () => {
    const queue = new SendQueue(4, CELL_BYTES)
    const one = makeSession()
    const other = queue.push(0, one, Uint8Array.of(1), 0, 0, Infinity)
    one.queuedSequenced = queue.push(0, one, Uint8Array.of(2), 2, 0, Infinity)
    queue.remove(other)
    assert.isAtLeast(one.queuedSequenced, 0)
    queue.remove(one.queuedSequenced)
    assert.strictEqual(one.queuedSequenced, -1)
  })

  it("a cell that was removed already is not removed again", () => {
    const queue = new SendQueue(4, CELL_BYTES)
    const one = makeSession()
    const cell = queue.push(0, one, Uint8Array.of(1), 0, 0, Infinity)
    queue.push(0, one, Uint8Array.of(2), 0, 0, Infinity)
    queue.remove(cell)
    queue.remove(cell)
    assert.strictEqual(queue.count, 1)
    assert.strictEqual(one.queued, 1)
    const again = [3, 4, 5].map((value) => queue.push(0, one, Uint8Array.of(value), 0, 0, Infinity))
    assert.strictEqual(new Set(again).size, 3)
  })
})
