import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { CliError } from "../CliError.js"
import { parseEndpoint } from "./endpoint.js"
import type { Endpoint } from "./endpoint.js"
import type { Settings } from "./settings.js"

const DEFAULT: Endpoint = { host: "127.0.0.1", port: 9000 }

/** Where a hub listens: one address, or host and port by themselves, as `IntentraLive` has them. */
export const listenAt = (settings: Settings, flag: Option.Option<string>): Effect.Effect<Endpoint, CliError> =>
  Effect.gen(function*() {
    const found = yield* settings.find(["listen", "host", "port"], flag)
    if (found === undefined) return DEFAULT
    const [name, { label, text }] = found
    if (name === "listen") return yield* parseEndpoint(label, text, 0)
    const none = Option.none()
    const host = yield* settings.find(["host"], none)
    const port = yield* settings.find(["port"], none)
    const address = host === undefined ? DEFAULT.host : host[1].text
    const bracketed = address.includes(":") ? `[${address}]` : address
    return yield* parseEndpoint(
      `${host?.[1].label ?? label} with ${port?.[1].label ?? "the default port"}`,
      `${bracketed}:${port?.[1].text ?? DEFAULT.port}`,
      0
    )
  })
