import type { SocketAddress } from "@intentra/udp"
import * as Effect from "effect/Effect"
import { lookup } from "node:dns/promises"
import { isIP } from "node:net"
import { IntentraError } from "../IntentraError.js"

const invalid = (detail: string, cause?: unknown) => new IntentraError({ reason: "InvalidAddress", detail, cause })

/** An address of the socket's family for a host that is an IP address already, or a name to look up. */
export const resolveHost = (
  host: string,
  port: number,
  family: 4 | 6
): Effect.Effect<SocketAddress, IntentraError> => {
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    return Effect.fail(invalid(`cannot connect to ${host}: port ${port} is not from 1 to 65535`))
  }
  // a look-up of nothing finds nothing, and says so in no way that can be told from an answer
  if (host === "") return Effect.fail(invalid("cannot connect to an empty host: give its name or IP address"))
  const literal = isIP(host.split("%")[0])
  if (literal === family || (literal === 4 && family === 6)) {
    return Effect.succeed({ host: literal === family ? host : `::ffff:${host}`, port })
  }
  if (literal === 6) {
    return Effect.fail(
      invalid(`cannot connect to ${host}: it is an IPv6 address, and the socket is bound to IPv4; bind it to "::"`)
    )
  }
  return Effect.map(
    Effect.tryPromise({
      try: () => lookup(host, { family: family === 4 ? 4 : 0 }),
      catch: (cause) => invalid(`cannot find the host "${host}": check its name`, cause)
    }),
    (found) => ({ host: found.address, port })
  )
}
