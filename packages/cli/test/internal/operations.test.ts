import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Peers, Stats } from "../../src/internal/hubState.js"
import { HISTORY, HubState } from "../../src/internal/hubState.js"
import { serveOperations } from "../../src/internal/operations.js"
import { testHub, until } from "../support/hub.js"

const PATHS = [
  "/",
  "/live.css",
  "/live.mjs",
  "/uplot.js",
  "/uplot.css",
  "/metrics",
  "/healthz",
  "/readyz",
  "/peers",
  "/stats",
  "/history",
  "/nothing"
]

describe("operations", () => {
  it.scopedLive("a hub is ready from when it is bound until it drains, and healthy all along", () =>
    Effect.gen(function*() {
      const hub = yield* testHub
      const ready = Effect.map(hub.get("/readyz"), ({ body, status }) => [status, body])
      assert.deepStrictEqual(yield* ready, [503, "starting\n"])
      assert.deepStrictEqual(yield* hub.json("/peers"), { total: 0, peers: [] })
      yield* hub.serve
      assert.deepStrictEqual(yield* ready, [200, "ok\n"])
      hub.state.phase = "draining"
      assert.deepStrictEqual(yield* ready, [503, "draining\n"])
      assert.strictEqual((yield* hub.get("/healthz")).status, 200)
    }))

  it.scopedLive("every answer keeps other sites out: no script, style, frame or reader from elsewhere", () =>
    Effect.gen(function*() {
      const hub = yield* testHub
      yield* hub.serve
      for (const path of PATHS) {
        const { headers, status } = yield* hub.get(path, { origin: "https://elsewhere.example" })
        assert.strictEqual(status, path === "/nothing" ? 404 : 200, path)
        const policy = String(headers["content-security-policy"])
        assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; /)
        assert.match(policy, /frame-ancestors 'none'$/)
        assert.notInclude(policy, "unsafe")
        assert.strictEqual(headers["x-content-type-options"], "nosniff")
        assert.strictEqual(headers["cross-origin-resource-policy"], "same-origin")
        assert.isUndefined(headers["access-control-allow-origin"])
      }
    }))

  it.scopedLive("the page asks for nothing from elsewhere, and has no script or style within", () =>
    Effect.gen(function*() {
      const hub = yield* testHub
      const { body, headers } = yield* hub.get("/")
      assert.strictEqual(headers["content-type"], "text/html; charset=utf-8")
      assert.notMatch(body, /(?:https?:)?\/\/[a-z]/)
      assert.notMatch(body, /<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)/)
      for (const [, path] of body.matchAll(/(?:src|href)="(\/[^"]+)"/g)) {
        assert.strictEqual((yield* hub.get(path)).status, 200, path)
      }
    }))

  it.scopedLive("a stranger's name in the Host header is refused on the loopback", () =>
    Effect.gen(function*() {
      const hub = yield* testHub
      for (const host of ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example"]) {
        for (const path of ["/", "/peers", "/metrics"]) {
          assert.strictEqual((yield* hub.get(path, { host })).status, 421, host)
        }
      }
      for (const host of ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:9464", "10.0.0.7", "a.localhost"]) {
        assert.strictEqual((yield* hub.get("/stats", { host })).status, 200, host)
      }
    }))

  it.scopedLive("the numbers of /stats, /peers and /metrics are the transport's own", () =>
    Effect.gen(function*() {
      const hub = yield* testHub
      const transport = yield* hub.serve
      yield* hub.peer(transport, 3)
      yield* hub.peer(transport, 0)
      yield* until(Effect.sync(() => transport.counters.messagesReceived), (count) => count === 3)
      const { peers, total } = (yield* hub.json("/peers")) as Peers
      assert.strictEqual(total, 2)
      assert.deepStrictEqual(peers.map((it) => it.messagesReceived).sort(), [0, 3])
      assert.deepStrictEqual(((yield* hub.json("/peers?limit=1")) as Peers).peers.length, 1)
      assert.deepStrictEqual((yield* hub.json("/peers?limit=0")) as Peers, { total: 2, peers: [] })
      const { hub: info, phase, sample } = yield* until(
        Effect.map(hub.json("/stats"), (it) => it as Stats),
        (it) => it.sample?.counts.messagesReceived === 3
      )
      assert.strictEqual(phase, "serving")
      assert.strictEqual(info?.address, `127.0.0.1:${transport.address.port}`)
      assert.strictEqual(info?.crypto, transport.cryptoKind)
      assert.strictEqual(sample?.peers, 2)
      assert.strictEqual(sample?.delivery, 1)
      const { body } = yield* hub.get("/metrics")
      assert.match(body, /^intentra_connections_active \d+$/m)
      const open = yield* hub.get("/metrics", { accept: "application/openmetrics-text; version=1.0.0" })
      assert.strictEqual(open.headers["content-type"], "application/openmetrics-text; version=1.0.0; charset=utf-8")
      assert.isTrue(open.body.endsWith("# EOF\n"))
      const history = (yield* hub.json("/history")) as { readonly samples: ReadonlyArray<unknown> }
      assert.isAtLeast(history.samples.length, 1)
    }))

  it.scopedLive("nothing here takes another method than GET and HEAD", () =>
    Effect.gen(function*() {
      const hub = yield* testHub
      yield* hub.serve
      for (const path of PATHS) {
        for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"]) {
          const { headers, status } = yield* hub.get(path, {}, method)
          assert.deepStrictEqual([status, headers.allow], [405, "GET, HEAD"], `${method} ${path}`)
        }
        assert.strictEqual((yield* hub.get(path, {}, "HEAD")).status, path === "/nothing" ? 404 : 200, path)
      }
    }))

  it.scopedLive("a limit that is no number of peers is 400", () =>
    Effect.gen(function*() {
      const hub = yield* testHub
      for (const limit of ["-1", "x", "1e3", "10001", ""]) {
        assert.strictEqual((yield* hub.get(`/peers?limit=${limit}`)).status, 400, limit)
      }
    }))

  it.scopedLive("the history is bounded", () =>
    Effect.gen(function*() {
      const hub = yield* testHub
      yield* hub.serve
      for (let i = 0; i < HISTORY + 10; i++) yield* hub.state.look
      assert.strictEqual(hub.state.history.length, HISTORY)
    }))

  it.scopedLive("a port in use is one line that says so", () =>
    Effect.gen(function*() {
      const { port } = yield* testHub
      const error = yield* Effect.flip(serveOperations(new HubState("0"), { host: "127.0.0.1", port }))
      assert.strictEqual(error.reason, "Http")
      assert.match(error.message, /^cannot serve HTTP on 127\.0\.0\.1:\d+: the port is in use by another program/)
    }))
})
