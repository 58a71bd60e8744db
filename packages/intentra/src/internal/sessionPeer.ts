import type { SocketAddress } from "@intentra/udp"
import * as Effect from "effect/Effect"
import { NodeInspectSymbol } from "effect/Inspectable"
import type { CloseReason } from "../CloseReason.js"
import type { Intent } from "../Intent.js"
import { toCode } from "../Intent.js"
import { IntentraError } from "../IntentraError.js"
import type { PeerStats } from "../Peer.js"
import type { SendOptionsInput } from "../SendOptions.js"
import { SendOptions } from "../SendOptions.js"
import * as SendResult from "../SendResult.js"
import type { RingPeer } from "./deliveryRing.js"
import type { Hub } from "./hub.js"
import type { Session } from "./session.js"

/** The user's handle of a session. It stays valid, and says so, when the session has ended. */
export class SessionPeer implements RingPeer {
  readonly id: string
  readonly publicKey: Uint8Array
  readonly initiator: boolean
  closeReason: CloseReason | undefined = undefined
  /** Scopes that hold this peer by `connect`. */
  holders = 0
  // its messages in the delivery ring
  ringOldest = -1
  ringNewest = -1
  ringHeld = 0
  ringReliable = 0
  private lastAddress: SocketAddress

  constructor(private readonly hub: Hub, public session: Session) {
    this.id = session.id
    this.publicKey = session.identity
    this.initiator = session.initiator
    this.lastAddress = hub.addresses.address(session.addressId)
  }

  get address(): SocketAddress {
    if (this.closeReason === undefined) this.lastAddress = this.hub.addresses.address(this.session.addressId)
    return this.lastAddress
  }

  maxPayload(intent: Intent = "Realtime"): number {
    return this.hub.protocol.sender.maxPayload(this.session, toCode(intent))
  }

  unsafeSend(payload: Uint8Array, options: SendOptions = SendOptions.default): SendResult.SendResult {
    return this.hub.enqueue(this.session, payload, options.intentCode, options.priority, options.ttlMillis)
  }

  send = (payload: Uint8Array, options?: SendOptions | SendOptionsInput): Effect.Effect<void, IntentraError> =>
    Effect.suspend(() => {
      let checked: SendOptions
      try {
        checked = SendOptions.from(options)
      } catch (error) {
        return error instanceof IntentraError ? Effect.fail(error) : Effect.die(error)
      }
      const result = this.unsafeSend(payload, checked)
      if (result === SendResult.WOULD_BLOCK) {
        return Effect.zipRight(
          Effect.async<void>((resume) => {
            const forget = this.hub.onRoom(this, () => resume(Effect.void))
            return Effect.sync(forget)
          }),
          this.send(payload, checked)
        )
      }
      return result === SendResult.ACCEPTED ? Effect.void : Effect.fail(this.explain(result, payload, checked))
    })

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
      unacknowledged: session.outgoing?.held ?? 0,
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

  close = (reason: CloseReason = "LocalClosed"): Effect.Effect<void> =>
    Effect.sync(() => this.hub.close(this.session, reason))

  /** A scope that held this peer has ended. */
  letGo(): Effect.Effect<void> {
    return Effect.suspend(() => --this.holders <= 0 ? this.close() : Effect.void)
  }

  /** What a log shows of a peer: neither the transport behind it nor its keys. */
  toJSON(): unknown {
    return {
      _id: "intentra/Peer",
      id: this.id,
      publicKey: Buffer.from(this.publicKey).toString("base64"),
      address: this.address,
      ...(this.closeReason === undefined ? {} : { closeReason: this.closeReason })
    }
  }

  toString(): string {
    return `Peer(${this.id} at ${this.address.host}:${this.address.port})`
  }

  [NodeInspectSymbol](): unknown {
    return this.toJSON()
  }

  private explain(result: SendResult.SendResult, payload: Uint8Array, options: SendOptions): IntentraError {
    switch (result) {
      case SendResult.PAYLOAD_TOO_LARGE: {
        const limit = this.hub.protocol.sender.maxPayload(this.session, options.intentCode)
        return new IntentraError({
          reason: "PayloadTooLarge",
          detail: `a message of ${payload.length} bytes to ${this.id} does not fit: ` +
            `one datagram carries ${limit} bytes on this path; split it`
        })
      }
      case SendResult.OVERLOAD:
        return new IntentraError({
          reason: "Overload",
          detail: "the send queue is full of messages of higher priority: send less, or raise sendQueue"
        })
      default:
        return new IntentraError({
          reason: "SessionClosed",
          detail: `the session with ${this.id} has ended (${this.closeReason ?? "not active"})`,
          ...(this.closeReason === undefined ? {} : { closeReason: this.closeReason })
        })
    }
  }
}
