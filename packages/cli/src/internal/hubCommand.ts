/** `intentra hub`: takes updates from many peers until it is told to stop. */
import * as Chunk from "effect/Chunk"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Runtime from "effect/Runtime"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { Delivery } from "intentra/Delivery"
import { Intentra } from "intentra/Intentra"
import type { IntentraOptions, IntentraShape } from "intentra/Intentra"
import * as StaticKey from "intentra/StaticKey"
import type { TransportEvent } from "intentra/TransportEvent"
import { CliError } from "../CliError.js"
import * as KeyFile from "../KeyFile.js"
import { contentOf, lineOf } from "./content.js"
import { formatEndpoint, parseEndpoint } from "./endpoint.js"
import { HubState } from "./hubState.js"
import { hubTable } from "./hubTable.js"
import { inbound } from "./inbound.js"
import type { InboundOptions } from "./inbound.js"
import { DURATION, durationOf, limitsOf } from "./limits.js"
import { LineWriter } from "./lineWriter.js"
import { withLogFormat } from "./logging.js"
import type { LogFormat } from "./logging.js"
import type { Allowed } from "./secrets.js"
import { Settings } from "./settings.js"
import { signals } from "./signals.js"
import { Console, counts, grouped, printable } from "./terminal.js"
import { transportFailed } from "./transportFailed.js"
import { packageVersion } from "./version.js"

export interface HubOptions extends InboundOptions {
  readonly metrics: Option.Option<string>
  readonly print: boolean
  readonly drain: Option.Option<string>
  readonly config: Option.Option<string>
  readonly logFormat: Option.Option<LogFormat>
  readonly json: boolean
}

const recordOf = ({ intent, payload, peer }: Delivery): string =>
  `${JSON.stringify({ type: "update", peer: peer.id, intent, ...contentOf(payload) })}\n`

/** What the hub tells, as lines for people or as objects. */
class Report {
  readonly out: Console
  readonly data = new LineWriter()
  private seen = 0
  private lastPeers = 0

  constructor(readonly options: HubOptions, readonly hub: IntentraShape) {
    this.out = new Console(options.print || options.json)
  }

  tell(text: string, record: { readonly type: string; readonly [field: string]: unknown }): Effect.Effect<void> {
    return this.options.json
      ? Effect.promise(() => this.data.json(record))
      : Effect.sync(() => this.out.line(text))
  }

  updates(chunk: Chunk.Chunk<Delivery>): Effect.Effect<void> {
    const { json, print } = this.options
    if (!print) return Effect.void
    const text = Chunk.toReadonlyArray(chunk).map(json ? recordOf : lineOf).join("")
    return Effect.promise(() => this.data.write(text))
  }

  /** Once a second. A hub where nothing happens is silent. */
  readonly tick: Effect.Effect<void> = Effect.gen(this, function*() {
    const { counters } = this.hub
    const peers = counters.sessionsActive
    const rate = counters.messagesReceived - this.seen
    if (this.out.live && !this.options.json) {
      this.out.draw(yield* hubTable(this.hub, rate, this.out.rows - 5))
    } else if (rate > 0 || peers !== this.lastPeers) {
      const drops = counters.dropsByReason()
      yield* this.tell(
        `${grouped(peers)} peers  ${grouped(rate)} updates/s  ${grouped(counters.messagesReceived)} in all  ` +
          `drops: ${counts(drops)}`,
        { type: "status", peers, updatesPerSecond: rate, updates: counters.messagesReceived, drops }
      )
    }
    this.seen = counters.messagesReceived
    this.lastPeers = peers
  })

  event(event: TransportEvent): Effect.Effect<void> {
    switch (event._tag) {
      case "PeerConnected": {
        const { id, publicKey } = event.peer
        const address = formatEndpoint(event.peer.address)
        return this.tell(`+ ${id} joined from ${address}`, {
          type: "joined",
          peer: id,
          publicKey: StaticKey.encode(publicKey),
          address
        })
      }
      case "PeerClosed": {
        const { peer, reason, text } = event
        const said = printable(text)
        return this.tell(`- ${peer.id} left (${reason}${said === "" ? "" : `: ${said}`})`, {
          type: "left",
          peer: peer.id,
          reason
        })
      }
      case "Overloaded":
        return this.tell(`! ${grouped(event.dropped)} updates were dropped: ${event.queue} is full`, {
          type: "overloaded",
          queue: event.queue,
          dropped: event.dropped
        })
      default:
        return Effect.void
    }
  }
}

const serve = (report: Report): Effect.Effect<never, CliError, Scope.Scope> =>
  Effect.gen(function*() {
    const { hub } = report
    yield* Effect.forkScoped(Stream.runForEach(hub.events, (event) => report.event(event)))
    const address = formatEndpoint(hub.address)
    const publicKey = StaticKey.encode(hub.publicKey)
    yield* report.tell(`hub on ${address} (${hub.socketKind}, ${hub.cryptoKind}), public key ${publicKey}`, {
      type: "listening",
      address,
      publicKey,
      socket: hub.socketKind,
      crypto: hub.cryptoKind
    })
    yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep("1 second"), report.tick)))
    yield* Stream.runForEachChunk(hub.deliveries, (chunk) => report.updates(chunk))
    return yield* new CliError({ reason: "Transport", detail: "the transport has ended" })
  }).pipe(
    Effect.catchTag("IntentraError", (error) => Effect.fail(transportFailed(error)))
  )

/** Reads the allow-list again whenever SIGHUP comes; one that cannot be read changes nothing. */
const reloading = (
  report: Report,
  path: string,
  allowed: SubscriptionRef.SubscriptionRef<ReadonlyArray<Uint8Array>>
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function*() {
    const reload = KeyFile.readAllowList(path).pipe(
      Effect.tap((keys) => SubscriptionRef.set(allowed, keys)),
      Effect.flatMap((keys) =>
        report.tell(`read ${path} again: ${grouped(keys.length)} ${keys.length === 1 ? "key" : "keys"} may join`, {
          type: "reloaded",
          path,
          keys: keys.length
        })
      ),
      Effect.catchAll((error) =>
        Effect.logError(`the allow-list is as it was: ${error.message}`).pipe(Effect.annotateLogs({ path }))
      )
    )
    const runFork = Runtime.runFork(yield* Effect.runtime<never>())
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        signals.onHangup = () => void runFork(reload)
      }),
      () =>
        Effect.sync(() => {
          signals.onHangup = undefined
        })
    )
  })

/** `/readyz` says no first; then, after a while if one was asked for, the scope closes and says CLOSE to all peers. */
const draining = (report: Report, state: HubState, drain: Duration.Duration): Effect.Effect<void> =>
  Effect.suspend(() => {
    // a hub is meant to be ended by a signal
    process.exitCode = 0
    state.phase = "draining"
    report.out.keep()
    const updates = report.hub.counters.messagesReceived
    return Effect.zipRight(
      report.tell(`stopping: ${grouped(updates)} updates received`, { type: "stopping", updates }),
      Effect.sleep(drain)
    )
  })

const transport = (
  options: IntentraOptions,
  allowed: Allowed,
  keys: SubscriptionRef.SubscriptionRef<ReadonlyArray<Uint8Array>>
): Layer.Layer<Intentra, CliError> => {
  const layer = Intentra.layer({
    ...options,
    allow: allowed._tag === "File" ? keys : allowed._tag === "Any" ? "any" : allowed.keys
  })
  return layer.pipe(
    Layer.provide(Logger.minimumLogLevel(LogLevel.Warning)),
    Layer.mapError(transportFailed)
  )
}

const run = (options: HubOptions, settings: Settings): Effect.Effect<void, CliError, Scope.Scope> =>
  Effect.gen(function*() {
    const { allowed, at: address } = yield* inbound(settings, options)
    const found = yield* settings.get("drain", options.drain, DURATION, durationOf)
    const drain = Option.getOrElse(found, () => Duration.zero)
    signals.patience += Duration.toMillis(drain)
    const metrics = yield* settings.find(["metrics"], options.metrics)
    const keys = yield* SubscriptionRef.make(allowed._tag === "Any" ? [] : allowed.keys)
    const limits = yield* limitsOf(settings)
    // outlives the transport, so that it can say that the hub is not ready
    const state = new HubState(packageVersion)
    let at: string | undefined
    if (metrics !== undefined) {
      const [, { label, text }] = metrics
      const endpoint = yield* parseEndpoint(label, text, 0)
      const { serveOperations } = yield* Effect.promise(() => import("./operations.js"))
      at = formatEndpoint(yield* serveOperations(state, endpoint))
    }
    yield* Effect.flatMap(Intentra, (hub) =>
      Effect.gen(function*() {
        const report = new Report(options, hub)
        state.serve(hub)
        if (at !== undefined) {
          yield* report.tell(`live page on http://${at}/, metrics on http://${at}/metrics`, {
            type: "metrics",
            address: at
          })
        }
        if (allowed._tag === "File") yield* reloading(report, allowed.path, keys)
        yield* serve(report).pipe(Effect.onInterrupt(() => draining(report, state, drain)))
      })).pipe(Effect.scoped, Effect.provide(transport({ ...limits, ...address }, allowed, keys)))
  })

export const runHub = (options: HubOptions): Effect.Effect<void, CliError> =>
  Effect.flatMap(
    Settings.open(options.config),
    (settings) => Effect.scoped(run(options, settings)).pipe(withLogFormat(settings, options.logFormat))
  )
