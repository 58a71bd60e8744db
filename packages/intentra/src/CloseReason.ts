/**
 * Why a session ended, or never began: one closed union, its wire codes, and the one total function that maps every
 * error of the system to it.
 *
 * @since 0.1.0
 */
import type { CryptoError } from "@intentra/crypto"
import type { NoiseError } from "@intentra/noise"
import type { UdpSocketError } from "@intentra/udp"
import type { IntentraError } from "./IntentraError.js"

/**
 * In the order of the wire codes of the CLOSE frame (code = index).
 *
 * @since 0.1.0
 * @category models
 */
export const all = [
  /** The other end closed in good order (`peer.close`, its scope ended). */
  "PeerClosed",
  /** This end closed in good order. */
  "LocalClosed",
  /** The static key is not admitted, or is not the pinned one. */
  "AuthFail",
  /** Authenticated misbehaviour: too many strikes. */
  "ProtocolViolation",
  /** Nothing authentic was received for the idle time, or the handshake's five seconds passed. */
  "Timeout",
  /** A newer session of the same identity took this one's place. */
  "Replaced",
  /** A limit of this or the other end: session table, AEAD budget of a key. */
  "LimitExceeded",
  /** The transport itself stopped or died (socket, scope). */
  "TransportClosed"
] as const

/**
 * Why a session ended, or never began.
 *
 * @since 0.1.0
 * @category models
 */
export type CloseReason = typeof all[number]

/**
 * The wire code of a reason, as the CLOSE frame has it.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toCode = (reason: CloseReason): number => all.indexOf(reason)

/**
 * The reason that a CLOSE frame's code means to its receiver; unknown codes mean that the peer closed.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromPeerCode = (code: number): CloseReason => {
  const reason = all[code]
  return reason === undefined || reason === "LocalClosed" || reason === "TransportClosed" ? "PeerClosed" : reason
}

const fromIntentraError = (error: IntentraError): CloseReason => {
  switch (error.reason) {
    case "HandshakeTimeout":
      return "Timeout"
    case "WrongKey":
    case "Refused":
      return "AuthFail"
    case "SessionClosed":
      return error.closeReason ?? "PeerClosed"
    case "SessionLimit":
    case "Overload":
    case "PayloadTooLarge":
      return "LimitExceeded"
    case "InvalidOptions":
    case "InvalidAddress":
    case "ConsumerBusy":
      return "LocalClosed"
    case "TransportClosed":
    case "SocketFailed":
      return "TransportClosed"
  }
}

/**
 * The CloseReason of any error of this system. Total: the compiler refuses a new reason that is not mapped.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromError = (error: IntentraError | UdpSocketError | NoiseError | CryptoError): CloseReason => {
  switch (error._tag) {
    case "IntentraError":
      return fromIntentraError(error)
    case "UdpSocketError":
      return "TransportClosed"
    case "NoiseError":
      return "AuthFail"
    case "CryptoError":
      return "AuthFail"
  }
}
