/**
 * `npm run bench`: the command line of this process.
 *
 * @since 0.1.0
 */
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { stripVTControlCharacters } from "node:util"
import { bench } from "./Command.js"

/** 128 and the number of SIGINT, as shells have it. */
const INTERRUPTED = 130

const oneLine = (text: string): string => stripVTControlCharacters(text).trim().replace(/\s*\n\s*/g, "; ")

const lineOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  if (ValidationError.isValidationError(error)) return oneLine(HelpDoc.toAnsiText(error.error))
  return error instanceof Error ? error.message : String(error)
}

/** Help, coloured for terminals only. */
const writeHelp = (text: string): void => {
  const coloured = process.stdout.isTTY && process.env.NO_COLOR === undefined
  process.stdout.write(`${coloured ? text : stripVTControlCharacters(text)}\n`)
}

/** What the parser of the arguments complains of is told once, in one line. */
const withOutput = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(Effect.console, (console) =>
    Console.withConsole(effect, {
      ...console,
      log: (...parts) => Effect.sync(() => writeHelp(parts.join(" ").trimEnd())),
      error: () => Effect.void
    }))

// whoever read our output has left: nobody is there to be told
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1))
process.stderr.on("error", () => {})

const args = process.argv.slice(2)

Command.run(bench, { name: "bench", version: "0.1.0", executable: "npm run bench --" })([
  "node",
  "bench",
  ...(args.length === 0 ? ["--help"] : args)
]).pipe(
  withOutput,
  Effect.provide(NodeContext.layer),
  Effect.provide(CliConfig.layer({ showBuiltIns: false })),
  Effect.catchAllCause((cause) =>
    Cause.isInterruptedOnly(cause) ? Effect.failCause(cause) : Effect.sync(() => {
      process.stderr.write(`bench: ${lineOf(cause)}\n`)
      process.exitCode = 1
    })
  ),
  NodeRuntime.runMain({
    disableErrorReporting: true,
    teardown: (exit, onExit) => {
      const interrupted = Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause)
      const code = interrupted ? INTERRUPTED : Number(process.exitCode ?? 0)
      process.stdout.write("", () => {
        const error: NodeJS.ErrnoException | null = process.stdout.errored
        onExit(error !== null && error.code !== "EPIPE" ? code || 1 : code)
      })
    }
  })
)
