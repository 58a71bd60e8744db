import * as Effect from "effect/Effect"
import type { CliError } from "../CliError.js"
export const runBench = (_: unknown): Effect.Effect<void, CliError> => Effect.void
