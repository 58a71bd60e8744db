/**
 * What arrives: one message of one peer.
 *
 * @since 0.1.0
 */
import type { Intent } from "./Intent.js"
import type { Peer } from "./Peer.js"

/**
 * One message that arrived.
 *
 * @since 0.1.0
 * @category models
 */
export interface Delivery {
  /** Who sent it. */
  readonly peer: Peer
  /** The message; from the stream it is the consumer's own, in `onDelivery` a view that is valid during the call only. */
  readonly payload: Uint8Array
  readonly intent: Intent
  /** When its datagram was handled: monotonic milliseconds of this transport's event loop. */
  readonly receivedAt: number
}

/**
 * Called synchronously for every message instead of the stream. It must not throw: what it throws is logged
 * (the first time), and the message is lost.
 *
 * @since 0.1.0
 * @category models
 */
export type DeliveryHandler = (peer: Peer, payload: Uint8Array, intent: Intent, receivedAt: number) => void
