import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import type * as Option from "effect/Option"
import type { CliError } from "../CliError.js"
import type { Settings } from "./settings.js"

export const LOG_FORMATS = ["logfmt", "json"] as const

export type LogFormat = typeof LOG_FORMATS[number]

/** Standard output is for data: logs go beside it. What the program starts with. */
export const logfmt = Logger.withConsoleError(Logger.logfmtLogger)

const json = Logger.withConsoleError(Logger.jsonLogger)

/** Logs in the form that the settings ask for, from here on. */
export const withLogFormat = (settings: Settings, flag: Option.Option<LogFormat>) =>
<A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | CliError, R> =>
  Effect.flatMap(
    settings.choice("log-format", flag, LOG_FORMATS),
    (found) =>
      found._tag === "Some" && found.value === "json"
        ? Effect.provide(effect, Logger.replace(logfmt, json))
        : effect
  )
