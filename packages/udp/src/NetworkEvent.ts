/**
 * What happens to the datagrams of a simulated network, one by one and in sum.
 *
 * @since 0.1.0
 */

/**
 * Why a datagram did not arrive.
 *
 * - `loss`, `burstLoss`, `partition`, `mtu`: the condition of that name
 * - `queueFull`: the queue of a link of limited bandwidth was full
 * - `unreachable`: no socket is bound to the address
 * - `receiveBufferFull`: the socket's receive buffer was full
 * - `unhandled`: the socket had no handler
 *
 * @since 0.1.0
 * @category models
 */
export type LossCause = typeof lossCauses[number]

/**
 * Every cause of loss.
 *
 * @since 0.1.0
 * @category constants
 */
export const lossCauses = [
  "loss",
  "burstLoss",
  "partition",
  "mtu",
  "queueFull",
  "unreachable",
  "receiveBufferFull",
  "unhandled"
] as const

/**
 * Something that happened to a datagram. A duplicate has the `id` of its original.
 *
 * @since 0.1.0
 * @category models
 */
export interface NetworkEvent {
  readonly kind: "sent" | "injected" | "duplicated" | "corrupted" | "delivered" | "lost"
  /** Milliseconds of virtual time. */
  readonly at: number
  /** The datagram's number, counted from 1. */
  readonly id: number
  /** The source as the receiver sees it, `host:port`. */
  readonly from: string
  /** The destination, `host:port`. */
  readonly to: string
  /** The datagram, valid during the call only. */
  readonly bytes: Uint8Array
  /** Why it was lost; undefined for every other kind. */
  readonly cause: LossCause | undefined
}

/**
 * The sums, in datagrams, live. At every moment
 * `sent + duplicated + injected = delivered + lostTotal + inFlight`, and `lostTotal` is the sum of `lost`.
 *
 * @since 0.1.0
 * @category models
 */
export interface NetworkLedger {
  /** Given to the network by sockets. */
  readonly sent: number
  /** Extra copies that the network made. */
  readonly duplicated: number
  /** Put in by `inject`. */
  readonly injected: number
  /** Handed to a handler. */
  readonly delivered: number
  /** Lost, by cause. */
  readonly lost: { readonly [Cause in LossCause]: number }
  /** Lost in all. */
  readonly lostTotal: number
  /** On their way. */
  readonly inFlight: number
  /** Of the ones above, how many had bits flipped. */
  readonly corrupted: number
}
