/**
 * What can go wrong with a UDP socket.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * Why a socket failed. `Unknown` carries the platform's error as `cause`.
 *
 * @since 0.1.0
 * @category errors
 */
export type UdpSocketReason =
  | "AddressInUse"
  | "AddressNotAvailable"
  | "PermissionDenied"
  | "InvalidAddress"
  | "MessageTooLarge"
  | "TooManyOpenFiles"
  | "Unsupported"
  | "Closed"
  | "Unknown"

const explain = (reason: UdpSocketReason, host: string, port: number, cause: unknown): string => {
  switch (reason) {
    case "AddressInUse":
      return `port ${port} on ${host} is in use by another program: choose another port or stop it`
    case "AddressNotAvailable":
      return `${host} is no address of this machine: bind one that it has, or 0.0.0.0 or :: for all of them`
    case "PermissionDenied":
      return `this process may not bind port ${port} on ${host}: choose a port above 1023 or grant the permission`
    case "InvalidAddress":
      return `${host} port ${port} is no socket address: give an IP literal such as 127.0.0.1 or ::1, and a port from ` +
        "0 to 65535"
    case "MessageTooLarge":
      return `a datagram for ${host} port ${port} is longer than the socket can send: send smaller ones`
    case "TooManyOpenFiles":
      return "the limit of open files is reached: close some, or raise it (ulimit -n)"
    case "Unsupported":
      return `this platform cannot open such a socket on ${host} port ${port}: choose another address family or layer`
    case "Closed":
      return `the socket on ${host} port ${port} was closed: open a new one`
    case "Unknown":
      return `the socket on ${host} port ${port} failed: ${cause instanceof Error ? cause.message : String(cause)}`
  }
}

/**
 * A socket could not be opened, or died. `host` and `port` are the ones asked for.
 *
 * @since 0.1.0
 * @category errors
 */
export class UdpSocketError extends Data.TaggedError("UdpSocketError")<{
  readonly reason: UdpSocketReason
  readonly host: string
  readonly port: number
  readonly cause?: unknown
}> {
  override get message(): string {
    return explain(this.reason, this.host, this.port, this.cause)
  }
}

const reasons: { readonly [code: string]: UdpSocketReason } = {
  EADDRINUSE: "AddressInUse",
  EADDRNOTAVAIL: "AddressNotAvailable",
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  ERR_ACCESS_DENIED: "PermissionDenied",
  EINVAL: "InvalidAddress",
  ENOTFOUND: "InvalidAddress",
  ERR_SOCKET_BAD_PORT: "InvalidAddress",
  EMSGSIZE: "MessageTooLarge",
  EMFILE: "TooManyOpenFiles",
  ENFILE: "TooManyOpenFiles",
  EAFNOSUPPORT: "Unsupported",
  EPROTONOSUPPORT: "Unsupported",
  ENOSYS: "Unsupported",
  ENOTSUP: "Unsupported",
  EBADF: "Closed",
  ERR_SOCKET_DGRAM_NOT_RUNNING: "Closed"
}

/**
 * The typed error of an error that the platform threw or emitted, by its `code`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromCause = (cause: unknown, host: string, port: number): UdpSocketError => {
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined
  return new UdpSocketError({
    reason: (typeof code === "string" ? reasons[code] : undefined) ?? "Unknown",
    host,
    port,
    cause
  })
}
