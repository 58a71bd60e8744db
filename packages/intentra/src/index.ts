/**
 * Encrypted real-time UDP for Effect: fresh updates between many peers over one socket.
 *
 * @since 0.1.0
 */
export * as AdmissionTable from "./AdmissionTable.js"
export { Authorizer } from "./Authorizer.js"
export type { AuthorizerShape } from "./Authorizer.js"
export { Channels } from "./Channels.js"
export type { ChannelsCounters, ChannelsOptions, ChannelsShape } from "./Channels.js"
export * as CloseReason from "./CloseReason.js"
export * as Cookie from "./Cookie.js"
export type { Delivery, DeliveryHandler } from "./Delivery.js"
export * as DropReason from "./DropReason.js"
export { FlightRecorder, FlightRecorderError } from "./FlightRecorder.js"
export type { FlightRecorderShape, FlightRecorderStatus, RecordedOptions } from "./FlightRecorder.js"
export * as Frame from "./Frame.js"
export { Handshake } from "./Handshake.js"
export type { HandshakeOptions, HandshakeShape } from "./Handshake.js"
export { HandshakeGate } from "./HandshakeGate.js"
export type { Gate, HandshakeGateOptions, HandshakeGateShape } from "./HandshakeGate.js"
export type { Intent } from "./Intent.js"
export { Intentra, IntentraLive, layerConcerns, make } from "./Intentra.js"
export type {
  BroadcastOutcome,
  Concerns,
  ConnectOptions,
  IntentraOptions,
  IntentraShape,
  ShardedOptions
} from "./Intentra.js"
export { IntentraError } from "./IntentraError.js"
export * as IntentraTest from "./IntentraTest.js"
export * as KeyLog from "./KeyLog.js"
export { PacketCrypto } from "./PacketCrypto.js"
export type { PacketCryptoShape, PacketKey } from "./PacketCrypto.js"
export * as PacketHeader from "./PacketHeader.js"
export type { Peer, PeerStats } from "./Peer.js"
export { RateLimiter } from "./RateLimiter.js"
export type { RateLimiterOptions, RateLimiterShape } from "./RateLimiter.js"
export * as Replay from "./Replay.js"
export { ReplayGuard } from "./ReplayGuard.js"
export type { ReplayGuardShape } from "./ReplayGuard.js"
export * as ReplayWindow from "./ReplayWindow.js"
export { SendOptions } from "./SendOptions.js"
export type { SendOptionsInput } from "./SendOptions.js"
export * as SendResult from "./SendResult.js"
export * as StateChannel from "./StateChannel.js"
export { StateChannelError } from "./StateChannelError.js"
export type { StateChange, StateCodec, StateCounters, StateEntry, StateInterest } from "./StateEntry.js"
export * as StaticKey from "./StaticKey.js"
export * as StrikeCounter from "./StrikeCounter.js"
export { Strikes } from "./Strikes.js"
export type { StrikesShape } from "./Strikes.js"
export * as TokenBucket from "./TokenBucket.js"
export { TransportCounters } from "./TransportCounters.js"
export { TransportEvent } from "./TransportEvent.js"
export { TransportMetrics } from "./TransportMetrics.js"
export type { TransportMetricsShape } from "./TransportMetrics.js"
export type { TransportOptions } from "./TransportOptions.js"
