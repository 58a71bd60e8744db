/**
 * Builds `packages/X/dist`, the folder that is published, for every public package X.
 *
 * `tsc -b` compiles; what it wrote is laid out as a package of its own, with its own package.json. Sources are published
 * beside it, so that source maps and "go to definition" lead somewhere.
 */
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { basename, dirname, join, relative } from "node:path"
import { run } from "./internal/run.js"
import { type Package, published, readJson, root } from "./internal/workspace.js"

const keywords = ["effect", "encryption", "game", "noise-protocol", "real-time", "telemetry", "transport", "udp"]

/** Folders that are published as they are, where a package has them: what its README tells users to take. */
const assets = ["dashboards", "rules"]

const write = (file: string, text: string): void => {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
}

const copy = (from: string, to: string): void => {
  mkdirSync(dirname(to), { recursive: true })
  copyFileSync(from, to)
}

/** The compiler's maps name sources relative to its own output folder; in dist they lie in dist/src. */
const copyMap = (from: string, to: string, source: string): void => {
  const map = readJson<Record<string, unknown>>(from)
  write(to, JSON.stringify({ ...map, sources: [relative(dirname(to), source).replaceAll("\\", "/")] }))
}

const copySource = (it: Package, file: string): void => {
  const source = join(it.dist, "src", file)
  copy(join(it.folder, "src", file), source)
  if (!file.endsWith(".ts") || file.endsWith(".d.ts")) return copy(source, join(it.dist, file))
  const stem = file.slice(0, -".ts".length)
  const built = join(it.folder, "build/src", stem)
  for (const kind of [".js", ".d.ts"]) {
    copy(built + kind, join(it.dist, stem + kind))
    copyMap(`${built}${kind}.map`, join(it.dist, `${stem}${kind}.map`), source)
  }
}

/** A command of the clone looks for `../dist/`; inside dist that is the folder above it. */
const copyCommand = (it: Package, file: string): void => {
  const to = join(it.dist, file)
  write(to, readFileSync(join(it.folder, file), "utf8").replaceAll("../dist/", "../"))
  chmodSync(to, 0o755)
}

const exportsOf = (it: Package): Record<string, unknown> => {
  const entries: Record<string, unknown> = {}
  for (const name of ["index", ...it.modules.filter((module) => module !== "index")]) {
    const key = name === "index" ? "." : `./${name}`
    entries[key] = { types: `./${name}.d.ts`, default: `./${name}.js` }
  }
  return { ...entries, "./internal/*": null, "./package.json": "./package.json" }
}

const manifestOf = (it: Package): Record<string, unknown> => {
  const { dependencies, devDependencies: _dev, exports: _source, scripts: _scripts, ...rest } = it.manifest
  return {
    ...rest,
    keywords: rest.keywords ?? keywords,
    author: "The intentra authors",
    publishConfig: { access: "public" },
    types: "./index.d.ts",
    exports: exportsOf(it),
    files: ["**/*.js", "**/*.mjs", "**/*.d.ts", "**/*.d.mts", "**/*.map", "src", ...assets, "*.md"],
    ...(dependencies === undefined ? {} : { dependencies })
  }
}

/** Without these links a dist would load its neighbours' TypeScript sources when it runs inside the clone. */
const linkNeighbours = (it: Package): void => {
  const ranges = { ...it.manifest.dependencies, ...it.manifest.peerDependencies }
  for (const neighbour of published) {
    if (!(neighbour.name in ranges)) continue
    const link = join(it.dist, "node_modules", neighbour.name)
    mkdirSync(dirname(link), { recursive: true })
    if (process.platform === "win32") symlinkSync(neighbour.dist, link, "junction")
    else symlinkSync(relative(dirname(link), neighbour.dist), link)
  }
}

const build = (it: Package): void => {
  rmSync(it.dist, { recursive: true, force: true })
  for (const file of it.sources) copySource(it, file)
  for (const file of Object.values(it.manifest.bin ?? {})) copyCommand(it, file)
  for (const file of readdirSync(it.folder).filter((name) => name.endsWith(".md"))) {
    copy(join(it.folder, file), join(it.dist, file))
  }
  for (const folder of assets.filter((name) => existsSync(join(it.folder, name)))) {
    cpSync(join(it.folder, folder), join(it.dist, folder), { recursive: true })
  }
  if (existsSync(join(root, "LICENSE"))) copy(join(root, "LICENSE"), join(it.dist, "LICENSE"))
  write(join(it.dist, "package.json"), JSON.stringify(manifestOf(it), null, 2) + "\n")
  linkNeighbours(it)
}

const started = performance.now()
const types = await run("tsc", ["-b"])
if (types.code === 0) {
  for (const it of published) build(it)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`built ${published.map((it) => `packages/${basename(it.folder)}/dist`).join(", ")} in ${seconds} s`)
} else {
  console.error(types.output)
  process.exitCode = 1
}
