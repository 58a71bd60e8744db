import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join, relative, sep } from "node:path"
import { fileURLToPath } from "node:url"

/** The repository's top level. */
export const root = fileURLToPath(new URL("../..", import.meta.url))

/** The fields of a package.json that the scripts read; the others are carried along. */
export interface Manifest {
  readonly [field: string]: unknown
  readonly name: string
  readonly version: string
  readonly private?: boolean
  readonly bin?: Record<string, string>
  readonly dependencies?: Record<string, string>
  readonly peerDependencies?: Record<string, string>
}

/** One folder of packages. */
export interface Package {
  readonly name: string
  readonly folder: string
  readonly dist: string
  readonly manifest: Manifest
  /** Every file below src, relative to it, with forward slashes. */
  readonly sources: ReadonlyArray<string>
  /** Names of the public modules, `index` among them. */
  readonly modules: ReadonlyArray<string>
  /** True while nothing is exported yet: a room with a door and no furniture. */
  readonly empty: boolean
}

const filesBelow = (folder: string): ReadonlyArray<string> =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/"))
      .sort()
    : []

export const readJson = <A>(file: string): A => JSON.parse(readFileSync(file, "utf8")) as A

const isModule = (file: string): boolean => file.endsWith(".ts") && !file.endsWith(".d.ts") && !file.includes("/")

const load = (folder: string): Package => {
  const manifest = readJson<Manifest>(join(folder, "package.json"))
  const sources = filesBelow(join(folder, "src"))
  const modules = sources.filter(isModule).map((file) => file.slice(0, -".ts".length))
  const onlyIndex = sources.length === 1 && sources[0] === "index.ts"
  return {
    name: manifest.name,
    folder,
    dist: join(folder, "dist"),
    manifest,
    sources,
    modules,
    empty: sources.length === 0 ||
      (onlyIndex && readFileSync(join(folder, "src/index.ts"), "utf8").trim() === "export {}")
  }
}

/** All packages of the workspace. */
export const packages: ReadonlyArray<Package> = readdirSync(join(root, "packages"))
  .map((name) => join(root, "packages", name))
  .filter((folder) => existsSync(join(folder, "package.json")))
  .map(load)

/** Those that are published. */
export const published: ReadonlyArray<Package> = packages.filter((it) => it.manifest.private !== true)
