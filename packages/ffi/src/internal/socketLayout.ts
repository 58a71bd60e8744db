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

/** `struct in_pktinfo`: the interface, the host's own address, the address in the datagram. */
export const IN_PKTINFO = { interface: 0, local: 4, destination: 8, bytes: 12 } as const

/** `struct in6_pktinfo`. */
export const IN6_PKTINFO = { address: 0, interface: 16, bytes: 20 } as const

/** `struct pollfd`. */
export const POLLFD = { fd: 0, events: 4, returned: 6, bytes: 8 } as const

/** Room for an address of either family. */
export const NAME_BYTES = 32

/** What a control message with a `uint16_t` or an `int` takes, its padding included. */
export const CONTROL_BYTES = 24

/** What a control message with an `in6_pktinfo` takes, its padding included; more than one with an `in_pktinfo`. */
export const LOCAL_CONTROL_BYTES = 40

/**
 * An address of this host as it goes in and out here, in the form of `in6_pktinfo`: 16 bytes of IP, an IPv4 address as an
 * IPv4-mapped one, and the number of the interface.
 */
export const LOCAL_BYTES = 20

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

/** The level of options of IPv4. */
export const IPPROTO_IP = 0
/** Tells with each message which address it was sent to, and lets a message go from one (`ip(7)`). */
export const IP_PKTINFO = 8

/** The level of options of IPv6. */
export const IPPROTO_IPV6 = 41
/** An IPv6 socket takes no IPv4 datagrams. */
export const IPV6_V6ONLY = 26

/** Tells with each message which address it was sent to (`ipv6(7)`). */
export const IPV6_RECVPKTINFO = 49
export const IPV6_PKTINFO = 50

/** The level of options of UDP. */
export const SOL_UDP = 17
export const UDP_SEGMENT = 103
/** The kernel hands over several datagrams of one length as one message. */
export const UDP_GRO = 104
