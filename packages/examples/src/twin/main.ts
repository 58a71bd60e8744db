/**
 * A digital twin: a plant publishes the newest state of its machines, and a control room keeps a twin of all of them that
 * says of each value how old it is, and whether it can still be trusted.
 *
 *     npx tsx packages/examples/src/twin/main.ts
 *
 * A `StateChannel` carries values of a schema under keys. Only the newest value of a key ever waits to be sent, what was
 * lost is repaired, and who joins late gets all keys first. The network is simulated, so that the line to the plant can
 * be cut, and the time passes at once.
 */
import { Network } from "@intentra/udp"
import {
  Console,
  Context,
  Effect,
  Fiber,
  HashMap,
  Layer,
  Logger,
  LogLevel,
  Schedule,
  Schema,
  SubscriptionRef
} from "effect"
import { Channels, Intentra, IntentraTest, StateChannel } from "intentra"
import type { ConnectOptions } from "intentra"

const MACHINES = 20

const State = Schema.Struct({ rpm: Schema.Number, celsius: Schema.Number })

class Machines extends Context.Tag("plant/Machines")<Machines, StateChannel.StateChannel<typeof State.Type>>() {
  /** A value that was not published again for a second is stale. */
  static readonly layer = StateChannel.layer(Machines, { name: "machines", schema: State, ttl: "1 second" }).pipe(
    Layer.provide(Channels.layer)
  )
}

/** Every machine runs a little faster each time, and warms up; a hundred times a second. */
const plant = Effect.gen(function*() {
  const machines = yield* Machines
  let round = 0
  const publish = Effect.suspend(() => {
    round++
    return Effect.forEach(
      Array.from({ length: MACHINES }, (_, i) => i),
      (i) => machines.publish(`machine/${i}`, { rpm: 1000 + round, celsius: 20 + i + round / 100 }),
      { discard: true }
    )
  })
  yield* Effect.repeat(publish, Schedule.spaced("10 millis"))
})

/** A twin of every machine, live for as long as the scope. */
const controlRoom = (hub: ConnectOptions) =>
  Effect.gen(function*() {
    const machines = yield* Machines
    const transport = yield* Intentra
    const peer = yield* transport.connect(hub)
    const twin = yield* machines.subscribe(peer)
    yield* twin.synced // every key that there was has arrived
    return yield* twin.view
  })

const program = Effect.gen(function*() {
  const network = yield* Network
  const site = (options: IntentraTest.TestOptions) =>
    Layer.build(Layer.provideMerge(Machines.layer, IntentraTest.layerNetwork(options)))
  const atPlant = yield* site({ host: "10.0.0.1", allow: "any" })
  const atRoom = yield* site({ host: "10.0.0.2" })
  const { address, publicKey } = Context.get(atPlant, Intentra)

  yield* Effect.forkScoped(Effect.provide(plant, atPlant))
  yield* network.advance("5 seconds")
  yield* Console.log("the plant has been running for 5 seconds when the control room joins")
  const joining = yield* Effect.fork(Effect.provide(controlRoom({ ...address, publicKey }), atRoom))
  yield* network.advance("2 seconds")
  const view = yield* Fiber.join(joining)

  const tell = (when: string) =>
    Effect.flatMap(SubscriptionRef.get(view), (twin) => {
      const entries = [...HashMap.values(twin)]
      const stale = entries.filter((entry) => entry.stale).length
      const oldest = Math.max(...entries.map((entry) => entry.age))
      return Console.log(
        `${when}: ${entries.length} machines, ${stale} of them stale, the oldest value ${Math.round(oldest)} ms old`
      )
    })

  yield* tell("two seconds later")
  yield* network.partition(["10.0.0.1"], ["10.0.0.2"])
  yield* network.advance("3 seconds")
  yield* tell("the line is cut for 3 seconds")
  yield* network.heal
  yield* network.advance("2 seconds")
  yield* tell("two seconds after it is mended")
})

await Effect.runPromise(
  program.pipe(
    Effect.scoped,
    Effect.provide(Network.layer({ seed: 1, latency: 25, jitter: 10, loss: 0.05 })),
    Logger.withMinimumLogLevel(LogLevel.Warning)
  )
)
