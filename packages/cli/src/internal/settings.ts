/**
 * What flags do not say: the environment does (`INTENTRA_` and the name in capitals), and after it the file of
 * `--config`, a flat JSON object. Each is an Effect `ConfigProvider`; they are asked one after the other, so that an
 * error can say where the value stands that it complains of.
 */
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Fs from "node:fs/promises"
import { CliError } from "../CliError.js"

/** Every name that the environment and the file may have; flags have the same where there is one. */
export const NAMES = [
  "listen",
  "host",
  "port",
  "connect",
  "server-key",
  "key",
  "key-file",
  "psk",
  "psk-file",
  "allow",
  "allow-file",
  "metrics",
  "url",
  "rate",
  "intent",
  "drain",
  "log-format",
  "max-sessions",
  "packets-per-second",
  "burst",
  "idle-timeout",
  "handshake-timeout",
  "keepalive",
  "send-queue",
  "delivery-queue",
  "record",
  "keylog"
] as const

export type Name = typeof NAMES[number]

/** A value, and how an error calls the place where it stands. */
export interface Found {
  readonly label: string
  readonly text: string
  readonly from: "flag" | "environment" | "file"
}

interface Source {
  readonly from: Found["from"]
  readonly label: (name: Name) => string
  readonly provider: ConfigProvider.ConfigProvider
}

/** What no error shows, whatever form it has. */
const SECRET: ReadonlySet<Name> = new Set(["key", "psk"])

const variable = (name: Name): string => `INTENTRA_${name.toUpperCase().replaceAll("-", "_")}`

const invalid = (detail: string, cause?: unknown): CliError =>
  new CliError({ reason: "InvalidArgument", detail, cause })

/** As in JSON, cut where it is long. */
const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 60 ? `${text.slice(0, 59)}…` : text
}

const isName = (name: string): name is Name => (NAMES as ReadonlyArray<string>).includes(name)

const textOf = (path: string, name: Name, value: unknown): Effect.Effect<string, CliError> => {
  if (typeof value === "string") return Effect.succeed(value)
  if (typeof value === "number" || typeof value === "boolean") return Effect.succeed(String(value))
  if (Array.isArray(value) && value.every((it) => typeof it === "string")) return Effect.succeed(value.join(","))
  return Effect.fail(
    invalid(
      `"${name}" in ${path} is ${
        SECRET.has(name) ? "wrong" : shown(value)
      }, but must be a text, a number, or a list of texts`
    )
  )
}

/** The fields of a configuration file as texts. */
const readFile = (path: string): Effect.Effect<ReadonlyMap<string, string>, CliError> =>
  Effect.gen(function*() {
    const text = yield* Effect.tryPromise({
      try: () => Fs.readFile(path, "utf8"),
      catch: (cause) =>
        invalid(
          `cannot read the configuration ${path}: ${cause instanceof Error ? cause.message : String(cause)}`,
          cause
        )
    })
    const json: unknown = yield* Effect.try({
      try: () => JSON.parse(text) as unknown,
      // the parser's message quotes the text, which may hold a key
      catch: (cause) => invalid(`the configuration ${path} is not JSON`, cause)
    })
    if (typeof json !== "object" || json === null || Array.isArray(json)) {
      return yield* invalid(`the configuration ${path} must be one JSON object, such as {"listen": "0.0.0.0:9000"}`)
    }
    const fields = new Map<string, string>()
    for (const [name, value] of Object.entries(json)) {
      if (!isName(name)) {
        return yield* invalid(`"${name}" in ${path} is no setting; there are ${NAMES.join(", ")}`)
      }
      fields.set(name, yield* textOf(path, name, value))
    }
    return fields
  })

/** The settings of one run of a command. */
export class Settings {
  private constructor(private readonly sources: ReadonlyArray<Source>) {}

  /** `file` is what `--config` says, or `INTENTRA_CONFIG` where it says nothing. */
  static readonly open = (file: Option.Option<string>): Effect.Effect<Settings, CliError> =>
    Effect.gen(function*() {
      const environment = yield* Effect.configProviderWith(Effect.succeed)
      const sources: Array<Source> = [{
        from: "environment",
        label: variable,
        provider: environment.pipe(ConfigProvider.constantCase, ConfigProvider.nested("INTENTRA"))
      }]
      const path = Option.getOrUndefined(file) ?? (yield* load(environment, "INTENTRA_CONFIG"))
      if (path !== undefined) {
        const provider = ConfigProvider.fromMap(new Map(yield* readFile(path)))
        sources.push({ from: "file", label: (name) => `"${name}" in ${path}`, provider })
      }
      return new Settings(sources)
    })

  /**
   * The first place that says something: the flag, the environment, the file. Of several names the ones of an earlier
   * place win, and within one place the earlier name.
   */
  find(names: ReadonlyArray<Name>, flag: Option.Option<string>): Effect.Effect<[Name, Found] | undefined> {
    return Effect.gen(this, function*() {
      const [first] = names
      if (Option.isSome(flag)) return [first, { label: `--${first}`, text: flag.value, from: "flag" }]
      for (const { from, label, provider } of this.sources) {
        for (const name of names) {
          const text = yield* load(provider, name)
          if (text !== undefined) return [name, { label: label(name), text, from }]
        }
      }
      return undefined
    })
  }

  /** A value that `parse` understands; `may` says what it may be. */
  get<A>(
    name: Name,
    flag: Option.Option<string | number>,
    may: string,
    parse: (text: string) => A | undefined
  ): Effect.Effect<Option.Option<A>, CliError> {
    return Effect.flatMap(this.find([name], Option.map(flag, String)), (found) => {
      if (found === undefined) return Effect.succeed(Option.none())
      const [, { label, text }] = found
      const value = parse(text)
      return value === undefined
        ? Effect.fail(invalid(`${label} is ${SECRET.has(name) ? "wrong" : text}, but must be ${may}`))
        : Effect.succeed(Option.some(value))
    })
  }

  number(
    name: Name,
    flag: Option.Option<number>,
    least: number,
    most: number
  ): Effect.Effect<Option.Option<number>, CliError> {
    return this.get(name, flag, `from ${least} to ${most}`, (text) => {
      const value = text.trim() === "" ? NaN : Number(text)
      return value >= least && value <= most ? value : undefined
    })
  }

  choice<const A extends string>(
    name: Name,
    flag: Option.Option<A>,
    choices: ReadonlyArray<A>
  ): Effect.Effect<Option.Option<A>, CliError> {
    return this.get(name, flag, `one of ${choices.join(", ")}`, (text) => choices.find((it) => it === text.trim()))
  }

  /** What must be said somewhere. */
  required(name: Name, flag: Option.Option<string>, what: string): Effect.Effect<Found, CliError> {
    return Effect.flatMap(
      this.find([name], flag),
      (found) => found === undefined ? Effect.fail(missing(name, what)) : Effect.succeed(found[1])
    )
  }
}

/** Nothing says it. */
export const missing = (name: Name, what: string): CliError =>
  invalid(`--${name} is missing: ${what}. It may also be ${variable(name)}, or "${name}" in the --config file`)

/** A text of a provider; what it has under another form counts as absent. */
const load = (provider: ConfigProvider.ConfigProvider, name: string): Effect.Effect<string | undefined> =>
  provider.load(Config.string(name)).pipe(
    Effect.map((text) => text === "" ? undefined : text),
    Effect.orElseSucceed(() => undefined)
  )
