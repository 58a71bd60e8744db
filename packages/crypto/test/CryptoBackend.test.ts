import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import {
  Aead,
  CryptoError,
  type CryptoErrorReason,
  Hash,
  Hkdf,
  layerNoble,
  layerNode,
  Mac,
  noble,
  node,
  X25519
} from "../src/index.js"
import { backends } from "./support.js"

for (const [backend, services] of [[noble, layerNoble], [node, layerNode]] as const) {
  layer(services)(`the layer of ${backend.name}`, (it) => {
    it.effect("provides every service, each from its own backend", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* Aead, backend.aead)
        assert.strictEqual(yield* X25519, backend.x25519)
        assert.strictEqual(yield* Hash, backend.hash)
        assert.strictEqual(yield* Mac, backend.mac)
        assert.strictEqual(yield* Hkdf, backend.hkdf)
      }))
  })
}

it("backends are told apart by name", () => {
  assert.deepStrictEqual(backends.map((backend) => backend.name), ["noble", "node"])
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
