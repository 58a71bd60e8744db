import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Layer, Logger } from "effect"
import { type Address, UdpSocket, UdpSocketError } from "../src/index.js"
import { fromCause } from "../src/UdpSocket.js"
import { collect, idOf, openIn, put, socketContract } from "./support/contract.js"
import { batch, dgram, hasBatch, hasIPv6, hostUntil, simulated } from "./support/kits.js"

socketContract(simulated("10.0.0.1"))
socketContract(simulated("fd00::1"))
socketContract(dgram("127.0.0.1"))
if (hasIPv6) socketContract(dgram("::1"))
else console.log("this host has no ::1: the IPv6 socket tests are skipped")
if (hasBatch) socketContract(batch("127.0.0.1"))
if (hasBatch && hasIPv6) socketContract(batch("::1"))

const open = (options = {}) => Effect.flatMap(Effect.scope, (scope) => openIn(dgram("127.0.0.1"), scope, options))

describe("UdpSocket.layerDgram", () => {
  it.scopedLive("an address of another machine fails with AddressNotAvailable", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Effect.asVoid(open({ host: "192.0.2.1" })))
      assert.strictEqual(error.reason, "AddressNotAvailable")
    }))

  it.scopedLive("a datagram for another address family is a counted error", () =>
    Effect.gen(function*() {
      const a = yield* open()
      put(a, idOf(a, { host: "::1", port: 9 }), Uint8Array.of(1))
      assert.strictEqual(a.send(), 0)
      assert.strictEqual(a.stats.sendErrors, 1)
    }))

  it.scopedLive("nobody listening at the address kills nothing", () =>
    Effect.gen(function*() {
      const a = yield* open()
      const received = collect(a)
      const gone = yield* Effect.scoped(Effect.map(open(), (socket) => socket.localAddress))
      for (let i = 0; i < 3; i++) {
        put(a, idOf(a, gone), Uint8Array.of(1))
        a.send()
      }
      put(a, idOf(a, a.localAddress), Uint8Array.of(2))
      a.send()
      yield* hostUntil(() => received.length === 1)
    }))

  it.scopedLive.skipIf(!hasIPv6)(
    "a socket on :: sees IPv4 peers as IPv4 addresses, and answers them",
    () =>
      Effect.gen(function*() {
        const both = yield* open({ host: "::" })
        const four = yield* open()
        const atBoth = collect(both)
        const atFour = collect(four)
        put(four, idOf(four, { host: "127.0.0.1", port: both.localAddress.port }), Uint8Array.of(1))
        four.send()
        yield* hostUntil(() => atBoth.length === 1)
        assert.deepStrictEqual(atBoth[0].from, four.localAddress)
        put(both, idOf(both, atBoth[0].from), Uint8Array.of(2))
        assert.strictEqual(both.send(), 1)
        yield* hostUntil(() => atFour.length === 1)
      })
  )

  it.scopedLive("the buffers that the system granted are reported", () =>
    Effect.gen(function*() {
      const a = yield* open()
      assert.isAbove(a.granted.receiveBufferBytes, 0)
      assert.isAbove(a.granted.sendBufferBytes, 0)
    }))
})

describe("UdpSocket.layerBest", () => {
  const kindWith = (value: string | undefined) => {
    const logged: Array<unknown> = []
    const logger = Logger.make(({ message }) => {
      logged.push(message)
    })
    const config = new Map(value === undefined ? [] : [["INTENTRA_UDP", value]])
    return Layer.build(UdpSocket.layerBest()).pipe(
      Effect.map((context) => Context.get(context, UdpSocket).kind),
      Effect.withConfigProvider(ConfigProvider.fromMap(config)),
      Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
      Effect.map((kind) => ({ kind, lines: logged.length }))
    )
  }

  it.scopedLive("INTENTRA_UDP=dgram gives the portable socket and says nothing", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* kindWith("dgram"), { kind: "dgram", lines: 0 })
      assert.strictEqual((yield* kindWith(undefined)).lines, 0)
    }))

  it.scopedLive("a kind that is not available is one logged line, never a failure", () =>
    Effect.gen(function*() {
      const { kind, lines } = yield* kindWith("batch")
      assert.isAtMost(lines, 1)
      assert.strictEqual(lines, kind === "batch" ? 0 : 1)
    }))

  it.scopedLive("an unknown kind is a config error", () =>
    Effect.gen(function*() {
      assert.isTrue((yield* Effect.exit(kindWith("tcp")))._tag === "Failure")
    }))
})

describe("UdpSocketError", () => {
  const table: ReadonlyArray<readonly [string, string]> = [
    ["EADDRINUSE", "AddressInUse"],
    ["EADDRNOTAVAIL", "AddressNotAvailable"],
    ["EACCES", "PermissionDenied"],
    ["EPERM", "PermissionDenied"],
    ["EINVAL", "InvalidAddress"],
    ["EMSGSIZE", "MessageTooLarge"],
    ["EMFILE", "TooManyOpenFiles"],
    ["EAFNOSUPPORT", "Unsupported"],
    ["EBADF", "Closed"],
    ["EWHATEVER", "Unknown"]
  ]
  for (const [code, reason] of table) {
    it(`${code} is ${reason}, and the message says where`, () => {
      const address: Address.SocketAddress = { host: "127.0.0.1", port: 9_000 }
      const error = fromCause(Object.assign(new Error(`bind ${code}`), { code }), address.host, address.port)
      assert.instanceOf(error, UdpSocketError)
      assert.strictEqual(error.reason, reason)
      if (reason !== "TooManyOpenFiles") assert.include(error.message, "127.0.0.1")
    })
  }
})
