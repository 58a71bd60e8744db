/**
 * How a UDP socket is asked for.
 *
 * @since 0.1.0
 */

/**
 * Options of every kind of socket.
 *
 * @since 0.1.0
 * @category models
 */
export interface UdpSocketOptions {
  /** The IP literal to bind. Default `127.0.0.1`. */
  readonly host?: string
  /** The port to bind; 0, the default, lets the system choose. */
  readonly port?: number
  /** The kernel's receive buffer to ask for, in bytes. Default 4 MiB; `granted` tells what the system gave. */
  readonly receiveBufferBytes?: number
  /** The kernel's send buffer to ask for, in bytes. Default 4 MiB; `granted` tells what the system gave. */
  readonly sendBufferBytes?: number
  /**
   * How many datagrams the handler gets at most before the event loop turns. Default 512; at least 32, which is what
   * Node itself reads in a turn.
   */
  readonly turnBudget?: number
  /** Longer datagrams are handed over cut and flagged (see `ReceiveBatch`). Default 2,048 bytes. */
  readonly maxDatagramBytes?: number
  /** How many bytes may wait while the system takes no more. Default 1 MiB. */
  readonly sendQueueBytes?: number
  /** Which datagrams are dropped when that is full. Default `drop-oldest`: fresh data is worth more. */
  readonly sendQueuePolicy?: "drop-newest" | "drop-oldest"
  /** An IPv6 socket on `::` takes no IPv4 datagrams. Default false. */
  readonly ipv6Only?: boolean
  /**
   * Several sockets of one user may bind the same address and port, and the kernel gives each peer's datagrams to one of
   * them (SO_REUSEPORT). Default false. `layerDgram` knows it from Node 22.12 on, `layerSimulated` does not; there the
   * second socket fails with `AddressInUse`.
   */
  readonly reusePort?: boolean
}

/**
 * The options with every default in its place.
 *
 * @since 0.1.0
 * @category models
 */
export type ResolvedOptions = Required<UdpSocketOptions>

/**
 * Fills in the defaults. Numbers that make no sense are brought into range: `turnBudget` is at least 32,
 * `maxDatagramBytes` from 64 to 65,535.
 *
 * @since 0.1.0
 * @category constructors
 */
export const resolve = (options: UdpSocketOptions = {}): ResolvedOptions => ({
  host: options.host ?? "127.0.0.1",
  port: options.port ?? 0,
  receiveBufferBytes: options.receiveBufferBytes ?? 4 * 1024 * 1024,
  sendBufferBytes: options.sendBufferBytes ?? 4 * 1024 * 1024,
  turnBudget: Math.max(32, Math.floor(options.turnBudget ?? 512)),
  maxDatagramBytes: Math.min(65_535, Math.max(64, Math.floor(options.maxDatagramBytes ?? 2_048))),
  sendQueueBytes: Math.max(0, options.sendQueueBytes ?? 1024 * 1024),
  sendQueuePolicy: options.sendQueuePolicy ?? "drop-oldest",
  ipv6Only: options.ipv6Only ?? false,
  reusePort: options.reusePort ?? false
})
