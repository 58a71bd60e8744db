import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Duration, Effect, Layer, Logger, Redacted } from "effect"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Intentra, IntentraLive, StaticKey } from "../../src/index.js"
import { fromEnvironment } from "../../src/internal/config.js"
import { key } from "./harness.js"

const secret = (n: number): string => StaticKey.encode(Redacted.value(key(n)))

const publicOf = (n: number) => Effect.provide(StaticKey.publicKey(key(n)), StaticKey.layer)

type Environment = { readonly [name: string]: string }

const provider = (environment: Environment) =>
  Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment)), { pathDelim: "_" }))

/** As the process environment is read: one flat name for each value. */
const options = (environment: Environment) => Effect.provide(fromEnvironment, provider(environment))

const live = (environment: Environment) =>
  Effect.map(
    Layer.build(Layer.provide(IntentraLive, provider(environment))),
    (context) => Context.get(context, Intentra)
  )

const quiet = Effect.provide(Logger.remove(Logger.defaultLogger))

/** A file with this text, until the scope closes. */
const file = (content: string) =>
  Effect.gen(function*() {
    const folder = yield* Effect.acquireRelease(
      Effect.promise(() => mkdtemp(join(tmpdir(), "intentra-"))),
      (path) => Effect.promise(() => rm(path, { recursive: true }))
    )
    const path = join(folder, "key")
    yield* Effect.promise(() => writeFile(path, content))
    return path
  })

describe("IntentraLive", () => {
  it.scopedLive("without any variable: loopback, a free port, a key of its own, nobody admitted", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      const transport = yield* Effect.provide(live({}), Logger.replace(Logger.defaultLogger, logger))
      assert.strictEqual(transport.address.host, "127.0.0.1")
      assert.isAbove(transport.address.port, 0)
      assert.strictEqual(lines.filter((line) => line.includes(StaticKey.encode(transport.publicKey))).length, 1)
      const found = yield* options({})
      assert.isUndefined(found.allow)
      assert.isUndefined(found.key)
    }))

  it.scopedLive("host, port and key are those of the environment", () =>
    Effect.gen(function*() {
      const first = yield* live({ INTENTRA_KEY: secret(5), INTENTRA_HOST: "0.0.0.0" })
      assert.deepStrictEqual(first.publicKey, yield* publicOf(5))
      assert.strictEqual(first.address.host, "0.0.0.0")
      const port = yield* Effect.scoped(Effect.map(live({ INTENTRA_KEY: secret(5) }), (one) => one.address.port))
      const second = yield* live({ INTENTRA_KEY: secret(5), INTENTRA_PORT: `${port}` })
      assert.strictEqual(second.address.port, port)
    }).pipe(quiet))

  it.scopedLive("a key file has the same effect as the key itself, comments and blank lines aside", () =>
    Effect.gen(function*() {
      const path = yield* file(`# the key of this host\n\n${secret(6)}   # made in spring\n`)
      assert.deepStrictEqual((yield* live({ INTENTRA_KEY_FILE: path })).publicKey, yield* publicOf(6))
    }))

  it.scopedLive("INTENTRA_ALLOW and INTENTRA_PSK decide who comes in", () =>
    Effect.gen(function*() {
      const allow = StaticKey.encode(yield* publicOf(2))
      const hub = yield* live({ INTENTRA_KEY: secret(1), INTENTRA_ALLOW: allow, INTENTRA_PSK: secret(9) })
      const target = { host: "127.0.0.1", port: hub.address.port, publicKey: hub.publicKey }
      const join = (n: number, environment: Environment) =>
        Effect.scoped(Effect.flatMap(
          live({ INTENTRA_KEY: secret(n), INTENTRA_HANDSHAKE_TIMEOUT: "300 millis", ...environment }),
          (client) => Effect.either(Effect.asVoid(client.connect(target)))
        ))
      const outcome = (n: number, environment: Environment) =>
        Effect.map(join(n, environment), (result) => result._tag === "Right" ? "in" : result.left.reason)
      assert.strictEqual(yield* outcome(2, { INTENTRA_PSK: secret(9) }), "in")
      assert.strictEqual(yield* outcome(3, { INTENTRA_PSK: secret(9) }), "Refused")
      assert.strictEqual(yield* outcome(2, { INTENTRA_PSK: secret(8) }), "HandshakeTimeout")
    }))
})

describe("options from the environment", () => {
  it.effect("every variable becomes its option", () =>
    Effect.gen(function*() {
      const found = yield* options({
        INTENTRA_HOST: "::1",
        INTENTRA_PORT: "7000",
        INTENTRA_KEY: secret(1),
        INTENTRA_PSK: secret(2),
        INTENTRA_ALLOW: `${secret(3)}, ${secret(4)}`,
        INTENTRA_MAX_SESSIONS: "50",
        INTENTRA_PACKETS_PER_SECOND: "200",
        INTENTRA_BURST: "20",
        INTENTRA_IDLE_TIMEOUT: "2 minutes",
        INTENTRA_HANDSHAKE_TIMEOUT: "3 seconds",
        INTENTRA_KEEPALIVE: "10 seconds",
        INTENTRA_SEND_QUEUE: "64",
        INTENTRA_DELIVERY_QUEUE: "128"
      })
      assert.deepStrictEqual(found.key === undefined ? undefined : Redacted.value(found.key), Redacted.value(key(1)))
      assert.deepStrictEqual(found.psk === undefined ? undefined : Redacted.value(found.psk), Redacted.value(key(2)))
      assert.deepStrictEqual(found.allow, [Redacted.value(key(3)), Redacted.value(key(4))])
      assert.deepStrictEqual([found.host, found.port], ["::1", 7000])
      assert.deepStrictEqual(
        [found.maxSessions, found.packetsPerSecond, found.burst, found.sendQueue, found.deliveryQueue],
        [50, 200, 20, 64, 128]
      )
      assert.deepStrictEqual(
        [found.idleTimeout, found.handshakeTimeout, found.keepalive].map((it) => Duration.toMillis(it ?? 0)),
        [120_000, 3000, 10_000]
      )
    }))

  it.effect("`any` admits everybody", () =>
    Effect.map(options({ INTENTRA_ALLOW: " any " }), (found) => assert.strictEqual(found.allow, "any")))

  it.effect("the key goes before the key file", () =>
    Effect.gen(function*() {
      const found = yield* options({ INTENTRA_KEY: secret(1), INTENTRA_KEY_FILE: "/nowhere" })
      assert.deepStrictEqual(found.key === undefined ? undefined : Redacted.value(found.key), Redacted.value(key(1)))
    }))

  const wrong: ReadonlyArray<readonly [name: string, value: string]> = [
    ["INTENTRA_PORT", "http"],
    ["INTENTRA_PORT", "70000"],
    ["INTENTRA_PORT", "-1"],
    ["INTENTRA_KEY", "c2hvcnQ="],
    ["INTENTRA_KEY", ""],
    ["INTENTRA_PSK", "not a key"],
    ["INTENTRA_ALLOW", "everybody"],
    ["INTENTRA_MAX_SESSIONS", "many"],
    ["INTENTRA_MAX_SESSIONS", "1.5"],
    ["INTENTRA_PACKETS_PER_SECOND", "fast"],
    ["INTENTRA_BURST", "x"],
    ["INTENTRA_IDLE_TIMEOUT", "a while"],
    ["INTENTRA_HANDSHAKE_TIMEOUT", "5 parsecs"],
    ["INTENTRA_KEEPALIVE", "often"],
    ["INTENTRA_SEND_QUEUE", "long"],
    ["INTENTRA_DELIVERY_QUEUE", "-"]
  ]
  it.effect.each(wrong)(
    "a value that cannot be read fails, naming its variable: %s=%s",
    ([name, value]) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(options({ [name]: value }))
        // whatever the form of the error, its text is what an operator sees
        assert.include(String(error).replaceAll(/["',[\]\s.]+/g, "_"), name)
      })
  )

  it.scoped("a key that cannot be read is never repeated in the error", () =>
    Effect.gen(function*() {
      const damaged = `${secret(77).slice(0, 40)}!!!!`
      const path = yield* file(`# ours\n${damaged}\n`)
      for (
        const environment of [
          { INTENTRA_KEY: damaged },
          { INTENTRA_PSK: damaged },
          { INTENTRA_KEY_FILE: path }
        ]
      ) {
        const error = yield* Effect.flip(options(environment))
        const shown = `${String(error)} ${JSON.stringify(error)}`
        for (let at = 0; at + 6 <= 40; at += 6) assert.notInclude(shown, damaged.slice(at, at + 6))
      }
    }))

  it.scoped("a key file that is not there, is empty, or has two keys is an error that names the file", () =>
    Effect.gen(function*() {
      const paths = [
        join(tmpdir(), "no-such-intentra-key"),
        yield* file("# nothing\n"),
        yield* file(`${secret(1)}\n${secret(2)}\n`)
      ]
      for (const path of paths) {
        const error = yield* Effect.flip(options({ INTENTRA_KEY_FILE: path }))
        assert.isTrue(error._tag === "IntentraError" && error.reason === "InvalidOptions")
        assert.include(String(error), path)
      }
    }))
})
