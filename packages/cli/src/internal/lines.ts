import * as Effect from "effect/Effect"
import { open } from "node:fs/promises"
import type { Readable } from "node:stream"
import { CliError } from "../CliError.js"
import { grouped } from "./terminal.js"

/** No datagram carries a sixteenth of it: whatever has a line as long as this has no lines. */
const MAX_CHARACTERS = 1024 * 1024

const LINE_END = /\r?\n|\r|\u2028|\u2029/

const unreadable = (path: string, cause: unknown): CliError =>
  new CliError({
    reason: "Input",
    detail: `cannot read the updates from ${path}: ${cause instanceof Error ? cause.message : String(cause)}`,
    cause
  })

/** Lines end as `readline` has it, which would keep a line without an end until the memory is full. */
async function* linesOf(input: Readable): AsyncGenerator<string, void> {
  let rest = ""
  let number = 1
  let afterReturn = false
  const bounded = (line: string): string => {
    if (line.length <= MAX_CHARACTERS) return line
    throw new Error(`line ${grouped(number)} is longer than ${grouped(MAX_CHARACTERS)} characters`)
  }
  for await (const chunk of input.setEncoding("utf8") as AsyncIterable<string>) {
    // a line ends with the return: its newline may be long in coming
    const parts = (afterReturn && chunk.startsWith("\n") ? chunk.slice(1) : chunk).split(LINE_END)
    afterReturn = chunk.endsWith("\r")
    parts[0] = rest + parts[0]
    rest = parts.pop() ?? ""
    for (const line of parts) {
      yield bounded(line)
      number++
    }
    bounded(rest)
  }
  if (rest !== "") yield rest
}

/** The lines of a file or of standard input, one at a time; nobody who gives up waiting loses one. */
export class Lines {
  private readonly lines: AsyncIterator<string, void>
  private waiting: Promise<IteratorResult<string, void>> | undefined = undefined

  constructor(private readonly path: string, input: Readable) {
    this.lines = linesOf(input)
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
    return Effect.map(
      Effect.tryPromise({ try: () => waiting, catch: (cause) => unreadable(this.path, cause) }),
      (result) => {
        this.waiting = undefined
        return result.done === true ? undefined : result.value
      }
    )
  })
}
