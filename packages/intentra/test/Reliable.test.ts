import { assert, describe, it } from "@effect/vitest"
import { Network } from "@intentra/udp"
import { Effect, Exit, FastCheck as fc, Fiber, Scope, Stream } from "effect"
import { IntentraTest, SendOptions, SendResult } from "../src/index.js"
import { collect, connect, connected, key } from "./internal/harness.js"

const RELIABLE = SendOptions.make({ intent: "Reliable" })

const numbered = (n: number, length = 40): Uint8Array => {
  const bytes = new Uint8Array(length).fill(n)
  new DataView(bytes.buffer).setUint32(0, n)
  return bytes
}

const numberOf = (payload: Uint8Array): number => new DataView(payload.buffer, payload.byteOffset).getUint32(0)

const upTo = (count: number): Array<number> => Array.from({ length: count }, (_, i) => i)

describe("Reliable", () => {
  it.effect.prop(
    "whatever the network does, every message arrives once and in order, and nothing in between stalls or is forged",
    {
      seed: fc.nat(1e6),
      loss: fc.double({ min: 0, max: 0.25, noNaN: true }),
      duplicate: fc.double({ min: 0, max: 0.2, noNaN: true }),
      reorder: fc.double({ min: 0, max: 0.3, noNaN: true }),
      corrupt: fc.double({ min: 0, max: 0.05, noNaN: true }),
      jitter: fc.integer({ min: 0, max: 30 }),
      rebind: fc.boolean(),
      partition: fc.boolean()
    },
    ({ corrupt, duplicate, jitter, loss, partition, rebind, reorder, seed }) =>
      Effect.scoped(
        Effect.gen(function*() {
          const network = yield* Network.make({ seed, latency: 15 })
          const hub = yield* IntentraTest.make(network, { host: "10.0.0.1", key: key(1), allow: "any" })
          const client = yield* IntentraTest.make(network, { host: "10.0.0.2", key: key(2) })
          const connecting = yield* Effect.fork(client.connect({ ...hub.address, publicKey: hub.publicKey }))
          yield* network.advance("1 second")
          const peer = yield* connecting
          yield* network.configure({ loss, duplicate, reorder, corrupt, jitter })
          const seen = yield* collect(hub.deliveries)
          const count = 400
          const sending = yield* Effect.fork(
            Effect.forEach(upTo(count), (n) =>
              Effect.zipRight(
                peer.send(numbered(n), RELIABLE),
                n % 4 === 0 ? peer.send(numbered(n), { intent: n % 8 === 0 ? "Sequenced" : "Realtime" }) : Effect.void
              ))
          )
          yield* network.advance("500 millis")
          if (rebind) yield* network.rebindNat("10.0.0.2", "10.7.7.7")
          if (partition) {
            yield* network.partition(["10.0.0.1"], [rebind ? "10.7.7.7" : "10.0.0.2"])
            yield* network.advance("3 seconds")
            yield* network.heal
          }
          for (let i = 0; i < 240 && seen.filter((one) => one.intent === "Reliable").length < count; i++) {
            yield* network.advance("1 second")
            assert.isAtMost(hub.counters.reorderBytes, 256 * 1200)
          }
          yield* Fiber.join(sending)
          yield* network.configure({ loss: 0, duplicate: 0, reorder: 0, corrupt: 0 })
          yield* network.advance("5 seconds")
          const numbers = (intent: string) =>
            seen.filter((one) => one.intent === intent).map((one) => {
              assert.deepStrictEqual(one.payload, numbered(numberOf(one.payload)))
              return numberOf(one.payload)
            })
          assert.deepStrictEqual(numbers("Reliable"), upTo(count))
          const sequenced = numbers("Sequenced")
          assert.deepStrictEqual(sequenced, [...new Set(sequenced)].sort((a, b) => a - b))
          const realtime = numbers("Realtime")
          assert.strictEqual(new Set(realtime).size, realtime.length)
          assert.strictEqual(hub.counters.strikes + client.counters.strikes, 0)
          assert.strictEqual(hub.counters.reorderBytes, 0)
          assert.strictEqual((yield* peer.stats).unacknowledged, 0)
        })
      ),
    { fastCheck: { numRuns: 12, seed: 77, endOnFailure: true } }
  )

  it.scoped("a slow consumer holds the sender back: nothing acknowledged is lost, and memory stays bounded", () =>
    Effect.gen(function*() {
      const { client, hub, network, peer } = yield* connected({ hub: { deliveryQueue: 50 } })
      const count = 2_000
      const sending = yield* Effect.fork(Effect.forEach(upTo(count), (n) => peer.send(numbered(n), RELIABLE)))
      yield* network.advance("30 seconds")
      // the ring holds 50, the reorder buffer 256, the sender's window 256
      assert.isAtMost(client.counters.messagesQueued, 50 + 256 + 256 + 32)
      assert.isAtMost(hub.counters.deliveryBytes, 50 * 40)
      const seen = yield* collect(hub.deliveries)
      yield* network.advance("60 seconds")
      yield* Fiber.join(sending)
      yield* network.advance("10 seconds")
      assert.deepStrictEqual(seen.map((one) => numberOf(one.payload)), upTo(count))
      assert.strictEqual(hub.counters.dropped("DeliveryOverflow"), 0)
    }))

  it.scoped("unsafeSend says WOULD_BLOCK when 256 messages are unacknowledged, and takes nothing then", () =>
    Effect.gen(function*() {
      const { hub, network, peer } = yield* connected()
      const seen = yield* collect(hub.deliveries)
      let accepted = 0
      while (peer.unsafeSend(numbered(accepted), RELIABLE) === SendResult.ACCEPTED) accepted++
      assert.strictEqual(accepted, 256)
      assert.strictEqual(peer.unsafeSend(numbered(0), RELIABLE), SendResult.WOULD_BLOCK)
      yield* network.advance("5 seconds")
      assert.deepStrictEqual(seen.map((one) => numberOf(one.payload)), upTo(256))
    }))

  it.scoped("one Realtime packet between two Reliable ones stalls nothing, and a lost Reliable one stalls no Realtime", () =>
    Effect.gen(function*() {
      const { hub, network, peer } = yield* connected()
      const seen = yield* collect(hub.deliveries)
      const at = (intent: string) => seen.filter((one) => one.intent === intent).map((one) => numberOf(one.payload))
      yield* peer.send(numbered(0), RELIABLE)
      yield* network.advance("5 millis")
      yield* peer.send(numbered(1))
      yield* network.advance("5 millis")
      yield* network.configure({ loss: 1 })
      yield* peer.send(numbered(1), RELIABLE)
      yield* network.advance("1 millis")
      yield* network.configure({ loss: 0 })
      yield* peer.send(numbered(2), RELIABLE)
      yield* peer.send(numbered(2))
      yield* network.advance("15 millis")
      assert.deepStrictEqual(at("Reliable"), [0])
      assert.deepStrictEqual(at("Realtime"), [1, 2])
      yield* network.advance("2 seconds")
      assert.deepStrictEqual(at("Reliable"), [0, 1, 2])
    }))

  it.scoped("it survives rekeys: numbers go on, nothing is repeated or lost", () =>
    Effect.gen(function*() {
      const { client, hub, network, peer } = yield* connected({ network: { loss: 0.05 } })
      const seen = yield* collect(hub.deliveries)
      for (let n = 0; n < 1_500; n++) {
        yield* Effect.fork(peer.send(numbered(n), RELIABLE))
        yield* network.advance("400 millis")
      }
      yield* network.advance("10 seconds")
      assert.isAtLeast(client.counters.rekeys, 4)
      assert.deepStrictEqual(seen.map((one) => numberOf(one.payload)), upTo(1_500))
    }))

  it.scoped("a ttl on Reliable is a typed error, and so is a payload that the base datagram does not carry", () =>
    Effect.gen(function*() {
      const { peer } = yield* connected()
      const ttl = yield* Effect.flip(peer.send(numbered(0), { intent: "Reliable", ttl: "1 second" }))
      assert.strictEqual(ttl.reason, "InvalidOptions")
      assert.include(ttl.message, "ttl")
      const large = yield* Effect.flip(peer.send(new Uint8Array(peer.maxPayload("Reliable") + 1), RELIABLE))
      assert.strictEqual(large.reason, "PayloadTooLarge")
    }))

  it.scoped("a send that waits for room fails when the session ends", () =>
    Effect.gen(function*() {
      const { hub, network, peer, remote } = yield* connected({ hub: { deliveryQueue: 10 } })
      const waiting = yield* Effect.fork(
        Effect.flip(Effect.forEach(upTo(1_000), (n) => peer.send(numbered(n), RELIABLE)))
      )
      yield* network.advance("5 seconds")
      yield* remote.close()
      yield* network.advance("1 second")
      assert.strictEqual((yield* Fiber.join(waiting)).reason, "SessionClosed")
      assert.strictEqual(hub.counters.reorderBytes, 0)
    }))

  it.scoped("on a perfect link nothing is sent twice", () =>
    Effect.gen(function*() {
      const { hub, network, peer } = yield* connected()
      const seen = yield* Stream.runCount(Stream.take(hub.deliveries, 3_000)).pipe(Effect.fork)
      const sending = yield* Effect.fork(Effect.forEach(upTo(3_000), (n) => peer.send(numbered(n, 100), RELIABLE)))
      yield* network.advance("60 seconds")
      yield* Fiber.join(sending)
      assert.strictEqual(yield* Fiber.join(seen), 3_000)
      assert.strictEqual((yield* peer.stats).retransmitted, 0)
      assert.strictEqual(hub.counters.dropped("Duplicate"), 0)
    }))

  it.scoped("what was acknowledged when the sender closed in good order is delivered, however late the consumer is", () =>
    Effect.gen(function*() {
      const { hub, network, peer } = yield* connected({ hub: { deliveryQueue: 16 } })
      for (let n = 0; n < 20; n++) yield* peer.send(numbered(n), RELIABLE)
      yield* network.advance("2 seconds")
      assert.strictEqual((yield* peer.stats).unacknowledged, 0)
      yield* peer.close()
      yield* network.advance("1 second")
      const seen = yield* collect(hub.deliveries)
      yield* network.advance("1 second")
      assert.deepStrictEqual(seen.map((one) => numberOf(one.payload)), upTo(20))
    }))

  it.scoped("who ends acknowledges first what has arrived: the other end knows what did, and what did not", () =>
    Effect.gen(function*() {
      for (const arrives of [true, false]) {
        const { network, peer, remote } = yield* connected()
        yield* peer.send(numbered(1), RELIABLE)
        yield* network.advance("200 millis")
        // one way is 10 ms, and a single message is acknowledged after 25
        yield* peer.send(numbered(2), RELIABLE)
        yield* network.advance(arrives ? "12 millis" : "5 millis")
        yield* remote.close()
        yield* network.advance("1 second")
        assert.strictEqual(peer.closeReason, "PeerClosed")
        assert.strictEqual((yield* peer.stats).unacknowledged, arrives ? 0 : 1)
      }
    }))

  it.scoped("a transport that ends acknowledges first what has arrived, too", () =>
    Effect.gen(function*() {
      const network = yield* Effect.orDie(Network.make({ seed: 1, latency: 10 }))
      const scope = yield* Scope.make()
      const hub = yield* Scope.extend(
        IntentraTest.make(network, { host: "10.0.0.1", key: key(1), allow: "any" }),
        scope
      )
      const client = yield* IntentraTest.make(network, { host: "10.0.0.2", key: key(2) })
      const peer = yield* connect(network, client, hub)
      yield* peer.send(numbered(1), RELIABLE)
      yield* network.advance("200 millis")
      yield* peer.send(numbered(2), RELIABLE)
      yield* network.advance("12 millis")
      yield* Scope.close(scope, Exit.void)
      yield* network.advance("1 second")
      assert.strictEqual(peer.closeReason, "PeerClosed")
      assert.strictEqual((yield* peer.stats).unacknowledged, 0)
    }))

  it.scoped("a handler that comes late is told in order what waited before it", () =>
    Effect.gen(function*() {
      const { hub, network, peer } = yield* connected({ hub: { deliveryQueue: 16 } })
      for (let n = 0; n < 20; n++) yield* peer.send(numbered(n), RELIABLE)
      yield* network.advance("2 seconds")
      const seen: Array<number> = []
      yield* hub.onDelivery((_, payload) => {
        seen.push(numberOf(payload))
      })
      yield* network.advance("2 seconds")
      assert.deepStrictEqual(seen, upTo(20))
    }))

  it.scoped("a peer that fills its share with Reliable does not shut out the fresh messages of others", () =>
    Effect.gen(function*() {
      const { hub, network, peer } = yield* connected({ hub: { deliveryQueue: 64 } })
      const other = yield* IntentraTest.make(network, { host: "10.0.0.3", key: key(3) })
      const fiber = yield* Effect.fork(other.connect({ ...hub.address, publicKey: hub.publicKey }))
      yield* network.advance("1 second")
      const fresh = yield* fiber
      yield* Effect.forkScoped(Effect.forEach(upTo(500), (n) => peer.send(numbered(n), RELIABLE)))
      yield* network.advance("10 seconds")
      for (let n = 0; n < 10; n++) yield* fresh.send(numbered(n))
      yield* network.advance("1 second")
      const seen = yield* collect(hub.deliveries)
      yield* network.advance("1 millis")
      assert.deepStrictEqual(
        seen.filter((one) => one.intent === "Realtime").map((one) => numberOf(one.payload)),
        upTo(10)
      )
    }))

  it.scoped("the sums of what waits come back to nothing", () =>
    Effect.gen(function*() {
      const { client, hub, network, peer } = yield* connected({ hub: { deliveryQueue: 16 }, network: { loss: 0.1 } })
      const sending = yield* Effect.fork(Effect.forEach(upTo(600), (n) => peer.send(numbered(n), RELIABLE)))
      yield* network.advance("20 seconds")
      const seen = yield* collect(hub.deliveries)
      for (let i = 0; i < 60; i++) yield* network.advance("1 second")
      yield* Fiber.join(sending)
      assert.strictEqual(seen.length, 600)
      assert.strictEqual(hub.counters.reorderBytes, 0)
      assert.strictEqual(client.counters.queued, 0)
      assert.strictEqual(client.counters.messagesSent, client.counters.messagesQueued)
    }))
})
