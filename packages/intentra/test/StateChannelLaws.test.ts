import { assert, describe, it } from "@effect/vitest"
import { Network } from "@intentra/udp"
import { Effect, FastCheck } from "effect"
import { connect, key } from "./internal/harness.js"
import { seeded } from "./support/simulation.js"
import { History, mirror, plain, site, sites } from "./support/states.js"

/** So long that they do not all fit one packet, nor the packets of one flush. */
const keys = ["ship", "port", "buoy"].flatMap((kind) =>
  Array.from({ length: 16 }, (_, n) => `${kind}/${`${n}`.padStart(100, "0")}`)
)

const some = (max: number) =>
  FastCheck.tuple(FastCheck.integer({ min: 0, max: keys.length - 1 }), FastCheck.integer({ min: 1, max })).map(
    ([first, count]) => Array.from({ length: count }, (_, i) => keys[(first + 5 * i) % keys.length])
  )

const step = FastCheck.oneof(
  { weight: 6, arbitrary: some(48).map((keys) => ({ op: "publish", keys, millis: 0 }) as const) },
  { weight: 3, arbitrary: some(8).map((keys) => ({ op: "delete", keys, millis: 0 }) as const) },
  {
    weight: 5,
    arbitrary: FastCheck.integer({ min: 1, max: 120 }).map((millis) => ({ op: "wait", keys, millis }) as const)
  },
  {
    weight: 1,
    arbitrary: FastCheck.integer({ min: 50, max: 6000 }).map((millis) => ({ op: "cut", keys, millis }) as const)
  }
)

const weather = FastCheck.record({
  seed: FastCheck.integer({ min: 1, max: 1_000_000 }),
  loss: FastCheck.double({ min: 0, max: 0.3, noNaN: true }),
  jitter: FastCheck.integer({ min: 0, max: 60 }),
  duplicate: FastCheck.double({ min: 0, max: 0.3, noNaN: true }),
  reorder: FastCheck.double({ min: 0, max: 0.3, noNaN: true }),
  reorderDelay: FastCheck.integer({ min: 0, max: 300 })
})

const limits = FastCheck.record({
  maxTombstones: FastCheck.constantFrom(2, 4096),
  packetsPerSecond: FastCheck.constantFrom(200, 2000)
})

describe("the laws of state channels", () => {
  it.scoped.prop(
    "whatever is lost, reordered, duplicated and cut off, views end at the publisher's state and never go back",
    { script: FastCheck.array(step, { minLength: 10, maxLength: 60 }), weather, limits },
    ({ limits, script, weather: { seed, ...conditions } }) =>
      Effect.gen(function*() {
        const network = yield* Network.make({ latency: 20, seed })
        const { others: [early, late], publisher } = yield* sites(network, 2, limits)
        yield* network.configure(conditions)
        const history = new History()
        const all = yield* mirror(network, yield* early.numbers.subscribe(early.peer), history)
        let partial = all
        for (const [i, one] of script.entries()) {
          if (i === script.length >> 1) {
            const interest = { keys: [keys[17]], prefixes: ["ship/"] }
            partial = yield* mirror(network, yield* late.numbers.subscribe(late.peer, interest), history)
          }
          if (one.op === "publish") {
            for (const key of one.keys) yield* publisher.numbers.publish(key, history.publish(key))
          } else if (one.op === "delete") {
            for (const key of one.keys) if (yield* publisher.numbers.delete(key)) history.delete(key)
          } else if (one.op === "wait") yield* network.advance(one.millis)
          else {
            yield* network.partition(["10.0.0.1"], ["10.0.0.2", "10.0.0.3"])
            yield* network.advance(one.millis)
            yield* network.heal
          }
        }
        yield* network.advance("10 seconds")
        assert.deepStrictEqual(plain(all.values), plain(history.state))
        const wanted = new Map([...history.state].filter(([key]) => key.startsWith("ship/") || key === keys[17]))
        assert.deepStrictEqual(plain(partial.values), plain(wanted))
        assert.strictEqual(all.faults.join("\n"), "")
        assert.strictEqual(partial.faults.join("\n"), "")
        for (const { numbers } of [publisher, early, late]) assert.strictEqual(numbers.counters.malformed, 0)
      }),
    seeded(60)
  )

  it.scoped.prop(
    "a publisher that begins anew is followed, and nothing of its earlier life stays or comes back",
    { weather, lives: FastCheck.array(FastCheck.subarray(keys), { minLength: 2, maxLength: 4 }) },
    ({ lives, weather: { seed, ...conditions } }) =>
      Effect.gen(function*() {
        const network = yield* Network.make({ latency: 20, seed })
        const subscriber = yield* site(network, "10.0.0.2")
        const subscription = yield* subscriber.numbers.subscribeAll()
        const history = new History()
        const seen = yield* mirror(network, subscription, history)
        for (const [life, published] of lives.entries()) {
          yield* network.configure({ loss: 0, jitter: 0, duplicate: 0, reorder: 0 })
          yield* Effect.scoped(Effect.gen(function*() {
            const publisher = yield* site(network, "10.0.0.1", {}, { key: key(1), seed: `${life}` })
            for (const name of keys) history.delete(`${publisher.id}/${name}`)
            const peer = yield* connect(network, publisher.transport, subscriber.transport)
            assert.isUndefined(peer.closeReason)
            yield* network.configure(conditions)
            for (const name of published) {
              yield* publisher.numbers.publish(name, history.publish(`${publisher.id}/${name}`))
            }
            yield* network.advance("10 seconds")
            assert.deepStrictEqual(plain(seen.values), plain(history.state))
            assert.strictEqual(publisher.numbers.counters.malformed, 0)
          }))
        }
        assert.strictEqual(seen.faults.join("\n"), "")
        assert.strictEqual(subscriber.numbers.counters.malformed, 0)
      }),
    seeded(20)
  )
})
