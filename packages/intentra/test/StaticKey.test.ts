import { assert, describe, it } from "@effect/vitest"
import { Entropy, layerNode } from "@intentra/crypto"
import { Effect, Either, FastCheck as fc, Layer, Redacted } from "effect"
import { createPrivateKey, createPublicKey } from "node:crypto"
import * as StaticKey from "../src/StaticKey.js"

const key = fc.uint8Array({ minLength: 32, maxLength: 32 })

const primitives = Layer.merge(layerNode, Entropy.layer)

/** X25519 by another way: the key in PKCS #8, and OpenSSL's own derivation. */
const publicOf = (secret: Uint8Array): Uint8Array => {
  const der = Buffer.concat([Buffer.from("302e020100300506032b656e04220420", "hex"), secret])
  const jwk = createPublicKey(createPrivateKey({ key: der, format: "der", type: "pkcs8" })).export({ format: "jwk" })
  return Uint8Array.from(Buffer.from(jwk.x ?? "", "base64url"))
}

describe("StaticKey", () => {
  it.prop("a key is read from its text, base64 or base64url, padded or not, with space around it", [key], ([bytes]) => {
    const text = StaticKey.encode(bytes)
    assert.strictEqual(text.length, 44)
    const url = Buffer.from(bytes).toString("base64url")
    for (const form of [text, text.slice(0, 43), url, `${url}=`, `  ${text}\n`]) {
      assert.deepStrictEqual(StaticKey.decode(form), Either.right(bytes))
    }
  })

  it.prop(
    "a key that is a view is written without the bytes around it",
    [fc.uint8Array({ minLength: 40, maxLength: 80 }), fc.nat(8)],
    ([backing, offset]) => {
      const view = backing.subarray(offset, offset + 32)
      assert.strictEqual(StaticKey.encode(view), StaticKey.encode(view.slice()))
    }
  )

  it.prop(
    "text that is not exactly 32 bytes of base64 is refused by name, and is not repeated in the error",
    [fc.oneof(
      fc.base64String({ minLength: 16, maxLength: 40 }),
      fc.base64String({ minLength: 48, maxLength: 100 }),
      key.map((bytes) => `${StaticKey.encode(bytes)}=`),
      key.map((bytes) => `${StaticKey.encode(bytes).slice(0, 20)}!${StaticKey.encode(bytes).slice(21)}`),
      fc.constant("")
    )],
    ([text]) => {
      const decoded = StaticKey.decode(text, "the hub's key")
      assert.isTrue(Either.isLeft(decoded))
      if (Either.isLeft(decoded)) {
        assert.strictEqual(decoded.left.reason, "InvalidOptions")
        assert.include(decoded.left.message, "the hub's key")
        assert.include(decoded.left.message, "32")
        if (text !== "") assert.notInclude(decoded.left.message, text)
      }
    }
  )

  it.prop(
    "a list is read whatever separates its keys, comments left out",
    [
      fc.array(key, { maxLength: 8 }),
      fc.array(fc.constantFrom(",", "\n", " , ", "\n\n", "\t", " # a comment, with a comma\n", "\r\n"), {
        minLength: 8,
        maxLength: 8
      })
    ],
    ([keys, separators]) => {
      const text = keys.map((bytes, i) => StaticKey.encode(bytes) + separators[i]).join("")
      assert.deepStrictEqual(StaticKey.decodeList(`# first line\n${text}`), Either.right(keys))
    }
  )

  it("an error in a list says in which line", () => {
    const good = StaticKey.encode(new Uint8Array(32))
    const decoded = StaticKey.decodeList(`${good}\n# fine\n${good}, broken\n`, "peers.txt")
    assert.isTrue(Either.isLeft(decoded))
    if (Either.isLeft(decoded)) assert.include(decoded.left.message, "peers.txt, line 3")
  })

  it.effect("a generated pair belongs together, is 32 bytes each, and is never the same twice", () =>
    Effect.gen(function*() {
      const seen = new Set<string>()
      for (let i = 0; i < 20; i++) {
        const pair = yield* StaticKey.generate
        const secret = Redacted.value(pair.secretKey)
        assert.strictEqual(secret.length, StaticKey.KEY_BYTES)
        assert.deepStrictEqual(pair.publicKey, publicOf(secret))
        assert.deepStrictEqual(yield* StaticKey.publicKey(pair.secretKey), pair.publicKey)
        seen.add(StaticKey.encode(secret))
      }
      assert.strictEqual(seen.size, 20)
    }).pipe(Effect.provide(primitives)))

  it.effect("equal entropy gives equal keys", () =>
    Effect.gen(function*() {
      const from = (seed: string) =>
        Effect.provide(StaticKey.generate, Layer.merge(layerNode, Entropy.layerSeeded(seed)))
      const [a, b, c] = yield* Effect.all([from("one"), from("one"), from("two")])
      assert.deepStrictEqual(a.publicKey, b.publicKey)
      assert.notDeepEqual(a.publicKey, c.publicKey)
    }))

  it.effect("the secret half is not shown when a pair is printed", () =>
    Effect.gen(function*() {
      const pair = yield* StaticKey.generate
      const secret = Redacted.value(pair.secretKey)
      const shown = `${JSON.stringify(pair)} ${String(pair.secretKey)}`
      assert.notInclude(shown, Buffer.from(secret).toString("base64"))
      assert.notInclude(shown, Array.from(secret).join(","))
    }).pipe(Effect.provide(primitives)))
})
