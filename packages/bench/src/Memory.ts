/**
 * `memory`: what an idle session costs.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { BenchError } from "./BenchError.js"
import { start } from "./internal/child.js"
import { joinSeconds } from "./internal/exchange.js"
import { liftedText } from "./internal/limits.js"
import { atMost } from "./Scenario.js"
import type { Outcome } from "./Scenario.js"
import { ratio } from "./Statistics.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface MemoryOptions {
  readonly sessions: number
  readonly duration: number
}

const MOST_BYTES = 4_096
/** The sessions before the first look, so that what a transport costs once is not counted. */
const FIRST_SHARE = 0.1
/** Handshakes leave things behind for so long. */
const REST_SECONDS = 11

/**
 * Runs the scenario.
 *
 * @since 0.1.0
 * @category scenarios
 */
export const run = ({ sessions }: MemoryOptions): Effect.Effect<Outcome, BenchError> =>
  Effect.scoped(Effect.gen(function*() {
    const holder = yield* start("idler", ["--expose-gc"])
    const others = yield* start("idler", ["--max-old-space-size=8192"])
    const hub = yield* holder.ask("listen", undefined)
    const first = Math.max(1, Math.round(sessions * FIRST_SHARE))
    const fill = (count: number) =>
      Effect.gen(function*() {
        yield* others.ask("join", { hub, sessions: count }, joinSeconds(count))
        // what a handshake is remembered by goes with the next ones, and there are none
        yield* Effect.sleep(REST_SECONDS * 1000)
        return yield* holder.ask("state", undefined)
      })
    const before = yield* fill(first)
    const after = yield* fill(sessions - first)
    const more = after.sessions - before.sessions
    const residentPerSession = Math.round(ratio(after.rss - before.rss, more))
    const heldPerSession = Math.round(ratio(after.held - before.held, more))
    // the process may have had room from its handshakes; what native code holds is in no other count
    const bytesPerIdleSession = Math.max(residentPerSession, heldPerSession)
    const complete = after.sessions === sessions
    return {
      fields: {
        sessions: after.sessions,
        socket: hub.socket,
        crypto: hub.crypto,
        bytesPerIdleSession,
        residentPerSession,
        heldPerSession,
        rssBytes: after.rss
      },
      tables: [{
        title: `idle sessions of one hub, over ${hub.socket}, sealed by ${hub.crypto}`,
        rows: [{
          sessions: after.sessions,
          "bytes each": bytesPerIdleSession,
          "growth of the process": residentPerSession,
          "held by JavaScript": heldPerSession,
          "the process in all": after.rss
        }]
      }],
      lifted: { ...liftedText(), maxSessions: "1,000,000 (default 10,000)", idleTimeout: "1 hour (default 60 s)" },
      goals: [
        atMost(
          `at most ${MOST_BYTES.toLocaleString("en")} bytes for each of ${sessions.toLocaleString("en")} idle sessions`,
          complete ? bytesPerIdleSession : undefined,
          MOST_BYTES
        )
      ]
    }
  }))
