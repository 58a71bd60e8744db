import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Peer } from "../Peer.js"
import { SendOptions } from "../SendOptions.js"
import type { StateChannelSettings } from "../StateChannel.js"
import { StateChannelError } from "../StateChannelError.js"
import type { StateInterest } from "../StateEntry.js"
import * as Interest from "./stateInterest.js"
import * as Wire from "./stateWire.js"

/** What is said of subscriptions goes before what they are about. */
const CONTROL_PRIORITY = 6
/** Updates that the transport holds longer are not worth sending; they are made anew. */
const LEAST_TTL = 20

export interface Settings {
  readonly period: number
  readonly burst: number
  readonly ttl: number
  readonly maxKeys: number
  readonly maxKeyBytes: number
  readonly maxValueBytes: number
  readonly maxTombstones: number
  readonly maxSubscriptions: number
  readonly maxPublishers: number
  readonly forgetAfter: number
  readonly admit: (peer: Peer) => boolean
  readonly data: SendOptions
  readonly control: SendOptions
}

const invalid = (detail: string) => new StateChannelError({ reason: "InvalidOptions", detail })

/** A ttl as it travels: whole milliseconds, none below zero. */
export const wholeTtl = (millis: number): number =>
  millis === Infinity ? millis : Math.ceil(Math.min(Math.max(0, millis), Wire.LONGEST))

/** A ttl in whole milliseconds. */
export const millisOf = (ttl: Duration.DurationInput): number => wholeTtl(Duration.toMillis(ttl))

export const check = (options: StateChannelSettings): Effect.Effect<Settings, StateChannelError> =>
  Effect.gen(function*() {
    const number = (name: keyof StateChannelSettings, fallback: number, min: number, max: number, integer = true) => {
      const value = (options[name] as number | undefined) ?? fallback
      return value >= min && value <= max && (!integer || Number.isInteger(value))
        ? Effect.succeed(value)
        : Effect.fail(
          invalid(`${name} is ${value}, but must be ${integer ? "an integer" : "a number"} from ${min} to ${max}`)
        )
    }
    const rate = yield* number("rate", 200, 1, 1000, false)
    const packets = yield* number("packetsPerSecond", 2000, 100, 100_000, false)
    const maxKeyBytes = yield* number("maxKeyBytes", 128, 1, Wire.MAX_ENTRY_BYTES - 1)
    const maxValueBytes = yield* number("maxValueBytes", 896, 1, Wire.MAX_ENTRY_BYTES - 1)
    if (maxKeyBytes + maxValueBytes > Wire.MAX_ENTRY_BYTES) {
      return yield* invalid(
        `maxKeyBytes (${maxKeyBytes}) and maxValueBytes (${maxValueBytes}) must not be above ` +
          `${Wire.MAX_ENTRY_BYTES} together, so that a key and its value fit one message`
      )
    }
    const ttl = options.ttl === undefined ? Infinity : millisOf(options.ttl)
    if (!(ttl > 0)) return yield* invalid(`ttl is ${ttl} ms, but must be longer than zero`)
    const period = 1000 / rate
    const maxKeys = yield* number("maxKeys", 65_536, 1, 2 ** 24)
    return {
      period,
      burst: Math.max(2, Math.round(packets / rate)),
      ttl,
      maxKeys,
      maxKeyBytes,
      maxValueBytes,
      maxTombstones: yield* number("maxTombstones", maxKeys, 1, 2 ** 24),
      maxSubscriptions: yield* number("maxSubscriptions", 10_000, 1, 2 ** 24),
      maxPublishers: yield* number("maxPublishers", 1024, 1, 2 ** 24),
      forgetAfter: Duration.toMillis(options.forgetAfter ?? 60_000),
      admit: options.admit ?? (() => true),
      data: SendOptions.make({
        intent: "Realtime",
        priority: yield* number("priority", 0, 0, 7),
        ttl: Math.max(LEAST_TTL, 2 * period)
      }),
      control: SendOptions.make({ intent: "Realtime", priority: CONTROL_PRIORITY })
    }
  })

/** An interest as it is looked up and as it travels. */
export const checkInterest = (
  interest: StateInterest | undefined
): Effect.Effect<readonly [Interest.StateInterest, Uint8Array], StateChannelError> => {
  if (interest === undefined) return Effect.succeed([Interest.everything, new Uint8Array(0)])
  const keys = new Set(interest.keys)
  const prefixes = [...new Set(interest.prefixes)]
  const terms = Interest.encodeTerms(keys, prefixes)
  return terms.length <= Wire.MAX_TERMS_BYTES
    ? Effect.succeed([new Interest.StateInterest(false, keys, prefixes), terms])
    : Effect.fail(
      new StateChannelError({
        reason: "InvalidInterest",
        detail: `the interest takes ${terms.length} bytes, but one message carries ${Wire.MAX_TERMS_BYTES}: ` +
          "use prefixes, or several subscriptions"
      })
    )
}
