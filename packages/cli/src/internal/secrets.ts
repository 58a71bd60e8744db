/** Keys, from a flag's file, from the environment or from the configuration. */
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as StaticKey from "intentra/StaticKey"
import { CliError } from "../CliError.js"
import * as KeyFile from "../KeyFile.js"
import { missing } from "./settings.js"
import type { Settings } from "./settings.js"

type Secret = Redacted.Redacted<Uint8Array>

const invalid = (error: Error): CliError =>
  new CliError({ reason: "InvalidArgument", detail: error.message, cause: error })

const secret = (
  settings: Settings,
  name: "key" | "psk",
  what: string,
  flag: Option.Option<string>
): Effect.Effect<Secret | undefined, CliError> =>
  Effect.gen(function*() {
    const found = yield* settings.find([name, `${name}-file`], flag)
    if (found === undefined) return undefined
    const [called, { from, label, text }] = found
    if (called !== name || from === "flag") return yield* KeyFile.read(text, what)
    return Redacted.make(yield* Effect.mapError(StaticKey.decode(text, label), invalid))
  })

/** Our static key: none means one for this run. */
export const keyOf = (settings: Settings, flag: Option.Option<string>) => secret(settings, "key", "key file", flag)

/** The network's pre-shared key. */
export const pskOf = (settings: Settings, flag: Option.Option<string>) =>
  secret(settings, "psk", "network key file", flag)

/** Who may join: everybody, the keys of a file, which can be read again, or keys that were given one by one. */
export type Allowed =
  | { readonly _tag: "Any" }
  | { readonly _tag: "Keys"; readonly keys: ReadonlyArray<Uint8Array> }
  | { readonly _tag: "File"; readonly path: string; readonly keys: ReadonlyArray<Uint8Array> }

/** Nobody is admitted by accident. */
export const noAllowList = missing("allow", "who may join, as a file with one public key per line, or any")

export const allowedOf = (
  settings: Settings,
  flag: Option.Option<string>
): Effect.Effect<Allowed | undefined, CliError> =>
  Effect.gen(function*() {
    const found = yield* settings.find(["allow", "allow-file"], flag)
    if (found === undefined) return undefined
    const [called, { from, label, text }] = found
    if (called === "allow" && text.trim() === "any") return { _tag: "Any" }
    if (called === "allow" && from !== "flag") {
      return { _tag: "Keys", keys: yield* Effect.mapError(StaticKey.decodeList(text, label), invalid) }
    }
    return { _tag: "File", path: text, keys: yield* KeyFile.readAllowList(text) }
  })
