/**
 * What one session may receive: a token bucket drained by authenticated packets only, and a second one for packets
 * that fail to open. The mechanism is {@link TokenBucket}.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { IntentraError } from "./IntentraError.js"
import { checkedNumber } from "./internal/checkedNumber.js"
import * as TokenBucket from "./TokenBucket.js"

/**
 * Makes the two buckets of a session.
 *
 * @since 0.1.0
 * @category models
 */
export interface RateLimiterShape {
  /** A new session's bucket for authenticated packets. */
  readonly makeSession: () => TokenBucket.TokenBucket
  /** A new session's bucket for failed opens. */
  readonly makeForgery: () => TokenBucket.TokenBucket
}

/**
 * How many packets a second a session may send here.
 *
 * @since 0.1.0
 * @category models
 */
export interface RateLimiterOptions {
  /** Authenticated packets a second and session. Default 10,000. `Infinity` lifts the limit. */
  readonly packetsPerSecond?: number | undefined
  /** Default 500. */
  readonly burst?: number | undefined
  /** Failed opens a second and session before strangers' packets are dropped unopened. Default 1,000. */
  readonly forgeriesPerSecond?: number | undefined
  /** Default 200. */
  readonly forgeryBurst?: number | undefined
}

/**
 * The limits of a session's packets, as a service.
 *
 * @since 0.1.0
 * @category tags
 */
export class RateLimiter extends Context.Tag("intentra/RateLimiter")<RateLimiter, RateLimiterShape>() {
  /** Fails with `InvalidOptions` when a number is out of its range. */
  static readonly layerWith = (options: RateLimiterOptions = {}): Layer.Layer<RateLimiter, IntentraError> =>
    Layer.effect(
      RateLimiter,
      Effect.gen(function*() {
        const rate = yield* checkedNumber("packetsPerSecond", options.packetsPerSecond, 10_000, 1, Infinity)
        const burst = yield* checkedNumber("burst", options.burst, 500, 1, 1e9)
        const forgeryRate = yield* checkedNumber("forgeriesPerSecond", options.forgeriesPerSecond, 1_000, 1, Infinity)
        const forgeryBurst = yield* checkedNumber("forgeryBurst", options.forgeryBurst, 200, 1, 1e9)
        return {
          makeSession: () => TokenBucket.make({ rate, burst }),
          makeForgery: () => TokenBucket.make({ rate: forgeryRate, burst: forgeryBurst })
        }
      })
    )
  /** 10,000/s burst 500; forgeries 1,000/s burst 200. */
  static readonly layer: Layer.Layer<RateLimiter, IntentraError> = RateLimiter.layerWith()
  /** No limit at all: for benchmarks and tests. */
  static readonly layerUnlimited: Layer.Layer<RateLimiter> = Layer.succeed(RateLimiter, {
    makeSession: () => TokenBucket.make({ rate: Infinity, burst: 1 }),
    makeForgery: () => TokenBucket.make({ rate: Infinity, burst: 1 })
  })
}
