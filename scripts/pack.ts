/**
 * Holds what would be published against what a user needs: packs every dist, looks at what is in it, lints it, and uses
 * it from outside, compiled and run, as an installed package. Needs no network; run `npm run build` first.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { publint } from "publint"
import { formatMessage } from "publint/utils"
import { run } from "./internal/run.js"
import { type Manifest, type Package, published, readJson, root } from "./internal/workspace.js"

interface Packed {
  readonly name: string
  readonly filename: string
  readonly files: ReadonlyArray<{ readonly path: string }>
}

const work = join(root, "node_modules/.cache/intentra-pack")
const consumer = join(work, "consumer")
const problems: Array<string> = []

const problem = (where: string, what: string): void => {
  problems.push(`${where}: ${what}`)
}

const allowed = [
  /^(package\.json|LICENSE|[A-Z]+\.md)$/,
  /^(internal\/([a-z]\w*\/)*)?\w+\.(js|d\.ts)(\.map)?$/,
  /^(internal\/([a-z]\w*\/)*)?\w+\.(mjs|d\.mts)$/,
  /^src\/.*\.(ts|mjs|mts)$/,
  /^bin\/\w+\.js$/,
  /^(dashboards|rules)\/\w+(\.\w+)*\.(json|yml)$/
]

const checkContents = (it: Package, files: ReadonlyArray<string>): void => {
  for (const file of files) {
    if (!allowed.some((pattern) => pattern.test(file))) problem(it.name, `${file} does not belong in the package`)
  }
  const needed = ["package.json", "LICENSE", ...(it.empty ? [] : ["README.md"])]
  for (const module of it.modules) needed.push(`${module}.js`, `${module}.d.ts`, `src/${module}.ts`)
  for (const command of Object.values(it.manifest.bin ?? {})) needed.push(command.replace(/^\.\//, ""))
  for (const folder of ["dashboards", "rules"].filter((name) => existsSync(join(it.folder, name)))) {
    for (const name of readdirSync(join(it.folder, folder))) needed.push(`${folder}/${name}`)
  }
  for (const file of needed) {
    if (!files.includes(file)) problem(it.name, `${file} is missing from the package`)
  }
}

const checkRanges = (it: Package): void => {
  const manifest = readJson<Manifest>(join(it.dist, "package.json"))
  const ranges = { ...manifest.dependencies, ...manifest.peerDependencies }
  for (const neighbour of published) {
    const range = ranges[neighbour.name]
    if (range !== undefined && range !== `^${neighbour.manifest.version}`) {
      problem(it.name, `asks for ${neighbour.name} ${range}, which is at ${neighbour.manifest.version}`)
    }
  }
}

const checkLint = async (it: Package): Promise<void> => {
  const { messages, pkg } = await publint({ pkgDir: it.dist, pack: false, strict: true, level: "warning" })
  for (const message of messages) problem(it.name, `publint: ${formatMessage(message, pkg) ?? message.code}`)
}

const checkResolution = async (it: Package, tarball: string): Promise<void> => {
  const { code, output } = await run("attw", [tarball, "--profile", "esm-only", "--no-definitely-typed"])
  if (code !== 0) problem(it.name, `attw:\n${output}`)
}

const specifiers = (it: Package): ReadonlyArray<string> =>
  it.modules.map((module) => module === "index" ? it.name : `${it.name}/${module}`)

const install = async (it: Package, tarball: string): Promise<void> => {
  const folder = join(consumer, "node_modules", it.name)
  mkdirSync(folder, { recursive: true })
  const { code, output } = await run("tar", ["-xzf", tarball, "-C", folder, "--strip-components=1"])
  if (code !== 0) problem(it.name, `cannot be unpacked:\n${output}`)
}

/** The declarations are compiled without skipLibCheck: nothing public may lean on what was stripped as internal. */
const checkTypes = async (): Promise<void> => {
  const names = published.flatMap(specifiers)
  const lines = names.map((name, index) => `import * as module${index} from "${name}"`)
  lines.push(`export const all = [${names.map((_, index) => `module${index}`).join(", ")}]`)
  writeFileSync(join(consumer, "main.ts"), lines.join("\n") + "\n")
  writeFileSync(join(consumer, "package.json"), JSON.stringify({ private: true, type: "module" }))
  writeFileSync(
    join(consumer, "tsconfig.json"),
    JSON.stringify({
      compilerOptions: {
        target: "ES2022",
        lib: ["ES2023", "DOM"],
        types: ["node"],
        module: "NodeNext",
        strict: true,
        noEmit: true
      },
      files: ["main.ts"]
    })
  )
  const { code, output } = await run("tsc", ["-p", consumer])
  if (code !== 0) problem("a user's program", `does not compile against the packages:\n${output}`)
}

/** Modules of a package with a command may run it, so that one is started by its name instead. */
const checkRuns = async (): Promise<void> => {
  const libraries = published.filter((it) => it.manifest.bin === undefined)
  const imports = libraries.flatMap(specifiers).map((name) => `await import("${name}")`)
  writeFileSync(join(consumer, "main.mjs"), imports.join("\n") + "\n")
  const { code, output } = await run(process.execPath, ["main.mjs"], consumer)
  if (code !== 0) problem("a user's program", `does not load the packages:\n${output}`)
  for (const it of published) {
    if (it.empty) continue
    for (const [name, file] of Object.entries(it.manifest.bin ?? {})) {
      const help = await run(process.execPath, [join(consumer, "node_modules", it.name, file), "--help"], consumer)
      if (help.code !== 0) problem(it.name, `${name} --help exits ${help.code}:\n${help.output}`)
    }
  }
}

rmSync(work, { recursive: true, force: true })
mkdirSync(consumer, { recursive: true })
const missing = published.filter((it) => !existsSync(join(it.dist, "package.json")))
if (missing.length > 0) {
  problem(missing.map((it) => it.name).join(", "), "has no dist; run `npm run build` first")
} else {
  const dists = published.map((it) => it.dist)
  const packed = await run("npm", ["pack", ...dists, "--json", "--ignore-scripts", "--pack-destination", work], work)
  if (packed.code !== 0) {
    problem("npm pack", packed.output)
  } else {
    const tarballs = new Map((JSON.parse(packed.stdout) as ReadonlyArray<Packed>).map((entry) => [entry.name, entry]))
    for (const it of published) {
      const entry = tarballs.get(it.name)
      if (entry === undefined) {
        problem(it.name, "was not packed")
        continue
      }
      const tarball = join(work, entry.filename)
      checkContents(it, entry.files.map((file) => file.path))
      checkRanges(it)
      await Promise.all([checkLint(it), checkResolution(it, tarball), install(it, tarball)])
    }
    await Promise.all([checkTypes(), checkRuns()])
  }
}
for (const line of problems) console.error(line)
console.log(`${published.length} packages, ${problems.length} problems`)
process.exitCode = problems.length === 0 ? 0 : 1
