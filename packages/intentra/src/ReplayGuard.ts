/**
 * Exactly-once per key: a sliding window of packet numbers, one for each key. The mechanism is {@link ReplayWindow}.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import type { IntentraError } from "./IntentraError.js"
import { invalidOption } from "./internal/invalidOption.js"
import * as ReplayWindow from "./ReplayWindow.js"

/**
 * Makes the replay window of a key.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReplayGuardShape {
  /** A new key's window. */
  readonly make: () => ReplayWindow.ReplayWindow
}

/**
 * The replay windows, as a service.
 *
 * @since 0.1.0
 * @category tags
 */
export class ReplayGuard extends Context.Tag("intentra/ReplayGuard")<ReplayGuard, ReplayGuardShape>() {
  /** `size`: packet numbers, a power of two from 1,024 to 65,536. Fails with `InvalidOptions` for any other. */
  static readonly layerWith = (size: number = 8192): Layer.Layer<ReplayGuard, IntentraError> =>
    Number.isInteger(Math.log2(size)) && size >= 1024 && size <= 65_536
      ? Layer.succeed(ReplayGuard, { make: () => ReplayWindow.make(size) })
      : Layer.fail(invalidOption(`replayWindow is ${size}, but must be a power of two from 1,024 to 65,536`))
  /** 8,192 packet numbers. */
  static readonly layer: Layer.Layer<ReplayGuard, IntentraError> = ReplayGuard.layerWith()
}
