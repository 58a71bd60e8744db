/** A process of a scenario: plays the role that its argument names, and answers questions until its parent is gone. */
import * as Cause from "effect/Cause"
import * as Runtime from "effect/Runtime"
import type { Answer, Handlers, Question } from "./messages.js"
import { roles } from "./roles.js"

/** What an effect failed with is told by its message; anything else is a defect, and its stack says where. */
const errorText = (error: unknown): string => {
  if (Runtime.isFiberFailure(error)) {
    const cause = error[Runtime.FiberFailureCauseId]
    const failure = Cause.squash(cause)
    if (Cause.isFailure(cause) && failure instanceof Error) return failure.message
  }
  return error instanceof Error ? error.stack ?? error.message : String(error)
}

const [, , name] = process.argv
const role: Promise<Handlers> = (roles as Record<string, () => Promise<Handlers>>)[name]()

const reply = async ({ argument, id, question }: Question): Promise<Answer> => {
  try {
    return { id, value: await (await role)[question](argument as never) }
  } catch (error) {
    return { id, error: errorText(error) }
  }
}

process.on("message", async (question: Question) => {
  const answer = await reply(question)
  if (process.connected) process.send?.(answer)
})
process.on("disconnect", () => process.exit(0))
// the parent may have gone while this was loading
if (!process.connected) process.exit(0)
// Ctrl-C reaches every process of the terminal; the parent decides
process.on("SIGINT", () => {})
