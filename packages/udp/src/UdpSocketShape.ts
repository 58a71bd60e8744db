/**
 * What every UDP socket of this package is, whatever carries its datagrams.
 *
 * @since 0.1.0
 */
import type * as Deferred from "effect/Deferred"
import type { SocketAddress } from "./Address.js"
import type { AddressTable } from "./AddressTable.js"
import type { ReceiveBatch, SendBatch } from "./DatagramBatch.js"
import type { EventLoop } from "./EventLoop.js"
import type { UdpSocketError } from "./UdpSocketError.js"

/**
 * What a socket counts, in datagrams unless the name says bytes. Plain numbers that only grow.
 *
 * @since 0.1.0
 * @category models
 */
export interface UdpSocketStats {
  /** Handled by the handler. */
  received: number
  /** Their bytes. */
  receivedBytes: number
  /** Accepted by the system. */
  sent: number
  /** Their bytes. */
  sentBytes: number
  /** Dropped by the policy because the send queue was full. */
  sendQueueDropped: number
  /** Refused by the system or by the socket (no such address id, too long); none of these is fatal. */
  sendErrors: number
  /** Errors the system reported while receiving, ICMP among them; none of these is fatal. */
  receiveErrors: number
  /** Received ones longer than `maxDatagramBytes`. */
  truncated: number
  /** Received while no handler was set, and dropped. */
  unhandled: number
  /** Dropped by the kernel because its receive buffer was full; -1 where it cannot be known. */
  kernelDrops: number
}

/**
 * An open UDP socket. Everything here is synchronous and allocates nothing per datagram where the platform allows.
 *
 * @since 0.1.0
 * @category models
 */
export interface UdpSocketShape {
  /** What carries the datagrams. */
  readonly kind: "dgram" | "batch" | "simulated"
  /** The address it is bound to, with the port that the system chose. */
  readonly localAddress: SocketAddress
  /** The kernel's buffers as granted, in bytes; 0 where there are none. */
  readonly granted: { readonly receiveBufferBytes: number; readonly sendBufferBytes: number }
  /** The longest datagram that is handed over whole. */
  readonly maxDatagramBytes: number
  /** The time and the turns that this socket lives in. */
  readonly loop: EventLoop
  /** The ids of the addresses that it sends to. */
  readonly addresses: AddressTable
  /** Where the caller writes datagrams; `send` takes them. */
  readonly outbox: SendBatch
  /**
   * Hands the outbox to the socket and clears it. Returns how many datagrams were accepted; the others are counted in
   * `stats`. Never throws, never waits.
   */
  send(): number
  /**
   * Sets the one handler, called synchronously with a batch that is valid during the call only. A batch has at most
   * `turnBudget` datagrams, and between two batches the event loop turns. What the handler leaves of it (see
   * `ReceiveBatch`) comes again in the next turn, before anything newer; `node:dgram` reads on meanwhile, so that a
   * handler that falls behind by more than 64 datagrams gets them at once there. Without a handler datagrams are
   * counted and dropped. The handler must not throw.
   */
  setHandler(handler: ((batch: ReceiveBatch) => void) | undefined): void
  /** What happened so far. */
  readonly stats: UdpSocketStats
  /** Fails when the socket dies (never for ICMP or other passing errors), succeeds when its scope closes it. */
  readonly closed: Deferred.Deferred<void, UdpSocketError>
}

/**
 * Counters at zero.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeStats = (): UdpSocketStats => ({
  received: 0,
  receivedBytes: 0,
  sent: 0,
  sentBytes: 0,
  sendQueueDropped: 0,
  sendErrors: 0,
  receiveErrors: 0,
  truncated: 0,
  unhandled: 0,
  kernelDrops: -1
})
