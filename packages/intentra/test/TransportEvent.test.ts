import { assert, describe, it } from "@effect/vitest"
import { Network } from "@intentra/udp"
import { Deferred, Effect, Exit, Fiber, Scope, Stream } from "effect"
import { IntentraTest } from "../src/index.js"
import type { TransportEvent } from "../src/index.js"
import { bytes, collect, connect, connected, key, turns, within } from "./internal/harness.js"

const tags = (events: ReadonlyArray<TransportEvent>) => events.map((event) => event._tag)

describe("events", () => {
  it.scoped("the beginning and the end of a session are told at both ends, to every subscriber", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const hub = yield* IntentraTest.make(network, { host: "10.0.0.1", key: key(1), allow: "any" })
      const client = yield* IntentraTest.make(network, { host: "10.0.0.2", key: key(2) })
      const subscribers = [
        yield* collect(hub.events),
        yield* collect(hub.events),
        yield* collect(client.events),
        yield* collect(client.events)
      ]
      const peer = yield* connect(network, client, hub)
      const [remote] = yield* hub.peers
      yield* peer.close()
      yield* network.advance("1 second")
      for (const [i, seen] of subscribers.entries()) {
        const here = i < 2 ? remote : peer
        assert.deepStrictEqual(tags(seen), ["PeerConnected", "PeerClosed"])
        const [began, ended] = seen
        assert.isTrue(began._tag === "PeerConnected" && began.peer === here)
        assert.isTrue(
          ended._tag === "PeerClosed" && ended.peer === here && ended.byPeer === (i < 2) &&
            ended.reason === (i < 2 ? "PeerClosed" : "LocalClosed")
        )
      }
    }))

  it.scoped("the end of the transport is told before the stream ends", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { hub, network } = yield* Scope.extend(connected(), scope)
      const events = yield* Effect.fork(Stream.runCollect(hub.events))
      yield* turns
      yield* Scope.close(scope, Exit.void)
      yield* network.advance("1 second")
      yield* turns
      const exit = yield* Fiber.poll(events)
      assert.strictEqual(exit._tag, "Some")
      assert.isTrue(exit._tag === "Some" && Exit.isSuccess(exit.value))
    }))

  it.scoped("an idle session that hears nothing any more is closed with Timeout at both ends, after the idle time", () =>
    Effect.gen(function*() {
      const { client, hub, network } = yield* connected()
      const seen = [yield* collect(hub.events), yield* collect(client.events)]
      yield* network.partition(["10.0.0.1"], ["10.0.0.2"])
      yield* network.advance("57 seconds")
      assert.deepStrictEqual(seen.map(tags), [[], []])
      yield* network.advance("4 seconds")
      for (const [event] of seen) {
        assert.isTrue(event._tag === "PeerClosed" && event.reason === "Timeout" && !event.byPeer)
      }
    }))

  it.scoped("a handshake that comes to nothing is told with the address that was asked", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const client = yield* IntentraTest.make(network, { host: "10.0.0.2", key: key(2) })
      const seen = yield* collect(client.events)
      yield* within(
        network,
        "6 seconds",
        Effect.flip(client.connect({ host: "10.0.0.9", port: 1234, publicKey: client.publicKey }))
      )
      assert.strictEqual(seen.length, 1)
      const [event] = seen
      assert.isTrue(event._tag === "ConnectFailed" && event.reason === "Timeout")
      if (event._tag === "ConnectFailed") assert.deepStrictEqual(event.address, { host: "10.0.0.9", port: 1234 })
    }))

  it.scoped("overload of deliveries is told at most once a second, with all that was dropped", () =>
    Effect.gen(function*() {
      const { hub, network, peer } = yield* connected({ hub: { deliveryQueue: 10 } })
      const seen = yield* collect(hub.events)
      const start = network.now
      for (let i = 0; i < 300; i++) {
        for (let j = 0; j < 10; j++) yield* peer.send(bytes("x"))
        network.unsafeAdvance(10)
      }
      for (let i = 0; i < 3; i++) {
        yield* network.advance("1 second")
        yield* peer.send(bytes("x"))
      }
      yield* network.advance("1 second")
      const told = seen.flatMap((event) => event._tag === "Overloaded" ? [event] : [])
      assert.isTrue(told.every((event) => event.queue === "Deliveries"))
      assert.isAtLeast(told.length, 2)
      assert.isAtMost(told.length, Math.ceil((network.now - start) / 1000))
      assert.strictEqual(
        told.reduce((sum, event) => sum + event.dropped, 0),
        hub.counters.dropped("DeliveryOverflow")
      )
    }))

  it.scoped("a subscriber that is too slow misses the oldest events, and nobody waits for it", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const client = yield* IntentraTest.make(network, {
        host: "10.0.0.2",
        key: key(2),
        handshakeTimeout: "100 millis"
      })
      const gate = yield* Deferred.make<void>()
      const portOf = (event: TransportEvent) => event._tag === "ConnectFailed" ? event.address.port : -1
      const slow: Array<number> = []
      yield* Effect.forkScoped(Stream.runForEach(client.events, (event) => {
        slow.push(portOf(event))
        return Deferred.await(gate)
      }))
      const fast = yield* collect(client.events)
      const attempt = (port: number) =>
        Effect.ignore(client.connect({ host: "10.0.0.9", port, publicKey: client.publicKey }))
      yield* within(network, "1 second", attempt(1))
      for (let batch = 0; batch < 11; batch++) {
        const ports = Array.from({ length: 100 }, (_, i) => 2 + batch * 100 + i)
        yield* within(network, "1 second", Effect.forEach(ports, attempt, { concurrency: "unbounded" }))
      }
      assert.deepStrictEqual(slow, [1])
      assert.strictEqual(fast.length, 1101)
      yield* Deferred.succeed(gate, undefined)
      yield* network.advance("1 second")
      // the first was taken at once; what is missing then is the oldest of what waited
      assert.deepStrictEqual(slow, [1, ...fast.slice(-1024).map(portOf)])
    }))
})
