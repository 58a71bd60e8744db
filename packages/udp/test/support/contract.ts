import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Layer, Scope } from "effect"
import {
  Address,
  type ReceiveBatch,
  UdpSocket,
  type UdpSocketError,
  type UdpSocketOptions,
  type UdpSocketShape
} from "../../src/index.js"

/** What the contract needs to know of a kind of socket. */
export interface SocketKit<R> {
  readonly name: string
  /** An address that the machine has. */
  readonly host: string
  readonly layer: (options: UdpSocketOptions) => Layer.Layer<UdpSocket, UdpSocketError, R>
  readonly environment: Layer.Layer<R>
  /** Lets things happen until the predicate holds. */
  readonly until: (predicate: () => boolean) => Effect.Effect<void, never, R>
}

/** A received datagram, copied out of its batch. */
export interface Received {
  readonly bytes: Uint8Array
  readonly length: number
  readonly from: Address.SocketAddress
}

export const copyOut = (batch: ReceiveBatch, i: number, maxDatagramBytes: number): Received => ({
  bytes: batch.arena.slice(batch.offsets[i], batch.offsets[i] + Math.min(batch.lengths[i], maxDatagramBytes)),
  length: batch.lengths[i],
  from: Address.decode(batch.addresses, batch.addressOffsets[i])
})

/** Makes the socket keep a copy of all that comes. */
export const collect = (socket: UdpSocketShape): Array<Received> => {
  const all: Array<Received> = []
  socket.setHandler((batch) => {
    for (let i = 0; i < batch.count; i++) all.push(copyOut(batch, i, socket.maxDatagramBytes))
  })
  return all
}

export const idOf = (socket: UdpSocketShape, address: Address.SocketAddress): number => {
  const bytes = new Uint8Array(Address.ADDRESS_BYTES)
  assert.isTrue(Address.encode(address, bytes, 0))
  return socket.addresses.acquire(bytes, 0)
}

/** Into the outbox, which goes first when it is full. */
export const put = (socket: UdpSocketShape, id: number, bytes: Uint8Array): void => {
  let offset = socket.outbox.reserve(bytes.length)
  if (offset < 0) {
    socket.send()
    offset = socket.outbox.reserve(bytes.length)
  }
  assert.isAtLeast(offset, 0)
  socket.outbox.arena.set(bytes, offset)
  socket.outbox.commit(bytes.length, id)
}

/** A datagram that tells its number and whose every byte can be checked. */
export const numbered = (n: number, length: number): Uint8Array => {
  const bytes = new Uint8Array(length)
  for (let i = 0; i < length; i++) bytes[i] = (n * 31 + i * 7) & 0xff
  if (length >= 2) new DataView(bytes.buffer).setUint16(0, n)
  return bytes
}

export const openIn = <R>(kit: SocketKit<R>, scope: Scope.Scope, options: UdpSocketOptions = {}) =>
  Effect.map(
    Layer.buildWithScope(kit.layer({ host: kit.host, ...options }), scope),
    (context) => Context.get(context, UdpSocket)
  )

/** The laws that every kind of socket keeps. */
export const socketContract = <R>(kit: SocketKit<R>): void => {
  const open = (options: UdpSocketOptions = {}) => Effect.flatMap(Effect.scope, (scope) => openIn(kit, scope, options))
  const law = (name: string, body: Effect.Effect<void, unknown, R | Scope.Scope>): void => {
    it.scopedLive(name, () => Effect.provide(body, kit.environment))
  }

  describe(`UdpSocket contract: ${kit.name}`, () => {
    law(
      "every datagram arrives once, unchanged, in order, with the sender's address",
      Effect.gen(function*() {
        const a = yield* open()
        const b = yield* open()
        const received = collect(b)
        const id = idOf(a, b.localAddress)
        for (let n = 0; n < 50; n++) put(a, id, numbered(n, 2 + n * 20))
        assert.strictEqual(a.send(), 50)
        yield* kit.until(() => received.length === 50)
        for (let n = 0; n < 50; n++) {
          assert.deepStrictEqual(received[n].bytes, numbered(n, 2 + n * 20))
          assert.deepStrictEqual(received[n].from, a.localAddress)
        }
        assert.strictEqual(a.stats.sent, 50)
        assert.strictEqual(b.stats.received, 50)
        assert.strictEqual(b.stats.receivedBytes, a.stats.sentBytes)
      })
    )

    law(
      "datagrams of several senders keep their sources apart",
      Effect.gen(function*() {
        const senders = [yield* open(), yield* open(), yield* open()]
        const b = yield* open()
        const received = collect(b)
        const ids = senders.map((sender) => idOf(sender, b.localAddress))
        for (let n = 0; n < 30; n++) {
          put(senders[n % 3], ids[n % 3], numbered(n, 10))
          senders[n % 3].send()
        }
        yield* kit.until(() => received.length === 30)
        for (const { bytes, from } of received) {
          const n = new DataView(bytes.buffer).getUint16(0)
          assert.deepStrictEqual(from, senders[n % 3].localAddress)
        }
      })
    )

    law(
      "an id that is given out again leads to its new address only",
      Effect.gen(function*() {
        const a = yield* open()
        const b = yield* open()
        const c = yield* open()
        const atB = collect(b)
        const atC = collect(c)
        const first = idOf(a, b.localAddress)
        put(a, first, Uint8Array.of(1))
        a.send()
        yield* kit.until(() => atB.length === 1)
        a.addresses.release(first)
        const second = idOf(a, c.localAddress)
        assert.strictEqual(second, first)
        put(a, second, Uint8Array.of(2))
        a.send()
        yield* kit.until(() => atC.length === 1)
        assert.strictEqual(atB.length, 1)
      })
    )

    law(
      "send empties the outbox",
      Effect.gen(function*() {
        const a = yield* open()
        put(a, idOf(a, a.localAddress), numbered(1, 10))
        a.send()
        assert.strictEqual(a.outbox.count, 0)
        assert.strictEqual(a.outbox.bytes, 0)
        assert.strictEqual(a.send(), 0)
      })
    )

    law(
      "bytes written into the outbox after send do not reach what was sent before",
      Effect.gen(function*() {
        const a = yield* open()
        const b = yield* open()
        const received = collect(b)
        const id = idOf(a, b.localAddress)
        for (let round = 0; round < 10; round++) {
          for (let i = 0; i < 10; i++) put(a, id, numbered(round * 10 + i, 1_200))
          a.send()
          a.outbox.arena.fill(0xee)
        }
        yield* kit.until(() => received.length === 100)
        received.forEach(({ bytes }, n) => assert.deepStrictEqual(bytes, numbered(n, 1_200)))
      })
    )

    law(
      "a transient id answers a stranger and is forgotten when send has returned",
      Effect.gen(function*() {
        const a = yield* open()
        const b = yield* open()
        const received = collect(a)
        let transient = 0
        b.setHandler((batch) => {
          transient = b.addresses.transient(batch.addresses, 0)
          assert.deepStrictEqual(b.addresses.address(transient), a.localAddress)
          put(b, transient, Uint8Array.of(42))
          b.send()
        })
        put(a, idOf(a, b.localAddress), Uint8Array.of(1))
        a.send()
        yield* kit.until(() => received.length === 1)
        assert.deepStrictEqual(received[0].bytes, Uint8Array.of(42))
        assert.isFalse(b.addresses.has(transient))
        assert.strictEqual(b.addresses.size, 0)
      })
    )

    law(
      "an id that is not held is one counted error and stops no other datagram",
      Effect.gen(function*() {
        const a = yield* open()
        const received = collect(a)
        const id = idOf(a, a.localAddress)
        const released = idOf(a, a.localAddress)
        a.addresses.release(released)
        put(a, 0, Uint8Array.of(0))
        put(a, released, Uint8Array.of(0))
        put(a, 999_999, Uint8Array.of(0))
        put(a, id, Uint8Array.of(1))
        assert.strictEqual(a.send(), 1)
        yield* kit.until(() => received.length === 1)
        assert.deepStrictEqual(received[0].bytes, Uint8Array.of(1))
        assert.strictEqual(a.stats.sendErrors, 3)
      })
    )

    law(
      "an empty datagram arrives",
      Effect.gen(function*() {
        const a = yield* open()
        const received = collect(a)
        put(a, idOf(a, a.localAddress), new Uint8Array(0))
        a.send()
        yield* kit.until(() => received.length === 1)
        assert.strictEqual(received[0].length, 0)
      })
    )

    law(
      "a datagram longer than maxDatagramBytes is flagged by its length, cut, and counted; its neighbours are whole",
      Effect.gen(function*() {
        const a = yield* open({ maxDatagramBytes: 4_096 })
        const b = yield* open({ maxDatagramBytes: 100 })
        const received = collect(b)
        const id = idOf(a, b.localAddress)
        for (const length of [100, 101, 3_000, 99]) put(a, id, numbered(length, length))
        a.send()
        yield* kit.until(() => received.length === 4)
        assert.deepStrictEqual(received.map(({ length }) => length > 100), [false, true, true, false])
        assert.deepStrictEqual(received[0].bytes, numbered(100, 100))
        assert.deepStrictEqual(received[1].bytes, numbered(101, 101).slice(0, 100))
        assert.deepStrictEqual(received[3].bytes, numbered(99, 99))
        assert.strictEqual(b.stats.truncated, 2)
      })
    )

    law(
      "a batch holds at most the turn budget, and the event loop turns between two batches",
      Effect.gen(function*() {
        const a = yield* open()
        const b = yield* open({ turnBudget: 32 })
        let received = 0
        let turned = true
        b.setHandler((batch) => {
          assert.isAtMost(batch.count, 32)
          assert.isTrue(turned)
          turned = false
          b.loop.defer(() => {
            turned = true
          })
          received += batch.count
        })
        const id = idOf(a, b.localAddress)
        for (let n = 0; n < 200; n++) put(a, id, numbered(n, 100))
        assert.strictEqual(a.send(), 200)
        yield* kit.until(() => received === 200)
      })
    )

    law(
      "what a handler leaves of a batch comes again, from where it stopped, when the loop has turned, each datagram once",
      Effect.gen(function*() {
        const a = yield* open()
        const b = yield* open()
        const numbers: Array<number> = []
        let turned = true
        b.setHandler((batch) => {
          assert.isTrue(turned)
          turned = false
          b.loop.defer(() => {
            turned = true
          })
          const until = Math.min(batch.count, batch.first + 7)
          for (; batch.first < until; batch.first++) {
            const { bytes, from } = copyOut(batch, batch.first, b.maxDatagramBytes)
            assert.deepStrictEqual(from, a.localAddress)
            numbers.push(new DataView(bytes.buffer).getUint16(0))
          }
        })
        const id = idOf(a, b.localAddress)
        for (let n = 0; n < 30; n++) put(a, id, numbered(n, 100))
        a.send()
        yield* kit.until(() => numbers.length === 30)
        assert.deepStrictEqual(numbers, Array.from({ length: 30 }, (_, n) => n))
        assert.strictEqual(b.stats.received, 30)
        assert.strictEqual(b.stats.receivedBytes, 3_000)
      })
    )

    law(
      "what a handler left and nobody takes any more is counted as unhandled",
      Effect.gen(function*() {
        const a = yield* open()
        const b = yield* open()
        b.setHandler((batch) => {
          batch.first++
          b.setHandler(undefined)
        })
        const id = idOf(a, b.localAddress)
        for (let n = 0; n < 10; n++) put(a, id, numbered(n, 10))
        a.send()
        yield* kit.until(() => b.stats.received + b.stats.unhandled === 10)
        assert.strictEqual(b.stats.received, 1)
      })
    )

    law(
      "without a handler datagrams are counted and dropped, with another one the first hears nothing",
      Effect.gen(function*() {
        const a = yield* open()
        const id = idOf(a, a.localAddress)
        put(a, id, Uint8Array.of(1))
        a.send()
        yield* kit.until(() => a.stats.unhandled === 1)
        let first = 0
        a.setHandler(() => {
          first++
        })
        const second = collect(a)
        put(a, id, Uint8Array.of(2))
        a.send()
        yield* kit.until(() => second.length === 1)
        assert.strictEqual(first, 0)
        assert.strictEqual(a.stats.received, 1)
      })
    )

    law(
      "a longer payload than UDP has is refused and counted",
      Effect.gen(function*() {
        const a = yield* open({ maxDatagramBytes: 65_535 })
        put(a, idOf(a, a.localAddress), new Uint8Array(65_530))
        assert.strictEqual(a.send(), 0)
        assert.strictEqual(a.stats.sendErrors, 1)
      })
    )

    law(
      "an address that is taken fails with AddressInUse",
      Effect.gen(function*() {
        const a = yield* open()
        const error = yield* Effect.flip(Effect.asVoid(open({ port: a.localAddress.port })))
        assert.strictEqual(error.reason, "AddressInUse")
        assert.include(error.message, String(a.localAddress.port))
      })
    )

    law(
      "a host that is no IP literal and a port out of range fail with InvalidAddress",
      Effect.gen(function*() {
        for (const options of [{ host: "localhost" }, { host: "" }, { port: 65_536 }, { port: -1 }, { port: 1.5 }]) {
          const error = yield* Effect.flip(Effect.asVoid(open(options)))
          assert.strictEqual(error.reason, "InvalidAddress")
        }
      })
    )

    law(
      "the end of its scope completes closed, frees the address, and makes send a counted error",
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const a = yield* openIn(kit, scope)
        const id = idOf(a, a.localAddress)
        assert.isFalse(yield* Deferred.isDone(a.closed))
        yield* Scope.close(scope, Exit.void)
        yield* Deferred.await(a.closed)
        put(a, id, Uint8Array.of(1))
        assert.strictEqual(a.send(), 0)
        assert.strictEqual(a.stats.sendErrors, 1)
        yield* open({ port: a.localAddress.port })
      })
    )

    law(
      "what waits in the socket when its scope ends never reaches the handler",
      Effect.gen(function*() {
        const a = yield* open()
        const scope = yield* Scope.make()
        const b = yield* openIn(kit, scope)
        const received = collect(b)
        const probe = collect(a)
        put(a, idOf(a, b.localAddress), Uint8Array.of(1))
        a.send()
        yield* Scope.close(scope, Exit.void)
        put(a, idOf(a, a.localAddress), Uint8Array.of(2))
        a.send()
        yield* kit.until(() => probe.length === 1)
        assert.strictEqual(received.length, 0)
      })
    )
  })
}
