/** What stands in one place of a table. */
export type Cell = string | number | boolean | null

const grouped = (text: string): string => text.replace(/\B(?=(\d{3})+$)/g, ",")

const written = (cell: Cell): string => {
  if (typeof cell !== "number") return cell === null ? "-" : String(cell)
  if (!Number.isFinite(cell)) return "-"
  const magnitude = Math.abs(cell)
  if (magnitude >= 1000 || Number.isInteger(cell)) return grouped(String(Math.round(cell)))
  return String(Number(cell.toFixed(magnitude < 10 ? 4 : 1)))
}

const head = (rows: ReadonlyArray<{ readonly [column: string]: Cell }>): ReadonlyArray<string> => {
  const columns = new Set<string>()
  for (const row of rows) for (const column of Object.keys(row)) columns.add(column)
  return [...columns]
}

const cells = (
  rows: ReadonlyArray<{ readonly [column: string]: Cell }>
): { readonly columns: ReadonlyArray<string>; readonly lines: ReadonlyArray<ReadonlyArray<string>> } => {
  const columns = head(rows)
  return { columns, lines: rows.map((row) => columns.map((column) => written(row[column] ?? null))) }
}

/** Rows with their columns one under the other: text to the left, figures to the right. */
export const aligned = (rows: ReadonlyArray<{ readonly [column: string]: Cell }>): string => {
  const { columns, lines } = cells(rows)
  const right = columns.map((column) => rows.every((row) => typeof row[column] !== "string"))
  const widths = columns.map((column, i) => Math.max(column.length, ...lines.map((line) => line[i].length)))
  return [columns, ...lines]
    .map((line) =>
      line.map((text, i) => right[i] ? text.padStart(widths[i]) : text.padEnd(widths[i])).join("  ").trimEnd()
    )
    .join("\n")
}

/** The same as a table of Markdown. */
export const markdown = (rows: ReadonlyArray<{ readonly [column: string]: Cell }>): string => {
  const { columns, lines } = cells(rows)
  const row = (line: ReadonlyArray<string>): string =>
    `| ${line.map((text) => text.replaceAll("|", "\\|")).join(" | ")} |`
  return [row(columns), row(columns.map(() => "---")), ...lines.map(row)].join("\n")
}
