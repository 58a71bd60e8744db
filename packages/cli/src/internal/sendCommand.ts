/** `intentra send`: messages to a hub over one session, and whether they arrived. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { Intentra } from "intentra/Intentra"
import type { IntentraError } from "intentra/IntentraError"
import { SendOptions } from "intentra/SendOptions"
import { CliError } from "../CliError.js"
import { formatEndpoint } from "./endpoint.js"
import { Lines } from "./lines.js"
import { withLogFormat } from "./logging.js"
import type { LogFormat } from "./logging.js"
import { flushed, fromTransport, INTENT_NAMES, INTENTS, outbound } from "./outbound.js"
import type { IntentName, Outbound, OutboundOptions } from "./outbound.js"
import { Settings } from "./settings.js"
import { Console, grouped, writeJson } from "./terminal.js"

export interface CliSendOptions extends OutboundOptions {
  readonly message: Option.Option<string>
  readonly intent: Option.Option<IntentName>
  /** Seconds. */
  readonly timeout: number
  readonly config: Option.Option<string>
  readonly logFormat: Option.Option<LogFormat>
  readonly json: boolean
}

const encoder = new TextEncoder()

/** The message, or line after line; empty lines are messages too. */
const messagesOf = (
  message: Option.Option<string>
): Effect.Effect<Effect.Effect<string | undefined, CliError>, CliError> => {
  if (Option.isNone(message)) return Effect.map(Lines.open("-"), (lines) => lines.next)
  let next: string | undefined = message.value
  return Effect.succeed(Effect.sync(() => {
    const current = next
    next = undefined
    return current
  }))
}

const deliver = (
  options: CliSendOptions,
  intent: IntentName,
  { target }: Outbound
): Effect.Effect<void, IntentraError | CliError, Intentra | Scope.Scope> =>
  Effect.gen(function*() {
    const patience = options.timeout * 1000
    const lost = (sent: number) =>
      new CliError({
        reason: "Delivery",
        detail: `${formatEndpoint(target)} has not acknowledged all of ${grouped(sent)} messages within ` +
          `${options.timeout} s`
      })
    const next = yield* messagesOf(options.message)
    const transport = yield* Intentra
    const peer = yield* transport.connect(target).pipe(
      Effect.timeoutFail({
        duration: patience,
        onTimeout: () =>
          new CliError({
            reason: "Refused",
            detail: `nobody answered at ${formatEndpoint(target)} within ${options.timeout} s: is that where the hub ` +
              "listens, and are its public key and the network's key the right ones?"
          })
      })
    )
    const how = SendOptions.make({ intent: INTENTS[intent] })
    let sent = 0
    for (let text = yield* next; text !== undefined; text = yield* next) {
      // Reliable waits while too much is unacknowledged: not for ever
      yield* peer.send(encoder.encode(text), how).pipe(
        Effect.timeoutFail({ duration: patience, onTimeout: () => lost(sent) })
      )
      sent++
    }
    const arrived = yield* flushed(peer, patience)
    const acknowledged = intent === "reliable"
    // a hub that has all it wants may end as soon as it has acknowledged that
    if (peer.closeReason !== undefined && !(arrived && acknowledged)) {
      return yield* new CliError({ reason: "Delivery", detail: `the hub ended the session (${peer.closeReason})` })
    }
    if (!arrived) return yield* lost(sent)
    if (options.json) writeJson({ type: "sent", messages: sent, intent, acknowledged })
    else {
      new Console(false).line(
        `${grouped(sent)} ${sent === 1 ? "message" : "messages"} ${acknowledged ? "arrived" : "left"}`
      )
    }
  })

export const runSend = (options: CliSendOptions): Effect.Effect<void, CliError> =>
  Effect.flatMap(Settings.open(options.config), (settings) =>
    Effect.gen(function*() {
      const out = yield* outbound(settings, options)
      const intent = yield* settings.choice("intent", options.intent, INTENT_NAMES)
      yield* Effect.scoped(deliver(options, Option.getOrElse(intent, () => "reliable"), out)).pipe(
        Effect.provide(out.layer),
        Effect.catchTag("IntentraError", (error) => Effect.fail(fromTransport(error)))
      )
    }).pipe(withLogFormat(settings, options.logFormat)))
