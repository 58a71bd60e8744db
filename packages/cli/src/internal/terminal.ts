import { stripVTControlCharacters } from "node:util"

const isTerminal = (stream: NodeJS.WriteStream): boolean => stream.isTTY && process.env.TERM !== "dumb"

/** Lines for people: on standard output, or beside it when that is kept for data. */
export class Console {
  /** Whether a table can be redrawn in place. */
  readonly live: boolean
  private readonly stream: NodeJS.WriteStream
  private drawn = 0

  constructor(dataOnStdout: boolean) {
    this.stream = dataOnStdout ? process.stderr : process.stdout
    this.live = isTerminal(this.stream)
  }

  /** Rows of the terminal that a table may take. */
  get rows(): number {
    return Math.max(this.stream.rows ?? 24, 8)
  }

  line(text: string): void {
    this.clear()
    this.stream.write(`${text}\n`)
  }

  /** Draws a table where the last one was. */
  draw(lines: ReadonlyArray<string>): void {
    // a terminal that takes nothing gets the next one instead
    if (this.stream.writableLength > 0) return
    const columns = this.stream.columns ?? 80
    const fitted = lines.map((line) => line.slice(0, columns - 1))
    const up = this.drawn > 0 ? `\u001b[${this.drawn}A\r` : ""
    this.stream.write(`${up}\u001b[J${fitted.join("\n")}\n`)
    this.drawn = fitted.length
  }

  /** Removes the table. */
  clear(): void {
    if (this.drawn === 0) return
    this.stream.write(`\u001b[${this.drawn}A\r\u001b[J`)
    this.drawn = 0
  }

  /** Leaves the table as it is; what follows comes below it. */
  keep(): void {
    this.drawn = 0
  }
}

/** Writes one object as one line of standard output. */
export const writeJson = (value: unknown): void => {
  process.stdout.write(`${JSON.stringify(value)}\n`)
}

/** Text of somebody else, harmless to a terminal: control characters are shown as escapes. */
export const printable = (text: string): string =>
  stripVTControlCharacters(text).replace(
    /[\u0000-\u001f\u007f-\u009f]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`
  )

export const grouped = (value: number): string => Math.round(value).toLocaleString("en-US")

export const millis = (value: number | undefined): string => value === undefined ? "-" : `${value.toFixed(2)} ms`

/** The counts of several ledgers, added up. */
export const addCounts = (into: Record<string, number>, counts: { readonly [reason: string]: number | undefined }) => {
  for (const [reason, count] of Object.entries(counts)) {
    if (count !== undefined && count > 0) into[reason] = (into[reason] ?? 0) + count
  }
}

export const counts = (of: { readonly [reason: string]: number | undefined }): string => {
  const all = Object.entries(of)
  return all.length === 0 ? "none" : all.map(([reason, count]) => `${reason} ${grouped(count ?? 0)}`).join(", ")
}

/** Cells of a table, each aligned to the right of its column. */
export const padded = (cells: ReadonlyArray<string>, widths: ReadonlyArray<number>): string =>
  cells.map((cell, index) => cell.padStart(widths[index])).join("  ")
