/** `intentra listen`: writes every message that arrives. */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Delivery } from "intentra/Delivery"
import { Intentra } from "intentra/Intentra"
import type { IntentraError } from "intentra/IntentraError"
import * as StaticKey from "intentra/StaticKey"
import type { CliError } from "../CliError.js"
import { contentOf, printableContent } from "./content.js"
import { formatEndpoint } from "./endpoint.js"
import { inbound } from "./inbound.js"
import type { InboundOptions } from "./inbound.js"
import { limitsOf } from "./limits.js"
import { LineWriter } from "./lineWriter.js"
import { withLogFormat } from "./logging.js"
import type { LogFormat } from "./logging.js"
import { Settings } from "./settings.js"
import { Console } from "./terminal.js"
import { transportFailed } from "./transportFailed.js"

export interface ListenOptions extends InboundOptions {
  /** 0: without end. */
  readonly count: number
  readonly config: Option.Option<string>
  readonly logFormat: Option.Option<LogFormat>
  readonly json: boolean
}

const recordOf = ({ intent, payload, peer }: Delivery): string =>
  `${
    JSON.stringify({
      type: "message",
      peer: peer.id,
      publicKey: StaticKey.encode(peer.publicKey),
      intent,
      ...contentOf(payload)
    })
  }\n`

const write = (options: ListenOptions): Effect.Effect<void, IntentraError, Intentra> =>
  Effect.gen(function*() {
    const hub = yield* Intentra
    const data = new LineWriter()
    const address = formatEndpoint(hub.address)
    const publicKey = StaticKey.encode(hub.publicKey)
    if (options.json) yield* Effect.promise(() => data.json({ type: "listening", address, publicKey }))
    else new Console(true).line(`listening on ${address}, public key ${publicKey}`)
    const messages = options.count === 0 ? hub.deliveries : Stream.take(hub.deliveries, options.count)
    const lineOf = options.json ? recordOf : (it: Delivery) => `${printableContent(it.payload)}\n`
    yield* Stream.runForEachChunk(messages, (chunk) =>
      Effect.promise(() => data.write(Chunk.toReadonlyArray(chunk).map(lineOf).join(""))))
  })

export const runListen = (options: ListenOptions): Effect.Effect<void, CliError> =>
  Effect.flatMap(Settings.open(options.config), (settings) =>
    Effect.gen(function*() {
      const { allowed, at } = yield* inbound(settings, options)
      const allow = allowed._tag === "Any" ? "any" as const : allowed.keys
      const limits = yield* limitsOf(settings)
      yield* write(options).pipe(
        Effect.onInterrupt(() =>
          Effect.sync(() => {
            // it is meant to be ended by a signal
            process.exitCode = 0
          })
        ),
        Effect.provide(
          Layer.provide(
            Intentra.layer({ ...limits, ...at, allow }),
            Logger.minimumLogLevel(LogLevel.Warning)
          )
        ),
        Effect.catchTag("IntentraError", (error) => Effect.fail(transportFailed(error)))
      )
    }).pipe(withLogFormat(settings, options.logFormat)))
