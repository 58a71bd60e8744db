/**
 * `flow`: one session, one message a packet, each sealed by itself.
 *
 * The sender fills as fast as the transport takes messages: that is the peak. A second phase is paced to 90 % of it, and
 * tells what share arrives.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { BenchError } from "./BenchError.js"
import { datagramBytes, floor } from "./internal/exchange.js"
import { liftedText } from "./internal/limits.js"
import { findPeak } from "./internal/peak.js"
import type { Peak } from "./internal/peak.js"
import type { Consumer } from "./internal/roles/receiver.js"
import { atLeast } from "./Scenario.js"
import type { Goal, Outcome } from "./Scenario.js"
import { ratio, round } from "./Statistics.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface FlowOptions {
  /** Seconds of each phase. */
  readonly duration: number
}

/**
 * One consumer's run. Rates are messages a second; costs are nanoseconds of CPU time.
 *
 * @since 0.1.0
 * @category models
 */
export interface FlowRun {
  readonly consumer: Consumer
  readonly socket: string
  readonly crypto: string
  /** Of the paced phase, as are the next five. */
  readonly sent: number
  readonly delivered: number
  readonly duplicates: number
  readonly corrupt: number
  readonly ratio: number
  readonly offeredPps: number
  /** Delivered at the peak. */
  readonly pps: number
  readonly floorPps: number
  readonly ratioToFloor: number
  /** At the peak, of the receiving process. */
  readonly rxNsPerPacket: number
  /** At the peak, of the sending process. */
  readonly txNsPerPacket: number
  readonly messagesPerDatagram: number
}

const PAYLOAD_BYTES = 128
const BURST = 512

const described = ({ consumer, crypto, paced, peak, socket }: Peak, floorPps: number): FlowRun => ({
  consumer,
  socket,
  crypto,
  sent: paced.sent,
  delivered: paced.delivered,
  duplicates: paced.duplicates,
  corrupt: paced.corrupt,
  ratio: paced.ratio,
  offeredPps: paced.offeredPps,
  pps: peak.pps,
  floorPps,
  ratioToFloor: round(ratio(peak.pps, floorPps), 3),
  rxNsPerPacket: peak.rxNsPerPacket,
  txNsPerPacket: peak.txNsPerPacket,
  messagesPerDatagram: peak.messagesPerDatagram
})

const goals = (run: FlowRun): ReadonlyArray<Goal> => {
  const least = run.consumer === "callback" ? 2_000_000 : 1_400_000
  return [
    run.socket === "batch"
      ? atLeast(`${run.consumer}: at least ${least.toLocaleString("en")} packets/s delivered`, run.pps, least)
      : atLeast(`${run.consumer}: at least half of what raw ${run.socket} carries`, run.ratioToFloor, 0.5),
    atLeast(
      `${run.consumer}: at least 99.9 % delivered at 90 % of the peak, none twice or changed`,
      run.duplicates + run.corrupt === 0 ? run.ratio : 0,
      0.999
    )
  ]
}

/**
 * Runs the scenario: one run for each consumer.
 *
 * @since 0.1.0
 * @category scenarios
 */
export const run = ({ duration }: FlowOptions): Effect.Effect<Outcome, BenchError> =>
  Effect.gen(function*() {
    const peaks = yield* Effect.forEach(["callback", "stream"] as const, (consumer) =>
      findPeak({ consumer, coalesce: false, bytes: PAYLOAD_BYTES, duration, burst: BURST }))
    const bytes = datagramBytes(PAYLOAD_BYTES)
    const [{ socket }] = peaks
    const { floorPps } = yield* floor({ socket, bytes, seconds: duration, senders: 1, from: 1, to: 1 })
    const runs = peaks.map((peak) =>
      described(peak, floorPps)
    )
    return {
      fields: { runs },
      tables: [{
        title: `one session, ${PAYLOAD_BYTES} bytes a message, one message a packet, each sealed by itself`,
        rows: runs.map((it) => ({
          consumer: it.consumer,
          socket: it.socket,
          crypto: it.crypto,
          "peak/s": it.pps,
          "floor/s": it.floorPps,
          "of floor": it.ratioToFloor,
          "rx ns": it.rxNsPerPacket,
          "tx ns": it.txNsPerPacket,
          "sent at 90 %": it.sent,
          delivered: it.delivered,
          ratio: it.ratio
        }))
      }],
      lifted: liftedText(),
      goals: runs.flatMap(goals)
    }
  })
