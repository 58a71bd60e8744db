import { assert, describe, it, layer } from "@effect/vitest"
import { FfiError } from "@intentra/ffi"
import { ConfigProvider, Context, Effect, Layer, Logger } from "effect"
import { readFileSync } from "node:fs"
import {
  Aead,
  type CryptoBackend,
  CryptoError,
  type CryptoErrorReason,
  CryptoInfo,
  Hash,
  Hkdf,
  layerBest,
  layerNoble,
  layerNode,
  layerOpenSsl,
  Mac,
  noble,
  node,
  openSsl,
  X25519
} from "../src/index.js"
import { bestFrom } from "../src/internal/bestFrom.js"
import { backends } from "./support.js"

const native = openSsl()

for (
  const [backend, services] of [
    [noble, layerNoble],
    [node, layerNode],
    ...("aead" in native ? [[native, Layer.orDie(layerOpenSsl)] as const] : [])
  ] as const
) {
  layer(services)(`the layer of ${backend.name}`, (it) => {
    it.effect("provides every service, each from its own backend", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* Aead, backend.aead)
        assert.strictEqual(yield* X25519, backend.x25519)
        assert.strictEqual(yield* Hash, backend.hash)
        assert.strictEqual(yield* Mac, backend.mac)
        assert.strictEqual(yield* Hkdf, backend.hkdf)
        assert.deepStrictEqual(yield* CryptoInfo, { name: backend.name })
      }))
  })
}

it("backends are told apart by name", () => {
  const names = ["noble", "node", "openssl"]
  assert.deepStrictEqual(backends.map((backend) => backend.name), names.slice(0, backends.length) as Array<never>)
})

it("the OpenSSL backend is made once", () => {
  assert.strictEqual(openSsl(), native)
})

describe("the fastest backend", () => {
  const missing = new FfiError({ reason: "KoffiMissing", detail: "not installed" })

  /** The name of what is taken, and the lines that are logged. */
  const taken = (config: ReadonlyArray<readonly [string, string]>, openSsl: CryptoBackend | FfiError) =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make(({ logLevel, message }) => void lines.push(`${logLevel.label} ${String(message)}`))
      const backend = yield* bestFrom(() => openSsl).pipe(
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map(config))),
        Effect.provide(Logger.replace(Logger.defaultLogger, logger))
      )
      return [backend.name, ...lines]
    })

  const stand: CryptoBackend = { ...node, name: "openssl" }

  it.effect("is OpenSSL where it is there, else node:crypto, without a word", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* taken([], stand), ["openssl"])
      assert.deepStrictEqual(yield* taken([], missing), ["node"])
    }))

  it.effect("is the one that INTENTRA_CRYPTO forces", () =>
    Effect.gen(function*() {
      for (const name of ["noble", "node", "openssl"]) {
        assert.deepStrictEqual(yield* taken([["INTENTRA_CRYPTO", name]], stand), [name])
      }
    }))

  it.effect("is node:crypto, and one line says why, where OpenSSL is forced and not there", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* taken([["INTENTRA_CRYPTO", "openssl"]], missing), [
        "node",
        `WARN INTENTRA_CRYPTO=openssl: ${missing.message}; node:crypto is used`
      ])
    }))

  it.effect("asks for no native calls where another one is forced", () =>
    Effect.gen(function*() {
      const backend = yield* bestFrom(() => assert.fail("asked")).pipe(
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["INTENTRA_CRYPTO", "noble"]])))
      )
      assert.strictEqual(backend, noble)
    }))

  it.effect("is a config error for a name that is none", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(taken([["INTENTRA_CRYPTO", "rot13"]], stand))
      assert.match(String(error), /INTENTRA_CRYPTO/)
    }))

  it.effect("is what layerBest provides, and CryptoInfo tells which one it is", () =>
    Effect.gen(function*() {
      const context = yield* Layer.build(layerBest)
      const wanted = "aead" in native ? native : node
      assert.strictEqual(Context.get(context, Aead), wanted.aead)
      assert.deepStrictEqual(Context.get(context, CryptoInfo), { name: wanted.name })
    }).pipe(Effect.scoped, Effect.withConfigProvider(ConfigProvider.fromMap(new Map()))))
})

it("the noble module loads nothing of Node, itself or through its imports", () => {
  const loaded = new Set<string>()
  const load = (url: URL): void => {
    if (loaded.has(url.pathname)) return
    loaded.add(url.pathname)
    const source = readFileSync(url, "utf8")
    for (const [, specifier] of source.matchAll(/^(?:import|export) (?!type )[^"]*"([^"]+)"/gms)) {
      assert.notMatch(specifier, /^node:|^crypto$/, url.pathname)
      if (specifier.startsWith(".")) load(new URL(specifier.replace(/\.js$/, ".ts"), url))
    }
  }
  load(new URL("../src/Noble.ts", import.meta.url))
  assert.isAbove(loaded.size, 8)
})

describe("CryptoError", () => {
  const reasons: Record<CryptoErrorReason, RegExp> = {
    KeyLength: /^Aead\.makeKey: .*31 bytes, not 32; pass/,
    AllZeroSharedSecret: /^Aead\.makeKey: .*; abort/,
    InfoLength: /^Aead\.makeKey: .*31 bytes, at most 32 .*; pass/,
    OutputLength: /^Aead\.makeKey: 31 bytes .*; ask for .* 0 to 32$/
  }

  it.each(Object.entries(reasons))("%s says where, what, and how to mend it", (reason, message) => {
    const error = new CryptoError({
      reason: reason as CryptoErrorReason,
      operation: "Aead.makeKey",
      expected: 32,
      actual: 31
    })
    assert.match(error.message, message)
    assert.strictEqual(error._tag, "CryptoError")
  })
})
