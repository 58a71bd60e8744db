/**
 * `messages`: one session, messages of one flush packed into datagrams up to the path MTU.
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
import type { Outcome } from "./Scenario.js"
import { ratio, round } from "./Statistics.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface MessagesOptions {
  /** Seconds of each phase. */
  readonly duration: number
}

/**
 * One consumer's run; costs are nanoseconds of CPU time.
 *
 * @since 0.1.0
 * @category models
 */
export interface MessagesRun {
  readonly consumer: Consumer
  readonly socket: string
  readonly crypto: string
  /** Of the phase that is paced to 90 % of the peak, as are the next four. */
  readonly sent: number
  readonly delivered: number
  readonly duplicates: number
  readonly corrupt: number
  readonly ratio: number
  /** Delivered at the peak. */
  readonly messagesPerSecond: number
  readonly messagesPerDatagram: number
  /** Datagrams at the peak. */
  readonly pps: number
  /** Raw datagrams of the same size. */
  readonly floorPps: number
  readonly ratioToFloor: number
  readonly rxNsPerMessage: number
  readonly txNsPerMessage: number
}

const PAYLOAD_BYTES = 128
const LEAST_PER_SECOND = 4_000_000
const BURST = 1920

const described = ({ consumer, crypto, paced, peak, socket }: Peak, floorPps: number): MessagesRun => ({
  consumer,
  socket,
  crypto,
  sent: paced.sent,
  delivered: paced.delivered,
  duplicates: paced.duplicates,
  corrupt: paced.corrupt,
  ratio: paced.ratio,
  messagesPerSecond: peak.pps,
  messagesPerDatagram: peak.messagesPerDatagram,
  pps: peak.datagramsPerSecond,
  floorPps,
  ratioToFloor: round(ratio(peak.datagramsPerSecond, floorPps), 3),
  rxNsPerMessage: peak.rxNsPerPacket,
  txNsPerMessage: peak.txNsPerPacket
})

/**
 * Runs the scenario: one run for each consumer.
 *
 * @since 0.1.0
 * @category scenarios
 */
export const run = ({ duration }: MessagesOptions): Effect.Effect<Outcome, BenchError> =>
  Effect.gen(function*() {
    const peaks = yield* Effect.forEach(["callback", "stream"] as const, (consumer) =>
      findPeak({ consumer, coalesce: true, bytes: PAYLOAD_BYTES, duration, burst: BURST }))
    const together = Math.max(1, Math.round(peaks[0].peak.messagesPerDatagram))
    const bytes = datagramBytes(PAYLOAD_BYTES, together)
    const { floorPps } = yield* floor({ socket: peaks[0].socket, bytes, seconds: duration, senders: 1, from: 1, to: 1 })
    const runs = peaks.map((peak) =>
      described(peak, floorPps)
    )
    const [callback] = runs
    return {
      fields: {
        runs,
        messagesPerSecond: callback.messagesPerSecond,
        messagesPerDatagram: callback.messagesPerDatagram
      },
      tables: [{
        title: `one session, ${PAYLOAD_BYTES} bytes a message, as many in a datagram as the path takes`,
        rows: runs.map((it) => ({
          consumer: it.consumer,
          socket: it.socket,
          crypto: it.crypto,
          "messages/s": it.messagesPerSecond,
          "in a datagram": it.messagesPerDatagram,
          "datagrams/s": it.pps,
          "floor/s": it.floorPps,
          "of floor": it.ratioToFloor,
          "rx ns": it.rxNsPerMessage,
          "tx ns": it.txNsPerMessage,
          "sent at 90 %": it.sent,
          delivered: it.delivered,
          ratio: it.ratio
        }))
      }],
      lifted: liftedText(),
      goals: [
        atLeast(
          `at least ${LEAST_PER_SECOND.toLocaleString("en")} messages/s delivered to a callback`,
          callback.messagesPerSecond,
          LEAST_PER_SECOND
        )
      ]
    }
  })
