import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { createRequire } from "node:module"
import { fileURLToPath, pathToFileURL } from "node:url"

const main = fileURLToPath(new URL("../src/Main.ts", import.meta.url))
const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command over the portable path, as `npm run bench` does. */
const bench = (...args: ReadonlyArray<string>): Promise<Ended> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, ["--import", tsx, main, ...args], {
      env: { ...process.env, INTENTRA_UDP: "dgram", INTENTRA_CRYPTO: "node" }
    })
    let stdout = ""
    let stderr = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => stdout += text)
    child.stderr.setEncoding("utf8").on("data", (text: string) => stderr += text)
    child.on("close", (code) => resolve({ code, stdout, stderr }))
  })

const lastLine = ({ stdout }: Ended): Record<string, unknown> =>
  JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") as Record<string, unknown>

const COMMON = ["scenario", "machine", "date", "seconds", "lifted", "goals"]

const isRate = (value: unknown): boolean => typeof value === "number" && Number.isFinite(value) && value > 0

describe("Command", () => {
  it("without arguments, and with --help, the scenarios are listed", async () => {
    const ended = await bench()
    assert.strictEqual(ended.code, 0)
    for (
      const scenario of [
        "crypto",
        "flow",
        "messages",
        "sessions",
        "peers",
        "fanout",
        "latency",
        "overload",
        "handshakes",
        "memory",
        "scaling",
        "accuracy",
        "all"
      ]
    ) assert.match(ended.stdout, new RegExp(`- ${scenario} `))
    assert.strictEqual((await bench("--help")).stdout, ended.stdout)
  })

  it("an option out of its bounds, and a scenario that is none, end with 1 and one line that says so", async () => {
    for (const args of [["flow", "--duration", "0"], ["nothing"]]) {
      const ended = await bench(...args)
      assert.strictEqual(ended.code, 1)
      assert.strictEqual(ended.stdout, "")
      assert.match(ended.stderr, /^bench: [^\n]+\n$/)
    }
  })

  it("the JSON of crypto has a cost of both directions, one by one and in batches, for every library", async () => {
    const ended = await bench("crypto", "--duration", "0.3", "--json")
    assert.strictEqual(ended.code, 0, ended.stderr)
    assert.lengthOf(ended.stdout.trimEnd().split("\n"), 1, "nothing but the JSON goes to standard output")
    assert.include(ended.stderr, "CPU time of a packet")
    const json = lastLine(ended)
    assert.containsAllKeys(json, COMMON)
    assert.strictEqual(json.scenario, "crypto")
    const runs = json.runs as ReadonlyArray<Record<string, unknown>>
    const names = runs.map((run) => `${String(run.backend)} ${String(run.algorithm)}`)
    for (const backend of ["noble", "node"]) {
      for (const algorithm of ["AES-256-GCM", "ChaCha20-Poly1305"]) assert.include(names, `${backend} ${algorithm}`)
    }
    for (const run of runs) {
      for (const cost of ["nsSeal", "nsOpen", "batchNsSeal", "batchNsOpen"]) assert.isTrue(isRate(run[cost]), cost)
    }
  })

  it("the JSON of flow tells of both consumers what was sent and delivered, at what cost, over what", async () => {
    const ended = await bench("flow", "--duration", "0.3", "--json")
    assert.strictEqual(ended.code, 0, ended.stderr)
    const json = lastLine(ended)
    assert.containsAllKeys(json, COMMON)
    const runs = json.runs as ReadonlyArray<Record<string, unknown>>
    assert.deepStrictEqual(runs.map((run) => run.consumer), ["callback", "stream"])
    for (const run of runs) {
      for (
        const rate of ["sent", "delivered", "pps", "floorPps", "ratioToFloor", "rxNsPerPacket", "txNsPerPacket"]
      ) assert.isTrue(isRate(run[rate]), `${rate}: ${String(run[rate])}`)
      assert.deepStrictEqual([run.socket, run.crypto, run.duplicates, run.corrupt], ["dgram", "node", 0, 0])
      assert.isAtMost(run.ratio as number, 1)
    }
    for (const goal of json.goals as ReadonlyArray<object>) assert.containsAllKeys(goal, ["goal", "measured", "met"])
  })
})
