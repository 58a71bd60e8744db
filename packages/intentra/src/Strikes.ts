/**
 * Authenticated misbehaviour: so many strikes within so long close the session with `ProtocolViolation`.
 * Nothing unauthenticated ever strikes. The mechanism is {@link StrikeCounter}.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as StrikeCounter from "./StrikeCounter.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface StrikesShape {
  /** A new session's counter. */
  readonly make: () => StrikeCounter.StrikeCounter
}

/**
 * @since 0.1.0
 * @category tags
 */
export class Strikes extends Context.Tag("intentra/Strikes")<Strikes, StrikesShape>() {
  /** `limit` strikes within `windowMs` close. */
  static readonly layerWith = (
    options: { readonly limit: number; readonly windowMs: number }
  ): Layer.Layer<Strikes> => Layer.succeed(Strikes, { make: () => StrikeCounter.make(options) })
  /** 10 within 5 s. */
  static readonly layer: Layer.Layer<Strikes> = Strikes.layerWith({ limit: 10, windowMs: 5000 })
}
