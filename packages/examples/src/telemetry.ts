/**
 * Telemetry over loopback: two machines tell a hub how they are, the hub keeps the newest reading of each, and sends both
 * of them home at the end.
 *
 *     npx tsx packages/examples/src/telemetry.ts
 *
 * Only the newest reading counts, so readings are Sequenced: one that comes late is dropped instead of delivered.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Logger, LogLevel, Stream } from "effect"
import { Intentra, SendOptions, StaticKey } from "intentra"
import type { ConnectOptions } from "intentra"
import { loadavg } from "node:os"

const READINGS = 20

// Made once: nothing is parsed or allocated for each message then.
const newestOnly = SendOptions.make({ intent: "Sequenced", priority: 1 })

interface Reading {
  readonly name: string
  readonly number: number
  readonly load: number
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
const decode = (payload: Uint8Array): string => new TextDecoder().decode(payload)

const machine = (name: string, hub: ConnectOptions) =>
  Effect.gen(function*() {
    const transport = yield* Intentra
    const peer = yield* transport.connect(hub)
    for (let number = 1; number <= READINGS; number++) {
      const now: Reading = { name, number, load: loadavg()[0] }
      yield* peer.send(encode(JSON.stringify(now)), newestOnly)
      yield* Effect.sleep("25 millis")
    }
    yield* transport.deliveries.pipe(
      Stream.take(1),
      Stream.runForEach(({ payload }) => Console.log(`${name}: the hub says ${decode(payload)}`)),
      Effect.timeout("2 seconds")
    )
  })

const program = Effect.gen(function*() {
  const hub = yield* Intentra
  const newest = new Map<string, number>()

  yield* hub.deliveries.pipe(
    Stream.runForEach(({ payload, peer }) => {
      const { name, number }: Reading = JSON.parse(decode(payload))
      newest.set(name, number)
      return number === READINGS ? peer.send(encode("good night")) : Effect.void
    }),
    Effect.forkScoped
  )
  yield* hub.events.pipe(
    Stream.runForEach((event) => Console.log(`hub: ${event._tag} ${"peer" in event ? event.peer.id : ""}`)),
    Effect.forkScoped
  )

  const address = { host: hub.address.host, port: hub.address.port, publicKey: hub.publicKey }
  // each machine has a transport of its own, as if it were another process
  yield* Effect.all(
    (["north", "south"] as const).map((name) =>
      Effect.provide(Effect.scoped(machine(name, address)), Intentra.layer({ key: keys[name].secretKey }))
    ),
    { concurrency: "unbounded" }
  )
  for (const [name, number] of newest) yield* Console.log(`hub: the newest reading of ${name} is number ${number}`)
  yield* Console.log(`hub: dropped ${JSON.stringify(hub.counters.dropsByReason())}`)
})

// In earnest the keys come from files that "intentra keygen" made, and INTENTRA_ALLOW lists the public halves.
const keys = Effect.runSync(
  Effect.provide(
    Effect.all({ hub: StaticKey.generate, north: StaticKey.generate, south: StaticKey.generate }),
    StaticKey.layer
  )
)

program.pipe(
  Effect.scoped,
  Effect.provide(Intentra.layer({ key: keys.hub.secretKey, allow: [keys.north.publicKey, keys.south.publicKey] })),
  Logger.withMinimumLogLevel(LogLevel.Warning),
  NodeRuntime.runMain
)
