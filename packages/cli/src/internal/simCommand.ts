/** `intentra sim`: a fleet on a simulated network, in virtual time. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Fs from "node:fs/promises"
import { text as readAll } from "node:stream/consumers"
import { CliError } from "../CliError.js"
import { decode } from "../Scenario.js"
import type { Scenario } from "../Scenario.js"
import { simulate } from "./simulate.js"
import type { Report } from "./simulate.js"
import { Console, counts, grouped, millis, writeJson } from "./terminal.js"
import { transportFailed } from "./transportFailed.js"

export interface SimOptions {
  readonly file: string
  readonly seed: Option.Option<string>
  readonly json: boolean
}

const failed = (detail: string, cause: unknown) => new CliError({ reason: "Scenario", detail, cause })

const read = (file: string): Effect.Effect<unknown, CliError> =>
  Effect.gen(function*() {
    const name = file === "-" ? "standard input" : file
    const text = yield* Effect.tryPromise({
      try: () => file === "-" ? readAll(process.stdin) : Fs.readFile(file, "utf8"),
      catch: (cause) =>
        failed(`cannot read the scenario ${name}: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
    })
    return yield* Effect.try({
      try: () => JSON.parse(text) as unknown,
      catch: (cause) =>
        failed(`the scenario ${name} is not JSON: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
    })
  })

/** As a file would have it: a number where it is one. */
const seedOf = (text: string): number | string => /^-?\d{1,15}$/.test(text) ? Number(text) : text

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`

const linesOf = (scenario: Scenario, report: Report): ReadonlyArray<string> => [
  `${grouped(report.peers)} peers at ${scenario.hz} Hz for ${seconds(report.durationMs)}, ${scenario.intent}, seed ` +
  `${report.seed}`,
  `sent ${grouped(report.sent)}  delivered ${grouped(report.delivered)}  ratio ${report.ratio.toFixed(4)}  refused ` +
  `${grouped(report.refused)}  delivery age p50 ${millis(report.ageMs.p50 ?? undefined)} p99 ` +
  `${millis(report.ageMs.p99 ?? undefined)}`,
  `sessions: ${grouped(report.sessions.begun)} begun, ${grouped(report.sessions.rekeys)} rekeys, ` +
  `${grouped(report.sessions.active)} at the end`,
  `drops: ${counts(report.drops)}`,
  `network: ${grouped(report.network.sent)} datagrams, ${grouped(report.network.delivered)} delivered, lost: ` +
  `${counts(report.network.lost)}`,
  `trace ${report.trace}`
]

export const runSim = ({ file, json, seed }: SimOptions): Effect.Effect<void, CliError> =>
  Effect.gen(function*() {
    const given = yield* decode(yield* read(file), file === "-" ? "standard input" : file)
    const scenario = Option.isSome(seed) ? { ...given, seed: seedOf(seed.value) } : given
    // the report goes to standard output, how far it is beside it
    const beside = new Console(true)
    const started = performance.now()
    const report = yield* simulate(scenario, (now, all) => {
      if (beside.live) beside.draw([`${Math.round((now / all) * 100)} %  ${seconds(now)} of ${seconds(all)}`])
    }).pipe(
      Effect.mapError(transportFailed),
      Effect.ensuring(Effect.sync(() => beside.clear()))
    )
    if (json) return writeJson(report)
    const out = new Console(false)
    for (const line of linesOf(scenario, report)) out.line(line)
    beside.line(`simulated in ${seconds(performance.now() - started)}`)
  })
