/** `intentra peer`: every line of its input is one update for the hub. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { CloseReason } from "intentra/CloseReason"
import { Intentra } from "intentra/Intentra"
import type { ConnectOptions, IntentraShape } from "intentra/Intentra"
import { IntentraError } from "intentra/IntentraError"
import type { Peer } from "intentra/Peer"
import { SendOptions } from "intentra/SendOptions"
import * as StaticKey from "intentra/StaticKey"
import { CliError } from "../CliError.js"
import { formatEndpoint } from "./endpoint.js"
import { Lines } from "./lines.js"
import { withLogFormat } from "./logging.js"
import type { LogFormat } from "./logging.js"
import { flushed, fromTransport, INTENT_NAMES, INTENTS, outbound } from "./outbound.js"
import type { IntentName, OutboundOptions } from "./outbound.js"
import { Settings } from "./settings.js"
import { Console, grouped, writeJson } from "./terminal.js"

export interface PeerOptions extends OutboundOptions {
  readonly rate: Option.Option<number>
  readonly input: string
  readonly intent: Option.Option<IntentName>
  readonly config: Option.Option<string>
  readonly logFormat: Option.Option<LogFormat>
  readonly json: boolean
}

/** The options that nothing else may be said about, when all places have been looked at. */
interface Manner {
  readonly rate: number
  readonly intent: IntentName
  readonly json: boolean
}

/** Between 0.2 s and 15 s, jittered, so that a fleet does not come back in step. */
const backoff = Schedule.exponential("250 millis").pipe(
  Schedule.union(Schedule.spaced("15 seconds")),
  Schedule.jittered
)

/** How long the last updates wait for a hub that says nothing. */
const LAST_WORDS_MS = 5_000

/** How far behind its rate a peer may be and still send faster for a moment. */
const CATCH_UP_MS = 20

/** A hub that has never answered is asked so often: with a wrong public key or network key it stays silent for ever. */
const FIRST_ATTEMPTS = 3

/** Reasons that another attempt does not mend. */
const isFinal = (error: IntentraError): boolean => {
  switch (error.reason) {
    case "HandshakeTimeout":
      return false
    case "Refused":
      return error.closeReason === "AuthFail"
    case "SessionClosed":
      return error.closeReason === "Replaced" || error.closeReason === "AuthFail"
    default:
      return true
  }
}

const closed = (reason: CloseReason): IntentraError =>
  new IntentraError({
    reason: "SessionClosed",
    detail: reason === "Replaced"
      ? "another process with this key has joined the hub, which keeps one session for each key: give each its own"
      : `the session ended (${reason})`,
    closeReason: reason
  })

/** One run of the command over as many sessions as it takes. */
class Sending {
  sent = 0
  skipped = 0
  /** Reliable updates of all sessions that the hub has never acknowledged. */
  unacknowledged = 0
  connected = false
  private nextAt = -Infinity
  private unsent: Uint8Array | undefined = undefined
  private readonly sendOptions: SendOptions
  private readonly encoder = new TextEncoder()
  private readonly out: Console

  constructor(
    readonly options: Manner,
    readonly hub: IntentraShape,
    readonly target: ConnectOptions,
    readonly lines: Lines
  ) {
    this.sendOptions = SendOptions.make({ intent: INTENTS[options.intent] })
    this.out = new Console(options.json)
  }

  tell(text: string, record: { readonly type: string; readonly [field: string]: unknown }): Effect.Effect<void> {
    return Effect.sync(() => this.options.json ? writeJson(record) : this.out.line(text))
  }

  /** One session, until the input has ended. */
  readonly session: Effect.Effect<void, IntentraError | CliError, Scope.Scope> = Effect.gen(this, function*() {
    const peer = yield* this.hub.connect(this.target)
    this.connected = true
    const ended = yield* Deferred.make<never, IntentraError>()
    yield* this.hub.events.pipe(
      Stream.runForEach((event) =>
        event._tag === "PeerClosed" && event.peer === peer ? Deferred.fail(ended, closed(event.reason)) : Effect.void
      ),
      Effect.forkScoped
    )
    const address = formatEndpoint(peer.address)
    yield* this.tell(`connected to ${address}`, { type: "connected", address, hub: peer.id })
    yield* Effect.raceFirst(this.pump(peer), Deferred.await(ended)).pipe(
      Effect.ensuring(Effect.map(peer.stats, ({ unacknowledged }) => {
        this.unacknowledged += unacknowledged
      }))
    )
  })

  private pump(peer: Peer): Effect.Effect<void, IntentraError | CliError> {
    return Effect.gen(this, function*() {
      for (;;) {
        this.unsent ??= yield* this.next
        if (this.unsent === undefined) break
        yield* this.pace
        yield* this.send(peer, this.unsent)
        this.unsent = undefined
      }
      yield* flushed(peer, LAST_WORDS_MS)
    })
  }

  /** The next line that is not empty. */
  private readonly next: Effect.Effect<Uint8Array | undefined, CliError> = Effect.suspend(() => this.lines.next).pipe(
    Effect.repeat({ until: (line) => line !== "" }),
    Effect.map((line) => line === undefined ? undefined : this.encoder.encode(line))
  )

  /** At most `rate` a second; what a late timer missed is caught up with. */
  private readonly pace: Effect.Effect<void> = Effect.suspend(() => {
    const now = performance.now()
    const at = Math.max(this.nextAt, now - CATCH_UP_MS)
    this.nextAt = at + 1000 / this.options.rate
    return at > now ? Effect.sleep(at - now) : Effect.void
  })

  private send(peer: Peer, update: Uint8Array): Effect.Effect<void, IntentraError> {
    return peer.send(update, this.sendOptions).pipe(
      Effect.map(() => {
        this.sent++
      }),
      Effect.catchAll((error) => {
        if (error.reason === "SessionClosed") return Effect.fail(closed(peer.closeReason ?? "PeerClosed"))
        this.skipped++
        return this.tell(`skipped an update: ${error.message}`, { type: "skipped", message: error.message })
      })
    )
  }
}

/** Session after session, until the input has ended or another attempt would change nothing. */
const persist = (sending: Sending): Effect.Effect<void, CliError> =>
  Effect.gen(function*() {
    const driver = yield* Schedule.driver(backoff)
    let sentBefore = -1
    for (let attempt = 1;; attempt++) {
      const failure = yield* Effect.scoped(sending.session).pipe(
        Effect.as(undefined),
        Effect.catchTag("IntentraError", (error) => Effect.succeed(error))
      )
      if (failure === undefined) return
      if (isFinal(failure) || (!sending.connected && attempt === FIRST_ATTEMPTS)) {
        return yield* fromTransport(failure)
      }
      if (sending.sent !== sentBefore) yield* driver.reset
      sentBefore = sending.sent
      yield* sending.tell(`${failure.message}; connecting again`, {
        type: "disconnected",
        reason: failure.closeReason ?? failure.reason,
        message: failure.message
      })
      yield* Effect.ignore(driver.next(undefined))
    }
  })

const run = (options: PeerOptions, settings: Settings): Effect.Effect<void, CliError> =>
  Effect.gen(function*() {
    const { layer, target } = yield* outbound(settings, options)
    const rate = yield* settings.number("rate", options.rate, 0.001, 100_000)
    const intent = yield* settings.choice("intent", options.intent, INTENT_NAMES)
    const manner: Manner = {
      rate: Option.getOrElse(rate, () => 200),
      intent: Option.getOrElse(intent, () => "realtime"),
      json: options.json
    }
    const lines = yield* Lines.open(options.input)
    yield* Effect.flatMap(Intentra, (hub) =>
      Effect.gen(function*() {
        const sending = new Sending(manner, hub, target, lines)
        const ours = StaticKey.encode(hub.publicKey)
        yield* sending.tell(`our public key ${ours}`, { type: "key", publicKey: ours })
        yield* persist(sending)
        const { sent, skipped, unacknowledged } = sending
        const missing = unacknowledged === 0 ? "" : `, not acknowledged ${grouped(unacknowledged)}`
        yield* sending.tell(
          `end of input: sent ${grouped(sent)} updates${
            skipped === 0 ? "" : `, skipped ${grouped(skipped)}`
          }${missing}`,
          { type: "summary", sent, skipped, unacknowledged }
        )
        if (unacknowledged > 0) {
          return yield* new CliError({
            reason: "Delivery",
            detail: `${formatEndpoint(target)} has not acknowledged ${grouped(unacknowledged)} of ${
              grouped(sent)
            } updates`
          })
        }
      })).pipe(
        Effect.provide(layer),
        Effect.catchTag("IntentraError", (error) => Effect.fail(fromTransport(error)))
      )
  })

export const runPeer = (options: PeerOptions): Effect.Effect<void, CliError> =>
  Effect.flatMap(
    Settings.open(options.config),
    (settings) => run(options, settings).pipe(withLogFormat(settings, options.logFormat))
  )
