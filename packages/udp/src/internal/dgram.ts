import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Dgram from "node:dgram"
import * as Address from "../Address.js"
import { AddressTable } from "../AddressTable.js"
import { ReceiveBatch, SendBatch } from "../DatagramBatch.js"
import * as EventLoop from "../EventLoop.js"
import { fromCause, UdpSocketError } from "../UdpSocketError.js"
import { resolve, type ResolvedOptions, type UdpSocketOptions } from "../UdpSocketOptions.js"
import { makeStats, type UdpSocketShape } from "../UdpSocketShape.js"
import { DgramSender } from "./dgramSender.js"
import { handOver } from "./handOver.js"
import * as scope from "./scope.js"
import { SendQueue } from "./sendQueue.js"

/** libuv reads at most 32 datagrams a turn; twice that, so that a newer libuv has room. */
const RECEIVE_CAPACITY = 64

const OUTBOX_CAPACITY = 512
const OUTBOX_BYTES = 1024 * 1024

/** The longest UDP payload of an IPv4 and an IPv6 packet (RFC 768, RFC 8200). */
const MAX_PAYLOAD_IPV4 = 65_507
const MAX_PAYLOAD_IPV6 = 65_527

const MIN_BUFFER_BYTES = 64 * 1024

/** Every host here is an IP literal: answering at once saves the resolver and a tick per datagram. */
const lookup = (
  host: string,
  _family: unknown,
  callback: (error: null, address: string, family: number) => void
): void => {
  callback(null, host, host.includes(":") ? 6 : 4)
}

/** Node's types know it from version 22.12 on, and older versions of Node do not look at it. */
const REUSE_PORT: Partial<Dgram.SocketOptions> & { readonly reusePort: true } = { reusePort: true }

const codeOf = (error: unknown): unknown =>
  typeof error === "object" && error !== null && "code" in error ? error.code : undefined

/** Asks for a buffer size, and for less where the system refuses rather than cuts. */
const ask = (bytes: number, set: (bytes: number) => void, get: () => number): number => {
  for (let size = Math.floor(bytes); size >= MIN_BUFFER_BYTES; size = Math.floor(size / 2)) {
    try {
      set(size)
      break
    } catch {
      continue
    }
  }
  try {
    return get()
  } catch {
    return 0
  }
}

const bind = (options: ResolvedOptions): Effect.Effect<Dgram.Socket, UdpSocketError> =>
  Effect.async((resume) => {
    const { host, port } = options
    const bytes = new Uint8Array(Address.ADDRESS_BYTES)
    if (!Address.write(host, port, bytes, 0)) {
      return resume(Effect.fail(new UdpSocketError({ reason: "InvalidAddress", host, port })))
    }
    let socket: Dgram.Socket | undefined
    const failed = (cause: unknown): void => {
      socket?.removeAllListeners()
      // The handle is open even when binding failed.
      socket?.on("error", () => {})
      try {
        socket?.close()
      } catch {
        // Already closed.
      }
      resume(Effect.fail(fromCause(cause, host, port)))
    }
    try {
      const opened = Dgram.createSocket({
        type: bytes[0] === 6 ? "udp6" : "udp4",
        ipv6Only: options.ipv6Only,
        ...(options.reusePort ? REUSE_PORT : {}),
        lookup: lookup as NonNullable<Dgram.SocketOptions["lookup"]>
      })
      socket = opened
      opened.once("error", failed)
      opened.once("listening", () => {
        opened.removeListener("error", failed)
        resume(Effect.succeed(opened))
      })
      // exclusive: a worker of node:cluster gets a socket of its own.
      opened.bind({ address: sendHost(bytes, 0, bytes[0] === 6), port, exclusive: true })
    } catch (cause) {
      failed(cause)
    }
  })

/** The host of an encoded address in the form that libuv wants on a socket of that family; "" when it cannot be. */
const sendHost = (bytes: Uint8Array, offset: number, ipv6: boolean): string => {
  if (!ipv6) return bytes[offset] === 4 ? Address.host(bytes, offset) : ""
  if (bytes[offset] === 4) return `::ffff:${Address.host(bytes, offset)}`
  const text = Address.host(bytes, offset)
  const id = Address.scopeId(bytes, offset)
  return id === 0 ? text : `${text.slice(0, text.indexOf("%"))}%${scope.nameOf(id)}`
}

const localAddressOf = (socket: Dgram.Socket): Address.SocketAddress => {
  const { address, port } = socket.address()
  const bytes = new Uint8Array(Address.ADDRESS_BYTES)
  return Address.write(address, port, bytes, 0) ? Address.decode(bytes, 0) : { host: address, port }
}

/**
 * A bound `node:dgram` socket.
 *
 * @internal
 */
export class DgramSocket implements UdpSocketShape {
  readonly kind = "dgram"
  readonly localAddress: Address.SocketAddress
  readonly granted: UdpSocketShape["granted"]
  readonly maxDatagramBytes: number
  readonly loop = EventLoop.node
  readonly addresses = new AddressTable()
  readonly outbox: SendBatch
  readonly stats = makeStats()

  private readonly ipv6: boolean
  private readonly maxPayload: number
  private readonly inbox: ReceiveBatch
  private inboxEnd = 0
  private flushScheduled = false
  private handler: ((batch: ReceiveBatch) => void) | undefined
  private slab: Uint8Array
  private readonly queue: SendQueue
  private readonly sender: DgramSender
  private pumping = false
  private lastHost = ""
  private readonly lastAddress = new Uint8Array(Address.ADDRESS_BYTES)

  constructor(
    private readonly socket: Dgram.Socket,
    options: ResolvedOptions,
    readonly closed: Deferred.Deferred<void, UdpSocketError>
  ) {
    this.localAddress = localAddressOf(socket)
    this.ipv6 = this.localAddress.host.includes(":")
    this.maxPayload = this.ipv6 ? MAX_PAYLOAD_IPV6 : MAX_PAYLOAD_IPV4
    this.maxDatagramBytes = options.maxDatagramBytes
    this.inbox = new ReceiveBatch(
      Math.min(RECEIVE_CAPACITY, options.turnBudget),
      RECEIVE_CAPACITY * options.maxDatagramBytes
    )
    this.outbox = new SendBatch(OUTBOX_CAPACITY, OUTBOX_BYTES)
    this.slab = new Uint8Array(OUTBOX_BYTES)
    this.sender = new DgramSender(socket, this.onSent)
    this.queue = new SendQueue(options.sendQueueBytes, options.sendQueuePolicy === "drop-oldest")
    this.granted = {
      receiveBufferBytes: ask(
        options.receiveBufferBytes,
        (size) => socket.setRecvBufferSize(size),
        () => socket.getRecvBufferSize()
      ),
      sendBufferBytes: ask(
        options.sendBufferBytes,
        (size) => socket.setSendBufferSize(size),
        () => socket.getSendBufferSize()
      )
    }
    const { host, port } = options
    socket.on("message", this.onMessage)
    socket.on("error", (cause) => {
      const code = codeOf(cause)
      if (code === "EBADF" || code === "ENOTSOCK") Deferred.unsafeDone(closed, Exit.fail(fromCause(cause, host, port)))
      else this.stats.receiveErrors++
    })
    socket.on("close", () => {
      Deferred.unsafeDone(closed, Exit.fail(new UdpSocketError({ reason: "Closed", host, port })))
    })
  }

  setHandler(handler: ((batch: ReceiveBatch) => void) | undefined): void {
    this.handler = handler
  }

  send(): number {
    const { addresses, outbox, queue, stats } = this
    const count = outbox.count
    let accepted = 0
    if (count > 0) {
      if (queue.length > 0 || this.isBlocked()) {
        accepted = this.enqueueAll()
      } else {
        this.slab.set(outbox.arena.subarray(0, outbox.bytes))
        for (let i = 0; i < count; i++) {
          const host = this.hostOf(outbox.addressIds[i], outbox.lengths[i])
          if (host === "") continue
          const id = outbox.addressIds[i]
          const port = Address.port(addresses.bytesOf(id), addresses.startOf(id))
          if (this.sender.send(this.slab, outbox.offsets[i], outbox.lengths[i], port, host, i === count - 1)) {
            stats.sent++
            stats.sentBytes += outbox.lengths[i]
            accepted++
          } else stats.sendErrors++
        }
        // libuv kept some of these bytes for later: the slab is its own now.
        if (this.isBlocked()) this.slab = new Uint8Array(OUTBOX_BYTES)
      }
      outbox.clear()
    }
    addresses.endTurn()
    return accepted
  }

  /** Closes the socket, and resumes when the system has let go of it. */
  readonly close: Effect.Effect<void> = Effect.async((resume) => {
    this.handler = undefined
    this.socket.removeAllListeners("message")
    this.socket.removeAllListeners("close")
    Deferred.unsafeDone(this.closed, Exit.void)
    try {
      this.socket.close(() => {
        this.socket.removeAllListeners()
        this.socket.on("error", () => {})
        resume(Effect.void)
      })
    } catch {
      resume(Effect.void)
    }
  })

  private isBlocked(): boolean {
    try {
      return this.socket.getSendQueueCount() > 0
    } catch {
      return false
    }
  }

  /** The host to send to; "" when the datagram cannot be sent, which is counted. */
  private hostOf(id: number, length: number): string {
    const { addresses } = this
    let host: string | undefined
    if (length <= this.maxPayload && addresses.has(id)) {
      host = addresses.isLasting(id) ? addresses.texts[id] : undefined
      if (host === undefined) {
        host = sendHost(addresses.bytesOf(id), addresses.startOf(id), this.ipv6)
        if (addresses.isLasting(id)) addresses.texts[id] = host
      }
    }
    if (host === undefined || host === "") {
      this.stats.sendErrors++
      return ""
    }
    return host
  }

  private enqueueAll(): number {
    const { addresses, outbox, queue, stats } = this
    let accepted = 0
    for (let i = 0; i < outbox.count; i++) {
      const id = outbox.addressIds[i]
      const host = this.hostOf(id, outbox.lengths[i])
      if (host === "") continue
      const dropped = queue.push({
        bytes: outbox.arena.slice(outbox.offsets[i], outbox.offsets[i] + outbox.lengths[i]),
        host,
        port: Address.port(addresses.bytesOf(id), addresses.startOf(id))
      })
      stats.sendQueueDropped += Math.abs(dropped)
      if (dropped >= 0) accepted++
    }
    if (!this.pumping) this.pump()
    return accepted
  }

  /** Sends what waits, until libuv queues again; its callback then tells when there is room. */
  private pump(): void {
    this.pumping = false
    for (;;) {
      const item = this.queue.shift()
      if (item === undefined) return
      const wait = this.isBlocked()
      try {
        this.socket.send(item.bytes, 0, item.bytes.length, item.port, item.host, wait ? this.onDrained : undefined)
        this.stats.sent++
        this.stats.sentBytes += item.bytes.length
        if (wait) {
          this.pumping = true
          return
        }
      } catch {
        this.stats.sendErrors++
      }
    }
  }

  private readonly onSent = (error: Error | null): void => {
    if (error !== null) this.stats.sendErrors++
  }

  private readonly onDrained = (error: Error | null): void => {
    this.onSent(error)
    this.pump()
  }

  private readonly onMessage = (message: Uint8Array, from: Dgram.RemoteInfo): void => {
    const { inbox, stats } = this
    const kept = Math.min(message.length, this.maxDatagramBytes)
    // libuv goes on reading whether there is room or not
    while (inbox.count === inbox.capacity || this.inboxEnd + kept > inbox.arena.length) this.handOver()
    const i = inbox.count
    if (!this.writeSource(from, inbox.addresses, i * Address.ADDRESS_BYTES)) {
      stats.receiveErrors++
      return
    }
    if (kept === message.length) inbox.arena.set(message, this.inboxEnd)
    else {
      inbox.arena.set(message.subarray(0, kept), this.inboxEnd)
      stats.truncated++
    }
    inbox.addressOffsets[i] = i * Address.ADDRESS_BYTES
    inbox.offsets[i] = this.inboxEnd
    inbox.lengths[i] = message.length
    this.inboxEnd += kept
    inbox.count = i + 1
    this.scheduleFlush()
  }

  private readonly onTurnEnd = (): void => {
    this.flushScheduled = false
    this.handOver()
    if (this.inbox.count > 0) this.scheduleFlush()
  }

  private scheduleFlush(): void {
    if (this.flushScheduled) return
    this.flushScheduled = true
    setImmediate(this.onTurnEnd)
  }

  private handOver(): void {
    const { handler, inbox, stats } = this
    const { count, first } = inbox
    if (count === 0) return
    if (handler === undefined) stats.unhandled += count - first
    else {
      stats.received += handOver(inbox, handler)
      for (let i = first; i < inbox.first; i++) stats.receivedBytes += inbox.lengths[i]
      if (inbox.first < count) return
    }
    inbox.clear()
    this.inboxEnd = 0
  }

  private writeSource(from: Dgram.RemoteInfo, out: Uint8Array, offset: number): boolean {
    const { lastAddress } = this
    if (from.address !== this.lastHost) {
      if (!Address.write(from.address, from.port, lastAddress, 0)) {
        this.lastHost = ""
        return false
      }
      this.lastHost = from.address
    }
    for (let i = 0; i < Address.ADDRESS_BYTES; i++) out[offset + i] = lastAddress[i]
    out[offset + 2] = from.port >>> 8
    out[offset + 3] = from.port & 0xff
    return true
  }
}

/** @internal */
export const make = (options?: UdpSocketOptions): Effect.Effect<UdpSocketShape, UdpSocketError, Scope.Scope> => {
  const resolved = resolve(options)
  return Effect.acquireRelease(
    Effect.flatMap(
      bind(resolved),
      (socket) =>
        Effect.map(Deferred.make<void, UdpSocketError>(), (closed) => new DgramSocket(socket, resolved, closed))
    ),
    (socket) => socket.close
  )
}
