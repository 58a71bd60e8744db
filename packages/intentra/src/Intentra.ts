/**
 * The transport: many peers over one UDP socket.
 *
 * @since 0.1.0
 */
import { Entropy } from "@intentra/crypto"
import type { CryptoBackend } from "@intentra/crypto"
import { UdpSocket } from "@intentra/udp"
import type { SocketAddress, UdpSocketError, UdpSocketOptions } from "@intentra/udp"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { availableParallelism } from "node:os"
import { Authorizer } from "./Authorizer.js"
import type { Delivery, DeliveryHandler } from "./Delivery.js"
import type { Handshake } from "./Handshake.js"
import type { HandshakeGate, HandshakeGateOptions } from "./HandshakeGate.js"
import type { IntentraError } from "./IntentraError.js"
import { isLive } from "./internal/allowList.js"
import type { AllowList } from "./internal/allowList.js"
import { checkedNumber } from "./internal/checkedNumber.js"
import { layerConcerns, layerEntropy, layerPrimitives } from "./internal/concerns.js"
import * as IntentraConfig from "./internal/config.js"
import { invalidOption } from "./internal/invalidOption.js"
import { makeSharded } from "./internal/shardTransport.js"
import { socketFailed } from "./internal/socketFailed.js"
import { make } from "./internal/transport.js"
import type { PacketCrypto } from "./PacketCrypto.js"
import type { Peer } from "./Peer.js"
import type { RateLimiter, RateLimiterOptions } from "./RateLimiter.js"
import type { ReplayGuard } from "./ReplayGuard.js"
import type { SendOptions, SendOptionsInput } from "./SendOptions.js"
import type { SendResult } from "./SendResult.js"
import type { Strikes } from "./Strikes.js"
import type { TransportCounters } from "./TransportCounters.js"
import type { TransportEvent } from "./TransportEvent.js"
import { TransportMetrics } from "./TransportMetrics.js"
import type { TransportOptions } from "./TransportOptions.js"

export { layerConcerns } from "./internal/concerns.js"
export { make } from "./internal/transport.js"

/**
 * Where a hub listens and how to know it.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConnectOptions {
  /** An IP address, or a name to be resolved. */
  readonly host: string
  readonly port: number
  /**
   * The static key that must answer: 32 bytes, or base64. `"any"` takes whoever the {@link Authorizer} of this
   * transport admits.
   */
  readonly publicKey: Uint8Array | string
  /**
   * `XX` (the default) hides our static key until the hub has proven its own. `IK` needs a pinned key and is one round trip
   * quicker; our key is sealed to the hub's static key, so whoever steals that later learns who connected.
   */
  readonly handshake?: "XX" | "IK" | undefined
}

/**
 * What became of a broadcast.
 *
 * @since 0.1.0
 * @category models
 */
export interface BroadcastOutcome {
  /** Peers whose queue took the message. */
  readonly accepted: number
  /** The others, each with its `SendResult`. */
  readonly refused: ReadonlyArray<{ readonly peer: Peer; readonly result: SendResult }>
}

/**
 * A running transport.
 *
 * @since 0.1.0
 * @category models
 */
export interface IntentraShape {
  /** Our static public key, 32 bytes. */
  readonly publicKey: Uint8Array
  /** Where the socket is bound. */
  readonly address: SocketAddress
  /** What carries the datagrams: `dgram`, `batch` or `simulated`. */
  readonly socketKind: UdpSocket["Type"]["kind"]
  /** What seals packets: `openssl`, `node` or `noble`; `custom` for a {@link PacketCrypto} of the user's own. */
  readonly cryptoKind: CryptoBackend["name"] | "custom"
  /**
   * Every message of every peer, in chunks. One consumer at a time (a second fails with `ConsumerBusy`;
   * `Stream.share` for more). Fails only when the transport dies, ends with its scope. What comes before the first
   * consumer is kept, within bounds: the oldest go first and are counted as `DeliveryOverflow`.
   */
  readonly deliveries: Stream.Stream<Delivery, IntentraError>
  /**
   * The control plane, for any number of subscribers; a slow one misses the oldest events. Ends when the transport has
   * been closed or has died.
   */
  readonly events: Stream.Stream<TransportEvent>
  /**
   * Messages go to `handler`, synchronously, instead of `deliveries`, until the scope closes. The payload is a view that
   * is valid during the call only. Fails with `ConsumerBusy` when there is a handler or a consumer of `deliveries`.
   */
  readonly onDelivery: (handler: DeliveryHandler) => Effect.Effect<void, IntentraError, Scope.Scope>
  /**
   * A session with a hub, closed with the scope (the last one, if several connect to one key: they share the session).
   * Fails with `HandshakeTimeout`, `WrongKey`, `Refused`, `SessionLimit`,
   * `InvalidAddress`, `InvalidOptions`, `TransportClosed`.
   */
  readonly connect: (options: ConnectOptions) => Effect.Effect<Peer, IntentraError, Scope.Scope>
  /** The peers of all active sessions. */
  readonly peers: Effect.Effect<ReadonlyArray<Peer>>
  /** Sends one message to every peer. Fails with `InvalidOptions` only. */
  readonly broadcast: (
    payload: Uint8Array,
    options?: SendOptions | SendOptionsInput
  ) => Effect.Effect<BroadcastOutcome, IntentraError>
  /** The running counters; read them, do not write. */
  readonly counters: TransportCounters
  /** Folds the counters into Effect metrics now: for a scrape. */
  readonly foldMetrics: Effect.Effect<void>
}

/**
 * Options of {@link Intentra.layer}: everything has a default.
 *
 * @since 0.1.0
 * @category models
 */
export interface IntentraOptions extends TransportOptions, RateLimiterOptions {
  /** The address to bind. Default `127.0.0.1`; `0.0.0.0` or `::` for all interfaces. */
  readonly host?: string | undefined
  /** Default 0: any free port. */
  readonly port?: number | undefined
  /** Our static secret key, 32 bytes. Default: a new one for the life of the layer, its public half logged. */
  readonly key?: Redacted.Redacted<Uint8Array> | undefined
  /**
   * Public keys (bytes or base64) that may join, or `"any"`. A `SubscriptionRef` of keys may change at any time: taking
   * one out closes its sessions. Default: nobody.
   */
  readonly allow?: AllowList | undefined
  /** The network's pre-shared key, 32 bytes: strangers meet silence. */
  readonly psk?: Redacted.Redacted<Uint8Array> | undefined
  readonly socket?: Omit<UdpSocketOptions, "host" | "port"> | undefined
  readonly gate?: HandshakeGateOptions | undefined
  /** Packet numbers that a replay window spans, a power of two from 1,024. Default 8,192. */
  readonly replayWindow?: number | undefined
  /** Strikes that close a session. Default 10. */
  readonly strikeLimit?: number | undefined
  /** Within this time. Default 5 seconds. */
  readonly strikeWindow?: Duration.DurationInput | undefined
  /**
   * Records all that happens to a new file, for `Replay`: see `FlightRecorder`. **The file is key material.**
   * Default: nothing is recorded.
   */
  readonly record?: string | undefined
  /** Appends the session keys to a file, for the dissector: see `KeyLog`. **The file is key material.** Default: none. */
  readonly keyLog?: string | undefined
}

/**
 * Options of {@link Intentra.layerSharded}.
 *
 * @since 0.1.0
 * @category models
 */
export interface ShardedOptions extends IntentraOptions {
  /** Worker threads, 1 to 16, each with a socket and sessions of its own. Default: one less than there are cores. */
  readonly workers?: number | undefined
}

/**
 * Everything that a transport is made of.
 *
 * @since 0.1.0
 * @category models
 */
export type Concerns =
  | UdpSocket
  | PacketCrypto
  | Entropy
  | Handshake
  | HandshakeGate
  | Authorizer
  | RateLimiter
  | ReplayGuard
  | Strikes
  | TransportMetrics

const MAX_WORKERS = 16
const CORES = Math.min(MAX_WORKERS + 1, availableParallelism())

const fromSocketError = (error: UdpSocketError | ConfigError.ConfigError): IntentraError =>
  error._tag === "UdpSocketError" ? socketFailed(error) : invalidOption(`INTENTRA_UDP: ${String(error)}`)

const layerSocket = (options: IntentraOptions): Layer.Layer<UdpSocket, IntentraError> =>
  UdpSocket.layerBest({
    ...options.socket,
    ...(options.host === undefined ? {} : { host: options.host }),
    ...(options.port === undefined ? {} : { port: options.port })
  }).pipe(Layer.mapError(fromSocketError))

/** One thread's transport, where there can be no workers; an {@link Authorizer} of the context decides here too. */
const layerUnsharded = (options: IntentraOptions): Layer.Layer<Intentra, IntentraError> =>
  Layer.unwrapEffect(
    Effect.map(Effect.serviceOption(Authorizer), (authorizer) =>
      Intentra.layerCore(options).pipe(
        Layer.provide(
          Option.isNone(authorizer)
            ? layerConcerns(options)
            : Layer.merge(layerConcerns(options), Layer.succeed(Authorizer, authorizer.value))
        ),
        Layer.provide(layerSocket(options)),
        Layer.provide(Layer.merge(layerPrimitives, Entropy.layer))
      ))
  )

/** Whether several threads can share a port here: only batched sockets can. */
const canShard: Effect.Effect<boolean, IntentraError> = Effect.scoped(
  Effect.map(Layer.build(UdpSocket.layerBest()), (context) => Context.get(context, UdpSocket).kind === "batch")
).pipe(Effect.mapError(fromSocketError))

/**
 * The transport as a service.
 *
 * @since 0.1.0
 * @category tags
 */
export class Intentra extends Context.Tag("intentra/Intentra")<Intentra, IntentraShape>() {
  /** Over every concern of the context: swap any of them. */
  static readonly layerCore = (
    options: TransportOptions = {}
  ): Layer.Layer<Intentra, IntentraError, Concerns> => Layer.scoped(Intentra, make(options))

  /** With the default of every concern: the fastest sockets and crypto that there are, Effect's metrics. */
  static readonly layer = (options: IntentraOptions = {}): Layer.Layer<Intentra, IntentraError> =>
    Intentra.layerCore(options).pipe(
      Layer.provide(layerConcerns(options)),
      Layer.provide(layerSocket(options)),
      Layer.provide(
        Layer.merge(layerPrimitives, layerEntropy(options, Entropy.layer))
      )
    )

  /**
   * The same on several cores: worker threads share the port, and each has a part of the sessions. An {@link Authorizer}
   * of the context takes the place of `allow`; other concerns cannot be swapped, and nothing can be recorded. Where
   * batched sockets are not available, a line is logged and this thread does everything.
   */
  static readonly layerSharded = (options: ShardedOptions = {}): Layer.Layer<Intentra, IntentraError> =>
    isLive(options.allow)
      ? Layer.provide(Intentra.layerSharded({ ...options, allow: undefined }), Authorizer.layerRef(options.allow))
      : Layer.unwrapEffect(Effect.gen(function*() {
        const workers = yield* checkedNumber("workers", options.workers, Math.max(1, CORES - 1), 1, MAX_WORKERS)
        if (options.record !== undefined) {
          return yield* invalidOption(
            "record has one thread's order of events, which workers do not have: use Intentra.layer"
          )
        }
        if (!(yield* canShard)) {
          yield* Effect.logWarning("batched UDP is not available here: no workers, this thread does everything")
          return layerUnsharded(options)
        }
        return Layer.scoped(Intentra, makeSharded(workers, options)).pipe(
          Layer.provide(Layer.merge(Entropy.layer, TransportMetrics.layer))
        )
      }))

  /** The same from a `Config`. */
  static readonly layerConfig = (
    config: Config.Config.Wrap<IntentraOptions>
  ): Layer.Layer<Intentra, IntentraError | ConfigError.ConfigError> =>
    Layer.unwrapEffect(Effect.map(Config.unwrap(config), Intentra.layer))
}

/**
 * The transport as the environment describes it: `INTENTRA_HOST` (127.0.0.1), `INTENTRA_PORT` (0), `INTENTRA_KEY`
 * (base64) or `INTENTRA_KEY_FILE` (absent: a key for this run, its public half logged), `INTENTRA_ALLOW` (base64 keys
 * separated by commas, or `any`; absent: nobody inbound), `INTENTRA_PSK` (base64), and the limits
 * `INTENTRA_MAX_SESSIONS`, `INTENTRA_PACKETS_PER_SECOND`, `INTENTRA_BURST`, `INTENTRA_IDLE_TIMEOUT`,
 * `INTENTRA_HANDSHAKE_TIMEOUT`, `INTENTRA_KEEPALIVE`, `INTENTRA_SEND_QUEUE`, `INTENTRA_DELIVERY_QUEUE`. For those who
 * look for a fault, `INTENTRA_RECORD` and `INTENTRA_KEYLOG` name files that key material goes to (absent: none).
 *
 * @since 0.1.0
 * @category layers
 */
export const IntentraLive: Layer.Layer<Intentra, IntentraError | ConfigError.ConfigError> = Layer.unwrapEffect(
  Effect.map(IntentraConfig.fromEnvironment, Intentra.layer)
)
