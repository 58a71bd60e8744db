import * as Effect from "effect/Effect"
import type { IntentraError } from "../IntentraError.js"
import { invalidOption } from "./invalidOption.js"

/** An option that must lie in a range (Infinity only when the range ends there), or its default. */
export const checkedNumber = (
  name: string,
  given: number | undefined,
  fallback: number,
  min: number,
  max: number,
  integer = true
): Effect.Effect<number, IntentraError> => {
  const value = given ?? fallback
  return value >= min && value <= max && (!integer || Number.isInteger(value) || value === Infinity)
    ? Effect.succeed(value)
    : Effect.fail(
      invalidOption(`${name} is ${value}, but must be ${integer ? "an integer" : "a number"} from ${min} to ${max}`)
    )
}
