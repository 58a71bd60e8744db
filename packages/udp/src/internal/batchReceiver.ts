import { LinuxSocket } from "@intentra/ffi"
import { constants } from "node:os"
import { ADDRESS_BYTES } from "../Address.js"
import type { ReceiveBatch } from "../DatagramBatch.js"
import type { UdpSocketStats } from "../UdpSocketShape.js"
import { handOver } from "./handOver.js"
import type { LocalAddresses } from "./localAddresses.js"
import { MAX_SEGMENTS, MESSAGES, ReceiveSpace } from "./receiveSpace.js"
import { readName } from "./sockaddr.js"

const { EAGAIN, EBADF, EINTR, ENOTSOCK } = constants.errno
const { LOCAL_BYTES, NAME_BYTES } = LinuxSocket

/** Errors in a row after which a turn stops asking. */
const MAX_ERRORS = 16

/** What a receiver needs of its socket. */
export interface ReceiverHost {
  /** The file descriptor. */
  readonly fd: number
  readonly stats: UdpSocketStats
  readonly turnBudget: number
  readonly maxDatagramBytes: number
  /** Of a socket of all addresses, where messages tell which one they were sent to. */
  readonly locals: LocalAddresses | undefined
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
  /** Where what was read lies until it was handled. */
  private space: ReceiveSpace | undefined = undefined
  /** How many datagrams are in the arena; the batch shows at most a turn's worth of them. */
  private total = 0
  /** How many datagrams a message of the last turn had, to ask for no more messages than a turn can take. */
  private perMessage = 1
  /** What the kernel says it has dropped on this socket. */
  private dropped = 0

  constructor(
    private readonly sockets: Pick<LinuxSocket.LinuxSockets, "recvmmsg">,
    private readonly host: ReceiverHost
  ) {}

  /** How many datagrams wait to be handed over. */
  get pending(): number {
    return this.space === undefined ? 0 : this.total - this.space.batch.first
  }

  /** Reads until there is enough for a turn or nothing more; everything read before must have been handed over. */
  read(): void {
    const { host } = this
    const { stats } = host
    const space = this.space ?? ReceiveSpace.take(this.sockets)
    this.space = space
    const { batch, messages } = space
    messages.dropped = this.dropped
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
        for (let i = at; i < at + received; i++) this.split(messages, batch, i)
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
    if (stats.kernelDrops >= 0) stats.kernelDrops += (messages.dropped - this.dropped) >>> 0
    this.dropped = messages.dropped
    if (this.total === 0) this.giveBack(space)
  }

  /** Hands a turn's worth over, or drops all that was read when nobody takes it. */
  handOver(handler: ((batch: ReceiveBatch) => void) | undefined): void {
    const { host: { stats, turnBudget }, space } = this
    if (space === undefined) return
    const { batch } = space
    if (handler === undefined) {
      stats.unhandled += this.pending
      return this.giveBack(space)
    }
    const { first } = batch
    batch.count = Math.min(this.total, first + turnBudget)
    stats.received += handOver(batch, handler)
    for (let i = first; i < batch.first; i++) stats.receivedBytes += batch.lengths[i]
    if (batch.first < batch.count) return
    if (batch.count === this.total) return this.giveBack(space)
    this.forget(batch, batch.count)
  }

  private giveBack(space: ReceiveSpace): void {
    this.total = 0
    this.space = undefined
    space.give()
  }

  /** What was handled makes room, so that every new batch begins at 0. */
  private forget(batch: ReceiveBatch, count: number): void {
    const { total } = this
    batch.offsets.copyWithin(0, count, total)
    batch.lengths.copyWithin(0, count, total)
    batch.addressOffsets.copyWithin(0, count, total)
    batch.clear()
    this.total = total - count
  }

  /** Adds the datagrams of message `i`. */
  private split(messages: LinuxSocket.ReceiveMessages, batch: ReceiveBatch, i: number): void {
    const { locals, maxDatagramBytes, stats } = this.host
    const source = i * ADDRESS_BYTES
    if (!readName(messages.names, i * NAME_BYTES, batch.addresses, source)) {
      stats.receiveErrors++
      return
    }
    if (locals !== undefined && messages.located[i] === 1) {
      batch.addresses[source + 1] = locals.numberOf(messages.locals, i * LOCAL_BYTES)
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
