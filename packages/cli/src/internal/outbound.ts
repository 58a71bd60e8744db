/** What every command that connects to a hub asks for. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import { Intentra } from "intentra/Intentra"
import type { ConnectOptions } from "intentra/Intentra"
import type { IntentraError } from "intentra/IntentraError"
import type { Peer, PeerStats } from "intentra/Peer"
import * as StaticKey from "intentra/StaticKey"
import { CliError } from "../CliError.js"
import { parseEndpoint } from "./endpoint.js"
import { limitsOf } from "./limits.js"
import { keyOf, pskOf } from "./secrets.js"
import type { Settings } from "./settings.js"

export interface OutboundOptions {
  readonly connect: Option.Option<string>
  readonly serverKey: Option.Option<string>
  readonly key: Option.Option<string>
  readonly psk: Option.Option<string>
}

export interface Outbound {
  readonly target: ConnectOptions
  readonly layer: Layer.Layer<Intentra, IntentraError>
}

export const INTENTS = { realtime: "Realtime", sequenced: "Sequenced", reliable: "Reliable" } as const

export type IntentName = keyof typeof INTENTS

export const INTENT_NAMES = ["realtime", "sequenced", "reliable"] as const

export const outbound = (settings: Settings, options: OutboundOptions): Effect.Effect<Outbound, CliError> =>
  Effect.gen(function*() {
    const connect = yield* settings.required("connect", options.connect, "where the hub listens, as HOST:PORT")
    const endpoint = yield* parseEndpoint(connect.label, connect.text, 1)
    const server = yield* settings.required(
      "server-key",
      options.serverKey,
      "the hub's public key in base64, which the hub prints when it starts"
    )
    const publicKey = yield* Effect.mapError(
      StaticKey.decode(server.text, server.label),
      (error) => new CliError({ reason: "InvalidArgument", detail: error.message, cause: error })
    )
    const key = yield* keyOf(settings, options.key)
    const psk = yield* pskOf(settings, options.psk)
    const host = endpoint.host.includes(":") ? "::" : "0.0.0.0"
    return {
      target: { ...endpoint, publicKey },
      layer: Layer.provide(
        Intentra.layer({ ...yield* limitsOf(settings), host, key, psk }),
        Logger.minimumLogLevel(LogLevel.Warning)
      )
    }
  })

/** The hub's answer, or the network's, as an error of the command. */
export const fromTransport = (error: IntentraError): CliError => {
  const reason = error.reason === "SocketFailed" || error.reason === "InvalidOptions" ? "Transport" : "Refused"
  return new CliError({ reason, detail: error.message, cause: error })
}

const isFlushed = (stats: PeerStats): boolean => stats.queued === 0 && stats.unacknowledged === 0

/**
 * Nothing waits to be sent or to be acknowledged any more, or the hub has said nothing for so many milliseconds; which
 * of the two.
 */
export const flushed = (peer: Peer, patience: number): Effect.Effect<boolean> =>
  peer.stats.pipe(
    Effect.repeat({
      schedule: Schedule.spaced("5 millis"),
      until: (stats) => isFlushed(stats) || stats.silence > patience || peer.closeReason !== undefined
    }),
    Effect.zipRight(peer.stats),
    Effect.map(isFlushed)
  )
