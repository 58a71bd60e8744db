/**
 * `sessions`: two sending processes, each holding half of the sessions, each session at its own steady rate.
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
export interface SessionsOptions {
  readonly sessions: number
  /** Messages of each session per second. */
  readonly hz: number
  readonly duration: number
}

const PAYLOAD_BYTES = 128
const SENDERS = 2
const BURST = 1024
/** Up to this rate all but one in ten thousand arrive, above it all but one in a thousand. */
const FIRST_RATE = 1_000_000
/** What is offered must come this close to what was asked for. */
const OFFERED = 0.99

/**
 * Runs the scenario.
 *
 * @since 0.1.0
 * @category scenarios
 */
export const run = ({ duration, hz, sessions }: SessionsOptions): Effect.Effect<Outcome, BenchError> =>
  Effect.gen(function*() {
    const asked = sessions * hz
    const { crypto, paced, socket } = yield* Effect.scoped(Effect.gen(function*() {
      const { crypto, receiver, senders, socket } = yield* connected({
        consumer: "callback",
        senders: SENDERS,
        sessions,
        giveWay: true,
        options: { coalesce: false }
      })
      const phase = (number: number, seconds: number) =>
        exchange(receiver, senders, { phase: number, bytes: PAYLOAD_BYTES, seconds, perSecond: asked, burst: BURST })
      yield* phase(1, warmUp(duration))
      return { crypto, socket, paced: yield* phase(2, duration) }
    }))
    const { floorPps } = yield* floor({
      socket,
      bytes: datagramBytes(PAYLOAD_BYTES),
      seconds: duration,
      senders: SENDERS,
      from: SENDERS,
      to: 1
    })
    const share = asked <= FIRST_RATE ? 0.9999 : 0.999
    const reached = paced.offeredPps >= asked * OFFERED && paced.duplicates + paced.corrupt === 0
    return {
      fields: {
        sessions,
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
        floorPps,
        ratioToFloor: round(ratio(paced.pps, floorPps), 3),
        rxNsPerPacket: paced.rxNsPerPacket,
        txNsPerPacket: paced.txNsPerPacket,
        kernelDrops: paced.kernelDrops,
        senderDrops: paced.senderDrops,
        drops: paced.drops
      },
      tables: [{
        title: `${sessions} sessions at ${hz} Hz from ${SENDERS} processes, ${PAYLOAD_BYTES} bytes a message`,
        rows: [{
          socket,
          crypto,
          "asked/s": asked,
          "offered/s": paced.offeredPps,
          "delivered/s": paced.pps,
          ratio: paced.ratio,
          "floor/s": floorPps,
          "rx ns": paced.rxNsPerPacket,
          "tx ns": paced.txNsPerPacket,
          "kernel drops": paced.kernelDrops,
          "sender drops": paced.senderDrops
        }]
      }],
      lifted: { ...liftedText(), priority: "the senders give way to the hub, whose cores they share (nice 10)" },
      goals: [
        atLeast(
          `${asked.toLocaleString("en")} packets/s offered, at least ${round(share * 100, 2)} % delivered`,
          reached ? paced.ratio : undefined,
          share
        )
      ]
    }
  })
