import * as Effect from "effect/Effect"
import { types } from "node:util"
import { IntentraError } from "../IntentraError.js"
import { SendOptions } from "../SendOptions.js"
import type { SendOptionsInput } from "../SendOptions.js"
import { invalidOption } from "./invalidOption.js"

const notBytes = (payload: unknown) =>
  invalidOption(
    `the payload is ${
      payload === null ? "null" : typeof payload === "object" ? "another object" : typeof payload
    }, not a ` +
      "Uint8Array: encode text with new TextEncoder().encode(text), wrap a buffer with new Uint8Array(buffer)"
  )

/**
 * Goes on with checked options, or fails with the `InvalidOptions` that names the field and its range, or says that the
 * payload is none: without types an array of numbers or a text would go out as something else.
 */
export const withSendOptions = <A>(
  payload: Uint8Array,
  options: SendOptions | SendOptionsInput | undefined,
  use: (checked: SendOptions) => Effect.Effect<A, IntentraError>
): Effect.Effect<A, IntentraError> =>
  Effect.suspend(() => {
    if (!types.isUint8Array(payload)) return notBytes(payload)
    let checked: SendOptions
    try {
      checked = SendOptions.from(options)
    } catch (error) {
      return error instanceof IntentraError ? Effect.fail(error) : Effect.die(error)
    }
    return use(checked)
  })
