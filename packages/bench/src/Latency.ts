/**
 * `latency`: how long a message and its answer take, beside a raw ping-pong of `node:dgram`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { BenchError } from "./BenchError.js"
import { start } from "./internal/child.js"
import type { Child } from "./internal/child.js"
import { datagramBytes } from "./internal/exchange.js"
import { liftedText } from "./internal/limits.js"
import { atMost } from "./Scenario.js"
import type { Outcome } from "./Scenario.js"
import { latency, percentile, ratio, round } from "./Statistics.js"
import type { Latency } from "./Statistics.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface LatencyOptions {
  /** Messages a second. */
  readonly hz: number
  readonly duration: number
}

const PAYLOAD_BYTES = 128
/** The two take turns, so that neither has the better minute. */
const ROUNDS = 4
const WARM_UP_SECONDS = 3
const WARM_UP_PER_SECOND = 10_000

const pair = (raw: boolean): Effect.Effect<
  { readonly pinger: Child<"pinger">; readonly socket: string; readonly crypto: string },
  BenchError,
  Scope.Scope
> =>
  Effect.gen(function*() {
    const ponger = yield* start("ponger")
    const pinger = yield* start("pinger")
    if (raw) {
      yield* pinger.ask("joinRaw", yield* ponger.ask("listenRaw", undefined))
      return { pinger, socket: "dgram", crypto: "none" }
    }
    const hub = yield* ponger.ask("listen", undefined)
    yield* pinger.ask("join", { hub, intent: "Realtime" })
    return { pinger, socket: hub.socket, crypto: hub.crypto }
  })

const joined = (parts: ReadonlyArray<Float64Array>): Float64Array => {
  const whole = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** Shares of the round trips, finer towards the end. */
const SHARES = [0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1]

const distribution = (micros: Float64Array): ReadonlyArray<readonly [share: number, micros: number]> => {
  const sorted = Float64Array.from(micros).sort()
  return SHARES.map((share) => [share, round(percentile(sorted, share) ?? 0, 1)] as const)
}

const row = (what: string, it: Latency) => ({
  "round trip": what,
  "p50 us": it.p50Us,
  "p90 us": it.p90Us,
  "p99 us": it.p99Us,
  "p99.9 us": it.p999Us,
  "max us": it.maxUs
})

/**
 * Runs the scenario.
 *
 * @since 0.1.0
 * @category scenarios
 */
export const run = ({ duration, hz }: LatencyOptions): Effect.Effect<Outcome, BenchError> =>
  Effect.scoped(Effect.gen(function*() {
    const plain = yield* pair(true)
    const sealed = yield* pair(false)
    const ping = ({ pinger }: typeof plain, bytes: number, seconds: number, perSecond = hz) =>
      pinger.ask("run", { bytes, perSecond, seconds }, seconds)
    const both = (seconds: number, perSecond?: number) =>
      Effect.all([
        ping(plain, datagramBytes(PAYLOAD_BYTES), seconds, perSecond),
        ping(sealed, PAYLOAD_BYTES, seconds, perSecond)
      ])
    // as many as half a minute has at 1,000 a second: until then much of the code is interpreted, ours and node:dgram's
    yield* both(WARM_UP_SECONDS, WARM_UP_PER_SECOND)
    const rounds = yield* Effect.replicateEffect(both(duration / ROUNDS), ROUNDS)
    const rawMicros = joined(rounds.map(([raw]) => raw.micros))
    const micros = joined(rounds.map(([, own]) => own.micros))
    const raw = latency(rawMicros)
    const own = latency(micros)
    const sent = rounds.reduce((sum, [, it]) => sum + it.sent, 0)
    const p50ToRaw = round(ratio(own.p50Us, raw.p50Us), 3)
    const p99ToRaw = round(ratio(own.p99Us, raw.p99Us), 3)
    return {
      fields: {
        hz,
        socket: sealed.socket,
        crypto: sealed.crypto,
        sent,
        answered: micros.length,
        ...own,
        raw,
        p50ToRaw,
        p99ToRaw,
        distribution: distribution(micros),
        rawDistribution: distribution(rawMicros)
      },
      tables: [{
        title: `round trips of ${PAYLOAD_BYTES} bytes at ${hz} Hz`,
        rows: [row(`intentra, ${sealed.socket}, ${sealed.crypto}`, own), row("raw node:dgram", raw)]
      }],
      lifted: liftedText(),
      goals: [
        atMost("p50 at most 1.3 times that of raw dgram", p50ToRaw, 1.3),
        atMost("p99 at most 1.5 times that of raw dgram", p99ToRaw, 1.5)
      ]
    }
  }))
