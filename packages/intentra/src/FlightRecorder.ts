/**
 * Records all that goes into a transport - datagrams, calls, clock readings, drawn entropy, authorizer verdicts - and the
 * datagrams that come out, so that `Replay` can run the same minutes again, byte for byte.
 *
 * **A recording is key material**: it begins with the static key and the PSK, and whoever reads it reads all traffic of
 * the transport. It is off by default.
 *
 * @since 0.1.0
 */
import { Entropy } from "@intentra/crypto"
import type { UdpSocketShape } from "@intentra/udp"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Runtime from "effect/Runtime"
import type { HandshakeOptions } from "./Handshake.js"
import type { HandshakeGateOptions } from "./HandshakeGate.js"
import { plainConcerns } from "./internal/plainConcerns.js"
import * as SecretFile from "./internal/secretFile.js"
import { recordEntropy, Tape } from "./internal/tape.js"
import * as Format from "./internal/tapeFormat.js"
import { TapeWriter } from "./internal/tapeWriter.js"
import type { RateLimiterOptions } from "./RateLimiter.js"
import * as StaticKey from "./StaticKey.js"
import type { Settings } from "./TransportOptions.js"

/**
 * | reason | when |
 * | --- | --- |
 * | `Exists` | the file exists: a recording is never overwritten or continued |
 * | `Unwritable` | the file could not be made |
 * | `NoKey` | the transport's handshake is not that of `layerConcerns`, so its key cannot be recorded |
 * | `Busy` | a recorder is for one transport, and has one |
 * | `WriteFailed` | writing failed on the way: the recording ends there, the transport goes on |
 * | `Overrun` | the disk fell more than 64 MiB behind: the recording ends there, the transport goes on |
 *
 * @since 0.1.0
 * @category errors
 */
export class FlightRecorderError extends Data.TaggedError("FlightRecorderError")<{
  readonly reason: "Exists" | "Unwritable" | "NoKey" | "Busy" | "WriteFailed" | "Overrun"
  readonly path: string
  readonly cause?: unknown
}> {
  /** What, where, and how to mend it. */
  override get message(): string {
    const { cause, path, reason } = this
    switch (reason) {
      case "Exists":
        return `the recording ${path} exists and is not overwritten: give another name, or move it away first`
      case "Unwritable":
        return `cannot make the recording ${path}: ${SecretFile.explain(cause)}`
      case "NoKey":
        return `cannot record to ${path}: a recording needs the static key, make the handshake with layerConcerns`
      case "Busy":
        return `the recorder of ${path} has a transport already: give each its own file`
      case "WriteFailed":
        return `writing the recording ${path} failed (${
          SecretFile.explain(cause)
        }): it ends here, the transport goes on`
      case "Overrun":
        return `the disk of the recording ${path} is too slow for this traffic: it ends here, the transport goes on`
    }
  }
}

/**
 * How a recording goes.
 *
 * @since 0.1.0
 * @category models
 */
export interface FlightRecorderStatus {
  /** Bytes of the file, those that still wait for the disk included. */
  readonly bytes: number
  /** Why it has ended before the transport. */
  readonly failure: FlightRecorderError | undefined
}

/**
 * A recording that is being made.
 *
 * @since 0.1.0
 * @category models
 */
export interface FlightRecorderShape {
  readonly path: string
  readonly status: Effect.Effect<FlightRecorderStatus>
  /** @internal */
  readonly tape: Tape
  /** @internal The secrets of the transport to come, for its header. */
  readonly keep: (options: HandshakeOptions) => void
  /** @internal The transport is about to be made: writes the header. */
  readonly begin: (socket: UdpSocketShape, settings: Settings) => Effect.Effect<void, FlightRecorderError>
}

/**
 * Options of the concerns that a replay must make again; those of `IntentraOptions` are more than enough.
 *
 * @since 0.1.0
 * @category models
 */
export interface RecordedOptions extends RateLimiterOptions {
  readonly gate?: HandshakeGateOptions | undefined
  readonly replayWindow?: number | undefined
  readonly strikeLimit?: number | undefined
  readonly strikeWindow?: Duration.DurationInput | undefined
}

const make = (
  path: string,
  options: RecordedOptions
): Effect.Effect<FlightRecorderShape, FlightRecorderError, never> =>
  Effect.gen(function*() {
    const runtime = yield* Effect.runtime<never>()
    const descriptor = yield* Effect.try({
      try: () => SecretFile.create(path),
      catch: (cause) =>
        new FlightRecorderError({ reason: SecretFile.isTaken(cause) ? "Exists" : "Unwritable", path, cause })
    })
    let failure: FlightRecorderError | undefined
    const writer = new TapeWriter(descriptor, (reason, cause) => {
      failure = new FlightRecorderError({ reason, path, cause })
      Runtime.runFork(runtime)(Effect.logError(failure.message))
    })
    const tape = new Tape(writer)
    let secrets: HandshakeOptions | undefined
    let begun = false
    return {
      path,
      status: Effect.sync(() => ({ bytes: writer.bytes, failure })),
      tape,
      keep: (options) => {
        secrets = options
      },
      begin: (socket, settings) =>
        Effect.suspend(() => {
          if (begun) return Effect.fail(new FlightRecorderError({ reason: "Busy", path }))
          if (secrets === undefined) return Effect.fail(new FlightRecorderError({ reason: "NoKey", path }))
          begun = true
          writer.raw(new TextEncoder().encode(Format.stringify(headerOf(socket, settings, options, secrets))))
          secrets = undefined
          tape.begin()
          return Effect.void
        })
    }
  })

const headerOf = (
  socket: UdpSocketShape,
  settings: Settings,
  options: RecordedOptions,
  secrets: HandshakeOptions
): Format.Header => ({
  key: StaticKey.encode(Redacted.value(secrets.key)),
  psk: secrets.psk === undefined ? null : StaticKey.encode(Redacted.value(secrets.psk)),
  socket: {
    host: socket.localAddress.host,
    port: socket.localAddress.port,
    maxDatagramBytes: socket.maxDatagramBytes,
    outboxDatagrams: socket.outbox.capacity,
    outboxBytes: socket.outbox.arena.length
  },
  settings: { ...settings },
  concerns: plainConcerns(options)
})

/**
 * The recorder of one transport. `Intentra.layer({ record: path })` and `INTENTRA_RECORD` set one up; a program that
 * composes its own layers gives {@link FlightRecorder.layer} to `layerConcerns` and `Intentra.layerCore`.
 *
 * @since 0.1.0
 * @category tags
 */
export class FlightRecorder extends Context.Tag("intentra/FlightRecorder")<FlightRecorder, FlightRecorderShape>() {
  /**
   * A recorder into a new file (mode 0600), with the entropy that the transport must draw from. The file is written in
   * the background, each second, when the process exits, and when the scope closes. Fails with `Exists` and
   * `Unwritable`.
   */
  static readonly layer = (
    path: string,
    options: RecordedOptions = {}
  ): Layer.Layer<FlightRecorder | Entropy, FlightRecorderError, Entropy> =>
    Layer.scopedContext(
      Effect.gen(function*() {
        const entropy = yield* Entropy
        const recorder = yield* Effect.acquireRelease(make(path, options), ({ tape }) =>
          Effect.async<void>((resume) => {
            tape.writer.record(Format.FINISHED, 0)
            tape.writer.close(() => resume(Effect.void))
          }))
        yield* Effect.logWarning(`recording to ${path}: it holds keys, whoever reads it reads all traffic`)
        return Context.make(FlightRecorder, recorder).pipe(
          Context.add(Entropy, recordEntropy(entropy, recorder.tape))
        )
      })
    )
}
