/**
 * `handshakes`: sessions opened per second by pattern and library of primitives, and stateless answers to hellos.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { BenchError } from "./BenchError.js"
import { start } from "./internal/child.js"
import { warmUp } from "./internal/exchange.js"
import { LIFTED_TEXT } from "./internal/limits.js"
import { atLeast } from "./Scenario.js"
import type { Outcome } from "./Scenario.js"
import { ratio, round } from "./Statistics.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface HandshakesOptions {
  readonly duration: number
}

/**
 * @since 0.1.0
 * @category models
 */
export interface HandshakeRun {
  readonly pattern: "XX" | "IK"
  readonly backend: string
  readonly perSecond: number
  readonly failed: number
  /** CPU time of the hub for each. */
  readonly hubUs: number
  /** What the two ends' Noise handshakes alone would let two cores do, one for each end. */
  readonly floorPerSecond: number
  readonly ratioToFloor: number
}

const PATTERNS = ["XX", "IK"] as const
/** Who connect at the same time. */
const IDENTITIES = 32
/** The hub's clock runs faster while it is knocked at, so that its limit of 20,000 challenges a second is none. */
const SPEED = 50
/** Hellos a second. */
const KNOCKS = [60_000, 120_000, 180_000, 250_000, 400_000, Infinity]
const LEAST_PER_SECOND = 3_000
const LEAST_COOKIES = 100_000

const shaken = (
  pattern: "XX" | "IK",
  backend: string,
  duration: number
): Effect.Effect<HandshakeRun, BenchError> =>
  Effect.scoped(Effect.gen(function*() {
    const responder = yield* start("handshaker")
    const initiator = yield* start("handshaker")
    const hub = yield* responder.ask("listen", { backend, speed: 1 })
    yield* initiator.ask("prepare", { backend, count: IDENTITIES })
    const shake = (seconds: number) => initiator.ask("shake", { hub, handshake: pattern, seconds }, seconds)
    yield* shake(warmUp(duration))
    const before = yield* responder.ask("begin", undefined)
    const { failed, handshakes, seconds } = yield* shake(duration)
    const after = yield* responder.ask("state", undefined)
    const perSecond = Math.round(ratio(handshakes, seconds))
    const cipher = yield* start("cipher")
    const bothUs = yield* cipher.ask("handshake", { backend, pattern, seconds: duration }, duration)
    const floorPerSecond = Math.round(2e6 / bothUs)
    return {
      pattern,
      backend,
      perSecond,
      failed,
      hubUs: round(ratio(after.cpuNs, after.handshakes - before.handshakes) / 1000, 1),
      floorPerSecond,
      ratioToFloor: round(ratio(perSecond, floorPerSecond), 3)
    }
  }))

/** Hellos that a hub answers without keeping anything, and what the sockets alone would carry. */
const cookies = (backend: string, duration: number) =>
  Effect.scoped(Effect.gen(function*() {
    const responder = yield* start("handshaker")
    const stranger = yield* start("handshaker")
    const hub = yield* responder.ask("listen", { backend, speed: SPEED })
    const knocked = (perSecond: number, seconds: number) =>
      Effect.gen(function*() {
        const before = yield* responder.ask("begin", undefined)
        const { answered, sent } = yield* stranger.ask("knock", { hub, perSecond, seconds }, seconds)
        const after = yield* responder.ask("state", undefined)
        const replies = after.challenges - before.challenges
        return {
          socket: hub.socket,
          cookieRepliesPerSecond: Math.round(ratio(replies, seconds)),
          hellosPerSecond: Math.round(ratio(sent, seconds)),
          cookieRepliesSeen: answered,
          cookieReplyNs: Math.round(ratio(after.cpuNs, replies))
        }
      })
    yield* knocked(KNOCKS[0], warmUp(duration))
    // a turn answers so many hellos at most, and the more there are, the fewer turns
    const rates = yield* Effect.forEach(KNOCKS, (perSecond) => knocked(perSecond, duration / 2))
    return rates.reduce((best, it) => it.cookieRepliesPerSecond > best.cookieRepliesPerSecond ? it : best)
  }))

/**
 * Runs the scenario.
 *
 * @since 0.1.0
 * @category scenarios
 */
export const run = ({ duration }: HandshakesOptions): Effect.Effect<Outcome, BenchError> =>
  Effect.gen(function*() {
    const names = yield* Effect.scoped(Effect.flatMap(start("cipher"), (cipher) => cipher.ask("backends", undefined)))
    const runs = yield* Effect.forEach(
      names.flatMap((name) => PATTERNS.map((pattern) => ({ name, pattern }))),
      ({ name, pattern }) => shaken(pattern, name, duration)
    )
    // the fastest library comes last
    const knocked = yield* cookies(names[names.length - 1], duration)
    const openssl = runs.find((it) => it.backend === "openssl" && it.pattern === "XX")
    return {
      fields: { runs, ...knocked },
      tables: [
        {
          title: "handshakes to an active session, both ends on this machine",
          rows: runs.map((it) => ({
            pattern: it.pattern,
            crypto: it.backend,
            "per second": it.perSecond,
            failed: it.failed,
            "hub us": it.hubUs,
            "floor/s": it.floorPerSecond,
            "of floor": it.ratioToFloor
          }))
        },
        {
          title: "hellos answered with a cookie, nothing kept",
          rows: [{
            socket: knocked.socket,
            "hellos/s": knocked.hellosPerSecond,
            "answered/s": knocked.cookieRepliesPerSecond,
            "hub ns": knocked.cookieReplyNs
          }]
        }
      ],
      lifted: { ...LIFTED_TEXT, challenges: `the hub's clock runs ${SPEED} times faster (default 20,000 a second)` },
      goals: [
        atLeast(
          `at least ${LEAST_PER_SECOND.toLocaleString("en")} XX handshakes/s on OpenSSL`,
          openssl?.perSecond,
          LEAST_PER_SECOND
        ),
        atLeast(
          `at least ${LEAST_COOKIES.toLocaleString("en")} cookie replies/s`,
          knocked.cookieRepliesPerSecond,
          LEAST_COOKIES
        )
      ]
    }
  })
