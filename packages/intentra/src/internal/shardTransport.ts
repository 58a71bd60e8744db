/** A transport whose sockets and sessions are in worker threads, as an `IntentraShape`. */
import { Entropy } from "@intentra/crypto"
import { Address } from "@intentra/udp"
import type { SocketAddress } from "@intentra/udp"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Authorizer } from "../Authorizer.js"
import type { AuthorizerShape } from "../Authorizer.js"
import type { ConnectOptions, IntentraOptions, IntentraShape } from "../Intentra.js"
import { IntentraError } from "../IntentraError.js"
import type { Peer } from "../Peer.js"
import type { SendOptionsInput } from "../SendOptions.js"
import { SendOptions } from "../SendOptions.js"
import * as SendResult from "../SendResult.js"
import * as StaticKey from "../StaticKey.js"
import { TransportMetrics } from "../TransportMetrics.js"
import * as TransportOptions from "../TransportOptions.js"
import { isLive } from "./allowList.js"
import { deliveriesOf, EventHub } from "./outlets.js"
import { resolveHost } from "./resolveHost.js"
import { clockOrigin } from "./shardClock.js"
import { ShardHost } from "./shardHost.js"
import type { ShardOutput } from "./shardHost.js"
import type { WorkerPlan } from "./shardLink.js"
import type { ShardPeer } from "./shardPeer.js"

const FOLD_INTERVAL = 1000
/** Sessions about which the authorizer is asked again at the same time. */
const REVOCATIONS = 64

const invalid = (detail: string) => new IntentraError({ reason: "InvalidOptions", detail })

const closed = new IntentraError({
  reason: "TransportClosed",
  detail: "the transport has been closed: its scope has ended"
})

const publicKeyFrom = (key: Uint8Array | string, name: string): Effect.Effect<Uint8Array, IntentraError> =>
  typeof key === "string"
    ? Effect.suspend(() => StaticKey.decode(key, name))
    : key.length === StaticKey.KEY_BYTES
    ? Effect.succeed(key)
    : Effect.fail(invalid(`${name} has ${key.length} bytes, but must have ${StaticKey.KEY_BYTES}`))

/** Our key: the given one, or a new one for the life of the transport, its public half logged. */
const ownKey = (options: IntentraOptions) =>
  options.key !== undefined
    ? Effect.succeed(options.key)
    : Effect.acquireRelease(Effect.provide(StaticKey.generate, StaticKey.layer), ({ secretKey }) =>
      Effect.sync(() => Redacted.value(secretKey).fill(0))).pipe(
        Effect.tap(({ publicKey }) =>
          Effect.logInfo(`no static key given: made one for this run, public key ${StaticKey.encode(publicKey)}`)
        ),
        Effect.map(({ secretKey }) =>
          secretKey
        )
      )

const secretOf = (
  name: string,
  secret: Redacted.Redacted<Uint8Array>
): Effect.Effect<Uint8Array, IntentraError, Scope.Scope> =>
  Redacted.value(secret).length === StaticKey.KEY_BYTES
    ? Effect.acquireRelease(
      Effect.sync(() => Redacted.value(secret).slice()),
      (copy) => Effect.sync(() => copy.fill(0))
    )
    : Effect.fail(
      invalid(
        `${name} has ${Redacted.value(secret).length} bytes, but must have ${StaticKey.KEY_BYTES}: ` +
          "make one with \"intentra keygen\""
      )
    )

/** What the workers need to know, as plain data. The copies of secrets are overwritten when the scope closes. */
const plan = (options: IntentraOptions, settings: TransportOptions.Settings, asks: boolean) =>
  Effect.gen(function*() {
    const entropy = yield* Entropy
    const cookieRoot = new Uint8Array(32)
    entropy.fill(cookieRoot)
    yield* Effect.addFinalizer(() => Effect.sync(() => cookieRoot.fill(0)))
    // a live list comes as an authorizer
    const allow = options.allow === undefined || options.allow === "any" || isLive(options.allow)
      ? options.allow === "any" ? "any" as const : undefined
      : yield* Effect.forEach(options.allow, (key, index) => publicKeyFrom(key, `allow[${index}]`))
    const made: WorkerPlan = {
      settings,
      options: {
        allow,
        burst: options.burst,
        forgeriesPerSecond: options.forgeriesPerSecond,
        forgeryBurst: options.forgeryBurst,
        gate: options.gate,
        keyLog: options.keyLog,
        packetsPerSecond: options.packetsPerSecond,
        replayWindow: options.replayWindow,
        socket: options.socket,
        strikeLimit: options.strikeLimit,
        strikeWindow: options.strikeWindow === undefined ? undefined : Duration.toMillis(options.strikeWindow),
        host: options.host ?? "127.0.0.1",
        port: options.port ?? 0
      },
      key: yield* secretOf("the static key", yield* ownKey(options)),
      psk: options.psk === undefined ? undefined : yield* secretOf("the network PSK", options.psk),
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

/** Asks the program's authorizer for the workers, and again whenever its verdicts may have changed. */
const supervise = (
  authorizer: AuthorizerShape,
  settings: TransportOptions.Settings,
  fork: (effect: Effect.Effect<void>) => void,
  active: () => Iterable<ShardPeer>
) => {
  let changes = 0
  const verdict = (publicKey: Uint8Array, address: SocketAddress): Effect.Effect<boolean> =>
    Effect.suspend(() => {
      const given = authorizer.authorize(publicKey, address)
      return typeof given === "boolean" ? Effect.succeed(given) : Effect.timeout(given, settings.handshakeTimeout)
    }).pipe(
      Effect.catchAllCause((cause) => Effect.as(Effect.logWarning("the authorizer failed: refused", cause), false))
    )
  const reauthorize: Effect.Effect<void> = Effect.suspend(() =>
    Effect.forEach(
      Array.from(active()).filter((peer) => !peer.initiator),
      (peer) =>
        Effect.flatMap(
          verdict(peer.publicKey, peer.address),
          (admitted) => admitted ? Effect.void : peer.close("AuthFail")
        ),
      { concurrency: REVOCATIONS, discard: true }
    )
  )
  const ask: ShardOutput["ask"] = (publicKey, address, done) => {
    const asked = changes
    fork(Effect.flatMap(verdict(publicKey, address), (admitted) => {
      done(admitted)
      // the list has changed while it was being asked: what it said may be old
      return admitted && changes !== asked ? reauthorize : Effect.void
    }))
  }
  const watch = (authorizer.changes ?? Stream.empty).pipe(
    Stream.runForEach(() =>
      Effect.sync(() => {
        changes++
        fork(reauthorize)
      })
    ),
    Effect.catchAllCause((cause) => Effect.logError("the authorizer tells no more changes", cause))
  )
  return { ask, watch }
}

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
    const authorizer = Option.getOrUndefined(yield* Effect.serviceOption(Authorizer))
    const metrics = yield* TransportMetrics
    const fork = yield* FiberSet.makeRuntime<never>()
    const events = new EventHub()
    const made = yield* plan(options, settings, authorizer !== undefined)
    const reported = new Set<string>()
    let active: () => Iterable<ShardPeer> = () => []
    const supervisor = authorizer && supervise(authorizer, settings, fork, () => active())
    const host = yield* Effect.acquireRelease(
      Effect.sync(() =>
        new ShardHost(workers, made, settings, {
          event: (event) => events.publish(event),
          ask: supervisor?.ask ?? ((_key, _address, done) => done(false)),
          // what each worker says at its start is one line
          log: (level, text) => {
            if (reported.has(text)) return
            reported.add(text)
            fork(Effect.logWithLevel(LogLevel.fromLiteral(level), text))
          },
          defect: (where, error) => {
            if (reported.has(where)) return
            reported.add(where)
            fork(Effect.logError(`${where} threw`, error))
          }
        })
      ),
      (host) => Effect.ensuring(Effect.promise(() => host.end("scope")), Effect.sync(() => events.end()))
    )
    onHost(host)
    active = () => host.sessions.active
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
    if (supervisor !== undefined) yield* Effect.forkScoped(supervisor.watch)

    const whileOpen: Effect.Effect<void, IntentraError> = Effect.suspend(() =>
      host.ended === undefined ? Effect.void : Effect.fail(host.ended === "scope" ? closed : host.ended)
    )

    // whenever it is interrupted, the handshake or the session it has become is owned by somebody
    const connectScoped = (bytes: Uint8Array, remoteKey: Uint8Array | undefined, quick: boolean) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function*() {
          let peer = remoteKey === undefined ? undefined : yield* restore(host.livePeer(remoteKey))
          if (peer === undefined) {
            const result = yield* Deferred.make<ShardPeer, IntentraError>()
            const id = host.connect(bytes, remoteKey, quick, {
              onConnected: (peer) => Deferred.unsafeDone(result, Effect.succeed(peer)),
              onFailed: (error) => Deferred.unsafeDone(result, Effect.fail(error))
            })
            peer = yield* restore(Deferred.await(result)).pipe(
              Effect.onInterrupt(() => Effect.sync(() => host.sessions.cancel(id)))
            )
          }
          const held = peer
          held.holders++
          yield* Effect.addFinalizer(() => held.letGo())
          return held as Peer
        })
      )

    const connect = Effect.fn("Intentra.connect")(function*(options: ConnectOptions) {
      yield* whileOpen
      const remoteKey = options.publicKey === "any" ? undefined : yield* publicKeyFrom(options.publicKey, "publicKey")
      if (options.handshake === "IK" && remoteKey === undefined) {
        return yield* invalid("handshake is \"IK\", which needs the hub's public key: give publicKey")
      }
      const target = yield* resolveHost(options.host, options.port, address.host.includes(":") ? 6 : 4)
      const bytes = new Uint8Array(Address.ADDRESS_BYTES)
      if (!Address.encode(target, bytes, 0)) {
        return yield* new IntentraError({
          reason: "InvalidAddress",
          detail: `cannot connect to ${options.host} port ${options.port}: the port must be from 1 to 65535`
        })
      }
      if (host.sessions.active.size + host.sessions.connecting >= settings.maxSessions) {
        return yield* new IntentraError({
          reason: "SessionLimit",
          detail: `this transport has ${settings.maxSessions} sessions already: raise maxSessions`
        })
      }
      yield* whileOpen
      return yield* connectScoped(bytes, remoteKey, options.handshake === "IK")
    })

    const broadcast = (payload: Uint8Array, options?: SendOptions | SendOptionsInput) =>
      Effect.suspend(() => {
        let checked: SendOptions
        try {
          checked = SendOptions.from(options)
        } catch (error) {
          return error instanceof IntentraError ? Effect.fail(error) : Effect.die(error)
        }
        const refused: Array<{ peer: Peer; result: SendResult.SendResult }> = []
        let accepted = 0
        for (const peer of host.sessions.active) {
          const result = peer.unsafeSend(payload, checked)
          if (result === SendResult.ACCEPTED) accepted++
          else refused.push({ peer, result })
        }
        return Effect.succeed({ accepted, refused })
      })

    return {
      publicKey: host.sessions.publicKey,
      address,
      socketKind,
      cryptoKind,
      ...deliveriesOf(host),
      events: events.stream,
      connect,
      peers: Effect.sync(() => Array.from(host.sessions.active)),
      broadcast,
      counters: host.counters,
      foldMetrics: Effect.sync(fold)
    }
  })
