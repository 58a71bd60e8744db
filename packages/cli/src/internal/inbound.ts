/** What every command that listens asks for. */
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { IntentraOptions } from "intentra/Intentra"
import type { CliError } from "../CliError.js"
import { listenAt } from "./listenAt.js"
import { allowedOf, keyOf, noAllowList, pskOf } from "./secrets.js"
import type { Allowed } from "./secrets.js"
import type { Settings } from "./settings.js"

export interface InboundOptions {
  readonly listen: Option.Option<string>
  readonly key: Option.Option<string>
  readonly allow: Option.Option<string>
  readonly psk: Option.Option<string>
}

export interface Inbound {
  readonly at: Pick<IntentraOptions, "host" | "port" | "key" | "psk">
  readonly allowed: Allowed
}

export const inbound = (settings: Settings, options: InboundOptions): Effect.Effect<Inbound, CliError> =>
  Effect.gen(function*() {
    const { host, port } = yield* listenAt(settings, options.listen)
    const key = yield* keyOf(settings, options.key)
    const psk = yield* pskOf(settings, options.psk)
    const allowed = yield* allowedOf(settings, options.allow)
    if (allowed === undefined) return yield* noAllowList
    return { at: { host, port, key, psk }, allowed }
  })
