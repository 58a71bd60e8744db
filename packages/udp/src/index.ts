/**
 * Batch-first UDP sockets for Effect, and a deterministic simulated network to test with.
 *
 * @since 0.1.0
 */
export * as Address from "./Address.js"
export type { SocketAddress } from "./Address.js"
export { AddressTable, TRANSIENT_ADDRESSES } from "./AddressTable.js"
export { ReceiveBatch, SendBatch } from "./DatagramBatch.js"
export * as EventLoop from "./EventLoop.js"
export { type Endpoint, type Injection, Network, type NetworkOptions, type NetworkShape } from "./Network.js"
export * as NetworkConditions from "./NetworkConditions.js"
export { NetworkError, type NetworkReason } from "./NetworkError.js"
export type { LossCause, NetworkEvent, NetworkLedger } from "./NetworkEvent.js"
export { UdpSocket } from "./UdpSocket.js"
export { UdpSocketError, type UdpSocketReason } from "./UdpSocketError.js"
export type { UdpSocketOptions } from "./UdpSocketOptions.js"
export type { UdpSocketShape, UdpSocketStats } from "./UdpSocketShape.js"
