/**
 * UDP sockets as a service: batches in, batches out, plain synchronous calls.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as dgram from "./internal/dgram.js"
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
   * set; their sources are IPv4 addresses then. Node reports the errors of only a sample of sends, so `sendErrors` is a
   * lower bound.
   *
   * @since 0.1.0
   */
  static layerDgram(options?: UdpSocketOptions): Layer.Layer<UdpSocket, UdpSocketError> {
    return Layer.scoped(UdpSocket, dgram.make(options))
  }
}
