/**
 * `peers`: a socket and an identity for every peer, all sending to one hub.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { BenchError } from "./BenchError.js"
import { connected, datagramBytes, exchange, floor, warmUp } from "./internal/exchange.js"
import { liftedText } from "./internal/limits.js"
import { atLeast } from "./Scenario.js"
import type { Outcome } from "./Scenario.js"
import { ratio, round } from "./Statistics.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface PeersOptions {
  readonly peers: number
  /** Messages of each peer per second. */
  readonly hz: number
  readonly duration: number
}

const PAYLOAD_BYTES = 128
const SENDERS = 2

/**
 * Runs the scenario.
 *
 * @since 0.1.0
 * @category scenarios
 */
export const run = ({ duration, hz, peers }: PeersOptions): Effect.Effect<Outcome, BenchError> =>
  Effect.gen(function*() {
    const asked = peers * hz
    // one packet of each peer in a turn: what follows one another from one socket would leave as one
    const burst = Math.ceil(peers / SENDERS)
    const { crypto, paced, peak, socket } = yield* Effect.scoped(Effect.gen(function*() {
      const { crypto, receiver, senders, socket } = yield* connected({
        consumer: "callback",
        senders: SENDERS,
        sessions: peers,
        apart: true,
        options: { coalesce: false }
      })
      const phase = (number: number, seconds: number, perSecond: number) =>
        exchange(receiver, senders, { phase: number, bytes: PAYLOAD_BYTES, seconds, perSecond, burst })
      yield* phase(1, warmUp(duration), asked)
      const paced = yield* phase(2, duration, asked)
      return { crypto, socket, paced, peak: yield* phase(3, duration, Infinity) }
    }))
    const { floorPps } = yield* floor({
      socket,
      bytes: datagramBytes(PAYLOAD_BYTES),
      seconds: duration,
      senders: SENDERS,
      from: peers,
      to: 1
    })
    const ratioToFloor = round(ratio(peak.pps, floorPps), 3)
    return {
      fields: {
        peers,
        hz,
        socket,
        crypto,
        offeredPps: paced.offeredPps,
        deliveredPps: paced.pps,
        sent: paced.sent,
        delivered: paced.delivered,
        duplicates: paced.duplicates,
        corrupt: paced.corrupt,
        ratio: paced.ratio,
        peakPps: peak.pps,
        floorPps,
        ratioToFloor,
        rxNsPerPacket: paced.rxNsPerPacket,
        txNsPerPacket: paced.txNsPerPacket
      },
      tables: [{
        title: `${peers} peers with a socket and an identity each at ${hz} Hz, from ${SENDERS} processes`,
        rows: [{
          socket,
          crypto,
          "asked/s": asked,
          "offered/s": paced.offeredPps,
          "delivered/s": paced.pps,
          ratio: paced.ratio,
          "peak/s": peak.pps,
          "floor/s": floorPps,
          "of floor": ratioToFloor,
          "rx ns": paced.rxNsPerPacket,
          "tx ns": paced.txNsPerPacket
        }]
      }],
      lifted: liftedText(),
      goals: [atLeast("at the peak, at least 0.8 of what as many raw sockets carry", ratioToFloor, 0.8)]
    }
  })
