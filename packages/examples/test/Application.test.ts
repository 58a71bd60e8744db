import { assert, describe, it } from "@effect/vitest"
import { Network } from "@intentra/udp"
import type { NetworkConditions } from "@intentra/udp/NetworkConditions"
import { Effect, FastCheck } from "effect"
import { Intentra, IntentraTest } from "intentra"
import { vehicle, viewer } from "../src/simulated/application.js"

interface Sight {
  readonly position: number
  readonly at: number
}

/** The application's minute in some weather, and what the viewer saw. */
const drive = (conditions: Partial<NetworkConditions>, seed: number) =>
  Effect.scoped(Effect.gen(function*() {
    const network = yield* Network.make({ seed, trace: "hash", ...conditions })
    const hub = yield* IntentraTest.make(network, { host: "10.0.0.1", allow: "any" })
    const seen: Array<Sight> = []
    yield* viewer((position, at) => seen.push({ position, at })).pipe(
      Effect.provideService(Intentra, hub),
      Effect.forkScoped
    )
    yield* vehicle({ host: "10.0.0.1", port: hub.address.port, publicKey: hub.publicKey }).pipe(
      Effect.scoped,
      Effect.provide(IntentraTest.layer(network, { host: "10.0.0.2" })),
      Effect.forkScoped
    )
    yield* network.advance("90 seconds")
    return { seen, hash: network.trace.hash }
  }))

describe("an application on the simulated network", () => {
  it.effect.prop(
    "in any weather the viewer sees no position twice, and never goes back",
    [
      FastCheck.record({
        latency: FastCheck.integer({ min: 0, max: 150 }),
        jitter: FastCheck.integer({ min: 0, max: 80 }),
        loss: FastCheck.double({ min: 0, max: 0.4, noNaN: true }),
        duplicate: FastCheck.double({ min: 0, max: 0.2, noNaN: true })
      }),
      FastCheck.nat()
    ],
    ([conditions, seed]) =>
      Effect.map(drive(conditions, seed), ({ seen }) => {
        for (let i = 1; i < seen.length; i++) assert.isAbove(seen[i].position, seen[i - 1].position)
      }),
    { fastCheck: { numRuns: 5 } }
  )

  it.effect("over a good link every position is seen, the last one too", () =>
    Effect.map(drive({ latency: 30 }, 1), ({ seen }) => {
      assert.strictEqual(seen.length, 1200)
      assert.strictEqual(seen.at(-1)?.position, 1199)
    }))

  it.effect("the same seed gives the same run", () =>
    Effect.map(
      Effect.all([drive({ loss: 0.2, jitter: 20 }, 7), drive({ loss: 0.2, jitter: 20 }, 7)]),
      ([one, other]) => assert.deepStrictEqual(one, other)
    ))
})
