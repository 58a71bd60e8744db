/** `intentra peer`: every line of its input is one update for the hub. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
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
import * as KeyFile from "../KeyFile.js"
import { formatEndpoint, parseEndpoint } from "./endpoint.js"
import { Lines } from "./lines.js"
import { Console, grouped, writeJson } from "./terminal.js"

export interface PeerOptions {
  readonly connect: string
  readonly serverKey: string
  readonly key: Option.Option<string>
  readonly psk: Option.Option<string>
  readonly rate: number
  readonly input: string
  readonly intent: "realtime" | "sequenced" | "reliable"
  readonly json: boolean
}

/** Between 0.2 s and 15 s, jittered, so that a fleet does not come back in step. */
const backoff = Schedule.exponential("250 millis").pipe(
  Schedule.union(Schedule.spaced("15 seconds")),
  Schedule.jittered
)

/** How long the last updates wait for a hub that says nothing. */
const LAST_WORDS_MS = 5_000

const INTENTS = { realtime: "Realtime", sequenced: "Sequenced", reliable: "Reliable" } as const

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
  connected = false
  private nextAt = -Infinity
  private unsent: Uint8Array | undefined = undefined
  private readonly sendOptions: SendOptions
  private readonly encoder = new TextEncoder()
  private readonly out: Console

  constructor(
    readonly options: PeerOptions,
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
    yield* Effect.raceFirst(this.pump(peer), Deferred.await(ended))
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
      yield* flushed(peer)
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

/** Nothing waits to be sent or to be acknowledged any more, or the hub does not answer. */
const flushed = (peer: Peer): Effect.Effect<void> =>
  peer.stats.pipe(
    Effect.repeat({
      schedule: Schedule.spaced("5 millis"),
      until: (stats) => (stats.queued === 0 && stats.unacknowledged === 0) || stats.silence > LAST_WORDS_MS
    }),
    Effect.asVoid
  )

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
        const reason = failure.reason === "SocketFailed" ? "Transport" : "Refused"
        return yield* new CliError({ reason, detail: failure.message, cause: failure })
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

export const runPeer = (options: PeerOptions): Effect.Effect<void, CliError> =>
  Effect.gen(function*() {
    const endpoint = yield* parseEndpoint("--connect", options.connect, 1)
    const publicKey = yield* Effect.mapError(
      StaticKey.decode(options.serverKey, "--server-key"),
      (error) => new CliError({ reason: "InvalidArgument", detail: error.message, cause: error })
    )
    const key = yield* Effect.transposeMapOption(options.key, (path) => KeyFile.read(path))
    const psk = yield* Effect.transposeMapOption(options.psk, (path) => KeyFile.read(path, "network key file"))
    const lines = yield* Lines.open(options.input)
    const host = endpoint.host.includes(":") ? "::" : "0.0.0.0"
    yield* Effect.flatMap(Intentra, (hub) =>
      Effect.gen(function*() {
        const sending = new Sending(options, hub, { ...endpoint, publicKey }, lines)
        const ours = StaticKey.encode(hub.publicKey)
        yield* sending.tell(`our public key ${ours}`, { type: "key", publicKey: ours })
        yield* persist(sending)
        const { sent, skipped } = sending
        yield* sending.tell(
          `end of input: sent ${grouped(sent)} updates${skipped === 0 ? "" : `, skipped ${grouped(skipped)}`}`,
          { type: "summary", sent, skipped }
        )
      })).pipe(
        Effect.provide(
          Layer.provide(
            Intentra.layer({ host, key: Option.getOrUndefined(key), psk: Option.getOrUndefined(psk) }),
            Logger.minimumLogLevel(LogLevel.Warning)
          )
        ),
        Effect.catchTag("IntentraError", (error) =>
          Effect.fail(new CliError({ reason: "Transport", detail: error.message, cause: error })))
      )
  })
