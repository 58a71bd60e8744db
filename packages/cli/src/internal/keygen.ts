import * as Effect from "effect/Effect"
import type { CliError } from "../CliError.js"
import * as KeyFile from "../KeyFile.js"
import { writeJson } from "./terminal.js"

export interface KeygenOptions {
  readonly file: string
  readonly json: boolean
}

export const runKeygen = ({ file, json }: KeygenOptions): Effect.Effect<void, CliError> =>
  Effect.map(KeyFile.create(file), (publicKey) => {
    if (json) return writeJson({ publicKey, file })
    // the public key alone on standard output: it can go straight into an allow-list
    process.stderr.write(`secret key in ${file}, readable by its owner only; public key:\n`)
    process.stdout.write(`${publicKey}\n`)
  })
