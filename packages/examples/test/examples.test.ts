import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

/** Runs an example as a user does; fails when it does not exit with 0. */
const run = async (name: string) => {
  const file = fileURLToPath(new URL(`../src/${name}.ts`, import.meta.url))
  const { stderr, stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", file], { timeout: 60_000 })
  assert.strictEqual(stderr, "")
  return stdout.trimEnd().split("\n")
}

describe.concurrent("examples", () => {
  it("telemetry: the hub has the last reading of both machines, and both hear its command", async () => {
    const lines = await run("telemetry")
    for (const name of ["north", "south"]) {
      assert.include(lines, `${name}: the hub says good night`)
      assert.include(lines, `hub: the newest reading of ${name} is number 20`)
    }
    assert.strictEqual(lines.filter((line) => line.startsWith("hub: PeerConnected ")).length, 2)
  })

  it("simulated: the weather shows, and the time is the simulation's", async () => {
    const lines = await run("simulated")
    assert.strictEqual(lines.length, 4)
    const [good, bad, silence, passed] = lines.map((line) => Number(/[\d.]+/.exec(line)?.[0]))
    assert.isAtLeast(good, 395)
    assert.isAtMost(good, 400)
    assert.isAtLeast(bad, 180)
    assert.isAtMost(bad, 320)
    assert.isAtLeast(silence, 5)
    assert.isAtMost(silence, 6)
    assert.strictEqual(passed, 105)
  })

  it("plain: messages come back without a line of Effect around them", async () => {
    assert.deepStrictEqual(await run("plain"), ["echoed: one, two, three"])
  })
})
