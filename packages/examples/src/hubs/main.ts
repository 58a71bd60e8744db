/**
 * Several hubs behind one name: each client chooses one by itself, all choices together are even, and when a hub dies its
 * clients go over to the others.
 *
 *     npx tsx packages/examples/src/hubs/main.ts
 *
 * A client ranks the hubs by a hash of its own key and the hub's (rendezvous hashing): nobody has to be asked, the same
 * client prefers the same hub, and the clients of a dead hub spread over those that remain. The network is simulated, so
 * that a hub can die without a word, and the minutes pass at once.
 */
import { Network } from "@intentra/udp"
import { Console, Effect, Logger, LogLevel, Schedule, Stream } from "effect"
import { Intentra, IntentraTest } from "intentra"
import type { ConnectOptions, IntentraError, IntentraShape, Peer } from "intentra"
import { createHash } from "node:crypto"

const HUBS = 3
const CLIENTS = 24

// In earnest: the addresses of a DNS name, asked again each time, and the hubs' public keys from the configuration.
type Resolve = Effect.Effect<ReadonlyArray<ConnectOptions>, IntentraError>

const rank = (client: Uint8Array, { publicKey }: ConnectOptions): string =>
  createHash("sha256").update(client).update(publicKey).digest("hex")

const ended = (transport: IntentraShape, peer: Peer) =>
  transport.events.pipe(
    Stream.filter((event) => event._tag === "PeerClosed" && event.peer === peer),
    Stream.take(1),
    Stream.runDrain
  )

/** A session with the best hub that answers, and with the next best when it ends; `use` runs anew in each session. */
const withHub = <R>(resolve: Resolve, use: (peer: Peer) => Effect.Effect<void, IntentraError, R>) =>
  Effect.gen(function*() {
    const transport = yield* Intentra
    const session = (hub: ConnectOptions) =>
      Effect.scoped(
        Effect.flatMap(
          transport.connect(hub),
          (peer) => Effect.raceFirst(ended(transport, peer), use(peer))
        )
      )
    const round = Effect.gen(function*() {
      const hubs = [...(yield* resolve)].sort((a, b) =>
        rank(transport.publicKey, a) < rank(transport.publicKey, b) ? -1 : 1
      )
      // the first that lets us in; when its session ends we begin again at the best
      yield* Effect.firstSuccessOf(hubs.map(session))
    })
    return yield* round.pipe(
      Effect.catchAll(() => Effect.void), // nobody answered: go on trying
      Effect.repeat(Schedule.jittered(Schedule.spaced("500 millis")))
    )
  })

const application = (resolve: Resolve) =>
  withHub(
    resolve,
    (peer) =>
      Effect.repeat(peer.send(new TextEncoder().encode("here"), { intent: "Sequenced" }), Schedule.spaced("1 second"))
  )

const program = Effect.gen(function*() {
  const network = yield* Network
  const hosts = Array.from({ length: HUBS }, (_, i) => `10.0.0.${i + 1}`)
  const hubs = yield* Effect.forEach(hosts, (host) => IntentraTest.make(network, { host, allow: "any" }))
  const resolve = Effect.succeed(
    hubs.map(({ address, publicKey }) => ({ host: address.host, port: address.port, publicKey }))
  )
  for (let i = 0; i < CLIENTS; i++) {
    yield* application(resolve).pipe(
      // who waits for a minute before it calls a hub dead has stale positions: five seconds here
      Effect.provide(
        IntentraTest.layerNetwork({ host: `10.0.1.${i + 1}`, idleTimeout: "5 seconds", keepalive: "1 second" })
      ),
      Effect.forkScoped
    )
  }

  const count = Effect.forEach(hubs, (hub) => Effect.map(hub.peers, (peers) => peers.length))
  yield* network.advance("5 seconds")
  yield* Console.log(`clients of each hub: ${(yield* count).join(", ")}`)

  yield* network.partition([hosts[0]], [
    ...hosts.slice(1),
    ...Array.from({ length: CLIENTS }, (_, i) => `10.0.1.${i + 1}`)
  ])
  yield* network.advance("30 seconds")
  const [, ...left] = yield* count
  yield* Console.log(`half a minute after the first has died: ${left.join(", ")} of the others`)
  const names = new Set((yield* Effect.forEach(hubs.slice(1), (hub) => hub.peers)).flat().map((peer) => peer.id))
  yield* Console.log(`${names.size} of ${CLIENTS} clients have a hub`)
})

await Effect.runPromise(
  program.pipe(
    Effect.scoped,
    Effect.provide(Network.layer({ seed: 1, latency: 20 })),
    Logger.withMinimumLogLevel(LogLevel.Warning)
  )
)
