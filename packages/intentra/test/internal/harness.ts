import { Entropy } from "@intentra/crypto"
import { Network, UdpSocket } from "@intentra/udp"
import type { NetworkOptions, NetworkShape, UdpSocketShape } from "@intentra/udp"
import { Context, Effect, Fiber, Layer, Option, Redacted, Stream } from "effect"
import type { Duration, Scope } from "effect"
import type { Authorizer, IntentraError, IntentraOptions, IntentraShape, Peer } from "../../src/index.js"
import { Intentra, IntentraTest, layerConcerns } from "../../src/index.js"
import { layerCrypto } from "../support/crypto.js"

/** A static secret key that is easy to tell from others. */
export const key = (n: number): Redacted.Redacted<Uint8Array> => Redacted.make(new Uint8Array(32).fill(n))

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

export const text = (payload: Uint8Array): string => new TextDecoder().decode(payload)

/** Lets time pass until the effect is done, and no longer than `duration`. */
export const within = <A, E, R>(
  network: NetworkShape,
  duration: Duration.DurationInput,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.gen(function*() {
    const fiber = yield* Effect.fork(effect)
    yield* network.advance(duration)
    const exit = yield* Fiber.poll(fiber)
    if (Option.isNone(exit)) {
      yield* Fiber.interruptFork(fiber)
      return yield* Effect.dieMessage("not done within the simulated time")
    }
    return yield* Fiber.join(fiber)
  })

export interface Pair {
  readonly network: NetworkShape
  readonly hub: IntentraShape
  readonly client: IntentraShape
  /** The client's session with the hub. */
  readonly peer: Peer
  /** The hub's end of it. */
  readonly remote: Peer
}

export interface PairOptions {
  readonly network?: NetworkOptions
  readonly hub?: IntentraOptions
  readonly client?: IntentraOptions
}

export const connect = (network: NetworkShape, from: IntentraShape, to: IntentraShape) =>
  within(
    network,
    "2 seconds",
    from.connect({ host: to.address.host, port: to.address.port, publicKey: to.publicKey })
  )

/** A hub at 10.0.0.1 and a client at 10.0.0.2 that is connected to it; 10 ms of latency each way. */
export const connected = (options: PairOptions = {}): Effect.Effect<Pair, IntentraError, Scope.Scope> =>
  Effect.gen(function*() {
    const network = yield* Effect.orDie(Network.make({ seed: 1, latency: 10, ...options.network }))
    const hub = yield* IntentraTest.make(network, { host: "10.0.0.1", key: key(1), allow: "any", ...options.hub })
    const client = yield* IntentraTest.make(network, { host: "10.0.0.2", key: key(2), ...options.client })
    const peer = yield* connect(network, client, hub)
    const [remote] = yield* hub.peers
    return { network, hub, client, peer, remote }
  })

/** A transport over a given socket, and with another authorizer if one is given. */
export const makeOver = (
  network: NetworkShape,
  socket: UdpSocketShape,
  options: IntentraOptions,
  authorizer?: Layer.Layer<Authorizer>
): Effect.Effect<IntentraShape, IntentraError, Scope.Scope> => {
  const concerns = layerConcerns(options)
  return Effect.map(
    Layer.build(
      Intentra.layerCore(options).pipe(
        Layer.provide(authorizer === undefined ? concerns : Layer.merge(concerns, authorizer)),
        Layer.provide(Layer.succeed(UdpSocket, socket)),
        Layer.provide(Layer.merge(layerCrypto, Entropy.layerSeeded(socket.localAddress.host))),
        Layer.provide(Network.layerOf(network))
      )
    ),
    Context.get(Intentra)
  )
}

/** Collects a stream into an array in the background, for as long as the scope lives. */
export const collect = <A, E, R>(
  stream: Stream.Stream<A, E, R>
): Effect.Effect<ReadonlyArray<A>, never, R | Scope.Scope> =>
  Effect.gen(function*() {
    const seen: Array<A> = []
    yield* Effect.forkScoped(Stream.runForEach(stream, (one) => Effect.sync(() => seen.push(one))))
    yield* turns
    return seen
  })

/** Lets forked fibers start, and the host's event loop turn. */
export const turns: Effect.Effect<void> = Effect.promise(async () => {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve))
})
