import * as Address from "../Address.js"
import { NetworkError } from "../NetworkError.js"

/** A host, or a host and port, in canonical text. */
export interface Endpoint {
  readonly host: string
  readonly port: number | undefined
  /** `host` or `host:port`. */
  readonly text: string
}

const scratch = new Uint8Array(Address.ADDRESS_BYTES)

/**
 * Reads "10.0.0.1", "10.0.0.1:9000", "fd00::1", "[fd00::1]:9000", or a socket address; throws a NetworkError.
 *
 * @internal
 */
export const readEndpoint = (input: string | Address.SocketAddress): Endpoint => {
  if (typeof input === "string" && Address.write(input, 0, scratch, 0)) {
    const host = Address.host(scratch, 0)
    return { host, port: undefined, text: host }
  }
  const address = typeof input === "string" ? Address.parse(input) : input
  if (address === undefined || !Address.encode(address, scratch, 0)) {
    throw new NetworkError({
      reason: "InvalidAddress",
      subject: typeof input === "string" ? input : `${input.host} port ${input.port}`,
      expected: "an IP literal, alone or with a port: 10.0.0.1, 10.0.0.1:9000, fd00::1, [fd00::1]:9000"
    })
  }
  return { ...Address.decode(scratch, 0), text: Address.format(scratch, 0) }
}

/**
 * The same with a port required.
 *
 * @internal
 */
export const readAddress = (input: string | Address.SocketAddress): Endpoint & { readonly port: number } => {
  const { host, port, text } = readEndpoint(input)
  if (port === undefined) {
    throw new NetworkError({
      reason: "InvalidAddress",
      subject: text,
      expected: "a port too: 10.0.0.1:9000, [fd00::1]:9000"
    })
  }
  return { host, port, text }
}
