import { FfiError } from "@intentra/ffi"
import * as Config from "effect/Config"
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import type { CryptoBackend } from "../CryptoBackend.js"
import { noble } from "../Noble.js"
import { node } from "../Node.js"

const wanted = Config.literal("noble", "node", "openssl")("INTENTRA_CRYPTO").pipe(Config.withDefault("best"))

/** @internal */
export const bestFrom = (openSsl: () => CryptoBackend | FfiError): Effect.Effect<CryptoBackend, ConfigError> =>
  Effect.gen(function*() {
    const choice = yield* wanted
    if (choice === "noble") return noble
    if (choice === "node") return node
    const backend = openSsl()
    if (!(backend instanceof FfiError)) return backend
    if (choice === "openssl") {
      yield* Effect.logWarning(`INTENTRA_CRYPTO=openssl: ${backend.message}; node:crypto is used`)
    }
    return node
  })
