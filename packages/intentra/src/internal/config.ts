import * as Config from "effect/Config"
import * as ConfigError from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { readFile } from "node:fs/promises"
import type { IntentraOptions } from "../Intentra.js"
import type { IntentraError } from "../IntentraError.js"
import * as StaticKey from "../StaticKey.js"
import { invalidOption } from "./invalidOption.js"

const key = (name: string): Config.Config<Option.Option<Redacted.Redacted<Uint8Array>>> =>
  Config.option(
    Config.redacted(name).pipe(
      Config.mapOrFail((text) =>
        Either.mapBoth(StaticKey.decode(Redacted.value(text), `INTENTRA_${name}`), {
          onLeft: (error) => ConfigError.InvalidData([name], error.message),
          onRight: (bytes) => Redacted.make(bytes)
        })
      )
    )
  )

const allow = Config.option(
  Config.string("ALLOW").pipe(
    Config.mapOrFail((text): Either.Either<ReadonlyArray<Uint8Array> | "any", ConfigError.ConfigError> =>
      text.trim() === "any"
        ? Either.right("any")
        : Either.mapLeft(
          StaticKey.decodeList(text, "INTENTRA_ALLOW"),
          (error) => ConfigError.InvalidData(["ALLOW"], error.message)
        )
    )
  )
)

const settings = Config.nested(
  Config.all({
    host: Config.option(Config.string("HOST")),
    port: Config.option(
      Config.integer("PORT").pipe(
        Config.validate({
          message: "must be from 0 (any free port) to 65535",
          validation: (port) => port >= 0 && port <= 65_535
        })
      )
    ),
    key: key("KEY"),
    keyFile: Config.option(Config.string("KEY_FILE")),
    psk: key("PSK"),
    allow,
    maxSessions: Config.option(Config.integer("MAX_SESSIONS")),
    packetsPerSecond: Config.option(Config.number("PACKETS_PER_SECOND")),
    burst: Config.option(Config.number("BURST")),
    idleTimeout: Config.option(Config.duration("IDLE_TIMEOUT")),
    handshakeTimeout: Config.option(Config.duration("HANDSHAKE_TIMEOUT")),
    keepalive: Config.option(Config.duration("KEEPALIVE")),
    sendQueue: Config.option(Config.integer("SEND_QUEUE")),
    deliveryQueue: Config.option(Config.integer("DELIVERY_QUEUE")),
    record: Config.option(Config.string("RECORD")),
    keyLog: Config.option(Config.string("KEYLOG"))
  }),
  "INTENTRA"
)

/** A secret key from a file: the first line that is no comment. */
const readKeyFile = (path: string): Effect.Effect<Redacted.Redacted<Uint8Array>, IntentraError> =>
  Effect.gen(function*() {
    const text = yield* Effect.tryPromise({
      try: () => readFile(path, "utf8"),
      catch: (cause) =>
        invalidOption(`cannot read the key file ${path}: make one with "intentra keygen ${path}"`, cause)
    })
    // a secret: what stands there must not be repeated in an error
    const words = text.split("\n").map((line) => line.replace(/#.*/, "").trim()).filter((line) => line !== "")
    const keys = yield* Either.all(words.map((word) => StaticKey.decode(word, `the key in the file ${path}`)))
    if (keys.length !== 1) {
      return yield* invalidOption(`the key file ${path} has ${keys.length} keys, but must have one`)
    }
    return Redacted.make(keys[0])
  })

/** Options as the environment has them. */
export const fromEnvironment: Effect.Effect<IntentraOptions, IntentraError | ConfigError.ConfigError> = Effect.gen(
  function*() {
    const { key: inline, keyFile, ...found } = yield* settings
    const secret = Option.isSome(inline)
      ? inline
      : Option.isSome(keyFile)
      ? Option.some(yield* readKeyFile(keyFile.value))
      : Option.none()
    return {
      key: Option.getOrUndefined(secret),
      host: Option.getOrUndefined(found.host),
      port: Option.getOrUndefined(found.port),
      psk: Option.getOrUndefined(found.psk),
      allow: Option.getOrUndefined(found.allow),
      maxSessions: Option.getOrUndefined(found.maxSessions),
      packetsPerSecond: Option.getOrUndefined(found.packetsPerSecond),
      burst: Option.getOrUndefined(found.burst),
      idleTimeout: Option.getOrUndefined(found.idleTimeout),
      handshakeTimeout: Option.getOrUndefined(found.handshakeTimeout),
      keepalive: Option.getOrUndefined(found.keepalive),
      sendQueue: Option.getOrUndefined(found.sendQueue),
      deliveryQueue: Option.getOrUndefined(found.deliveryQueue),
      record: Option.getOrUndefined(found.record),
      keyLog: Option.getOrUndefined(found.keyLog)
    }
  }
)
