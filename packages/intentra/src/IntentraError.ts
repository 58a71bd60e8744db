/**
 * The transport's one error type.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type { CloseReason } from "./CloseReason.js"

/**
 * | reason | when |
 * | --- | --- |
 * | `InvalidOptions` | an option is out of its range; `detail` names it and the range |
 * | `InvalidAddress` | a host is no IP address and could not be resolved, or a port is out of range |
 * | `HandshakeTimeout` | nobody answered within the handshake's time |
 * | `WrongKey` | somebody answered, but with another static key than the pinned one |
 * | `Refused` | the peer knows us and does not admit us (or its table is full) |
 * | `SessionLimit` | this transport's own session table is full |
 * | `SessionClosed` | the session has ended; `closeReason` says why |
 * | `PayloadTooLarge` | a message above the path's limit; `detail` has both numbers |
 * | `Overload` | the send queue is full of more urgent messages |
 * | `ConsumerBusy` | `deliveries` has a consumer already |
 * | `SocketFailed` | the UDP socket could not be opened, or died |
 * | `TransportClosed` | the transport's scope has ended |
 *
 * @since 0.1.0
 * @category errors
 */
export class IntentraError extends Data.TaggedError("IntentraError")<{
  readonly reason:
    | "InvalidOptions"
    | "InvalidAddress"
    | "HandshakeTimeout"
    | "WrongKey"
    | "Refused"
    | "SessionLimit"
    | "SessionClosed"
    | "PayloadTooLarge"
    | "Overload"
    | "ConsumerBusy"
    | "SocketFailed"
    | "TransportClosed"
  /** What, where, and how to mend it. */
  readonly detail: string
  readonly closeReason?: CloseReason
  readonly cause?: unknown
}> {
  override get message(): string {
    return this.detail
  }
}
