/** `intentra hub`: takes updates from many peers until it is told to stop. */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Delivery } from "intentra/Delivery"
import { Intentra } from "intentra/Intentra"
import type { IntentraShape } from "intentra/Intentra"
import * as StaticKey from "intentra/StaticKey"
import type { TransportEvent } from "intentra/TransportEvent"
import { CliError } from "../CliError.js"
import * as KeyFile from "../KeyFile.js"
import { formatEndpoint, parseEndpoint } from "./endpoint.js"
import { hubTable } from "./hubTable.js"
import { LineWriter } from "./lineWriter.js"
import { Console, counts, grouped, printable } from "./terminal.js"

export interface HubOptions {
  readonly listen: string
  readonly key: Option.Option<string>
  readonly allow: string
  readonly metrics: Option.Option<string>
  readonly psk: Option.Option<string>
  readonly print: boolean
  readonly json: boolean
}

const utf8 = new TextDecoder("utf-8", { fatal: true })

/** Text where it is text, base64 where it is not. */
const contentOf = (payload: Uint8Array): { readonly text: string } | { readonly base64: string } => {
  try {
    return { text: utf8.decode(payload) }
  } catch {
    return { base64: Buffer.from(payload).toString("base64") }
  }
}

const lineOf = ({ payload, peer }: Delivery): string => {
  const content = contentOf(payload)
  return `${peer.id} ${"text" in content ? printable(content.text) : content.base64}\n`
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
    const { hub, options } = report
    yield* Effect.forkScoped(Stream.runForEach(hub.events, (event) => report.event(event)))
    const address = formatEndpoint(hub.address)
    const publicKey = StaticKey.encode(hub.publicKey)
    yield* report.tell(`hub on ${address} (${hub.socketKind}), public key ${publicKey}`, {
      type: "listening",
      address,
      publicKey,
      socket: hub.socketKind
    })
    if (Option.isSome(options.metrics)) {
      const endpoint = yield* parseEndpoint("--metrics", options.metrics.value, 0)
      const { serveMetrics } = yield* Effect.promise(() => import("./metricsServer.js"))
      const at = formatEndpoint(yield* serveMetrics(hub, endpoint))
      yield* report.tell(`metrics on http://${at}/metrics`, { type: "metrics", address: at })
    }
    yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Effect.sleep("1 second"), report.tick)))
    yield* Stream.runForEachChunk(hub.deliveries, (chunk) => report.updates(chunk))
    return yield* new CliError({ reason: "Transport", detail: "the transport has ended" })
  }).pipe(
    Effect.catchTag("IntentraError", (error) =>
      Effect.fail(new CliError({ reason: "Transport", detail: error.message, cause: error })))
  )

export const runHub = (options: HubOptions): Effect.Effect<void, CliError> =>
  Effect.gen(function*() {
    const { host, port } = yield* parseEndpoint("--listen", options.listen, 0)
    const key = yield* Effect.transposeMapOption(options.key, (path) => KeyFile.read(path))
    const psk = yield* Effect.transposeMapOption(options.psk, (path) => KeyFile.read(path, "network key file"))
    const allow = options.allow === "any" ? "any" as const : yield* KeyFile.readAllowList(options.allow)
    yield* Effect.flatMap(Intentra, (hub) => {
      const report = new Report(options, hub)
      return serve(report).pipe(
        Effect.onInterrupt(() =>
          Effect.suspend(() => {
            // a hub is meant to be ended by a signal
            process.exitCode = 0
            report.out.keep()
            const updates = hub.counters.messagesReceived
            return report.tell(`stopping: ${grouped(updates)} updates received`, { type: "stopping", updates })
          })
        )
      )
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Layer.provide(
          Intentra.layer({ host, port, key: Option.getOrUndefined(key), psk: Option.getOrUndefined(psk), allow }),
          Logger.minimumLogLevel(LogLevel.Warning)
        )
      ),
      Effect.catchTag("IntentraError", (error) =>
        Effect.fail(new CliError({ reason: "Transport", detail: error.message, cause: error })))
    )
  })
