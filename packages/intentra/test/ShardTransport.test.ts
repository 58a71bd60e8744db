import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Exit, Fiber, Layer, Option, Scope, Stream, SubscriptionRef } from "effect"
import { createSocket } from "node:dgram"
import { Authorizer, Intentra, PacketHeader, SendOptions, SendResult, StaticKey } from "../src/index.js"
import type { IntentraShape, Peer, TransportEvent } from "../src/index.js"
import {
  bytesOf,
  canShard,
  client,
  imbalance,
  inbox,
  keyOf,
  Nat,
  sharded,
  textOf,
  to,
  until,
  workerOf
} from "./support/sharded.js"
import type { Sharded } from "./support/sharded.js"

if (!canShard) console.log("batched UDP is not available here: tests of worker threads are skipped")

const publicKeyOf = (n: number) => Effect.provide(StaticKey.publicKey(keyOf(n)), StaticKey.layer)

const eventsOf = (transport: IntentraShape) =>
  Effect.gen(function*() {
    const seen: Array<TransportEvent> = []
    yield* Effect.forkScoped(Stream.runForEach(transport.events, (one) => Effect.sync(() => seen.push(one))))
    yield* Effect.sleep(0)
    return seen as ReadonlyArray<TransportEvent>
  })

const closesOf = (events: ReadonlyArray<TransportEvent>) =>
  events.flatMap((event) => event._tag === "PeerClosed" ? [event.reason] : [])

describe.skipIf(!canShard)("a transport with worker threads", () => {
  // starting threads takes longer than most of what is tested
  const lifetime = Effect.runSync(Scope.make())
  let common: Sharded | undefined
  beforeAll(async () => {
    common = await Effect.runPromise(Scope.extend(sharded(), lifetime))
  })
  afterAll(() => Effect.runPromise(Scope.close(lifetime, Exit.void)))

  /** The one that tests share, when the last test's peers have gone. */
  const ours = Effect.gen(function*() {
    if (common === undefined) return yield* Effect.dieMessage("it never began")
    const { host, hub } = common
    yield* until("nobody", () => host.sessions.active.size === 0 && hub.counters.sessionsActive === 0)
    return common
  })

  it.scopedLive("has its sessions on all workers, and both directions reach every peer in order", () =>
    Effect.gen(function*() {
      const { host, hub } = yield* ours
      const { messagesQueued, messagesReceived } = hub.counters
      const received = yield* inbox(hub)
      const clients: Array<readonly [IntentraShape, Peer, ReadonlyArray<{ payload: Uint8Array }>]> = []
      for (let n = 1; n <= 16; n++) {
        const one = yield* client(n)
        clients.push([one, yield* one.connect(to(hub)), yield* inbox(one)])
      }
      yield* until("16 peers", () => host.sessions.active.size === 16)
      for (const { index } of host.links) {
        assert.isTrue(Array.from(host.sessions.active).some(({ link }) => link.index === index))
      }
      const before = performance.now()
      for (let i = 0; i < 20; i++) {
        for (const [, peer] of clients) yield* peer.send(bytesOf(`${peer.id} ${i}`), { intent: "Reliable" })
      }
      yield* until("all messages", () => received.length === 320)
      const after = performance.now()
      assert.isTrue(received.every(({ receivedAt }) => receivedAt > before - 1 && receivedAt < after + 1))
      for (const [one] of clients) {
        const key = Buffer.from(one.publicKey).toString("hex")
        const own = received.filter(({ peer }) => Buffer.from(peer.publicKey).toString("hex") === key).map(textOf)
        assert.deepStrictEqual(own.map((text) => text.split(" ")[1]), Array.from({ length: 20 }, (_, i) => String(i)))
      }
      const { accepted, refused } = yield* hub.broadcast(bytesOf("to all"), { intent: "Reliable" })
      assert.deepStrictEqual([accepted, refused], [16, []])
      yield* until("the broadcast", () => clients.every(([, , messages]) => messages.length === 1))
      assert.strictEqual(imbalance(hub.counters), 0)
      assert.strictEqual(hub.counters.sessionsActive, 16)
      assert.strictEqual(hub.counters.messagesReceived - messagesReceived, 320)
      assert.strictEqual(hub.counters.messagesQueued - messagesQueued, 16)
    }))

  it.scopedLive("keeps a session whose datagrams begin to reach other workers: Reliable comes in order, exactly once", () =>
    Effect.gen(function*() {
      const { host, hub } = yield* ours
      const { handshakes, moves } = hub.counters
      const received = yield* inbox(hub)
      const nat = yield* Nat.make(hub.address)
      const one = yield* client(1)
      const back = yield* inbox(one)
      const peer = yield* one.connect(to(hub, nat.address))
      yield* until("the peer", () => host.sessions.active.size === 1)
      const [remote] = host.sessions.active
      const ports = new Set([remote.address.port])
      for (let round = 0; round < 6; round++) {
        for (let i = 0; i < 10; i++) {
          yield* peer.send(bytesOf(`up ${round * 10 + i}`), { intent: "Reliable" })
          yield* remote.send(bytesOf(`down ${round * 10 + i}`), { intent: "Reliable" })
        }
        yield* until("all of the round", () => received.length === (round + 1) * 10 && back.length === received.length)
        yield* until("a new address", () => ports.size === round + 1 || !ports.has(remote.address.port))
        ports.add(remote.address.port)
        nat.rebind()
      }
      assert.deepStrictEqual(received.map(textOf), Array.from({ length: 60 }, (_, i) => `up ${i}`))
      assert.deepStrictEqual(back.map(textOf), Array.from({ length: 60 }, (_, i) => `down ${i}`))
      assert.deepStrictEqual([host.sessions.active.size, remote.closeReason], [1, undefined])
      assert.deepStrictEqual([hub.counters.handshakes - handshakes, hub.counters.moves - moves], [1, 5])
      yield* until("the ledger", () => imbalance(hub.counters) === 0)
      // before the way is gone
      yield* peer.close()
      yield* until("CLOSE", () => remote.closeReason === "PeerClosed")
    }))

  it.scopedLive("closes the older session of an identity that comes again through another worker: Replaced", () =>
    Effect.gen(function*() {
      const transport = yield* ours
      const { host, hub } = transport
      const events = yield* eventsOf(hub)
      const publicKey = yield* publicKeyOf(1)
      const workers = new Set<number>()
      const peers: Array<Peer> = []
      for (let i = 0; i < 20 && (workers.size < 2 || i < 3); i++) {
        const again = yield* client(1)
        peers.push(yield* again.connect(to(hub)))
        yield* until("the newest", () => events.filter(({ _tag }) => _tag === "PeerConnected").length === i + 1)
        assert.strictEqual(host.sessions.active.size, 1)
        workers.add(workerOf(transport, publicKey))
        yield* until("the older one's end", () => closesOf(events).length === i)
      }
      assert.strictEqual(workers.size, 2)
      assert.isTrue(closesOf(events).every((reason) => reason === "Replaced"))
      yield* until("one session", () => hub.counters.sessionsActive === 1)
      const newest = peers.pop()
      yield* until("the others have heard", () => peers.every(({ closeReason }) => closeReason === "Replaced"))
      assert.strictEqual(newest?.closeReason, undefined)
    }))

  it.scopedLive("has one limit of sessions and one rule for identities over all workers", () =>
    Effect.gen(function*() {
      const { host, hub } = yield* sharded({ maxSessions: 3, sameIdentity: "reject" })
      const ends: Array<Exit.Exit<Peer, unknown>> = []
      for (const n of [1, 1, 1, 1, 2, 3, 4, 5, 6]) {
        const one = yield* client(n)
        ends.push(yield* Effect.exit(one.connect(to(hub))))
        yield* Effect.sleep("20 millis")
        assert.isAtMost(host.sessions.active.size, 3)
      }
      const stayed = ends.map((exit) => Exit.isSuccess(exit) && exit.value.closeReason === undefined)
      assert.deepStrictEqual(stayed, [true, false, false, false, true, true, false, false, false])
      assert.strictEqual(hub.counters.sessionsActive, 3)
    }))

  it.scopedLive("under a flood that names conn_ids of all workers, everything is counted, and peers are served", () =>
    Effect.gen(function*() {
      const { hub } = yield* ours
      const received = yield* inbox(hub)
      const one = yield* client(1)
      const peer = yield* one.connect(to(hub))
      const stranger = yield* Effect.acquireRelease(
        Effect.sync(() => createSocket("udp4")),
        (socket) => Effect.sync(() => socket.close())
      )
      const bytes = new Uint8Array(64)
      for (let i = 0; i < 8_000; i++) {
        PacketHeader.encode({
          version: PacketHeader.WIRE_VERSION,
          type: PacketHeader.DATA,
          intent: 0,
          priority: 0,
          epoch: 0,
          reserved: 0,
          payloadLength: 48,
          connId: (Math.imul(i, 2654435761) >>> 0) || 1,
          seq: i,
          ack: 0
        }, bytes)
        stranger.send(bytes.slice(), hub.address.port, hub.address.host)
        if (i % 200 === 0) {
          yield* peer.send(bytesOf(String(i)), { intent: "Reliable" })
          yield* Effect.sleep(0)
        }
      }
      yield* until("the peer's messages", () => received.length === 40)
      const { counters } = hub
      yield* until("quiet", () => imbalance(counters) === 0 && counters.received > 4_000)
      const moved = counters.dropped("UnknownConnection") + counters.dropped("ShardOverflow")
      assert.isAbove(moved, 4_000)
      assert.isAtLeast(counters.received, moved)
      assert.deepStrictEqual(received.map(textOf), Array.from({ length: 40 }, (_, i) => String(i * 200)))
    }))

  it.scopedLive("takes 256 Reliable messages for a peer and no more until some are acknowledged; send waits and all arrive", () =>
    Effect.gen(function*() {
      const { host, hub } = yield* ours
      const one = yield* client(1)
      yield* one.connect(to(hub))
      const back = yield* inbox(one)
      yield* until("the peer", () => host.sessions.active.size === 1)
      const [remote] = host.sessions.active
      const options = SendOptions.make({ intent: "Reliable" })
      const results = Array.from({ length: 300 }, (_, i) => remote.unsafeSend(bytesOf(String(i)), options))
      assert.deepStrictEqual(
        results,
        results.map((_, i) => i < 256 ? SendResult.ACCEPTED : SendResult.WOULD_BLOCK)
      )
      for (let i = 256; i < 1500; i++) yield* remote.send(bytesOf(String(i)), options)
      yield* until("all of them", () => back.length === 1500)
      assert.deepStrictEqual(back.map(textOf), Array.from({ length: 1500 }, (_, i) => String(i)))
      const tooLong = new Uint8Array(remote.maxPayload() + 1)
      assert.strictEqual(remote.unsafeSend(tooLong), SendResult.PAYLOAD_TOO_LARGE)
      const stats = yield* remote.stats
      assert.deepStrictEqual([stats.messagesSent, stats.queued], [1500, 0])
      yield* remote.close()
      assert.strictEqual(remote.unsafeSend(new Uint8Array(1)), SendResult.SESSION_CLOSED)
      yield* until("the end", () => hub.counters.sessionsActive === 0)
      assert.strictEqual((yield* remote.stats).messagesSent, 1500)
    }))

  it.scopedLive("holds Reliable back while nobody consumes, loses the oldest of the rest, and counts it", () =>
    Effect.gen(function*() {
      const { host, hub } = yield* sharded({ deliveryQueue: 64 })
      const one = yield* client(1)
      const peer = yield* one.connect(to(hub))
      const sending = yield* Effect.fork(
        Effect.forEach(
          Array.from({ length: 1000 }, (_, i) => i),
          (i) => peer.send(bytesOf(`reliable ${i}`), { intent: "Reliable" })
        )
      )
      yield* until("a full queue", () => host.ring.size >= 32)
      for (let i = 0; i < 300; i++) {
        yield* peer.send(bytesOf(`realtime ${i}`))
        if (i % 50 === 0) yield* Effect.sleep("2 millis")
      }
      yield* until("drops", () => hub.counters.dropped("DeliveryOverflow") > 0)
      assert.isTrue(Option.isNone(yield* Fiber.poll(sending)))
      assert.isAtMost(host.ring.size, 64)
      const received = yield* inbox(hub)
      yield* Fiber.join(sending)
      const reliable = () => received.map(textOf).filter((text) => text.startsWith("reliable"))
      yield* until("all Reliable", () => reliable().length === 1000)
      assert.deepStrictEqual(reliable(), Array.from({ length: 1000 }, (_, i) => `reliable ${i}`))
      const realtime = received.length - 1000
      assert.isAtMost(realtime + hub.counters.dropped("DeliveryOverflow"), 300)
      assert.isAbove(realtime, 0)
    }))

  it.scopedLive("asks the authorizer of the program, and closes a session as soon as its key is taken out", () =>
    Effect.gen(function*() {
      const keys = yield* SubscriptionRef.make<ReadonlyArray<Uint8Array>>([yield* publicKeyOf(1)])
      const { host, hub } = yield* Effect.provide(sharded({ allow: [] }), Authorizer.layerRef(keys))
      const events = yield* eventsOf(hub)
      const welcome = yield* client(1)
      const peer = yield* welcome.connect(to(hub))
      const stranger = yield* client(2)
      const refused = yield* Effect.flip(stranger.connect(to(hub)))
      assert.deepStrictEqual([refused.reason, refused.closeReason], ["Refused", "AuthFail"])
      yield* until("one peer", () => host.sessions.active.size === 1)
      yield* SubscriptionRef.set(keys, [])
      yield* until("the end", () => peer.closeReason !== undefined)
      assert.strictEqual(peer.closeReason, "AuthFail")
      yield* until("told", () => closesOf(events).length === 1)
      assert.deepStrictEqual(closesOf(events), ["AuthFail"])
    }))

  it.scopedLive("connects outward too, and keeps one session when both ends connect at once", () =>
    Effect.gen(function*() {
      const { host, hub } = yield* ours
      // the smaller key's session stays: once the hub's, once the other's
      for (const n of [1, 2, 3, 4]) {
        const scope = yield* Scope.make()
        yield* Effect.gen(function*() {
          const other = yield* client(n, { allow: "any" })
          const [there, here] = yield* Effect.all([other.connect(to(hub)), hub.connect(to(other))], {
            concurrency: "unbounded"
          })
          yield* until("one session", () => host.sessions.active.size === 1 && hub.counters.sessionsActive === 1)
          const atOther = yield* inbox(other)
          const atHub = yield* inbox(hub)
          yield* until("a way there", () => here.unsafeSend(bytesOf("there")) === SendResult.ACCEPTED)
          yield* until("a way back", () => there.unsafeSend(bytesOf("here")) === SendResult.ACCEPTED)
          yield* until("both", () => atOther.length > 0 && atHub.length > 0)
          assert.deepStrictEqual([here.closeReason, there.closeReason], [undefined, undefined])
          const again = yield* hub.connect(to(other))
          assert.strictEqual(again, here)
        }).pipe(Scope.extend(scope))
        yield* Scope.close(scope, Exit.void)
        yield* ours
      }
    }))

  it.scopedLive("connects several times at once, and all share one session", () =>
    Effect.gen(function*() {
      const { host, hub } = yield* ours
      const other = yield* client(5, { allow: "any" })
      const peers = yield* Effect.all(Array.from({ length: 4 }, () => hub.connect(to(other))), {
        concurrency: "unbounded"
      })
      assert.strictEqual(new Set(peers).size, 1)
      assert.strictEqual(host.sessions.active.size, 1)
      const atOther = yield* inbox(other)
      yield* peers[0].send(bytesOf("there"), { intent: "Reliable" })
      yield* until("it", () => atOther.length === 1)
      assert.isUndefined(peers[0].closeReason)
    }))

  it.scopedLive("hands messages to a handler, whose views are not of shared memory, and takes quick handshakes", () =>
    Effect.gen(function*() {
      const { host, hub } = yield* ours
      const seen: Array<string> = []
      yield* hub.onDelivery((peer, payload, intent) => {
        assert.instanceOf(payload.buffer, ArrayBuffer)
        seen.push(`${peer.id} ${intent} ${new TextDecoder().decode(payload)}`)
      })
      const busy = yield* Effect.flip(Stream.runDrain(hub.deliveries))
      assert.strictEqual(busy.reason, "ConsumerBusy")
      const one = yield* client(1)
      const peer = yield* one.connect({ ...to(hub), handshake: "IK" })
      yield* until("the peer", () => host.sessions.active.size === 1)
      const [own] = yield* hub.peers
      for (const intent of ["Realtime", "Sequenced", "Reliable"] as const) yield* peer.send(bytesOf("hi"), { intent })
      yield* until("three", () => seen.length === 3)
      assert.sameMembers(seen, ["Realtime", "Sequenced", "Reliable"].map((intent) => `${own.id} ${intent} hi`))
    }))

  it.live("ends with its scope: peers hear CLOSE, no thread and no handle is left", () =>
    Effect.gen(function*() {
      const handles = () => process.getActiveResourcesInfo().filter((one) => one !== "Timeout" && one !== "Immediate")
      const scope = yield* Scope.make()
      const before = handles()
      const { host, hub } = yield* Scope.extend(sharded(), scope)
      const inner = yield* Scope.make()
      const one = yield* Scope.extend(client(1), inner)
      const peer = yield* Scope.extend(one.connect(to(hub)), inner)
      const events = yield* Scope.extend(eventsOf(hub), inner)
      const consumer = yield* Effect.fork(Stream.runCollect(hub.deliveries))
      const waiting = yield* Effect.fork(Effect.flip(
        Effect.scoped(hub.connect({ host: "127.0.0.1", port: 9, publicKey: hub.publicKey }))
      ))
      yield* until("the peer", () => host.sessions.active.size === 1)
      const [remote] = host.sessions.active
      yield* Scope.close(scope, Exit.void)
      yield* until("CLOSE", () => peer.closeReason !== undefined)
      assert.deepStrictEqual([peer.closeReason, remote.closeReason], ["PeerClosed", "TransportClosed"])
      yield* Fiber.join(consumer)
      assert.include(["TransportClosed", "HandshakeTimeout"], (yield* Fiber.join(waiting)).reason)
      yield* until("told", () => closesOf(events).length === 1)
      assert.strictEqual(remote.unsafeSend(new Uint8Array(1)), SendResult.SESSION_CLOSED)
      assert.strictEqual((yield* Effect.flip(Effect.scoped(hub.connect(to(one))))).reason, "TransportClosed")
      assert.isTrue(host.links.every(({ worker }) => worker.threadId === -1))
      yield* Scope.close(inner, Exit.void)
      yield* until("all handles closed", () => handles().length <= before.length)
    }))

  it.scopedLive("ends with an error when a worker dies, and takes the others with it", () =>
    Effect.gen(function*() {
      const { host, hub } = yield* sharded({}, 3)
      const events = yield* eventsOf(hub)
      const one = yield* client(1)
      yield* one.connect(to(hub))
      yield* until("the peer", () => host.sessions.active.size === 1)
      const [remote] = host.sessions.active
      const consumer = yield* Effect.fork(Effect.flip(Stream.runDrain(hub.deliveries)))
      const dead = (remote.link.index + 1) % 3
      yield* Effect.promise(() => host.links[dead].worker.terminate())
      const error = yield* Fiber.join(consumer)
      assert.strictEqual(error.reason, "SocketFailed")
      assert.include(error.message, `worker ${dead}`)
      assert.strictEqual((yield* Effect.flip(Effect.scoped(hub.connect(to(one))))).reason, "SocketFailed")
      yield* until("all ended", () => host.links.every(({ worker }) => worker.threadId === -1))
      yield* until("told", () => closesOf(events).length === 1)
      assert.strictEqual(remote.closeReason, "TransportClosed")
    }))
})

describe("Intentra.layerSharded", () => {
  const build = (layer: Layer.Layer<Intentra, unknown>) =>
    Effect.map(Layer.build(layer), (context) => Context.get(context, Intentra))

  it.scopedLive("refuses what cannot be, and names it", () =>
    Effect.gen(function*() {
      for (
        const [options, mention] of [
          [{ workers: 0 }, "workers"],
          [{ workers: 17 }, "workers"],
          [{ workers: 1.5 }, "workers"],
          [{ record: "tape" }, "record"],
          [{ workers: 1, maxSessions: 0 }, "maxSessions"]
        ] as const
      ) {
        const error = yield* Effect.flip(build(Intentra.layerSharded(options)))
        assert.include(String((error as Error).message), mention)
      }
    }))

  it.scopedLive("does everything in this thread where sockets cannot share a port, with the program's authorizer", () =>
    Effect.gen(function*() {
      const hub = yield* build(
        Intentra.layerSharded({ workers: 2, key: keyOf(200) }).pipe(Layer.provide(Authorizer.layerAny))
      ).pipe(Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["INTENTRA_UDP", "dgram"]]))))
      assert.strictEqual(hub.socketKind, "dgram")
      const one = yield* client(1)
      yield* one.connect(to(hub))
      yield* Effect.repeat(Effect.delay(hub.peers, "1 millis"), { until: (peers) => peers.length === 1 })
    }))
})
