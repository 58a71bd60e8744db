import type { LinuxSockets } from "../LinuxSocket.js"
import * as PinnedMemory from "../PinnedMemory.js"
import {
  CMSGHDR,
  CONTROL_BYTES,
  IOVEC,
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

/** Of a segment size and of a drop count. */
const RECEIVE_CONTROL_BYTES = 2 * CONTROL_BYTES
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
  /** What the kernel dropped on this socket so far, modulo 2^32, as the last message that told it did (SO_RXQ_OVFL). */
  dropped = 0
  private readonly arrays: Arrays
  private readonly headerWords: Uint32Array
  private readonly controls: DataView

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
      at += Math.ceil(length / 8) * 8
    }
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
    return Arrays.bytes(count, CONTROL_BYTES)
  }

  constructor(
    private readonly sockets: Pick<LinuxSockets, "sendmmsg">,
    readonly count: number,
    memory: PinnedMemory.PinnedMemory = PinnedMemory.make(SendMessages.bytes(count))
  ) {
    const arrays = new Arrays(memory, count, CONTROL_BYTES)
    this.arrays = arrays
    this.names = arrays.names
    this.headerWords = arrays.headerWords
    this.iovecWords = arrays.iovecWords
    this.segmentWords = words(arrays.controls)
    const { view } = arrays.controls
    for (let i = 0; i < count; i++) {
      const at = i * CONTROL_BYTES
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
    headerWords[header + MMSGHDR.name / 4] = name >>> 0
    headerWords[header + MMSGHDR.name / 4 + 1] = (name / 2 ** 32) >>> 0
    headerWords[header + NAME_LENGTH_WORD] = nameLength
    headerWords[header + CONTROL_LENGTH_WORD] = segment > 0 ? CONTROL_BYTES : 0
    const iovec = i * IOVEC_WORDS
    iovecWords[iovec + IOVEC.base / 4] = data >>> 0
    iovecWords[iovec + IOVEC.base / 4 + 1] = (data / 2 ** 32) >>> 0
    iovecWords[iovec + IOVEC.length / 4] = length
    // its lower half is the segment size, the upper one padding
    if (segment > 0) this.segmentWords[(i * CONTROL_BYTES + CMSGHDR.data) / 4] = segment
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
