import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { CliError } from "../CliError.js"
import { parseEndpoint } from "./endpoint.js"
import type { Endpoint } from "./endpoint.js"
import type { Settings } from "./settings.js"

const DEFAULT: Endpoint = { host: "127.0.0.1", port: 9000 }

const portOf = (text: string): number | undefined => /^\d{1,5}$/.test(text) && +text <= 65_535 ? +text : undefined

/** Where a hub listens: one address, or host and port by themselves, as `IntentraLive` has them. */
export const listenAt = (settings: Settings, flag: Option.Option<string>): Effect.Effect<Endpoint, CliError> =>
  Effect.gen(function*() {
    const found = yield* settings.find(["listen", "host", "port"], flag)
    if (found === undefined) return DEFAULT
    const [name, { label, text }] = found
    if (name === "listen") return yield* parseEndpoint(label, text, 0)
    const none = Option.none()
    const port = Option.getOrElse(
      yield* settings.get("port", none, "a port from 0 to 65535", (it) => portOf(it.trim())),
      () => DEFAULT.port
    )
    const host = yield* settings.find(["host"], none)
    if (host === undefined) return { ...DEFAULT, port }
    const [, at] = host
    const bracketed = at.text.includes(":") ? `[${at.text}]` : at.text
    return yield* Effect.mapError(parseEndpoint(at.label, `${bracketed}:${port}`, 0), () =>
      new CliError({
        reason: "InvalidArgument",
        detail: `${at.label} is "${at.text}", but must be a host, such as 127.0.0.1 or ::1`
      }))
  })
