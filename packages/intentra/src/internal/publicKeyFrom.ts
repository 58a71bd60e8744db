import * as Effect from "effect/Effect"
import type { IntentraError } from "../IntentraError.js"
import * as StaticKey from "../StaticKey.js"
import { invalidOption } from "./invalidOption.js"

/** A public key from an option: 32 bytes, or base64. Fails with `InvalidOptions`, which calls it by its name. */
export const publicKeyFrom = (key: Uint8Array | string, name: string): Effect.Effect<Uint8Array, IntentraError> =>
  typeof key === "string"
    ? Effect.suspend(() => StaticKey.decode(key, name))
    : key.length === StaticKey.KEY_BYTES
    ? Effect.succeed(key)
    : Effect.fail(invalidOption(`${name} has ${key.length} bytes, but must have ${StaticKey.KEY_BYTES}`))
