import { FfiError, LinuxSocket, PinnedMemory } from "@intentra/ffi"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberId from "effect/FiberId"
import type * as Scope from "effect/Scope"
import { getSystemErrorName } from "node:util"
import * as Address from "../Address.js"
import { AddressTable } from "../AddressTable.js"
import type { ReceiveBatch, SendBatch } from "../DatagramBatch.js"
import * as EventLoop from "../EventLoop.js"
import { fromCause, UdpSocketError } from "../UdpSocketError.js"
import { resolve, type ResolvedOptions, type UdpSocketOptions } from "../UdpSocketOptions.js"
import { makeStats, type UdpSocketShape } from "../UdpSocketShape.js"
import { BatchReceiver } from "./batchReceiver.js"
import { BatchSender } from "./batchSender.js"
import { Doorbell } from "./doorbell.js"
import { LocalAddresses } from "./localAddresses.js"
import { isUnspecified, nameBytes, readName, writeName } from "./sockaddr.js"

const {
  IP_PKTINFO,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_RECVPKTINFO,
  IPV6_V6ONLY,
  NAME_BYTES,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_RXQ_OVFL,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOL_SOCKET,
  SOL_UDP,
  UDP_GRO
} = LinuxSocket

/** The longest UDP payload of an IPv4 and an IPv6 packet (RFC 768, RFC 8200). */
const MAX_PAYLOAD_IPV4 = 65_507
const MAX_PAYLOAD_IPV6 = 65_527

/** More than the kernel gives anybody. */
const MAX_BUFFER_BYTES = 2 ** 30

/** Milliseconds until the next attempt to send when the last one sent nothing. */
const RETRY_MILLIS = 1

/** The buffer that was granted, in bytes; `force` is for those who may exceed the system's limit. */
const ask = (
  sockets: LinuxSocket.LinuxSockets,
  fd: number,
  bytes: number,
  force: number,
  option: number
): number => {
  const wanted = Math.max(0, Math.min(Math.floor(bytes), MAX_BUFFER_BYTES))
  try {
    sockets.setsockopt(fd, SOL_SOCKET, force, wanted)
  } catch {
    sockets.setsockopt(fd, SOL_SOCKET, option, wanted)
  }
  return sockets.getsockopt(fd, SOL_SOCKET, option)
}

/** Sets all options and binds; returns the address that the system gave. Throws what the system says. */
const bind = (
  { coalescing, dropCounts, localAddresses, sockets }: LinuxSocket.LinuxSocketLibrary,
  fd: number,
  address: Uint8Array,
  options: ResolvedOptions
): {
  readonly localAddress: Address.SocketAddress
  readonly granted: UdpSocketShape["granted"]
  readonly locals: LocalAddresses | undefined
} => {
  const ipv6 = address[0] === 6
  // libuv sets it on what it adopts; whoever else sets it could then bind the same port and take our datagrams
  sockets.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 0)
  if (options.reusePort) sockets.setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, 1)
  if (ipv6) sockets.setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, options.ipv6Only ? 1 : 0)
  const granted = {
    receiveBufferBytes: ask(sockets, fd, options.receiveBufferBytes, SO_RCVBUFFORCE, SO_RCVBUF),
    sendBufferBytes: ask(sockets, fd, options.sendBufferBytes, SO_SNDBUFFORCE, SO_SNDBUF)
  }
  if (dropCounts) sockets.setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, 1)
  if (coalescing) sockets.setsockopt(fd, SOL_UDP, UDP_GRO, 1)
  // sockets that share a port pass datagrams on to one another, and each has numbers of its own for what was asked
  const locals = localAddresses && isUnspecified(address, 0) && !options.reusePort ? new LocalAddresses() : undefined
  if (locals !== undefined) {
    if (ipv6) sockets.setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
    else sockets.setsockopt(fd, IPPROTO_IP, IP_PKTINFO, 1)
  }
  const name = PinnedMemory.make(NAME_BYTES).slice(NAME_BYTES)
  writeName(address, 0, ipv6, name.bytes, 0)
  sockets.bind(fd, name.address, nameBytes(ipv6))
  sockets.getsockname(fd, name.address, NAME_BYTES)
  const bound = new Uint8Array(Address.ADDRESS_BYTES)
  readName(name.bytes, 0, bound, 0)
  return { localAddress: Address.decode(bound, 0), granted, locals }
}

/**
 * A socket of Linux whose datagrams go in and out by the batch.
 *
 * @internal
 */
export class BatchSocket implements UdpSocketShape {
  readonly kind = "batch"
  readonly localAddress: Address.SocketAddress
  readonly granted: UdpSocketShape["granted"]
  readonly maxDatagramBytes: number
  readonly turnBudget: number
  readonly loop = EventLoop.node
  readonly addresses = new AddressTable()
  readonly outbox: SendBatch
  readonly stats = makeStats()
  readonly fd: number
  readonly locals: LocalAddresses | undefined

  private readonly receiver: BatchReceiver
  private readonly sender: BatchSender
  private handler: ((batch: ReceiveBatch) => void) | undefined
  private isOpen = true
  private turnScheduled = false
  private readonly retryAlarm: EventLoop.Alarm
  private retryScheduled = false

  /** Binds the socket of a doorbell that rings already; throws what the system says. */
  constructor(
    library: LinuxSocket.LinuxSocketLibrary,
    private readonly doorbell: Doorbell,
    address: Uint8Array,
    private readonly options: ResolvedOptions,
    readonly closed: Deferred.Deferred<void, UdpSocketError>
  ) {
    const { granted, localAddress, locals } = bind(library, doorbell.fd, address, options)
    const ipv6 = address[0] === 6
    this.fd = doorbell.fd
    this.localAddress = localAddress
    this.granted = granted
    this.locals = locals
    this.maxDatagramBytes = options.maxDatagramBytes
    this.turnBudget = options.turnBudget
    if (library.dropCounts) this.stats.kernelDrops = 0
    this.receiver = new BatchReceiver(library.sockets, this)
    this.sender = new BatchSender(library.sockets, this, {
      ipv6,
      maxPayload: ipv6 ? MAX_PAYLOAD_IPV6 : MAX_PAYLOAD_IPV4,
      sendQueueBytes: options.sendQueueBytes,
      dropOldest: options.sendQueuePolicy === "drop-oldest",
      segmentation: library.segmentation
    })
    this.outbox = this.sender.outbox
    this.retryAlarm = this.loop.makeAlarm(this.onRetry)
  }

  setHandler(handler: ((batch: ReceiveBatch) => void) | undefined): void {
    this.handler = handler
  }

  send(): number {
    if (this.isOpen) return this.sender.send()
    this.stats.sendErrors += this.outbox.count
    this.outbox.clear()
    this.addresses.endTurn()
    return 0
  }

  /** The socket has something to read. */
  readonly onReadable = (): void => {
    if (!this.turnScheduled && this.isOpen) this.turn()
  }

  readonly onBlocked = (): void => {
    if (this.retryScheduled) return
    this.retryScheduled = true
    this.loop.defer(this.onRetry)
  }

  readonly onDead = (errno: number): void => {
    const code = getSystemErrorName(-errno)
    this.die(new FfiError({ reason: "SystemCall", detail: `the socket failed: ${code}`, code }))
  }

  die(cause: unknown): void {
    const { host, port } = this.options
    Deferred.unsafeDone(this.closed, Exit.fail(fromCause(cause, host, port)))
  }

  /** Closes the socket, and resumes when the system has let go of it. */
  readonly close: Effect.Effect<void> = Effect.async((resume) => {
    this.isOpen = false
    this.handler = undefined
    this.retryAlarm.clear()
    Deferred.unsafeDone(this.closed, Exit.void)
    this.doorbell.close(() => resume(Effect.void))
  })

  private readonly onTurn = (): void => {
    this.turnScheduled = false
    if (this.isOpen) this.turn()
  }

  private turn(): void {
    const { receiver } = this
    if (receiver.pending === 0) receiver.read()
    if (receiver.pending > 0) receiver.handOver(this.handler)
    if (receiver.pending === 0 && !receiver.hasMore) return
    this.turnScheduled = true
    // after the I/O of this turn: whoever deferred something in the last batch comes first
    setImmediate(this.onTurn)
  }

  private readonly onRetry = (): void => {
    this.retryScheduled = false
    if (!this.isOpen) return
    const { sent } = this.stats
    if (!this.sender.retry()) return
    if (this.stats.sent > sent) return this.onBlocked()
    this.retryScheduled = true
    this.retryAlarm.set(this.loop.now() + RETRY_MILLIS)
  }
}

const unavailable = (cause: unknown, { host, port }: ResolvedOptions): UdpSocketError =>
  new UdpSocketError({ reason: "Unsupported", host, port, cause })

const open = (
  options: ResolvedOptions,
  load: () => LinuxSocket.LinuxSocketLibrary | FfiError
): Effect.Effect<BatchSocket, UdpSocketError> =>
  Effect.async((resume) => {
    const { host, port } = options
    const address = new Uint8Array(Address.ADDRESS_BYTES)
    if (!Address.write(host, port, address, 0)) {
      return resume(Effect.fail(new UdpSocketError({ reason: "InvalidAddress", host, port })))
    }
    const library = load()
    if (library instanceof FfiError) return resume(Effect.fail(unavailable(library, options)))
    let socket: BatchSocket | undefined
    const closed = Deferred.unsafeMake<void, UdpSocketError>(FiberId.none)
    let doorbell: Doorbell
    try {
      doorbell = Doorbell.make(
        library.sockets,
        address[0] === 6,
        () => socket?.onReadable(),
        (cause) => socket?.die(cause)
      )
    } catch (cause) {
      return resume(Effect.fail(fromCause(cause, host, port)))
    }
    const failed = (cause: unknown): void => doorbell.close(() => resume(Effect.fail(fromCause(cause, host, port))))
    doorbell.whenWatched((error) => {
      if (error !== undefined) return failed(error)
      try {
        socket = new BatchSocket(library, doorbell, address, options, closed)
        resume(Effect.succeed(socket))
      } catch (cause) {
        failed(cause)
      }
    })
  })

/** @internal */
export const make = (
  options?: UdpSocketOptions,
  load = LinuxSocket.load
): Effect.Effect<BatchSocket, UdpSocketError, Scope.Scope> =>
  Effect.acquireRelease(open(resolve(options), load), (socket) => socket.close)
