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

/** The IPv4 address family. */
export const AF_INET = 2
/** The IPv6 address family. */
export const AF_INET6 = 10

/** The type of a stream socket. */
export const SOCK_STREAM = 1
/** The type of a datagram socket. */
export const SOCK_DGRAM = 2
export const SOCK_NONBLOCK = 0o4000
export const SOCK_CLOEXEC = 0o2000000

export const MSG_TRUNC = 0x20
export const MSG_DONTWAIT = 0x40
export const MSG_NOSIGNAL = 0x4000

export const POLLIN = 1

/** The level of options of every socket. */
export const SOL_SOCKET = 1
/** Lets an address be bound that was in use a moment ago. */
export const SO_REUSEADDR = 2
/** Bytes of the send buffer, up to `net.core.wmem_max`. */
export const SO_SNDBUF = 7
/** Bytes of the receive buffer, up to `net.core.rmem_max`. */
export const SO_RCVBUF = 8
/** Lets several sockets of one user share an address and port. */
export const SO_REUSEPORT = 15
/** Bytes of the send buffer, without a limit, for the privileged. */
export const SO_SNDBUFFORCE = 32
/** Bytes of the receive buffer, without a limit, for the privileged. */
export const SO_RCVBUFFORCE = 33
/** Tells with each message how many the kernel has dropped before it. */
export const SO_RXQ_OVFL = 40

/** The level of options of IPv6. */
export const IPPROTO_IPV6 = 41
/** An IPv6 socket takes no IPv4 datagrams. */
export const IPV6_V6ONLY = 26

/** The level of options of UDP. */
export const SOL_UDP = 17
export const UDP_SEGMENT = 103
/** The kernel hands over several datagrams of one length as one message. */
export const UDP_GRO = 104
