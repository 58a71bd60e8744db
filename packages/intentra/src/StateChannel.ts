/**
 * The newest state of many keys, from publishers to subscribers: conflated per key, repaired after loss, complete for late
 * joiners. PROTOCOL.md, appendix A, has the format.
 *
 * @since 0.1.0
 */
import { Entropy, makeSystem } from "@intentra/crypto"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as SubscriptionRef from "effect/SubscriptionRef"
import { Channels } from "./Channels.js"
import { jsonCodec } from "./internal/stateCodec.js"
import { StateCore } from "./internal/stateCore.js"
import { StateCounters as Counters } from "./internal/stateCounters.js"
import { channelClosed, makeHandle } from "./internal/stateHandle.js"
import { StateLoop } from "./internal/stateLoop.js"
import { makeFold } from "./internal/stateMetrics.js"
import { check, checkInterest, millisOf, wholeTtl } from "./internal/stateSettings.js"
import { StateSubscription as Subscription } from "./internal/stateSubscription.js"
import { channelOf, decodeText } from "./internal/stateWire.js"
import type { Peer } from "./Peer.js"
import { StateChannelError } from "./StateChannelError.js"
import type { StateChange, StateCodec, StateCounters, StateEntry, StateInterest } from "./StateEntry.js"

/**
 * Flushes a second, unless `rate` says otherwise.
 *
 * @since 0.1.0
 * @category constants
 */
export const STANDARD_RATE = 200

/**
 * For those who need it fresher.
 *
 * @since 0.1.0
 * @category constants
 */
export const HIGH_RATE = 500

/**
 * Everything but the type of the values. Both ends must agree on the name only.
 *
 * @since 0.1.0
 * @category models
 */
export interface StateChannelSettings {
  /** Tells the channels of a transport apart: 1 to 128 bytes of UTF-8. */
  readonly name: string
  /** How often a second changes are sent, 1 to 1,000. Default {@link STANDARD_RATE}. */
  readonly rate?: number | undefined
  /** A key that is not published again within this time is marked stale. Default: never. */
  readonly ttl?: Duration.DurationInput | undefined
  /** Packets a second to one subscriber at most; above it updates are conflated. Default 2,000. */
  readonly packetsPerSecond?: number | undefined
  /** Of the updates, 0 (lowest, the default) to 7; see `SendOptions`. */
  readonly priority?: number | undefined
  /** Keys of a publisher. A subscriber holds up to twice as many of each. Default 65,536. */
  readonly maxKeys?: number | undefined
  /** UTF-8 bytes of a key. Default 128; with `maxValueBytes` at most 1,024. */
  readonly maxKeyBytes?: number | undefined
  /** Bytes of an encoded value. Default 896. */
  readonly maxValueBytes?: number | undefined
  /**
   * Deletions that a publisher remembers until every subscriber has them; who misses one that had to be forgotten gets
   * everything anew. Default: as many as `maxKeys`.
   */
  readonly maxTombstones?: number | undefined
  /** Subscriptions to this publisher. Default 10,000; 16 of one peer. */
  readonly maxSubscriptions?: number | undefined
  /** Publishers that `subscribeAll` holds. Default 1,024. */
  readonly maxPublishers?: number | undefined
  /** `subscribeAll` forgets a publisher that has been gone for so long. Default 60 seconds. */
  readonly forgetAfter?: Duration.DurationInput | undefined
  /** Who may subscribe here. Default: every peer of the transport. */
  readonly admit?: ((peer: Peer) => boolean) | undefined
}

/**
 * Settings, and how values travel: as JSON text of what a schema encodes to, or as the bytes of a codec.
 *
 * @since 0.1.0
 * @category models
 */
export type StateChannelOptions<A, I = unknown> =
  & StateChannelSettings
  & (
    | { readonly schema: Schema.Schema<A, I>; readonly codec?: undefined }
    | { readonly codec: StateCodec<A>; readonly schema?: undefined }
  )

/**
 * One channel: what this end publishes, and what it subscribes to.
 *
 * @since 0.1.0
 * @category models
 */
export interface StateChannel<A> {
  readonly name: string
  /**
   * The newest value of a key; it takes the place of one that has not been sent. Fails with `InvalidKey`, `ValueTooLarge`,
   * `TooManyKeys`, `EncodeFailed`, `ChannelClosed`.
   */
  readonly publish: (
    key: string,
    value: A,
    options?: { readonly ttl?: Duration.DurationInput | undefined }
  ) => Effect.Effect<void, StateChannelError>
  /**
   * The same for hot loops: synchronous, `ttl` in milliseconds (below 0: stale at once); answers what is wrong instead of
   * throwing it.
   */
  readonly unsafePublish: (key: string, value: A, ttl?: number) => StateChannelError | undefined
  /** The key is gone, everywhere. Says whether it was there. Fails with `ChannelClosed`. */
  readonly delete: (key: string) => Effect.Effect<boolean, StateChannelError>
  /** Keys that are published here. */
  readonly size: Effect.Effect<number>
  /** Subscriptions of others to this channel. */
  readonly subscribers: Effect.Effect<number>
  /**
   * The state that a peer publishes, as far as it is of interest (default: every key). It belongs to the peer's static key,
   * so it goes on when that peer comes back in another session. Fails with `InvalidInterest`, `ChannelClosed`.
   */
  readonly subscribe: (
    peer: Peer,
    interest?: StateInterest
  ) => Effect.Effect<StateSubscription<A>, StateChannelError, Scope.Scope>
  /**
   * The state that every peer publishes, of those that are connected and those that will be. Keys are
   * `${peer.id}/${key}` then, since publishers may use the same ones.
   */
  readonly subscribeAll: (
    interest?: StateInterest
  ) => Effect.Effect<StateSubscription<A>, StateChannelError, Scope.Scope>
  /** The running counters. */
  readonly counters: StateCounters
}

/**
 * The state that a subscriber has: as changes, as a view, by key.
 *
 * @since 0.1.0
 * @category models
 */
export interface StateSubscription<A> {
  /**
   * First all that is here, then every change, in chunks. A slow consumer misses steps, never the newest state, and holds
   * nobody up. Ends with the subscription.
   */
  readonly changes: Stream.Stream<StateChange<A>>
  /** All keys, live, for as long as the scope; brought up to date at most `rate` times a second. */
  readonly view: Effect.Effect<
    SubscriptionRef.SubscriptionRef<HashMap.HashMap<string, StateEntry<A>>>,
    never,
    Scope.Scope
  >
  /** One key, as it is now. */
  readonly get: (key: string) => Effect.Effect<Option.Option<StateEntry<A>>>
  /**
   * Waits until there is a publisher and every key has arrived that was there when it was subscribed to, or its newer
   * value is on its way. Who does not answer for three seconds, as one without such a channel never does, is not waited
   * for. Fails with `ChannelClosed`.
   */
  readonly synced: Effect.Effect<void, StateChannelError>
  /** Asks for other keys (default: every key) from now on; those no longer wanted are told as `Deleted`. */
  readonly setInterest: (interest?: StateInterest) => Effect.Effect<void, StateChannelError>
}

/**
 * Opens a channel for as long as the scope lives. Every opening is a new incarnation of its publisher, with a random number
 * of 64 bits: from the `Entropy` of the context if there is one, else from the operating system. Fails with
 * `InvalidOptions` and `NameTaken`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = <A, I>(
  options: StateChannelOptions<A, I>
): Effect.Effect<StateChannel<A>, StateChannelError, Channels | Scope.Scope> =>
  Effect.gen(function*() {
    const channels = yield* Channels
    const settings = yield* check(options)
    const entropy = Option.getOrElse(yield* Effect.serviceOption(Entropy), makeSystem)
    const codec = options.codec ?? jsonCodec(options.schema)
    const { now, transport } = channels
    const name = encoder.encode(options.name)
    const counters = new Counters()
    const fold = makeFold(options.name, counters)
    const loop = new StateLoop(now, settings.period)
    const fork = yield* FiberSet.makeRuntime<never>()
    let closed = false
    let foldedAt = now()
    let folded = 0

    const channel = channelOf(name)
    const core = new StateCore<A>(
      channel,
      settings.control,
      {
        ...settings,
        channel,
        name,
        incarnationHigh: entropy.uint32(),
        incarnationLow: entropy.uint32(),
        queued: () => transport.counters.queued,
        queuedFor: (peer, answer) => void fork(Effect.map(peer.stats, ({ queued }) => answer(queued)))
      },
      counters,
      () => Effect.runSync(transport.peers),
      loop.wake
    )
    yield* channels.open(options.name, core)
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        closed = true
        core.end()
        fold()
      })
    )
    yield* loop.run({
      due: () => Math.min(core.due, counters.sum !== folded ? foldedAt + FOLD_INTERVAL : Infinity),
      tick: (at) => {
        const more = core.tick(at)
        if (at - foldedAt >= FOLD_INTERVAL) {
          foldedAt = at
          folded = counters.sum
          fold()
        }
        return more
      }
    }).pipe(Effect.forkScoped)
    const { table } = core.publisher

    const unsafePublish = (key: string, value: A, ttl: number = settings.ttl): StateChannelError | undefined => {
      if (closed) return channelClosed
      if (Number.isNaN(ttl)) return invalidTtl(key)
      let bytes: Uint8Array
      try {
        bytes = codec.encode(value)
      } catch (cause) {
        return new StateChannelError({
          reason: "EncodeFailed",
          detail: `the value of ${JSON.stringify(key)} could not be encoded: ${String(cause)}`,
          cause
        })
      }
      if (bytes.length > settings.maxValueBytes) return valueTooLarge(key, bytes.length, settings.maxValueBytes)
      let cell = table.cells.get(key)
      if (cell === undefined || cell.deleted) {
        if (table.live >= settings.maxKeys) return tooManyKeys(key, settings.maxKeys)
        if (cell === undefined) {
          const keyBytes = encoder.encode(key)
          if (keyBytes.length === 0 || keyBytes.length > settings.maxKeyBytes || decodeText(keyBytes) !== key) {
            return invalidKey(key, keyBytes.length, settings.maxKeyBytes)
          }
          cell = table.add(key, keyBytes)
        }
      }
      counters.published++
      if (table.put(cell, bytes, now(), wholeTtl(ttl))) counters.conflated++
      loop.wake(core.publisher.due)
      return undefined
    }

    const subscribeTo = Effect.fn("StateChannel.subscribe")(function*(
      peer: Peer | undefined,
      interest: StateInterest | undefined
    ) {
      const [wanted, terms] = yield* checkInterest(interest)
      if (closed) return yield* channelClosed
      const subscription = yield* Effect.acquireRelease(
        Effect.sync(() => {
          const one = new Subscription<A>(
            {
              ...settings,
              channel,
              name,
              maxDeletions: 2 * settings.maxTombstones + settings.maxKeys,
              decode: codec.decode,
              now,
              drawId: entropy.uint32,
              wake: loop.wake
            },
            counters,
            core.numbers,
            peer?.publicKey,
            wanted,
            terms
          )
          core.subscribe(one, now())
          return one
        }),
        (one) => Effect.sync(() => core.unsubscribe(one))
      )
      return makeHandle(subscription, settings.period, now)
    })

    return {
      name: options.name,
      publish: (key, value, publishing) =>
        Effect.suspend(() => {
          const ttl = publishing?.ttl === undefined ? settings.ttl : millisOf(publishing.ttl)
          return unsafePublish(key, value, ttl) ?? Effect.void
        }),
      unsafePublish,
      delete: (key) =>
        Effect.suspend(() => {
          if (closed) return channelClosed
          const cell = table.cells.get(key)
          if (cell === undefined || cell.deleted) return Effect.succeed(false)
          counters.published++
          if (cell.dirty) counters.conflated++
          table.delete(cell, now())
          loop.wake(core.publisher.due)
          return Effect.succeed(true)
        }),
      size: Effect.sync(() => table.live),
      subscribers: Effect.sync(() => core.publisher.count),
      subscribe: (peer, interest) => subscribeTo(peer, interest),
      subscribeAll: (interest) => subscribeTo(undefined, interest),
      counters
    }
  })

/**
 * A channel as a service under a tag of the application's.
 *
 * @example
 * ```ts
 * import { Context, Effect, Layer, Schema, Stream } from "effect"
 * import { Channels, type ConnectOptions, Intentra, StateChannel } from "intentra"
 *
 * const Position = Schema.Struct({ x: Schema.Number, y: Schema.Number })
 *
 * class Positions extends Context.Tag("app/Positions")<
 *   Positions,
 *   StateChannel.StateChannel<typeof Position.Type>
 * >() {
 *   static readonly layer = StateChannel.layer(Positions, { name: "positions", schema: Position, ttl: "1 second" })
 *     .pipe(Layer.provideMerge(Channels.layer))
 * }
 *
 * // one program publishes to whoever subscribes
 * const ship = Effect.gen(function*() {
 *   const positions = yield* Positions
 *   yield* positions.publish("ship/1", { x: 3, y: 4 })
 *   yield* Effect.never
 * }).pipe(Effect.provide(Layer.provide(Positions.layer, Intentra.layer({ allow: "any", port: 9000 }))))
 *
 * // another one follows all ships
 * const map = (hub: ConnectOptions) =>
 *   Effect.gen(function*() {
 *     const positions = yield* Positions
 *     const transport = yield* Intentra
 *     const peer = yield* transport.connect(hub)
 *     const ships = yield* positions.subscribe(peer, { prefixes: ["ship/"] })
 *     yield* ships.changes.pipe(
 *       Stream.runForEach((change) =>
 *         change._tag === "Deleted" ? Effect.log(change.key, "is gone") : Effect.log(change.key, change.entry.value)
 *       )
 *     )
 *   }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(Positions.layer, Intentra.layer())))
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = <Id, A, I>(
  tag: Context.Tag<Id, StateChannel<A>>,
  options: StateChannelOptions<A, I>
): Layer.Layer<Id, StateChannelError, Channels> => Layer.scoped(tag, make(options))

/** Counters become metrics so often, in milliseconds. */
const FOLD_INTERVAL = 1000

const encoder = new TextEncoder()

const valueTooLarge = (key: string, length: number, limit: number) =>
  new StateChannelError({
    reason: "ValueTooLarge",
    detail: `the value of ${JSON.stringify(key)} takes ${length} bytes, but the channel carries ${limit}: ` +
      "split it over several keys, use a denser codec, or raise maxValueBytes (one message carries about 1,000)"
  })

const invalidTtl = (key: string) =>
  new StateChannelError({
    reason: "InvalidOptions",
    detail: `the ttl of ${JSON.stringify(key)} is NaN: give milliseconds, or Infinity`
  })

const tooManyKeys = (key: string, limit: number) =>
  new StateChannelError({
    reason: "TooManyKeys",
    detail: `there is no room for ${JSON.stringify(key)}: the channel holds ${limit} keys; ` +
      "delete what is gone, or raise maxKeys"
  })

const invalidKey = (key: string, length: number, limit: number) =>
  new StateChannelError({
    reason: "InvalidKey",
    detail: `the key ${JSON.stringify(key)} takes ${length} bytes, but a key is well-formed text of 1 to ${limit} bytes`
  })
