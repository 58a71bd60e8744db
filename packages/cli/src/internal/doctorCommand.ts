/** `intentra doctor`: what this machine lacks, and how to mend it. */
import * as Effect from "effect/Effect"
import { CliError } from "../CliError.js"
import { gather } from "./doctorFacts.js"
import { diagnose } from "./doctorFindings.js"
import type { Finding } from "./doctorFindings.js"
import { Console, writeJson } from "./terminal.js"

export interface DoctorOptions {
  readonly port: number
  readonly json: boolean
}

const lineOf = ({ check, found, mend, status }: Finding): string =>
  `${status.padEnd(7)} ${check.padEnd(18)} ${found}` + (mend === undefined ? "" : `\n${" ".repeat(27)}mend: ${mend}`)

export const runDoctor = ({ json, port }: DoctorOptions): Effect.Effect<void, CliError> =>
  Effect.gen(function*() {
    const findings = diagnose(yield* gather, port)
    const broken = findings.filter(({ status }) => status === "broken")
    if (json) writeJson({ ok: broken.length === 0, findings })
    else for (const finding of findings) new Console(false).line(lineOf(finding))
    if (broken.length > 0) {
      return yield* new CliError({
        reason: "Broken",
        detail: `${broken.map(({ check }) => check).join(", ")} ${broken.length === 1 ? "does" : "do"} not work here`
      })
    }
  })
