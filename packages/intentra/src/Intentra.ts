/**
 * The transport: many peers over one UDP socket.
 *
 * @since 0.1.0
 */
import { Entropy, layerBest } from "@intentra/crypto"
import type { Aead, CryptoBackend, CryptoServices, Hash, Hkdf, Mac, X25519 } from "@intentra/crypto"
import { Address, UdpSocket } from "@intentra/udp"
import type { SocketAddress, UdpSocketError, UdpSocketOptions } from "@intentra/udp"
import * as Config from "effect/Config"
import type * as ConfigError from "effect/ConfigError"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { availableParallelism } from "node:os"
import { Authorizer } from "./Authorizer.js"
import type { Delivery, DeliveryHandler } from "./Delivery.js"
import { FlightRecorder } from "./FlightRecorder.js"
import type { FlightRecorderError } from "./FlightRecorder.js"
import { Handshake } from "./Handshake.js"
import { HandshakeGate } from "./HandshakeGate.js"
import type { HandshakeGateOptions } from "./HandshakeGate.js"
import { IntentraError } from "./IntentraError.js"
import { isLive } from "./internal/allowList.js"
import type { AllowList } from "./internal/allowList.js"
import { checkedNumber } from "./internal/checkedNumber.js"
import * as IntentraConfig from "./internal/config.js"
import { dhBudget } from "./internal/dhBudget.js"
import { Hub } from "./internal/hub.js"
import type { HubOutput } from "./internal/hub.js"
import { deliveriesOf, EventHub } from "./internal/outlets.js"
import { RecordingHub } from "./internal/recordingHub.js"
import { resolveHost } from "./internal/resolveHost.js"
import type { SessionPeer } from "./internal/sessionPeer.js"
import { makeSharded } from "./internal/shardTransport.js"
import * as KeyLog from "./KeyLog.js"
import { PacketCrypto } from "./PacketCrypto.js"
import type { Peer } from "./Peer.js"
import { RateLimiter } from "./RateLimiter.js"
import type { RateLimiterOptions } from "./RateLimiter.js"
import { ReplayGuard } from "./ReplayGuard.js"
import type { SendOptionsInput } from "./SendOptions.js"
import { SendOptions } from "./SendOptions.js"
import * as SendResult from "./SendResult.js"
import * as StaticKey from "./StaticKey.js"
import { Strikes } from "./Strikes.js"
import { TransportCounters } from "./TransportCounters.js"
import type { TransportEvent } from "./TransportEvent.js"
import { TransportMetrics } from "./TransportMetrics.js"
import * as TransportOptions from "./TransportOptions.js"

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
  readonly refused: ReadonlyArray<{ readonly peer: Peer; readonly result: SendResult.SendResult }>
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
export interface IntentraOptions extends TransportOptions.TransportOptions, RateLimiterOptions {
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
   * Records all that happens to a new file, for `Replay`: see {@link FlightRecorder}. **The file is key material.**
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
/** Sessions about which the authorizer is asked again at the same time. */
const REVOCATIONS = 64

const invalid = (detail: string) => new IntentraError({ reason: "InvalidOptions", detail })

const transportClosed = new IntentraError({
  reason: "TransportClosed",
  detail: "the transport has been closed: its scope has ended"
})

const fromSocketError = (error: UdpSocketError | ConfigError.ConfigError): IntentraError =>
  error._tag === "UdpSocketError"
    ? new IntentraError({ reason: "SocketFailed", detail: error.message, cause: error })
    : invalid(`INTENTRA_UDP: ${String(error)}`)

const fromRecorderError = (error: FlightRecorderError): IntentraError =>
  new IntentraError({ reason: "InvalidOptions", detail: `record: ${error.message}`, cause: error })

/**
 * A transport over the concerns of the context, for as long as the scope lives.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: TransportOptions.TransportOptions = {}
): Effect.Effect<IntentraShape, IntentraError, Concerns | Scope.Scope> =>
  Effect.gen(function*() {
    const checked = yield* TransportOptions.check(options)
    const socket = yield* UdpSocket
    const clock = yield* Effect.clock
    // wall time is read once: what must grow over restarts counts on from it by the socket's own clock
    const crypto = yield* PacketCrypto
    const settings = {
      ...checked,
      ...dhBudget(crypto.backend),
      wallEpoch: clock.unsafeCurrentTimeMillis() - socket.loop.now()
    }
    const handshake = yield* Handshake
    const authorizer = yield* Authorizer
    const counters = new TransportCounters()
    const metrics = yield* TransportMetrics
    const fold = metrics.makeFold(counters)
    const events = new EventHub()
    const fork = yield* FiberSet.makeRuntime<never>()
    const recorder = Option.getOrUndefined(yield* Effect.serviceOption(FlightRecorder))
    if (recorder !== undefined) yield* Effect.mapError(recorder.begin(socket, settings), fromRecorderError)
    const decided = (verdict: Effect.Effect<boolean, unknown>): Effect.Effect<boolean> =>
      verdict.pipe(
        Effect.timeout(settings.handshakeTimeout),
        Effect.withSpan("Intentra.authorize"),
        Effect.catchAllCause((cause) => Effect.as(Effect.logWarning("the authorizer failed: refused", cause), false))
      )
    let changes = 0
    const reportDefect = oncePerPlace((where, error) => fork(Effect.logError(`${where} threw`, error)))
    const services = {
      crypto,
      entropy: yield* Entropy,
      handshake,
      gate: (yield* HandshakeGate).make(),
      rateLimiter: yield* RateLimiter,
      replayGuard: yield* ReplayGuard,
      strikes: yield* Strikes
    }
    const output: HubOutput = {
      event: (event) => events.publish(event),
      decide: (verdict, done) => {
        const asked = changes
        fork(
          Effect.flatMap(decided(verdict), (admitted) => {
            done(admitted)
            // the list has changed while it was being asked: what it said may be old
            return admitted && changes !== asked ? reauthorize : Effect.void
          })
        )
      },
      fold,
      defect: reportDefect
    }
    const hub = recorder === undefined
      ? new Hub(socket, settings, services, authorizer, counters, output)
      : new RecordingHub(recorder.tape, socket, settings, services, authorizer, counters, output)
    yield* Effect.acquireRelease(
      Effect.sync(() => metrics.begin({ socket: socket.kind, crypto: crypto.backend ?? "custom" })),
      (ended) => Effect.sync(ended)
    )
    const end = (why: IntentraError | "scope") =>
      Effect.sync(() => {
        hub.end(why)
        events.end()
      })
    yield* Effect.addFinalizer(() => end("scope"))
    yield* Deferred.await(socket.closed).pipe(
      Effect.catchAll((error) => end(fromSocketError(error))),
      Effect.forkScoped
    )

    const revoke = (peer: SessionPeer) =>
      Effect.suspend(() => {
        const verdict = authorizer.authorize(peer.publicKey, peer.address)
        return typeof verdict === "boolean" ? Effect.succeed(verdict) : decided(verdict)
      }).pipe(
        Effect.catchAllCause((cause) => Effect.as(Effect.logWarning("the authorizer failed: refused", cause), false)),
        Effect.flatMap((admitted) => admitted ? Effect.void : peer.close("AuthFail"))
      )
    const reauthorize: Effect.Effect<void> = Effect.suspend(() =>
      Effect.forEach(hub.peers().filter((peer) => !peer.initiator), revoke, {
        concurrency: REVOCATIONS,
        discard: true
      })
    ).pipe(Effect.withSpan("Intentra.reauthorize"))
    if (authorizer.changes !== undefined) {
      yield* authorizer.changes.pipe(
        Stream.runForEach(() =>
          Effect.suspend(() => {
            changes++
            return Effect.sync(() => fork(reauthorize))
          })
        ),
        Effect.catchAllCause((cause) => Effect.logError("the authorizer tells no more changes", cause)),
        Effect.forkScoped
      )
    }

    const whileOpen: Effect.Effect<void, IntentraError> = Effect.suspend(() =>
      hub.ended === undefined ? Effect.void : Effect.fail(hub.ended === "scope" ? transportClosed : hub.ended)
    )

    // whenever it is interrupted, the handshake or the session it has become is owned by somebody
    const connectScoped = (
      address: Uint8Array,
      remoteKey: Uint8Array | undefined,
      quick: boolean
    ): Effect.Effect<Peer, IntentraError, Scope.Scope> =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function*() {
          const existing = remoteKey === undefined ? undefined : hub.livePeer(remoteKey)
          if (existing !== undefined) {
            yield* hold(existing)
            return existing
          }
          const result = yield* Deferred.make<SessionPeer, IntentraError>()
          const connecting = hub.connect(address, remoteKey, {
            onConnected: (peer) => Deferred.unsafeDone(result, Effect.succeed(peer)),
            onFailed: (error) => Deferred.unsafeDone(result, Effect.fail(error))
          }, quick)
          const peer = yield* restore(Deferred.await(result)).pipe(
            Effect.onInterrupt(() => Effect.sync(() => hub.cancel(connecting)))
          )
          yield* hold(peer)
          return peer
        })
      )

    const connect = Effect.fn("Intentra.connect")(function*(options: ConnectOptions) {
      yield* whileOpen
      const remoteKey = options.publicKey === "any" ? undefined : yield* publicKeyFrom(options.publicKey, "publicKey")
      if (options.handshake === "IK" && remoteKey === undefined) {
        return yield* invalid("handshake is \"IK\", which needs the hub's public key: give publicKey")
      }
      const family = socket.localAddress.host.includes(":") ? 6 : 4
      const target = yield* resolveHost(options.host, options.port, family)
      const bytes = new Uint8Array(Address.ADDRESS_BYTES)
      if (!Address.encode(target, bytes, 0)) {
        return yield* new IntentraError({
          reason: "InvalidAddress",
          detail: `cannot connect to ${options.host} port ${options.port}: the port must be from 1 to 65535`
        })
      }
      if (hub.protocol.core.active.size + hub.protocol.core.connecting.size >= settings.maxSessions) {
        return yield* new IntentraError({
          reason: "SessionLimit",
          detail: `this transport has ${settings.maxSessions} sessions already: raise maxSessions`
        })
      }
      yield* whileOpen
      return yield* connectScoped(bytes, remoteKey, options.handshake === "IK")
    })

    return {
      publicKey: handshake.publicKey,
      address: socket.localAddress,
      socketKind: socket.kind,
      cryptoKind: crypto.backend ?? "custom",
      ...deliveriesOf(hub),
      events: events.stream,
      connect,
      peers: Effect.sync(() => hub.peers()),
      broadcast: (payload, options) =>
        Effect.suspend(() => {
          let checked: SendOptions
          try {
            checked = SendOptions.from(options)
          } catch (error) {
            return error instanceof IntentraError ? Effect.fail(error) : Effect.die(error)
          }
          const refused: Array<{ peer: Peer; result: SendResult.SendResult }> = []
          let accepted = 0
          for (const peer of hub.peers()) {
            const result = peer.unsafeSend(payload, checked)
            if (result === SendResult.ACCEPTED) accepted++
            else refused.push({ peer, result })
          }
          return Effect.succeed({ accepted, refused })
        }),
      counters,
      foldMetrics: Effect.sync(() => {
        hub.look()
        fold()
      })
    }
  })

/** The scope holds the peer: only the peer, none of what it took to connect it. */
const hold = (peer: SessionPeer): Effect.Effect<void, never, Scope.Scope> =>
  Effect.suspend(() => {
    peer.holders++
    return Effect.addFinalizer(() => peer.letGo())
  })

/** What always throws must not fill the log. */
const oncePerPlace = (report: (where: string, error: unknown) => void) => {
  const reported = new Set<string>()
  return (where: string, error: unknown) => {
    if (reported.has(where)) return
    reported.add(where)
    report(where, error)
  }
}

const publicKeyFrom = (key: Uint8Array | string, name: string): Effect.Effect<Uint8Array, IntentraError> =>
  typeof key === "string"
    ? Effect.suspend(() => StaticKey.decode(key, name))
    : key.length === StaticKey.KEY_BYTES
    ? Effect.succeed(key)
    : Effect.fail(invalid(`${name} has ${key.length} bytes, but must have ${StaticKey.KEY_BYTES}`))

const layerAuthorizer = (allow: IntentraOptions["allow"]): Layer.Layer<Authorizer, IntentraError> =>
  allow === "any"
    ? Authorizer.layerAny
    : isLive(allow)
    ? Authorizer.layerRef(allow)
    : Layer.unwrapEffect(
      Effect.map(
        Effect.forEach(allow ?? [], (key, index) => publicKeyFrom(key, `allow[${index}]`)),
        Authorizer.layerAllow
      )
    )

type Primitives = Aead | X25519 | Hash | Mac | Hkdf

/**
 * The fastest crypto that there is, or the one that `INTENTRA_CRYPTO` names.
 *
 * @internal
 */
export const layerPrimitives: Layer.Layer<CryptoServices, IntentraError> = Layer.mapError(
  layerBest,
  (error) => invalid(`INTENTRA_CRYPTO: ${String(error)}`)
)

/** Our key: the given one, or a new one for the life of the layer, its public half logged. */
const layerHandshake = (
  options: IntentraOptions
): Layer.Layer<Handshake, IntentraError, Primitives | Entropy> =>
  Layer.unwrapEffect(
    Effect.gen(function*() {
      let { key } = options
      if (key === undefined) {
        const pair = yield* StaticKey.generate
        yield* Effect.logInfo(
          `no static key given: made one for this run, public key ${StaticKey.encode(pair.publicKey)}`
        )
        key = pair.secretKey
      }
      const recorder = yield* Effect.serviceOption(FlightRecorder)
      if (Option.isSome(recorder)) recorder.value.keep({ key, psk: options.psk })
      return Handshake.layerWith({ key, psk: options.psk })
    })
  )

const layerPacketCrypto = (path: string | undefined): Layer.Layer<PacketCrypto, IntentraError, Aead> =>
  path === undefined
    ? PacketCrypto.layer
    : KeyLog.layer(path).pipe(
      Layer.mapError((error) =>
        new IntentraError({ reason: "InvalidOptions", detail: `keyLog: ${error.message}`, cause: error })
      ),
      Layer.provide(PacketCrypto.layer)
    )

/**
 * What the transport draws from; on the tape of a flight recorder, which comes with it, when the options ask for one.
 *
 * @internal
 */
export const layerEntropy = (
  options: IntentraOptions,
  entropy: Layer.Layer<Entropy>
): Layer.Layer<Entropy, IntentraError> =>
  options.record === undefined
    ? entropy
    : FlightRecorder.layer(options.record, options).pipe(
      Layer.mapError(fromRecorderError),
      Layer.provide(entropy)
    )

/**
 * All concerns but the socket, from options, over the primitives and entropy of the context.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConcerns = (
  options: IntentraOptions = {}
): Layer.Layer<Exclude<Concerns, UdpSocket | Entropy>, IntentraError, Primitives | Entropy> =>
  Layer.mergeAll(
    layerPacketCrypto(options.keyLog),
    layerHandshake(options),
    HandshakeGate.layerWith(options.gate),
    layerAuthorizer(options.allow),
    RateLimiter.layerWith(options),
    ReplayGuard.layerWith(options.replayWindow),
    Strikes.layerWith({ limit: options.strikeLimit, window: options.strikeWindow }),
    TransportMetrics.layer
  )

const layerSocket = (options: IntentraOptions): Layer.Layer<UdpSocket, IntentraError> =>
  UdpSocket.layerBest({
    ...options.socket,
    ...(options.host === undefined ? {} : { host: options.host }),
    ...(options.port === undefined ? {} : { port: options.port })
  }).pipe(Layer.catchAll((error) => Layer.fail(fromSocketError(error))))

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
    options: TransportOptions.TransportOptions = {}
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
          return yield* invalid(
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
