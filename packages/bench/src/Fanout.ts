/**
 * `fanout`: one hub sends to many peers, each with a socket of its own.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { BenchError } from "./BenchError.js"
import { start } from "./internal/child.js"
import { datagramBytes, exchange, floor, joinSeconds, warmUp } from "./internal/exchange.js"
import { liftedText } from "./internal/limits.js"
import { atLeast } from "./Scenario.js"
import type { Outcome } from "./Scenario.js"
import { ratio, round } from "./Statistics.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface FanoutOptions {
  readonly peers: number
  readonly duration: number
}

const PAYLOAD_BYTES = 128
const BURST = 512

/**
 * Runs the scenario.
 *
 * @since 0.1.0
 * @category scenarios
 */
export const run = ({ duration, peers }: FanoutOptions): Effect.Effect<Outcome, BenchError> =>
  Effect.gen(function*() {
    const { hub, peak } = yield* Effect.scoped(Effect.gen(function*() {
      const sender = yield* start("sender")
      const receiver = yield* start("receiver")
      const hub = yield* sender.ask("listen", { coalesce: false })
      yield* receiver.ask("join", { hub, sessions: peers, apart: true }, joinSeconds(peers, true))
      yield* sender.ask("gather", undefined)
      const phase = (number: number, seconds: number) =>
        exchange(receiver, [sender], {
          phase: number,
          bytes: PAYLOAD_BYTES,
          seconds,
          perSecond: Infinity,
          // no peer twice in a turn: what follows one another to one address would leave as one
          burst: Math.min(BURST, peers)
        })
      yield* phase(1, warmUp(duration))
      return { hub, peak: yield* phase(2, duration) }
    }))
    const { floorPps, floorTxNs } = yield* floor({
      socket: hub.socket,
      bytes: datagramBytes(PAYLOAD_BYTES),
      seconds: duration,
      senders: 1,
      from: 1,
      to: peers
    })
    const ratioToFloor = round(ratio(peak.pps, floorPps), 3)
    return {
      fields: {
        peers,
        socket: hub.socket,
        crypto: hub.crypto,
        packetsPerSecond: peak.pps,
        sent: peak.sent,
        delivered: peak.delivered,
        duplicates: peak.duplicates,
        corrupt: peak.corrupt,
        ratio: peak.ratio,
        floorPps,
        ratioToFloor,
        txNsPerPacket: peak.txNsPerPacket,
        floorTxNs,
        rxNsPerPacket: peak.rxNsPerPacket
      },
      tables: [{
        title: `one hub to ${peers} peers with a socket each, ${PAYLOAD_BYTES} bytes a message`,
        rows: [{
          socket: hub.socket,
          crypto: hub.crypto,
          "packets/s": peak.pps,
          "floor/s": floorPps,
          "of floor": ratioToFloor,
          ratio: peak.ratio,
          "tx ns": peak.txNsPerPacket,
          "floor tx ns": floorTxNs,
          "rx ns": peak.rxNsPerPacket
        }]
      }],
      lifted: liftedText(),
      goals: [atLeast("at least 0.75 of raw sends to as many sockets", ratioToFloor, 0.75)]
    }
  })
