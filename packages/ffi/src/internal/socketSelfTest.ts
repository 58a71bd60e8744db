import { FfiError } from "../FfiError.js"
import type { LinuxSockets } from "../LinuxSocket.js"
import * as PinnedMemory from "../PinnedMemory.js"
import { ReceiveMessages, SendMessages } from "./messageArrays.js"
import {
  AF_INET,
  AF_INET6,
  IP_PKTINFO,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_RECVPKTINFO,
  LOCAL_BYTES,
  MSG_TRUNC,
  NAME_BYTES,
  SO_RCVBUF,
  SO_RXQ_OVFL,
  SOCK_DGRAM,
  SOCKADDR_IN,
  SOCKADDR_IN6,
  SOL_SOCKET,
  SOL_UDP,
  UDP_GRO
} from "./socketLayout.js"

/** What a kernel can do beyond `recvmmsg` and `sendmmsg`. */
export interface SocketFeatures {
  /** One message may be many datagrams when sending (UDP_SEGMENT, Linux 4.18). */
  readonly segmentation: boolean
  /** One message may be many datagrams when receiving, and says so (UDP_GRO, Linux 5.0). */
  readonly coalescing: boolean
  /** Messages tell how many were dropped before them (SO_RXQ_OVFL). */
  readonly dropCounts: boolean
  /** Messages tell which address of this host they were sent to, and may go from it (IP_PKTINFO, IPV6_PKTINFO). */
  readonly localAddresses: boolean
}

/** How long a datagram may take over the loopback interface, in milliseconds. */
const ARRIVAL_MILLIS = 500

const MESSAGES = 4
const BUFFER_BYTES = 4096
const SHORT_BYTES = 64
const LENGTHS = [0, 1, 700] as const
const SEGMENT = 1000
const LAST_SEGMENT = 500
const FLOOD = 64
const ATTEMPTS = 5

class Mismatch extends Error {}

const expect = (what: string, seen: number, expected: number): void => {
  if (seen !== expected) throw new Mismatch(`${what} is ${seen} instead of ${expected}`)
}

/** 127.0.0.2 as an IPv4-mapped address, and ::1. */
const SECOND = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 2]
const LOOPBACK = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]

const pattern = (i: number, seed: number): number => (i * 7 + seed * 31 + 1) & 0xff

/** Sockets on the loopback interface and what they send one another. */
class Echo {
  private readonly memory = PinnedMemory.make(8 * 1024)
  private readonly names = this.memory.slice(2 * NAME_BYTES)
  private readonly data = this.memory.slice(BUFFER_BYTES)
  private readonly sending: SendMessages
  private readonly receiving: ReceiveMessages
  private readonly short: ReceiveMessages
  private readonly open: Array<number> = []

  constructor(private readonly sockets: LinuxSockets) {
    this.sending = new SendMessages(sockets, MESSAGES)
    this.receiving = new ReceiveMessages(sockets, MESSAGES, BUFFER_BYTES)
    this.short = new ReceiveMessages(sockets, 1, SHORT_BYTES)
  }

  closeAll(): void {
    for (const fd of this.open) this.sockets.close(fd)
  }

  /** A socket on 127.0.0.1 or ::1, or on all addresses; its own lies in `names` at `place`. */
  bound(family: number, place: 0 | 1, all = false): number {
    const { names, sockets } = this
    const fd = sockets.socket(family, SOCK_DGRAM)
    this.open.push(fd)
    const at = place * NAME_BYTES
    const length = family === AF_INET ? SOCKADDR_IN.bytes : SOCKADDR_IN6.bytes
    names.bytes.fill(0, at, at + NAME_BYTES)
    names.view.setUint16(at + SOCKADDR_IN.family, family, true)
    if (!all && family === AF_INET) names.bytes.set([127, 0, 0, 1], at + SOCKADDR_IN.address)
    if (!all && family === AF_INET6) names.bytes[at + SOCKADDR_IN6.address + 15] = 1
    sockets.bind(fd, names.address + at, length)
    expect("the length of a bound address", sockets.getsockname(fd, names.address + at, NAME_BYTES), length)
    expect("the family of a bound address", names.view.getUint16(at + SOCKADDR_IN.family, true), family)
    if (names.view.getUint16(at + SOCKADDR_IN.port) === 0) throw new Mismatch("a bound port is 0")
    return fd
  }

  /** Messages of known bytes to the socket whose address is at place 1; each number is a length. */
  send(fd: number, family: number, lengths: ReadonlyArray<number>, segment: number): number {
    const { data, names, sending } = this
    let end = 0
    lengths.forEach((length, i) => {
      for (let j = 0; j < length; j++) data.bytes[end + j] = pattern(j, i)
      const nameLength = family === AF_INET ? SOCKADDR_IN.bytes : SOCKADDR_IN6.bytes
      sending.set(i, names.address + NAME_BYTES, nameLength, data.address + end, length, segment)
      end += length
    })
    return sending.send(fd, 0, lengths.length)
  }

  /** Receives one message into place `i`. */
  receive(fd: number, i: number, into = this.receiving): void {
    if (!this.sockets.waitReadable(fd, ARRIVAL_MILLIS)) throw new Mismatch("a datagram did not come back")
    expect("the number of received messages", into.receive(fd, i, 1), 1)
  }

  /** Holds message `i` to the length, the bytes, and the source that is at place 0. */
  check(i: number, family: number, length: number, seed: number, segment: number): void {
    const { names, receiving } = this
    expect("a received length", receiving.lengths[i], length)
    expect("the flags of a message", receiving.flags[i], 0)
    expect("a segment size", receiving.segments[i], segment)
    for (let j = 0; j < length; j++) {
      expect(`byte ${j} of a message`, receiving.arena[i * receiving.stride + j], pattern(j, seed))
    }
    const nameLength = family === AF_INET ? SOCKADDR_IN.bytes : SOCKADDR_IN6.bytes
    expect("the length of a source", receiving.nameLengths[i], nameLength)
    for (let j = 0; j < nameLength; j++) {
      expect(`byte ${j} of a source`, receiving.names[i * NAME_BYTES + j], names.bytes[j])
    }
  }

  singles(family: number): void {
    const sender = this.bound(family, 0)
    const receiver = this.bound(family, 1)
    expect("the number of sent messages", this.send(sender, family, LENGTHS, 0), LENGTHS.length)
    LENGTHS.forEach((length, i) => {
      expect("a sent length", this.sending.sentBytes(i), length)
      this.receive(receiver, i)
      this.check(i, family, length, i, 0)
    })
    expect("the answer of an empty socket", this.receiving.receive(receiver, 0, 1) < 0 ? 1 : 0, 1)
    expect("the number of sent messages", this.send(sender, family, [SHORT_BYTES + 1], 0), 1)
    this.receive(receiver, 0, this.short)
    expect("the length of a cut message", this.short.lengths[0], SHORT_BYTES)
    expect("the flags of a cut message", this.short.flags[0], MSG_TRUNC)
  }

  /** Many datagrams as one message, out and in. */
  segments(): Pick<SocketFeatures, "segmentation" | "coalescing"> {
    const { sockets } = this
    const sender = this.bound(AF_INET, 0)
    const receiver = this.bound(AF_INET, 1)
    let coalescing = true
    try {
      sockets.setsockopt(receiver, SOL_UDP, UDP_GRO, 1)
    } catch {
      coalescing = false
    }
    const length = 2 * SEGMENT + LAST_SEGMENT
    if (this.send(sender, AF_INET, [length], SEGMENT) !== 1) return { segmentation: false, coalescing: false }
    this.receive(receiver, 0)
    if (this.receiving.lengths[0] === length) {
      this.check(0, AF_INET, length, 0, SEGMENT)
      return { segmentation: true, coalescing }
    }
    // the kernel took it apart again: what its control data would look like has not been seen
    expect("a received length", this.receiving.lengths[0], SEGMENT)
    this.receive(receiver, 1)
    expect("a received length", this.receiving.lengths[1], SEGMENT)
    this.receive(receiver, 2)
    expect("a received length", this.receiving.lengths[2], LAST_SEGMENT)
    return { segmentation: true, coalescing: false }
  }

  /** More than a small buffer holds: the next message tells how many were too many. */
  drops(): boolean {
    const { receiving, sockets } = this
    const sender = this.bound(AF_INET, 0)
    const receiver = this.bound(AF_INET, 1)
    sockets.setsockopt(receiver, SOL_SOCKET, SO_RCVBUF, 1)
    try {
      sockets.setsockopt(receiver, SOL_SOCKET, SO_RXQ_OVFL, 1)
    } catch {
      return false
    }
    let lost = 0
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      for (let i = 0; i < FLOOD; i++) expect("the number of sent messages", this.send(sender, AF_INET, [SEGMENT], 0), 1)
      let kept = 0
      while (receiving.receive(receiver, 0, 1) === 1) kept++
      lost += FLOOD - kept
      expect("the number of sent messages", this.send(sender, AF_INET, [SEGMENT], 0), 1)
      this.receive(receiver, 0)
      if (receiving.dropped === lost) return lost > 0
      // a busy kernel was not done with the flood when it was counted
      lost = receiving.dropped
    }
    if (lost === 0) return false
    throw new Mismatch(`the number of dropped messages is ${receiving.dropped}, which is not what was lost`)
  }

  /**
   * Whether a socket of all addresses hears which one it was asked at, and answers from that one. A host without a second
   * loopback address, and a system that keeps such datagrams back, do without.
   */
  locals(family: number): boolean {
    try {
      this.checkLocals(family)
      return true
    } catch {
      return false
    }
  }

  private checkLocals(family: number): void {
    const { names, receiving, sending, sockets } = this
    const ipv4 = family === AF_INET
    const asker = this.bound(family, 0)
    const askerName = names.bytes.slice(0, NAME_BYTES)
    const answerer = this.bound(family, 1, true)
    const nameLength = ipv4 ? SOCKADDR_IN.bytes : SOCKADDR_IN6.bytes
    const at = NAME_BYTES
    if (ipv4) sockets.setsockopt(answerer, IPPROTO_IP, IP_PKTINFO, 1)
    else sockets.setsockopt(answerer, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
    const expected = ipv4 ? SECOND : LOOPBACK
    if (ipv4) names.bytes.set(SECOND.slice(12), at + SOCKADDR_IN.address)
    else names.bytes.set(LOOPBACK, at + SOCKADDR_IN6.address)
    const asked = names.bytes.slice(at, at + NAME_BYTES)
    expect("the number of sent messages", this.send(asker, family, [1], 0), 1)
    this.receive(answerer, 0)
    expect("whether a message tells where it was sent to", receiving.located[0], 1)
    for (let i = 0; i < expected.length; i++) {
      expect(`byte ${i} of an address of this host`, receiving.locals[i], expected[i])
    }
    names.bytes.set(askerName, at)
    const local = receiving.locals.slice(0, LOCAL_BYTES)
    // alone, and behind a segment size
    for (const segment of [0, SEGMENT]) {
      sending.set(0, names.address + at, nameLength, this.data.address, 2 * segment + 1, segment)
      sending.setLocal(0, !ipv4, local, 0)
      expect("the number of sent messages", sending.send(answerer, 0, 1), 1)
      for (let part = segment === 0 ? 1 : 3; part > 0; part--) {
        this.receive(asker, 0)
        for (let i = 0; i < nameLength; i++) expect(`byte ${i} of an answer's source`, receiving.names[i], asked[i])
      }
    }
  }

  checkCanaries(): void {
    if (!this.sending.intact || !this.receiving.intact || !this.short.intact) {
      throw new Mismatch("a call wrote outside of its structures")
    }
  }
}

/**
 * Sends known messages and holds every field to what it must be.
 *
 * @internal
 */
export const socketSelfTest = (sockets: LinuxSockets): SocketFeatures | FfiError => {
  const echo = new Echo(sockets)
  try {
    echo.singles(AF_INET)
    const { coalescing, segmentation } = echo.segments()
    const dropCounts = echo.drops()
    let localAddresses = echo.locals(AF_INET)
    if (hasIPv6(echo)) {
      echo.singles(AF_INET6)
      localAddresses = echo.locals(AF_INET6) && localAddresses
    }
    const features = { segmentation, coalescing, dropCounts, localAddresses }
    echo.checkCanaries()
    return features
  } catch (cause) {
    return cause instanceof FfiError
      ? new FfiError({ reason: "SelfTestFailed", detail: cause.detail, cause })
      : new FfiError({ reason: "LayoutMismatch", detail: cause instanceof Error ? cause.message : String(cause) })
  } finally {
    echo.closeAll()
  }
}

const hasIPv6 = (echo: Echo): boolean => {
  try {
    echo.bound(AF_INET6, 0)
    return true
  } catch (cause) {
    if (cause instanceof FfiError) return false
    throw cause
  }
}
