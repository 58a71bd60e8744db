import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { runBench } from "../src/internal/benchCommand.js"

const modules = fileURLToPath(new URL("../../../node_modules", import.meta.url))

/** A stand-in for the benchmarks, which finds tsx as they do. */
const withEntry = <A, E>(source: string, use: (entry: string) => Effect.Effect<A, E>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "intentra-bench-"))),
    (folder) => {
      symlinkSync(modules, join(folder, "node_modules"), "junction")
      const entry = join(folder, "Main.ts")
      writeFileSync(entry, source)
      return use(entry)
    },
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
  )

describe("intentra bench", () => {
  it.live("hands its arguments on, and says when the program fails", () =>
    Effect.gen(function*() {
      const wanted = "process.exitCode = process.argv.slice(2).join() === \"flow,--hz,5\" ? 0 : 3 as number"
      yield* withEntry(wanted, (entry) => runBench(["flow", "--hz", "5"], entry))
      const error = yield* Effect.flip(withEntry(wanted, (entry) => runBench(["flow"], entry)))
      assert.strictEqual(error.reason, "Bench")
      assert.strictEqual(error.message, "the benchmark ended with exit code 3")
    }))

  it.effect("says where the benchmarks are when they are not here", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(runBench([], join(tmpdir(), "no/such/Main.ts")))
      assert.match(error.message, /are in the repository, not in this package: in a clone, npm run bench/)
    }))
})
