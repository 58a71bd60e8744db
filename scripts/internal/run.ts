import { spawn } from "node:child_process"
import { delimiter, join } from "node:path"
import { stripVTControlCharacters } from "node:util"
import { root } from "./workspace.js"

/** What a finished command left behind. */
export interface Result {
  readonly code: number
  /** Standard output and standard error, as they came. */
  readonly output: string
  readonly stdout: string
}

/** Runs a command, found in node_modules/.bin first, without a terminal and without input. */
export const run = (command: string, args: ReadonlyArray<string>, cwd: string = root): Promise<Result> =>
  new Promise((resolve) => {
    const output: Array<string> = []
    const stdout: Array<string> = []
    const child = spawn(command, args, {
      cwd,
      stdio: ["ignore", "pipe", "pipe"],
      shell: process.platform === "win32",
      env: {
        ...process.env,
        NO_COLOR: "1",
        FORCE_COLOR: undefined,
        PATH: join(root, "node_modules/.bin") + delimiter + (process.env.PATH ?? "")
      }
    })
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output.push(text)
      stdout.push(text)
    })
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      output.push(text)
    })
    child.on("error", (error) => resolve({ code: 127, output: `${command}: ${error.message}\n`, stdout: "" }))
    child.on(
      "close",
      (code) => resolve({ code: code ?? 1, output: stripVTControlCharacters(output.join("")), stdout: stdout.join("") })
    )
  })
