/**
 * The HTTP side: `GET /metrics` for a Prometheus server to scrape, `GET /healthz` and `GET /readyz` for a supervisor to
 * ask, all with `HEAD`, on any `HttpServer` of `@effect/platform`.
 *
 * Nothing here is authenticated, and metrics tell much about a program. The address is the caller's decision, made in
 * the `HttpServer` layer: bind to `127.0.0.1` unless the network in front of it is trusted.
 *
 * @since 0.1.0
 */
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import { formatOf } from "./internal/accept.js"
import { render } from "./internal/render.js"
import { contentType, contentTypeOpenMetrics, type FormatOptions } from "./Prometheus.js"

/**
 * Options of the routes. `R` is what the effects need.
 *
 * @since 0.1.0
 * @category models
 */
export interface RouteOptions<R = never> extends FormatOptions {
  /** Where the metrics are; `/metrics` by default. */
  readonly path?: `/${string}` | undefined
  /** Where the health check is; `/healthz` by default. */
  readonly healthPath?: `/${string}` | undefined
  /** Where the readiness check is; `/readyz` by default. */
  readonly readyPath?: `/${string}` | undefined
  /**
   * Run by each request for the health path. Success is healthy; a failure is unhealthy, and its message is shown to
   * whoever asks. A defect is unhealthy too; it is logged, not shown. By default always healthy.
   */
  readonly healthy?: Effect.Effect<unknown, unknown, R> | undefined
  /** The same for the readiness path: whether new work may be sent here. By default always ready. */
  readonly ready?: Effect.Effect<unknown, unknown, R> | undefined
  /** A check without an answer after this long has failed; 5 seconds by default. */
  readonly healthTimeout?: Duration.DurationInput | undefined
  /**
   * Run before the metrics are read, by each scrape: the place to fold counters kept as plain numbers into metrics. A
   * defect in it answers 500, so that the scrape counts as failed instead of showing old values as new.
   */
  readonly beforeScrape?: Effect.Effect<unknown, never, R> | undefined
}

const headers = { "cache-control": "no-store", "x-content-type-options": "nosniff" }

const plainText = (body: string, status: number) =>
  HttpServerResponse.text(body, { status, headers, contentType: "text/plain; charset=utf-8" })

const OTHER_METHODS = ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const

const notAllowed = Effect.succeed(
  HttpServerResponse.setHeader(plainText("there are GET and HEAD only\n", 405), "allow", "GET, HEAD")
)

const reasonOf = (error: unknown): string => {
  const fields: { readonly message?: unknown; readonly _tag?: unknown } = typeof error === "object" && error !== null
    ? error
    : { message: error }
  const text = [fields.message, fields._tag].find((part) => typeof part === "string" && part.trim() !== "")
  return typeof text === "string" ? text.trim().replace(/\s+/g, " ").slice(0, 500) : "unhealthy"
}

const metricsHandler = <R>(
  options: RouteOptions<R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, R | HttpServerRequest.HttpServerRequest> => {
  const warned = new Set<string>()
  return Effect.gen(function*() {
    const { headers: asked } = yield* HttpServerRequest.HttpServerRequest
    const format = formatOf(asked.accept)
    if (options.beforeScrape !== undefined) yield* options.beforeScrape
    const { dropped, text } = render(Metric.unsafeSnapshot(), options, format)
    for (const sentence of dropped) {
      if (warned.has(sentence)) continue
      warned.add(sentence)
      yield* Effect.logWarning(`Prometheus: ${sentence}`)
    }
    return HttpServerResponse.text(text, {
      headers: { ...headers, vary: "accept" },
      contentType: format === "text" ? contentType : contentTypeOpenMetrics
    })
  })
}

const checkHandler = <R>(
  what: string,
  check: Effect.Effect<unknown, unknown, R> | undefined,
  options: RouteOptions<R>
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, R> => {
  const timeout = Duration.decode(options.healthTimeout ?? Duration.seconds(5))
  // Disconnected, so that a check which refuses interruption still gets its answer in time.
  return Effect.disconnect(check ?? Effect.void).pipe(
    Effect.timeoutFail({ duration: timeout, onTimeout: () => `no answer within ${Duration.format(timeout)}` }),
    Effect.as(plainText("ok\n", 200)),
    Effect.catchAllCause((cause) =>
      Option.match(Cause.failureOption(cause), {
        onSome: (error) => Effect.succeed(plainText(`${reasonOf(error)}\n`, 503)),
        onNone: () =>
          Cause.isInterruptedOnly(cause)
            ? Effect.succeed(plainText(`the ${what} check was interrupted\n`, 503))
            : Effect.as(
              Effect.logError(`Prometheus: the ${what} check died`, cause),
              plainText(`the ${what} check died\n`, 503)
            )
      })
    )
  )
}

const handlersOf = <R>(options: RouteOptions<R>) =>
  [
    [options.path ?? "/metrics", metricsHandler(options)],
    [options.healthPath ?? "/healthz", checkHandler("health", options.healthy, options)],
    [options.readyPath ?? "/readyz", checkHandler("readiness", options.ready, options)]
  ] as const

// What the request brings, its span above all, wins over what was there when the layer was built.
const withContext = <R>(options: RouteOptions<R>): Effect.Effect<RouteOptions, never, R> =>
  Effect.map(Effect.context<R>(), (context) => {
    const merge = (request: Context.Context<never>) => Context.merge(context, request)
    return {
      ...options,
      healthy: Effect.mapInputContext(options.healthy ?? Effect.void, merge),
      ready: Effect.mapInputContext(options.ready ?? Effect.void, merge),
      beforeScrape: Effect.mapInputContext(options.beforeScrape ?? Effect.void, merge)
    }
  })

/**
 * A router with the three routes, to be combined with an application's own (`HttpRouter.concat`) or served alone.
 *
 * - `GET` or `HEAD /metrics`: 200 and {@link contentType}, or {@link contentTypeOpenMetrics} for whoever asks for it by
 *   the `Accept` header. A metric that cannot be exposed is logged, once.
 * - `GET` or `HEAD /healthz`: 200 and `ok`, or 503 and one line that says why.
 * - `GET` or `HEAD /readyz`: the same for the readiness check.
 *
 * All forbid caching and content sniffing. Another method there answers 405. Any other path fails with `RouteNotFound`,
 * which a server answers with 404.
 *
 * @since 0.1.0
 * @category constructors
 */
export const routes = <R = never>(options: RouteOptions<R> = {}): HttpRouter.HttpRouter<
  never,
  HttpRouter.HttpRouter.ExcludeProvided<R>
> => {
  const [metrics, health, ready] = handlersOf(options)
  let router = HttpRouter.empty.pipe(HttpRouter.get(...metrics), HttpRouter.get(...health), HttpRouter.get(...ready))
  for (const [path] of [metrics, health, ready]) {
    for (const method of OTHER_METHODS) router = HttpRouter.route(method)(router, path, notAllowed)
  }
  return router
}

/**
 * Adds the three {@link routes} to the router of an application that is built from route layers (`HttpLayerRouter`).
 *
 * @since 0.1.0
 * @category layers
 */
export const layerRoutes = <R = never>(
  options: RouteOptions<R> = {}
): Layer.Layer<never, never, HttpLayerRouter.HttpRouter | R> =>
  Layer.effectDiscard(Effect.gen(function*() {
    const router = yield* HttpLayerRouter.HttpRouter
    for (const [path, handler] of handlersOf(yield* withContext(options))) yield* router.add("GET", path, handler)
  }))

/**
 * Serves the three {@link routes} and nothing else on the given `HttpServer`, which decides host and port: for programs
 * that have no other HTTP server. Requests make no trace spans.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerHttp = <R = never>(
  options: RouteOptions<R> = {}
): Layer.Layer<never, never, HttpServer.HttpServer | R> =>
  Layer.unwrapEffect(Effect.map(withContext(options), (provided) => HttpServer.serve(routes(provided)))).pipe(
    HttpMiddleware.withTracerDisabledWhen(() => true)
  )
