/**
 * Key files: one secret in base64 on a line of its own, `#` begins a comment. The same form holds a static key and the
 * network's pre-shared key; an allow-list has one public key per line.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as StaticKey from "intentra/StaticKey"
import * as Fs from "node:fs/promises"
import { CliError } from "./CliError.js"

const codeOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error ? String(error.code) : "unknown error"

const whyOf = (code: string): string => {
  switch (code) {
    case "ENOENT":
      return "no such file or folder"
    case "EACCES":
    case "EPERM":
    case "ERR_ACCESS_DENIED":
      return "permission denied"
    case "EISDIR":
      return "it is a folder"
    case "ENOSPC":
      return "no space left"
    case "EROFS":
      return "the file system is read-only"
    default:
      return code
  }
}

const failed = (detail: string, cause?: unknown): CliError => new CliError({ reason: "KeyFile", detail, cause })

const save = async (path: string, text: string): Promise<void> => {
  const file = await Fs.open(path, "wx", 0o600)
  try {
    await file.writeFile(text)
    await file.close()
  } catch (error) {
    await file.close().catch(() => {})
    await Fs.rm(path, { force: true })
    throw error
  }
}

/**
 * Makes a new key and a file for it that only its owner may read (mode 0600 from the moment it exists). Never
 * overwrites. Answers with the public key in base64.
 *
 * @since 0.1.0
 * @category constructors
 */
export const create = (path: string): Effect.Effect<string, CliError> =>
  Effect.gen(function*() {
    const pair = yield* StaticKey.generate
    const publicKey = StaticKey.encode(pair.publicKey)
    const secret = StaticKey.encode(Redacted.value(pair.secretKey))
    yield* Effect.tryPromise({
      try: () => save(path, `# public key: ${publicKey}\n${secret}\n`),
      catch: (cause) => {
        const code = codeOf(cause)
        return code === "EEXIST"
          ? failed(`${path} exists and is not overwritten: give another name, or move it away first`, cause)
          : failed(`cannot write the key file ${path}: ${whyOf(code)}`, cause)
      }
    })
    return publicKey
  }).pipe(Effect.provide(StaticKey.layer))

const readText = (path: string, what: string, mend: string): Effect.Effect<string, CliError> =>
  Effect.tryPromise({
    try: () => Fs.readFile(path, "utf8"),
    catch: (cause) => failed(`cannot read the ${what} ${path}: ${whyOf(codeOf(cause))}; ${mend}`, cause)
  })

/**
 * The secret of a key file. `what` names the file in errors.
 *
 * @since 0.1.0
 * @category constructors
 */
export const read = (path: string, what = "key file"): Effect.Effect<Redacted.Redacted<Uint8Array>, CliError> =>
  Effect.gen(function*() {
    const text = yield* readText(path, what, `"intentra keygen ${path}" makes one`)
    const keys = yield* Effect.mapError(
      StaticKey.decodeList(text, `${what} ${path}`),
      (error) => failed(error.message, error)
    )
    if (keys.length !== 1) {
      return yield* failed(
        `the ${what} ${path} has ${keys.length} keys, but must have one: "intentra keygen" makes one`
      )
    }
    return Redacted.make(keys[0])
  })

/**
 * The public keys of an allow-list.
 *
 * @since 0.1.0
 * @category constructors
 */
export const readAllowList = (path: string): Effect.Effect<ReadonlyArray<Uint8Array>, CliError> =>
  Effect.gen(function*() {
    const text = yield* readText(path, "allow-list", "it has one public key per line; \"--allow any\" admits everybody")
    return yield* Effect.mapError(
      StaticKey.decodeList(text, `allow-list ${path}`),
      (error) => failed(error.message, error)
    )
  })
