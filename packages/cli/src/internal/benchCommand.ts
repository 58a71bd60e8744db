/** `intentra bench`: the benchmarks of a clone, as a program of their own. */
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { createRequire } from "node:module"
import { fileURLToPath, pathToFileURL } from "node:url"
import { CliError } from "../CliError.js"

const failed = (detail: string, cause?: unknown) => new CliError({ reason: "Bench", detail, cause })

/** From the folder of a package within a clone; anywhere else there is nothing. */
const entryFrom = (here: string): string => fileURLToPath(new URL("../../../bench/src/Main.ts", here))

/** Its output is ours; an interruption ends it first. */
export const runBench = (
  args: ReadonlyArray<string>,
  entry = entryFrom(import.meta.url)
): Effect.Effect<void, CliError> =>
  Effect.async<void, CliError>((resume) => {
    if (!existsSync(entry)) {
      resume(
        failed("the benchmarks are in the repository, not in this package: in a clone, npm run bench does the same")
      )
      return
    }
    const loader = pathToFileURL(createRequire(entry).resolve("tsx")).href
    const child = spawn(process.execPath, ["--import", loader, entry, ...args], { stdio: "inherit" })
    child.on("error", (cause) => resume(failed(`the benchmarks cannot be started: ${cause.message}`, cause)))
    child.on("close", (code, signal) => {
      resume(code === 0 ? Effect.void : failed(`the benchmark ended with ${signal ?? `exit code ${code}`}`))
    })
    return Effect.async<void>((done) => {
      child.on("close", () => done(Effect.void))
      child.kill("SIGINT")
    })
  })
