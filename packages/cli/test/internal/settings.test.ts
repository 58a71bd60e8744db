import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Option, Redacted } from "effect"
import { StaticKey } from "intentra"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { CliError } from "../../src/CliError.js"
import { limitsOf } from "../../src/internal/limits.js"
import { listenAt } from "../../src/internal/listenAt.js"
import { allowedOf, keyOf } from "../../src/internal/secrets.js"
import { Settings } from "../../src/internal/settings.js"

const none = Option.none()

const secret = StaticKey.encode(new Uint8Array(32).fill(7))
const other = StaticKey.encode(new Uint8Array(32).fill(8))

interface Places {
  readonly environment?: Readonly<Record<string, string>>
  readonly file?: unknown
}

/** Runs with settings from an environment and a file of these contents. */
const within = <A>({ environment = {}, file }: Places, use: (settings: Settings) => Effect.Effect<A, CliError>) =>
  Effect.gen(function*() {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "intentra-settings-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true }))
    )
    const path = join(folder, "hub.json")
    if (file !== undefined) writeFileSync(path, typeof file === "string" ? file : JSON.stringify(file))
    return yield* Effect.flatMap(Settings.open(file === undefined ? none : Option.some(path)), use)
  }).pipe(
    Effect.scoped,
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment)), { pathDelim: "_" }))
  )

const rate = (flag: Option.Option<number>) => (settings: Settings) => settings.number("rate", flag, 1, 100)

describe("Settings", () => {
  it.effect("a flag wins over the environment, and that over the file", () =>
    Effect.gen(function*() {
      const environment = { INTENTRA_RATE: "20" }
      const file = { rate: 30 }
      assert.deepStrictEqual(yield* within({ environment, file }, rate(Option.some(10))), Option.some(10))
      assert.deepStrictEqual(yield* within({ environment, file }, rate(none)), Option.some(20))
      assert.deepStrictEqual(yield* within({ file }, rate(none)), Option.some(30))
      assert.deepStrictEqual(yield* within({}, rate(none)), Option.none())
    }))

  it.effect.each<readonly [Places, Option.Option<number>, RegExp]>([
    [{}, Option.some(101), /^--rate is 101, but must be from 1 to 100$/],
    [{ environment: { INTENTRA_RATE: "fast" }, file: { rate: 3 } }, none, /^INTENTRA_RATE is fast, but must be from 1/],
    [{ file: { rate: "fast" } }, none, /^"rate" in \S*hub\.json is fast, but must be from 1 to 100$/],
    [{ file: { rate: { hz: 1 } } }, none, /^"rate" in \S*hub\.json is \{"hz":1\}, but must be a text, a number, or/],
    [{ file: { raet: 3 } }, none, /^"raet" in \S*hub\.json is no setting; there are listen, /],
    [{ file: "{rate: 3}" }, none, /hub\.json is not JSON$/],
    [{ file: "[]" }, none, /hub\.json must be one JSON object/]
  ])(
    "an error names the field, what it was, and what it may be: %j",
    ([places, flag, message]) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(within(places, rate(flag)))
        assert.strictEqual(error.reason, "InvalidArgument")
        assert.match(error.message, message)
      })
  )

  it.effect("a file that is not there is named", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Settings.open(Option.some("/no/such.json")))
      assert.match(error.message, /^cannot read the configuration \/no\/such\.json: /)
    }))

  it.effect("choices are listed", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        within(
          { environment: { INTENTRA_INTENT: "fast" } },
          (it) => it.choice("intent", none, ["realtime", "reliable"])
        )
      )
      assert.strictEqual(error.message, "INTENTRA_INTENT is fast, but must be one of realtime, reliable")
    }))

  it.effect("a key stands in the environment or the file itself, and no error shows it", () =>
    Effect.gen(function*() {
      const text = (places: Places) =>
        Effect.map(
          within(places, (settings) => keyOf(settings, none)),
          (key) => key === undefined ? undefined : StaticKey.encode(Redacted.value(key))
        )
      assert.strictEqual(yield* text({ environment: { INTENTRA_KEY: secret } }), secret)
      assert.strictEqual(yield* text({ file: { key: other } }), other)
      assert.strictEqual(yield* text({ environment: { INTENTRA_KEY: secret }, file: { "key-file": "/no" } }), secret)
      assert.isUndefined(yield* text({}))
      const wrong = secret.slice(1)
      for (const places of [{ environment: { INTENTRA_KEY: wrong } }, { file: { key: wrong } }]) {
        const error = yield* Effect.flip(text(places))
        assert.notInclude(error.message, wrong.slice(0, 8))
        assert.match(error.message, /must be 32 bytes in base64/)
      }
      const broken = yield* Effect.flip(text({ file: `{"key": "${secret}"` }))
      assert.notInclude(broken.message, secret.slice(0, 8))
    }))

  it.effect.each([
    { key: [secret, 5] },
    { key: { base64: secret } },
    { psk: { base64: secret } },
    { psk: [[secret]] }
  ])("no error shows a secret of a form that it may not have: %#", (file) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(within({ file }, (settings) => keyOf(settings, none)))
      assert.strictEqual(error.reason, "InvalidArgument")
      assert.notInclude(error.message, secret.slice(0, 8))
      assert.match(error.message, /^"(key|psk)" in \S*hub\.json is wrong, but must be a text, a number, or/)
    }))

  it.effect("who may join: any, keys one by one, or a file", () =>
    Effect.gen(function*() {
      const keys = (places: Places) => within(places, (settings) => allowedOf(settings, none))
      assert.deepStrictEqual(yield* keys({ environment: { INTENTRA_ALLOW: "any" } }), { _tag: "Any" })
      const listed = yield* keys({ file: { allow: [secret, other] } })
      assert.strictEqual(listed?._tag === "Keys" ? listed.keys.length : 0, 2)
      const error = yield* Effect.flip(keys({ environment: { INTENTRA_ALLOW_FILE: "/no/such.keys" } }))
      assert.match(error.message, /^cannot read the allow-list \/no\/such\.keys/)
      assert.isUndefined(yield* keys({}))
    }))

  it.effect("the address may come as host and port, as for the library", () =>
    Effect.gen(function*() {
      const at = (places: Places) => within(places, (settings) => listenAt(settings, none))
      assert.deepStrictEqual(yield* at({}), { host: "127.0.0.1", port: 9000 })
      assert.deepStrictEqual(yield* at({ environment: { INTENTRA_PORT: "7000" } }), { host: "127.0.0.1", port: 7000 })
      assert.deepStrictEqual(yield* at({ environment: { INTENTRA_HOST: "::" } }), { host: "::", port: 9000 })
    }))

  it.effect.each<readonly [Places, RegExp]>([
    [{ environment: { INTENTRA_PORT: "foo" } }, /^INTENTRA_PORT is foo, but must be a port from 0 to 65535$/],
    [{ environment: { INTENTRA_HOST: "a", INTENTRA_PORT: "65536" } }, /^INTENTRA_PORT is 65536, but must be a port/],
    [
      { environment: { INTENTRA_HOST: "a[" }, file: { port: 7 } },
      /^INTENTRA_HOST is "a\[", but must be a host, such as/
    ],
    [{ file: { port: 1.5 } }, /^"port" in \S*hub\.json is 1\.5, but must be a port/]
  ])(
    "a host or a port that is none is named once, with its own value: %j",
    ([places, message]) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(within(places, (settings) => listenAt(settings, none)))
        assert.strictEqual(error.reason, "InvalidArgument")
        assert.match(error.message, message)
      })
  )

  it.effect("the limits of the transport have the names of the library", () =>
    Effect.gen(function*() {
      const limits = yield* within({
        environment: { INTENTRA_MAX_SESSIONS: "5", INTENTRA_IDLE_TIMEOUT: "30 seconds" },
        file: { burst: 9, keepalive: 250, record: "a.tape" }
      }, limitsOf)
      assert.strictEqual(limits.maxSessions, 5)
      assert.strictEqual(limits.burst, 9)
      assert.strictEqual(Duration.toMillis(limits.idleTimeout ?? 0), 30_000)
      assert.strictEqual(Duration.toMillis(limits.keepalive ?? 0), 250)
      assert.strictEqual(limits.record, "a.tape")
      const error = yield* Effect.flip(within({ environment: { INTENTRA_KEEPALIVE: "soon" } }, limitsOf))
      assert.match(error.message, /^INTENTRA_KEEPALIVE is soon, but must be a duration, such as 30 seconds/)
    }))
})
