import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"

const fileOf = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

const program = process.env.PROMTOOL ?? "promtool"

const promtool = (...args: ReadonlyArray<string>) => spawnSync(program, args, { encoding: "utf8", timeout: 30_000 })

const missing = promtool("--version").error !== undefined
if (missing) console.log("no promtool is installed: the rules are not checked by it")

describe.skipIf(missing)("the rules", () => {
  it("are valid for promtool", () => {
    const { output, status } = promtool("check", "rules", "--lint-fatal", fileOf("../rules/intentra.rules.yml"))
    assert.strictEqual(status, 0, output.join(""))
  })

  it("every alert fires for its trouble, and none for a hub in order", () => {
    const { output, status } = promtool("test", "rules", fileOf("rules/intentra.rules.test.yml"))
    assert.strictEqual(status, 0, output.join(""))
  })
})
