/**
 * What happens on the control plane of a transport. Broadcast to every subscriber, bounded, never fails.
 *
 * @since 0.1.0
 */
import type { SocketAddress } from "@intentra/udp"
import * as Data from "effect/Data"
import type { CloseReason } from "./CloseReason.js"
import type { Peer } from "./Peer.js"

/**
 * What happened, and to whom.
 *
 * @since 0.1.0
 * @category models
 */
export type TransportEvent = Data.TaggedEnum<{
  /** A session became active. */
  readonly PeerConnected: { readonly peer: Peer }
  /**
   * An active session ended; `byPeer`: the other end said so; `unacknowledged`: Reliable messages of ours that may not
   * have arrived.
   */
  readonly PeerClosed: {
    readonly peer: Peer
    readonly reason: CloseReason
    readonly byPeer: boolean
    readonly text: string
    readonly unacknowledged: number
  }
  /** A session follows its peer to a new address, which has answered a challenge. */
  readonly PeerRoamed: { readonly peer: Peer; readonly from: SocketAddress; readonly to: SocketAddress }
  /**
   * The peer goes on in a new session: the other end had gone silent (it was restarted, perhaps), or both ends connected
   * at once. Reliable begins anew there: of the `unacknowledged` messages sent before, any may have arrived or not, and
   * none is sent again.
   */
  readonly PeerRejoined: { readonly peer: Peer; readonly unacknowledged: number }
  /** A session has changed to new keys. */
  readonly Rekeyed: { readonly peer: Peer }
  /** A handshake of ours came to nothing. */
  readonly ConnectFailed: { readonly address: SocketAddress; readonly reason: CloseReason }
  /** Messages were dropped for lack of room; at most once a second for each queue. */
  readonly Overloaded: { readonly queue: "Deliveries" | "SendQueue"; readonly dropped: number }
}>

/**
 * Constructors and matchers.
 *
 * @since 0.1.0
 * @category constructors
 */
export const TransportEvent = Data.taggedEnum<TransportEvent>()
