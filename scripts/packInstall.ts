/**
 * Installs the packed packages into an empty project outside of the repository, with npm and its registry, as a user
 * does: type-checks and runs the quick start of the README there, the packages' own example, and the command; then once
 * more without koffi, which is optional. Run `scripts/pack.ts` first. Without a registry it says so and is content.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Result, run } from "./internal/run.js"
import { type Manifest, readJson, root } from "./internal/workspace.js"

const tarballs = join(root, "node_modules/.cache/intentra-pack")
const problems: Array<string> = []

const expect = (what: string, { code, output }: Result, wanted: ReadonlyArray<string> = []): boolean => {
  const missing = wanted.filter((text) => !output.includes(text))
  if (code === 0 && missing.length === 0) return true
  problems.push(`${what}: exit ${code}${missing.map((text) => `, no "${text}"`).join("")}\n${output.trimEnd()}`)
  return false
}

/** The first program of a document. */
const programOf = (file: string): string =>
  /^```ts\n([^]*?)^```$/m.exec(readFileSync(join(root, file), "utf8"))?.[1] ?? ""

// Loaded before a program that never ends: ends it as a user does, once it has opened its socket.
const interrupter = `
const waiting = setInterval(() => {
  if (!process.getActiveResourcesInfo().includes("UDPWrap")) return
  clearInterval(waiting)
  process.once("exit", (code) => {
    console.log("it listened")
    process.exitCode = code === 130 ? 0 : code
  })
  process.kill(process.pid, "SIGINT")
}, 10)
setTimeout(() => process.exit(3), 20_000).unref()
`

const kinds = `
import { Effect } from "effect"
import { Intentra } from "intentra"
const kindsOf = (layer) =>
  Effect.runPromise(Effect.provide(Effect.map(Intentra, (it) => [it.socketKind, it.cryptoKind].join(" ")), layer))
console.log("kinds:", await kindsOf(Intentra.layer()))
console.log("of several threads:", await kindsOf(Intentra.layerSharded({ workers: 2 })))
`

const versionOf = (name: string): string => readJson<Manifest>(join(root, "node_modules", name, "package.json")).version

const install = (project: string): Promise<Result> => {
  const files = readdirSync(tarballs).filter((name) => name.endsWith(".tgz")).map((name) => join(tarballs, name))
  const others = ["effect", "@effect/platform", "@effect/platform-node", "@types/node", "typescript"]
  const names = others.map((name) => `${name}@^${versionOf(name)}`)
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }))
  return run("npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", ...files, ...names], project)
}

const compile = (project: string): Promise<Result> => {
  writeFileSync(join(project, "quickstart.ts"), programOf("README.md"))
  writeFileSync(join(project, "example.ts"), programOf("packages/intentra/README.md"))
  writeFileSync(join(project, "kinds.mjs"), kinds)
  writeFileSync(join(project, "interrupter.mjs"), interrupter)
  const compilerOptions = {
    target: "ES2022",
    module: "NodeNext",
    types: ["node"],
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: true
  }
  writeFileSync(
    join(project, "tsconfig.json"),
    JSON.stringify({ compilerOptions, files: ["quickstart.ts", "example.ts"] })
  )
  return run(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "."], project)
}

const runAll = async (project: string, how: string, wantedKinds: ReadonlyArray<string>): Promise<void> => {
  const node = (...args: ReadonlyArray<string>) => run(process.execPath, args, project)
  expect(`the quick start ${how}`, await node("--import", "./interrupter.mjs", "quickstart.js"), ["it listened"])
  expect(`the example ${how}`, await node("example.js"), ["21.5 °C"])
  expect(`a transport ${how}`, await node("kinds.mjs"), wantedKinds)
  expect(`intentra --help ${how}`, await node("node_modules/@intentra/cli/bin/intentra.js", "--help"), ["keygen"])
}

const registry = await run("npm", ["view", "effect@3", "version", "--fetch-timeout=5000", "--fetch-retries=0"])
if (registry.code !== 0) {
  console.log("the npm registry is not reachable: installing as a user does is skipped")
} else {
  const started = performance.now()
  const project = mkdtempSync(join(tmpdir(), "intentra-install-"))
  if (expect("npm install", await install(project)) && expect("a user's program", await compile(project))) {
    const isFast = process.platform === "linux"
    await runAll(project, "with koffi", [isFast ? "kinds: batch" : "kinds: dgram", "threads: "])
    for (const name of ["koffi", "@koromix"]) {
      rmSync(join(project, "node_modules", name), { recursive: true, force: true })
    }
    await runAll(project, "without koffi", ["kinds: dgram node", "threads: dgram node"])
  }
  rmSync(project, { recursive: true, force: true })
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  for (const problem of problems) console.error(problem)
  console.log(`installed and run in ${seconds} s, ${problems.length} problems`)
  process.exitCode = problems.length === 0 ? 0 : 1
}
