import { assert, describe, it } from "@effect/vitest"
import { Network } from "@intentra/udp"
import { Context, Effect, Exit, Layer, Schema, Scope, Stream } from "effect"
import { Channels, Intentra } from "../src/index.js"
import type { ChannelsOptions } from "../src/index.js"
import { isChannelMessage } from "../src/internal/stateWire.js"
import { bytes, collect, connected, text } from "./internal/harness.js"
import { mirror, open, plain, sites } from "./support/states.js"

/** Channels at the hub's end of a session. */
const atHub = (options: ChannelsOptions = {}) =>
  Effect.gen(function*() {
    const pair = yield* connected()
    const context = yield* Layer.build(
      Channels.layerWith(options).pipe(
        Layer.provide(Layer.succeed(Intentra, pair.hub)),
        Layer.provide(Network.layerOf(pair.network))
      )
    )
    return { ...pair, channels: Context.get(context, Channels) }
  })

describe("Channels", () => {
  it.scoped("several channels and the application's own messages share a transport, each gets its own", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const { others: [one], publisher } = yield* sites(network, 1)
      const names = ["first", "second"]
      const seen = yield* Effect.forEach(names, (name, n) =>
        Effect.gen(function*() {
          const options = { name, schema: Schema.Number }
          const sender = yield* open(network, `${name} a`, options, publisher.channels)
          const receiver = yield* open(network, `${name} b`, options, one.channels)
          yield* sender.publish("key", n)
          return yield* mirror(network, yield* receiver.subscribe(one.peer))
        }))
      const own = yield* collect(one.channels.messages)
      const [remote] = yield* publisher.transport.peers
      for (let i = 0; i < 20; i++) {
        yield* remote.send(bytes(`message ${i}`), { intent: i % 2 === 0 ? "Reliable" : "Realtime" })
        yield* network.advance(50)
      }
      assert.deepStrictEqual(seen.map(({ values }) => plain(values)), [{ key: 0 }, { key: 1 }])
      assert.deepStrictEqual(own.map(({ payload }) => text(payload)), own.map((_, i) => `message ${i}`))
      assert.strictEqual(own.length, 20)
      assert.isTrue(own.every(({ peer }) => peer === one.peer))
      assert.strictEqual(one.channels.counters.unknownChannel, 0)
    }))

  it.scoped("what comes before the first consumer is kept, and one consumer is served at a time", () =>
    Effect.gen(function*() {
      const { channels, hub, network, peer } = yield* atHub()
      yield* peer.send(bytes("a"))
      yield* network.advance("1 second")
      yield* Effect.scoped(Effect.gen(function*() {
        const seen = yield* collect(channels.messages)
        assert.deepStrictEqual(seen.map(({ payload }) => text(payload)), ["a"])
        for (const second of [Stream.runDrain(channels.messages), Stream.runDrain(hub.deliveries)]) {
          assert.strictEqual((yield* Effect.flip(second)).reason, "ConsumerBusy")
        }
        assert.strictEqual((yield* Effect.flip(channels.onMessage(() => {}))).reason, "ConsumerBusy")
      }))
      yield* peer.send(bytes("b"))
      yield* network.advance("1 second")
      const handled: Array<string> = []
      yield* channels.onMessage((_, payload) => handled.push(text(payload)))
      yield* peer.send(bytes("c"))
      yield* network.advance("1 second")
      assert.deepStrictEqual(handled, ["b", "c"])
      assert.strictEqual((yield* Effect.flip(Stream.runDrain(channels.messages))).reason, "ConsumerBusy")
    }))

  it.scoped("of too many messages the oldest are dropped and counted", () =>
    Effect.gen(function*() {
      const { channels, network, peer } = yield* atHub({ messageQueue: 10 })
      for (let i = 0; i < 25; i++) yield* peer.send(bytes(`${i}`))
      yield* network.advance("1 second")
      const seen = yield* collect(channels.messages)
      assert.deepStrictEqual(
        seen.map(({ payload }) => Number(text(payload))),
        Array.from({ length: 10 }, (_, i) => i + 15)
      )
      assert.strictEqual(channels.counters.dropped, 15)
    }))

  it.scoped("Reliable messages are never dropped: who sends more than there is room for loses the session", () =>
    Effect.gen(function*() {
      const { channels, network, peer } = yield* atHub({ messageQueue: 10 })
      yield* Effect.forkScoped(
        Effect.ignore(
          Effect.forEach(
            Array.from({ length: 50 }, (_, i) => i),
            (i) => peer.send(bytes(`${i}`), { intent: "Reliable" })
          )
        )
      )
      yield* network.advance("2 seconds")
      assert.strictEqual(peer.closeReason, "LimitExceeded")
      const seen = yield* collect(channels.messages)
      assert.isAtLeast(seen.length, 10)
      assert.deepStrictEqual(seen.map(({ payload }) => Number(text(payload))), seen.map((_, i) => i))
    }))

  it.scoped("messages of channels that are not open are counted, not given to the application", () =>
    Effect.gen(function*() {
      const { channels, network, peer } = yield* atHub()
      const seen = yield* collect(channels.messages)
      const message = new Uint8Array([0xff, 0x69, 0x73, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0])
      assert.isTrue(isChannelMessage(message))
      yield* peer.send(message)
      yield* peer.send(message.subarray(0, 4))
      yield* peer.send(message.subarray(0, 3))
      yield* network.advance("1 second")
      assert.strictEqual(channels.counters.unknownChannel, 2)
      assert.deepStrictEqual(seen.map(({ payload }) => payload), [message.slice(0, 3)])
    }))

  it.scoped("messages end with the channels, and the transport's deliveries are free again", () =>
    Effect.gen(function*() {
      const { hub, network, peer } = yield* connected()
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(
        Channels.layer.pipe(Layer.provide(Layer.succeed(Intentra, hub))),
        scope
      )
      const { messages } = Context.get(context, Channels)
      yield* Scope.close(scope, Exit.void)
      yield* Stream.runDrain(messages)
      const seen = yield* collect(hub.deliveries)
      yield* peer.send(bytes("free"))
      yield* network.advance("1 second")
      assert.deepStrictEqual(seen.map(({ payload }) => text(payload)), ["free"])
    }))
})
