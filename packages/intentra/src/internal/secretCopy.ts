import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { IntentraError } from "../IntentraError.js"
import { KEY_BYTES } from "../StaticKey.js"
import { invalidOption } from "./invalidOption.js"

/**
 * A copy of a secret of 32 bytes, overwritten when the scope closes. Fails with `InvalidOptions` when it has another
 * length; `name` is what the error calls it.
 */
export const secretCopy = (
  name: string,
  secret: Redacted.Redacted<Uint8Array>
): Effect.Effect<Uint8Array, IntentraError, Scope.Scope> =>
  Effect.suspend(() => {
    const bytes = Redacted.value(secret)
    if (bytes.length !== KEY_BYTES) {
      return Effect.fail(
        invalidOption(
          `${name} has ${bytes.length} bytes, but must have ${KEY_BYTES}: make one with "intentra keygen"`
        )
      )
    }
    return Effect.acquireRelease(Effect.sync(() => bytes.slice()), (copy) => Effect.sync(() => copy.fill(0)))
  })
