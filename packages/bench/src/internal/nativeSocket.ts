/** A socket of Linux with batched calls, in the event loop: what a fast transport stands on, and nothing above it. */
import { FfiError, LinuxSocket, PinnedMemory } from "@intentra/ffi"
import { createSocket } from "node:dgram"
import type { Socket } from "node:dgram"

/** What a transport's socket asks for, too. */
const BUFFER_BYTES = 4 * 1024 * 1024
const LOOPBACK = 0x7f000001
/** Longest UDP payload, and datagrams of one message (UDP_MAX_SEGMENTS). */
const MOST_MESSAGE_BYTES = 65_507
const MOST_SEGMENTS = 64
const MESSAGES = 16
const EAGAIN = 11
/** Calls to `recvmmsg` before the event loop turns. */
const MOST_CALLS = 8

const library = (): LinuxSocket.LinuxSocketLibrary => {
  const loaded = LinuxSocket.load()
  if (loaded instanceof FfiError) throw loaded
  return loaded
}

/** Writes `127.0.0.1` and a port as a `sockaddr_in`. */
const writeName = (view: DataView, port: number): void => {
  view.setUint16(LinuxSocket.SOCKADDR_IN.family, LinuxSocket.AF_INET, true)
  view.setUint16(LinuxSocket.SOCKADDR_IN.port, port)
  view.setUint32(LinuxSocket.SOCKADDR_IN.address, LOOPBACK)
}

const grow = (sockets: LinuxSocket.LinuxSockets, fd: number): void => {
  for (
    const [forced, asked] of [
      [LinuxSocket.SO_RCVBUFFORCE, LinuxSocket.SO_RCVBUF],
      [LinuxSocket.SO_SNDBUFFORCE, LinuxSocket.SO_SNDBUF]
    ]
  ) {
    try {
      sockets.setsockopt(fd, LinuxSocket.SOL_SOCKET, forced, BUFFER_BYTES)
    } catch {
      sockets.setsockopt(fd, LinuxSocket.SOL_SOCKET, asked, BUFFER_BYTES)
    }
  }
}

/** A descriptor bound to a free port of the loopback. */
const bound = (sockets: LinuxSocket.LinuxSockets): { readonly fd: number; readonly port: number } => {
  const fd = sockets.socket(LinuxSocket.AF_INET, LinuxSocket.SOCK_DGRAM)
  grow(sockets, fd)
  const memory = PinnedMemory.make(4096)
  const name = memory.slice(LinuxSocket.NAME_BYTES)
  writeName(name.view, 0)
  sockets.bind(fd, name.address, LinuxSocket.SOCKADDR_IN.bytes)
  sockets.getsockname(fd, name.address, LinuxSocket.NAME_BYTES)
  return { fd, port: name.view.getUint16(LinuxSocket.SOCKADDR_IN.port) }
}

/** One set of buffers for all sockets of the process: each is drained before the next. */
let shared: LinuxSocket.ReceiveMessages | undefined

/**
 * Receives datagrams of a known size and counts them. The descriptor is adopted by `node:dgram`, which tells when there is
 * something; the rest is drained in bulk.
 */
export const receiveNative = (bytes: number, onDatagrams: (count: number) => void): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const { coalescing, sockets } = library()
    const { fd } = bound(sockets)
    if (coalescing) sockets.setsockopt(fd, LinuxSocket.SOL_UDP, LinuxSocket.UDP_GRO, 1)
    const messages = shared ??= new LinuxSocket.ReceiveMessages(sockets, MESSAGES, MOST_MESSAGE_BYTES)
    const socket = createSocket("udp4")
    socket.once("error", reject)
    socket.on("message", (first) => {
      let count = Math.ceil(first.length / bytes)
      for (let calls = 0; calls < MOST_CALLS; calls++) {
        const received = messages.receive(fd, 0, MESSAGES)
        for (let i = 0; i < received; i++) count += Math.ceil(messages.lengths[i] / bytes)
        if (received < MESSAGES) break
      }
      onDatagrams(count)
    })
    socket.bind({ fd }, () => {
      socket.removeListener("error", reject)
      socket.on("error", () => {})
      resolve(socket)
    })
  })

/** Sends equal datagrams, those that go to one port put together by the kernel. */
export class NativeSender {
  /** Whether the system took no more the last time. */
  blocked = false
  private readonly fd: number
  private readonly messages: LinuxSocket.SendMessages
  private readonly data: PinnedMemory.PinnedSlice
  private readonly names: PinnedMemory.PinnedSlice
  private readonly memory: PinnedMemory.PinnedMemory
  private readonly together: number
  private next = 0

  constructor(private readonly ports: ReadonlyArray<number>, private readonly bytes: number) {
    const { segmentation, sockets } = library()
    this.fd = bound(sockets).fd
    this.messages = new LinuxSocket.SendMessages(sockets, MOST_SEGMENTS)
    this.together = ports.length === 1 && segmentation
      ? Math.min(MOST_SEGMENTS, Math.floor(MOST_MESSAGE_BYTES / bytes))
      : 1
    const nameBytes = ports.length * LinuxSocket.NAME_BYTES
    this.memory = PinnedMemory.make(this.together * bytes + nameBytes + 4096)
    this.data = this.memory.slice(this.together * bytes)
    this.names = this.memory.slice(nameBytes)
    ports.forEach((port, i) =>
      writeName(
        new DataView(this.names.bytes.buffer, this.names.bytes.byteOffset + i * LinuxSocket.NAME_BYTES),
        port
      )
    )
  }

  /** Sends so many datagrams, or fewer when the system takes no more; returns how many went. */
  send(count: number): number {
    const { bytes, data, messages, names, ports, together } = this
    let sent = 0
    this.blocked = false
    while (sent < count) {
      let queued = 0
      let end = 0
      for (; end < messages.count && sent + queued < count; end++) {
        const run = Math.min(together, count - sent - queued)
        messages.set(
          end,
          names.address + this.next * LinuxSocket.NAME_BYTES,
          LinuxSocket.SOCKADDR_IN.bytes,
          data.address,
          run * bytes,
          run > 1 ? bytes : 0
        )
        queued += run
        if (++this.next === ports.length) this.next = 0
      }
      const went = messages.send(this.fd, 0, end)
      if (went < 0 && went !== -EAGAIN) throw new Error(`sendmmsg failed with errno ${-went}`)
      for (let i = 0; i < went; i++) sent += Math.round(messages.sentBytes(i) / bytes)
      if (went < end) {
        this.blocked = true
        return sent
      }
    }
    return sent
  }
}
