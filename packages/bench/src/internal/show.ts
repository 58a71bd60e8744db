import { toJson } from "../Scenario.js"
import type { Result } from "../Scenario.js"
import { aligned } from "./table.js"

const line = (text: string): string => `${text}\n`

/** What a result says, for people. */
export const text = (it: Result): string => {
  const { goals, lifted, machine, scenario, tables } = it
  let out = line(`${scenario} on ${machine.cpu}, ${machine.cores} cores, ${machine.kernel}, Node ${machine.node}`)
  for (const { rows, title } of tables) out += line(`\n${title}`) + line(aligned(rows))
  const limits = Object.entries(lifted)
  if (limits.length > 0) {
    out += line("\nlimits lifted")
    for (const [name, value] of limits) out += line(`  ${name}: ${value}`)
  }
  if (goals.length > 0) out += line("\ngoals")
  for (const { goal, measured, met } of goals) {
    out += line(
      `  ${met ? "met   " : "missed"}  ${goal}${measured === null ? "" : ` (${measured.toLocaleString("en")})`}`
    )
  }
  return out
}

/** Writes a result: as text, or as JSON with the text on standard error. */
export const show = (it: Result, json: boolean): void => {
  ;(json ? process.stderr : process.stdout).write(text(it))
  if (json) process.stdout.write(`${toJson(it)}\n`)
}
