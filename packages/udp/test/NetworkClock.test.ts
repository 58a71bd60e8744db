import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Clock,
  Deferred,
  Effect,
  Exit,
  FastCheck as fc,
  Fiber,
  Layer,
  ManagedRuntime,
  Option,
  Schedule,
  Stream
} from "effect"
import { Network, UdpSocket } from "../src/index.js"
import type { Timeline } from "../src/internal/timeline.js"
import { collect, idOf, numbered, put } from "./support/contract.js"
import { pair } from "./support/peers.js"

const simulated = <A, E>(effect: Effect.Effect<A, E, Network>) =>
  Effect.provide(effect, Layer.orDie(Network.layer({ seed: 1 })))

describe("the clock of Network.layer", () => {
  it.live("sleeps, alarms and packets share one time: each happens at exactly its moment, all in order", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.record({ kind: fc.constantFrom("sleep", "alarm", "packet"), at: fc.integer({ min: 0, max: 30 }) }),
            {
              maxLength: 30
            }
          ),
          (things) =>
            Effect.runPromise(simulated(Effect.gen(function*() {
              const network = yield* Network
              const [a, b] = pair(network)
              const log: Array<string> = []
              const seen: Array<number> = []
              const note = (entry: string): void => {
                log.push(entry)
                seen.push(network.now)
              }
              b.socket.setHandler((batch) => {
                for (let i = 0; i < batch.count; i++) note(`packet ${network.now}`)
              })
              for (const { at, kind } of things) {
                if (kind === "alarm") network.loop.makeAlarm(() => note(`alarm ${network.now}`)).set(at)
                else if (kind === "packet") {
                  yield* network.inject({ from: a.text, to: b.text, bytes: numbered(1, 10), delay: at })
                } else {
                  yield* Effect.fork(Effect.zipRight(
                    Effect.sleep(at),
                    Effect.map(Clock.currentTimeMillis, (now) => note(`sleep ${now}`))
                  ))
                }
              }
              yield* network.advance(30)
              assert.deepStrictEqual(seen, seen.slice().sort((x, y) => x - y))
              assert.deepStrictEqual(log.slice().sort(), things.map(({ at, kind }) => `${kind} ${at}`).sort())
              assert.strictEqual(network.now, 30)
            })))
        ),
        { numRuns: 50 }
      )
    ))

  it.live("a fiber that an event wakes runs dry before the next event", () =>
    simulated(Effect.gen(function*() {
      const network = yield* Network
      const log: Array<string> = []
      const gate = yield* Deferred.make<void>()
      yield* Effect.fork(Effect.gen(function*() {
        yield* Deferred.await(gate)
        for (let i = 0; i < 20; i++) yield* Effect.yieldNow()
        log.push(`fiber at ${network.now}`)
      }))
      network.loop.makeAlarm(() => Deferred.unsafeDone(gate, Exit.void)).set(5)
      network.loop.makeAlarm(() => log.push(`alarm at ${network.now}`)).set(5)
      network.loop.makeAlarm(() => log.push(`alarm at ${network.now}`)).set(5.001)
      network.unsafeAdvance(10)
      assert.deepStrictEqual(log, ["fiber at 5", "alarm at 5", "alarm at 5.001"])
    })))

  it.live("schedules, timeouts and streams take virtual time only", () =>
    simulated(Effect.gen(function*() {
      const network = yield* Network
      const ticks: Array<number> = []
      yield* Effect.fork(
        Effect.sync(() => ticks.push(network.now)).pipe(Effect.repeat(Schedule.spaced("10 minutes")))
      )
      const late = yield* Effect.fork(Effect.timeoutOption(Effect.never, "3 hours"))
      const streamed = yield* Effect.fork(Stream.runCollect(Stream.take(Stream.tick("1 hour"), 4)))
      yield* network.advance("2 hours")
      assert.strictEqual(ticks.length, 13)
      assert.isTrue(Option.isNone(yield* Fiber.poll(late)))
      yield* network.advance("1 hour")
      assert.isTrue(Option.isNone(yield* Fiber.join(late)))
      assert.strictEqual((yield* Fiber.join(streamed)).length, 4)
      assert.strictEqual(yield* Clock.currentTimeMillis, 3 * 3_600_000)
      assert.strictEqual(yield* Clock.currentTimeNanos, 3n * 3_600_000_000_000n)
    })))

  it.live("an interrupted sleep never wakes", () =>
    simulated(Effect.gen(function*() {
      const network = yield* Network
      let woken = false
      const fiber = yield* Effect.fork(Effect.zipRight(
        Effect.sleep(10),
        Effect.sync(() => {
          woken = true
        })
      ))
      yield* network.advance(5)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual((network.loop as Timeline).size, 0)
      yield* network.advance(100)
      assert.isFalse(woken)
    })))

  it.live("fibers that wait for nothing but each other go on without advance", () =>
    simulated(Effect.gen(function*() {
      const fiber = yield* Effect.fork(Effect.forEach([1, 2, 3], (n) => Effect.as(Effect.yieldNow(), n * 2)))
      assert.deepStrictEqual(yield* Fiber.join(fiber), [2, 4, 6])
    })))

  it.live("fibers of another scheduler that sleep in virtual time are waited for", () =>
    Effect.gen(function*() {
      const network = yield* Network.make()
      const times: Array<number> = []
      yield* Effect.fork(Effect.withClock(
        Effect.repeatN(Effect.zipRight(Effect.sleep(10), Effect.sync(() => times.push(network.now))), 4),
        network.clock
      ))
      yield* network.advance(100)
      assert.deepStrictEqual(times, [10, 20, 30, 40, 50])
    }))

  it.live("a whole application runs in virtual time from a ManagedRuntime, the same every time", () => {
    const run = async (): Promise<string> => {
      const network = Network.unsafeMake({ seed: 7, loss: 0.2, latency: 20, jitter: 15, trace: "hash" })
      const runtime = ManagedRuntime.make(Network.layerOf(network))
      const echo = Effect.gen(function*() {
        const socket = yield* UdpSocket
        socket.setHandler((batch) => {
          for (let i = 0; i < batch.count; i++) {
            put(
              socket,
              socket.addresses.transient(batch.addresses, batch.addressOffsets[i]),
              batch.arena.slice(batch.offsets[i], batch.offsets[i] + batch.lengths[i])
            )
          }
          socket.send()
        })
        return yield* Effect.never
      }).pipe(Effect.provide(UdpSocket.layerSimulated({ host: "10.0.0.1", port: 9 })))
      const client = (n: number) =>
        Effect.gen(function*() {
          const socket = yield* UdpSocket
          const received = collect(socket)
          const id = idOf(socket, { host: "10.0.0.1", port: 9 })
          for (let i = 0; i < 20; i++) {
            put(socket, id, numbered(i, 30))
            socket.send()
            yield* Effect.sleep(50 + n)
          }
          return received.length
        }).pipe(Effect.provide(UdpSocket.layerSimulated({ host: `10.0.1.${n}` })))
      const counts = await runtime.runPromise(Effect.gen(function*() {
        yield* Effect.fork(echo)
        const clients = yield* Effect.fork(Effect.forEach([1, 2, 3, 4, 5], client, { concurrency: "unbounded" }))
        yield* Network.advance("1 minute")
        return yield* Fiber.join(clients)
      }))
      await runtime.dispose()
      assert.isTrue(counts.every((count) => count > 5 && count <= 20))
      return `${network.trace.hash} ${counts}`
    }
    return Effect.promise(async () => assert.strictEqual(await run(), await run()))
  })

  it.live("the clock and the scheduler end with the layer", () =>
    Effect.gen(function*() {
      const outside = yield* Effect.clock
      const inside = yield* simulated(Effect.zip(Effect.clock, Effect.map(Network, ({ clock }) => clock)))
      assert.strictEqual(inside[0], inside[1])
      assert.strictEqual(yield* Effect.clock, outside)
    }))

  it.live("advancing from within is a defect that says what to do instead", () =>
    simulated(Effect.gen(function*() {
      const network = yield* Network
      let message = ""
      network.loop.defer(() => {
        try {
          network.unsafeAdvance(1)
        } catch (error) {
          message = String(error)
        }
      })
      const fiber = yield* Effect.fork(Effect.zipRight(Effect.sleep(1), network.advance(1)))
      yield* network.advance(10)
      assert.include(message, "Effect.sleep")
      const exit = yield* Fiber.await(fiber)
      assert.isTrue(Exit.isFailure(exit) && Cause.isDie(exit.cause))
      yield* network.advance(1)
      assert.strictEqual(network.now, 11)
    })))

  it("something that repeats without time passing ends in an error, not in a hang", () => {
    const network = Network.unsafeMake()
    const alarm = network.loop.makeAlarm(() => alarm.set(0))
    alarm.set(0)
    assert.throws(() => network.unsafeAdvance(1), /without time passing/)
  })

  it("virtual time advances by finite durations only", () => {
    const network = Network.unsafeMake()
    assert.throws(() => network.unsafeAdvance(Infinity), /finite/)
    assert.throws(() => network.unsafeAdvance(NaN), /finite/)
    network.unsafeAdvance(-5)
    assert.strictEqual(network.now, 0)
  })

  it.live("two that advance at the same time are a defect too", () =>
    Effect.gen(function*() {
      const network = yield* Network.make()
      const first = yield* Effect.fork(network.advance(5))
      yield* Effect.yieldNow()
      const second = yield* Effect.exit(network.advance(5))
      assert.isTrue(Exit.isFailure(second) && Cause.isDie(second.cause))
      yield* Fiber.join(first)
      assert.strictEqual(network.now, 5)
    }))

  it.live("an interrupted advance stops, and another one can follow", () =>
    Effect.gen(function*() {
      const network = yield* Network.make()
      const first = yield* Effect.fork(network.advance("1 hour"))
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(first)
      yield* network.advance(1)
      assert.strictEqual(network.now % 3_600_000, 1)
    }))
})
