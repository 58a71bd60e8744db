/**
 * `overload`: more than the hub can take, at once and for a while. Freshness may suffer; latency of the loop, memory and
 * control traffic may not.
 *
 * The packets are sealed before, so that one process can offer more than the other takes. The peak is what the hub
 * delivers at the best of several rates.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { BenchError } from "./BenchError.js"
import { start } from "./internal/child.js"
import { datagramBytes, floor, settled } from "./internal/exchange.js"
import { liftedText } from "./internal/limits.js"
import { atLeast, atMost } from "./Scenario.js"
import type { Outcome } from "./Scenario.js"
import { latency, ratio, round } from "./Statistics.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface OverloadOptions {
  /** Times the peak. */
  readonly factor: number
  readonly duration: number
}

const PAYLOAD_BYTES = 128
/** Messages sealed to find out how fast they can be sent. */
const FIRST = 50_000
const BURST = 2048
const CONTROL_HZ = 50
/** Seconds at each rate of the ramp, and its rates as shares of the fastest. */
const STEP_SECONDS = 0.4
const RAMP = [0.25, 0.4, 0.55, 0.7, 0.85, 1]
/** Packets that are held in memory at most: about 1.5 GB. */
const MOST_PREPARED = 8_000_000
const MIB = 1024 * 1024

/**
 * Runs the scenario.
 *
 * @since 0.1.0
 * @category scenarios
 */
export const run = ({ duration, factor }: OverloadOptions): Effect.Effect<Outcome, BenchError> =>
  Effect.gen(function*() {
    const measured = yield* Effect.scoped(Effect.gen(function*() {
      const receiver = yield* start("receiver")
      const blaster = yield* start("blaster")
      const control = yield* start("pinger")
      const hub = yield* receiver.ask("listen", { consumer: "callback" })
      yield* blaster.ask("join", hub)
      yield* control.ask("join", { hub, intent: "Reliable" })
      let phase = 0
      const blast = (perSecond: number, seconds: number, count: number) =>
        Effect.gen(function*() {
          phase++
          const prepared = Math.min(Math.ceil(count), MOST_PREPARED)
          yield* blaster.ask("prepare", { phase, bytes: PAYLOAD_BYTES, count: prepared }, 60)
          yield* receiver.ask("begin", { phase, lanes: 1 })
          const sent = yield* blaster.ask("blast", { perSecond, seconds, burst: BURST }, seconds)
          const received = yield* settled(receiver.ask("state", undefined), sent.sent)
          return {
            offeredPps: Math.round(ratio(sent.sent, sent.seconds)),
            deliveredPps: Math.round(ratio(received.delivered, received.seconds)),
            received
          }
        })
      yield* blast(Infinity, 5, FIRST)
      const { offeredPps: first } = yield* blast(Infinity, 5, FIRST * 2)
      const { offeredPps: fastest } = yield* blast(Infinity, 5, first * STEP_SECONDS)
      const ramp = yield* Effect.forEach(RAMP, (share) => {
        const perSecond = fastest * share
        return blast(perSecond, STEP_SECONDS, perSecond * STEP_SECONDS)
      })
      const peakPps = Math.max(...ramp.map((step) => step.deliveredPps))
      const perSecond = peakPps * factor
      const seconds = Math.min(duration, MOST_PREPARED / perSecond)
      const [{ deliveredPps, offeredPps, received }, pings] = yield* Effect.all([
        blast(perSecond, seconds, perSecond * seconds),
        control.ask("run", { bytes: 32, perSecond: CONTROL_HZ, seconds: seconds + 0.5 }, seconds)
      ], { concurrency: "unbounded" })
      return { hub, ramp, peakPps, offeredPps, deliveredPps, received, pings, seconds }
    }))
    const { deliveredPps, hub, offeredPps, peakPps, pings, ramp, received, seconds } = measured
    const { floorPps } = yield* floor({
      socket: hub.socket,
      bytes: datagramBytes(PAYLOAD_BYTES),
      seconds: duration,
      senders: 1,
      from: 1,
      to: 1
    })
    const control = latency(pings.micros)
    const controlRttMs = round(control.p50Us / 1000, 2)
    const controlMaxMs = round(control.maxUs / 1000, 2)
    const controlAnswered = round(ratio(pings.micros.length, pings.sent), 4)
    const rssGrowthMiB = round(received.rssGrowth / MIB, 1)
    const longestTurnMs = round(received.longestTurnMs, 2)
    const share = round(ratio(deliveredPps, peakPps), 3)
    return {
      fields: {
        factor,
        socket: hub.socket,
        crypto: hub.crypto,
        overloadSeconds: round(seconds, 2),
        peakPps,
        offeredPps,
        offeredToPeak: round(ratio(offeredPps, peakPps), 3),
        deliveredPps,
        deliveredToPeak: share,
        duplicates: received.duplicates,
        corrupt: received.corrupt,
        longestTurnMs,
        rssGrowthMiB,
        controlRttMs,
        controlMaxMs,
        controlAnswered,
        kernelDrops: received.kernelDrops,
        drops: received.drops,
        floorPps,
        ratioToFloor: round(ratio(peakPps, floorPps), 3),
        ramp: ramp.map((step) => ({ offeredPps: step.offeredPps, deliveredPps: step.deliveredPps }))
      },
      tables: [
        {
          title: `${factor} times the peak for ${round(seconds, 1)} s, over ${hub.socket}, sealed by ${hub.crypto}`,
          rows: [{
            "peak/s": peakPps,
            "offered/s": offeredPps,
            "delivered/s": deliveredPps,
            "of peak": share,
            "longest turn ms": longestTurnMs,
            "growth MiB": rssGrowthMiB,
            "control rtt ms": controlRttMs,
            "longest ms": controlMaxMs,
            answered: controlAnswered,
            "kernel drops": received.kernelDrops
          }]
        },
        {
          title: `the ramp (raw sockets: ${floorPps.toLocaleString("en")}/s)`,
          rows: ramp.map((step) => ({ "offered/s": step.offeredPps, "delivered/s": step.deliveredPps }))
        }
      ],
      lifted: liftedText(),
      goals: [
        atLeast("at least 0.9 of the peak delivered", share, 0.9),
        atMost("the longest turn at most 20 ms", longestTurnMs, 20),
        atMost("at most 64 MiB of growth", rssGrowthMiB, 64),
        atLeast("control traffic alive: every Reliable message answered", controlAnswered, 1)
      ]
    }
  })
