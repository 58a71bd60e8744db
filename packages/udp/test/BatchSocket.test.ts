import { assert, describe, it } from "@effect/vitest"
import { FfiError, LinuxSocket } from "@intentra/ffi"
import { Deferred, Effect, Exit, FastCheck as fc, Logger, LogLevel, Runtime, Scope } from "effect"
import { readdirSync } from "node:fs"
import { constants } from "node:os"
import { Worker } from "node:worker_threads"
import { UdpSocketError } from "../src/index.js"
import * as batch from "../src/internal/batch.js"
import * as best from "../src/internal/best.js"
import { collect, copyOut, idOf, numbered, openIn, put, type Received } from "./support/contract.js"
import { batch as kit, hasBatch, hasIPv6, hostUntil, replacing } from "./support/kits.js"

const openFiles = (): number => readdirSync("/proc/self/fd").length

const open = (options = {}) => Effect.flatMap(Effect.scope, (scope) => openIn(kit("127.0.0.1"), scope, options))

const law = (name: string, body: Effect.Effect<void, unknown, Scope.Scope>): void => {
  it.scopedLive(name, () => body)
}

const lengthsOf = (received: ReadonlyArray<Received>): Array<number> => received.map(({ length }) => length)

describe.skipIf(!hasBatch)("layerBatch", () => {
  const runs = fc.array(
    fc.record({
      to: fc.integer({ min: 0, max: 2 }),
      length: fc.oneof(fc.integer({ min: 0, max: 2_000 }), fc.constantFrom(0, 1, 1_200, 9_000)),
      times: fc.integer({ min: 1, max: 70 }),
      flush: fc.boolean()
    }),
    { maxLength: 12 }
  )

  it.effect.prop(
    "datagrams of any lengths to any receivers arrive whole, in order, each at its own, from the same address",
    [runs, fc.integer({ min: 32, max: 300 })],
    ([runs, turnBudget]) =>
      Effect.scoped(Effect.gen(function*() {
        const sender = yield* open()
        const receivers = yield* Effect.all(
          [0, 1, 2].map(() => open({ maxDatagramBytes: 65_535, turnBudget }))
        )
        const received = receivers.map(collect)
        const ids = receivers.map(({ localAddress }) => idOf(sender, localAddress))
        const expected: Array<Array<Uint8Array>> = [[], [], []]
        for (const { flush, length, times, to } of runs) {
          for (let i = 0; i < times; i++) {
            const bytes = numbered(expected[to].length, length)
            expected[to].push(bytes)
            put(sender, ids[to], bytes)
          }
          if (flush) sender.send()
        }
        sender.send()
        yield* hostUntil(() => received.every((all, i) => all.length >= expected[i].length))
        received.forEach((all, i) => {
          assert.deepStrictEqual(all.map(({ bytes }) => bytes), expected[i])
          for (const { from } of all) assert.deepStrictEqual(from, sender.localAddress)
        })
      })),
    { fastCheck: { numRuns: 25 } }
  )

  law(
    "datagrams that came as one message share the place of their source",
    Effect.gen(function*() {
      const a = yield* open()
      const b = yield* open()
      const places = new Set<number>()
      let count = 0
      b.setHandler((batch) => {
        for (let i = 0; i < batch.count; i++) {
          places.add(batch.addressOffsets[i])
          assert.deepStrictEqual(copyOut(batch, i, 2_048).from, a.localAddress)
        }
        count += batch.count
      })
      const id = idOf(a, b.localAddress)
      for (let n = 0; n < 60; n++) put(a, id, numbered(n, 100))
      a.send()
      yield* hostUntil(() => count === 60)
      assert.strictEqual(places.size, 1)
    })
  )

  law(
    "datagrams that are cut are flagged within a message of many too",
    Effect.gen(function*() {
      const a = yield* open({ maxDatagramBytes: 4_096 })
      const b = yield* open({ maxDatagramBytes: 100 })
      const received = collect(b)
      const id = idOf(a, b.localAddress)
      for (const length of [150, 150, 150, 90]) put(a, id, numbered(length, length))
      a.send()
      yield* hostUntil(() => received.length === 4)
      assert.deepStrictEqual(lengthsOf(received), [150, 150, 150, 90])
      assert.deepStrictEqual(received[1].bytes, numbered(150, 150).slice(0, 100))
      assert.strictEqual(b.stats.truncated, 3)
    })
  )

  law(
    "what a handler has no time for waits in the kernel, and what has no room there is counted",
    Effect.gen(function*() {
      const a = yield* open()
      const b = yield* open({ receiveBufferBytes: 64 * 1024, turnBudget: 32 })
      const sizes: Array<number> = []
      b.setHandler((batch) => {
        sizes.push(batch.count - batch.first)
        batch.first++
        // nothing is read meanwhile: the next batch is what is left of this one
        if (batch.count === 32 && batch.first < 32) return
        batch.first = batch.count
      })
      const id = idOf(a, b.localAddress)
      // different lengths, so that each is a message of its own
      for (let round = 0; round < 4; round++) {
        for (let n = 0; n < 256; n++) put(a, id, numbered(n, 500 + n))
        assert.strictEqual(a.send(), 256)
      }
      const { stats } = b
      yield* hostUntil(() => stats.received > 32)
      // the next one that arrives tells what was dropped before
      yield* hostUntil(() => {
        put(a, id, numbered(0, 10))
        a.send()
        return stats.kernelDrops > 0
      })
      yield* hostUntil(() => stats.received + stats.kernelDrops >= a.stats.sent)
      assert.strictEqual(stats.received + stats.kernelDrops, a.stats.sent)
      assert.deepStrictEqual(sizes.slice(0, 32), Array.from({ length: 32 }, (_, i) => 32 - i))
    })
  )

  law(
    "a socket that slept is woken, every time",
    Effect.gen(function*() {
      const a = yield* open()
      const b = yield* open()
      const atB = collect(b)
      const atA = collect(a)
      const toB = idOf(a, b.localAddress)
      const toA = idOf(b, a.localAddress)
      for (let n = 0; n < 200; n++) {
        put(a, toB, numbered(n, 50))
        a.send()
        yield* hostUntil(() => atB.length === n + 1)
        put(b, toA, numbered(n, 60))
        b.send()
        yield* hostUntil(() => atA.length === n + 1)
      }
      assert.strictEqual(a.stats.receiveErrors + b.stats.receiveErrors, 0)
    })
  )

  law(
    "a handler may close its own socket",
    Effect.gen(function*() {
      const a = yield* open()
      const scope = yield* Scope.make()
      const b = yield* openIn(kit("127.0.0.1"), scope)
      const fork = Runtime.runFork(yield* Effect.runtime<never>())
      let batches = 0
      b.setHandler(() => {
        batches++
        fork(Scope.close(scope, Exit.void))
      })
      const id = idOf(a, b.localAddress)
      for (let n = 0; n < 1_000; n++) put(a, id, numbered(n, n % 200))
      a.send()
      yield* Deferred.await(b.closed)
      assert.strictEqual(batches, 1)
    })
  )

  law(
    "a released id that is given out again has its new address, beyond the first thousand too",
    Effect.gen(function*() {
      const a = yield* open()
      const b = yield* open()
      const c = yield* open()
      const atB = collect(b)
      const atC = collect(c)
      const ids = Array.from({ length: 2_048 }, () => idOf(a, b.localAddress))
      for (const id of ids) put(a, id, Uint8Array.of(1))
      assert.strictEqual(a.send(), 2_048)
      for (const id of ids) a.addresses.release(id)
      const again = Array.from({ length: 2_000 }, () => idOf(a, c.localAddress))
      for (const id of again) put(a, id, Uint8Array.of(2))
      assert.strictEqual(a.send(), 2_000)
      yield* hostUntil(() => atC.length === 2_000 && atB.length === 2_048)
      assert.isTrue(atC.every(({ bytes }) => bytes[0] === 2) && atB.every(({ bytes }) => bytes[0] === 1))
    })
  )

  law(
    "nobody listening at the address kills nothing, and costs no other datagram",
    Effect.gen(function*() {
      const a = yield* open()
      const received = collect(a)
      const gone = yield* Effect.scoped(Effect.map(open(), (socket) => socket.localAddress))
      const toGone = idOf(a, gone)
      const toSelf = idOf(a, a.localAddress)
      for (let n = 0; n < 20; n++) {
        put(a, toGone, Uint8Array.of(0))
        put(a, toSelf, Uint8Array.of(n))
        assert.strictEqual(a.send(), 2)
      }
      yield* hostUntil(() => received.length === 20)
      assert.deepStrictEqual(received.map(({ bytes }) => bytes[0]), Array.from({ length: 20 }, (_, n) => n))
    })
  )

  law(
    "an address family that the socket has not, and port 0, are counted errors",
    Effect.gen(function*() {
      const a = yield* open()
      put(a, idOf(a, { host: "::1", port: 9 }), Uint8Array.of(1))
      put(a, idOf(a, { host: "127.0.0.1", port: 0 }), Uint8Array.of(1))
      assert.strictEqual(a.send(), 0)
      assert.strictEqual(a.stats.sendErrors, 2)
    })
  )

  law(
    "the buffers that the system granted are reported, and drops are known",
    Effect.gen(function*() {
      const a = yield* open()
      assert.isAbove(a.granted.receiveBufferBytes, 0)
      assert.isAbove(a.granted.sendBufferBytes, 0)
      assert.strictEqual(a.stats.kernelDrops, 0)
      const small = yield* open({ receiveBufferBytes: 100_000, sendBufferBytes: 50_000 })
      assert.deepStrictEqual(small.granted, { receiveBufferBytes: 200_000, sendBufferBytes: 100_000 })
    })
  )

  law(
    "a port is shared by those who ask for it and by nobody else, and every datagram reaches one of them",
    Effect.gen(function*() {
      const first = yield* open({ reusePort: true })
      const { port } = first.localAddress
      const second = yield* open({ port, reusePort: true })
      assert.strictEqual((yield* Effect.flip(Effect.asVoid(open({ port })))).reason, "AddressInUse")
      const atFirst = collect(first)
      const atSecond = collect(second)
      for (let n = 0; n < 64; n++) {
        const sender = yield* open()
        put(sender, idOf(sender, first.localAddress), Uint8Array.of(n))
        sender.send()
      }
      yield* hostUntil(() => atFirst.length + atSecond.length === 64)
      assert.isAbove(atFirst.length, 0)
      assert.isAbove(atSecond.length, 0)
    })
  )

  law(
    "a second socket cannot bind the port, not even by SO_REUSEADDR",
    Effect.gen(function*() {
      const a = yield* open()
      const { port } = a.localAddress
      // what a program of somebody else would do
      const thief = replacing((real) => ({
        setsockopt: (fd, level, option, value) =>
          real.setsockopt(fd, level, option, option === LinuxSocket.SO_REUSEADDR ? 1 : value)
      }))
      const error = yield* Effect.flip(Effect.asVoid(batch.make({ port }, () => thief)))
      assert.strictEqual(error.reason, "AddressInUse")
    })
  )

  it.scopedLive.skipIf(!hasIPv6)(
    "a socket on :: sees IPv4 peers as IPv4 addresses, and answers them; ipv6Only does not hear them",
    () =>
      Effect.gen(function*() {
        const both = yield* open({ host: "::" })
        const six = yield* open({ host: "::", ipv6Only: true, port: both.localAddress.port === 65_535 ? 65_534 : 0 })
        const four = yield* open()
        const atBoth = collect(both)
        const atSix = collect(six)
        const atFour = collect(four)
        put(four, idOf(four, { host: "127.0.0.1", port: six.localAddress.port }), Uint8Array.of(1))
        put(four, idOf(four, { host: "127.0.0.1", port: both.localAddress.port }), Uint8Array.of(1))
        four.send()
        yield* hostUntil(() => atBoth.length === 1)
        assert.deepStrictEqual(atBoth[0].from, four.localAddress)
        put(both, idOf(both, atBoth[0].from), Uint8Array.of(2))
        put(both, idOf(both, { host: "::1", port: six.localAddress.port }), Uint8Array.of(3))
        assert.strictEqual(both.send(), 2)
        yield* hostUntil(() => atFour.length === 1 && atSix.length === 1)
        assert.deepStrictEqual(atSix[0].bytes, Uint8Array.of(3))
      })
  )

  law(
    "no way to fail to open leaves a file open, nor does closing",
    Effect.gen(function*() {
      const taken = yield* open()
      const before = openFiles()
      const failing = (call: "socket" | "bind" | "getsockname" | "setsockopt" | "getsockopt" | "dup3", nth: number) => {
        let calls = 0
        const library = replacing((real) => ({
          [call]: (...args: Array<number>): number => {
            if (calls++ === nth) throw new FfiError({ reason: "SystemCall", detail: `${call} failed`, code: "EMFILE" })
            return (real[call] as (...args: Array<number>) => number).apply(real, args)
          }
        }))
        return batch.make({}, () => library)
      }
      const attempts = [
        open({ port: taken.localAddress.port }),
        open({ host: "192.0.2.1" }),
        open({ host: "nowhere" }),
        batch.make({}, () => new FfiError({ reason: "KoffiMissing", detail: "not here" })),
        failing("socket", 0),
        failing("socket", 1),
        failing("dup3", 0),
        failing("dup3", 1),
        failing("setsockopt", 0),
        failing("getsockopt", 0),
        failing("bind", 0),
        failing("getsockname", 0)
      ]
      const reasons: Array<string> = []
      for (const attempt of attempts) {
        reasons.push((yield* Effect.flip(Effect.asVoid(Effect.scoped(attempt)))).reason)
        assert.strictEqual(openFiles(), before)
      }
      assert.deepStrictEqual(reasons.slice(0, 4), [
        "AddressInUse",
        "AddressNotAvailable",
        "InvalidAddress",
        "Unsupported"
      ])
      assert.isTrue(reasons.slice(4).every((reason) => reason === "TooManyOpenFiles"))
      for (let i = 0; i < 20; i++) yield* Effect.scoped(open())
      assert.strictEqual(openFiles(), before)
    })
  )

  for (const end of ["terminated", "killed by a fault"] as const) {
    law(
      `a worker thread that is ${end} leaves no port taken`,
      Effect.gen(function*() {
        const before = openFiles()
        const worker = new Worker(new URL("support/batchWorker.mjs", import.meta.url))
        const port = yield* Effect.async<number>((resume) => {
          worker.once("message", (port: number) => resume(Effect.succeed(port)))
          worker.once("error", (error) => resume(Effect.die(error)))
        })
        assert.strictEqual((yield* Effect.flip(Effect.asVoid(Effect.scoped(open({ port }))))).reason, "AddressInUse")
        yield* Effect.async<void>((resume) => {
          worker.removeAllListeners("error")
          worker.once("error", () => {})
          worker.once("exit", () => resume(Effect.void))
          if (end === "terminated") void worker.terminate()
          else worker.postMessage("throw")
        })
        yield* Effect.scoped(open({ port }))
        assert.strictEqual(openFiles(), before)
      })
    )
  }
})

describe.skipIf(!hasBatch)("the bell of layerBatch", () => {
  for (const [where, hide] of [["finds the handle of dgram", false], ["does not find it", true]] as const) {
    it.scopedLive(`wakes the socket for every batch where it ${where}`, () =>
      Effect.gen(function*() {
        const symbolsOf = Object.getOwnPropertySymbols
        if (hide) Object.getOwnPropertySymbols = () => []
        const b = yield* open().pipe(
          Effect.ensuring(Effect.sync(() => {
            Object.getOwnPropertySymbols = symbolsOf
          }))
        )
        const a = yield* open()
        const received = collect(b)
        const id = idOf(a, b.localAddress)
        for (let n = 0; n < 5; n++) {
          put(a, id, numbered(n, 50))
          a.send()
          yield* hostUntil(() => received.length === n + 1)
        }
        assert.deepStrictEqual(received.map(({ bytes }) => bytes), Array.from({ length: 5 }, (_, n) => numbered(n, 50)))
      }))
  }
})

describe("the choice of layerBest", () => {
  const chosen = (wanted: "dgram" | "batch" | "auto", isAvailable: boolean) => {
    const logged: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => {
      logged.push(`${logLevel.label} ${String(message)}`)
    })
    const cause = new FfiError({ reason: "KoffiMissing", detail: "no such module" })
    const error = new UdpSocketError({ reason: "Unsupported", host: "127.0.0.1", port: 0, cause })
    return best.choose(wanted, isAvailable ? Effect.void : Effect.fail(error)).pipe(
      Logger.withMinimumLogLevel(LogLevel.Debug),
      Effect.provide(Logger.replace(Logger.defaultLogger, logger)),
      Effect.map((kind) => ({ kind, logged }))
    )
  }

  it.effect("is the batched socket wherever it works, unless dgram is asked for, and nothing is said of it", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* chosen("auto", true), { kind: "batch", logged: [] })
      assert.deepStrictEqual(yield* chosen("batch", true), { kind: "batch", logged: [] })
      assert.deepStrictEqual(yield* chosen("dgram", true), { kind: "dgram", logged: [] })
      assert.deepStrictEqual(yield* chosen("dgram", false), { kind: "dgram", logged: [] })
    }))

  it.effect("is dgram elsewhere, with one line: for debugging, or a warning to who asked for the other", () =>
    Effect.gen(function*() {
      for (const [wanted, level] of [["auto", "DEBUG"], ["batch", "WARN"]] as const) {
        const { kind, logged } = yield* chosen(wanted, false)
        assert.strictEqual(kind, "dgram")
        assert.strictEqual(logged.length, 1)
        assert.include(logged[0], level)
        assert.include(logged[0], "npm install koffi")
      }
    }))

  it.scopedLive.skipIf(!hasBatch)(
    "the batched socket works here, and one that never wakes does not",
    () =>
      Effect.gen(function*() {
        yield* best.test()
        const deaf = replacing(() => ({ recvmmsg: () => -constants.errno.EAGAIN }))
        const error = yield* Effect.flip(best.test(() => deaf))
        assert.strictEqual(error.reason, "Unsupported")
        assert.instanceOf(error.cause, FfiError)
      })
  )
})
