/**
 * UDP sockets as a service: batches in, batches out, plain synchronous calls.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
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
export class UdpSocket extends Context.Tag("@intentra/udp/UdpSocket")<UdpSocket, UdpSocketShape>() {}
