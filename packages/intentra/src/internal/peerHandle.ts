import type { SocketAddress } from "@intentra/udp"
import * as Effect from "effect/Effect"
import { NodeInspectSymbol } from "effect/Inspectable"
import type { CloseReason } from "../CloseReason.js"
import type { Intent } from "../Intent.js"
import { fromCode } from "../Intent.js"
import { IntentraError } from "../IntentraError.js"
import type { Peer, PeerStats } from "../Peer.js"
import type { SendOptions, SendOptionsInput } from "../SendOptions.js"
import * as SendResult from "../SendResult.js"
import type { RingPeer } from "./deliveryRing.js"
import { withSendOptions } from "./withSendOptions.js"

/** What all handles of a session have in common, wherever the session is. */
export abstract class PeerHandle implements RingPeer {
  closeReason: CloseReason | undefined = undefined
  /** Scopes that hold this peer by `connect`. */
  holders = 0
  // its messages in the delivery ring
  ringOldest = -1
  ringNewest = -1
  ringHeld = 0
  ringReliable = 0

  constructor(readonly id: string, readonly publicKey: Uint8Array, readonly initiator: boolean) {}

  abstract readonly address: SocketAddress
  abstract maxPayload(intent?: Intent): number
  abstract unsafeSend(payload: Uint8Array, options?: SendOptions): SendResult.SendResult
  abstract readonly stats: Effect.Effect<PeerStats>
  protected abstract end(reason: CloseReason): Effect.Effect<void>
  /** Calls back once when Reliable may have room again, or the session has ended. */
  protected abstract onRoom(callback: () => void): () => void

  // both may be taken from their peer, and idle peers are many: what is bound to one is made when it is asked for

  get send(): Peer["send"] {
    return (payload, options) => this.sendOrWait(payload, options)
  }

  get close(): Peer["close"] {
    return (reason = "LocalClosed") => this.end(reason)
  }

  private sendOrWait(
    payload: Uint8Array,
    options?: SendOptions | SendOptionsInput
  ): Effect.Effect<void, IntentraError> {
    return withSendOptions(payload, options, (checked) => {
      const result = this.unsafeSend(payload, checked)
      if (result === SendResult.WOULD_BLOCK) {
        return Effect.zipRight(
          Effect.async<void>((resume) => {
            const forget = this.onRoom(() => resume(Effect.void))
            return Effect.sync(forget)
          }),
          this.sendOrWait(payload, checked)
        )
      }
      return result === SendResult.ACCEPTED ? Effect.void : Effect.fail(this.explain(result, payload, checked))
    })
  }

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
        const limit = this.maxPayload(fromCode(options.intentCode))
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
