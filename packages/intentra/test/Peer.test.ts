import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc } from "effect"
import { CloseReason, PacketHeader, SendResult } from "../src/index.js"
import type { Intent, SendOptionsInput } from "../src/index.js"
import { bytes, collect, connected, text } from "./internal/harness.js"

const intents: ReadonlyArray<Intent> = ["Realtime", "Sequenced"]

describe("Peer.send", () => {
  it.scoped("a message up to maxPayload arrives whole, and one byte more is refused with both numbers", () =>
    Effect.gen(function*() {
      const { hub, network, peer } = yield* connected({ network: { mtu: 1200 } })
      const seen = yield* collect(hub.deliveries)
      for (const intent of intents) {
        const limit = peer.maxPayload(intent)
        const whole = new Uint8Array(limit).map((_, i) => i * 7)
        yield* peer.send(whole, { intent })
        yield* network.advance("100 millis")
        assert.deepStrictEqual(seen.at(-1)?.payload, whole)
        const error = yield* Effect.flip(peer.send(new Uint8Array(limit + 1), { intent }))
        assert.strictEqual(error.reason, "PayloadTooLarge")
        assert.include(error.message, `${limit + 1} bytes`)
        assert.include(error.message, `${limit} bytes`)
      }
      assert.strictEqual(seen.length, intents.length)
    }))

  it.scoped("every message travels in datagrams that the path carries; only probes for a larger one are longer", () =>
    Effect.gen(function*() {
      const { hub, network, peer } = yield* connected({ network: { mtu: 1200 } })
      const sizes = fc.sample(fc.integer({ min: 0, max: peer.maxPayload("Realtime") }), { numRuns: 200, seed: 3 })
      const datagrams: Array<{ readonly length: number; readonly type: number }> = []
      network.tap((event) => {
        if (event.kind === "sent") datagrams.push({ length: event.bytes.length, type: event.bytes[0] & 15 })
      })
      const seen = yield* collect(hub.deliveries)
      for (const size of sizes) yield* peer.send(new Uint8Array(size).fill(size))
      yield* network.advance("1 second")
      assert.deepStrictEqual(seen.map((one) => one.payload.length), sizes)
      assert.isTrue(seen.every((one, i) => one.payload.every((byte) => byte === sizes[i] % 256)))
      assert.isAbove(datagrams.length, 50)
      assert.isBelow(datagrams.length, 200)
      assert.isTrue(datagrams.every(({ length, type }) => length <= 1200 || type === PacketHeader.CONTROL))
    }))

  it.scoped("the bytes are copied: the caller may use its buffer again at once", () =>
    Effect.gen(function*() {
      const { hub, network, peer } = yield* connected()
      const seen = yield* collect(hub.deliveries)
      const buffer = bytes("one")
      yield* peer.send(buffer)
      buffer.set(bytes("two"))
      peer.unsafeSend(buffer)
      buffer.fill(0)
      yield* network.advance("1 second")
      assert.deepStrictEqual(seen.map((one) => text(one.payload)), ["one", "two"])
    }))

  it.scoped("what is sent in one turn leaves by priority, and in order within one", () =>
    Effect.gen(function*() {
      const { hub, network, peer } = yield* connected()
      const seen = yield* collect(hub.deliveries)
      const priorities = [0, 7, 3, 3, 7, 0, 5]
      for (const [i, priority] of priorities.entries()) yield* peer.send(bytes(`${priority}.${i}`), { priority })
      yield* network.advance("1 second")
      assert.deepStrictEqual(
        seen.map((one) => text(one.payload)),
        ["7.1", "7.4", "5.6", "3.2", "3.3", "0.0", "0.5"]
      )
    }))

  it.scoped("of Sequenced messages sent in one turn only the newest leaves, the others are counted", () =>
    Effect.gen(function*() {
      const { client, hub, network, peer } = yield* connected()
      const seen = yield* collect(hub.deliveries)
      for (let i = 0; i < 5; i++) yield* peer.send(bytes(`${i}`), { intent: "Sequenced" })
      yield* network.advance("1 second")
      assert.deepStrictEqual(seen.map((one) => text(one.payload)), ["4"])
      assert.strictEqual(client.counters.dropped("Superseded"), 4)
    }))

  it.scoped("options out of range are a typed failure that names the option, and nothing is sent", () =>
    Effect.gen(function*() {
      const { client, peer } = yield* connected()
      const { messagesQueued } = client.counters
      const wrong: ReadonlyArray<[string, SendOptionsInput]> = [
        ["priority", { priority: 8 }],
        ["priority", { priority: 1.5 }],
        ["ttl", { ttl: 0 }],
        ["intent", { intent: "Urgent" as Intent }]
      ]
      for (const [field, options] of wrong) {
        for (const effect of [peer.send(bytes("x"), options), client.broadcast(bytes("x"), options)]) {
          const error = yield* Effect.flip<unknown, { readonly reason: string; readonly message: string }, never>(
            effect
          )
          assert.strictEqual(error.reason, "InvalidOptions")
          assert.include(error.message, field)
        }
      }
      assert.strictEqual(client.counters.messagesQueued, messagesQueued)
    }))

  it.scoped("a burst far beyond the queue leaves whole from within a turn, too", () =>
    Effect.gen(function*() {
      const { client, hub, network, peer, remote } = yield* connected({ client: { sendQueue: 16 } })
      const seen = yield* collect(hub.deliveries)
      yield* client.onDelivery(() => {
        for (let i = 0; i < 200; i++) assert.strictEqual(peer.unsafeSend(Uint8Array.of(i)), SendResult.ACCEPTED)
      })
      yield* remote.send(bytes("go"))
      yield* network.advance("1 second")
      assert.deepStrictEqual(seen.map((one) => one.payload[0]), Array.from({ length: 200 }, (_, i) => i))
      assert.strictEqual(client.counters.dropped("Overload"), 0)
    }))

  it.scoped("a burst far beyond the queue leaves whole when it is not sent from within a turn", () =>
    Effect.gen(function*() {
      const { client, hub, network, peer } = yield* connected({ client: { sendQueue: 16 } })
      const seen = yield* collect(hub.deliveries)
      for (let i = 0; i < 400; i++) assert.strictEqual(peer.unsafeSend(Uint8Array.of(i >> 8, i)), SendResult.ACCEPTED)
      yield* network.advance("1 second")
      assert.deepStrictEqual(
        seen.map(({ payload }) => payload[0] * 256 + payload[1]),
        Array.from({ length: 400 }, (_, i) => i)
      )
      assert.deepStrictEqual(client.counters.dropsByReason(), {})
    }))

  it.scoped("unsafeSend answers with a number for what send fails with", () =>
    Effect.gen(function*() {
      const { peer } = yield* connected()
      assert.strictEqual(peer.unsafeSend(bytes("fine")), SendResult.ACCEPTED)
      assert.strictEqual(peer.unsafeSend(new Uint8Array(5000)), SendResult.PAYLOAD_TOO_LARGE)
      yield* peer.close()
      assert.strictEqual(peer.unsafeSend(bytes("late")), SendResult.SESSION_CLOSED)
    }))
})

describe("Peer.close", () => {
  it.scoped("a closed session refuses to send on both ends, and both say why it ended", () =>
    Effect.gen(function*() {
      const { hub, network, peer, remote } = yield* connected()
      assert.isUndefined(peer.closeReason)
      yield* peer.close()
      yield* network.advance("1 second")
      for (const [end, reason] of [[peer, "LocalClosed"], [remote, "PeerClosed"]] as const) {
        assert.strictEqual(end.closeReason, reason)
        const error = yield* Effect.flip(end.send(bytes("late")))
        assert.strictEqual(error.reason, "SessionClosed")
        assert.strictEqual(error.closeReason, reason)
        assert.include(error.message, reason)
      }
      assert.strictEqual((yield* hub.peers).length, 0)
    }))

  it.scoped("closing twice is closing once", () =>
    Effect.gen(function*() {
      const { client, network, peer } = yield* connected()
      yield* peer.close()
      yield* peer.close("ProtocolViolation")
      yield* network.advance("1 second")
      assert.strictEqual(peer.closeReason, "LocalClosed")
      assert.strictEqual(client.counters.closes.reduce((sum, count) => sum + count, 0), 1)
    }))

  it.effect("the reason that is given arrives at the other end; all good orders are one there", () =>
    Effect.forEach(CloseReason.all, (reason) =>
      Effect.scoped(Effect.gen(function*() {
        const { hub, network, peer, remote } = yield* connected()
        yield* peer.close(reason)
        yield* network.advance("1 second")
        assert.strictEqual(peer.closeReason, reason)
        assert.strictEqual(remote.closeReason, CloseReason.fromPeerCode(CloseReason.toCode(reason)))
        assert.strictEqual(hub.counters.sessionsActive, 0)
      }))))

  it.scoped("what was sent before the close arrives before it", () =>
    Effect.gen(function*() {
      const { hub, network, peer, remote } = yield* connected()
      const seen = yield* collect(hub.deliveries)
      for (let i = 0; i < 5; i++) yield* peer.send(bytes(`${i}`))
      yield* peer.close()
      yield* network.advance("1 second")
      assert.deepStrictEqual(seen.map((one) => text(one.payload)), ["0", "1", "2", "3", "4"])
      assert.strictEqual(remote.closeReason, "PeerClosed")
    }))
})

describe("Peer.stats", () => {
  it.scoped("the round-trip time is twice the latency, and does not vary when the network does not", () =>
    Effect.gen(function*() {
      for (const latency of [1, 40, 250]) {
        const { network, peer, remote } = yield* connected({ network: { latency } })
        yield* network.advance("1 second")
        for (let i = 0; i < 40; i++) {
          yield* peer.send(bytes("a"))
          yield* remote.send(bytes("b"))
          yield* network.advance("1 second")
        }
        for (const end of [peer, remote]) {
          const stats = yield* end.stats
          assert.closeTo(stats.rtt ?? NaN, 2 * latency, 1e-6)
          assert.isBelow(stats.jitter, latency / 50)
        }
      }
    }))

  it.scoped("loss is the share of the other end's packets that did not arrive", () =>
    Effect.gen(function*() {
      const { network, peer, remote } = yield* connected()
      yield* network.link("10.0.0.2", "10.0.0.1", { loss: 0.2 })
      for (let i = 0; i < 3000; i++) {
        yield* peer.send(bytes("tick"))
        network.unsafeAdvance(5)
      }
      yield* network.advance("1 second")
      const up = yield* remote.stats
      const down = yield* peer.stats
      assert.closeTo(up.loss, 0.2, 0.03)
      assert.strictEqual(down.loss, 0)
      // the exact share is known: what one end sent, and the other received
      assert.closeTo(up.loss, 1 - up.packetsReceived / down.packetsSent, 0.002)
    }))

  it.scoped("what one end sent the other has received, packet by packet and byte by byte", () =>
    Effect.gen(function*() {
      const { network, peer, remote } = yield* connected()
      for (let i = 0; i < 50; i++) {
        yield* peer.send(new Uint8Array(i))
        if (i % 3 === 0) yield* remote.send(new Uint8Array(2 * i))
        yield* network.advance("20 millis")
      }
      yield* network.advance("1 second")
      const here = yield* peer.stats
      const there = yield* remote.stats
      for (const [from, to] of [[here, there], [there, here]] as const) {
        assert.strictEqual(to.packetsReceived, from.packetsSent)
        assert.strictEqual(to.bytesReceived, from.bytesSent)
        assert.strictEqual(to.messagesReceived, from.messagesSent)
      }
      assert.deepStrictEqual([here.messagesSent, there.messagesSent], [50, 17])
      assert.deepStrictEqual([here.dropped, there.dropped, here.queued, there.queued], [0, 0, 0, 0])
    }))

  it.scoped("age counts from the start of the session, silence from the last packet", () =>
    Effect.gen(function*() {
      const { network, peer, remote } = yield* connected()
      const before = yield* remote.stats
      yield* network.advance("1 second")
      yield* peer.send(bytes("answered, for it carries a PING"))
      yield* network.advance("300 millis")
      yield* peer.send(bytes("not answered so soon"))
      yield* network.advance("100 millis")
      const after = yield* remote.stats
      assert.closeTo(after.age - before.age, 1400, 1e-6)
      assert.closeTo(after.silence, 90, 1e-6)
    }))
})

describe("Peer", () => {
  it.scoped("a peer is known by its proven key, under the same short name everywhere, and by its address", () =>
    Effect.gen(function*() {
      const { client, hub, peer, remote } = yield* connected()
      assert.deepStrictEqual(remote.publicKey, client.publicKey)
      assert.deepStrictEqual(peer.publicKey, hub.publicKey)
      assert.match(remote.id, /^[0-9a-f]{16}$/)
      assert.notStrictEqual(remote.id, peer.id)
      assert.deepStrictEqual(remote.address, client.address)
      assert.deepStrictEqual(peer.address, hub.address)
      assert.deepStrictEqual([peer.initiator, remote.initiator], [true, false])
      const again = yield* connected()
      assert.strictEqual(again.remote.id, remote.id)
    }))
})
