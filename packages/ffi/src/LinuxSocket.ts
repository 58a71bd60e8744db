/**
 * UDP sockets of Linux by the batch: `recvmmsg(2)` and `sendmmsg(2)`, with datagrams of one address put together by the
 * kernel (UDP_SEGMENT, UDP_GRO; `udp(7)`). Numbers and addresses only; nothing waits, nothing allocates per message.
 *
 * @since 0.1.0
 */
import { FfiError } from "./FfiError.js"
import { loadKoffi } from "./internal/koffi.js"
import { bindSockets } from "./internal/libcSockets.js"
import { type SocketFeatures, socketSelfTest } from "./internal/socketSelfTest.js"

export { ReceiveMessages, SendMessages } from "./internal/messageArrays.js"
export {
  AF_INET,
  AF_INET6,
  IP_PKTINFO,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_RECVPKTINFO,
  IPV6_V6ONLY,
  LOCAL_BYTES,
  NAME_BYTES,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_RXQ_OVFL,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOCKADDR_IN,
  SOCKADDR_IN6,
  SOL_SOCKET,
  SOL_UDP,
  UDP_GRO
} from "./internal/socketLayout.js"

/**
 * Calls of the C library, named as there. A `name` is the address of a `sockaddr`. All but `recvmmsg` and `sendmmsg`
 * throw an `FfiError` with reason `SystemCall` and the `errno`'s name as `code`.
 *
 * @since 0.1.0
 * @category models
 */
export interface LinuxSockets {
  /** A socket that never waits and that no child process inherits: its file descriptor. */
  socket(family: number, kind: number): number
  bind(fd: number, name: number, nameLength: number): void
  /** Writes the address that the socket is bound to, and returns its length. */
  getsockname(fd: number, name: number, maxLength: number): number
  /** Sets an option whose value is an `int`. */
  setsockopt(fd: number, level: number, option: number, value: number): void
  /** Reads an option whose value is an `int`. */
  getsockopt(fd: number, level: number, option: number): number
  /** Returns how many messages were received, or the negative `errno`. See `ReceiveMessages`. */
  recvmmsg(fd: number, headers: number, count: number, flags: number): number
  /** Returns how many messages were sent, or the negative `errno`. See `SendMessages`. */
  sendmmsg(fd: number, headers: number, count: number, flags: number): number
  /** Stops the thread until there is something to read, for at most so many milliseconds; true when there is. */
  waitReadable(fd: number, millis: number): boolean
  /** Makes `onto` another number of the open file that `from` is, closing what it was. */
  dup3(from: number, onto: number): void
  close(fd: number): void
}

/**
 * The calls, and which of the kernel's abilities were seen to work.
 *
 * @since 0.1.0
 * @category models
 */
export interface LinuxSocketLibrary extends SocketFeatures {
  readonly sockets: LinuxSockets
}

let loaded: LinuxSocketLibrary | FfiError | undefined

/**
 * The calls, or why there are none. Before the first answer, sockets on the loopback interface send one another known
 * messages with known control data: every field that is ever read or written has been seen to lie where it is expected.
 * The answer is the same for the life of the thread. Takes some milliseconds the first time.
 *
 * @since 0.1.0
 * @category constructors
 */
export const load = (): LinuxSocketLibrary | FfiError => {
  loaded ??= attempt()
  return loaded
}

const attempt = (): LinuxSocketLibrary | FfiError => {
  const koffi = loadKoffi()
  if (koffi instanceof FfiError) return koffi
  const sockets = bindSockets(koffi)
  if (sockets instanceof FfiError) return sockets
  const features = socketSelfTest(sockets)
  return features instanceof FfiError ? features : { sockets, ...features }
}
