/**
 * `tsx scripts/counts.ts REPORT STATUS`: reads the JSON report of a test run that exited with STATUS, prints
 * `N passed, N failed`, and exits 1 unless something passed and nothing failed.
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

const [file = "", status = "1"] = process.argv.slice(2)
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
const failed = seen === 0 && (status !== "0" || passed === 0) ? 1 : seen

console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
