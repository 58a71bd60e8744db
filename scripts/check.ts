/**
 * `npm run check`: everything that can be said about the repository without running its tests.
 */
import { basename } from "node:path"
import { parseArgs } from "node:util"
import { run } from "./internal/run.js"
import { packages } from "./internal/workspace.js"

interface Step {
  readonly name: string
  readonly what: string
  readonly command: string
  readonly args: ReadonlyArray<string>
  /** A step without which this one says nothing. */
  readonly needs?: string
}

// An empty package uses none of its dependencies yet.
const filled = [".", ...packages.filter((it) => !it.empty).map((it) => `./packages/${basename(it.folder)}`)]

const steps: ReadonlyArray<Step> = [
  { name: "types", what: "tsc -b over every package and the scripts", command: "tsc", args: ["-b"] },
  {
    name: "effect",
    what: "Effect diagnostics: floating effects, missing services and errors",
    command: "effect-language-service",
    args: [
      "diagnostics",
      "--project",
      "tsconfig.json",
      "--strict",
      "--severity",
      "error,warning",
      "--format",
      "text"
    ]
  },
  {
    name: "lint",
    what: "oxlint: correctness, import direction, cycles",
    command: "oxlint",
    args: ["--deny-warnings", "--report-unused-disable-directives"]
  },
  { name: "format", what: "dprint; `npm run format` mends it", command: "dprint", args: ["check", "--list-different"] },
  {
    name: "unused",
    what: "knip: unused files, exports and dependencies",
    command: "knip",
    args: ["--no-progress", "--no-config-hints", ...filled.flatMap((folder) => ["--workspace", folder])]
  },
  {
    name: "docs",
    what: "typedoc: every export has a description, every link leads somewhere",
    command: "tsx",
    args: ["scripts/docs.ts", "--check"]
  },
  { name: "build", what: "the dist folder of every public package", command: "tsx", args: ["scripts/build.ts"] },
  {
    name: "pack",
    what: "what would be published: contents, publint, attw, and a program that uses it",
    command: "tsx",
    args: ["scripts/pack.ts"],
    needs: "build"
  },
  {
    name: "install",
    what: "those packages in an empty project, by npm: the README's quick start, with and without koffi",
    command: "tsx",
    args: ["scripts/packInstall.ts"],
    needs: "pack"
  }
]

const help = `npm run check [-- --only NAME ...]

Runs every step, shows the output of those that fail, and exits 1 if any did.

Steps:
${steps.map((step) => `  ${step.name.padEnd(8)}${step.what}`).join("\n")}

Options:
  --only NAME   run this step alone; may be repeated
  --help        show this text
`

const report = (step: Step, milliseconds: number, verdict: string): void =>
  console.log(`${step.name.padEnd(8)}${(milliseconds / 1000).toFixed(1).padStart(6)} s  ${verdict}`)

const check = async (chosen: ReadonlyArray<Step>): Promise<boolean> => {
  const failed = new Set<string>()
  for (const step of chosen) {
    if (step.needs !== undefined && failed.has(step.needs)) {
      report(step, 0, `skipped: it needs ${step.needs}`)
      continue
    }
    const started = performance.now()
    const { code, output } = await run(step.command, step.args)
    report(step, performance.now() - started, code === 0 ? "ok" : "FAILED")
    if (code === 0) continue
    failed.add(step.name)
    console.log(output.trimEnd().replaceAll(/^/gm, "    "))
  }
  return failed.size === 0
}

const main = async (): Promise<boolean> => {
  const { values } = parseArgs({
    options: { only: { type: "string", multiple: true }, help: { type: "boolean", short: "h" } }
  })
  if (values.help) {
    console.log(help)
    return true
  }
  const only = values.only ?? steps.map((step) => step.name)
  const unknown = only.filter((name) => !steps.some((step) => step.name === name))
  if (unknown.length > 0) {
    console.error(`no step is called ${unknown.join(", ")}\n\n${help}`)
    return false
  }
  return check(steps.filter((step) => only.includes(step.name)))
}

process.exitCode = (await main()) ? 0 : 1
