/**
 * `tsx scripts/counts.ts REPORT STATUS [REPORT STATUS ...]`: reads the JSON reports of test runs that exited with these
 * STATUSes, prints `N passed, N failed` for all of them together, and exits 1 unless in each run something passed and
 * nothing failed.
 */
import { existsSync, statSync } from "node:fs"
import { readJson } from "./internal/workspace.js"

interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly testResults: ReadonlyArray<{
    readonly status: string
    readonly assertionResults: ReadonlyArray<{ readonly status: string }>
  }>
}

const count = (file: string, status: string): { readonly passed: number; readonly failed: number } => {
  const report: Report = existsSync(file) && statSync(file).size > 0
    ? readJson<Report>(file)
    : { numPassedTests: 0, numFailedTests: 0, testResults: [] }
  // A file that does not load has no tests in it to fail.
  const broken =
    report.testResults.filter((it) =>
      it.status === "failed" && it.assertionResults.every((test) => test.status !== "failed")
    ).length
  const passed = report.numPassedTests
  const seen = report.numFailedTests + broken
  // An error outside of every test, or a crash of the runner, is a failure too.
  return { passed, failed: seen === 0 && (status !== "0" || passed === 0) ? 1 : seen }
}

const given = process.argv.slice(2)
let passed = 0
let failed = 0
for (let i = 0; i < Math.max(1, given.length); i += 2) {
  const run = count(given[i] ?? "", given[i + 1] ?? "1")
  passed += run.passed
  failed += run.failed
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
