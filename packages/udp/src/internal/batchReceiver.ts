import { LinuxSocket } from "@intentra/ffi"
import { constants } from "node:os"
import { ADDRESS_BYTES } from "../Address.js"
import { ReceiveBatch } from "../DatagramBatch.js"
import type { UdpSocketStats } from "../UdpSocketShape.js"
import { handOver } from "./handOver.js"
import { readName } from "./sockaddr.js"

const { EAGAIN, EBADF, EINTR, ENOTSOCK } = constants.errno
const { NAME_BYTES } = LinuxSocket

const MESSAGES = 64

/** More than any message has. */
const BUFFER_BYTES = 64 * 1024

/** What the kernel puts into a message at most: UDP_MAX_SEGMENTS of its newer versions. */
const MAX_SEGMENTS = 128

/** Errors in a row after which a turn stops asking. */
const MAX_ERRORS = 16

/** What a receiver needs of its socket. */
export interface ReceiverHost {
  /** The file descriptor. */
  readonly fd: number
  readonly stats: UdpSocketStats
  readonly turnBudget: number
  readonly maxDatagramBytes: number
  /** The socket is no more. */
  readonly onDead: (errno: number) => void
}

/**
 * Receives batches by `recvmmsg`. A message of several datagrams (UDP_GRO) is split where it lies, by the size that its
 * control data tells.
 *
 * @internal
 */
export class BatchReceiver {
  /** Whether there may be more in the kernel. */
  hasMore = false
  private readonly messages: LinuxSocket.ReceiveMessages
  private readonly batch: ReceiveBatch
  /** How many datagrams are in the arena; the batch shows at most a turn's worth of them. */
  private total = 0
  /** How many datagrams a message of the last turn had, to ask for no more messages than a turn can take. */
  private perMessage = 1
  private dropped = 0

  constructor(sockets: Pick<LinuxSocket.LinuxSockets, "recvmmsg">, private readonly host: ReceiverHost) {
    this.messages = new LinuxSocket.ReceiveMessages(sockets, MESSAGES, BUFFER_BYTES)
    this.batch = new ReceiveBatch(MESSAGES * MAX_SEGMENTS, this.messages.arena, MESSAGES)
  }

  /** How many datagrams wait to be handed over. */
  get pending(): number {
    return this.total - this.batch.first
  }

  /** Reads until there is enough for a turn or nothing more; everything read before must have been handed over. */
  read(): void {
    const { batch, host, messages } = this
    const { stats } = host
    batch.clear()
    this.total = 0
    this.hasMore = true
    let errors = 0
    let at = 0
    while (at < MESSAGES && this.total < host.turnBudget) {
      const wanted = Math.min(MESSAGES - at, Math.ceil((host.turnBudget - this.total) / this.perMessage))
      const received = messages.receive(host.fd, at, wanted)
      if (received > 0) {
        const before = this.total
        for (let i = at; i < at + received; i++) this.split(i)
        this.perMessage = Math.max(1, (this.total - before) / received)
        at += received
        // fewer than there was room for: the kernel has no more, or says why when it is asked again
        if (received < wanted) {
          this.hasMore = false
          break
        }
      } else if (-received === EAGAIN) {
        this.hasMore = false
        break
      } else if (-received === EBADF || -received === ENOTSOCK) {
        this.hasMore = false
        host.onDead(-received)
        break
      } else {
        // the fate of something that was sent (ICMP), reported once
        if (-received !== EINTR) stats.receiveErrors++
        if (++errors > MAX_ERRORS) break
      }
    }
    if (stats.kernelDrops >= 0) {
      stats.kernelDrops += (messages.dropped - this.dropped) >>> 0
      this.dropped = messages.dropped
    }
  }

  /** Hands a turn's worth over, or drops all that was read when nobody takes it. */
  handOver(handler: ((batch: ReceiveBatch) => void) | undefined): void {
    const { batch, host: { stats, turnBudget } } = this
    if (handler === undefined) {
      stats.unhandled += this.pending
      return this.forget(this.total)
    }
    const { first } = batch
    batch.count = Math.min(this.total, first + turnBudget)
    stats.received += handOver(batch, handler)
    for (let i = first; i < batch.first; i++) stats.receivedBytes += batch.lengths[i]
    if (batch.first === batch.count) this.forget(batch.count)
  }

  /** What was handled makes room, so that every new batch begins at 0. */
  private forget(count: number): void {
    const { batch, total } = this
    batch.offsets.copyWithin(0, count, total)
    batch.lengths.copyWithin(0, count, total)
    batch.addressOffsets.copyWithin(0, count, total)
    batch.clear()
    this.total = total - count
  }

  /** Adds the datagrams of message `i`. */
  private split(i: number): void {
    const { batch, host: { maxDatagramBytes, stats }, messages } = this
    const source = i * ADDRESS_BYTES
    if (!readName(messages.names, i * NAME_BYTES, batch.addresses, source)) {
      stats.receiveErrors++
      return
    }
    const start = i * messages.stride
    const length = messages.lengths[i]
    const segment = messages.segments[i] > 0 ? messages.segments[i] : length
    let parts = 0
    let at = 0
    do {
      const part = Math.min(segment, length - at)
      const to = this.total++
      batch.offsets[to] = start + at
      batch.lengths[to] = part
      batch.addressOffsets[to] = source
      if (part > maxDatagramBytes) stats.truncated++
      at += part
      parts++
    } while (at < length && parts < MAX_SEGMENTS)
    if (at < length) stats.receiveErrors++
  }
}
