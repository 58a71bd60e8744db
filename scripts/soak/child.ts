/** Processes that answer questions of the one that started them. */
import { fork } from "node:child_process"
import { fileURLToPath } from "node:url"

type Handlers = { readonly [name: string]: (argument: never) => unknown }

interface Question {
  readonly id: number
  readonly name: string
  readonly argument: unknown
}

interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

/** Answers questions until the process that asks is gone. */
export const answer = (handlers: Handlers): void => {
  process.on("message", async ({ argument, id, name }: Question) => {
    try {
      process.send?.({ id, value: await handlers[name](argument as never) })
    } catch (error) {
      process.send?.({ id, error: error instanceof Error ? error.stack ?? error.message : String(error) })
    }
  })
  process.on("disconnect", () => process.exit(0))
}

export interface Child {
  readonly ask: <A>(name: string, argument?: unknown) => Promise<A>
  readonly stop: () => void
}

/** Starts this program once more in another role. */
export const start = (role: string, flags: ReadonlyArray<string> = []): Child => {
  const process_ = fork(fileURLToPath(new URL("./main.ts", import.meta.url)), ["--role", role], {
    execArgv: [...process.execArgv, ...flags],
    serialization: "advanced"
  })
  const waiting = new Map<
    number,
    { readonly resolve: (value: never) => void; readonly reject: (error: Error) => void }
  >()
  let last = 0
  let ended: Error | undefined
  process_.on("message", ({ error, id, value }: Answer) => {
    const waiter = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) waiter?.resolve(value as never)
    else waiter?.reject(new Error(`${role}: ${error}`))
  })
  process_.on("exit", (code, signal) => {
    ended = new Error(`the ${role} process ended (${signal ?? code})`)
    for (const { reject } of waiting.values()) reject(ended)
    waiting.clear()
  })
  return {
    ask: (name, argument) =>
      new Promise((resolve, reject) => {
        if (ended !== undefined) return reject(ended)
        const id = ++last
        waiting.set(id, { resolve, reject })
        process_.send({ id, name, argument } satisfies Question)
      }),
    stop: () => process_.kill("SIGKILL")
  }
}
