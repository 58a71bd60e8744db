/**
 * What a hub serves over HTTP: `/` a live page, `/metrics`, `/healthz`, `/readyz`, `/peers`, `/stats`, `/history`.
 *
 * Nothing here changes the hub, and nothing is authenticated. Pages of other sites cannot read it: no answer allows them
 * to, and on the loopback a name in the Host header that is not the machine's own is refused, since a stranger's name may
 * lead here (DNS rebinding).
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpRouter from "@effect/platform/HttpRouter"
import * as HttpServer from "@effect/platform/HttpServer"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as PrometheusServer from "@intentra/prometheus/PrometheusServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { createServer } from "node:http"
import type { Server } from "node:http"
import { isIP } from "node:net"
import { CliError } from "../CliError.js"
import { formatEndpoint } from "./endpoint.js"
import type { Endpoint } from "./endpoint.js"
import type { HubState } from "./hubState.js"
import { loadPage } from "./livePage.js"
import type { PageFile } from "./livePage.js"

/** Clients at a time: a page, a few scrapers. */
const MAX_CONNECTIONS = 64
/** A client that sends its request so slowly is let go, in milliseconds. */
const REQUEST_MS = 10_000
/** Answers that are under way when the hub ends have this long. */
const LAST_ANSWERS_MS = 500

const PEERS = 1000
const MOST_PEERS = 10_000

const security = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY"
}

const json = (value: unknown) =>
  HttpServerResponse.text(JSON.stringify(value), {
    contentType: "application/json; charset=utf-8",
    headers: { "cache-control": "no-store" }
  })

const file = ({ body, contentType }: PageFile) =>
  Effect.succeed(HttpServerResponse.uint8Array(body, { contentType, headers: { "cache-control": "no-cache" } }))

const refused = (status: number, text: string) => HttpServerResponse.text(`${text}\n`, { status })

/** `?limit=` of a request; undefined when it is no number of peers. */
const limitOf = (url: string): number | undefined => {
  const text = new URL(url, "http://hub").searchParams.get("limit")
  if (text === null) return PEERS
  const limit = Number(text)
  return /^\d{1,5}$/.test(text) && limit <= MOST_PEERS ? limit : undefined
}

const isLoopback = (host: string): boolean => host === "::1" || host.startsWith("127.")

/** Whether a Host header names this machine as an address, or by the name that every machine has. */
const isOwnName = (header: string | undefined): boolean => {
  if (header === undefined) return true
  const host = header.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1").toLowerCase()
  return isIP(host) !== 0 || host === "localhost" || host.endsWith(".localhost")
}

/** Around the whole app: a middleware of the server would see its answers when they are sent. */
const guarded = <E, R>(
  app: Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>,
  loopback: boolean
): Effect.Effect<HttpServerResponse.HttpServerResponse, E, R | HttpServerRequest.HttpServerRequest> =>
  Effect.gen(function*() {
    const { headers } = yield* HttpServerRequest.HttpServerRequest
    const response = loopback && !isOwnName(headers.host)
      ? refused(421, "this server answers to its address and to localhost only")
      : yield* app
    return HttpServerResponse.setHeaders(response, security)
  })

const routes = (state: HubState, page: ReadonlyArray<PageFile>) => {
  let router: HttpRouter.HttpRouter<never, never> = PrometheusServer.routes({
    beforeScrape: state.foldMetrics,
    ready: state.ready
  })
  for (const it of page) router = HttpRouter.get(router, it.path, file(it))
  return router.pipe(
    HttpRouter.get("/stats", Effect.sync(() => json(state.stats))),
    HttpRouter.get("/history", Effect.sync(() => json({ ...state.stats, samples: state.history }))),
    HttpRouter.get(
      "/peers",
      Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ url }) => {
        const limit = limitOf(url)
        return limit === undefined
          ? Effect.succeed(refused(400, `limit must be a number of peers, 0 to ${MOST_PEERS}`))
          : Effect.map(state.peers(limit), json)
      })
    ),
    Effect.catchTag("RouteNotFound", ({ request: { method } }) =>
      Effect.succeed(
        method === "GET" || method === "HEAD"
          ? refused(404, "there are /, /metrics, /healthz, /readyz, /peers, /stats and /history")
          : HttpServerResponse.setHeader(refused(405, "there are GET and HEAD only"), "allow", "GET, HEAD")
      ))
  )
}

const whyOf = (cause: unknown): string => {
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined
  switch (code) {
    case "EADDRINUSE":
      return "the port is in use by another program: choose another one or stop it"
    case "EACCES":
      return "permission denied: choose a port above 1023"
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return "that is no address of this machine"
    default:
      return String(cause)
  }
}

/** Serves until the scope closes; answers with where. */
export const serveOperations = (state: HubState, endpoint: Endpoint): Effect.Effect<Endpoint, CliError, Scope.Scope> =>
  Effect.gen(function*() {
    const page = yield* loadPage
    let server: Server | undefined
    const open = (): Server => {
      server = createServer({
        requestTimeout: REQUEST_MS,
        headersTimeout: REQUEST_MS,
        connectionsCheckingInterval: 1000
      })
      server.maxConnections = MAX_CONNECTIONS
      return server
    }
    const context = yield* Layer.build(NodeHttpServer.layer(open, endpoint))
    const http = yield* Effect.provide(HttpServer.HttpServer, context)
    const at = http.address._tag === "TcpAddress" ? { host: http.address.hostname, port: http.address.port } : endpoint
    yield* HttpServer.serveEffect(guarded(routes(state, page), isLoopback(at.host))).pipe(
      Effect.provideService(HttpServer.HttpServer, http),
      HttpMiddleware.withTracerDisabledWhenEffect(() => true)
    )
    // runs first: what keeps a connection must not keep the hub
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        server?.closeIdleConnections()
        setTimeout(() => server?.closeAllConnections(), LAST_ANSWERS_MS).unref()
      })
    )
    yield* Effect.forkScoped(Effect.forever(Effect.zipRight(state.look, Effect.sleep("1 second"))))
    return at
  }).pipe(
    Effect.catchTag("ServeError", ({ cause }) =>
      new CliError({
        reason: "Http",
        detail: `cannot serve HTTP on ${formatEndpoint(endpoint)}: ${whyOf(cause)}`,
        cause
      }))
  )
