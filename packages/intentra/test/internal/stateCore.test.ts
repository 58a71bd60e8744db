import { assert, describe, it } from "@effect/vitest"
import { kindOf, STATUS } from "../../src/internal/stateWire.js"
import { End, peer } from "../support/stateCores.js"
import { Mirror, plain } from "../support/states.js"

const limits = { maxKeys: 100, maxTombstones: 100, maxSubscriptions: 30 }

/** A publisher, and a subscriber whose messages are carried by hand. */
class Pair {
  now = 0
  readonly atPublisher = peer(2)
  readonly atSubscriber = peer(1)
  publisher: End
  readonly subscriber = new End([this.atSubscriber], limits, 9)
  readonly subscription = this.subscriber.subscribe(this.atSubscriber)
  readonly seen = new Mirror(undefined)
  private readonly consumer = this.subscription.addConsumer()

  constructor(maxTombstones = limits.maxTombstones) {
    this.publisher = new End([], { ...limits, maxTombstones }, 1)
  }

  delete(key: string): void {
    const cell = this.publisher.core.publisher.table.cells.get(key)
    if (cell !== undefined) this.publisher.core.publisher.table.delete(cell, this.now)
  }

  /** To the subscriber, and to the publisher. */
  receive(messages: Iterable<Uint8Array>): void {
    for (const message of messages) this.subscriber.core.receive(this.atSubscriber, message, this.now)
    for (const change of this.consumer.drain()) this.seen.take(change)
  }

  answer(messages: Iterable<Uint8Array>): void {
    for (const message of messages) this.publisher.core.receive(this.atPublisher, message, this.now)
  }

  /** A step of time, and what was said in it. */
  step(): { readonly data: Array<Uint8Array>; readonly answers: Array<Uint8Array> } {
    this.now += 5
    this.publisher.tick(this.now)
    this.subscriber.tick(this.now)
    return { data: this.atPublisher.outbox.splice(0), answers: this.atSubscriber.outbox.splice(0) }
  }

  /** Everything arrives at once. */
  run(millis: number): void {
    for (let passed = 0; passed < millis; passed += 5) {
      const { answers, data } = this.step()
      this.receive(data)
      this.answer(answers)
    }
  }

  /** Another incarnation takes the publisher's place. */
  restart(): void {
    this.publisher = new End([], limits, 2)
    this.publisher.now = this.now
  }

  /** Everybody agrees, and nobody said anything wrong. */
  check(values: Record<string, number>): void {
    assert.deepStrictEqual(plain(this.seen.values), values)
    assert.deepStrictEqual(this.seen.faults, [])
    assert.strictEqual(this.publisher.counters.malformed + this.subscriber.counters.malformed, 0)
  }
}

describe("the two halves of a state channel", () => {
  it("an update that arrives after its key was deleted and the deletion forgotten brings nothing back", () => {
    const pair = new Pair()
    pair.run(100)
    pair.publisher.publish("a", 1)
    const { data } = pair.step()
    assert.strictEqual(data.length, 1)
    pair.publisher.publish("a", 2)
    pair.publisher.publish("b", 2)
    pair.run(300)
    pair.delete("a")
    pair.run(300)
    pair.receive(data)
    pair.run(300)
    pair.check({ b: 2 })
  })

  it("a deletion that overtakes the update before it stands", () => {
    const pair = new Pair()
    pair.run(100)
    pair.publisher.publish("a", 1)
    const first = pair.step()
    pair.delete("a")
    const second = pair.step()
    pair.receive(second.data)
    pair.receive(first.data)
    pair.run(300)
    pair.check({})
    assert.strictEqual(pair.seen.told.length, 0)
  })

  it("another incarnation is never taken for the one before, however far its versions have come", () => {
    const pair = new Pair()
    for (const key of "ab") pair.publisher.publish(key, 1)
    pair.run(300)
    pair.check({ a: 1, b: 1 })
    pair.restart()
    for (let value = 2; value < 5; value++) {
      for (const key of "bcd") pair.publisher.publish(key, value)
      pair.publisher.tick(pair.now += 5)
    }
    pair.run(6000)
    pair.check({ b: 4, c: 4, d: 4 })
    assert.strictEqual(pair.subscription.find("b")?.incarnation, 2)
  })

  it("what a dead incarnation said under the same number is not mixed with what the living one says", () => {
    const pair = new Pair()
    for (const key of "ab") pair.publisher.publish(key, 1)
    // the same question reaches both
    const { answers } = pair.step()
    pair.answer(answers)
    const dead = pair.step()
    assert.isAbove(dead.data.length, 0)
    pair.restart()
    for (const key of "bcd") pair.publisher.publish(key, 2)
    pair.answer(answers)
    pair.receive(dead.data)
    pair.run(1000)
    pair.receive(dead.data)
    pair.run(6000)
    pair.check({ b: 2, c: 2, d: 2 })
    assert.strictEqual(pair.seen.stale.size, 0)
  })

  it("who comes back in another session misses nothing of what it missed in the one before", () => {
    const pair = new Pair()
    pair.run(100)
    for (let value = 0; value < 10; value++) {
      for (const key of `a${value}`) pair.publisher.publish(key, value)
      const { answers, data } = pair.step()
      if (value % 3 === 0) pair.receive(data)
      pair.answer(answers)
    }
    pair.subscriber.core.closed(pair.atSubscriber, pair.now)
    pair.publisher.core.closed(pair.atPublisher, pair.now)
    pair.subscriber.core.connected(pair.atSubscriber, pair.now)
    // it does not say that it misses what this session has not sent yet
    for (let i = 0; i < 200; i++) {
      const { answers, data } = pair.step()
      pair.receive(data)
      pair.answer(answers)
    }
    const values = Object.fromEntries(Array.from({ length: 10 }, (_, value) => [`${value}`, value]))
    pair.check({ ...values, a: 9 })
  })

  it("who has to begin anew is told so until it does, and who hears nothing asks until it does", () => {
    for (const forgotten of [false, true]) {
      const pair = new Pair(2)
      for (let i = 0; i < 20; i++) pair.publisher.publish(`${i}`, i)
      pair.run(1000)
      for (let i = 0; i < 15; i++) pair.delete(`${i}`)
      if (forgotten) pair.publisher.core.closed(pair.atPublisher, pair.now)
      for (let i = 0; i < (forgotten ? 1200 : 100); i++) pair.step()
      pair.run(1500)
      pair.check({ 15: 15, 16: 16, 17: 17, 18: 18, 19: 19 })
    }
  })

  it("what is missing is asked for once in a round trip, and slower when nothing comes of it", () => {
    const pair = new Pair()
    pair.run(100)
    pair.publisher.publish("a", 1)
    pair.step()
    pair.publisher.publish("b", 1)
    const statuses: Array<number> = []
    for (let i = 0; i < 600; i++) {
      const { answers, data } = pair.step()
      if (i === 0) pair.receive(data)
      if (answers.some((message) => kindOf(message) === STATUS)) statuses.push(pair.now)
    }
    const pauses = statuses.slice(1).map((at, i) => at - statuses[i])
    assert.isAtMost(statuses[0], 135)
    assert.isAtLeast(pauses[0], 45)
    assert.isTrue(pauses.slice(1, 5).every((pause, i) => pause >= 1.8 * pauses[i]))
    assert.isAtMost(statuses.length, 9)
    pair.run(3000)
    pair.check({ a: 1, b: 1 })
  })
})
