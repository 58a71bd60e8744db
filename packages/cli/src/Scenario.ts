/**
 * A fleet on a simulated network: what `intentra sim` reads from a JSON file. Everything has a default.
 *
 * | field | unit, bounds | default |
 * | --- | --- | --- |
 * | `seed` | a number or a text | 0 |
 * | `peers` | 1 to 2,000 | 8 |
 * | `hz` | updates of each peer a second, 0.001 to 1,000 | 20 |
 * | `duration` | a duration, at most a day | `"30 seconds"` |
 * | `bytes` | of each update, 16 to 1,000 | 64 |
 * | `intent` | `realtime`, `sequenced`, `reliable` | `sequenced` |
 * | `ttl` | a duration; not for `reliable` | none |
 * | `network` | `NetworkConditions`: `latency`, `jitter`, `loss`, `burst` ..., for every link | 1 ms, nothing else |
 * | `events` | what changes, and `at` which duration from the start | nothing |
 *
 * An event has any of `network` (conditions that change), `cut` (numbers of peers that the hub is cut off from), `heal`
 * (true: no peer is cut off any more).
 *
 * @since 0.1.0
 */
import { NetworkConditions } from "@intentra/udp"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as ParseResult from "effect/ParseResult"
import * as Schema from "effect/Schema"
import { CliError } from "./CliError.js"

/** Whatever is wrong with a value, this is what it may be. */
const may = (description: string) => ({
  description,
  message: () => ({ message: `Expected ${description}`, override: true })
})

const number = (least: number, most: number) =>
  Schema.Number.pipe(
    Schema.filter((value) => value >= least && value <= most, may(`a number from ${least} to ${most}`))
  ).annotations(may(`a number from ${least} to ${most}`))

const whole = (least: number, most: number) => {
  const description = `a whole number from ${least} to ${most}`
  return Schema.Number.pipe(
    Schema.filter((value) => Number.isInteger(value) && value >= least && value <= most, may(description))
  ).annotations(may(description))
}

const choice = <const Choices extends readonly [string, ...Array<string>]>(...choices: Choices) => {
  const description = `one of ${choices.join(", ")}`
  return Schema.String.pipe(
    Schema.filter((text): text is Choices[number] => choices.includes(text), may(description))
  ).annotations(may(description))
}

const seed = Schema.Union(Schema.Number, Schema.String).annotations(may("a number or a text"))

const DAY = Duration.days(1)

/** Milliseconds when decoded. */
const duration = Schema.transformOrFail(
  Schema.Union(Schema.Number, Schema.String),
  Schema.Number,
  {
    strict: true,
    decode: (value, _, ast) => {
      const found = typeof value === "number" ? Option.some(Duration.seconds(value)) : Duration.decodeUnknown(value)
      return Option.isSome(found) && Duration.lessThanOrEqualTo(found.value, DAY)
        ? ParseResult.succeed(Duration.toMillis(found.value))
        : ParseResult.fail(new ParseResult.Type(ast, value))
    },
    encode: (millis) => ParseResult.succeed(`${millis} millis`)
  }
).annotations(may("seconds, or a text such as \"30 seconds\" or \"250 millis\", at most a day"))

const probability = number(0, 1)
const millis = number(0, 3_600_000)
const positive = number(1, Number.MAX_SAFE_INTEGER)

const conditions = Schema.partial(Schema.Struct({
  latency: millis,
  jitter: millis,
  jitterDistribution: choice("uniform", "normal"),
  keepOrder: Schema.Boolean.annotations(may("true or false")),
  loss: probability,
  burst: Schema.Struct({ pEnter: probability, pExit: probability, lossInBurst: probability }),
  duplicate: probability,
  reorder: probability,
  reorderDelay: millis,
  corrupt: probability,
  corruptBits: whole(1, 16_384),
  bandwidth: positive,
  queueBytes: number(0, Number.MAX_SAFE_INTEGER),
  mtu: whole(0, 65_527)
}))

const withDefault = <A, I>(schema: Schema.Schema<A, I>, value: A) =>
  Schema.optionalWith(schema, { default: () => value })

/**
 * The form of a scenario. Durations are milliseconds once they are decoded.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Scenario = Schema.Struct({
  seed: withDefault(seed, 0),
  peers: withDefault(whole(1, 2000), 8),
  hz: withDefault(number(0.001, 1000), 20),
  duration: withDefault(duration, 30_000),
  bytes: withDefault(whole(16, 1000), 64),
  intent: withDefault(choice("realtime", "sequenced", "reliable"), "sequenced"),
  ttl: Schema.optional(duration),
  network: withDefault(conditions, {}),
  events: withDefault(
    Schema.Array(Schema.Struct({
      at: duration,
      network: Schema.optional(conditions),
      cut: Schema.optional(Schema.Array(whole(0, 1999))),
      heal: Schema.optional(Schema.Boolean.annotations(may("true or false")))
    })),
    []
  )
}).annotations({ description: "an object with the fields of a scenario" })

/**
 * A scenario, decoded.
 *
 * @since 0.1.0
 * @category models
 */
export type Scenario = typeof Scenario.Type

const invalid = (detail: string, cause?: unknown) => new CliError({ reason: "Scenario", detail, cause })

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? "missing"
  return text.length > 60 ? `${text.slice(0, 59)}…` : text
}

const valueAt = (input: unknown, path: ReadonlyArray<PropertyKey>): unknown =>
  path.reduce<unknown>(
    (value, key) => typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined,
    input
  )

/** What the schema says of a field, in words of our own. */
const messageOf = (name: string, input: unknown, error: ParseResult.ParseError): string => {
  const [{ _tag, message, path }] = ParseResult.ArrayFormatter.formatErrorSync(error)
  if (path.length === 0) return `${name} is ${shown(input)}, but must be an object with the fields of a scenario`
  const field = `"${path.map(String).join(".")}" in ${name}`
  if (_tag === "Missing") return `${field} is missing`
  // of what was expected; what there is instead follows, where it is told at all
  const may = /expected:? (.+?)(?:, actual [^]*)?$/i.exec(message.replaceAll("\n", " "))?.[1] ?? message
  return _tag === "Unexpected"
    ? `${field} is no field; there are ${may.replaceAll("\"", "").replaceAll(" | ", ", ")}`
    : `${field} is ${shown(valueAt(input, path))}, but must be ${may}`
}

const decodeSchema = Schema.decodeUnknownEither(Scenario, { onExcessProperty: "error" })

/**
 * A scenario from what a JSON file has. The error names the first field that is wrong, what it was and what it may be;
 * `name` says where it stands.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decode = (input: unknown, name = "the scenario"): Effect.Effect<Scenario, CliError> =>
  Effect.gen(function*() {
    const scenario = yield* Either.mapLeft(
      decodeSchema(input),
      (error) => invalid(messageOf(name, input, error), error)
    )
    if (scenario.ttl !== undefined && scenario.intent === "reliable") {
      return yield* invalid(`"ttl" in ${name} is given, but reliable messages do not expire: leave it out`)
    }
    for (const [index, { at, cut = [] }] of scenario.events.entries()) {
      if (at > scenario.duration) {
        return yield* invalid(`"events.${index}.at" in ${name} is later than the end, at ${scenario.duration} ms`)
      }
      const stranger = cut.find((peer) => peer >= scenario.peers)
      if (stranger !== undefined) {
        return yield* invalid(
          `"events.${index}.cut" in ${name} has peer ${stranger}, but there are only 0 to ${scenario.peers - 1}`
        )
      }
    }
    const wrong = NetworkConditions.validate(conditionsOf(scenario.network))
    if (wrong !== undefined) return yield* invalid(`in ${name}: ${wrong.message}`, wrong)
    return scenario
  })

type Given = { readonly [Name in keyof NetworkConditions.NetworkConditions]?: unknown }

/**
 * Conditions as the network takes them, without what is not given.
 *
 * @since 0.1.0
 * @category conversions
 */
export const conditionsOf = (
  given: Scenario["network"]
): Partial<NetworkConditions.NetworkConditions> =>
  Object.fromEntries(
    Object.entries(given satisfies Given).filter(([, value]) => value !== undefined)
  )
