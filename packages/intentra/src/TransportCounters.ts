/**
 * What a transport counts: plain numbers, incremented on the packet path and folded into metrics when scraped.
 *
 * @since 0.1.0
 */
import * as CloseReason from "./CloseReason.js"
import * as DropReason from "./DropReason.js"

/**
 * Ledger of datagrams: `received` = the sum of `accepted` + the sum of `drops` of level `datagram` + `undecided`.
 * Ledger of messages out: `messagesQueued` = `messagesSent` + drops of level `message` on the way out + queued now.
 *
 * @since 0.1.0
 * @category models
 */
export class TransportCounters {
  /** Datagrams received, before any check. */
  received = 0
  /** Bytes of UDP payload received. */
  receivedBytes = 0
  /** Datagrams handed to the socket and taken. */
  sent = 0
  /** Bytes of UDP payload handed to the socket. */
  sentBytes = 0
  /** Datagrams accepted, by packet type (0 DATA, 1 ACK, 2 handshake, 3 control). */
  readonly accepted = new Float64Array(4)
  /** Drops by the code of their DropReason. */
  readonly drops = new Float64Array(DropReason.all.length)
  /** Sessions closed, by the code of their CloseReason. */
  readonly closes = new Float64Array(CloseReason.all.length)
  /** Messages that `send` took. */
  messagesQueued = 0
  /** Messages sealed into a datagram. */
  messagesSent = 0
  /** Messages received in authentic packets and handed to delivery. */
  messagesReceived = 0
  /** Strikes given. */
  strikes = 0
  /** Handshakes that ended in an active session, either role. */
  handshakes = 0
  /** Sessions that changed to new keys. */
  rekeys = 0
  /** Sessions that followed their peer to a new address. */
  moves = 0
  /** Challenges sent to unproven addresses. */
  challenges = 0
  /** Handshakes in flight that made room for others. */
  handshakesEvicted = 0
  /** Gauge: handshakes past the cookie and not finished. */
  handshakesInFlight = 0
  /** Gauge: authentic messages 3 that wait for the authorizer's verdict. */
  undecided = 0
  /** Gauge: active sessions. */
  sessionsActive = 0
  /** Gauge: bytes of Reliable messages held back until those before them arrive, or the consumer has room. */
  reorderBytes = 0
  /** Gauge: messages in the send queue. */
  queued = 0
  /** Gauge: age in ms of the message that has waited longest in the send queue, when last looked at. */
  oldestQueuedMs = 0
  /** Gauge: bytes of deliveries waiting for their consumer. */
  deliveryBytes = 0
  /** Datagrams that the kernel dropped because the receive buffer was full, as far as it tells. */
  kernelDrops = 0
  /** The longest turn of the event loop spent in this transport, in ms. */
  longestTurnMs = 0
  /** Turns taken. */
  turns = 0

  /** Drops for a reason so far. */
  dropped(reason: DropReason.DropReason): number {
    return this.drops[DropReason.code[reason]]
  }

  /** Every reason that has dropped something, with its count. */
  dropsByReason(): { readonly [Reason in DropReason.DropReason]?: number } {
    const found: { [Reason in DropReason.DropReason]?: number } = {}
    for (const reason of DropReason.all) {
      const count = this.drops[DropReason.code[reason]]
      if (count > 0) found[reason] = count
    }
    return found
  }
}
