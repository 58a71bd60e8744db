/**
 * `scaling`: what a packet costs by the number of sessions.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { BenchError } from "./BenchError.js"
import { connected, datagramBytes, exchange, floor, warmUp } from "./internal/exchange.js"
import { liftedText } from "./internal/limits.js"
import { atMost } from "./Scenario.js"
import type { Outcome } from "./Scenario.js"
import { ratio, round } from "./Statistics.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface ScalingOptions {
  readonly duration: number
}

/**
 * What one number of sessions costs: nanoseconds of CPU time a packet.
 *
 * @since 0.1.0
 * @category models
 */
export interface ScalingStep {
  readonly sessions: number
  readonly rxNsPerPacket: number
  readonly txNsPerPacket: number
  readonly pps: number
  readonly ratioToFloor: number
}

const PAYLOAD_BYTES = 128
const SESSIONS = [1, 10, 100, 1_000, 10_000]
const BURST = 512
const MOST = 1.5

/**
 * Runs the scenario.
 *
 * @since 0.1.0
 * @category scenarios
 */
export const run = ({ duration }: ScalingOptions): Effect.Effect<Outcome, BenchError> =>
  Effect.gen(function*() {
    let socket = ""
    let crypto = ""
    const costs = yield* Effect.forEach(SESSIONS, (sessions) =>
      Effect.scoped(Effect.gen(function*() {
        const pair = yield* connected({ consumer: "callback", senders: 1, sessions, options: { coalesce: false } })
        socket = pair.socket
        crypto = pair.crypto
        const phase = (number: number, seconds: number) =>
          exchange(pair.receiver, pair.senders, {
            phase: number,
            bytes: PAYLOAD_BYTES,
            seconds,
            perSecond: Infinity,
            burst: BURST
          })
        yield* phase(1, warmUp(duration))
        const { pps, rxNsPerPacket, txNsPerPacket } = yield* phase(2, duration)
        return { sessions, rxNsPerPacket, txNsPerPacket, pps }
      })))
    const { floorPps, floorRxNs, floorTxNs } = yield* floor({
      socket,
      bytes: datagramBytes(PAYLOAD_BYTES),
      seconds: duration,
      senders: 1,
      from: 1,
      to: 1
    })
    const steps = costs.map(({ pps, rxNsPerPacket, sessions, txNsPerPacket }): ScalingStep => ({
      sessions,
      rxNsPerPacket,
      txNsPerPacket,
      pps,
      ratioToFloor: round(ratio(pps, floorPps), 3)
    }))
    const growth = (cost: (step: ScalingStep) => number): number =>
      round(ratio(cost(steps[steps.length - 1]), cost(steps[1])), 3)
    const rxGrowth = growth((step) => step.rxNsPerPacket)
    const txGrowth = growth((step) => step.txNsPerPacket)
    return {
      fields: { socket, crypto, steps, rxGrowth, txGrowth, floorPps, floorRxNs, floorTxNs },
      tables: [{
        title: `cost of a packet by sessions, over ${socket}, sealed by ${crypto} (floor: rx ${floorRxNs} ns, ` +
          `tx ${floorTxNs} ns, ${floorPps.toLocaleString("en")}/s)`,
        rows: steps.map((step) => ({
          sessions: step.sessions,
          "rx ns": step.rxNsPerPacket,
          "tx ns": step.txNsPerPacket,
          "packets/s": step.pps,
          "of floor": step.ratioToFloor
        }))
      }],
      lifted: liftedText(),
      goals: [
        atMost(`receiving costs at most ${MOST} times as much with 10,000 sessions as with 10`, rxGrowth, MOST),
        atMost(`sending costs at most ${MOST} times as much with 10,000 sessions as with 10`, txGrowth, MOST)
      ]
    }
  })
