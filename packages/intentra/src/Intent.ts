/**
 * What a message asks of the transport. `Realtime`: at once, unordered. `Sequenced`: the latest wins,
 * an older one than the newest delivered is dropped. `Reliable`: in order, exactly once while the session lives.
 *
 * @since 0.1.0
 */

/**
 * What a message asks for: see `SendOptions`.
 *
 * @since 0.1.0
 * @category models
 */
export type Intent = "Realtime" | "Sequenced" | "Reliable"

/**
 * The header's two-bit codes; 3 does not exist.
 *
 * @since 0.1.0
 * @category models
 */
export const REALTIME = 0
/**
 * In order, exactly once while the session lives.
 *
 * @since 0.1.0
 * @category models
 */
export const RELIABLE = 1
/**
 * The latest wins.
 *
 * @since 0.1.0
 * @category models
 */
export const SEQUENCED = 2

/**
 * The header's code of an intent.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toCode = (intent: Intent): number =>
  intent === "Realtime" ? REALTIME : intent === "Reliable" ? RELIABLE : SEQUENCED

/**
 * The intent of a header's code; 3 does not exist and reads as Realtime.
 *
 * @since 0.1.0
 * @category conversions
 */
export const fromCode = (code: number): Intent =>
  code === RELIABLE ? "Reliable" : code === SEQUENCED ? "Sequenced" : "Realtime"
