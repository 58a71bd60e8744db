/**
 * Authenticated misbehaviour: so many strikes within so long close the session with `ProtocolViolation`.
 * Nothing unauthenticated ever strikes. The mechanism is {@link StrikeCounter}.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { IntentraError } from "./IntentraError.js"
import { checkedNumber } from "./internal/checkedNumber.js"
import * as StrikeCounter from "./StrikeCounter.js"

/**
 * Makes the strike counter of a session.
 *
 * @since 0.1.0
 * @category models
 */
export interface StrikesShape {
  /** A new session's counter. */
  readonly make: () => StrikeCounter.StrikeCounter
}

/**
 * What authenticated misbehaviour leads to, as a service.
 *
 * @since 0.1.0
 * @category tags
 */
export class Strikes extends Context.Tag("intentra/Strikes")<Strikes, StrikesShape>() {
  /** `limit` (10) strikes within `window` (5 seconds) close. Fails with `InvalidOptions` when out of range. */
  static readonly layerWith = (
    options: { readonly limit?: number | undefined; readonly window?: Duration.DurationInput | undefined } = {}
  ): Layer.Layer<Strikes, IntentraError> =>
    Layer.effect(
      Strikes,
      Effect.gen(function*() {
        const limit = yield* checkedNumber("strikeLimit", options.limit, 10, 1, 1000)
        const window = options.window === undefined ? undefined : Duration.toMillis(options.window)
        const windowMs = yield* checkedNumber("strikeWindow (ms)", window, 5000, 1, 86_400_000, false)
        return { make: () => StrikeCounter.make({ limit, windowMs }) }
      })
    )
  /** 10 within 5 s. */
  static readonly layer: Layer.Layer<Strikes, IntentraError> = Strikes.layerWith()
}
