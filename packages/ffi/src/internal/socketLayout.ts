/**
 * Where the fields of the structures lie that socket calls read and write: byte offsets, the same on Linux x64 and arm64
 * (64-bit pointers, little-endian). `recvmsg(2)`, `sendmmsg(2)`, `cmsg(3)`, `ip(7)`, `ipv6(7)`.
 */

/** `struct mmsghdr`: a `struct msghdr`, and how many bytes went. */
export const MMSGHDR = {
  name: 0,
  nameLength: 8,
  iov: 16,
  iovLength: 24,
  control: 32,
  controlLength: 40,
  flags: 48,
  length: 56,
  bytes: 64
} as const

/** `struct iovec`. */
export const IOVEC = { base: 0, length: 8, bytes: 16 } as const

/** `struct cmsghdr`: its length covers the header and the data; the next one begins at a multiple of 8. */
export const CMSGHDR = { length: 0, level: 8, type: 12, data: 16 } as const

/** `struct sockaddr_in`; the port is big-endian, the family is not. */
export const SOCKADDR_IN = { family: 0, port: 2, address: 4, bytes: 16 } as const

/** `struct sockaddr_in6`; port and flow label are big-endian, family and scope id are not. */
export const SOCKADDR_IN6 = { family: 0, port: 2, flow: 4, address: 8, scope: 24, bytes: 28 } as const

/** `struct pollfd`. */
export const POLLFD = { fd: 0, events: 4, returned: 6, bytes: 8 } as const

/** Room for an address of either family. */
export const NAME_BYTES = 32

/** What a control message with a `uint16_t` or an `int` takes, its padding included. */
export const CONTROL_BYTES = 24

export const AF_INET = 2
export const AF_INET6 = 10

export const SOCK_STREAM = 1
export const SOCK_DGRAM = 2
export const SOCK_NONBLOCK = 0o4000
export const SOCK_CLOEXEC = 0o2000000

export const MSG_TRUNC = 0x20
export const MSG_DONTWAIT = 0x40
export const MSG_NOSIGNAL = 0x4000

export const POLLIN = 1

export const SOL_SOCKET = 1
export const SO_REUSEADDR = 2
export const SO_SNDBUF = 7
export const SO_RCVBUF = 8
export const SO_REUSEPORT = 15
export const SO_SNDBUFFORCE = 32
export const SO_RCVBUFFORCE = 33
export const SO_RXQ_OVFL = 40

export const IPPROTO_IPV6 = 41
export const IPV6_V6ONLY = 26

export const SOL_UDP = 17
export const UDP_SEGMENT = 103
export const UDP_GRO = 104
