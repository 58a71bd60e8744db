/**
 * Why a datagram or a message was dropped: one closed union, one counter each
 * (`intentra_packets_dropped_total{reason="..."}`).
 *
 * `level` tells the two ledgers apart: a `datagram` reason ends a received datagram,
 * a `message` reason ends one message on its way in or out, an `outbound` reason
 * ends a sealed datagram that the socket did not take.
 *
 * @since 0.1.0
 */

/**
 * Every reason in the order of its code (its index), which is also the order of the checks on receive.
 *
 * @since 0.1.0
 * @category models
 */
export const all = [
  "Truncated",
  "Oversized",
  "BadVersion",
  "BadType",
  "ReservedBit",
  "LengthMismatch",
  "UnknownConnection",
  "UnknownEpoch",
  "WrongState",
  "RateLimited",
  "ForgeryLimited",
  "Replayed",
  "TooOld",
  "AuthFailed",
  "MalformedFrame",
  "ForbiddenFrame",
  "HandshakeMalformed",
  "BadMac1",
  "BadCookie",
  "HandshakeBudget",
  "HandshakeRepeated",
  "HandshakeSourceLimited",
  "HandshakeRateLimited",
  "HandshakeUnexpected",
  "HandshakeForged",
  "Unauthorized",
  "SessionLimit",
  "Defect",
  "ShardOverflow",
  "Stale",
  "Duplicate",
  "BeyondWindow",
  "DeliveryOverflow",
  "Expired",
  "Superseded",
  "Overload",
  "PathShrunk",
  "SessionClosed",
  "SendQueueFull"
] as const

/**
 * Why a packet or message was dropped: exactly one of these for each.
 *
 * @since 0.1.0
 * @category models
 */
export type DropReason = typeof all[number]

/**
 * The number under which each reason is counted on the packet path.
 *
 * @since 0.1.0
 * @category models
 */
export const code: { readonly [Reason in DropReason]: number } = Object.fromEntries(
  all.map((reason, index) => [reason, index])
) as { readonly [Reason in DropReason]: number }

/**
 * What each reason means, in one line (the text an operator reads).
 *
 * @since 0.1.0
 * @category models
 */
export const describe: { readonly [Reason in DropReason]: string } = {
  Truncated: "shorter than the 16-byte header, or a sealed packet without room for its tag",
  Oversized: "longer than the largest packet that is opened (2,048 bytes)",
  BadVersion: "another wire version",
  BadType: "a packet type that does not exist",
  ReservedBit: "a reserved header bit or intent is set",
  LengthMismatch: "payload_len is not the datagram's own",
  UnknownConnection: "no session has this conn_id",
  UnknownEpoch: "the session has no key of this epoch",
  WrongState: "the session's state forbids this packet type",
  RateLimited: "the session's token bucket is empty",
  ForgeryLimited: "too many failed opens, and not from the validated address",
  Replayed: "this packet number was received before",
  TooOld: "the packet number lies behind the replay window",
  AuthFailed: "the packet does not authenticate",
  MalformedFrame: "authentic, but its frames cannot be parsed (a strike)",
  ForbiddenFrame: "authentic, but a frame is not allowed in this packet type, or breaks a limit (a strike)",
  HandshakeMalformed: "a handshake packet of a wrong size or with wrong fixed fields",
  BadMac1: "mac1 is wrong: the sender does not know our static key or the network PSK",
  BadCookie: "the echoed cookie is not ours, of another address, or too old",
  HandshakeBudget: "this turn's budget for challenges or Diffie-Hellman is used up",
  HandshakeRepeated: "the repeat of a handshake that is finished",
  HandshakeSourceLimited: "too many handshakes of one source in flight",
  HandshakeRateLimited: "one source starts handshakes too fast",
  HandshakeUnexpected: "an answer to a handshake that nobody here has in progress, or from another address",
  HandshakeForged: "a handshake message that does not authenticate, or from another key than the pinned one",
  Unauthorized: "the authorizer does not admit this static key",
  SessionLimit: "the session table is full",
  Defect: "a defect of this program, or of a service it was given, threw while the datagram was handled",
  ShardOverflow: "the ring to the worker that the datagram's conn_id names is full",
  Stale: "a Sequenced message older than the newest delivered",
  Duplicate: "a Reliable message that had arrived before: its sender repeated it for nothing",
  BeyondWindow: "a Reliable message exactly at the window's limit: its sender asks whether there is room again",
  DeliveryOverflow: "the consumer of deliveries is too slow",
  Expired: "the message's ttl ran out before it was sent",
  Superseded: "a newer Sequenced message took its place in the queue",
  Overload: "the send queue was full: the oldest of lowest priority made room",
  PathShrunk: "larger than the path carries since it was queued",
  SessionClosed: "still queued when the session closed",
  SendQueueFull: "the socket's send queue did not take the sealed datagram"
}

/**
 * Which ledger a reason belongs to.
 *
 * @since 0.1.0
 * @category getters
 */
export const level = (reason: DropReason): "datagram" | "message" | "outbound" => {
  const index = code[reason]
  return index < code.Stale ? "datagram" : index < code.SendQueueFull ? "message" : "outbound"
}
