import { assert, describe, it } from "@effect/vitest"
import { Network, UdpSocketError } from "@intentra/udp"
import type { UdpSocketShape } from "@intentra/udp"
import { Chunk, Deferred, Effect, Exit, Fiber, Logger, Option, Scope, Stream } from "effect"
import { IntentraTest, SendOptions } from "../src/index.js"
import type { Delivery, IntentraError } from "../src/index.js"
import { bytes, collect, connect, connected, key, makeOver, text, turns, within } from "./internal/harness.js"

const texts = (deliveries: Iterable<Delivery>): ReadonlyArray<string> =>
  Array.from(deliveries, (delivery) => text(delivery.payload))

describe("deliveries", () => {
  it.scoped("a message arrives as it was sent, with its peer, its intent and the time of its arrival", () =>
    Effect.gen(function*() {
      const { hub, network, peer, remote } = yield* connected()
      const seen = yield* collect(hub.deliveries)
      const sentAt = network.now
      yield* peer.send(bytes("position"), { intent: "Sequenced" })
      yield* peer.send(new Uint8Array(0))
      yield* network.advance("50 millis")
      assert.deepStrictEqual(
        seen.map((one) => [text(one.payload), one.intent, one.receivedAt]),
        [["position", "Sequenced", sentAt + 10], ["", "Realtime", sentAt + 10]]
      )
      assert.isTrue(seen.every((one) => one.peer === remote))
    }))

  it.scoped("messages go both ways", () =>
    Effect.gen(function*() {
      const { client, network, peer, remote } = yield* connected()
      const seen = yield* collect(client.deliveries)
      yield* remote.send(bytes("command"))
      yield* network.advance("50 millis")
      assert.deepStrictEqual(texts(seen), ["command"])
      assert.strictEqual(seen[0].peer, peer)
    }))

  it.scoped("what comes before the first consumer is kept", () =>
    Effect.gen(function*() {
      const { hub, network, peer } = yield* connected()
      for (let i = 0; i < 5; i++) {
        yield* peer.send(bytes(`${i}`))
        yield* network.advance("1 second")
      }
      const seen = yield* Stream.runCollect(Stream.take(hub.deliveries, 5))
      assert.deepStrictEqual(texts(seen), ["0", "1", "2", "3", "4"])
    }))

  it.scoped("what does not fit is dropped from the oldest on, and counted", () =>
    Effect.gen(function*() {
      const { hub, network, peer } = yield* connected({ hub: { deliveryQueue: 3 } })
      for (let i = 0; i < 8; i++) yield* peer.send(bytes(`${i}`))
      yield* network.advance("1 second")
      assert.deepStrictEqual(texts(yield* Stream.runCollect(Stream.take(hub.deliveries, 3))), ["5", "6", "7"])
      assert.strictEqual(hub.counters.dropped("DeliveryOverflow"), 5)
      assert.strictEqual(hub.counters.messagesReceived, 8)
    }))

  it.scoped("the bytes that wait are bounded too", () =>
    Effect.gen(function*() {
      const { hub, network, peer } = yield* connected({ hub: { deliveryQueueBytes: 4096 } })
      for (let i = 0; i < 10; i++) yield* peer.send(new Uint8Array(1000).fill(i))
      yield* network.advance("1 second")
      const seen = yield* Stream.runCollect(Stream.take(hub.deliveries, 4))
      assert.deepStrictEqual(Array.from(seen, (one) => one.payload[0]), [6, 7, 8, 9])
      assert.strictEqual(hub.counters.dropped("DeliveryOverflow"), 6)
    }))

  it.scoped("a waiting consumer is woken once for all that a turn brought, with one chunk", () =>
    Effect.gen(function*() {
      const { hub, network, peer } = yield* connected()
      const chunks = yield* collect(Stream.chunks(hub.deliveries))
      const { turns: before } = hub.counters
      for (const size of [20, 1, 40]) {
        for (let i = 0; i < size; i++) yield* peer.send(bytes(`${i}`))
        yield* network.advance("1 second")
      }
      assert.deepStrictEqual(chunks.map(Chunk.size), [20, 1, 40])
      assert.isAtLeast(hub.counters.turns - before, chunks.length)
    }))

  it.scoped("a second consumer fails with ConsumerBusy, and the first goes on", () =>
    Effect.gen(function*() {
      const { hub, network, peer } = yield* connected()
      const seen = yield* collect(hub.deliveries)
      const second = yield* Effect.flip(Stream.runDrain(hub.deliveries))
      assert.strictEqual(second.reason, "ConsumerBusy")
      assert.include(second.message, "Stream.share")
      yield* peer.send(bytes("still here"))
      yield* network.advance("1 second")
      assert.deepStrictEqual(texts(seen), ["still here"])
    }))

  it.scoped("a consumer that has ended, or was interrupted while it waited, makes room for the next", () =>
    Effect.gen(function*() {
      const { hub, network, peer } = yield* connected()
      for (let round = 0; round < 3; round++) {
        const waiting = yield* Effect.fork(Stream.runDrain(hub.deliveries))
        yield* turns
        yield* Fiber.interrupt(waiting)
        yield* peer.send(bytes(`round ${round}`))
        yield* network.advance("1 second")
        const seen = yield* Stream.runCollect(Stream.take(hub.deliveries, 1))
        assert.deepStrictEqual(texts(seen), [`round ${round}`])
      }
    }))

  it.scoped("the stream ends with the transport's scope, after what had come", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { hub, network, peer } = yield* Scope.extend(connected(), scope)
      const waiting = yield* Effect.fork(Stream.runCollect(hub.deliveries))
      yield* peer.send(bytes("one"))
      yield* network.advance("1 second")
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(texts(yield* Fiber.join(waiting)), ["one"])
      assert.isTrue(Chunk.isEmpty(yield* Stream.runCollect(hub.deliveries)))
    }))

  it.scoped("the stream fails when the socket dies, and with it all that the transport does", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const closed = yield* Deferred.make<void, UdpSocketError>()
      const socket = yield* network.bind({ host: "10.0.0.1", port: 9000 })
      const mortal: UdpSocketShape = {
        kind: socket.kind,
        localAddress: socket.localAddress,
        granted: socket.granted,
        maxDatagramBytes: socket.maxDatagramBytes,
        loop: socket.loop,
        addresses: socket.addresses,
        outbox: socket.outbox,
        send: () => socket.send(),
        setHandler: (handler) => socket.setHandler(handler),
        stats: socket.stats,
        closed
      }
      const hub = yield* makeOver(network, mortal, { key: key(1), allow: "any" })
      const client = yield* IntentraTest.make(network, { host: "10.0.0.2", key: key(2) })
      const peer = yield* connect(network, client, hub)
      const [remote] = yield* hub.peers
      yield* peer.send(bytes("last words"))
      yield* network.advance("1 second")
      const pending = yield* Effect.fork(
        Effect.flip(
          Effect.scoped(
            Effect.asVoid(hub.connect({ host: "10.0.0.9", port: 9000, publicKey: new Uint8Array(32).fill(9) }))
          )
        )
      )
      yield* network.advance("1 second")
      const events = yield* Effect.forkScoped(Stream.runCollect(hub.events))
      yield* turns
      yield* Deferred.fail(closed, new UdpSocketError({ reason: "Unknown", host: "10.0.0.1", port: 9000 }))
      // the events end, so that whoever only listens to them learns of it
      assert.isTrue(
        [...yield* within(network, "1 second", Fiber.join(events))].some((one) => one._tag === "PeerClosed")
      )
      const seen: Array<string> = []
      const consumer = Stream.runForEach(hub.deliveries, (one) => Effect.sync(() => seen.push(text(one.payload))))
      const errors: ReadonlyArray<IntentraError> = [
        yield* within(network, "1 second", Effect.flip(consumer)),
        yield* within(network, "1 second", Fiber.join(pending)),
        yield* Effect.flip(Effect.asVoid(hub.connect({ host: "10.0.0.2", port: 9000, publicKey: client.publicKey })))
      ]
      assert.deepStrictEqual(seen, ["last words"])
      for (const error of errors) {
        assert.strictEqual(error.reason, "SocketFailed")
        assert.include(error.message, "9000")
      }
      assert.strictEqual((yield* Effect.flip(remote.send(bytes("x")))).reason, "SessionClosed")
      assert.strictEqual(remote.closeReason, "TransportClosed")
    }))

  it.scoped("a payload is the consumer's own: nothing that comes later is written over it", () =>
    Effect.gen(function*() {
      const { hub, network, peer } = yield* connected()
      const seen = yield* collect(hub.deliveries)
      for (let i = 0; i < 300; i++) {
        yield* peer.send(new Uint8Array(900).fill(i))
        if (i % 10 === 0) yield* network.advance("20 millis")
      }
      yield* network.advance("1 second")
      assert.strictEqual(seen.length, 300)
      seen.forEach(({ payload }, i) => assert.isTrue(payload.every((byte) => byte === i % 256)))
    }))
})

describe("onDelivery", () => {
  it.scoped("the handler is called for every message, in order, within the turn that brought it", () =>
    Effect.gen(function*() {
      const { hub, network, peer, remote } = yield* connected()
      const seen: Array<unknown> = []
      yield* hub.onDelivery((from, payload, intent, receivedAt) => {
        seen.push([from === remote, text(payload), intent, receivedAt === network.now])
      })
      yield* peer.send(bytes("a"))
      yield* peer.send(bytes("b"), { intent: "Sequenced" })
      network.unsafeAdvance(10)
      assert.deepStrictEqual(seen, [[true, "a", "Realtime", true], [true, "b", "Sequenced", true]])
    }))

  it.scoped("its payload is a view that the next packet is written over: nothing is copied", () =>
    Effect.gen(function*() {
      const { hub, network, peer } = yield* connected()
      const views: Array<Uint8Array> = []
      const during: Array<string> = []
      yield* hub.onDelivery((_, payload) => {
        views.push(payload)
        during.push(text(payload))
      })
      for (const word of ["first", "other"]) {
        yield* peer.send(bytes(word))
        yield* network.advance("1 second")
      }
      assert.deepStrictEqual(during, ["first", "other"])
      assert.strictEqual(views[0].buffer, views[1].buffer)
    }))

  it.scoped("handler and stream exclude each other, and each makes room when its scope closes", () =>
    Effect.gen(function*() {
      const { hub, network, peer } = yield* connected()
      const busy = (effect: Effect.Effect<unknown, IntentraError, Scope.Scope>) =>
        Effect.map(Effect.flip(Effect.scoped(effect)), (error) => assert.strictEqual(error.reason, "ConsumerBusy"))

      const handled: Array<string> = []
      const handlerScope = yield* Scope.make()
      yield* Scope.extend(hub.onDelivery((_, payload) => void handled.push(text(payload))), handlerScope)
      yield* busy(Stream.runDrain(hub.deliveries))
      yield* busy(hub.onDelivery(() => {}))
      yield* peer.send(bytes("to the handler"))
      yield* network.advance("1 second")
      yield* Scope.close(handlerScope, Exit.void)

      const consumer = yield* Effect.fork(Stream.runCollect(Stream.take(hub.deliveries, 1)))
      yield* turns
      yield* busy(hub.onDelivery(() => {}))
      yield* peer.send(bytes("to the stream"))
      yield* network.advance("1 second")
      assert.deepStrictEqual(texts(yield* Fiber.join(consumer)), ["to the stream"])
      assert.deepStrictEqual(handled, ["to the handler"])
      yield* hub.onDelivery(() => {})
    }))

  it.scoped("a handler that throws loses its message only: the next ones come, and the log has one line", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      const { hub, network, peer } = yield* Effect.provide(
        connected(),
        Logger.replace(Logger.defaultLogger, logger)
      )
      const seen: Array<string> = []
      yield* hub.onDelivery((_, payload) => {
        seen.push(text(payload))
        if (seen.length < 4) throw new Error("not today")
      })
      for (const word of ["a", "b", "c", "d", "e"]) {
        yield* peer.send(bytes(word))
        yield* peer.send(bytes(`${word} again`))
        yield* network.advance("1 second")
      }
      assert.deepStrictEqual(seen, ["a", "a again", "b", "b again", "c", "c again", "d", "d again", "e", "e again"])
      assert.strictEqual(lines.filter((line) => line.includes("onDelivery")).length, 1)
      assert.isUndefined(peer.closeReason)
    }))

  it.scoped("a handler may answer at once, and close the session that it is called for", () =>
    Effect.gen(function*() {
      const { client, hub, network, peer, remote } = yield* connected()
      const answers = yield* collect(client.deliveries)
      const options = SendOptions.make({ priority: 7 })
      yield* hub.onDelivery((from, payload) => {
        from.unsafeSend(payload, options)
        if (text(payload) === "bye") Effect.runSync(from.close())
      })
      yield* peer.send(bytes("echo"))
      yield* network.advance("1 second")
      yield* peer.send(bytes("bye"))
      yield* peer.send(bytes("never handled"))
      yield* network.advance("1 second")
      assert.deepStrictEqual(texts(answers), ["echo", "bye"])
      assert.strictEqual(peer.closeReason, "PeerClosed")
      assert.strictEqual(remote.closeReason, "LocalClosed")
    }))

  it.scoped("a handler is told first what waited for a consumer, and what comes after it waits again", () =>
    Effect.gen(function*() {
      const { hub, network, peer } = yield* connected()
      yield* peer.send(bytes("early"))
      yield* network.advance("1 second")
      const handled: Array<string> = []
      yield* Effect.scoped(Effect.gen(function*() {
        yield* hub.onDelivery((_, payload) => {
          handled.push(text(payload))
        })
        yield* peer.send(bytes("handled"))
        yield* network.advance("1 second")
      }))
      yield* peer.send(bytes("late"))
      yield* network.advance("1 second")
      assert.deepStrictEqual(handled, ["early", "handled"])
      const first = yield* Stream.runHead(hub.deliveries)
      assert.strictEqual(Option.match(first, { onNone: () => "", onSome: (one) => text(one.payload) }), "late")
    }))
})
