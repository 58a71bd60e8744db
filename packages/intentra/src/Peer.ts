/**
 * A peer: the other end of one session.
 *
 * @since 0.1.0
 */
import type { SocketAddress } from "@intentra/udp"
import type * as Effect from "effect/Effect"
import type { CloseReason } from "./CloseReason.js"
import type { Intent } from "./Intent.js"
import type { IntentraError } from "./IntentraError.js"
import type { SendOptions, SendOptionsInput } from "./SendOptions.js"
import type { SendResult } from "./SendResult.js"

/**
 * Both directions of one session, as plain numbers. Times in milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface PeerStats {
  /** Smoothed round-trip time (RFC 6298); `undefined` before the first sample. */
  readonly rtt: number | undefined
  /** Variation of the round-trip time (RFC 6298 RTTVAR). */
  readonly jitter: number
  /** Share of the peer's packets that never arrived here, 0 to 1, from gaps in the packet numbers. */
  readonly loss: number
  readonly packetsSent: number
  readonly packetsReceived: number
  readonly bytesSent: number
  readonly bytesReceived: number
  readonly messagesSent: number
  readonly messagesReceived: number
  /** Authentic packets and messages of this peer that were dropped. */
  readonly dropped: number
  /** Messages waiting to be sent to it. */
  readonly queued: number
  /** Reliable messages that it has not acknowledged; of a session that is over, those that it never did. */
  readonly unacknowledged: number
  /** Reliable messages sent again. */
  readonly retransmitted: number
  /** Share of our packets that never arrived there, as it told us last; `undefined` before it did. */
  readonly remoteLoss: number | undefined
  /** Messages that it has delivered, as it told us last. */
  readonly remoteMessages: number | undefined
  /** The longest datagram that the path is known to carry. */
  readonly datagramBytes: number
  /** Milliseconds since the session became active. */
  readonly age: number
  /** Milliseconds since the last authentic packet. */
  readonly silence: number
}

/**
 * The other end of a session: who it is, how it does, and how to send to it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Peer {
  /** A short name of its static key: 16 hex digits. The identity itself is `publicKey`. */
  readonly id: string
  /** Its static key, proven by the handshake: 32 bytes. */
  readonly publicKey: Uint8Array
  /** Where its packets come from. */
  readonly address: SocketAddress
  /** Whether this end began the session. */
  readonly initiator: boolean
  /** Why the session ended; `undefined` while it is active. */
  readonly closeReason: CloseReason | undefined
  /** The longest message that fits one datagram, in bytes. */
  maxPayload(intent?: Intent): number
  /**
   * Queues a message (the bytes are copied). Fails with `SessionClosed`, `PayloadTooLarge`, `Overload` or
   * `InvalidOptions`. A Realtime or Sequenced message that is accepted may still be lost: that is its nature. Reliable
   * waits while 256 messages are unacknowledged, and arrives as long as the session lives.
   */
  readonly send: (
    payload: Uint8Array,
    options?: SendOptions | SendOptionsInput
  ) => Effect.Effect<void, IntentraError>
  /** The same for hot loops: synchronous, the answer a number (`SendResult`), options made once. Call it on its peer. */
  unsafeSend(payload: Uint8Array, options?: SendOptions): SendResult
  readonly stats: Effect.Effect<PeerStats>
  /** Says CLOSE to the peer and ends the session; does nothing when it has ended. */
  readonly close: (reason?: CloseReason) => Effect.Effect<void>
}
