import * as Effect from "effect/Effect"
import { IntentraError } from "../IntentraError.js"
import { SendOptions } from "../SendOptions.js"
import type { SendOptionsInput } from "../SendOptions.js"

/** Goes on with checked options, or fails with the `InvalidOptions` that names the field and its range. */
export const withSendOptions = <A>(
  options: SendOptions | SendOptionsInput | undefined,
  use: (checked: SendOptions) => Effect.Effect<A, IntentraError>
): Effect.Effect<A, IntentraError> =>
  Effect.suspend(() => {
    let checked: SendOptions
    try {
      checked = SendOptions.from(options)
    } catch (error) {
      return error instanceof IntentraError ? Effect.fail(error) : Effect.die(error)
    }
    return use(checked)
  })
