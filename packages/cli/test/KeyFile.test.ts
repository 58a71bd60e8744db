import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { StaticKey } from "intentra"
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { KeyFile } from "../src/index.js"

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "intentra-keys-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

describe("KeyFile", () => {
  it.scoped("a new key file is for its owner alone, whatever the umask", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "a.key")
      const umask = process.umask(0)
      yield* KeyFile.create(path).pipe(Effect.ensuring(Effect.sync(() => process.umask(umask))))
      assert.strictEqual(statSync(path).mode & 0o777, 0o600)
    }))

  it.scoped("the secret that is read belongs to the public key that was told and noted", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "a.key")
      const told = yield* KeyFile.create(path)
      const secret = yield* KeyFile.read(path)
      const publicKey = yield* Effect.provide(StaticKey.publicKey(secret), StaticKey.layer)
      assert.strictEqual(StaticKey.encode(publicKey), told)
      const text = readFileSync(path, "utf8")
      assert.strictEqual(text, `# public key: ${told}\n${StaticKey.encode(Redacted.value(secret))}\n`)
    }))

  it.scoped("a file that exists is refused and stays as it is", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "a.key")
      writeFileSync(path, "precious")
      const error = yield* Effect.flip(KeyFile.create(path))
      assert.strictEqual(error.reason, "KeyFile")
      assert.match(error.message, /exists and is not overwritten/)
      assert.strictEqual(readFileSync(path, "utf8"), "precious")
    }))

  it.scoped("two keys are never the same", () =>
    Effect.gen(function*() {
      const at = yield* folder
      assert.notStrictEqual(yield* KeyFile.create(join(at, "a")), yield* KeyFile.create(join(at, "b")))
    }))

  it.scoped("an allow-list has one public key per line, with comments", () =>
    Effect.gen(function*() {
      const at = yield* folder
      const keys = [yield* KeyFile.create(join(at, "a")), yield* KeyFile.create(join(at, "b"))]
      const path = join(at, "allowed.keys")
      writeFileSync(path, `# fleet\n${keys[0]} # roof\n\n${keys[1]}\n`)
      assert.deepStrictEqual((yield* KeyFile.readAllowList(path)).map(StaticKey.encode), keys)
    }))

  it.scoped("errors name the file and what is wrong with it", () =>
    Effect.gen(function*() {
      const at = yield* folder
      const path = join(at, "a.key")
      assert.match((yield* Effect.flip(KeyFile.read(path))).message, /a\.key: no such file or folder; "intentra keygen/)
      assert.match(
        (yield* Effect.flip(KeyFile.create(join(at, "no/a.key")))).message,
        /no\/a\.key: no such file or folder/
      )
      writeFileSync(path, "# nothing\n")
      assert.match((yield* Effect.flip(KeyFile.read(path))).message, /a\.key has 0 keys, but must have one/)
      writeFileSync(path, "# nothing\nrubbish\n")
      assert.match((yield* Effect.flip(KeyFile.read(path))).message, /a\.key, line 2: .* must be 32 bytes in base64/)
      assert.match((yield* Effect.flip(KeyFile.readAllowList(path))).message, /allow-list .*a\.key, line 2/)
    }))
})
