import { LinuxSocket, PinnedMemory } from "@intentra/ffi"
import { constants } from "node:os"
import * as Address from "../Address.js"
import { AddressTable } from "../AddressTable.js"
import { SendBatch } from "../DatagramBatch.js"
import type { UdpSocketStats } from "../UdpSocketShape.js"
import type { LocalAddresses } from "./localAddresses.js"
import { NameTable } from "./nameTable.js"
import { isReachable, nameBytes, writeName } from "./sockaddr.js"
import { WaitingDatagrams } from "./waitingDatagrams.js"

const { EADDRNOTAVAIL, EAGAIN, EBADF, EINTR, EINVAL, EIO, EMSGSIZE, ENETUNREACH, ENOBUFS, ENODEV, ENOMEM, ENOTSOCK } =
  constants.errno
const { LOCAL_BYTES, NAME_BYTES } = LinuxSocket

/** What a message is refused with that is to go from an address which this host has no more. */
const NO_SUCH_SOURCE: ReadonlyArray<number> = [EINVAL, EADDRNOTAVAIL, ENETUNREACH, ENODEV]

const OUTBOX_CAPACITY = 2_048
/** Four messages of the longest; a full outbox is sent at once. */
const OUTBOX_BYTES = 256 * 1024

/** What one call is given at most. */
const MESSAGES = 128

/** What the kernel takes apart: UDP_MAX_SEGMENTS of its older versions, and the longest payload of an IPv4 packet. */
const MAX_SEGMENTS = 64
const MAX_MESSAGE_BYTES = 65_507

/** What fits the smallest packet that every IPv6 path carries (RFC 8200 section 5). */
const SAFE_SEGMENT = 1_232

const RETRY_DATAGRAMS = 1_024
const RETRY_BYTES = 128 * 1024

/** What a sender needs of its socket. */
export interface SenderHost {
  /** The file descriptor. */
  readonly fd: number
  readonly stats: UdpSocketStats
  readonly addresses: AddressTable
  /** Of a socket of all addresses, those that sources asked. */
  readonly locals: LocalAddresses | undefined
  /** The system takes no more for now: `retry` is wanted later. */
  readonly onBlocked: () => void
  /** The socket is no more. */
  readonly onDead: (errno: number) => void
}

export interface SenderOptions {
  readonly ipv6: boolean
  readonly maxPayload: number
  readonly sendQueueBytes: number
  readonly dropOldest: boolean
  /** Whether the system can take a message apart into datagrams. */
  readonly segmentation: boolean
}

/**
 * Sends batches by `sendmmsg`. Datagrams of equal length that follow one another to the same address go as one message,
 * which the kernel takes apart (UDP_SEGMENT).
 *
 * @internal
 */
export class BatchSender {
  readonly outbox: SendBatch
  private readonly outboxAddress: number
  private readonly messages: LinuxSocket.SendMessages
  private readonly names: NameTable
  private readonly nameBytes: number
  private readonly waiting: WaitingDatagrams
  private readonly retryAddresses = new AddressTable()
  private retryMemory: PinnedMemory.PinnedSlice | undefined
  private retryBatch: SendBatch | undefined

  /** Which datagrams of the batch are in each message: from `firsts` to `ends` - 1. */
  private readonly firsts = new Uint32Array(MESSAGES)
  private readonly ends = new Uint32Array(MESSAGES)
  private built = 0
  /** Longer datagrams go singly; 0 when all do. */
  private maxSegment: number

  constructor(
    sockets: Pick<LinuxSocket.LinuxSockets, "sendmmsg">,
    private readonly host: SenderHost,
    private readonly options: SenderOptions
  ) {
    const memory = PinnedMemory.make(OUTBOX_BYTES).slice(OUTBOX_BYTES)
    this.outbox = new SendBatch(OUTBOX_CAPACITY, memory.bytes)
    this.outboxAddress = memory.address
    this.messages = new LinuxSocket.SendMessages(sockets, MESSAGES)
    this.names = new NameTable(host.addresses, options.ipv6)
    this.nameBytes = nameBytes(options.ipv6)
    this.waiting = new WaitingDatagrams(options.sendQueueBytes, options.dropOldest)
    this.maxSegment = options.segmentation ? MAX_MESSAGE_BYTES : 0
  }

  /** Sends the outbox and clears it; returns how many datagrams were taken by the system or wait for it. */
  send(): number {
    const { addresses, stats } = this.host
    const { outbox } = this
    this.refuseUnreachable()
    const before = stats.sent
    const isFirst = this.waiting.length === 0
    const taken = isFirst ? this.transmit(outbox, addresses, this.outboxAddress) : 0
    let accepted = stats.sent - before
    if (taken < outbox.count) {
      accepted += this.keep(taken)
      if (isFirst || this.retry()) this.host.onBlocked()
    }
    outbox.clear()
    addresses.endTurn()
    return accepted
  }

  /** Sends what waits; true when the system takes no more again. */
  retry(): boolean {
    const { retryAddresses, waiting } = this
    this.retryMemory ??= PinnedMemory.make(RETRY_BYTES).slice(RETRY_BYTES)
    this.retryBatch ??= new SendBatch(RETRY_DATAGRAMS, this.retryMemory.bytes)
    const batch = this.retryBatch
    while (waiting.length > 0) {
      batch.clear()
      waiting.copyTo(batch, retryAddresses)
      const taken = this.transmit(batch, retryAddresses, this.retryMemory.address)
      retryAddresses.endTurn()
      waiting.shift(taken)
      if (taken < batch.count) return true
    }
    return false
  }

  /** Id 0 for every datagram that cannot be sent, each counted. */
  private refuseUnreachable(): void {
    const { addresses, stats } = this.host
    const { ipv6, maxPayload } = this.options
    const { addressIds, count, lengths } = this.outbox
    for (let i = 0; i < count; i++) {
      const id = addressIds[i]
      if (
        lengths[i] <= maxPayload && addresses.has(id) &&
        isReachable(addresses.bytesOf(id), addresses.startOf(id), ipv6)
      ) continue
      addressIds[i] = 0
      stats.sendErrors++
    }
  }

  /** Puts the outbox from `first` on behind what waits; returns how many of it do wait now. */
  private keep(first: number): number {
    const { addresses, stats } = this.host
    const { addressIds, arena, count, lengths, offsets } = this.outbox
    let kept = 0
    for (let i = first; i < count; i++) {
      const id = addressIds[i]
      if (id === 0) continue
      const dropped = this.waiting.push(arena, offsets[i], lengths[i], addresses.bytesOf(id), addresses.startOf(id))
      stats.sendQueueDropped += Math.abs(dropped)
      if (dropped >= 0) kept++
    }
    return kept
  }

  /** Returns the number of the first datagram that the system did not take, because it takes no more. */
  private transmit(batch: SendBatch, addresses: AddressTable, arena: number): number {
    const { ends, firsts, host, messages } = this
    const { stats } = host
    let next = 0
    let retried = -1
    let singlesUntil = 0
    // the first datagram of a message that was refused and is sent again singly, and why
    let suspect = -1
    let suspectErrno = 0
    while (next < batch.count) {
      next = this.build(batch, addresses, arena, next, singlesUntil)
      let message = 0
      while (message < this.built) {
        const first = firsts[message]
        const sent = messages.send(host.fd, message, this.built)
        if (sent > 0) {
          this.count(batch, message, message + sent)
          if (first === suspect) {
            this.blame(batch.lengths[first], suspectErrno)
            suspect = -1
          }
          message += sent
          continue
        }
        const errno = -sent
        if (errno === EAGAIN || errno === ENOBUFS || errno === ENOMEM || errno === 0) return first
        if (errno === EINTR) continue
        if (errno === EBADF || errno === ENOTSOCK) {
          host.onDead(errno)
          for (let i = first; i < batch.count; i++) stats.sendErrors += batch.addressIds[i] === 0 ? 0 : 1
          return batch.count
        }
        const datagrams = ends[message] - first
        // one of several datagrams may be refused for being one of several: that is tried first
        const isRefused = NO_SUCH_SOURCE.includes(errno) && (datagrams === 1 || errno !== EINVAL)
        if (isRefused && forgetLocals(batch, addresses, first, ends[message])) {
          suspect = -1
          next = first
          break
        }
        if (datagrams > 1 && (errno === EINVAL || errno === EIO || errno === EMSGSIZE)) {
          suspect = first
          suspectErrno = errno
          singlesUntil = ends[message]
          next = first
          break
        }
        // what is reported may be the fate of an earlier datagram, and is reported once
        if (retried !== first && errno !== EMSGSIZE) {
          retried = first
          continue
        }
        stats.sendErrors += datagrams
        message++
      }
    }
    return batch.count
  }

  /** Makes messages of the datagrams from `from` on; returns the first that is in none. */
  private build(batch: SendBatch, addresses: AddressTable, arena: number, from: number, singlesUntil: number): number {
    const { ends, firsts, host: { locals }, maxSegment, messages, options: { ipv6 } } = this
    const { addressIds, count, lengths, offsets } = batch
    let built = 0
    let i = from
    while (i < count && built < MESSAGES) {
      const first = i++
      const id = addressIds[first]
      if (id === 0) continue
      const length = lengths[first]
      let bytes = length
      if (length > 0 && length <= maxSegment && first >= singlesUntil) {
        while (i < count && i - first < MAX_SEGMENTS) {
          const next = lengths[i]
          if (
            next === 0 || next > length || bytes + next > MAX_MESSAGE_BYTES || offsets[i] !== offsets[first] + bytes ||
            !isSame(addresses, id, addressIds[i])
          ) break
          bytes += next
          i++
          if (next < length) break
        }
      }
      messages.set(
        built,
        this.nameOf(addresses, id, built),
        this.nameBytes,
        arena + offsets[first],
        bytes,
        i - first > 1 ? length : 0
      )
      if (locals !== undefined) {
        const local = addresses.localOf(id)
        if (local > 0) messages.setLocal(built, ipv6, locals.bytes, local * LOCAL_BYTES)
      }
      firsts[built] = first
      ends[built++] = i
    }
    this.built = built
    return i
  }

  private nameOf(addresses: AddressTable, id: number, message: number): number {
    if (addresses === this.host.addresses && addresses.isLasting(id)) return this.names.addressOf(id)
    const { names } = this.messages
    const at = message * NAME_BYTES
    writeName(addresses.bytesOf(id), addresses.startOf(id), this.options.ipv6, names.bytes, at)
    return names.address + at
  }

  private count(batch: SendBatch, message: number, endMessage: number): void {
    const { ends, firsts, host: { stats } } = this
    for (let m = message; m < endMessage; m++) {
      stats.sent += ends[m] - firsts[m]
      for (let i = firsts[m]; i < ends[m]; i++) stats.sentBytes += batch.lengths[i]
    }
  }

  /** A message was refused, and its first datagram taken alone: such messages are not made again. */
  private blame(segment: number, errno: number): void {
    const isTooLong = errno !== EIO && segment > SAFE_SEGMENT
    this.maxSegment = isTooLong ? Math.min(this.maxSegment, segment - 1) : 0
  }
}

const isSame = (addresses: AddressTable, id: number, other: number): boolean =>
  id === other ||
  (other !== 0 && addresses.localOf(id) === addresses.localOf(other) &&
    Address.equals(addresses.bytesOf(id), addresses.startOf(id), addresses.bytesOf(other), addresses.startOf(other)))

/** Whether some of the datagrams from `first` to `end` - 1 were to go from an address of this host; now they are not. */
const forgetLocals = (batch: SendBatch, addresses: AddressTable, first: number, end: number): boolean => {
  let forgotten = false
  for (let i = first; i < end; i++) {
    const id = batch.addressIds[i]
    if (addresses.localOf(id) === 0) continue
    addresses.forgetLocal(id)
    forgotten = true
  }
  return forgotten
}
