import { assert, describe, it } from "@effect/vitest"
import { Network } from "@intentra/udp"
import type { NetworkOptions } from "@intentra/udp"
import { Effect, Fiber, Redacted } from "effect"
import { IntentraTest, SendOptions, SendResult } from "../src/index.js"
import type { IntentraOptions } from "../src/index.js"
import { collect, connected, key } from "./internal/harness.js"

const keyNumber = (n: number): Redacted.Redacted<Uint8Array> => {
  const bytes = new Uint8Array(32).fill(7)
  new DataView(bytes.buffer).setUint32(8, n)
  return Redacted.make(bytes)
}

/** A hub and so many peers, all connected at the same instant. */
const fleet = (count: number, network: NetworkOptions, options: IntentraOptions = {}, nat = false) =>
  Effect.gen(function*() {
    const world = yield* Effect.orDie(Network.make({ latency: 10, jitter: 5, trace: "hash", ...network }))
    const hub = yield* IntentraTest.make(world, { host: "10.0.0.1", key: key(1), allow: "any", ...options })
    const fibers = []
    for (let n = 0; n < count; n++) {
      const client = yield* IntentraTest.make(world, {
        host: nat ? "10.50.0.1" : `10.1.${n >> 8}.${n & 255}`,
        port: nat ? 10_000 + n : 9000,
        key: keyNumber(n)
      })
      fibers.push(yield* Effect.fork(client.connect({ ...hub.address, publicKey: hub.publicKey })))
    }
    yield* world.advance("6 seconds")
    const peers = yield* Effect.forEach(fibers, Fiber.join)
    return { world, hub, peers }
  })

const STATE = SendOptions.make({ intent: "Sequenced" })

describe("many peers", () => {
  const run = (seed: number) =>
    Effect.scoped(
      Effect.gen(function*() {
        const { hub, peers, world } = yield* fleet(60, { seed, loss: 0.01, duplicate: 0.01 })
        let received = 0
        yield* hub.onDelivery(() => {
          received++
        })
        const update = new Uint8Array(64)
        for (let tick = 0; tick < 150; tick++) {
          for (const peer of peers) assert.strictEqual(peer.unsafeSend(update, STATE), SendResult.ACCEPTED)
          yield* world.advance("200 millis")
        }
        yield* world.advance("1 second")
        return { received, hash: world.trace.hash, drops: hub.counters.dropsByReason() }
      })
    )

  it.effect("one seed gives one run, to the last byte on the network, and another seed another one", () =>
    Effect.gen(function*() {
      const [first, second, other] = [yield* run(5), yield* run(5), yield* run(6)]
      assert.deepStrictEqual(first, second)
      assert.notStrictEqual(first.hash, other.hash)
      assert.isAbove(first.received, 60 * 150 * 0.97)
    }))

  it.scoped(
    "a thousand that come at the same instant are all in within the handshake's time, and all are heard",
    () =>
      Effect.gen(function*() {
        const { hub, peers, world } = yield* fleet(1_000, { seed: 9 }, { gate: { inFlight: 1_000 } })
        assert.strictEqual(hub.counters.sessionsActive, 1_000)
        const seen = yield* collect(hub.deliveries)
        for (const peer of peers) peer.unsafeSend(new Uint8Array(32))
        yield* world.advance("1 second")
        assert.strictEqual(new Set(seen.map((one) => one.peer.id)).size, 1_000)
        const outcome = yield* hub.broadcast(new Uint8Array(32), STATE)
        assert.strictEqual(outcome.accepted, 1_000)
      }),
    60_000
  )

  it.scoped("a fleet of 200 behind one address joins in peace, with the default limits", () =>
    Effect.gen(function*() {
      const { hub, peers } = yield* fleet(200, { seed: 4 }, {}, true)
      assert.strictEqual(peers.length, 200)
      assert.strictEqual(hub.counters.sessionsActive, 200)
    }), 60_000)
})

describe("the pacer", () => {
  it.scoped("spreads a burst over time, and loses nothing of it", () =>
    Effect.gen(function*() {
      const { hub, network, peer } = yield* connected({ network: { mtu: 1200 }, client: { pacePacketsPerSecond: 100 } })
      const seen = yield* collect(hub.deliveries)
      for (let i = 0; i < 200; i++) peer.unsafeSend(new Uint8Array(1000).fill(i))
      yield* network.advance("1 second")
      assert.isAtMost(seen.length, 100 + 16 + 2)
      assert.isAtLeast(seen.length, 100)
      yield* network.advance("2 seconds")
      assert.deepStrictEqual(seen.map((one) => one.payload[0]), Array.from({ length: 200 }, (_, i) => i))
    }))

  it.scoped("lets the expired go, and the urgent first", () =>
    Effect.gen(function*() {
      const { client, hub, network, peer } = yield* connected({ client: { pacePacketsPerSecond: 10 } })
      const seen = yield* collect(hub.deliveries)
      const hurried = SendOptions.make({ ttl: "100 millis" })
      const urgent = SendOptions.make({ priority: 7 })
      for (let i = 0; i < 60; i++) peer.unsafeSend(new Uint8Array(1000).fill(1), hurried)
      peer.unsafeSend(new Uint8Array(1000).fill(2), urgent)
      yield* network.advance("3 seconds")
      assert.strictEqual(seen[0].payload[0], 2)
      assert.isAbove(client.counters.dropped("Expired"), 30)
    }))
})
