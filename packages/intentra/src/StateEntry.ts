/**
 * What a subscriber knows of one key, and how it learns of changes.
 *
 * @since 0.1.0
 */

/**
 * The newest value of a key that has arrived.
 *
 * @since 0.1.0
 * @category models
 */
export interface StateEntry<A> {
  readonly key: string
  readonly value: A
  /** `id` of the peer that published it. */
  readonly publisher: string
  /** Grows with every update of the publisher, over all of its keys. */
  readonly version: number
  /** Grows by one when the publisher began anew (it was restarted); versions are comparable within one incarnation. */
  readonly incarnation: number
  /**
   * Milliseconds since it was published, now: age at the publisher, transit (half of the round-trip time), and time here.
   */
  readonly age: number
  /**
   * Whether it may be out of date: it was not published again within its ttl, its publisher is not reachable, or has begun
   * anew and has not confirmed the key yet.
   */
  readonly stale: boolean
}

/**
 * A change of one key. Changes that nobody took in time are merged: what is told is the newest state, never each step.
 *
 * @since 0.1.0
 * @category models
 */
export type StateChange<A> =
  /** A new value, or one that is no longer stale. */
  | { readonly _tag: "Updated"; readonly key: string; readonly entry: StateEntry<A> }
  /** The value may be out of date from now on. */
  | { readonly _tag: "Stale"; readonly key: string; readonly entry: StateEntry<A> }
  /** The key is gone: deleted by its publisher, or no longer of interest. */
  | { readonly _tag: "Deleted"; readonly key: string; readonly publisher: string }

/**
 * Which keys a subscriber wants: those named, and those that begin with one of the prefixes. At most 800 bytes in all.
 *
 * @since 0.1.0
 * @category models
 */
export interface StateInterest {
  readonly keys?: ReadonlyArray<string> | undefined
  readonly prefixes?: ReadonlyArray<string> | undefined
}

/**
 * How values travel. `encode` and `decode` are synchronous; what they throw is an `EncodeFailed`, or a counted and dropped
 * update.
 *
 * @since 0.1.0
 * @category models
 */
export interface StateCodec<A> {
  readonly encode: (value: A) => Uint8Array
  /** The bytes are the callee's own. */
  readonly decode: (bytes: Uint8Array) => A
}

/**
 * Counts of one channel since it was opened.
 *
 * @since 0.1.0
 * @category models
 */
export interface StateCounters {
  /** Calls of `publish` and `delete` that were accepted. */
  readonly published: number
  /** Those whose key had a newer one before it was sent. */
  readonly conflated: number
  /** Entries sent, each subscriber counted, repairs not included. */
  readonly sentUpdates: number
  /** Payload bytes of DATA messages handed to the transport. */
  readonly sentBytes: number
  /** Entries sent again, or for the first time after their packet was lost. */
  readonly repaired: number
  /** Entries that were news to a subscription here. */
  readonly received: number
  /** Messages of peers, or entries in them, that are no sound message of this channel. */
  readonly malformed: number
  /** Entries above a limit of this end: keys, length of a key or value. */
  readonly limited: number
  /** Values that the schema or codec does not decode. */
  readonly undecodable: number
  /** Subscriptions that were refused: `admit`, or the limit. */
  readonly refused: number
}
