import type { SocketAddress } from "@intentra/udp"
import * as Effect from "effect/Effect"
import type { CloseReason } from "../CloseReason.js"
import type { Intent } from "../Intent.js"
import { toCode } from "../Intent.js"
import type { PeerStats } from "../Peer.js"
import { SendOptions } from "../SendOptions.js"
import type { SendResult } from "../SendResult.js"
import type { Hub } from "./hub.js"
import { PeerHandle } from "./peerHandle.js"
import { CLOSED } from "./session.js"
import type { Session } from "./session.js"

/** The user's handle of a session. It stays valid, and says so, when the session has ended. */
export class SessionPeer extends PeerHandle {
  private lastAddress: SocketAddress

  constructor(private readonly hub: Hub, public session: Session) {
    super(session.id, session.identity, session.initiator)
    this.lastAddress = hub.addresses.address(session.addressId)
  }

  get address(): SocketAddress {
    if (this.closeReason === undefined) this.lastAddress = this.hub.addresses.address(this.session.addressId)
    return this.lastAddress
  }

  maxPayload(intent: Intent = "Realtime"): number {
    return this.hub.protocol.sender.maxPayload(this.session, toCode(intent))
  }

  unsafeSend(payload: Uint8Array, options: SendOptions = SendOptions.default): SendResult {
    return this.hub.enqueue(this.session, payload, options.intentCode, options.priority, options.ttlMillis)
  }

  get stats(): Effect.Effect<PeerStats> {
    return Effect.sync(() => this.unsafeStats())
  }

  unsafeStats(): PeerStats {
    const { session } = this
    const now = this.hub.loop.now()
    const keys = session.current
    const expected = keys === undefined ? 0 : keys.replay.highest + 1
    return {
      rtt: session.rtt.smoothed < 0 ? undefined : session.rtt.smoothed,
      jitter: session.rtt.variation,
      loss: keys === undefined || expected === 0 ? 0 : Math.max(0, 1 - keys.received / expected),
      packetsSent: session.packetsSent,
      packetsReceived: session.packetsReceived,
      bytesSent: session.bytesSent,
      bytesReceived: session.bytesReceived,
      messagesSent: session.messagesSent,
      messagesReceived: session.messagesReceived,
      dropped: session.dropped,
      queued: session.queued + (session.outgoing?.unsentCount ?? 0),
      unacknowledged: session.state === CLOSED ? session.unacknowledged : session.outgoing?.held ?? 0,
      retransmitted: session.outgoing?.retransmitted ?? 0,
      remoteLoss: session.remotePackets < 0 || session.packetsAtPong === 0
        ? undefined
        : Math.max(0, 1 - session.remotePackets / session.packetsAtPong),
      remoteMessages: session.remoteMessages < 0 ? undefined : session.remoteMessages,
      datagramBytes: session.maxDatagram,
      age: now - session.activeSince,
      silence: now - session.lastReceived
    }
  }

  protected end(reason: CloseReason): Effect.Effect<void> {
    return Effect.sync(() => this.hub.close(this.session, reason))
  }

  protected onRoom(callback: () => void): () => void {
    return this.hub.onRoom(this, callback)
  }
}
