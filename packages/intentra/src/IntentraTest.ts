/**
 * The transport on a simulated network: the same protocol, sockets and time made of a seed.
 *
 * @since 0.1.0
 */
import { Entropy } from "@intentra/crypto"
import { Network, UdpSocket } from "@intentra/udp"
import type { NetworkShape } from "@intentra/udp"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { IntentraOptions, IntentraShape } from "./Intentra.js"
import { Intentra } from "./Intentra.js"
import type { IntentraError } from "./IntentraError.js"
import { layerConcerns, layerEntropy, layerPrimitives } from "./internal/concerns.js"
import { socketFailed } from "./internal/socketFailed.js"

/**
 * Options of a transport on a simulated network.
 *
 * @since 0.1.0
 * @category models
 */
export interface TestOptions extends IntentraOptions {
  /** What keys, conn_ids and challenges are drawn from. Default: the host and port, so that equal runs are equal. */
  readonly seed?: string | undefined
}

/**
 * A transport on a given network. Default host `10.0.0.1`; give each transport its own.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  network: NetworkShape,
  options: TestOptions = {}
): Layer.Layer<Intentra, IntentraError> => Layer.provide(layerNetwork(options), Network.layerOf(network))

/**
 * A transport on the network of the context.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerNetwork = (options: TestOptions = {}): Layer.Layer<Intentra, IntentraError, Network> => {
  const host = options.host ?? "10.0.0.1"
  const port = options.port ?? 9000
  return Intentra.layerCore(options).pipe(
    Layer.provide(layerConcerns(options)),
    Layer.provide(
      Layer.mapError(UdpSocket.layerSimulated({ ...options.socket, host, port }), socketFailed)
    ),
    Layer.provide(
      Layer.merge(layerPrimitives, layerEntropy(options, Entropy.layerSeeded(options.seed ?? `${host}:${port}`)))
    )
  )
}

/**
 * The service itself, for tests with many transports: each lives as long as the scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  network: NetworkShape,
  options: TestOptions = {}
): Effect.Effect<IntentraShape, IntentraError, Scope.Scope> =>
  Effect.map(Layer.build(layer(network, options)), (context) => Context.get(context, Intentra))
