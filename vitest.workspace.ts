import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const root = fileURLToPath(new URL(".", import.meta.url))
const packages = join(root, "packages")

const hasTests = (folder: string): boolean => {
  const tests = join(folder, "test")
  return existsSync(tests) && readdirSync(tests, { recursive: true }).some((file) => String(file).endsWith(".test.ts"))
}

// Set by continuous integration to the file that receives the counts.
const report = process.env.INTENTRA_TEST_REPORT

export default defineConfig({
  root,
  test: {
    globalSetup: [join(root, "scripts/vitest/globalSetup.ts")],
    // Laws are checked over many cases, at times on a busy machine: a hang is what this is for.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    setupFiles: [join(root, "scripts/vitest/setup.ts")],
    reporters: report ? ["default", ["json", { outputFile: report }]] : ["default"],
    projects: readdirSync(packages)
      .filter((name) => hasTests(join(packages, name)))
      .map((name) => ({
        extends: true,
        test: {
          name,
          root: join(packages, name),
          include: ["test/**/*.test.ts"]
        }
      }))
  }
})
