/**
 * `handshakes`: sessions opened per second by pattern and library of primitives, and stateless answers to hellos.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Num from "effect/Number"
import type { BenchError } from "./BenchError.js"
import { start } from "./internal/child.js"
import { untilSteady, warmUp } from "./internal/exchange.js"
import { liftedText } from "./internal/limits.js"
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
  /** CPU time of the hub for each, and of those who connect. */
  readonly hubUs: number
  readonly initiatorUs: number
  /** What the two ends' Noise handshakes alone would let two cores do, one for each end. */
  readonly floorPerSecond: number
  readonly ratioToFloor: number
}

const PATTERNS = ["XX", "IK"] as const
/** Processes that connect, beside the hub: two, so that there is always one for what the hub leaves of a core. */
const INITIATORS = 2
/** Of each of them. IK's timestamps only ever grow, so that the handshakes of one identity follow each other. */
const CROWD = { XX: { identities: 1, atOnce: 16 }, IK: { identities: 16, atOnce: 1 } } as const
/** The hub's clock runs faster while it is knocked at, so that its limit of 20,000 challenges a second is none. */
const SPEED = 50
/** Hellos a second. */
const KNOCKS = [60_000, 120_000, 180_000, 250_000, 400_000, Infinity]
const LEAST_PER_SECOND = 3_000
const LEAST_COOKIES = 100_000

const perSecondOf = (ends: ReadonlyArray<{ readonly handshakes: number; readonly seconds: number }>): number =>
  Num.sumAll(ends.map((it) => ratio(it.handshakes, it.seconds)))

const shaken = (
  pattern: "XX" | "IK",
  backend: string,
  duration: number
): Effect.Effect<HandshakeRun, BenchError> =>
  Effect.scoped(Effect.gen(function*() {
    const responder = yield* start("handshaker")
    const initiators = yield* Effect.replicateEffect(start("handshaker"), INITIATORS)
    const { atOnce, identities } = CROWD[pattern]
    const hub = yield* responder.ask("listen", { backend, speed: 1 })
    yield* Effect.forEach(initiators, (it) =>
      Effect.zipRight(it.giveWay, it.ask("prepare", { backend, count: identities })))
    const shake = (seconds: number) =>
      Effect.forEach(
        initiators,
        (it) =>
          it.ask("shake", { hub, handshake: pattern, atOnce, seconds }, seconds),
        { concurrency: "unbounded" }
      )
    yield* untilSteady(Effect.map(shake(warmUp(duration)), perSecondOf))
    const before = yield* responder.ask("begin", undefined)
    const ends = yield* shake(duration)
    const after = yield* responder.ask("state", undefined)
    const handshakes = Num.sumAll(ends.map((it) => it.handshakes))
    const perSecond = Math.round(perSecondOf(ends))
    const cipher = yield* start("cipher")
    const bothUs = yield* cipher.ask("handshake", { backend, pattern, seconds: duration }, duration)
    const floorPerSecond = Math.round(2e6 / bothUs)
    return {
      pattern,
      backend,
      perSecond,
      failed: Num.sumAll(ends.map((it) => it.failed)),
      hubUs: round(ratio(after.cpuNs, after.handshakes - before.handshakes) / 1000, 1),
      initiatorUs: round(ratio(Num.sumAll(ends.map((it) => it.cpuNs)), handshakes) / 1000, 1),
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
            "initiator us": it.initiatorUs,
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
      lifted: {
        ...liftedText(),
        challenges: `the hub's clock runs ${SPEED} times faster (default 20,000 a second)`,
        priority: "those who connect give way to the hub, whose cores they share (nice 10)"
      },
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
