/**
 * Runs a recording of `FlightRecorder` again: the same transport on the same datagrams, calls, clock readings, entropy
 * and verdicts, without a socket or a clock, and compares every datagram that it sends with the recorded one.
 *
 * @since 0.1.0
 */
import { Entropy } from "@intentra/crypto"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Fs from "node:fs"
import * as DropReason from "./DropReason.js"
import type { Intent } from "./Intent.js"
import type { IntentraOptions } from "./Intentra.js"
import { layerConcerns, layerPrimitives } from "./internal/concerns.js"
import { Player } from "./internal/player.js"
import * as SecretFile from "./internal/secretFile.js"
import { servicesOf } from "./internal/servicesOf.js"
import * as Format from "./internal/tapeFormat.js"
import { TapeDamage, TapeReader } from "./internal/tapeReader.js"
import * as TransportOptions from "./TransportOptions.js"

/**
 * | reason | when |
 * | --- | --- |
 * | `Unreadable` | the file could not be opened or read |
 * | `NotARecording` | it does not begin as a recording does |
 * | `UnsupportedVersion` | another release wrote it |
 * | `Truncated` | it ends within a chunk: the disk was full, or the machine died; `allowTruncated` replays what is there |
 * | `Corrupt` | a checksum is wrong, or a record cannot be |
 *
 * `offset` is the byte of the file where that was seen.
 *
 * @since 0.1.0
 * @category errors
 */
export class ReplayError extends Data.TaggedError("ReplayError")<{
  readonly reason: "Unreadable" | "NotARecording" | "UnsupportedVersion" | "Truncated" | "Corrupt"
  readonly path: string
  readonly offset: number
  readonly detail: string
  readonly cause?: unknown
}> {
  /** What, where, and how to mend it. */
  override get message(): string {
    const { detail, offset, path, reason } = this
    const where = `the recording ${path} at byte ${offset}: ${detail}`
    switch (reason) {
      case "Unreadable":
        return `cannot read the recording ${path}: ${detail}`
      case "NotARecording":
        return `${path} is no recording of a flight recorder: ${detail}`
      case "UnsupportedVersion":
        return `cannot replay ${where}; use the release that wrote it`
      case "Truncated":
        return `cannot replay all of ${where}; allowTruncated replays what is there`
      case "Corrupt":
        return `cannot replay ${where}; it was changed or damaged after it was written`
    }
  }
}

/**
 * How strictly a recording is read.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReplayOptions {
  /** Takes a file that ends within a chunk for one that ends before it. Default false: `Truncated`. */
  readonly allowTruncated?: boolean | undefined
}

/**
 * A message that the replayed transport delivered.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReplayedMessage {
  /** 16 hexadecimal digits of the SHA-256 of the sender's static key, as `peer.id`. */
  readonly peer: string
  /** The sender's static key, 32 bytes. */
  readonly publicKey: Uint8Array
  readonly intent: Intent
  readonly payload: Uint8Array
  /** Milliseconds since the first clock reading. */
  readonly receivedAt: number
}

/**
 * The first thing that the replayed transport did otherwise.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReplayDifference {
  /** The input it belongs to, counted from 1; 0 while the transport was made. */
  readonly input: number
  /** How many datagrams were equal before. */
  readonly datagram: number
  /** Where in the file, in bytes. */
  readonly offset: number
  readonly detail: string
  /** The datagram as recorded, and as replayed, where there is one. */
  readonly recorded: Uint8Array | undefined
  readonly replayed: Uint8Array | undefined
}

/**
 * What a replay saw.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReplayReport {
  /** undefined: everything was the same, byte for byte. Otherwise the replay ended there. */
  readonly difference: ReplayDifference | undefined
  /** Whether the recorder was closed in good order; false after a crash, or when recording failed on the way. */
  readonly complete: boolean
  /** Received batches, alarms, flushes and calls that were replayed. */
  readonly inputs: number
  /** Turns of the transport. */
  readonly turns: number
  /** Sent datagrams that were equal. */
  readonly datagrams: number
  /** Datagrams that came in. */
  readonly received: number
  /** Milliseconds from the first to the last clock reading. */
  readonly elapsed: number
  /** What was delivered, in order. */
  readonly messages: ReadonlyArray<ReplayedMessage>
  /** Dropped packets and messages by reason; reasons that did not occur are left out. */
  readonly drops: { readonly [Reason in DropReason.DropReason]?: number }
  /** Exceptions that the transport threw: the defects that a recording is made for. */
  readonly defects: ReadonlyArray<unknown>
}

/** Inputs between two pauses, so that a long replay can be interrupted. */
const STRIDE = 1024
const MAX_OUTBOX_BYTES = 64 * 2 ** 20

/**
 * Replays a file. A difference is part of the report; damage is an error.
 *
 * @since 0.1.0
 * @category constructors
 */
export const run = (path: string, options: ReplayOptions = {}): Effect.Effect<ReplayReport, ReplayError> =>
  Effect.scoped(
    Effect.gen(function*() {
      const attempt = <A>(body: () => A): Effect.Effect<A, ReplayError> =>
        Effect.try({
          try: body,
          catch: (error) =>
            error instanceof TapeDamage
              ? new ReplayError({
                reason: error.reason,
                path,
                offset: error.offset,
                detail: error.message,
                cause: error.cause
              })
              : new ReplayError({ reason: "Corrupt", path, offset: 0, detail: String(error), cause: error })
        })
      const descriptor = yield* open(path)
      const reader = yield* attempt(() => new TapeReader(descriptor, options.allowTruncated === true))
      const header = yield* attempt(() => headerOf(reader))
      const player = yield* attempt(() => new Player(reader, header))
      const reference = yield* Effect.orDie(TransportOptions.check({}))
      const settings = yield* attempt(() => settingsOf(reader, reference, header.settings))
      const services = yield* Effect.mapError(
        makeServices(header, player),
        (error) => new ReplayError({ reason: "Corrupt", path, offset: 0, detail: error.message, cause: error })
      )
      yield* attempt(() => player.begin(settings, services))
      while (!player.isDone) {
        yield* attempt(() => player.advance(STRIDE))
        yield* Effect.yieldNow()
      }
      return reportOf(player)
    })
  )

const open = (path: string): Effect.Effect<number, ReplayError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.try({
      try: () => Fs.openSync(path, "r"),
      catch: (cause) =>
        new ReplayError({ reason: "Unreadable", path, offset: 0, detail: SecretFile.explain(cause), cause })
    }),
    (descriptor) => Effect.sync(() => Fs.closeSync(descriptor))
  )

type Fields = { readonly [name: string]: unknown }

const isRecord = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isCount = (value: unknown, min: number, max: number): value is number =>
  Number.isInteger(value) && Number(value) >= min && Number(value) <= max

const isKey = (value: unknown): value is string =>
  typeof value === "string" && Buffer.from(value, "base64").length === 32

const headerOf = (reader: TapeReader): Format.Header => {
  const chunk = reader.wholeChunk()
  if (chunk === undefined) throw reader.corrupt("it has no header")
  let header: unknown
  try {
    header = Format.parse(new TextDecoder().decode(chunk))
  } catch {
    throw reader.corrupt("its header cannot be read")
  }
  if (!isRecord(header)) throw reader.corrupt("its header is no record")
  const { concerns, key, psk, settings, socket } = header
  if (!isKey(key) || !(psk === null || isKey(psk))) throw reader.corrupt("its header has no key")
  if (!isRecord(settings) || !isRecord(concerns) || !isRecord(socket)) {
    throw reader.corrupt("its header has no options")
  }
  const { host, maxDatagramBytes, outboxBytes, outboxDatagrams, port } = socket
  if (
    typeof host !== "string" || !isCount(port, 0, 65_535) || !isCount(maxDatagramBytes, 1, 65_536) ||
    !isCount(outboxDatagrams, 1, 65_536) || !isCount(outboxBytes, 2048, MAX_OUTBOX_BYTES)
  ) throw reader.corrupt("its header has no socket")
  return { key, psk, settings, concerns, socket: { host, port, maxDatagramBytes, outboxBytes, outboxDatagrams } }
}

/** Options that the recording does not know have the default of this release. */
const settingsOf = (
  reader: TapeReader,
  reference: TransportOptions.Settings,
  recorded: Fields
): TransportOptions.Settings => {
  const settings: { [name: string]: unknown } = { ...reference }
  for (const [name, value] of Object.entries(recorded)) {
    if (!(name in reference)) continue
    if (typeof value !== typeof settings[name] || Number.isNaN(value)) {
      throw reader.corrupt(`its header has ${name} = ${String(value)}`)
    }
    settings[name] = value
  }
  return settings as unknown as TransportOptions.Settings
}

const secret = (text: string): Redacted.Redacted<Uint8Array> =>
  Redacted.make(Uint8Array.from(Buffer.from(text, "base64")))

const makeServices = (header: Format.Header, player: Player) =>
  Effect.gen(function*() {
    const concerns: IntentraOptions = {
      ...header.concerns,
      key: secret(header.key),
      psk: header.psk === null ? undefined : secret(header.psk)
    }
    const primitives = Layer.merge(layerPrimitives, Layer.succeed(Entropy, player.entropy))
    const context = yield* Layer.build(Layer.provide(layerConcerns(concerns), primitives))
    return () => servicesOf(Context.add(context, Entropy, player.entropy))
  })

const reportOf = (player: Player): ReplayReport => {
  const drops: { [Reason in DropReason.DropReason]?: number } = {}
  for (const reason of DropReason.all) {
    const count = player.counters.dropped(reason)
    if (count > 0) drops[reason] = count
  }
  return {
    difference: player.difference,
    complete: player.isComplete,
    inputs: player.inputs,
    turns: player.counters.turns,
    datagrams: player.datagrams,
    received: player.received,
    elapsed: player.elapsed,
    messages: player.messages,
    drops,
    defects: player.defects
  }
}
