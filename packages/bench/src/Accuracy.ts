/**
 * `accuracy`: what arrives of what is offered, at rates up to and above the most that is delivered.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { BenchError } from "./BenchError.js"
import { connected, datagramBytes, exchange, floor, warmUp } from "./internal/exchange.js"
import { liftedText } from "./internal/limits.js"
import type { Outcome } from "./Scenario.js"
import { ratio, round } from "./Statistics.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface AccuracyOptions {
  readonly sessions: number
  /** Seconds at each rate. */
  readonly duration: number
}

/**
 * One rate: packets a second.
 *
 * @since 0.1.0
 * @category models
 */
export interface AccuracyPoint {
  readonly offeredPps: number
  readonly deliveredPps: number
  readonly ratio: number
}

const PAYLOAD_BYTES = 128
const SENDERS = 2
const BURST = 1024
/** Of what is delivered when the senders go as fast as they can. */
const SHARES = [0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5]

/**
 * Runs the scenario.
 *
 * @since 0.1.0
 * @category scenarios
 */
export const run = ({ duration, sessions }: AccuracyOptions): Effect.Effect<Outcome, BenchError> =>
  Effect.gen(function*() {
    const { crypto, most, points, socket } = yield* Effect.scoped(Effect.gen(function*() {
      const { crypto, receiver, senders, socket } = yield* connected({
        consumer: "callback",
        senders: SENDERS,
        sessions,
        options: { coalesce: false }
      })
      let phase = 0
      const at = (perSecond: number, seconds: number) =>
        exchange(receiver, senders, { phase: ++phase, bytes: PAYLOAD_BYTES, seconds, perSecond, burst: BURST })
      yield* at(Infinity, warmUp(duration))
      const most = yield* at(Infinity, duration)
      const points = yield* Effect.forEach(SHARES, (share) =>
        Effect.map(
          at(most.pps * share, duration),
          ({ offeredPps, pps, ratio: arrived }): AccuracyPoint => ({ offeredPps, deliveredPps: pps, ratio: arrived })
        ))
      return { crypto, socket, most: most.pps, points }
    }))
    const { floorPps } = yield* floor({
      socket,
      bytes: datagramBytes(PAYLOAD_BYTES),
      seconds: duration,
      senders: SENDERS,
      from: SENDERS,
      to: 1
    })
    return {
      fields: { sessions, socket, crypto, points, floorPps, ratioToFloor: round(ratio(most, floorPps), 3) },
      tables: [{
        title: `${sessions} sessions from ${SENDERS} processes, over ${socket}, sealed by ${crypto} ` +
          `(raw sockets: ${floorPps.toLocaleString("en")}/s)`,
        rows: points.map((it) => ({ "offered/s": it.offeredPps, "delivered/s": it.deliveredPps, ratio: it.ratio }))
      }],
      lifted: liftedText(),
      goals: []
    }
  })
