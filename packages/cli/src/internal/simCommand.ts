import * as Effect from "effect/Effect"
import type { CliError } from "../CliError.js"
export const runSim = (_: unknown): Effect.Effect<void, CliError> => Effect.void
