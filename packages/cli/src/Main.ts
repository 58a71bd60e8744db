/**
 * The process around the commands: arguments, signals, exit codes.
 *
 * @since 0.1.0
 */
import * as Command from "@effect/cli/Command"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Os from "node:os"
import { stripVTControlCharacters } from "node:util"
import { intentra } from "./Command.js"

/** After a signal, what does not end by itself has this long. */
const PATIENCE_MS = 5000

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const

const writer = (stream: NodeJS.WriteStream) => (...parts: ReadonlyArray<unknown>): Effect.Effect<void> =>
  Effect.sync(() => {
    const text = parts.join(" ").trimEnd()
    const coloured = stream.isTTY && process.env.NO_COLOR === undefined
    stream.write(`${coloured ? text : stripVTControlCharacters(text)}\n`)
  })

/** Colours in help and complaints are for terminals only. */
const withPlainOutput = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(
    Effect.console,
    (console) =>
      Console.withConsole(effect, { ...console, log: writer(process.stdout), error: writer(process.stderr) })
  )

/** What a failed command tells: one line, never a stack. */
const lineOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  const text = error instanceof Error ? error.message : String(error)
  const line = text.trim().replace(/\s*\n\s*/g, "; ")
  return Cause.isFailure(cause) ? line : `this is a defect of intentra, please report it: ${line}`
}

/** Told already, by the parser of the arguments. */
const isTold = (cause: Cause.Cause<unknown>): boolean => ValidationError.isValidationError(Cause.squash(cause))

/**
 * Runs the command line of this process and ends the process: 0 for success, 1 for a failure, which is told in one line
 * on standard error, 128 and the signal's number when a signal ended a command that it does not end in good order.
 *
 * @since 0.1.0
 * @category constructors
 */
export const main = (version: string): void => {
  const program = Command.run(intentra, { name: "intentra", version, executable: "intentra" })(process.argv).pipe(
    withPlainOutput,
    Effect.provide(NodeContext.layer),
    Effect.provide(Logger.replace(Logger.defaultLogger, Logger.withConsoleError(Logger.logfmtLogger)))
  )
  const fiber = Effect.runFork(program)
  let signalled: NodeJS.Signals | undefined
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (signalled !== undefined) return
      signalled = signal
      fiber.unsafeInterruptAsFork(fiber.id())
      setTimeout(() => end(128 + Os.constants.signals[signal]), PATIENCE_MS).unref()
    })
  }
  // whoever read our output has left: nobody is there to be told
  process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1))
  fiber.addObserver((exit) => {
    if (Exit.isSuccess(exit)) return end(process.exitCode ?? 0)
    if (signalled !== undefined && Cause.isInterrupted(exit.cause)) {
      return end(process.exitCode ?? 128 + Os.constants.signals[signalled])
    }
    if (!isTold(exit.cause)) process.stderr.write(`intentra: ${lineOf(exit.cause)}\n`)
    end(1)
  })
}

const end = (code: number | string): void => {
  process.stdout.write("", () => process.exit(code))
}
