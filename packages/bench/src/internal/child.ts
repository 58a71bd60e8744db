/** The processes of a scenario, as the one that runs it sees them. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { fork } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { createRequire } from "node:module"
import { constants, setPriority } from "node:os"
import { fileURLToPath, pathToFileURL } from "node:url"
import { BenchError } from "../BenchError.js"
import { nodeFlags } from "./limits.js"
import type { Answer, Question } from "./messages.js"
import type { Roles } from "./roles.js"

/** Above what a scenario asks for, a process has this long to answer. */
const PATIENCE_MS = 60_000
/** What is kept of a process's standard error, for the line that tells of its death. */
const STDERR_CHARS = 4000

/** A running process; `ask` takes at most a minute more than the seconds that are given. */
export interface Child<Role extends keyof Roles> {
  readonly ask: <Name extends keyof Roles[Role] & string>(
    question: Name,
    argument: Argument<Roles[Role][Name]>,
    seconds?: number
  ) => Effect.Effect<Reply<Roles[Role][Name]>, BenchError>
  /** From now on its main thread gives way to whoever wants the same core (nice 10). */
  readonly giveWay: Effect.Effect<void>
}

type Argument<Handler> = Handler extends () => unknown ? undefined
  : Handler extends (argument: infer A) => unknown ? A
  : never

type Reply<Handler> = Handler extends (argument: never) => infer A ? Awaited<A> : never

/** Processes that live; none of them outlives this one, whatever ends it. */
const living = new Set<ChildProcess>()

process.on("exit", () => {
  for (const child of living) child.kill("SIGKILL")
})

const entry = (): { readonly path: string; readonly loader: ReadonlyArray<string> } => {
  const typescript = import.meta.url.endsWith(".ts")
  const path = fileURLToPath(new URL(typescript ? "./worker.ts" : "./worker.js", import.meta.url))
  return {
    path,
    loader: typescript ? ["--import", pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href] : []
  }
}

class Process {
  private readonly waiting = new Map<
    number,
    { readonly resolve: (value: never) => void; readonly reject: (error: BenchError) => void }
  >()
  private last = 0
  private stderr = ""
  private ended: BenchError | undefined = undefined

  constructor(readonly child: ChildProcess, readonly role: string) {
    living.add(child)
    child.stdout?.resume()
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr = (this.stderr + text).slice(-STDERR_CHARS)
    })
    child.on("message", ({ error, id, value }: Answer) => {
      const waiter = this.waiting.get(id)
      this.waiting.delete(id)
      if (error === undefined) waiter?.resolve(value as never)
      else waiter?.reject(this.failure(error))
    })
    child.on("error", (error) => this.end(error.message))
    // "close" comes when its standard error has been read
    child.on("close", (code, signal) => {
      living.delete(child)
      this.end(`it ended (${signal ?? `exit code ${code}`}) ${this.stderr.trim()}`)
    })
  }

  question(
    question: string,
    argument: unknown,
    resolve: (value: never) => void,
    reject: (error: BenchError) => void
  ): void {
    if (this.ended !== undefined) return reject(this.ended)
    const id = ++this.last
    this.waiting.set(id, { resolve, reject })
    this.child.send({ id, question, argument } satisfies Question, (error) => {
      if (error !== null && error !== undefined) this.end(error.message)
    })
  }

  private end(why: string): void {
    this.ended ??= this.failure(why)
    for (const { reject } of this.waiting.values()) reject(this.ended)
    this.waiting.clear()
  }

  private failure(detail: string): BenchError {
    return new BenchError({ reason: "ChildFailed", detail: `${this.role}: ${detail}` })
  }
}

/** Starts a process in a role; it is killed when the scope ends. `flags` are Node's own, such as `--expose-gc`. */
export const start = <Role extends keyof Roles>(
  role: Role,
  flags: ReadonlyArray<string> = [],
  environment: { readonly [name: string]: string } = {}
): Effect.Effect<Child<Role>, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const { loader, path } = entry()
        return new Process(
          fork(path, [role], {
            execArgv: [...loader, ...nodeFlags(), ...flags],
            env: { ...process.env, ...environment },
            serialization: "advanced",
            stdio: ["ignore", "pipe", "pipe", "ipc"]
          }),
          role
        )
      }),
      ({ child }) =>
        Effect.sync(() => {
          child.kill("SIGKILL")
        })
    ),
    (running) => ({
      giveWay: Effect.sync(() => {
        if (running.child.pid !== undefined) setPriority(running.child.pid, constants.priority.PRIORITY_BELOW_NORMAL)
      }),
      ask: (question, argument, seconds = 0) =>
        Effect.async<never, BenchError>((resume) => {
          running.question(
            question,
            argument,
            (value) => resume(Effect.succeed(value)),
            (error) => resume(Effect.fail(error))
          )
        }).pipe(
          Effect.timeoutFail({
            duration: seconds * 1000 + PATIENCE_MS,
            onTimeout: () => new BenchError({ reason: "ChildTimeout", detail: `${role}: ${question}` })
          })
        )
    })
  )
