import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import ts from "typescript"
import { afterAll } from "vitest"
import { docstringExamples, readmeExamples, readmeLinks, root } from "./support/markdown.js"

// Inside the repository, so that imports find the packages.
const cache = join(root, "node_modules/.cache")
mkdirSync(cache, { recursive: true })
const folder = mkdtempSync(join(cache, "intentra-readme-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const write = (name: string, code: string): string => {
  const file = join(folder, name)
  writeFileSync(file, code)
  return file
}

/** What a new project of a careful user has. */
const compilerOptions: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  lib: ["lib.es2023.d.ts"],
  types: ["node"],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  moduleDetection: ts.ModuleDetectionKind.Force,
  strict: true,
  exactOptionalPropertyTypes: true,
  verbatimModuleSyntax: true,
  skipLibCheck: true,
  noEmit: true
}

// Says so when the program above it has opened a socket.
const announcement = `
const waiting = setInterval(() => {
  if (!process.getActiveResourcesInfo().some((it) => it === "TCPServerWrap" || it === "UDPWrap")) return
  console.log("it listens")
  clearInterval(waiting)
}, 10)
`

/** Runs a file as a user does; one that never ends is interrupted when it listens. */
const run = (file: string) =>
  new Promise<{ readonly code: number | null; readonly output: string }>((resolve) => {
    const child = spawn(process.execPath, ["--import", "tsx", file], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
      timeout: 50_000
    })
    let output = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text
      if (output.includes("it listens")) child.kill("SIGINT")
    })
    child.stderr.setEncoding("utf8").on("data", (text: string) => (output += text))
    child.on("close", (code) => resolve({ code, output }))
  })

describe("READMEs", () => {
  it("every link into the repository leads to something", () => {
    const results = join(root, "packages/bench/results")
    const missing = readmeLinks
      // results are written by whoever runs the benchmark
      .filter(({ target }) => existsSync(results) || !target.startsWith(results))
      .filter(({ target }) => !existsSync(target))
    assert.isAbove(readmeLinks.length, 30)
    assert.deepStrictEqual(missing, [])
  })

  it("every law that is quoted as a proof is held by a test in the file that it links to", () => {
    const quotes = readmeLinks.filter(({ text }) => text.startsWith("“"))
    assert.isAbove(quotes.length, 10)
    for (const { target, text } of quotes) {
      assert.match(target, /\.test\.ts$/)
      assert.include(readFileSync(target, "utf8"), text.slice(1, -1))
    }
  })
})

describe("examples in documents", () => {
  it("there is one in every README of a published package", () => {
    for (const name of ["", "crypto", "ffi", "intentra", "noise", "prometheus", "udp"]) {
      const readme = name === "" ? "README.md:" : `packages/${name}/README.md:`
      assert.isTrue(readmeExamples.some((example) => example.place.startsWith(readme)), readme)
    }
  })

  it("every example in a README or a docstring compiles in a strict project", () => {
    const examples = [...readmeExamples, ...docstringExamples]
    const places = new Map(examples.map((example) => [write(example.name, example.code), example.place]))
    const program = ts.createProgram([...places.keys()], compilerOptions)
    const problems: Array<string> = []
    for (const [file, place] of places) {
      const source = program.getSourceFile(file)
      for (
        const { messageText, start } of [
          ...program.getSyntacticDiagnostics(source),
          ...program.getSemanticDiagnostics(source)
        ]
      ) {
        const line = start === undefined ? 0 : (source?.getLineAndCharacterOfPosition(start).line ?? 0) + 1
        problems.push(`${place} +${line}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`)
      }
    }
    assert.deepStrictEqual(problems, [])
  }, 120_000)

  const isEndless = (code: string) => code.includes("Layer.launch")

  it("every README example that ends runs to its end", async () => {
    const files = readmeExamples.filter(({ code }) => !isEndless(code)).map(({ code, name }) => write(name, code))
    const imports = files.map((file) => `await import(${JSON.stringify(pathToFileURL(file).href)})`)
    const { code, output } = await run(write("all.mjs", imports.join("\n") + "\n"))
    assert.strictEqual(code, 0, output)
  })

  for (const { code, name, place } of readmeExamples.filter(({ code }) => isEndless(code))) {
    it(`${place} starts, and ends when it is interrupted`, async () => {
      // any free port: the one of the document may be taken on this machine
      const outcome = await run(write(name, code.replaceAll(/port: \d+/g, "port: 0") + announcement))
      assert.include(outcome.output, "it listens")
      assert.include([0, 130], outcome.code, outcome.output)
      assert.notInclude(outcome.output, "ERROR")
    })
  }
})
