import { assert, describe, it } from "@effect/vitest"
import { Network } from "@intentra/udp"
import type { MetricState } from "effect"
import { Effect, Exit, Fiber, HashMap, Metric, Option, Schema, Scope, Stream, SubscriptionRef } from "effect"
import { IntentraTest } from "../src/index.js"
import type { StateChannel, StateChannelError } from "../src/index.js"
import { connect, key, within } from "./internal/harness.js"
import { History, mirror, open, plain, publishAll, site, sites, valueOf } from "./support/states.js"

const names = (count: number, prefix = "key/") => Array.from({ length: count }, (_, n) => `${prefix}${n}`)

describe("StateChannel", () => {
  it.scoped("what is published arrives, the newest value of each key, and what is deleted goes", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const { others: [one], publisher } = yield* sites(network, 1)
      yield* publishAll(publisher.numbers, { a: 1, b: 2 })
      const subscription = yield* one.numbers.subscribe(one.peer)
      const seen = yield* mirror(network, subscription)
      yield* network.advance("1 second")
      assert.deepStrictEqual(plain(seen.values), { a: 1, b: 2 })
      yield* publisher.numbers.publish("a", 3)
      assert.isTrue(yield* publisher.numbers.delete("b"))
      assert.isFalse(yield* publisher.numbers.delete("b"))
      assert.isFalse(yield* publisher.numbers.delete("c"))
      yield* network.advance("1 second")
      assert.deepStrictEqual(plain(seen.values), { a: 3 })
      assert.strictEqual(yield* valueOf(subscription, "a"), 3)
      assert.isUndefined(yield* valueOf(subscription, "b"))
      assert.strictEqual(yield* publisher.numbers.size, 1)
      assert.deepStrictEqual(seen.faults, [])
    }))

  it.scoped("of many updates between two flushes the newest is sent, and no key goes out more often than the rate", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const { others: [one], publisher } = yield* sites(network, 1, { rate: 50 })
      const seen = yield* mirror(network, yield* one.numbers.subscribe(one.peer))
      yield* network.advance("1 second")
      for (let i = 1; i <= 1000; i++) {
        yield* publisher.numbers.publish("a", i)
        if (i % 10 === 0) yield* network.advance(10)
      }
      yield* network.advance("1 second")
      const { conflated, published, sentUpdates } = publisher.numbers.counters
      assert.strictEqual(published, 1000)
      assert.isAtMost(sentUpdates, 51)
      assert.isAtLeast(sentUpdates, 49)
      assert.strictEqual(conflated, 1000 - sentUpdates)
      assert.strictEqual(seen.told.length, sentUpdates)
      assert.deepStrictEqual(plain(seen.values), { a: 1000 })
    }))

  it.scoped("a late joiner has 5,000 keys within 200 ms, and in 30 % loss within 3 seconds", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const { others: [one, other], publisher } = yield* sites(network, 2)
      for (const name of names(5000)) yield* publisher.numbers.publish(name, 1)
      yield* network.advance("1 minute")
      const first = yield* one.numbers.subscribe(one.peer)
      yield* within(network, "200 millis", first.synced)
      const all = yield* within(network, "10 millis", Effect.scoped(Effect.flatMap(first.view, SubscriptionRef.get)))
      assert.strictEqual(HashMap.size(all), 5000)
      yield* network.configure({ loss: 0.3 })
      const second = yield* mirror(network, yield* other.numbers.subscribe(other.peer))
      yield* network.advance("3 seconds")
      assert.strictEqual(second.values.size, 5000)
      assert.isAbove(publisher.numbers.counters.repaired, 500)
    }))

  it.scoped.each([-5, -Infinity, 0, 12.7, 1e18, Number.MAX_VALUE])(
    "a ttl of %d ms, from a hot loop, holds up nobody",
    (ttl) =>
      Effect.gen(function*() {
        const network = yield* Network.make({ latency: 10 })
        const { others: [one], publisher } = yield* sites(network, 1)
        const subscription = yield* one.numbers.subscribe(one.peer)
        yield* network.advance("1 second")
        assert.isUndefined(publisher.numbers.unsafePublish("before", 1))
        assert.isUndefined(publisher.numbers.unsafePublish("it", 2, ttl))
        assert.isUndefined(publisher.numbers.unsafePublish("behind", 3))
        yield* network.advance("1 second")
        const view = yield* SubscriptionRef.get(yield* subscription.view)
        assert.deepStrictEqual([...HashMap.keys(view)].sort(), ["before", "behind", "it"])
        const it = HashMap.unsafeGet(view, "it")
        assert.deepStrictEqual([it.value, it.stale], [2, ttl < 1000])
        assert.strictEqual(one.numbers.counters.malformed, 0)
      })
  )

  it.scoped("a peer without the channel keeps nobody waiting who subscribes to all", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const hub = yield* site(network, "10.0.0.1")
      const publisher = yield* site(network, "10.0.0.2", {}, { key: key(2) })
      const plain = yield* IntentraTest.make(network, { host: "10.0.0.3", key: key(3) })
      yield* publisher.numbers.publish("it", 1)
      yield* connect(network, publisher.transport, hub.transport)
      const peer = yield* connect(network, plain, hub.transport)
      const all = yield* hub.numbers.subscribeAll()
      const waiting = yield* Effect.fork(all.synced)
      yield* network.advance("2 seconds")
      assert.isTrue(Option.isNone(yield* Fiber.poll(waiting)))
      yield* network.advance("3 seconds")
      assert.isTrue(Option.isSome(yield* Fiber.poll(waiting)))
      // the next one who has none is waited for as long, or until it goes
      const again = yield* hub.numbers.subscribeAll()
      const until = yield* Effect.fork(again.synced)
      yield* network.advance("1 second")
      yield* peer.close()
      yield* network.advance("1 second")
      assert.isTrue(Option.isSome(yield* Fiber.poll(until)))
    }))

  it.scoped("nobody is synced with nobody: where the only peer has no such channel, one waits", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const hub = yield* site(network, "10.0.0.1")
      const plain = yield* IntentraTest.make(network, { host: "10.0.0.3", key: key(3) })
      yield* connect(network, plain, hub.transport)
      const all = yield* hub.numbers.subscribeAll()
      const waiting = yield* Effect.fork(all.synced)
      yield* network.advance("1 minute")
      assert.isTrue(Option.isNone(yield* Fiber.poll(waiting)))
    }))

  it.scoped("a value that no longer decodes is gone from the view: the one before it is not what there is", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const { others: [one], publisher } = yield* sites(network, 1)
      const subscription = yield* one.numbers.subscribe(one.peer)
      const view = yield* subscription.view
      yield* publisher.numbers.publish("it", 1)
      yield* network.advance("1 second")
      assert.strictEqual(HashMap.size(yield* SubscriptionRef.get(view)), 1)
      // JSON has no NaN: it travels as null, which is no number
      publisher.numbers.unsafePublish("it", Number.NaN)
      yield* network.advance("1 second")
      assert.strictEqual(one.numbers.counters.undecodable, 1)
      assert.strictEqual(HashMap.size(yield* SubscriptionRef.get(view)), 0)
      yield* publisher.numbers.publish("it", 2)
      yield* network.advance("1 second")
      assert.strictEqual(HashMap.unsafeGet(yield* SubscriptionRef.get(view), "it").value, 2)
    }))

  it.scoped("a ttl that is no number is refused, and nothing is published", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const { publisher } = yield* sites(network, 0)
      const error = publisher.numbers.unsafePublish("it", 1, Number.NaN)
      assert.strictEqual(error?.reason, "InvalidOptions")
      assert.strictEqual(publisher.numbers.counters.published, 0)
    }))

  it.scoped("a key that is not refreshed within its ttl is stale, for a late joiner at once, until it is refreshed", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const { others: [one, other], publisher } = yield* sites(network, 2, { ttl: "1 second" })
      const seen = yield* mirror(network, yield* one.numbers.subscribe(one.peer))
      yield* network.advance("100 millis")
      yield* publishAll(publisher.numbers, { a: 1, b: 1 })
      yield* publisher.numbers.publish("slow", 1, { ttl: "1 minute" })
      yield* network.advance("900 millis")
      yield* publisher.numbers.publish("b", 1)
      assert.deepStrictEqual([...seen.stale], [])
      yield* network.advance("200 millis")
      assert.deepStrictEqual([...seen.stale], ["a"])
      const late = yield* mirror(network, yield* other.numbers.subscribe(other.peer))
      yield* network.advance("100 millis")
      assert.deepStrictEqual([...late.stale], ["a"])
      yield* network.advance("2 seconds")
      assert.deepStrictEqual([...seen.stale].sort(), ["a", "b"])
      yield* publisher.numbers.publish("a", 1)
      yield* network.advance("100 millis")
      assert.deepStrictEqual([...seen.stale], ["b"])
      yield* publisher.numbers.delete("b")
      yield* network.advance("2 minutes")
      assert.deepStrictEqual([...seen.stale].sort(), ["a", "slow"])
    }))

  it.scoped("the age of a value is its time at the publisher, in transit and here", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 80 })
      const { others: [one], publisher } = yield* sites(network, 1)
      yield* publisher.numbers.publish("old", 1)
      yield* network.advance("5 seconds")
      const subscription = yield* one.numbers.subscribe(one.peer)
      yield* network.advance("1 second")
      const publishedAt = network.now
      yield* publisher.numbers.publish("new", 1)
      yield* network.advance("300 millis")
      const age = (name: string) =>
        Effect.map(subscription.get(name), Option.match({ onNone: () => -1, onSome: (entry) => entry.age }))
      assert.approximately(yield* age("new"), network.now - publishedAt, 5)
      assert.approximately(yield* age("old"), network.now - publishedAt + 6000, 5)
    }))

  it.scoped("in jitter each message counts by its own delay", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 40, jitter: 30 })
      const { others: [one], publisher } = yield* sites(network, 1)
      const subscription = yield* one.numbers.subscribe(one.peer)
      const at: Array<number> = []
      const errors: Array<number> = []
      yield* subscription.changes.pipe(
        Stream.runForEach((change) =>
          Effect.sync(() => {
            if (change._tag === "Updated") errors.push(change.entry.age - (network.now - at[change.entry.value]))
          })
        ),
        Effect.provide(Network.layerOf(network)),
        Effect.forkScoped
      )
      for (let i = 0; i < 600; i++) {
        at.push(network.now)
        yield* publisher.numbers.publish(`${i}`, i)
        yield* network.advance(10)
      }
      assert.isAbove(errors.length, 590)
      // the least delay of one way is taken for half of the least round trip
      assert.isBelow(Math.max(...errors.slice(300).map(Math.abs)), 6)
    }))

  it.scoped("only what is of interest travels, and interest can change", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const { others: [one], publisher } = yield* sites(network, 1)
      yield* publishAll(publisher.numbers, { "ship/1": 1, "ship/2": 2, "port/1": 3, "port/2": 4, buoy: 5 })
      const subscription = yield* one.numbers.subscribe(one.peer, { keys: ["buoy"], prefixes: ["ship/"] })
      const seen = yield* mirror(network, subscription)
      yield* network.advance("1 second")
      assert.deepStrictEqual(plain(seen.values), { "ship/1": 1, "ship/2": 2, buoy: 5 })
      assert.strictEqual(publisher.numbers.counters.sentUpdates, 3)
      yield* publishAll(publisher.numbers, { "ship/1": 6, "port/1": 7 })
      yield* network.advance("1 second")
      assert.strictEqual(publisher.numbers.counters.sentUpdates, 4)
      yield* subscription.setInterest({ prefixes: ["port/"] })
      yield* network.advance("1 second")
      assert.deepStrictEqual(plain(seen.values), { "port/1": 7, "port/2": 4 })
      yield* subscription.setInterest({})
      yield* network.advance("1 second")
      assert.deepStrictEqual(plain(seen.values), {})
      yield* subscription.setInterest()
      yield* network.advance("1 second")
      assert.deepStrictEqual(plain(seen.values), { "ship/1": 6, "ship/2": 2, "port/1": 7, "port/2": 4, buoy: 5 })
      assert.deepStrictEqual(seen.faults, [])
      assert.strictEqual(yield* publisher.numbers.subscribers, 1)
    }))

  it.scoped("a subscriber that is cut off, slow or dead never delays another", () =>
    Effect.gen(function*() {
      const run = (trouble: boolean) =>
        Effect.scoped(Effect.gen(function*() {
          const network = yield* Network.make({ latency: 10 })
          const { others: [one, other, third], publisher } = yield* sites(network, 3)
          const seen = yield* mirror(network, yield* one.numbers.subscribe(one.peer))
          yield* other.numbers.subscribe(other.peer)
          yield* third.numbers.subscribe(third.peer)
          const at: Array<readonly [number, number]> = []
          yield* network.advance("1 second")
          if (trouble) {
            yield* network.partition(["10.0.0.1"], ["10.0.0.3"])
            yield* network.link("10.0.0.1", "10.0.0.4", { bandwidth: 2000, queueBytes: 5000 })
          }
          for (let i = 1; i <= 400; i++) {
            yield* publisher.numbers.publish("a", i)
            yield* network.advance(5)
            at.push([network.now, seen.values.get("a") ?? 0])
          }
          return at
        }))
      assert.deepStrictEqual(yield* run(true), yield* run(false))
    }))

  it.scoped("a partition costs probes only while it lasts, and nothing that was published meanwhile afterwards", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const { others: [one], publisher } = yield* sites(network, 1)
      const seen = yield* mirror(network, yield* one.numbers.subscribe(one.peer))
      yield* network.advance("1 second")
      yield* network.partition(["10.0.0.1"], ["10.0.0.2"])
      for (let i = 0; i < 600; i++) {
        yield* publisher.numbers.publish(`${i % 20}`, i)
        yield* network.advance(5)
      }
      const { sentUpdates } = publisher.numbers.counters
      for (let i = 600; i < 4600; i++) {
        yield* publisher.numbers.publish(`${i % 20}`, i)
        yield* network.advance(5)
      }
      assert.isAtMost(publisher.numbers.counters.sentUpdates - sentUpdates, 10)
      assert.strictEqual(seen.stale.size, seen.values.size)
      yield* network.heal
      yield* network.advance("1500 millis")
      assert.strictEqual(seen.values.size, 20)
      assert.strictEqual(Math.min(...seen.values.values()), 4580)
      assert.strictEqual(seen.stale.size, 0)
      assert.deepStrictEqual(seen.faults, [])
    }))

  it.scoped("when a session ends its keys are stale, and a new session of the same peer goes on where the old one was", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const publisher = yield* site(network, "10.0.0.1", {}, { key: key(1) })
      const subscriber = yield* site(network, "10.0.0.2", {}, { key: key(2) })
      const session = yield* Scope.make()
      const first = yield* Scope.extend(connect(network, subscriber.transport, publisher.transport), session)
      const seen = yield* mirror(network, yield* subscriber.numbers.subscribe(first))
      for (const name of names(100)) yield* publisher.numbers.publish(name, 1)
      yield* network.advance("1 second")
      yield* Scope.close(session, Exit.void)
      yield* network.advance("1 second")
      assert.strictEqual(seen.stale.size, 100)
      assert.strictEqual(yield* publisher.numbers.subscribers, 0)
      yield* publisher.numbers.publish("key/7", 2)
      const { sentUpdates } = publisher.numbers.counters
      yield* connect(network, subscriber.transport, publisher.transport)
      yield* network.advance("1 second")
      assert.strictEqual(seen.stale.size, 0)
      assert.strictEqual(seen.values.get("key/7"), 2)
      assert.strictEqual(publisher.numbers.counters.sentUpdates - sentUpdates, 1)
      assert.deepStrictEqual(seen.faults, [])
    }))

  it.scoped("who misses more deletions than the publisher remembers gets everything anew, and keeps nothing deleted", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const { others: [one], publisher } = yield* sites(network, 1, { maxTombstones: 5 })
      const history = new History()
      const seen = yield* mirror(network, yield* one.numbers.subscribe(one.peer), history)
      for (const name of names(300)) yield* publisher.numbers.publish(name, history.publish(name))
      yield* network.advance("1 second")
      for (const away of [2000, 40_000]) {
        yield* network.partition(["10.0.0.1"], ["10.0.0.2"])
        for (const name of [...history.state.keys()].slice(0, 100)) {
          history.delete(name)
          yield* publisher.numbers.delete(name)
        }
        for (let i = 0; i < 10; i++) {
          for (const name of history.state.keys()) yield* publisher.numbers.publish(name, history.publish(name))
          yield* network.advance(away / 10)
        }
        yield* network.heal
        yield* network.advance("3 seconds")
        assert.deepStrictEqual(plain(seen.values), plain(history.state))
      }
      assert.strictEqual(seen.values.size, 100)
      assert.deepStrictEqual(seen.faults, [])
    }))

  it.scoped("when there is more to say than may be sent, every key stays about equally fresh", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const { others: [one], publisher } = yield* sites(network, 1, { packetsPerSecond: 400 })
      const subscription = yield* one.numbers.subscribe(one.peer)
      const all = names(500)
      let oldest = 0
      for (let i = 0; i < 400; i++) {
        for (const name of all) yield* publisher.numbers.publish(name, i)
        yield* network.advance(5)
        if (i < 100 || i % 10 > 0) continue
        for (const name of all) oldest = Math.max(oldest, i - ((yield* valueOf(subscription, name)) ?? 0))
      }
      // two packets of about 70 keys in each flush: all of them take 4 flushes at best
      assert.isBelow(oldest, 25)
      assert.isAbove(publisher.numbers.counters.conflated + publisher.numbers.counters.published, 0)
    }))

  it.scoped("a slow consumer of changes gets the newest only, and no trace of what came and went", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const { others: [one], publisher } = yield* sites(network, 1)
      const subscription = yield* one.numbers.subscribe(one.peer)
      yield* publishAll(publisher.numbers, { a: 0, gone: 0 })
      yield* network.advance("1 second")
      const pull = yield* Stream.toPull(subscription.changes)
      assert.strictEqual((yield* pull).length, 2)
      for (let i = 1; i <= 100; i++) {
        yield* publisher.numbers.publish("a", i)
        yield* publisher.numbers.publish(`passing ${i}`, i)
        yield* network.advance(30)
        yield* publisher.numbers.delete(`passing ${i}`)
        yield* network.advance(30)
      }
      yield* publisher.numbers.delete("gone")
      yield* network.advance("1 second")
      const changes = [...(yield* pull)]
      assert.deepStrictEqual(changes.map((change) => [change._tag, change.key]), [["Updated", "a"], [
        "Deleted",
        "gone"
      ]])
      assert.isTrue(changes[0]._tag === "Updated" && changes[0].entry.value === 100)
    }))

  it.scoped("a view follows the changes, and ends with its scope", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      yield* Effect.gen(function*() {
        const { others: [one], publisher } = yield* sites(network, 1)
        const subscription = yield* one.numbers.subscribe(one.peer)
        yield* publishAll(publisher.numbers, { a: 1, b: 2 })
        yield* network.advance("1 second")
        const view = yield* subscription.view
        const values = Effect.map(
          SubscriptionRef.get(view),
          (entries) => plain(new Map([...entries].map(([name, { value }]) => [name, value])))
        )
        assert.deepStrictEqual(yield* values, { a: 1, b: 2 })
        yield* publisher.numbers.delete("a")
        yield* publishAll(publisher.numbers, { b: 3, c: 4 })
        yield* network.advance("1 second")
        assert.deepStrictEqual(yield* values, { b: 3, c: 4 })
      }).pipe(Effect.provide(Network.layerOf(network)))
    }))

  it.scoped("all publishers are followed under their own names, those that come later too, and forgotten when they are gone", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const hub = yield* site(network, "10.0.0.1", { forgetAfter: "10 seconds" })
      const subscription = yield* hub.numbers.subscribeAll({ prefixes: ["t"] })
      const seen = yield* mirror(network, subscription)
      const sensors = yield* Effect.forEach([2, 3, 4], (n) =>
        Effect.gen(function*() {
          const scope = yield* Scope.make()
          const sensor = yield* Scope.extend(site(network, `10.0.0.${n}`), scope)
          yield* sensor.numbers.publish("temperature", n)
          yield* sensor.numbers.publish("other", n)
          yield* Scope.extend(connect(network, sensor.transport, hub.transport), scope)
          return { ...sensor, scope }
        }))
      yield* network.advance("1 second")
      const of = (n: number) => `${sensors[n].id}/temperature`
      assert.deepStrictEqual(plain(seen.values), plain(new Map([[of(0), 2], [of(1), 3], [of(2), 4]])))
      assert.strictEqual(yield* valueOf(subscription, of(1)), 3)
      yield* Scope.close(sensors[1].scope, Exit.void)
      yield* network.advance("5 seconds")
      assert.deepStrictEqual([...seen.stale], [of(1)])
      yield* network.advance("10 seconds")
      assert.deepStrictEqual(plain(seen.values), plain(new Map([[of(0), 2], [of(2), 4]])))
      assert.deepStrictEqual(seen.faults, [])
    }))

  it.scoped("a publisher that opens its channel late, or anew, is found within a second", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const { others: [one], publisher } = yield* sites(network, 1)
      const begin = (value: number) =>
        Effect.gen(function*() {
          const scope = yield* Scope.make()
          const { channels } = publisher
          const context = yield* Scope.extend(
            open(network, `${value}`, { name: "late", schema: Schema.Number }, channels),
            scope
          )
          yield* context.publish("a", value)
          return scope
        })
      const mine = yield* open(network, "mine", { name: "late", schema: Schema.Number }, one.channels)
      const seen = yield* mirror(network, yield* mine.subscribe(one.peer))
      yield* network.advance("10 seconds")
      const scope = yield* begin(1)
      yield* network.advance("1100 millis")
      assert.deepStrictEqual(plain(seen.values), { a: 1 })
      yield* Scope.close(scope, Exit.void)
      yield* network.advance("30 seconds")
      assert.deepStrictEqual([...seen.stale], ["a"])
      yield* begin(2)
      yield* network.advance("1100 millis")
      assert.deepStrictEqual(plain(seen.values), { a: 2 })
      assert.strictEqual(seen.stale.size, 0)
    }))

  it.scoped("a subscription at rest costs a heartbeat each way in five seconds", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const { others: [one], publisher } = yield* sites(network, 1)
      yield* one.numbers.subscribe(one.peer)
      yield* publisher.numbers.publish("a", 1)
      yield* network.advance("1 minute")
      const before = one.transport.counters.messagesSent + publisher.transport.counters.messagesSent
      yield* network.advance("100 seconds")
      const after = one.transport.counters.messagesSent + publisher.transport.counters.messagesSent
      assert.isAtMost(after - before, 62)
      assert.isAtLeast(after - before, 38)
    }))

  it.scoped("values travel by any codec, and what does not decode is counted and changes nothing", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const { others: [one], publisher } = yield* sites(network, 1)
      const codec = {
        encode: (value: number) => new Uint8Array(new Float64Array([value]).buffer),
        decode: (bytes: Uint8Array) => {
          if (bytes.length !== 8) throw new Error("no double")
          return new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0, true)
        }
      }
      const wrong = { encode: () => new Uint8Array(3), decode: () => 0 }
      const options = { name: "doubles" }
      const sender = yield* open(network, "a", { ...options, codec }, publisher.channels)
      const receiver = yield* open(network, "b", { ...options, codec }, one.channels)
      const subscription = yield* receiver.subscribe(one.peer)
      const seen = yield* mirror(network, subscription)
      yield* publishAll(sender, { half: 0.5, tenth: 0.1 })
      yield* network.advance("1 second")
      assert.deepStrictEqual(plain(seen.values), { half: 0.5, tenth: 0.1 })
      const other = yield* open(network, "c", { name: "numbers 2", codec: wrong }, publisher.channels)
      const strict = yield* open(network, "d", { name: "numbers 2", schema: Schema.Number }, one.channels)
      const unread = yield* mirror(network, yield* strict.subscribe(one.peer))
      yield* other.publish("a", 1)
      yield* network.advance("1 second")
      assert.strictEqual(unread.told.length, 0)
      assert.strictEqual(strict.counters.undecodable, 1)
    }))

  it.scoped("what cannot be published is refused with a reason, and nothing is sent of it", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const { numbers, channels } = yield* site(network, "10.0.0.1", { maxKeys: 2, maxKeyBytes: 8, maxValueBytes: 6 })
      const reason = (effect: Effect.Effect<unknown, StateChannelError, Scope.Scope>) =>
        Effect.map(Effect.flip(effect), (error) => error.reason)
      assert.strictEqual(yield* reason(numbers.publish("", 1)), "InvalidKey")
      assert.strictEqual(yield* reason(numbers.publish("123456789", 1)), "InvalidKey")
      assert.strictEqual(yield* reason(numbers.publish("ééééé", 1)), "InvalidKey")
      assert.strictEqual(yield* reason(numbers.publish("\ud800", 1)), "InvalidKey")
      assert.strictEqual(yield* reason(numbers.publish("a", 1234567)), "ValueTooLarge")
      assert.strictEqual(yield* reason(numbers.publish("a", "text" as unknown as number)), "EncodeFailed")
      yield* numbers.publish("a", 1)
      yield* numbers.publish("b", 1)
      assert.strictEqual(yield* reason(numbers.publish("c", 1)), "TooManyKeys")
      yield* numbers.publish("a", 2)
      yield* numbers.delete("a")
      yield* numbers.publish("c", 1)
      assert.strictEqual(yield* reason(numbers.publish("a", 1)), "TooManyKeys")
      assert.strictEqual(numbers.counters.published, 5)
      assert.strictEqual(yield* reason(numbers.subscribeAll({ prefixes: names(200) })), "InvalidInterest")
      const other = (options: Partial<StateChannel.StateChannelSettings>) =>
        reason(
          Effect.asVoid(
            open(network, "x", { name: "x", schema: Schema.Number, ...options }, channels)
          )
        )
      assert.strictEqual(yield* other({ name: "numbers" }), "NameTaken")
      for (
        const options of [
          { name: "" },
          { name: "n".repeat(200) },
          { rate: 0 },
          { rate: 2000 },
          { maxKeyBytes: 600, maxValueBytes: 600 },
          { maxKeys: 0 },
          { ttl: 0 },
          { priority: 8 },
          { packetsPerSecond: 1 }
        ]
      ) {
        assert.strictEqual(yield* other(options), "InvalidOptions")
      }
    }))

  it.scoped("a channel that has ended says so, and its subscriptions end", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const { others: [one] } = yield* sites(network, 1)
      const scope = yield* Scope.make()
      const options = { name: "short", schema: Schema.Number }
      const channel = yield* Scope.extend(open(network, "s", options, one.channels), scope)
      const subscription = yield* channel.subscribe(one.peer)
      yield* Scope.close(scope, Exit.void)
      const late: ReadonlyArray<Effect.Effect<unknown, StateChannelError, Scope.Scope>> = [
        channel.publish("a", 1),
        channel.delete("a"),
        channel.subscribe(one.peer),
        subscription.synced,
        subscription.setInterest()
      ]
      for (const effect of late) assert.strictEqual((yield* Effect.flip(effect)).reason, "ChannelClosed")
      assert.strictEqual((yield* Stream.runCollect(subscription.changes)).length, 0)
    }))

  it.scoped("who is not admitted gets nothing", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const { others: [one, other], publisher } = yield* sites(network, 2, {
        admit: (peer) => peer.address.host === "10.0.0.2"
      })
      yield* publisher.numbers.publish("a", 1)
      const first = yield* mirror(network, yield* one.numbers.subscribe(one.peer))
      const second = yield* mirror(network, yield* other.numbers.subscribe(other.peer))
      yield* network.advance("2 seconds")
      assert.strictEqual(first.values.size, 1)
      assert.strictEqual(second.values.size, 0)
      assert.isAbove(publisher.numbers.counters.refused, 0)
    }))

  it.scoped("what is counted is in the metrics, under the channel's name", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const options = { name: "metered" }
      const { others: [one], publisher } = yield* sites(network, 1, options)
      yield* one.numbers.subscribe(one.peer)
      for (let i = 0; i < 10; i++) yield* publisher.numbers.publish("a", i)
      yield* network.advance("5 seconds")
      const count = (name: string) =>
        Metric.unsafeSnapshot().filter(({ metricKey }) =>
          metricKey.name === `intentra_state_${name}_total` &&
          metricKey.tags.some((tag) => tag.key === "channel" && tag.value === "metered")
        ).reduce(
          (sum, { metricState }) => sum + Number((metricState as MetricState.MetricState.Counter<number>).count),
          0
        )
      assert.strictEqual(count("published"), 10)
      assert.strictEqual(count("conflated"), 9)
      assert.strictEqual(count("sent_updates"), 1)
      assert.strictEqual(count("received"), 1)
      assert.isAbove(count("sent_bytes"), 40)
    }))

  it.effect("equal runs are equal, to the last byte on the network", () =>
    Effect.gen(function*() {
      const run = Effect.scoped(Effect.gen(function*() {
        const network = yield* Network.make({ seed: 3, latency: 10, loss: 0.1, jitter: 5, trace: "hash" })
        const { others: [one, other], publisher } = yield* sites(network, 2)
        yield* one.numbers.subscribe(one.peer)
        yield* other.numbers.subscribe(other.peer)
        for (let i = 0; i < 200; i++) {
          yield* publisher.numbers.publish(`${i % 30}`, i)
          yield* network.advance(7)
        }
        return network.trace.hash
      }))
      assert.strictEqual(yield* run, yield* run)
    }))
})
