import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { IntentraOptions } from "intentra/Intentra"
import type { CliError } from "../CliError.js"
import type { Name, Settings } from "./settings.js"

const COUNTS = {
  "max-sessions": "maxSessions",
  "packets-per-second": "packetsPerSecond",
  burst: "burst",
  "send-queue": "sendQueue",
  "delivery-queue": "deliveryQueue"
} as const

const DURATIONS = {
  "idle-timeout": "idleTimeout",
  "handshake-timeout": "handshakeTimeout",
  keepalive: "keepalive"
} as const

const PATHS = { record: "record", keylog: "keyLog" } as const

/** `30 seconds`, `250 millis`, or a number of milliseconds. */
export const durationOf = (text: string): Duration.Duration | undefined => {
  const number = text.trim() === "" ? NaN : Number(text)
  if (Number.isFinite(number)) return number >= 0 ? Duration.millis(number) : undefined
  return Option.getOrUndefined(Duration.decodeUnknown(text.trim()))
}

export const DURATION = "a duration, such as 30 seconds or 250 millis"

type Limits = { -readonly [Field in keyof IntentraOptions]: IntentraOptions[Field] }

/** What the environment and the configuration say of the transport and no flag does: the names of `IntentraLive`. */
export const limitsOf = (settings: Settings): Effect.Effect<IntentraOptions, CliError> =>
  Effect.gen(function*() {
    const none = Option.none()
    const limits: Limits = {}
    const names = <Fields extends object>(fields: Fields) =>
      Object.entries(fields) as Array<[Name, Fields[keyof Fields]]>
    for (const [name, field] of names(COUNTS)) {
      const found = yield* settings.number(name, none, 1, 2 ** 32)
      if (Option.isSome(found)) limits[field] = found.value
    }
    for (const [name, field] of names(DURATIONS)) {
      const found = yield* settings.get(name, none, DURATION, durationOf)
      if (Option.isSome(found)) limits[field] = found.value
    }
    for (const [name, field] of names(PATHS)) {
      const found = yield* settings.find([name], none)
      if (found !== undefined) limits[field] = found[1].text
    }
    return limits
  })
