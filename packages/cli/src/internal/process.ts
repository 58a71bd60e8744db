/** The process around the commands: arguments, signals, exit codes. */
import * as CliConfig from "@effect/cli/CliConfig"
import * as Command from "@effect/cli/Command"
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
import { logfmt } from "./logging.js"
import { endProcess as end } from "./output.js"
import { signals } from "./signals.js"
import { forced } from "./specs/common.js"

/** The same signal within this time is the same wish, in milliseconds. */
const REPEAT_MS = 1000

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const

/** Help, coloured for terminals only. */
const writeHelp = (text: string): void => {
  const coloured = process.stdout.isTTY && process.env.NO_COLOR === undefined
  process.stdout.write(`${coloured ? text : stripVTControlCharacters(text)}\n`)
}

/** Help goes to `write`; what the parser of the arguments complains of is told as every failure is. */
const withOutput = (write: (text: string) => void) => <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Effect.console, (console) =>
    Console.withConsole(effect, {
      ...console,
      // the parser's usage leaves out the program's own name
      log: (...parts) =>
        Effect.sync(() => write(parts.join(" ").trimEnd().replace(/^\$ (?!intentra)(?=[a-z]+ )/m, "$ intentra "))),
      error: () => Effect.void
    }))

const oneLine = (text: string): string => stripVTControlCharacters(text).trim().replace(/\s*\n\s*/g, "; ")

/** The options of a few choices. */
const CHOICES: ReadonlySet<string> = new Set(["--intent", "--log-format"])

/** The parser tells what a value is not, but not whose value it is; the arguments tell, unless two may be meant. */
const named = (args: ReadonlyArray<string>) => (error: unknown): unknown => {
  if (!ValidationError.isValidationError(error)) return error
  const text = oneLine(HelpDoc.toAnsiText(error.error))
  const [, wrong, type] = /^'(.*)' is not a (float|integer)$/.exec(text) ?? []
  const choices = /^Expected one of the following cases: (.*)$/.exec(text)?.[1]
  const suspects = args.flatMap((it, index) => {
    const [, option, value = args[index + 1]] = /^(--[^=]+)(?:=(.*))?$/.exec(it) ?? []
    if (option === undefined || value === undefined) return []
    const isMeant = choices === undefined
      ? value === wrong
      : CHOICES.has(option) && !choices.split(", ").includes(value)
    return isMeant ? [`${option} is ${value}`] : []
  })
  if (suspects.length !== 1) return error
  const may = choices === undefined ? type === "float" ? "a number" : "an integer" : `one of ${choices}`
  return ValidationError.invalidValue(HelpDoc.p(`${suspects[0]}, but must be ${may}`))
}

/** What a failed command tells: one line, never a stack. */
export const lineOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  if (ValidationError.isValidationError(error)) {
    return `${oneLine(HelpDoc.toAnsiText(error.error))} ("intentra --help" shows what there is)`
  }
  const line = oneLine(error instanceof Error ? error.message : String(error))
  return Cause.isFailure(cause) ? line : `this is a defect of intentra, please report it: ${line}`
}

/** What the arguments ask for. */
export const program = (
  version: string,
  args: ReadonlyArray<string>,
  write: (text: string) => void = writeHelp
): Effect.Effect<void, unknown> =>
  Command.run(intentra, { name: "intentra", version, executable: "intentra" })(["node", "intentra", ...args]).pipe(
    Effect.mapError(named(args)),
    Effect.locally(forced, args.includes("--") ? args.slice(args.indexOf("--") + 1) : []),
    withOutput(write),
    Effect.provide(NodeContext.layer),
    Effect.provide(CliConfig.layer({ showBuiltIns: false })),
    Effect.provide(Logger.replace(Logger.defaultLogger, logfmt))
  )

export const runProcess = (version: string): void => {
  const fiber = Effect.runFork(program(version, process.argv.slice(2)))
  let signalled: NodeJS.Signals | undefined
  let signalledAt = 0
  for (const signal of SIGNALS) {
    process.on(signal, () => {
      if (signal === "SIGHUP" && signals.onHangup !== undefined) return signals.onHangup()
      if (signalled !== undefined) {
        // whoever says it again does not want to wait; but a shell and npm may both pass on the same one
        if (performance.now() - signalledAt > REPEAT_MS) end(128 + Os.constants.signals[signal])
        return
      }
      signalled = signal
      signalledAt = performance.now()
      fiber.unsafeInterruptAsFork(fiber.id())
      setTimeout(() => end(128 + Os.constants.signals[signal]), signals.patience).unref()
    })
  }
  fiber.addObserver((exit) => {
    if (Exit.isSuccess(exit)) return end(process.exitCode ?? 0)
    if (signalled !== undefined && Cause.isInterrupted(exit.cause)) {
      return end(process.exitCode ?? 128 + Os.constants.signals[signalled])
    }
    process.stderr.write(`intentra: ${lineOf(exit.cause)}\n`)
    end(1)
  })
}
