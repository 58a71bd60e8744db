import { assert, describe, it } from "@effect/vitest"
import { Network } from "@intentra/udp"
import {
  Context,
  Effect,
  Exit,
  Fiber,
  Layer,
  Logger,
  LogLevel,
  ManagedRuntime,
  Option,
  Redacted,
  Scope,
  Stream
} from "effect"
import { createSocket } from "node:dgram"
import { networkInterfaces } from "node:os"
import { Authorizer, Intentra, IntentraTest, SendResult, StaticKey } from "../src/index.js"
import type { ConnectOptions, IntentraOptions, IntentraShape } from "../src/index.js"
import { bytes, collect, connect, connected, key, makeOver, text, turns, within } from "./internal/harness.js"

const to = (hub: IntentraShape): ConnectOptions => ({
  host: hub.address.host,
  port: hub.address.port,
  publicKey: hub.publicKey
})

/** How many peers it has; a failed comparison of the peers themselves would print all that they hold. */
const count = (transport: IntentraShape) => Effect.map(transport.peers, (peers) => peers.length)

/** The error of an effect that must fail. */
const refusal = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.flip(Effect.asVoid(effect))

describe("connect", () => {
  it.scoped("a session lives as long as the scope of its connect: then the hub hears CLOSE", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const hub = yield* IntentraTest.make(network, { host: "10.0.0.1", key: key(1), allow: "any" })
      const client = yield* IntentraTest.make(network, { host: "10.0.0.2", key: key(2) })
      const scope = yield* Scope.make()
      const peer = yield* Scope.extend(connect(network, client, hub), scope)
      const [remote] = yield* hub.peers
      yield* network.advance("10 minutes")
      assert.deepStrictEqual([peer.closeReason, remote.closeReason], [undefined, undefined])
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(peer.closeReason, "LocalClosed")
      yield* network.advance("11 millis")
      assert.strictEqual(remote.closeReason, "PeerClosed")
      assert.deepStrictEqual([yield* count(hub), yield* count(client)], [0, 0])
    }))

  it.scoped("it fails with HandshakeTimeout when nobody answers, after the handshake's time, naming the address", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const client = yield* IntentraTest.make(network, { host: "10.0.0.2", key: key(2) })
      const fiber = yield* Effect.fork(
        refusal(client.connect({ host: "10.0.0.9", port: 9000, publicKey: client.publicKey }))
      )
      yield* network.advance(4999)
      assert.strictEqual((yield* Fiber.poll(fiber))._tag, "None")
      yield* network.advance(2)
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error.reason, "HandshakeTimeout")
      assert.include(error.message, "10.0.0.9:9000")
    }))

  it.scoped("it fails with WrongKey when somebody else answers", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      // the impostor takes the messages that are meant for another key
      yield* IntentraTest.make(network, { host: "10.0.0.1", key: key(1), allow: "any", psk: key(9) })
      const client = yield* IntentraTest.make(network, { host: "10.0.0.2", key: key(2), psk: key(9) })
      const other = yield* Effect.provide(StaticKey.publicKey(key(3)), StaticKey.layer)
      const error = yield* within(
        network,
        "6 seconds",
        refusal(client.connect({ host: "10.0.0.1", port: 9000, publicKey: other }))
      )
      assert.strictEqual(error.reason, "WrongKey")
      assert.include(error.message, "10.0.0.1:9000")
      assert.strictEqual(yield* count(client), 0)
    }))

  it.scoped("it fails with Refused when the hub does not admit our key, and says why", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const hub = yield* IntentraTest.make(network, { host: "10.0.0.1", key: key(1) })
      const client = yield* IntentraTest.make(network, { host: "10.0.0.2", key: key(2) })
      const error = yield* refusal(connect(network, client, hub))
      assert.deepStrictEqual([error.reason, error.closeReason], ["Refused", "AuthFail"])
      assert.include(error.message, "10.0.0.1:9000")
      assert.include(error.message, "allow-list")
      assert.strictEqual(hub.counters.dropped("Unauthorized"), 1)
      assert.deepStrictEqual([yield* count(hub), yield* count(client)], [0, 0])
    }))

  it.scoped("keys on the allow-list are admitted, as bytes or base64, and no others", () =>
    Effect.gen(function*() {
      const publicKey = (n: number) => Effect.provide(StaticKey.publicKey(key(n)), StaticKey.layer)
      const network = yield* Network.make({ latency: 10 })
      const allow = [yield* publicKey(2), StaticKey.encode(yield* publicKey(3))]
      const hub = yield* IntentraTest.make(network, { host: "10.0.0.1", key: key(1), allow })
      for (const [n, admitted] of [[2, true], [3, true], [4, false]] as const) {
        const client = yield* IntentraTest.make(network, { host: `10.0.0.${n}`, key: key(n) })
        assert.strictEqual(Exit.isSuccess(yield* Effect.exit(connect(network, client, hub))), admitted)
      }
    }))

  it.scoped("what cannot be an address or a key fails at once, and names what is wrong", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const client = yield* IntentraTest.make(network, { host: "10.0.0.2", key: key(2) })
      const good = { host: "10.0.0.1", port: 9000, publicKey: client.publicKey }
      const wrong: ReadonlyArray<readonly [reason: string, mention: string, options: ConnectOptions]> = [
        ["InvalidAddress", "port 0", { ...good, port: 0 }],
        ["InvalidAddress", "65536", { ...good, port: 65_536 }],
        ["InvalidAddress", "1.5", { ...good, port: 1.5 }],
        ["InvalidAddress", "IPv6", { ...good, host: "fd00::1" }],
        ["InvalidOptions", "publicKey", { ...good, publicKey: new Uint8Array(31) }],
        ["InvalidOptions", "publicKey", { ...good, publicKey: "no key" }]
      ]
      for (const [reason, mention, options] of wrong) {
        const error = yield* refusal(client.connect(options))
        assert.strictEqual(error.reason, reason)
        assert.include(error.message, mention)
      }
      assert.strictEqual(network.ledger.sent, 0)
    }))

  it.scoped("whoever connects to \"any\" key asks its own authorizer", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const hub = yield* IntentraTest.make(network, { host: "10.0.0.1", key: key(1), allow: "any" })
      const any = { host: "10.0.0.1", port: 9000, publicKey: "any" }
      const open = yield* IntentraTest.make(network, { host: "10.0.0.2", key: key(2), allow: [hub.publicKey] })
      const peer = yield* within(network, "1 second", open.connect(any))
      assert.deepStrictEqual(peer.publicKey, hub.publicKey)
      const shut = yield* IntentraTest.make(network, { host: "10.0.0.3", key: key(3) })
      const error = yield* within(network, "6 seconds", refusal(shut.connect(any)))
      assert.strictEqual(error.reason, "WrongKey")
      assert.include(error.message, "authorizer")
    }))

  it.scoped("interrupted, it sends nothing more and frees everything, however far it had come", () =>
    Effect.gen(function*() {
      for (const [after, established] of [[0, false], [15, false], [25, false], [35, false], [55, true]] as const) {
        const network = yield* Network.make({ latency: 10 })
        const hub = yield* IntentraTest.make(network, { host: "10.0.0.1", key: key(1), allow: "any" })
        const socket = yield* network.bind({ host: "10.0.0.2", port: 9000 })
        const client = yield* makeOver(network, socket, { key: key(2) })
        const sent: Array<number> = []
        network.tap((event) => {
          if (event.kind === "sent" && event.from === "10.0.0.2:9000") sent.push(event.bytes[0] & 15)
        })
        const fiber = yield* Effect.fork(Effect.scoped(client.connect(to(hub))))
        yield* network.advance(after)
        assert.isAbove(sent.length, 0)
        const before = sent.length
        yield* Fiber.interrupt(fiber)
        yield* network.advance("2 minutes")
        // a session that may exist over there is closed; a handshake is just forgotten
        assert.isTrue(established ? sent.length - before <= 4 : sent.length === before, `${after}: ${sent.join()}`)
        assert.strictEqual(socket.addresses.size, 0)
        assert.deepStrictEqual([yield* count(client), yield* count(hub)], [0, 0])
        assert.strictEqual(hub.counters.handshakesInFlight, 0)
      }
    }))

  it.scoped("interrupted just when it has succeeded, before its caller knows, the session is closed", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const hub = yield* IntentraTest.make(network, { host: "10.0.0.1", key: key(1), allow: "any" })
      const client = yield* IntentraTest.make(network, { host: "10.0.0.2", key: key(2) })
      const fiber = yield* Effect.fork(Effect.scoped(Effect.zipRight(client.connect(to(hub)), Effect.never)))
      yield* turns
      network.unsafeAdvance(1000)
      assert.strictEqual((yield* client.peers).length, 1)
      yield* Fiber.interrupt(fiber)
      yield* network.advance("1 second")
      assert.deepStrictEqual([yield* count(client), yield* count(hub)], [0, 0])
    }))

  it.scoped("it fails with TransportClosed when the transport ends meanwhile, wherever the handshake stands", () =>
    Effect.gen(function*() {
      for (const after of [0, 15, 25, 35, 45]) {
        const network = yield* Network.make({ latency: 10 })
        const scope = yield* Scope.make()
        const hub = yield* IntentraTest.make(network, { host: "10.0.0.1", key: key(1), allow: "any" })
        const client = yield* Scope.extend(IntentraTest.make(network, { host: "10.0.0.2", key: key(2) }), scope)
        const fiber = yield* Effect.fork(refusal(Effect.scoped(client.connect(to(hub)))))
        yield* network.advance(after)
        yield* Scope.close(scope, Exit.void)
        const error = yield* within(network, "1 second", Fiber.join(fiber))
        assert.strictEqual(error.reason, "TransportClosed")
      }
    }))

  it.scoped("a table that is full refuses one more: our own with SessionLimit, the hub's with LimitExceeded", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const hubs = yield* Effect.forEach(
        [1, 2],
        (n) => IntentraTest.make(network, { host: `10.0.0.${n}`, key: key(n), allow: "any", maxSessions: 1 })
      )
      const first = yield* IntentraTest.make(network, { host: "10.0.1.1", key: key(11), maxSessions: 1 })
      yield* connect(network, first, hubs[0])
      const own = yield* refusal(connect(network, first, hubs[1]))
      assert.strictEqual(own.reason, "SessionLimit")
      assert.include(own.message, "maxSessions")
      const second = yield* IntentraTest.make(network, { host: "10.0.1.2", key: key(12) })
      const theirs = yield* refusal(connect(network, second, hubs[0]))
      assert.deepStrictEqual([theirs.reason, theirs.closeReason], ["Refused", "LimitExceeded"])
      assert.strictEqual((yield* hubs[0].peers).length, 1)
    }))

  it.scoped("strangers to the network's pre-shared key meet silence, members do not", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const hub = yield* IntentraTest.make(network, { host: "10.0.0.1", key: key(1), allow: "any", psk: key(7) })
      const member = yield* IntentraTest.make(network, { host: "10.0.0.2", key: key(2), psk: key(7) })
      yield* connect(network, member, hub)
      for (const [n, psk] of [[3, undefined], [4, key(8)]] as const) {
        const stranger = yield* IntentraTest.make(network, { host: `10.0.0.${n}`, key: key(n), psk })
        const { counters } = hub
        const { sent } = counters
        const error = yield* within(network, "6 seconds", refusal(stranger.connect(to(hub))))
        assert.strictEqual(error.reason, "HandshakeTimeout")
        assert.strictEqual(counters.sent, sent)
      }
    }))
})

describe("Authorizer", () => {
  const verdicts: ReadonlyArray<readonly [what: string, layer: Layer.Layer<Authorizer>, admitted: boolean]> = [
    ["a boolean", Authorizer.layerWith(() => true), true],
    ["an Effect that takes its time", Authorizer.layerWith(() => Effect.as(Effect.sleep("1 second"), true)), true],
    ["an Effect that says no", Authorizer.layerWith(() => Effect.succeed(false)), false],
    ["an Effect that fails", Authorizer.layerWith(() => Effect.fail("no database")), false],
    ["an Effect that dies", Authorizer.layerWith(() => Effect.die("defect")), false],
    ["an Effect that never ends", Authorizer.layerWith(() => Effect.never), false],
    [
      "a function that throws",
      Authorizer.layerWith(() => {
        throw new Error("defect")
      }),
      false
    ]
  ]
  it.scoped.each(verdicts)("%s decides, and the hub goes on", ([, layer, admitted]) =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const socket = yield* network.bind({ host: "10.0.0.1", port: 9000 })
      const hub = yield* makeOver(network, socket, { key: key(1) }, layer)
      for (const n of [2, 3]) {
        const client = yield* IntentraTest.make(network, { host: `10.0.0.${n}`, key: key(n) })
        const exit = yield* within(network, "7 seconds", Effect.exit(client.connect(to(hub))))
        assert.strictEqual(Exit.isSuccess(exit), admitted)
      }
      assert.strictEqual((yield* hub.peers).length, admitted ? 2 : 0)
      yield* network.advance("5 seconds")
      assert.deepStrictEqual([hub.counters.undecided, hub.counters.handshakesInFlight], [0, 0])
    }))

  it.scoped("an Effect without a verdict is interrupted when the handshake's time is over", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const socket = yield* network.bind({ host: "10.0.0.1", port: 9000 })
      let interrupted = 0
      const never = Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
      const hub = yield* makeOver(network, socket, { key: key(1) }, Authorizer.layerWith(() => never))
      const client = yield* IntentraTest.make(network, { host: "10.0.0.2", key: key(2) })
      yield* within(network, "7 seconds", refusal(client.connect(to(hub))))
      assert.strictEqual(interrupted, 1)
    }))
})

describe("without types", () => {
  const wrong: ReadonlyArray<unknown> = ["text", new ArrayBuffer(4), new Float32Array(4), 7, null, undefined, [1, 2]]

  it.scoped("what is no Uint8Array is refused, not sent as something else", () =>
    Effect.gen(function*() {
      const { client, hub, peer } = yield* connected()
      for (const payload of wrong as ReadonlyArray<Uint8Array>) {
        for (const error of [yield* refusal(peer.send(payload)), yield* refusal(hub.broadcast(payload))]) {
          assert.strictEqual(error.reason, "InvalidOptions")
          assert.include(error.detail, "Uint8Array")
        }
      }
      assert.strictEqual(client.counters.messagesSent, 0)
      yield* peer.send(Buffer.from("text"))
    }))

  it.scoped("an empty host is InvalidAddress", () =>
    Effect.gen(function*() {
      const { client, hub } = yield* connected()
      const error = yield* refusal(Effect.scoped(client.connect({ ...to(hub), host: "" })))
      assert.strictEqual(error.reason, "InvalidAddress")
    }))

  it.scoped("what a handler throws is in the log, with its message", () =>
    Effect.gen(function*() {
      const logged: Array<string> = []
      const logger = Logger.make((options) => logged.push(Logger.logfmtLogger.log(options)))
      yield* Effect.gen(function*() {
        const { hub, network, peer } = yield* connected()
        yield* hub.onDelivery(() => {
          throw new Error("no such robot")
        })
        yield* peer.send(bytes("it"))
        yield* network.advance("1 second")
        yield* turns
      }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
      assert.isTrue(logged.some((line) => line.includes("onDelivery threw") && line.includes("no such robot")))
    }))
})

describe("broadcast", () => {
  it.scoped("one message goes to every peer, and the outcome counts them", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const hub = yield* IntentraTest.make(network, { host: "10.0.0.1", key: key(1), allow: "any" })
      assert.deepStrictEqual(yield* hub.broadcast(bytes("nobody")), { accepted: 0, refused: [] })
      const seen = yield* Effect.forEach([2, 3, 4], (n) =>
        Effect.gen(function*() {
          const client = yield* IntentraTest.make(network, { host: `10.0.0.${n}`, key: key(n) })
          yield* connect(network, client, hub)
          return yield* collect(client.deliveries)
        }))
      const outcome = yield* hub.broadcast(bytes("news"), { intent: "Sequenced" })
      assert.deepStrictEqual(outcome, { accepted: 3, refused: [] })
      yield* network.advance("1 second")
      for (const one of seen) {
        assert.deepStrictEqual(one.map(({ intent, payload }) => [text(payload), intent]), [["news", "Sequenced"]])
      }
    }))

  it.scoped("peers that could not take the message are listed, each with its result", () =>
    Effect.gen(function*() {
      const { hub, remote } = yield* connected()
      const outcome = yield* hub.broadcast(new Uint8Array(5000))
      assert.strictEqual(outcome.accepted, 0)
      assert.deepStrictEqual(outcome.refused.map(({ result }) => result), [SendResult.PAYLOAD_TOO_LARGE])
      assert.strictEqual(outcome.refused[0].peer, remote)
    }))
})

describe("a transport", () => {
  it.scoped("its public key is that of its secret key, its address the one it was bound to", () =>
    Effect.gen(function*() {
      const network = yield* Network.make()
      const hub = yield* IntentraTest.make(network, { host: "10.0.0.1", port: 77, key: key(1) })
      assert.deepStrictEqual(hub.publicKey, yield* Effect.provide(StaticKey.publicKey(key(1)), StaticKey.layer))
      assert.deepStrictEqual(hub.address, { host: "10.0.0.1", port: 77 })
      assert.strictEqual(hub.socketKind, "simulated")
    }))

  it.scoped("a newer session of the same identity takes the place of the older one", () =>
    Effect.gen(function*() {
      const { hub, network, peer, remote } = yield* connected()
      const again = yield* IntentraTest.make(network, { host: "10.0.0.3", key: key(2) })
      const newer = yield* connect(network, again, hub)
      assert.deepStrictEqual([remote.closeReason, peer.closeReason], ["Replaced", "Replaced"])
      const [current, ...others] = yield* hub.peers
      assert.strictEqual(others.length, 0)
      assert.strictEqual(current.id, remote.id)
      assert.deepStrictEqual(current.address, again.address)
      assert.isUndefined(newer.closeReason)
    }))

  it.scoped("after its scope has ended nothing works any more, and everything says so", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const hub = yield* IntentraTest.make(network, { host: "10.0.0.1", key: key(1), allow: "any" })
      const scope = yield* Scope.make()
      const client = yield* Scope.extend(IntentraTest.make(network, { host: "10.0.0.2", key: key(2) }), scope)
      const peer = yield* connect(network, client, hub)
      const options = to(hub)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* refusal(client.connect(options))).reason, "TransportClosed")
      assert.strictEqual((yield* refusal(peer.send(bytes("x")))).reason, "SessionClosed")
      assert.strictEqual(peer.closeReason, "TransportClosed")
      assert.deepStrictEqual(yield* client.broadcast(bytes("x")), { accepted: 0, refused: [] })
      assert.strictEqual(yield* count(client), 0)
      yield* peer.close()
      const { sent } = network.ledger
      yield* network.advance("1 minute")
      assert.strictEqual(network.ledger.sent, sent)
    }))

  it.scoped("no secret ever reaches the log, whatever happens", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make(({ annotations, cause, logLevel, message }) => {
        lines.push(JSON.stringify([logLevel.label, message, annotations, String(cause)]))
      })
      const secrets = [1, 2, 7].map((n) => new Uint8Array(32).map((_, i) => n * 17 + i * i))
      const [hubKey, clientKey, psk] = secrets.map((secret) => Redacted.make(secret))
      const made: Array<Uint8Array> = []
      yield* Effect.gen(function*() {
        const network = yield* Network.make({ latency: 10 })
        const make = (options: IntentraOptions) => IntentraTest.make(network, { psk, ...options })
        const hub = yield* make({ host: "10.0.0.1", key: hubKey, allow: "any" })
        const client = yield* make({ host: "10.0.0.2", key: clientKey })
        const fleeting = yield* make({ host: "10.0.0.3" })
        made.push(fleeting.publicKey)
        yield* hub.onDelivery(() => {
          throw new Error("defect")
        })
        for (const one of [client, fleeting]) {
          const peer = yield* connect(network, one, hub)
          yield* peer.send(bytes("x"))
          yield* network.advance("1 second")
        }
        yield* within(
          network,
          "6 seconds",
          Effect.ignore(client.connect({ host: "10.0.0.9", port: 9, publicKey: hub.publicKey }))
        )
      }).pipe(
        Effect.scoped,
        Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
        Logger.withMinimumLogLevel(LogLevel.All)
      )
      const log = lines.join("\n")
      assert.isAtLeast(lines.length, 2)
      for (const secret of secrets) {
        const buffer = Buffer.from(secret)
        for (const form of ["base64", "base64url", "hex", "latin1"] as const) {
          assert.notInclude(log, buffer.toString(form).replace(/=+$/, ""))
        }
        assert.notInclude(log, Array.from(secret).join(","))
      }
      // of the key made for this run the public half is told, and nothing else looks like a key
      const told = log.replace(/\bat .*:\d+:\d+/g, "").match(/[A-Za-z0-9+/_-]{43}=?/g) ?? []
      assert.deepStrictEqual(told, [StaticKey.encode(made[0])])
    }))
})

/** Whether this host has the IPv6 loopback address. */
const hasIPv6 = Object.values(networkInterfaces()).some((list) => list?.some((one) => one.address === "::1"))
if (!hasIPv6) console.log("no IPv6 loopback address here: the test of IPv6 sockets is skipped")

const quiet = Logger.remove(Logger.defaultLogger)

/** A transport of its own on a real socket, for as long as the scope lives. */
const real = (options: IntentraOptions) =>
  Effect.map(Layer.build(Intentra.layer(options)), (context) => Context.get(context, Intentra))

describe("on real sockets", () => {
  const exchange = (host: string) =>
    Effect.gen(function*() {
      const hub = yield* real({ host, key: key(1), allow: "any" })
      const client = yield* real({ host, key: key(2) })
      assert.strictEqual(hub.address.host, host)
      assert.isAbove(hub.address.port, 0)
      const peer = yield* client.connect(to(hub))
      const up = yield* Effect.fork(Stream.runCollect(Stream.take(hub.deliveries, 50)))
      const down = yield* Effect.fork(Stream.runCollect(Stream.take(client.deliveries, 1)))
      yield* turns
      for (let i = 0; i < 50; i++) yield* peer.send(bytes(`${i}`))
      const [remote] = yield* hub.peers
      yield* remote.send(new Uint8Array(remote.maxPayload()).fill(9))
      assert.deepStrictEqual(
        Array.from(yield* Fiber.join(up), (one) => text(one.payload)),
        Array.from({ length: 50 }, (_, i) => `${i}`)
      )
      const [large] = Array.from(yield* Fiber.join(down))
      assert.strictEqual(large.payload.length, remote.maxPayload())
      assert.isTrue(large.payload.every((byte) => byte === 9))
      assert.deepStrictEqual(remote.address, client.address)
    })

  it.scopedLive("two transports talk over IPv4", () => exchange("127.0.0.1"))

  it.scopedLive.skipIf(!hasIPv6)("two transports talk over IPv6", () => exchange("::1"))

  it.scopedLive("a hub on several addresses is reached at each of them", () =>
    Effect.gen(function*() {
      const hub = yield* real({ host: "0.0.0.0", key: key(1), allow: "any" })
      if (hub.socketKind !== "batch") {
        return console.log("no batched sockets: a hub answers from where the system likes")
      }
      for (const host of ["127.0.0.1", "127.0.0.2", "127.0.0.3"]) {
        const client = yield* real({ host: "127.0.0.1", key: key(2) })
        const peer = yield* client.connect({ ...to(hub), host })
        assert.deepStrictEqual(peer.address, { host, port: hub.address.port })
        const heard = yield* Effect.fork(Stream.runHead(hub.deliveries))
        yield* turns
        yield* peer.send(bytes(host))
        assert.strictEqual(text(Option.getOrThrow(yield* Fiber.join(heard)).payload), host)
        yield* peer.close()
      }
    }))

  it.scopedLive("a hub is found by its name", () =>
    Effect.gen(function*() {
      const hub = yield* real({ key: key(1), allow: "any" })
      const client = yield* real({ key: key(2) })
      const peer = yield* client.connect({ ...to(hub), host: "localhost", publicKey: StaticKey.encode(hub.publicKey) })
      assert.deepStrictEqual(peer.address, hub.address)
    }))

  it.scopedLive("a name that does not exist is InvalidAddress with the name", () =>
    Effect.gen(function*() {
      const client = yield* real({ key: key(2) })
      const error = yield* refusal(
        client.connect({ host: "no-such-host.invalid", port: 9000, publicKey: client.publicKey })
      )
      assert.strictEqual(error.reason, "InvalidAddress")
      assert.include(error.message, "no-such-host.invalid")
    }))

  it.scopedLive("a port that is taken is SocketFailed with the port", () =>
    Effect.gen(function*() {
      const other = createSocket("udp4")
      yield* Effect.addFinalizer(() => Effect.sync(() => other.close()))
      yield* Effect.async<void>((resume) => {
        other.bind(0, "127.0.0.1", () => resume(Effect.void))
      })
      const { port } = other.address()
      const error = yield* refusal(real({ key: key(1), port }))
      assert.strictEqual(error.reason, "SocketFailed")
      assert.include(error.message, `port ${port}`)
    }))

  it.scopedLive("many transports live in one process, each connected to all others", () =>
    Effect.gen(function*() {
      const members = yield* Effect.forEach([1, 2, 3, 4, 5], (n) => real({ key: key(n), allow: "any" }))
      for (const [i, one] of members.entries()) {
        for (const other of members.slice(i + 1)) yield* one.connect(to(other))
      }
      for (const one of members) {
        assert.strictEqual((yield* one.peers).length, 4)
        assert.deepStrictEqual(yield* one.broadcast(one.publicKey), { accepted: 4, refused: [] })
      }
      for (const one of members) {
        const seen = yield* Stream.runCollect(Stream.take(one.deliveries, 4))
        const senders = Array.from(seen, ({ payload, peer }) => {
          assert.deepStrictEqual(payload, peer.publicKey)
          return StaticKey.encode(payload)
        })
        assert.sameMembers(
          senders,
          members.filter((other) => other !== one).map((other) => StaticKey.encode(other.publicKey))
        )
      }
    }))

  it.scopedLive("the port is free again when the scope has ended", () =>
    Effect.gen(function*() {
      const port = yield* Effect.scoped(Effect.map(real({ key: key(1) }), (one) => one.address.port))
      const again = yield* real({ key: key(1), port })
      assert.strictEqual(again.address.port, port)
    }))

  it("a program without Effect keeps a transport in a ManagedRuntime", async () => {
    const hub = ManagedRuntime.make(Layer.provide(Intentra.layer({ key: key(1), allow: "any" }), quiet))
    const client = ManagedRuntime.make(Layer.provide(Intentra.layer({ key: key(2) }), quiet))
    try {
      const hubTransport = await hub.runPromise(Intentra)
      const transport = await client.runPromise(Intentra)
      const scope = await client.runPromise(Scope.make())
      const peer = await client.runPromise(Scope.extend(transport.connect(to(hubTransport)), scope))
      const first = hub.runPromise(Stream.runHead(hubTransport.deliveries))
      assert.strictEqual(peer.unsafeSend(bytes("plain")), SendResult.ACCEPTED)
      assert.strictEqual(Option.match(await first, { onNone: () => "", onSome: (one) => text(one.payload) }), "plain")
      await client.runPromise(Scope.close(scope, Exit.void))
      assert.strictEqual(peer.closeReason, "LocalClosed")
    } finally {
      await client.dispose()
      await hub.dispose()
    }
  })
})
