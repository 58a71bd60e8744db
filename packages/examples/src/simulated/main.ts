/**
 * How to test your own application: the same code, on a network that exists in memory, with weather that you choose and
 * time that passes when you say so. Every run is the same. As a test, with laws: `test/Application.test.ts`.
 *
 *     npx tsx packages/examples/src/simulated/main.ts
 */
import { Network } from "@intentra/udp"
import { Effect, Logger, LogLevel } from "effect"
import { Intentra, IntentraTest } from "intentra"
import { vehicle, viewer } from "./application.js"

const test = Effect.gen(function*() {
  const network = yield* Network
  const hub = yield* IntentraTest.make(network, { host: "10.0.0.1", allow: "any" })
  const arrivals: Array<number> = []
  yield* viewer((_, at) => arrivals.push(at)).pipe(Effect.provideService(Intentra, hub), Effect.forkScoped)
  yield* vehicle({ host: "10.0.0.1", port: hub.address.port, publicKey: hub.publicKey }).pipe(
    Effect.scoped,
    Effect.provide(IntentraTest.layerNetwork({ host: "10.0.0.2" })),
    Effect.forkScoped
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
