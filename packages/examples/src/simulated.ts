/**
 * How to test your own application: the same code, on a network that exists in memory, with weather that you choose and
 * time that passes when you say so. Every run is the same.
 *
 *     npx tsx packages/examples/src/simulated.ts
 */
import { Network } from "@intentra/udp"
import { Context, Effect, Layer, Logger, LogLevel, Stream } from "effect"
import { Intentra, IntentraTest } from "intentra"
import type { ConnectOptions } from "intentra"

/** The application: a position every 50 ms for a minute. It knows nothing of simulations. */
const application = (hub: ConnectOptions) =>
  Effect.gen(function*() {
    const transport = yield* Intentra
    const peer = yield* transport.connect(hub)
    for (let i = 0; i < 1200; i++) {
      yield* peer.send(new TextEncoder().encode(`position ${i}`), { intent: "Sequenced", ttl: "200 millis" })
      yield* Effect.sleep("50 millis")
    }
  })

const test = Effect.gen(function*() {
  const network = yield* Network
  const hub = yield* Effect.map(
    Layer.build(IntentraTest.layerNetwork({ host: "10.0.0.1", allow: "any" })),
    Context.get(Intentra)
  )
  const arrivals: Array<number> = []
  yield* Effect.forkScoped(
    Stream.runForEach(hub.deliveries, (delivery) => Effect.sync(() => arrivals.push(delivery.receivedAt)))
  )
  const address = { host: "10.0.0.1", port: hub.address.port, publicKey: hub.publicKey }
  yield* Effect.forkScoped(
    Effect.provide(Effect.scoped(application(address)), IntentraTest.layerNetwork({ host: "10.0.0.2" }))
  )

  // twenty seconds of a good link, twenty of a bad one, five of none, and the rest good again
  yield* network.advance("20 seconds")
  const good = arrivals.length
  yield* network.configure({ loss: 0.3, jitter: 30 })
  yield* network.advance("20 seconds")
  const bad = arrivals.length - good
  yield* network.partition(["10.0.0.1"], ["10.0.0.2"])
  yield* network.advance("5 seconds")
  yield* network.heal
  yield* network.configure({ loss: 0, jitter: 0 })
  yield* network.advance("1 minute")

  const gaps = arrivals.slice(1).map((at, i) => at - arrivals[i])
  console.log(`${good} of 400 positions arrived over the good link`)
  console.log(`${bad} of 400 over the bad one, the others were lost or too old`)
  console.log(`the longest silence was ${(Math.max(...gaps) / 1000).toFixed(1)} s`)
  console.log(`${Math.round(network.now / 1000)} s have passed, in the simulation`)
})

await Effect.runPromise(
  test.pipe(
    Effect.scoped,
    Effect.provide(Network.layer({ seed: 1, latency: 30 })),
    Logger.withMinimumLogLevel(LogLevel.Warning)
  )
)
