/** The process around the commands: arguments, signals, exit codes. */
import * as Command from "@effect/cli/Command"
import * as CliConfig from "@effect/cli/CliConfig"
import * as HelpDoc from "@effect/cli/HelpDoc"
import * as ValidationError from "@effect/cli/ValidationError"
import * as NodeContext from "@effect/platform-node/NodeContext"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Os from "node:os"
import { stripVTControlCharacters } from "node:util"
import { intentra } from "../Command.js"

/** After a signal, what does not end by itself has this long. */
const PATIENCE_MS = 5000

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const

const writer = (stream: NodeJS.WriteStream) => (...parts: ReadonlyArray<unknown>): Effect.Effect<void> =>
  Effect.sync(() => {
    // the parser's usage leaves out the program's own name
    const text = parts.join(" ").trimEnd().replace(/^\$ (?=(?:demo|keygen|hub|peer) )/m, "$ intentra ")
    const coloured = stream.isTTY && process.env.NO_COLOR === undefined
    stream.write(`${coloured ? text : stripVTControlCharacters(text)}\n`)
  })

/** Help is coloured for terminals only. What the parser of the arguments complains of is told like every failure. */
const withPlainOutput = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.flatMap(
    Effect.console,
    (console) => Console.withConsole(effect, { ...console, log: writer(process.stdout), error: () => Effect.void })
  )

const oneLine = (text: string): string => stripVTControlCharacters(text).trim().replace(/\s*\n\s*/g, "; ")

/** What a failed command tells: one line, never a stack. */
const lineOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  if (ValidationError.isValidationError(error)) {
    return `${oneLine(HelpDoc.toAnsiText(error.error))} ("intentra --help" shows what there is)`
  }
  const line = oneLine(error instanceof Error ? error.message : String(error))
  return Cause.isFailure(cause) ? line : `this is a defect of intentra, please report it: ${line}`
}

export const runProcess = (version: string): void => {
  const program = Command.run(intentra, { name: "intentra", version, executable: "intentra" })(process.argv).pipe(
    withPlainOutput,
    Effect.provide(NodeContext.layer),
    Effect.provide(CliConfig.layer({ showBuiltIns: false })),
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
    process.stderr.write(`intentra: ${lineOf(exit.cause)}\n`)
    end(1)
  })
}

const end = (code: number | string): void => {
  process.stdout.write("", () => process.exit(code))
}
