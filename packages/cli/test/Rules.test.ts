/** The rules and the dashboard of @intentra/prometheus, held against what a hub really exposes. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { CloseReason, DropReason } from "intentra"
import { spawn, spawnSync } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { testHub, until } from "./support/hub.js"
import { findProgram } from "./support/programs.js"

const room = dirname(createRequire(import.meta.url).resolve("@intentra/prometheus/package.json"))
const rulesFile = join(room, "rules/intentra.rules.yml")
const texts = {
  rules: readFileSync(rulesFile, "utf8"),
  dashboard: readFileSync(join(room, "dashboards/intentra.json"), "utf8")
}

const promtool = findProgram(["promtool"])
const prometheus = findProgram(["prometheus"])
if (promtool === undefined) console.log("no promtool is installed: the metrics of a hub are not checked by it")
if (prometheus === undefined) console.log("no Prometheus is installed: none scrapes a hub")

/** Names that are kept as they are: two that others know these metrics by, and two in the unit of everything here. */
const KEPT_NAMES = new Set([
  "intentra_packets_dropped_rate_limit",
  "intentra_packets_dropped_crypto",
  "intentra_longest_turn_ms",
  "intentra_send_queue_oldest_ms"
])

describe("the rules and the dashboard", () => {
  it.scopedLive.each(["rules", "dashboard"] as const)(
    "every metric that the %s name is exposed by a hub",
    (which) =>
      Effect.gen(function*() {
        const hub = yield* testHub
        yield* hub.serve
        const exposed = new Set(
          Array.from((yield* hub.get("/metrics")).body.matchAll(/^intentra_\w+/gm), ([name]) => name)
        )
        // a rule's own name has a colon before it
        const named = new Set(Array.from(texts[which].matchAll(/(?<![\w:])intentra_\w+(?!:)/g), ([name]) => name))
        assert.isAbove(named.size, 10)
        assert.deepStrictEqual([...named].filter((name) => !exposed.has(name)), [])
      })
  )

  it("every reason that they name is one", () => {
    const reasons = new Set<string>([...DropReason.all, ...CloseReason.all])
    for (const text of Object.values(texts)) {
      const named = Array.from(text.matchAll(/reason=~?\\?"([^"\\]+)\\?"/g), ([, names]) => names.split("|")).flat()
      assert.isAbove(named.length, 0)
      assert.deepStrictEqual(named.filter((name) => !reasons.has(name)), [])
    }
  })

  it("the dashboard's queries have the labels of its variables, and each panel a place of its own", () => {
    interface Panel {
      readonly id: number
      readonly title: string
      readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
      readonly targets?: ReadonlyArray<{ readonly expr: string }>
    }
    const { panels } = JSON.parse(texts.dashboard) as { readonly panels: ReadonlyArray<Panel> }
    assert.strictEqual(new Set(panels.map((it) => it.id)).size, panels.length)
    for (const [index, { gridPos: a, targets = [], title }] of panels.entries()) {
      for (const { expr } of targets) {
        const selectors = Array.from(expr.matchAll(/intentra_\w+(\{[^}]*\})?/g), ([, selector]) => selector ?? "")
        for (const selector of selectors) assert.include(selector, "job=~\"$job\",instance=~\"$instance\"", title)
      }
      assert.isAtMost(a.x + a.w, 24, title)
      for (const { gridPos: b, title: other } of panels.slice(index + 1)) {
        const apart = a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y
        assert.isTrue(apart, `${title} lies over ${other}`)
      }
    }
  })

  it.skipIf(promtool === undefined)(
    "promtool has nothing to say of a hub's metrics but of the names that are kept",
    () =>
      Effect.gen(function*() {
        const hub = yield* testHub
        yield* hub.peer(yield* hub.serve, 3)
        const { body } = yield* hub.get("/metrics")
        const { stderr, stdout } = spawnSync(promtool ?? "", ["check", "metrics"], { input: body, encoding: "utf8" })
        const said = `${stdout}${stderr}`.split("\n").filter((line) => line !== "")
        // Effect has metrics of its own in every process
        const other = said.filter((line) => !KEPT_NAMES.has(line.split(" ")[0]) && !line.startsWith("effect_"))
        assert.deepStrictEqual(other, [])
      }).pipe(Effect.scoped, Effect.runPromise)
  )
})

interface Server {
  readonly url: string
}

/** A Prometheus that scrapes a hub five times a second and evaluates the rules as often. */
const scraper = (target: string) =>
  Effect.gen(function*() {
    const folder = yield* Effect.acquireRelease(
      Effect.sync(() => mkdtempSync(join(tmpdir(), "intentra-prometheus-"))),
      (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
    )
    const config = {
      global: { scrape_interval: "200ms", scrape_timeout: "200ms", evaluation_interval: "200ms" },
      rule_files: [rulesFile],
      scrape_configs: [{ job_name: "intentra", static_configs: [{ targets: [target] }] }]
    }
    writeFileSync(join(folder, "prometheus.json"), JSON.stringify(config))
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(prometheus ?? "", [
          `--config.file=${join(folder, "prometheus.json")}`,
          `--storage.tsdb.path=${join(folder, "data")}`,
          "--web.listen-address=127.0.0.1:0"
        ], { stdio: ["ignore", "ignore", "pipe"] })
      ),
      ended
    )
    const port = yield* Effect.async<string>((resume) => {
      let text = ""
      child.stderr?.setEncoding("utf8").on("data", (part: string) => {
        text += part
        const match = /msg="?Listening on"? address=\S*?:([1-9]\d*)/.exec(text)
        if (match !== null) resume(Effect.succeed(match[1]))
      })
      child.on("exit", () => resume(Effect.die(text)))
    })
    return { url: `http://127.0.0.1:${port}/api/v1` } satisfies Server
  })

const ended = (child: ChildProcess): Effect.Effect<void> =>
  Effect.async((resume) => {
    if (child.exitCode !== null) return resume(Effect.void)
    child.on("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })

/** What Prometheus answers; it listens a while before it is ready, and says so. */
const ask = <A>({ url }: Server, path: string): Effect.Effect<A> =>
  Effect.promise(async () => {
    for (;;) {
      const response = await fetch(url + path)
      if (response.status !== 503) return ((await response.json()) as { readonly data: A }).data
      await response.text()
    }
  })

describe.skipIf(prometheus === undefined)("a real Prometheus", () => {
  it.scopedLive("scrapes a hub, and evaluates every rule without an error or an alarm", () =>
    Effect.gen(function*() {
      const hub = yield* testHub
      yield* hub.peer(yield* hub.serve, 7)
      const server = yield* scraper(`127.0.0.1:${hub.port}`)
      interface Result {
        readonly result: ReadonlyArray<
          { readonly metric: Readonly<Record<string, string>>; readonly value: [number, string] }
        >
      }
      const query = (expr: string) => ask<Result>(server, `/query?query=${encodeURIComponent(expr)}`)
      const { result } = yield* until(
        query("intentra_messages_received_total >= 7"),
        (it) => it.result.length > 0
      )
      assert.strictEqual(result[0].metric.job, "intentra")
      // a counter without _total keeps its name in the format that Prometheus asks for
      assert.strictEqual((yield* query("intentra_packets_dropped_crypto")).result.length, 1)
      interface Targets {
        readonly activeTargets: ReadonlyArray<{ readonly health: string; readonly lastError: string }>
      }
      const { activeTargets } = yield* ask<Targets>(server, "/targets")
      assert.deepStrictEqual(activeTargets.map(({ health, lastError }) => [health, lastError]), [["up", ""]])
      interface Rules {
        readonly groups: ReadonlyArray<{
          readonly rules: ReadonlyArray<{ readonly name: string; readonly health: string; readonly state?: string }>
        }>
      }
      const all = (it: Rules) => it.groups.flatMap(({ rules }) => rules)
      const rules = all(
        yield* until(ask<Rules>(server, "/rules"), (it) =>
          all(it).length > 10 && all(it).every(({ health }) => health !== "unknown"))
      )
      assert.deepStrictEqual(
        rules.filter(({ health }) =>
          health !== "ok"
        ),
        []
      )
      // how long a turn takes is this machine's affair
      const firing = rules.filter(({ name, state }) => state === "firing" && name !== "IntentraLongTurn")
      assert.deepStrictEqual(firing, [])
    }))
})
