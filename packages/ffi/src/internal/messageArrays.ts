import type { LinuxSockets } from "../LinuxSocket.js"
import * as PinnedMemory from "../PinnedMemory.js"
import { writeAddress } from "./address.js"
import {
  CMSGHDR,
  CONTROL_BYTES,
  IN6_PKTINFO,
  IN_PKTINFO,
  IOVEC,
  IP_PKTINFO,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_PKTINFO,
  LOCAL_BYTES,
  LOCAL_CONTROL_BYTES,
  MMSGHDR,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  NAME_BYTES,
  SO_RXQ_OVFL,
  SOL_SOCKET,
  SOL_UDP,
  UDP_GRO,
  UDP_SEGMENT
} from "./socketLayout.js"

/** Bytes between two structures that nobody may write. */
const CANARY_BYTES = 64
const CANARY = 0xa5

/** Of a segment size, of a drop count and of an address of this host. */
const RECEIVE_CONTROL_BYTES = 2 * CONTROL_BYTES + LOCAL_CONTROL_BYTES
/** Of an address of this host behind a segment size. */
const SEND_CONTROL_BYTES = CONTROL_BYTES + LOCAL_CONTROL_BYTES
const IN_PKTINFO_CONTROL_BYTES = 32
const SEGMENT_CONTROL_LENGTH = CMSGHDR.data + 2

/** What lies between the beginnings of two buffers besides their bytes, so that not all share the same cache sets. */
const SPREAD_BYTES = 5 * 64

/** Fields as 32-bit words: their places in an array of them. */
const HEADER_WORDS = MMSGHDR.bytes / 4
const IOVEC_WORDS = IOVEC.bytes / 4
const NAME_LENGTH_WORD = MMSGHDR.nameLength / 4
const CONTROL_LENGTH_WORD = MMSGHDR.controlLength / 4
const FLAGS_WORD = MMSGHDR.flags / 4
const LENGTH_WORD = MMSGHDR.length / 4
const CONTROL_WORD = MMSGHDR.control / 4

/** Where the four bytes of an IPv4 address stand in an IPv4-mapped one (RFC 4291 section 2.5.5.2). */
const MAPPED_BYTES = 12

const aligned = (bytes: number): number => Math.ceil(bytes / 64) * 64

/** The memory of `count` headers with all that they point to, each array between two canaries. */
class Arrays {
  readonly headers: PinnedMemory.PinnedSlice
  readonly iovecs: PinnedMemory.PinnedSlice
  readonly names: PinnedMemory.PinnedSlice
  readonly controls: PinnedMemory.PinnedSlice
  readonly headerWords: Uint32Array
  readonly iovecWords: Uint32Array
  private readonly canaries: Array<Uint8Array> = []

  static bytes(count: number, controlBytes: number): number {
    return aligned(count * MMSGHDR.bytes) + aligned(count * IOVEC.bytes) + aligned(count * NAME_BYTES) +
      aligned(count * controlBytes) + 5 * CANARY_BYTES
  }

  constructor(readonly memory: PinnedMemory.PinnedMemory, readonly count: number, readonly controlBytes: number) {
    this.canary()
    this.headers = this.slice(count * MMSGHDR.bytes)
    this.iovecs = this.slice(count * IOVEC.bytes)
    this.names = this.slice(count * NAME_BYTES)
    this.controls = this.slice(count * controlBytes)
    this.headerWords = words(this.headers)
    this.iovecWords = words(this.iovecs)
    for (let i = 0; i < count; i++) {
      this.point(this.headers, i * MMSGHDR.bytes + MMSGHDR.name, this.names.address + i * NAME_BYTES)
      this.point(this.headers, i * MMSGHDR.bytes + MMSGHDR.iov, this.iovecs.address + i * IOVEC.bytes)
      this.point(this.headers, i * MMSGHDR.bytes + MMSGHDR.control, this.controls.address + i * controlBytes)
      this.headers.view.setUint32(i * MMSGHDR.bytes + MMSGHDR.iovLength, 1, true)
    }
  }

  slice(bytes: number): PinnedMemory.PinnedSlice {
    const slice = this.memory.slice(bytes)
    this.canary()
    return slice
  }

  point(slice: PinnedMemory.PinnedSlice, offset: number, address: number): void {
    slice.view.setUint32(offset, address >>> 0, true)
    slice.view.setUint32(offset + 4, (address / 2 ** 32) >>> 0, true)
  }

  get intact(): boolean {
    return this.canaries.every((bytes) => bytes.every((byte) => byte === CANARY))
  }

  private canary(): void {
    const { bytes } = this.memory.slice(CANARY_BYTES)
    bytes.fill(CANARY)
    this.canaries.push(bytes)
  }
}

const words = ({ bytes }: PinnedMemory.PinnedSlice): Uint32Array =>
  new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)

/**
 * Messages to be received into, by `recvmmsg`: each has a buffer of its own in `arena`. Message `i` begins at
 * `i * stride`, is `lengths[i]` bytes long, and came from the `sockaddr` at `i * NAME_BYTES` of `names`. Where the kernel
 * put several datagrams of one source into a message, `segments[i]` is the length of each (the last may be shorter);
 * else it is 0.
 *
 * @since 0.1.0
 * @category models
 */
export class ReceiveMessages {
  /** The bytes of all messages. */
  readonly arena: Uint8Array
  /** From the beginning of one message in the arena to that of the next, in bytes. */
  readonly stride: number
  readonly names: Uint8Array
  readonly nameLengths: Uint32Array
  readonly lengths: Uint32Array
  readonly segments: Uint32Array
  /** Whether a message was longer than its buffer, by number: `MSG_TRUNC` of its flags. */
  readonly flags: Uint32Array
  /** Whether message `i` told which address of this host it was sent to (1). */
  readonly located: Uint8Array
  /** Those addresses, `LOCAL_BYTES` each. */
  readonly locals: Uint8Array
  /** What the kernel dropped on this socket so far, modulo 2^32, as the last message that told it did (SO_RXQ_OVFL). */
  dropped = 0
  private readonly arrays: Arrays
  private readonly headerWords: Uint32Array
  private readonly controls: DataView
  private readonly controlBytes: Uint8Array

  /** How much memory that many messages of that length need. */
  static bytes(count: number, bufferBytes: number): number {
    return Arrays.bytes(count, RECEIVE_CONTROL_BYTES) + count * aligned(bufferBytes + SPREAD_BYTES) + CANARY_BYTES
  }

  constructor(
    private readonly sockets: Pick<LinuxSockets, "recvmmsg">,
    readonly count: number,
    readonly bufferBytes: number,
    memory: PinnedMemory.PinnedMemory = PinnedMemory.make(ReceiveMessages.bytes(count, bufferBytes))
  ) {
    const arrays = new Arrays(memory, count, RECEIVE_CONTROL_BYTES)
    this.arrays = arrays
    this.stride = aligned(bufferBytes + SPREAD_BYTES)
    const arena = arrays.slice(count * this.stride)
    this.arena = arena.bytes
    this.names = arrays.names.bytes
    this.headerWords = arrays.headerWords
    this.controls = arrays.controls.view
    this.controlBytes = arrays.controls.bytes
    this.located = new Uint8Array(count)
    this.locals = new Uint8Array(count * LOCAL_BYTES)
    this.nameLengths = new Uint32Array(count)
    this.lengths = new Uint32Array(count)
    this.segments = new Uint32Array(count)
    this.flags = new Uint32Array(count)
    for (let i = 0; i < count; i++) {
      arrays.point(arrays.iovecs, i * IOVEC.bytes + IOVEC.base, arena.address + i * this.stride)
      arrays.iovecs.view.setUint32(i * IOVEC.bytes + IOVEC.length, bufferBytes, true)
      this.prepare(i)
    }
  }

  /**
   * Receives at most `max` messages that are there, into the places from `first` on. Returns how many there were, or the
   * `errno` as a negative number (`-EAGAIN` when there was none). Never waits.
   */
  receive(fd: number, first: number, max: number): number {
    const received = this.sockets.recvmmsg(
      fd,
      this.arrays.headers.address + first * MMSGHDR.bytes,
      Math.min(max, this.count - first),
      MSG_DONTWAIT
    )
    const { headerWords } = this
    for (let i = first; i < first + received; i++) {
      const header = i * HEADER_WORDS
      this.nameLengths[i] = headerWords[header + NAME_LENGTH_WORD]
      this.lengths[i] = headerWords[header + LENGTH_WORD]
      this.flags[i] = headerWords[header + FLAGS_WORD]
      this.segments[i] = 0
      this.located[i] = 0
      const controlLength = headerWords[header + CONTROL_LENGTH_WORD]
      if (controlLength > 0) this.readControl(i, controlLength)
      this.prepare(i)
    }
    return received
  }

  /** Whether nothing but the structures was written to. */
  get intact(): boolean {
    return this.arrays.intact
  }

  /** Says what there is room for; the kernel has overwritten it with what there was. */
  private prepare(i: number): void {
    const header = i * HEADER_WORDS
    this.headerWords[header + NAME_LENGTH_WORD] = NAME_BYTES
    this.headerWords[header + CONTROL_LENGTH_WORD] = RECEIVE_CONTROL_BYTES
    this.headerWords[header + FLAGS_WORD] = 0
  }

  private readControl(i: number, controlLength: number): void {
    const { controls } = this
    let at = i * RECEIVE_CONTROL_BYTES
    const end = at + Math.min(controlLength, RECEIVE_CONTROL_BYTES)
    while (at + CMSGHDR.data + 4 <= end) {
      const length = controls.getUint32(at + CMSGHDR.length, true)
      if (length < CMSGHDR.data + 4) return
      const level = controls.getInt32(at + CMSGHDR.level, true)
      const type = controls.getInt32(at + CMSGHDR.type, true)
      const value = controls.getUint32(at + CMSGHDR.data, true)
      if (level === SOL_UDP && type === UDP_GRO) this.segments[i] = value
      else if (level === SOL_SOCKET && type === SO_RXQ_OVFL) this.dropped = value
      else if (at + length <= end) this.readLocal(i, level, type, at + CMSGHDR.data, length - CMSGHDR.data)
      at += Math.ceil(length / 8) * 8
    }
  }

  /** Which address of this host message `i` was sent to, if that is what the control data at `at` tells. */
  private readLocal(i: number, level: number, type: number, at: number, bytes: number): void {
    const { controlBytes, locals } = this
    const local = i * LOCAL_BYTES
    if (level === IPPROTO_IP && type === IP_PKTINFO && bytes === IN_PKTINFO.bytes) {
      locals.fill(0, local, local + LOCAL_BYTES)
      locals.fill(0xff, local + MAPPED_BYTES - 2, local + MAPPED_BYTES)
      for (let j = 0; j < 4; j++) locals[local + MAPPED_BYTES + j] = controlBytes[at + IN_PKTINFO.local + j]
    } else if (level === IPPROTO_IPV6 && type === IPV6_PKTINFO && bytes === IN6_PKTINFO.bytes) {
      for (let j = 0; j < LOCAL_BYTES; j++) locals[local + j] = controlBytes[at + j]
      // only a link-local address is one of an interface: others may be answered through another one
      if (locals[local] !== 0xfe || (locals[local + 1] & 0xc0) !== 0x80) {
        locals.fill(0, local + IN6_PKTINFO.interface, local + LOCAL_BYTES)
      }
    } else return
    this.located[i] = 1
  }
}

/**
 * Messages to be sent by `sendmmsg`.
 *
 * @since 0.1.0
 * @category models
 */
export class SendMessages {
  /** Room for an address of each message, `NAME_BYTES` each, for those whose name lies nowhere else. */
  readonly names: PinnedMemory.PinnedSlice
  private readonly arrays: Arrays
  private readonly headerWords: Uint32Array
  private readonly iovecWords: Uint32Array
  private readonly segmentWords: Uint32Array

  /** How much memory that many messages need; their bytes lie elsewhere. */
  static bytes(count: number): number {
    return Arrays.bytes(count, SEND_CONTROL_BYTES)
  }

  constructor(
    private readonly sockets: Pick<LinuxSockets, "sendmmsg">,
    readonly count: number,
    memory: PinnedMemory.PinnedMemory = PinnedMemory.make(SendMessages.bytes(count))
  ) {
    const arrays = new Arrays(memory, count, SEND_CONTROL_BYTES)
    this.arrays = arrays
    this.names = arrays.names
    this.headerWords = arrays.headerWords
    this.iovecWords = arrays.iovecWords
    this.segmentWords = words(arrays.controls)
    const { view } = arrays.controls
    for (let i = 0; i < count; i++) {
      const at = i * SEND_CONTROL_BYTES
      view.setUint32(at + CMSGHDR.length, SEGMENT_CONTROL_LENGTH, true)
      view.setInt32(at + CMSGHDR.level, SOL_UDP, true)
      view.setInt32(at + CMSGHDR.type, UDP_SEGMENT, true)
    }
  }

  /**
   * Makes message `i`: `length` bytes at the address `data`, which the caller keeps, for the `sockaddr` of `nameLength`
   * bytes at the address `name`. With a `segment` above 0 they are datagrams of so many bytes, of which the last may be
   * shorter.
   */
  set(i: number, name: number, nameLength: number, data: number, length: number, segment: number): void {
    const { headerWords, iovecWords } = this
    const header = i * HEADER_WORDS
    writeAddress(headerWords, header + MMSGHDR.name / 4, name)
    headerWords[header + NAME_LENGTH_WORD] = nameLength
    writeAddress(headerWords, header + CONTROL_WORD, this.arrays.controls.address + i * SEND_CONTROL_BYTES)
    headerWords[header + CONTROL_LENGTH_WORD] = segment > 0 ? CONTROL_BYTES : 0
    const iovec = i * IOVEC_WORDS
    writeAddress(iovecWords, iovec + IOVEC.base / 4, data)
    iovecWords[iovec + IOVEC.length / 4] = length
    // its lower half is the segment size, the upper one padding
    if (segment > 0) this.segmentWords[(i * SEND_CONTROL_BYTES + CMSGHDR.data) / 4] = segment
  }

  /**
   * Lets message `i`, once it is made, go from the address of this host at `at` of `locals` (`LOCAL_BYTES`), on a socket
   * of IPv6 or of IPv4.
   */
  setLocal(i: number, ipv6: boolean, locals: Uint8Array, at: number): void {
    const { bytes, view } = this.arrays.controls
    const control = i * SEND_CONTROL_BYTES + CONTROL_BYTES
    const data = control + CMSGHDR.data
    bytes.fill(0, control, control + LOCAL_CONTROL_BYTES)
    view.setUint32(
      control + CMSGHDR.length,
      CMSGHDR.data + (ipv6 ? IN6_PKTINFO.bytes : IN_PKTINFO.bytes),
      true
    )
    view.setInt32(control + CMSGHDR.level, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, true)
    view.setInt32(control + CMSGHDR.type, ipv6 ? IPV6_PKTINFO : IP_PKTINFO, true)
    if (ipv6) bytes.set(locals.subarray(at, at + LOCAL_BYTES), data)
    else bytes.set(locals.subarray(at + MAPPED_BYTES, at + MAPPED_BYTES + 4), data + IN_PKTINFO.local)
    const header = i * HEADER_WORDS
    const isAlone = this.headerWords[header + CONTROL_LENGTH_WORD] === 0
    if (isAlone) writeAddress(this.headerWords, header + CONTROL_WORD, this.arrays.controls.address + control)
    const room = ipv6 ? LOCAL_CONTROL_BYTES : IN_PKTINFO_CONTROL_BYTES
    this.headerWords[header + CONTROL_LENGTH_WORD] = (isAlone ? 0 : CONTROL_BYTES) + room
  }

  /** Sends the messages from `first` to `end` - 1. Returns how many went, or the `errno` of the first as a negative number. */
  send(fd: number, first: number, end: number): number {
    return this.sockets.sendmmsg(
      fd,
      this.arrays.headers.address + first * MMSGHDR.bytes,
      end - first,
      MSG_DONTWAIT | MSG_NOSIGNAL
    )
  }

  /** How many bytes of message `i` went. */
  sentBytes(i: number): number {
    return this.headerWords[i * HEADER_WORDS + LENGTH_WORD]
  }

  /** Whether nothing but the structures was written to. */
  get intact(): boolean {
    return this.arrays.intact
  }
}
