import { assert, describe, it } from "@effect/vitest"
import { Network } from "@intentra/udp"
import type { NetworkOptions } from "@intentra/udp"
import { ConfigProvider, Context, Effect, Fiber, Layer, Stream } from "effect"
import { Intentra, IntentraTest, StaticKey } from "../src/index.js"
import { bytes, collect, connect, key, text, within } from "./internal/harness.js"

/** Some traffic in bad weather between three transports; what the network saw of it. */
const scenario = (options: NetworkOptions, secondSeed?: string) =>
  Effect.scoped(Effect.gen(function*() {
    const network = yield* Effect.orDie(
      Network.make({ latency: 20, jitter: 15, loss: 0.1, duplicate: 0.05, corrupt: 0.02, trace: "hash", ...options })
    )
    const hub = yield* IntentraTest.make(network, { host: "10.0.0.1", allow: "any" })
    const one = yield* IntentraTest.make(network, { host: "10.0.0.2", seed: secondSeed })
    const two = yield* IntentraTest.make(network, { host: "10.0.0.3" })
    const seen = yield* collect(hub.deliveries)
    const peers = [yield* connect(network, one, hub), yield* connect(network, two, hub)]
    for (let i = 0; i < 50; i++) {
      for (const peer of peers) yield* peer.send(bytes(`${i}`), { intent: i % 2 === 0 ? "Realtime" : "Sequenced" })
      yield* network.advance("13 millis")
    }
    yield* network.advance("1 minute")
    return {
      trace: network.trace.hash,
      seen: seen.map((one) => [one.peer.id, text(one.payload), one.receivedAt]),
      drops: hub.counters.dropsByReason(),
      crypto: hub.cryptoKind
    }
  }))

describe("IntentraTest", () => {
  it.effect("equal seeds and calls give equal runs, to the last byte on the network", () =>
    Effect.gen(function*() {
      const first = yield* scenario({ seed: 7 })
      assert.isAbove(first.seen.length, 50)
      assert.deepStrictEqual(yield* scenario({ seed: 7 }), first)
    }))

  it.effect("every crypto backend gives the same run", () =>
    Effect.gen(function*() {
      const first = yield* scenario({ seed: 7 })
      for (const backend of ["noble", "node", "openssl"]) {
        const settings = ConfigProvider.fromMap(new Map([["INTENTRA_CRYPTO", backend]]))
        const again = yield* Effect.withConfigProvider(scenario({ seed: 7 }), settings)
        // where there is no OpenSSL to call, node:crypto stands in for it
        assert.include(backend === "openssl" ? ["openssl", "node"] : [backend], again.crypto)
        assert.deepStrictEqual({ ...again, crypto: first.crypto }, first)
      }
    }))

  it.effect("another seed of the network, or of one transport, gives another run", () =>
    Effect.gen(function*() {
      const first = yield* scenario({ seed: 7 })
      assert.notStrictEqual((yield* scenario({ seed: 8 })).trace, first.trace)
      assert.notStrictEqual((yield* scenario({ seed: 7 }, "another")).trace, first.trace)
    }))

  it.scoped("each transport has a key of its own when none is given, and the default address", () =>
    Effect.gen(function*() {
      const network = yield* Network.make()
      const one = yield* IntentraTest.make(network)
      const other = yield* IntentraTest.make(network, { host: "10.0.0.2" })
      assert.deepStrictEqual(one.address, { host: "10.0.0.1", port: 9000 })
      assert.notStrictEqual(StaticKey.encode(one.publicKey), StaticKey.encode(other.publicKey))
    }))

  it.scoped("two transports at one address are refused as on a real host", () =>
    Effect.gen(function*() {
      const network = yield* Network.make()
      yield* IntentraTest.make(network)
      const error = yield* Effect.flip(IntentraTest.make(network))
      assert.isTrue(error._tag === "IntentraError" && error.reason === "SocketFailed")
      assert.include(error.message, "9000")
    }))

  it.scoped("a transport of a layer lives in the network's time: hours pass at once", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const app = Effect.gen(function*() {
        const hub = yield* Intentra
        return yield* Stream.runHead(hub.deliveries)
      }).pipe(Effect.provide(IntentraTest.layer(network, { key: key(1), allow: "any" })))
      const first = yield* Effect.fork(app)
      const client = yield* IntentraTest.make(network, { host: "10.0.0.2", key: key(2) })
      yield* network.advance("1 hour")
      const publicKey = yield* Effect.provide(StaticKey.publicKey(key(1)), StaticKey.layer)
      const peer = yield* within(network, "1 second", client.connect({ host: "10.0.0.1", port: 9000, publicKey }))
      yield* network.advance("1 hour")
      yield* peer.send(bytes("after two hours"))
      yield* network.advance("1 second")
      const delivery = yield* Fiber.join(first)
      assert.isTrue(delivery._tag === "Some" && text(delivery.value.payload) === "after two hours")
    }))

  it.effect("an application is tested as it is: its own sleeps and the network share one clock", () => {
    const beacon = Effect.gen(function*() {
      const transport = yield* Intentra
      const publicKey = yield* Effect.provide(StaticKey.publicKey(key(1)), StaticKey.layer)
      const peer = yield* transport.connect({ host: "10.0.0.1", port: 9000, publicKey })
      for (let i = 0; i < 10; i++) {
        yield* peer.send(bytes(`${i}`))
        yield* Effect.sleep("30 seconds")
      }
    })
    return Effect.gen(function*() {
      const network = yield* Network
      const hub = yield* Effect.map(
        Layer.build(IntentraTest.layerNetwork({ key: key(1), allow: "any" })),
        Context.get(Intentra)
      )
      const seen = yield* collect(hub.deliveries)
      yield* Effect.forkScoped(
        Effect.provide(Effect.scoped(beacon), IntentraTest.layerNetwork({ host: "10.0.0.2", key: key(2) }))
      )
      yield* network.advance("100 seconds")
      assert.deepStrictEqual(seen.map((one) => text(one.payload)), ["0", "1", "2", "3"])
      yield* network.advance("10 minutes")
      assert.strictEqual(seen.length, 10)
      const at = seen.map((one) => one.receivedAt)
      at.slice(1).forEach((time, i) => assert.strictEqual(time - at[i], 30_000))
      assert.strictEqual((yield* hub.peers).length, 0)
    }).pipe(Effect.scoped, Effect.provide(Network.layer({ latency: 10 })))
  })

  it.scoped("after an hour of silence every one of 100 sessions is alive, and still carries messages", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const hub = yield* IntentraTest.make(network, { host: "10.0.0.1", key: key(1), allow: "any" })
      const seen = yield* collect(hub.deliveries)
      const peers = yield* Effect.forEach(
        Array.from({ length: 100 }, (_, n) => n),
        (n) =>
          Effect.flatMap(
            IntentraTest.make(network, { host: `10.0.1.${n}` }),
            (client) => connect(network, client, hub)
          )
      )
      yield* network.advance("1 hour")
      assert.isTrue(peers.every((peer) => peer.closeReason === undefined))
      assert.strictEqual((yield* hub.peers).length, 100)
      assert.strictEqual(hub.counters.closes.reduce((sum, count) => sum + count), 0)
      assert.deepStrictEqual(hub.counters.dropsByReason(), {})
      for (const [n, peer] of peers.entries()) yield* peer.send(bytes(`${n}`))
      yield* network.advance("1 second")
      assert.sameMembers(seen.map((one) => text(one.payload)), peers.map((_, n) => `${n}`))
    }))
})
