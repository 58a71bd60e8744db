/**
 * `npm run docs`: the API reference of every public package in docs/, one page for each module.
 *
 * With `--check` nothing is written; either way it fails when an export has no description, when a description links to
 * nothing, or when what is exported leans on a type that is not.
 */
import { existsSync, rmSync } from "node:fs"
import { join, relative } from "node:path"
import { parseArgs } from "node:util"
import {
  Application,
  type DeclarationReflection,
  type DocumentationEntryPoint,
  LogLevel,
  ReflectionKind
} from "typedoc"
import ts from "typescript"
import { published, root } from "./internal/workspace.js"

const output = join(root, "docs")

/** What a reader looks up: members explain themselves by name and type, or have a comment of their own. */
const lookedUp = ReflectionKind.Variable |
  ReflectionKind.Function |
  ReflectionKind.Class |
  ReflectionKind.Interface |
  ReflectionKind.TypeAlias |
  ReflectionKind.Enum |
  ReflectionKind.Namespace

const compilerOptions = (): ts.CompilerOptions => {
  const file = join(root, "tsconfig.json")
  const { options } = ts.parseJsonConfigFileContent(ts.readConfigFile(file, ts.sys.readFile).config, ts.sys, root)
  return { ...options, composite: false, incremental: false, noEmit: true }
}

/** One program over all packages: their sources import each other as the workspace links them. */
const entryPoints = (): Array<DocumentationEntryPoint> => {
  const modules = published.flatMap((it) =>
    it.modules.map((module) => ({
      displayName: module === "index" ? it.name : `${it.name}/${module}`,
      file: join(it.folder, "src", `${module}.ts`),
      readmeFile: module === "index" ? join(it.folder, "README.md") : undefined
    }))
  )
  const program = ts.createProgram(modules.map(({ file }) => file), compilerOptions())
  return modules.flatMap(({ displayName, file, readmeFile }) => {
    const sourceFile = program.getSourceFile(file)
    if (sourceFile === undefined) return []
    const hasReadme = readmeFile !== undefined && existsSync(readmeFile)
    return [{ displayName, program, sourceFile, ...(hasReadme ? { readmeFile } : {}) }]
  })
}

const described = (reflection: DeclarationReflection): boolean =>
  [reflection, ...(reflection.signatures ?? [])].some((it) =>
    it.comment?.summary.some((part) => part.text.trim() !== "") === true
  )

const place = (reflection: DeclarationReflection): string => {
  const source = reflection.sources?.[0]
  return source === undefined
    ? reflection.getFullName()
    : `${relative(root, source.fullFileName)}:${source.line} ${reflection.name}`
}

const { values } = parseArgs({ options: { check: { type: "boolean" } } })
const app = await Application.bootstrap({
  name: "intentra",
  readme: join(root, "README.md"),
  excludeInternal: true,
  excludePrivate: true,
  excludeExternals: true,
  githubPages: false,
  hideGenerator: true,
  navigation: { includeCategories: false, includeGroups: false, includeFolders: true },
  categorizeByGroup: false,
  logLevel: LogLevel.Warn,
  blockTags: ["@since", "@category", "@param", "@returns", "@throws", "@example", "@see", "@deprecated"],
  validation: { notExported: true, invalidLink: true, invalidPath: false, notDocumented: false, rewrittenLink: false }
})
const project = app.converter.convert(entryPoints())
app.validate(project)
const missing = project
  .getReflectionsByKind(lookedUp)
  .filter((it): it is DeclarationReflection => it.isDeclaration())
  .filter((it) => it.parent?.kindOf(ReflectionKind.Module | ReflectionKind.Namespace) === true && !described(it))
for (const reflection of missing) console.error(`${place(reflection)} has no description`)

if (values.check !== true) {
  rmSync(output, { recursive: true, force: true })
  await app.generateDocs(project, output)
}
const count = project.getReflectionsByKind(lookedUp).length
console.log(`${count} exports, ${missing.length} without a description, ${app.logger.warningCount} warnings`)
process.exitCode = missing.length + app.logger.warningCount + app.logger.errorCount === 0 ? 0 : 1
