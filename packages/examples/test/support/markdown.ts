import { existsSync, readdirSync, readFileSync } from "node:fs"
import { basename, dirname, join, relative } from "node:path"
import { fileURLToPath } from "node:url"

/** The repository's top level. */
export const root = fileURLToPath(new URL("../../../..", import.meta.url))

/** A block of TypeScript in a document or a docstring. */
export interface Example {
  /** Where it stands, for people. */
  readonly place: string
  /** A file name for it. */
  readonly name: string
  readonly code: string
  /** Whether it is a user's program, to be run, and not only a type-checked fragment. */
  readonly isProgram: boolean
}

const blocks = (text: string): ReadonlyArray<{ readonly line: number; readonly code: string }> => {
  const found: Array<{ line: number; code: string }> = []
  const lines = text.split("\n")
  for (let start = 0; start < lines.length; start++) {
    if (lines[start].trim() !== "```ts") continue
    const end = lines.findIndex((line, index) => index > start && line.trim() === "```")
    found.push({ line: start + 1, code: lines.slice(start + 1, end).join("\n") + "\n" })
    start = end
  }
  return found
}

const examplesOf = (file: string, text: string, isProgram: boolean): ReadonlyArray<Example> =>
  blocks(text).map(({ code, line }, index) => {
    const place = relative(root, file)
    return { place: `${place}:${line}`, name: `${place.replaceAll(/\W+/g, "-")}-${index + 1}.ts`, code, isProgram }
  })

const folders = readdirSync(join(root, "packages"))
  .map((name) => join(root, "packages", name))
  .filter((folder) => existsSync(join(folder, "package.json")))

const readmes: ReadonlyArray<string> = [root, ...folders]
  .map((folder) => join(folder, "README.md"))
  .filter((file) => existsSync(file))

/** A link of a README to something in the repository. */
export interface Link {
  readonly place: string
  readonly text: string
  /** The absolute path of the file or folder. */
  readonly target: string
}

/** The links of the READMEs that lead into the repository. */
export const readmeLinks: ReadonlyArray<Link> = readmes.flatMap((file) => {
  const text = readFileSync(file, "utf8").replaceAll(/^```[^]*?^```$/gm, "")
  const inline = Array.from(text.matchAll(/\[([^\]]*)\]\(([^)\s]+)\)/g))
  const named = Array.from(text.matchAll(/^\[([^\]]+)\]: (\S+)$/gm))
  return [...inline, ...named]
    .filter(([, , to]) => !/^(https?:|#)/.test(to))
    .map(([, words, to]) => ({
      place: relative(root, file),
      text: words,
      target: join(dirname(file), to.replace(/#.*$/, ""))
    }))
})

/** The `ts` blocks of the READMEs: of the repository, and of every package. */
export const readmeExamples: ReadonlyArray<Example> = readmes
  .flatMap((file) => examplesOf(file, readFileSync(file, "utf8"), true))

/** The `ts` blocks in docstrings of the packages' sources. */
export const docstringExamples: ReadonlyArray<Example> = folders
  .filter((folder) => !["bench", "examples"].includes(basename(folder)))
  .flatMap((folder) =>
    readdirSync(join(folder, "src"), { recursive: true })
      .map((file) => join(folder, "src", String(file)))
      .filter((file) => file.endsWith(".ts"))
  )
  .flatMap((file) => examplesOf(file, readFileSync(file, "utf8").replaceAll(/^ *\* ?/gm, ""), false))
