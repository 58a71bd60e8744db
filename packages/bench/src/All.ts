/**
 * `all`: every scenario, one after the other.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { BenchError } from "./BenchError.js"
import { result } from "./Scenario.js"
import type { Outcome, Result } from "./Scenario.js"

/**
 * A scenario as `all` runs it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Step {
  /** Of its file of results. */
  readonly name: string
  readonly scenario: string
  readonly run: (duration: number) => Effect.Effect<Outcome, BenchError>
}

const step = <Options extends { readonly duration: number }>(
  name: string,
  scenario: string,
  load: () => Promise<{ readonly run: (options: Options) => Effect.Effect<Outcome, BenchError> }>,
  options: Omit<Options, "duration">
): Step => ({
  name,
  scenario,
  run: (duration) => Effect.flatMap(Effect.promise(load), ({ run }) => run({ ...options, duration } as Options))
})

const PORTABLE = { INTENTRA_UDP: "dgram", INTENTRA_CRYPTO: "node" }

/** The same where no native call is made: the processes of the scenario are told so by their environment. */
const portable = (name: string, it: Step): Step => ({
  ...it,
  name,
  run: (duration) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const before = { ...process.env }
        Object.assign(process.env, PORTABLE)
        return before
      }),
      () => it.run(duration),
      (before) =>
        Effect.sync(() => {
          for (const variable of Object.keys(PORTABLE)) {
            if (before[variable] === undefined) delete process.env[variable]
            else process.env[variable] = before[variable]
          }
        })
    )
})

/**
 * Every scenario with the figures of its goals.
 *
 * @since 0.1.0
 * @category constants
 */
export const steps: ReadonlyArray<Step> = [
  step("crypto", "crypto", () => import("./Crypto.js"), {}),
  step("flow", "flow", () => import("./Flow.js"), {}),
  portable("flow-portable", step("flow", "flow", () => import("./Flow.js"), {})),
  step("messages", "messages", () => import("./Messages.js"), {}),
  step("sessions-2000x500", "sessions", () => import("./Sessions.js"), { sessions: 2000, hz: 500 }),
  step("sessions-1500x800", "sessions", () => import("./Sessions.js"), { sessions: 1500, hz: 800 }),
  step("sessions-20000x50", "sessions", () => import("./Sessions.js"), { sessions: 20_000, hz: 50 }),
  step("peers", "peers", () => import("./Peers.js"), { peers: 500, hz: 400 }),
  step("fanout", "fanout", () => import("./Fanout.js"), { peers: 2000 }),
  step("latency", "latency", () => import("./Latency.js"), { hz: 1000 }),
  step("overload", "overload", () => import("./Overload.js"), { factor: 2 }),
  step("handshakes", "handshakes", () => import("./Handshakes.js"), {}),
  step("scaling", "scaling", () => import("./Scaling.js"), {}),
  step("accuracy", "accuracy", () => import("./Accuracy.js"), { sessions: 2000 }),
  step("memory", "memory", () => import("./Memory.js"), { sessions: 100_000 })
]

/**
 * What became of a step: a result, or why there is none.
 *
 * @since 0.1.0
 * @category models
 */
export interface Run {
  readonly name: string
  readonly scenario: string
  readonly result: Result | undefined
  readonly failure: string | undefined
}

/**
 * Runs the steps in order; one that fails does not stop the others. `onRun` is told of each.
 *
 * @since 0.1.0
 * @category scenarios
 */
export const runAll = (
  duration: number,
  onRun: (run: Run) => void,
  these: ReadonlyArray<Step> = steps
): Effect.Effect<ReadonlyArray<Run>> =>
  Effect.forEach(these, ({ name, run, scenario }) =>
    run(duration).pipe(
      Effect.match({
        onFailure: (error): Run => ({ name, scenario, result: undefined, failure: error.message }),
        onSuccess: (outcome): Run => ({
          name,
          scenario,
          result: result(scenario, duration, outcome),
          failure: undefined
        })
      }),
      Effect.tap((done) => Effect.sync(() => onRun(done)))
    ))
