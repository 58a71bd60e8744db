import {
  HttpClient,
  HttpClientRequest,
  HttpLayerRouter,
  HttpRouter,
  HttpServer,
  HttpServerResponse
} from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Data, Deferred, Effect, Layer, Logger, Metric } from "effect"
import { Prometheus, PrometheusServer } from "../src/index.js"
import { parse } from "./support/ExpositionParser.js"

const filter = (prefix: string) => (key: { readonly name: string }) => key.name.startsWith(prefix)

const get = (path: string) =>
  Effect.gen(function*() {
    const response = yield* HttpClient.get(path)
    return { status: response.status, headers: response.headers, body: yield* response.text }
  })

const withServer = (options: PrometheusServer.RouteOptions) =>
  Effect.provide(Layer.provideMerge(PrometheusServer.layerHttp(options), NodeHttpServer.layerTest))

class Oops extends Data.TaggedError("Oops")<{ readonly detail: string }> {
  override get message() {
    return `the socket is closed:\n  ${this.detail}`
  }
}

describe("PrometheusServer", () => {
  it.live("/metrics answers the metrics in the format, uncached and unsniffed", () =>
    Effect.gen(function*() {
      yield* Metric.set(Metric.gauge("server_test_basic"), 42)
      const response = yield* get("/metrics")
      assert.strictEqual(response.status, 200)
      assert.strictEqual(response.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8")
      assert.strictEqual(response.headers["content-type"], Prometheus.contentType)
      assert.strictEqual(response.headers["cache-control"], "no-store")
      assert.strictEqual(response.headers["x-content-type-options"], "nosniff")
      assert.strictEqual(parse(response.body).get("server_test_basic")?.samples[0].value, 42)
    }).pipe(withServer({ filter: filter("server_test_basic") })))

  it.live("HEAD answers the headers without the body", () =>
    Effect.gen(function*() {
      for (const path of ["/metrics", "/healthz", "/readyz"]) {
        const response = yield* HttpClient.execute(HttpClientRequest.head(path))
        assert.strictEqual(response.status, 200)
        assert.match(response.headers["content-type"], /^text\/plain; /)
        assert.strictEqual(yield* response.text, "")
      }
    }).pipe(withServer({ filter: filter("server_test_basic"), labels: { a: "é" } })))

  it.live("another method is 405 and told which there are", () =>
    Effect.gen(function*() {
      for (const path of ["/metrics", "/healthz", "/readyz"]) {
        for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const) {
          const response = yield* HttpClient.execute(HttpClientRequest.make(method)(path))
          assert.strictEqual(response.status, 405, `${method} ${path}`)
          assert.strictEqual(response.headers.allow, "GET, HEAD")
        }
      }
    }).pipe(withServer({ filter: filter("server_test_basic") })))

  it.live("/healthz answers ok when no check is given", () =>
    Effect.gen(function*() {
      const response = yield* get("/healthz")
      assert.strictEqual(response.status, 200)
      assert.strictEqual(response.body, "ok\n")
      assert.strictEqual(response.headers["cache-control"], "no-store")
    }).pipe(withServer({ filter: () => false })))

  it.live("/readyz is asked by itself, at the path of the options", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* get("/healthz")).status, 200)
      const response = yield* get("/ready")
      assert.strictEqual(response.status, 503)
      assert.strictEqual(response.body, "draining\n")
      assert.strictEqual((yield* get("/readyz")).status, 404)
    }).pipe(withServer({ filter: () => false, readyPath: "/ready", ready: Effect.fail("draining") })))

  it.live("any other path is 404", () =>
    Effect.gen(function*() {
      for (const path of ["/", "/metric", "/metrics/x", "/healthz2"]) {
        assert.strictEqual((yield* get(path)).status, 404)
      }
    }).pipe(withServer({ filter: () => false })))

  it.live("a query does not change the route", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* get("/metrics?name[]=a")).status, 200)
    }).pipe(withServer({ filter: () => false })))

  it.live("the paths are options", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* get("/m")).status, 200)
      assert.strictEqual((yield* get("/h")).status, 200)
      assert.strictEqual((yield* get("/metrics")).status, 404)
    }).pipe(withServer({ path: "/m", healthPath: "/h" })))

  const unhealthy: ReadonlyArray<readonly [string, Effect.Effect<unknown, unknown>, string]> = [
    ["a text", Effect.fail("no peers"), "no peers\n"],
    ["an error's message, on one line", Effect.fail(new Oops({ detail: "9" })), "the socket is closed: 9\n"],
    ["the tag of an error without a message", Effect.fail({ _tag: "Closed" }), "Closed\n"],
    ["nothing sayable", Effect.fail(undefined), "unhealthy\n"],
    ["a defect, which is not shown", Effect.die(new Error("secret")), "the health check died\n"],
    ["an interruption", Effect.interrupt, "the health check was interrupted\n"],
    ["no answer in time", Effect.never, "no answer within 1ms\n"]
  ]
  for (const [name, healthy, body] of unhealthy) {
    it.live(`/healthz answers 503 and one line: ${name}`, () =>
      Effect.gen(function*() {
        const response = yield* get("/healthz")
        assert.strictEqual(response.status, 503)
        assert.strictEqual(response.body, body)
      }).pipe(
        withServer({ healthy, healthTimeout: name === "no answer in time" ? "1 millis" : "1 minute" }),
        Effect.provide(Logger.remove(Logger.defaultLogger))
      ))
  }

  it.live("a health check that refuses interruption is answered in time all the same", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      yield* Effect.gen(function*() {
        assert.strictEqual((yield* get("/healthz")).status, 503)
      }).pipe(
        withServer({ healthy: Effect.uninterruptible(Deferred.await(gate)), healthTimeout: "1 millis" }),
        Effect.ensuring(Deferred.succeed(gate, void 0))
      )
    }))

  it.live("the health check runs for each request", () => {
    let up = false
    return Effect.gen(function*() {
      assert.strictEqual((yield* get("/healthz")).status, 503)
      up = true
      assert.strictEqual((yield* get("/healthz")).status, 200)
    }).pipe(withServer({ healthy: Effect.suspend(() => up ? Effect.void : Effect.fail("down")) }))
  })

  it.live("beforeScrape runs before the metrics are read, once for each scrape", () => {
    const folded = Metric.gauge("server_test_fold")
    let packets = 0
    return Effect.gen(function*() {
      for (const expected of [1, 2]) {
        const { body } = yield* get("/metrics")
        assert.strictEqual(parse(body).get("server_test_fold")?.samples[0].value, expected)
      }
      yield* get("/healthz")
      assert.strictEqual(packets, 2)
    }).pipe(
      withServer({
        filter: filter("server_test_fold"),
        beforeScrape: Effect.sync(() => folded.unsafeUpdate(++packets, []))
      })
    )
  })

  it.live("a beforeScrape that dies answers 500, not old values", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* get("/metrics")).status, 500)
    }).pipe(withServer({ beforeScrape: Effect.die("broken") })))

  it.live("a metric that cannot be exposed is logged once", () => {
    const messages: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => {
      if (logLevel._tag === "Warning") messages.push(String(message))
    })
    return Effect.gen(function*() {
      yield* Metric.increment(Metric.counter("server_test_twice"))
      yield* Metric.set(Metric.gauge("server_test.twice"), 1)
      yield* get("/metrics")
      const { body } = yield* get("/metrics")
      assert.strictEqual(parse(body).size, 1)
      assert.strictEqual(messages.length, 1)
      assert.match(messages[0], /server_test.twice/)
    }).pipe(
      withServer({ filter: (key) => /^server_test.twice$/.test(key.name) }),
      Effect.provide(Logger.replace(Logger.defaultLogger, logger))
    )
  })

  it.live("layerHttp makes no trace spans for its requests", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* get("/healthz")).body, "ok\n")
    }).pipe(
      withServer({
        healthy: Effect.flip(Effect.mapError(Effect.currentSpan, () => "none")).pipe(Effect.mapError(() => "a span"))
      })
    ))

  class Status extends Context.Tag("test/Status")<Status, { readonly reason: string }>() {}
  const needy = {
    filter: () => false,
    healthy: Effect.flatMap(Status, (status) => Effect.fail(status.reason)),
    ready: Effect.flatMap(Status, (status) => Effect.fail(`not ready: ${status.reason}`)),
    beforeScrape: Effect.asVoid(Status)
  }
  const status = Layer.succeed(Status, { reason: "from the context" })
  const checkNeedy = Effect.gen(function*() {
    assert.strictEqual((yield* get("/metrics")).status, 200)
    assert.strictEqual((yield* get("/healthz")).body, "from the context\n")
    assert.strictEqual((yield* get("/readyz")).body, "not ready: from the context\n")
  })

  it.live("layerHttp gives the effects what they need", () =>
    checkNeedy.pipe(
      Effect.provide(
        PrometheusServer.layerHttp(needy).pipe(
          Layer.provide(status),
          Layer.provideMerge(NodeHttpServer.layerTest)
        )
      )
    ))

  it.live("layerRoutes adds the routes to an application's router", () =>
    Effect.gen(function*() {
      yield* checkNeedy
      assert.strictEqual((yield* get("/app")).body, "app")
    }).pipe(
      Effect.provide(
        HttpLayerRouter.serve(
          Layer.merge(
            PrometheusServer.layerRoutes(needy).pipe(Layer.provide(status)),
            HttpLayerRouter.add("GET", "/app", HttpServerResponse.text("app"))
          ),
          { disableLogger: true, disableListenLog: true }
        ).pipe(Layer.provideMerge(NodeHttpServer.layerTest))
      )
    ))

  it.scopedLive("routes combine with an application's own", () =>
    Effect.gen(function*() {
      const app = HttpRouter.get(HttpRouter.empty, "/app", HttpServerResponse.text("app"))
      yield* HttpServer.serveEffect(HttpRouter.concat(app, PrometheusServer.routes({ filter: () => false })))
      assert.strictEqual((yield* get("/app")).body, "app")
      assert.strictEqual((yield* get("/metrics")).status, 200)
      assert.strictEqual((yield* get("/healthz")).status, 200)
    }).pipe(Effect.provide(NodeHttpServer.layerTest)))
})
