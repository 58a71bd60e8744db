/** A transport whose sockets and sessions are in worker threads, as an `IntentraShape`. */
import { Entropy } from "@intentra/crypto"
import type { SocketAddress } from "@intentra/udp"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { Authorizer } from "../Authorizer.js"
import type { AuthorizerShape } from "../Authorizer.js"
import type { IntentraOptions, IntentraShape } from "../Intentra.js"
import { IntentraError } from "../IntentraError.js"
import * as StaticKey from "../StaticKey.js"
import { TransportMetrics } from "../TransportMetrics.js"
import * as TransportOptions from "../TransportOptions.js"
import { isLive, listedKeys } from "./allowList.js"
import { broadcastTo } from "./broadcast.js"
import { connectWith } from "./connect.js"
import { deliveriesOf, EventHub } from "./outlets.js"
import { plainConcerns } from "./plainConcerns.js"
import { reportOnce } from "./reportOnce.js"
import { secretCopy } from "./secretCopy.js"
import { clockOrigin } from "./shardClock.js"
import { ShardHost } from "./shardHost.js"
import type { WorkerPlan } from "./shardLink.js"
import { supervise } from "./supervise.js"
import { temporaryKey } from "./temporaryKey.js"

const FOLD_INTERVAL = 1000

/** Never asked: without an authorizer of the program's own the workers decide. */
const nobody: AuthorizerShape = { authorize: () => false }

/** Our key: the given one, or one for the life of the transport. */
const ownKey = (options: IntentraOptions) =>
  options.key === undefined
    ? Effect.map(
      Effect.acquireRelease(
        Effect.provide(temporaryKey, StaticKey.layer),
        ({ secretKey }) => Effect.sync(() => Redacted.value(secretKey).fill(0))
      ),
      ({ secretKey }) => secretKey
    )
    : Effect.succeed(options.key)

/** What the workers need to know, as plain data. The copies of secrets are overwritten when the scope closes. */
const plan = (options: IntentraOptions, settings: TransportOptions.Settings, asks: boolean) =>
  Effect.gen(function*() {
    const entropy = yield* Entropy
    const cookieRoot = new Uint8Array(32)
    entropy.fill(cookieRoot)
    yield* Effect.addFinalizer(() => Effect.sync(() => cookieRoot.fill(0)))
    const { allow } = options
    const made: WorkerPlan = {
      settings,
      options: {
        ...plainConcerns(options),
        // a live list comes as an authorizer
        allow: allow === undefined || allow === "any" ? allow : isLive(allow) ? undefined : yield* listedKeys(allow),
        keyLog: options.keyLog,
        socket: options.socket,
        host: options.host ?? "127.0.0.1",
        port: options.port ?? 0
      },
      key: yield* secretCopy("the static key", yield* ownKey(options)),
      psk: options.psk === undefined ? undefined : yield* secretCopy("the network PSK", options.psk),
      cookieRoot,
      seed: entropy.uint32(),
      asks,
      clockOrigin: clockOrigin()
    }
    return made
  })

/** Starts the workers: the first binds the port, then the others bind the one that it was given. */
const start = (host: ShardHost) =>
  Effect.async<{ readonly address: SocketAddress } & Pick<IntentraShape, "cryptoKind" | "socketKind">, IntentraError>(
    (resume) => {
      let waiting = host.links.length
      host.onReady((index, ready) => {
        if (ready instanceof IntentraError) return resume(Effect.fail(ready))
        if (index === 0) {
          host.begin(ready)
        }
        if (--waiting === 0) resume(Effect.succeed(host.first ?? ready))
      })
    }
  )

/**
 * A transport with so many workers, for as long as the scope lives. An {@link Authorizer} of the context takes the place
 * of `allow`.
 */
export const makeSharded = (
  workers: number,
  options: IntentraOptions,
  /** For tests: sees the main thread's end before it is used. */
  onHost: (host: ShardHost) => void = () => {}
): Effect.Effect<IntentraShape, IntentraError, Entropy | TransportMetrics | Scope.Scope> =>
  Effect.gen(function*() {
    const checked = yield* TransportOptions.check(options)
    const clock = yield* Effect.clock
    // the transport's clock is this thread's; wall time is read once, as it steps
    const settings = { ...checked, wallEpoch: clock.unsafeCurrentTimeMillis() - performance.now() }
    const given = yield* Effect.serviceOption(Authorizer)
    const authorizer = Option.getOrElse(given, () => nobody)
    const metrics = yield* TransportMetrics
    const fork = yield* FiberSet.makeRuntime<never>()
    const events = new EventHub()
    const made = yield* plan(options, settings, Option.isSome(given))
    const supervisor = supervise(authorizer, settings.handshakeTimeout, fork, () => host.sessions.active)
    const log = reportOnce<LogLevel.Literal>((text, level) =>
      fork(Effect.logWithLevel(LogLevel.fromLiteral(level), text))
    )
    const host = yield* Effect.acquireRelease(
      Effect.sync(() =>
        new ShardHost(workers, made, settings, {
          event: (event) => events.publish(event),
          ask: (publicKey, address, done) => supervisor.ask(() => authorizer.authorize(publicKey, address), done),
          log: (level, text) => log(text, level),
          defect: reportOnce((where, error) => fork(Effect.logError(`${where} threw`, Cause.die(error))))
        })
      ),
      (host) => Effect.ensuring(Effect.promise(() => host.end("scope")), Effect.sync(() => events.end()))
    )
    onHost(host)
    const { address, cryptoKind, socketKind } = yield* start(host)
    yield* Effect.acquireRelease(
      Effect.sync(() => metrics.begin({ socket: socketKind, crypto: cryptoKind })),
      (ended) => Effect.sync(ended)
    )
    const fold = metrics.makeFold(host.counters)
    yield* Effect.acquireRelease(
      Effect.sync(() => setInterval(() => host.everySecond(fold), FOLD_INTERVAL).unref()),
      (timer) =>
        Effect.sync(() => {
          clearInterval(timer)
          fold()
        })
    )
    yield* supervisor.watch

    return {
      publicKey: host.sessions.publicKey,
      address,
      socketKind,
      cryptoKind,
      ...deliveriesOf(host),
      events: events.stream,
      connect: connectWith({
        localAddress: address,
        maxSessions: settings.maxSessions,
        shares: settings.sameIdentity !== "allow",
        sessions: () => host.sessions.active.size + host.sessions.connecting,
        ended: () => host.ended,
        livePeer: (remoteKey) => host.livePeer(remoteKey),
        begin: (address, remoteKey, quick, waiting) => host.connect(address, remoteKey, quick, waiting)
      }),
      peers: Effect.sync(() => Array.from(host.sessions.active)),
      broadcast: broadcastTo(() => host.sessions.active),
      counters: host.counters,
      foldMetrics: Effect.sync(fold)
    }
  })
