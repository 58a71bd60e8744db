/**
 * UDP sockets as a service: batches in, batches out, plain synchronous calls.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as batch from "./internal/batch.js"
import * as best from "./internal/best.js"
import * as dgram from "./internal/dgram.js"
import { Network } from "./Network.js"
import type { UdpSocketError } from "./UdpSocketError.js"
import type { UdpSocketOptions } from "./UdpSocketOptions.js"
import type { UdpSocketShape } from "./UdpSocketShape.js"

export { fromCause, UdpSocketError, type UdpSocketReason } from "./UdpSocketError.js"
export type { UdpSocketOptions } from "./UdpSocketOptions.js"
export type { UdpSocketShape, UdpSocketStats } from "./UdpSocketShape.js"

/**
 * A bound UDP socket.
 *
 * @since 0.1.0
 * @category tags
 */
export class UdpSocket extends Context.Tag("@intentra/udp/UdpSocket")<UdpSocket, UdpSocketShape>() {
  /**
   * A socket of `node:dgram`, for every platform. An IPv6 socket on `::` takes IPv4 datagrams too unless `ipv6Only` is
   * set; their sources are IPv4 addresses then. Errors of datagrams that libuv kept for later are not told, so
   * `sendErrors` is a lower bound.
   *
   * @since 0.1.0
   */
  static layerDgram(options?: UdpSocketOptions): Layer.Layer<UdpSocket, UdpSocketError> {
    return Layer.scoped(UdpSocket, dgram.make(options))
  }

  /**
   * A socket of Linux that takes and gives datagrams by the batch, through the optional dependency koffi. What follows
   * one another to the same address in equal lengths leaves as one message (UDP_SEGMENT) and arrives as one (UDP_GRO);
   * datagrams that no handler has time for wait in the kernel's buffer. `kernelDrops` is counted, `sendErrors` is exact.
   * Fails with `Unsupported`, and an `FfiError` as its cause, where it is not available. On `::` as `layerDgram`.
   *
   * @since 0.1.0
   */
  static layerBatch(options?: UdpSocketOptions): Layer.Layer<UdpSocket, UdpSocketError> {
    return Layer.scoped(UdpSocket, batch.make(options))
  }

  /**
   * A socket of the simulated network: binding one makes the host. Port 0 takes the next one from 49,152 on.
   *
   * @since 0.1.0
   */
  static layerSimulated(options?: UdpSocketOptions): Layer.Layer<UdpSocket, UdpSocketError, Network> {
    return Layer.scoped(UdpSocket, Effect.flatMap(Network, (network) => network.bind(options)))
  }

  /**
   * The fastest socket that this machine has: `layerBatch` where one of its sockets is seen to work, else `layerDgram`.
   * The config value `INTENTRA_UDP` (`dgram` or `batch`) forces one; where that one is not available, a line is logged
   * and the portable one is used.
   *
   * @since 0.1.0
   */
  static layerBest(options?: UdpSocketOptions): Layer.Layer<UdpSocket, UdpSocketError | ConfigError.ConfigError> {
    const forced = Config.withDefault(Config.literal("dgram", "batch", "auto")("INTENTRA_UDP"), "auto")
    return Layer.unwrapEffect(
      Effect.map(
        Effect.flatMap(forced, (wanted) => best.choose(wanted)),
        (kind) => kind === "batch" ? UdpSocket.layerBatch(options) : UdpSocket.layerDgram(options)
      )
    )
  }
}
