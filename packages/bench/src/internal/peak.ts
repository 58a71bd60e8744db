/** One session at its peak, then at 90 % of it. */
import * as Effect from "effect/Effect"
import type { BenchError } from "../BenchError.js"
import { connected, exchange, warmUp } from "./exchange.js"
import type { Exchange } from "./exchange.js"
import type { Consumer } from "./roles/receiver.js"

export interface Peak {
  readonly consumer: Consumer
  readonly socket: string
  readonly crypto: string
  readonly peak: Exchange
  readonly paced: Exchange
}

export interface PeakOptions {
  readonly consumer: Consumer
  readonly coalesce: boolean
  readonly bytes: number
  readonly duration: number
  readonly burst: number
}

/** What the second phase is paced to. */
const SHARE = 0.9

export const findPeak = (
  { burst, bytes, coalesce, consumer, duration }: PeakOptions
): Effect.Effect<Peak, BenchError> =>
  Effect.scoped(Effect.gen(function*() {
    const { crypto, receiver, senders, socket } = yield* connected({
      consumer,
      senders: 1,
      sessions: 1,
      options: { coalesce }
    })
    const phase = (number: number, seconds: number, perSecond: number) =>
      exchange(receiver, senders, { phase: number, bytes, seconds, perSecond, burst })
    yield* phase(1, warmUp(duration), Infinity)
    const peak = yield* phase(2, duration, Infinity)
    const paced = yield* phase(3, duration, peak.pps * SHARE)
    return { consumer, socket, crypto, peak, paced }
  }))
