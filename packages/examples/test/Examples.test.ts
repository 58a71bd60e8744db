import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { readdirSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const src = fileURLToPath(new URL("../src", import.meta.url))

/** Runs an example as a user does; fails when it does not exit with 0, or says anything on standard error. */
const run = async (file: string) => {
  const { stderr, stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", `${src}/${file}`], {
    timeout: 50_000
  })
  assert.strictEqual(stderr, "")
  return stdout.trimEnd().split("\n")
}

const numbers = (line: string): ReadonlyArray<number> => (line.match(/\d+(\.\d+)?/g) ?? []).map(Number)

const table = ["fleet", "game", "hubs", "market", "plain", "simulated", "twin"]

describe("examples", () => {
  it("every example has a line here, and no line is without its example", () => {
    assert.deepStrictEqual(readdirSync(src).sort(), table)
  })
})

describe("each example", () => {
  it("fleet: each alarm arrives, each robot hears its command, and nothing is dropped", async () => {
    const lines = await run("fleet/main.ts")
    for (const robot of [1, 2, 3]) {
      const alarm = lines.find((line) => line.startsWith(`hub: robot ${robot} is low`))
      assert.isDefined(alarm)
      assert.include(lines, `robot ${robot}: docked`)
      const ended = lines.find((line) => line.startsWith(`hub: robot ${robot} ended`))
      assert.isAtLeast(numbers(ended ?? "")[1], numbers(alarm ?? "")[1])
    }
    assert.strictEqual(lines.filter((line) => line === "hub: PeerConnected").length, 3)
  })

  it("game: what is shown moves evenly, though the snapshots jump", async () => {
    const lines = await run("game/main.ts")
    assert.strictEqual(lines.length, 2)
    for (const line of lines) {
      const [frames, snapshots, shown, raw] = numbers(line)
      assert.strictEqual(frames, 601)
      assert.isAtLeast(snapshots, 150)
      // 5 units a second are 0.08 a frame
      assert.isAtMost(shown, 0.12)
      assert.isAtLeast(raw, 0.5)
    }
  })

  it("market: every subscriber has every trade in order", async () => {
    const lines = await run("market/main.ts")
    assert.include(lines, "feed: 100 sheets of 100 prices and 500 trades, 0 refused")
    for (const id of [0, 1, 2, 3]) assert.include(lines, `subscriber ${id}: trade 500 in order`)
  })

  it("twin: who joins late has every key, and what can no longer be trusted says so until the line is mended", async () => {
    const [, joined, cut, mended] = await run("twin/main.ts")
    assert.deepStrictEqual(numbers(joined).slice(0, 2), [20, 0])
    assert.deepStrictEqual(numbers(cut).slice(0, 3), [3, 20, 20])
    assert.deepStrictEqual(numbers(mended).slice(0, 2), [20, 0])
    for (const line of [joined, mended]) assert.isBelow(numbers(line)[2], 200)
  })

  it("plain: messages come back without a line of Effect around them", async () => {
    assert.deepStrictEqual(await run("plain/main.mjs"), ["echoed: one, two, three"])
  })

  it("simulated: the weather shows, and the time is the simulation's", async () => {
    const lines = await run("simulated/main.ts")
    assert.strictEqual(lines.length, 4)
    const [good, bad, silence, passed] = lines.map((line) => numbers(line)[0])
    assert.isAtLeast(good, 395)
    assert.isAtMost(good, 400)
    assert.isAtLeast(bad, 180)
    assert.isAtMost(bad, 320)
    assert.isAtLeast(silence, 5)
    assert.isAtMost(silence, 6)
    assert.strictEqual(passed, 105)
  })

  it("hubs: clients spread over all hubs, and over those that remain when one dies", async () => {
    const [all, rest, left] = await run("hubs/main.ts")
    assert.strictEqual(numbers(all).reduce((sum, one) => sum + one), 24)
    assert.isAtLeast(Math.min(...numbers(all)), 4)
    assert.strictEqual(numbers(rest).reduce((sum, one) => sum + one), 24)
    assert.deepStrictEqual(numbers(left), [24, 24])
  })
})
