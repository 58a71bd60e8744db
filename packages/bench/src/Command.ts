/**
 * The command line of the benchmark. What a scenario does is loaded when it runs.
 *
 * @since 0.1.0
 */
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as Options from "@effect/cli/Options"
import * as Effect from "effect/Effect"
import { fileURLToPath } from "node:url"
import { BenchError } from "./BenchError.js"
import { show, text } from "./internal/show.js"
import { result, toJson } from "./Scenario.js"
import type { Outcome } from "./Scenario.js"

/** Seconds of each measured phase. */
const DURATION = 3

const RESULTS = fileURLToPath(new URL("../results", import.meta.url))

const json = Options.boolean("json").pipe(
  Options.withDescription("One JSON object on the last line of standard output, everything else on standard error.")
)

const duration = Options.float("duration").pipe(
  Options.withDefault(DURATION),
  Options.withPseudoName("S"),
  Options.withDescription("Seconds of each measured phase, 0.1 to 600.")
)

const count = (name: string, fallback: number, text: string) =>
  Options.integer(name).pipe(Options.withDefault(fallback), Options.withDescription(text))

const float = (name: string, fallback: number, text: string) =>
  Options.float(name).pipe(Options.withDefault(fallback), Options.withDescription(text))

/** From the least to the most, by option. */
type Bounds = { readonly [option: string]: readonly [least: number, most: number] }

/** The first option out of its bounds, with its value and the bounds. */
const check = (options: { readonly [name: string]: unknown }, bounds: Bounds): Effect.Effect<void, BenchError> => {
  for (const [option, [least, most]] of Object.entries(bounds)) {
    const value = Number(options[option])
    if (!(value >= least && value <= most)) {
      return Effect.fail(
        new BenchError({
          reason: "InvalidArgument",
          detail: `--${option} is ${value}, but must be from ${least} to ${most}`
        })
      )
    }
  }
  return Effect.void
}

/** Runs a scenario, whose module is loaded when the options are right, and shows what it gave. */
const measured = <Options extends { readonly duration: number }>(
  name: string,
  load: () => Promise<{ readonly run: (options: Options) => Effect.Effect<Outcome, BenchError> }>,
  bounds: Bounds = {}
) =>
(options: Options & { readonly json: boolean }): Effect.Effect<void, BenchError> =>
  Effect.gen(function*() {
    yield* check(options, { duration: [0.1, 600], ...bounds })
    const { run } = yield* Effect.promise(load)
    show(result(name, options.duration, yield* run(options)), options.json)
  })

/** What a command is for, and how it is used. */
const described = (what: string, ...examples: ReadonlyArray<string>) =>
  Command.withDescription(HelpDoc.blocks([
    HelpDoc.p(what),
    HelpDoc.h1("EXAMPLES"),
    ...examples.map((example) => HelpDoc.p(`$ npm run bench -- ${example}`))
  ]))

const crypto = Command.make("crypto", { duration, json }, measured("crypto", () => import("./Crypto.js"))).pipe(
  described("What sealing and opening a packet costs, by library and algorithm.", "crypto --duration 1")
)

const flow = Command.make("flow", { duration, json }, measured("flow", () => import("./Flow.js"))).pipe(
  described(
    "One session, one message a packet, each sealed by itself: the peak, then what share arrives at 90 % of it, to a " +
      "callback and through the stream.",
    "flow",
    "flow --duration 10 --json | tail -n 1"
  )
)

const messages = Command.make("messages", { duration, json }, measured("messages", () => import("./Messages.js"))).pipe(
  described("One session, many messages a packet: the peak, then what share arrives at 90 % of it.", "messages")
)

const sessions = Command.make("sessions", {
  sessions: count("sessions", 2000, "Sessions, half of them in each of two sending processes."),
  hz: float("hz", 500, "Messages of each session per second."),
  duration,
  json
}, measured("sessions", () => import("./Sessions.js"), { sessions: [2, 1_000_000], hz: [0.01, 1_000_000] })).pipe(
  described(
    "Many sessions at a steady rate: what share arrives.",
    "sessions --sessions 2000 --hz 500",
    "sessions --sessions 1500 --hz 800",
    "sessions --sessions 20000 --hz 50"
  )
)

const peers = Command.make("peers", {
  peers: count("peers", 500, "Peers, each with a socket and an identity of its own."),
  hz: float("hz", 400, "Messages of each peer per second."),
  duration,
  json
}, measured("peers", () => import("./Peers.js"), { peers: [2, 20_000], hz: [0.01, 100_000] })).pipe(
  described("Many sockets send to one hub.", "peers --peers 500 --hz 400")
)

const fanout = Command.make("fanout", {
  peers: count("peers", 2000, "Peers, each with a socket of its own."),
  duration,
  json
}, measured("fanout", () => import("./Fanout.js"), { peers: [1, 20_000] })).pipe(
  described("One hub sends to many sockets.", "fanout --peers 2000")
)

const latency = Command.make("latency", {
  hz: float("hz", 1000, "Round trips per second."),
  duration,
  json
}, measured("latency", () => import("./Latency.js"), { hz: [1, 10_000] })).pipe(
  described("How long a message and its answer take, beside raw sockets.", "latency --hz 1000 --duration 10")
)

const overload = Command.make("overload", {
  factor: float("factor", 2, "Times the peak that is offered."),
  duration,
  json
}, measured("overload", () => import("./Overload.js"), { factor: [1, 100] })).pipe(
  described("More than the hub can take: what suffers, and what must not.", "overload --factor 2")
)

const handshakes = Command.make(
  "handshakes",
  { duration, json },
  measured("handshakes", () => import("./Handshakes.js"))
).pipe(described("Sessions opened per second, and hellos answered by a cookie.", "handshakes"))

const memory = Command.make("memory", {
  sessions: count("sessions", 100_000, "Idle sessions."),
  duration,
  json
}, measured("memory", () => import("./Memory.js"), { sessions: [10, 1_000_000] })).pipe(
  described("What an idle session costs.", "memory --sessions 100000")
)

const scaling = Command.make("scaling", { duration, json }, measured("scaling", () => import("./Scaling.js"))).pipe(
  described("What a packet costs with 1 to 10,000 sessions.", "scaling")
)

const accuracy = Command.make("accuracy", {
  sessions: count("sessions", 2000, "Sessions, half of them in each of two sending processes."),
  duration,
  json
}, measured("accuracy", () => import("./Accuracy.js"), { sessions: [2, 1_000_000] })).pipe(
  described("What arrives of what is offered, from a fifth of the most to half above it.", "accuracy")
)

const all = Command.make("all", {
  report: Options.boolean("report").pipe(
    Options.withDescription("Write RESULTS.md, JSON and plots into packages/bench/results.")
  ),
  duration,
  json
}, ({ duration: seconds, json: asJson, report }) =>
  Effect.gen(function*() {
    yield* check({ duration: seconds }, { duration: [0.1, 600] })
    const { runAll } = yield* Effect.promise(() => import("./All.js"))
    const { write } = yield* Effect.promise(() => import("./Report.js"))
    const out = asJson ? process.stderr : process.stdout
    const runs = yield* runAll(seconds, ({ failure, name, result: it }) => {
      out.write(it === undefined ? `${name}: ${failure ?? "failed"}\n\n` : `${text(it)}\n`)
    })
    if (report) yield* write(RESULTS, runs)
    const results = runs.flatMap(({ result: it }) => it === undefined ? [] : [JSON.parse(toJson(it)) as unknown])
    const failures = runs.flatMap(({ failure, name }) => failure === undefined ? [] : [{ name, failure }])
    if (asJson) process.stdout.write(`${JSON.stringify({ scenario: "all", results, failures })}\n`)
    if (failures.length > 0) process.exitCode = 1
  })).pipe(
    described(
      "Every scenario, one after the other: half an hour with the default duration. The machine should have nothing else " +
        "to do.",
      "all",
      "all --report --duration 5"
    )
  )

/**
 * The whole program.
 *
 * @since 0.1.0
 * @category constructors
 */
export const bench = Command.make("bench").pipe(
  Command.withDescription(
    "What the transport does, beside what the machine can. INTENTRA_UDP=dgram|batch and INTENTRA_CRYPTO=noble|node|openssl " +
      "choose the path."
  ),
  Command.withSubcommands([
    crypto,
    flow,
    messages,
    sessions,
    peers,
    fanout,
    latency,
    overload,
    handshakes,
    memory,
    scaling,
    accuracy,
    all
  ])
)
