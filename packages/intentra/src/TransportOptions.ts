/**
 * Everything that can be set, with its default.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { IntentraError } from "./IntentraError.js"
import { checkedNumber } from "./internal/checkedNumber.js"
import type { Limits } from "./internal/core.js"
import { dhBudget } from "./internal/dhBudget.js"
import { invalidOption } from "./internal/invalidOption.js"

/**
 * The numbers that the protocol goes by.
 *
 * @since 0.1.0
 * @category models
 */
export interface TransportOptions {
  /** A handshake's five messages take no longer. Default 5 seconds. */
  readonly handshakeTimeout?: Duration.DurationInput | undefined
  /** A session that received nothing authentic for so long is closed. Default 60 seconds. */
  readonly idleTimeout?: Duration.DurationInput | undefined
  /** Something is sent at least so often. Default 15 seconds. */
  readonly keepalive?: Duration.DurationInput | undefined
  /** Active sessions. Default 10,000. */
  readonly maxSessions?: number | undefined
  /**
   * Packets a second to one peer at most, and not above what it says that it takes, spread out instead of in bursts.
   * Default: no pacing, as befits private networks. Messages that wait for it obey their ttl and priority.
   */
  readonly pacePacketsPerSecond?: number | undefined
  /**
   * When an identity that has an active session connects anew: `replace` closes the older one (default), `reject` refuses
   * the newer one, `allow` keeps both.
   */
  readonly sameIdentity?: "replace" | "allow" | "reject" | undefined
  /** Messages in the send queue, all peers together. Default 4,096. */
  readonly sendQueue?: number | undefined
  /**
   * Whether messages to one peer that are sent together share datagrams. Default true: the cheapest way by far. With
   * false, Realtime and Sequenced messages leave at once, each in a datagram of its own, sealed by itself.
   */
  readonly coalesce?: boolean | undefined
  /** Messages that wait for the consumer of `deliveries`. Default 65,536. */
  readonly deliveryQueue?: number | undefined
  /** Bytes of those messages. Default 16 MiB. */
  readonly deliveryQueueBytes?: number | undefined
  /** What peers are told that they may send, in packets a second. Default 10,000. */
  readonly packetsPerSecond?: number | undefined
}

/** @internal */
export interface Settings extends Limits {
  readonly deliveryQueue: number
  readonly deliveryQueueBytes: number
}

/** No datagram is longer, whatever the path carries. */
const MAX_DATAGRAM = 2048

/**
 * Checks options and fills in the defaults.
 *
 * @internal
 */
export const check = (options: TransportOptions): Effect.Effect<Settings, IntentraError> =>
  Effect.gen(function*() {
    const millis = (name: keyof TransportOptions, fallback: number, min: number) => {
      const given = options[name] as Duration.DurationInput | undefined
      const value = given === undefined ? fallback : Duration.toMillis(given)
      return value >= min && value <= 86_400_000
        ? Effect.succeed(value)
        : Effect.fail(invalidOption(`${name} is ${value} ms, but must be from ${min} ms to one day`))
    }
    const count = (name: keyof TransportOptions, fallback: number, min: number, max: number) =>
      checkedNumber(name, options[name] as number | undefined, fallback, min, max)
    const keepalive = yield* millis("keepalive", 15_000, 100)
    const idleTimeout = yield* millis("idleTimeout", 60_000, 100)
    if (keepalive >= idleTimeout) {
      return yield* invalidOption(
        `keepalive (${keepalive} ms) must be shorter than idleTimeout (${idleTimeout} ms), or silent sessions die`
      )
    }
    return {
      handshakeTimeout: yield* millis("handshakeTimeout", 5_000, 100),
      idleTimeout,
      keepalive,
      answerWithin: Math.min(10_000, keepalive),
      maxSessions: yield* count("maxSessions", 10_000, 1, 2 ** 24),
      firstReliable: 0,
      wallEpoch: 0,
      maxDatagram: MAX_DATAGRAM,
      sendQueue: yield* count("sendQueue", 4_096, 16, 2 ** 20),
      coalesce: options.coalesce ?? true,
      sameIdentity: options.sameIdentity ?? "replace",
      pacePacketsPerSecond: yield* count("pacePacketsPerSecond", Infinity, 1, Infinity),
      challengesPerTurn: 64,
      challengesPerSecond: 20_000,
      ...dhBudget(undefined),
      packetsPerSecond: yield* count("packetsPerSecond", 10_000, 1, Infinity),
      deliveryQueue: yield* count("deliveryQueue", 65_536, 1, 2 ** 24),
      deliveryQueueBytes: yield* count("deliveryQueueBytes", 16 * 2 ** 20, 4_096, 2 ** 32)
    }
  })
