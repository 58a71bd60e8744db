import * as Effect from "effect/Effect"
import { CliError } from "../CliError.js"

export interface Endpoint {
  readonly host: string
  readonly port: number
}

export const formatEndpoint = ({ host, port }: Endpoint): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`

const PATTERN = /^(?:(?:\[([^\]]+)\]|([^:[\]]+)):)?(\d{1,5})$/

/**
 * `HOST:PORT`, `[IPV6]:PORT`, or `PORT` alone on the loopback. `least` is the smallest port: 0 where the system may
 * choose one.
 */
export const parseEndpoint = (option: string, text: string, least: 0 | 1): Effect.Effect<Endpoint, CliError> =>
  Effect.suspend(() => {
    const match = PATTERN.exec(text.trim())
    const port = match === null ? NaN : Number(match[3])
    return match !== null && port >= least && port <= 65_535
      ? Effect.succeed({ host: match[1] ?? match[2] ?? "127.0.0.1", port })
      : Effect.fail(
        new CliError({
          reason: "InvalidArgument",
          detail: `${option} is "${text}", but must be HOST:PORT, such as 127.0.0.1:9000 or [::1]:9000, ` +
            `with a port from ${least} to 65535`
        })
      )
  })
