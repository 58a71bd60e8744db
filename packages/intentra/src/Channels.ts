/**
 * Several channels and the application's own messages over one transport. Each message that arrives belongs to a channel
 * (its first four bytes say so, PROTOCOL.md, appendix A) or to the application.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Delivery, DeliveryHandler } from "./Delivery.js"
import { Intentra } from "./Intentra.js"
import type { IntentraShape } from "./Intentra.js"
import type { IntentraError } from "./IntentraError.js"
import { checkedNumber } from "./internal/checkedNumber.js"
import { MessageQueue } from "./internal/messageQueue.js"
import { deliveriesOf } from "./internal/outlets.js"
import type { Source } from "./internal/outlets.js"
import * as Wire from "./internal/stateWire.js"
import type { Peer } from "./Peer.js"
import { StateChannelError } from "./StateChannelError.js"
import type { TransportEvent } from "./TransportEvent.js"

/**
 * The bounds of what waits for a consumer of `messages`.
 *
 * @since 0.1.0
 * @category models
 */
export interface ChannelsOptions {
  /** The application's own messages that wait for a consumer of `messages`. Default 65,536. */
  readonly messageQueue?: number | undefined
  /** Bytes of those messages. Default 16 MiB. */
  readonly messageQueueBytes?: number | undefined
}

/**
 * The channels of one transport, and the application's own messages beside them.
 *
 * @since 0.1.0
 * @category models
 */
export interface ChannelsShape {
  /** The transport below. Its `deliveries` and `onDelivery` are taken; send through it as ever. */
  readonly transport: IntentraShape
  /**
   * The messages that belong to no channel, in chunks; payloads are the consumer's own. One consumer at a time (a second
   * fails with `ConsumerBusy`). What comes before is kept, within bounds: of Realtime and Sequenced messages the oldest
   * are dropped; when Reliable ones alone fill the queue, the session of the peer that sends more is closed with
   * `LimitExceeded`, since they can be neither dropped nor held back. Ends with its scope.
   */
  readonly messages: Stream.Stream<Delivery, IntentraError>
  /**
   * Those messages go to `handler`, synchronously, until the scope closes; the payload is a view that is valid during the
   * call only. Fails with `ConsumerBusy` when there is a handler or a consumer of `messages`.
   */
  readonly onMessage: (handler: DeliveryHandler) => Effect.Effect<void, IntentraError, Scope.Scope>
  /** The running counters; read them, do not write. */
  readonly counters: ChannelsCounters
  /** @internal */
  readonly open: (
    name: string,
    endpoint: ChannelEndpoint
  ) => Effect.Effect<void, StateChannelError, Scope.Scope>
  /** @internal Monotonic milliseconds. */
  readonly now: () => number
}

/**
 * What was dropped before it reached a channel or the application.
 *
 * @since 0.1.0
 * @category models
 */
export interface ChannelsCounters {
  /** Messages of channels that are not open here. */
  unknownChannel: number
  /** The application's own messages that were dropped for lack of room. */
  dropped: number
}

/** @internal */
export interface ChannelEndpoint {
  receive(peer: Peer, payload: Uint8Array, now: number): void
  connected(peer: Peer, now: number): void
  rejoined(peer: Peer, now: number): void
  closed(peer: Peer, now: number): void
}

/** The clock of the transport is compared to ours so often, in milliseconds. */
const CALIBRATION = 100

/**
 * The channels of the transport of the context, which has no other consumer of its deliveries, for as long as the scope
 * lives.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: ChannelsOptions = {}
): Effect.Effect<ChannelsShape, IntentraError, Intentra | Scope.Scope> =>
  Effect.gen(function*() {
    const transport = yield* Intentra
    const clock = yield* Effect.clock
    const origin = clock.unsafeCurrentTimeNanos()
    const now = () => Number(clock.unsafeCurrentTimeNanos() - origin) / 1e6
    const queue = new MessageQueue(
      yield* checkedNumber("messageQueue", options.messageQueue, 65_536, 1, 2 ** 24),
      yield* checkedNumber("messageQueueBytes", options.messageQueueBytes, 16 * 2 ** 20, 4_096, 2 ** 32)
    )
    const fork = yield* FiberSet.makeRuntime<never>()
    const endpoints = new Map<number, ChannelEndpoint>()
    const counters: ChannelsCounters = { unknownChannel: 0, dropped: 0 }
    const source: Source = {
      ring: queue,
      handler: undefined,
      consumed: false,
      ended: undefined,
      setHandler: (handler) => {
        for (const { intent, payload, peer, receivedAt } of queue.drain()) handler(peer, payload, intent, receivedAt)
        source.handler = handler
      },
      takeDeliveries: () => queue.drain()
    }
    let offset = Infinity
    let calibratedAt = -Infinity

    const keep = (delivery: Delivery): void => {
      const isWithin = queue.push(delivery)
      counters.dropped = queue.dropped
      if (!isWithin) fork(delivery.peer.close("LimitExceeded"))
      queue.wake()
    }

    yield* transport.onDelivery((peer, payload, intent, receivedAt) => {
      if (!Wire.isChannelMessage(payload)) {
        if (source.handler !== undefined) return source.handler(peer, payload, intent, receivedAt)
        return keep({ peer, payload: payload.slice(), intent, receivedAt })
      }
      const endpoint = payload.length < Wire.PREFIX_BYTES ? undefined : endpoints.get(Wire.channelIn(payload))
      if (endpoint === undefined) return void counters.unknownChannel++
      if (receivedAt - calibratedAt >= CALIBRATION || receivedAt < calibratedAt) {
        calibratedAt = receivedAt
        // a delivery may have waited, so the least difference is the best one
        offset = Math.min(offset, now() - receivedAt)
      }
      endpoint.receive(peer, payload, receivedAt + offset)
    })

    const tell = (event: TransportEvent): void => {
      if (event._tag !== "PeerConnected" && event._tag !== "PeerClosed" && event._tag !== "PeerRejoined") return
      const at = now()
      for (const endpoint of endpoints.values()) {
        if (event._tag === "PeerConnected") endpoint.connected(event.peer, at)
        else if (event._tag === "PeerRejoined") endpoint.rejoined(event.peer, at)
        else endpoint.closed(event.peer, at)
      }
    }
    yield* transport.events.pipe(
      Stream.runForEach((event) => Effect.sync(() => tell(event))),
      Effect.forkScoped
    )

    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        source.ended = "scope"
        queue.wake()
      })
    )

    const { deliveries: messages, onDelivery: onMessage } = deliveriesOf(source, "messages")
    return {
      transport,
      messages,
      onMessage,
      counters,
      open: (name, endpoint) => {
        const bytes = new TextEncoder().encode(name)
        const id = Wire.channelOf(bytes)
        return Effect.acquireRelease(
          Effect.suspend(() => {
            if (bytes.length === 0 || bytes.length > Wire.MAX_NAME_BYTES) {
              return new StateChannelError({
                reason: "InvalidOptions",
                detail: `name has ${bytes.length} bytes, but must have 1 to ${Wire.MAX_NAME_BYTES}`
              })
            }
            if (endpoints.has(id)) {
              return new StateChannelError({
                reason: "NameTaken",
                detail: `a channel called ${name}, or one with the same hash, is open on this transport: ` +
                  "open it once and share it, or choose another name"
              })
            }
            endpoints.set(id, endpoint)
            return Effect.void
          }),
          () => Effect.sync(() => endpoints.delete(id))
        )
      },
      now
    }
  })

/**
 * Owns the deliveries of a transport and gives each message to its channel, or to `messages`.
 *
 * @since 0.1.0
 * @category tags
 */
export class Channels extends Context.Tag("intentra/Channels")<Channels, ChannelsShape>() {
  /** With options. */
  static readonly layerWith = (options: ChannelsOptions): Layer.Layer<Channels, IntentraError, Intentra> =>
    Layer.scoped(Channels, make(options))

  /** With the default bounds. */
  static readonly layer: Layer.Layer<Channels, IntentraError, Intentra> = Channels.layerWith({})
}
