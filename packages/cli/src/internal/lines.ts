import * as Effect from "effect/Effect"
import { open } from "node:fs/promises"
import { createInterface } from "node:readline"
import type { Readable } from "node:stream"
import { CliError } from "../CliError.js"

const unreadable = (path: string, cause: unknown): CliError =>
  new CliError({
    reason: "Input",
    detail: `cannot read the updates from ${path}: ${cause instanceof Error ? cause.message : String(cause)}`,
    cause
  })

/** The lines of a file or of standard input, one at a time; nobody who gives up waiting loses one. */
export class Lines {
  private readonly lines: AsyncIterator<string>
  private waiting: Promise<IteratorResult<string>> | undefined = undefined
  private failure: unknown = undefined

  private constructor(private readonly path: string, input: Readable) {
    const reader = createInterface({ input, crlfDelay: Infinity })
    input.on("error", (error) => {
      this.failure = error
      reader.close()
    })
    this.lines = reader[Symbol.asyncIterator]()
  }

  /** `-` is standard input. */
  static readonly open = (path: string): Effect.Effect<Lines, CliError> =>
    path === "-"
      ? Effect.sync(() => new Lines("standard input", process.stdin))
      : Effect.tryPromise({
        try: async () => new Lines(path, (await open(path, "r")).createReadStream()),
        catch: (cause) => unreadable(path, cause)
      })

  /** The next line, `undefined` at the end. */
  readonly next: Effect.Effect<string | undefined, CliError> = Effect.suspend(() => {
    const waiting = this.waiting ??= this.lines.next()
    return Effect.flatMap(Effect.promise(() => waiting), (result) => {
      this.waiting = undefined
      if (this.failure !== undefined) return Effect.fail(unreadable(this.path, this.failure))
      return Effect.succeed(result.done === true ? undefined : result.value)
    })
  })
}
