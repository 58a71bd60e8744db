/**
 * Exactly-once per key: a sliding window of packet numbers, one for each key. The mechanism is {@link ReplayWindow}.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as ReplayWindow from "./ReplayWindow.js"

/**
 * @since 0.1.0
 * @category models
 */
export interface ReplayGuardShape {
  /** A new key's window. */
  readonly make: () => ReplayWindow.ReplayWindow
}

/**
 * @since 0.1.0
 * @category tags
 */
export class ReplayGuard extends Context.Tag("intentra/ReplayGuard")<ReplayGuard, ReplayGuardShape>() {
  /** `size`: packet numbers, a power of two from 1,024. */
  static readonly layerWith = (size: number): Layer.Layer<ReplayGuard> =>
    Layer.succeed(ReplayGuard, { make: () => ReplayWindow.make(size) })
  /** 8,192 packet numbers. */
  static readonly layer: Layer.Layer<ReplayGuard> = ReplayGuard.layerWith(8192)
}
