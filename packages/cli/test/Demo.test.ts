import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { TIMEOUT, withCommands } from "./support/command.js"

/** The peer processes of a demo. */
const peersOf = (demo: number | undefined): ReadonlyArray<number> =>
  readdirSync("/proc").filter((name) => /^\d+$/.test(name)).map(Number).filter((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
      const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1])
      return parent === demo && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("demoPeer")
    } catch {
      return false
    }
  })

const isRunning = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe.concurrent("intentra demo", () => {
  it(
    "the last line of --json is the summary, alone on standard output",
    { timeout: TIMEOUT },
    () =>
      withCommands(async (start) => {
        const demo = start("demo", "--peers", "2", "--duration", "1", "--json")
        assert.strictEqual(await demo.exit(), 0, demo.output)
        const summary = JSON.parse(demo.stdout) as Record<string, unknown>
        assert.deepStrictEqual(
          Object.keys(summary),
          ["peers", "sent", "delivered", "ratio", "p50Ms", "p99Ms", "drops", "socket", "crypto"]
        )
        const { crypto, delivered, drops, p50Ms, p99Ms, peers, ratio, sent, socket } = summary
        assert.strictEqual(peers, 2)
        assert.include(["openssl", "node", "noble"], crypto)
        assert.isString(socket)
        assert.isObject(drops)
        assert.isAtMost(Number(sent), 400)
        assert.isAtLeast(Number(sent), 1)
        assert.strictEqual(ratio, Number(delivered) / Number(sent))
        assert.isAtLeast(Number(ratio), 0.99)
        assert.isAbove(Number(p50Ms), 0)
        assert.isAtLeast(Number(p99Ms), Number(p50Ms))
      })
  )

  it.runIf(process.platform === "linux")("an interrupt ends all processes, with a summary and exit code 130", {
    timeout: TIMEOUT
  }, () =>
    withCommands(async (start) => {
      const demo = start("demo", "--peers", "2", "--duration", "600")
      await demo.match(/delivered/)
      const peers = peersOf(demo.child.pid)
      assert.strictEqual(peers.length, 2)
      demo.child.kill("SIGINT")
      assert.strictEqual(await demo.exit(), 130)
      assert.match(demo.stdout, /^stopped after .*\nsent .* delivered /m)
      assert.deepStrictEqual(peers.filter(isRunning), [])
    }))

  it.runIf(process.platform === "linux")(
    "a peer that dies is named, and the exit code is 1",
    { timeout: TIMEOUT },
    () =>
      withCommands(async (start) => {
        const demo = start("demo", "--peers", "1", "--duration", "600")
        await demo.match(/delivered/)
        const [peer] = peersOf(demo.child.pid)
        process.kill(peer, "SIGKILL")
        assert.strictEqual(await demo.exit(), 1)
        assert.include(demo.stdout, `peer 0 (pid ${peer}) died (SIGKILL); the run goes on without it\n`)
        assert.match(demo.stdout, /^sent .* delivered /m)
        assert.strictEqual(demo.stderr, "intentra: 1 of 1 peers died before the end\n")
      })
  )
})
