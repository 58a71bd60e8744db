import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Run } from "../src/All.js"
import { runAll, steps } from "../src/All.js"
import { BenchError } from "../src/BenchError.js"
import { files, write } from "../src/Report.js"
import { atLeast, atMost, result } from "../src/Scenario.js"
import type { Outcome } from "../src/Scenario.js"

const outcome = (fields: Outcome["fields"], measured: number): Outcome => ({
  fields,
  tables: [{ title: "figures", rows: [{ name: "a|b", "packets/s": 1_234_567 }] }],
  lifted: { sendQueue: 8192 },
  goals: [atLeast("at least 2", measured, 2), atMost("at most 5", undefined, 5)]
})

const done = (scenario: string, fields: Outcome["fields"], measured = 3): Run => ({
  name: scenario,
  scenario,
  result: result(scenario, 1, outcome(fields, measured)),
  failure: undefined
})

const runs: ReadonlyArray<Run> = [
  done("accuracy", {
    points: [{ offeredPps: 10, deliveredPps: 10, ratio: 1 }, { offeredPps: 20, deliveredPps: 15, ratio: 0.75 }]
  }),
  done("latency", { hz: 100, distribution: [[0.5, 40], [0.99, 90]], rawDistribution: [[0.5, 30], [0.99, 80]] }),
  done("scaling", { steps: [{ sessions: 1, rxNsPerPacket: 400, txNsPerPacket: 300 }] }, 1),
  { name: "peers", scenario: "peers", result: undefined, failure: "a process of the scenario failed" }
]

const file = (name: string): string => files(runs).find((it) => it.name === name)?.text ?? ""

describe("Report", () => {
  it("a goal that is missed or was not measured is reported as missed, with its figure", () => {
    const text = file("RESULTS.md")
    assert.include(text, "- met: at least 2 (3)")
    assert.include(text, "- **missed**: at least 2 (1)")
    assert.include(text, "- **missed**: at most 5 (not measured)")
  })

  it("a scenario that failed says so, and does not hide the others", () => {
    const text = file("RESULTS.md")
    assert.include(text, "## peers\n\nNot measured: a process of the scenario failed")
    for (const name of ["accuracy", "latency", "scaling"]) assert.include(text, `## ${name}\n`)
  })

  it("a bar in a name does not end its place in a table", () => {
    assert.include(file("RESULTS.md"), "| a\\|b | 1,234,567 |")
  })

  it("every picture of the report is one of its files", () => {
    const names = files(runs).map(({ name }) => name)
    const pictures = [...file("RESULTS.md").matchAll(/!\[[^\]]*\]\(([^)]*)\)/g)].map(([, name]) => name)
    assert.sameMembers(pictures, ["accuracy.svg", "delivery-ratio.svg", "latency.svg", "scaling.svg"])
    assert.includeMembers(names, pictures)
  })

  it("the JSON file of a result names its scenario, machine, date and goals", () => {
    const json = JSON.parse(file("latency.json")) as Record<string, unknown>
    assert.includeMembers(Object.keys(json), ["scenario", "machine", "date", "seconds", "lifted", "goals", "hz"])
    assert.hasAllKeys(json.machine, ["cpu", "cores", "kernel", "node"])
  })

  it("the report is written into a folder that need not be there; where none can be, the error says so", () => {
    const folder = mkdtempSync(join(tmpdir(), "intentra-bench-"))
    try {
      Effect.runSync(write(join(folder, "new"), runs))
      assert.strictEqual(readFileSync(join(folder, "new", "RESULTS.md"), "utf8"), file("RESULTS.md"))
      assert.isTrue(existsSync(join(folder, "new", "accuracy.json")))
      writeFileSync(join(folder, "file"), "")
      const error = Effect.runSync(Effect.flip(write(join(folder, "file"), runs)))
      assert.strictEqual(error.reason, "ResultsUnwritable")
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it("a step that fails does not stop those after it", () => {
    const told: Array<string> = []
    const all = Effect.runSync(runAll(1, ({ name }) => told.push(name), [
      {
        name: "first",
        scenario: "first",
        run: () => Effect.fail(new BenchError({ reason: "ChildFailed", detail: "it ended" }))
      },
      { name: "second", scenario: "second", run: () => Effect.succeed(outcome({}, 3)) }
    ]))
    assert.deepStrictEqual(told, ["first", "second"])
    assert.include(all[0].failure, "it ended")
    assert.strictEqual(all[1].result?.scenario, "second")
  })

  it("every step of a whole run has a name of its own", () => {
    assert.strictEqual(new Set(steps.map(({ name }) => name)).size, steps.length)
  })
})
