import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as HttpServer from "@effect/platform/HttpServer"
import * as PrometheusServer from "@intentra/prometheus/PrometheusServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { IntentraShape } from "intentra/Intentra"
import { createServer } from "node:http"
import { CliError } from "../CliError.js"
import { formatEndpoint } from "./endpoint.js"
import type { Endpoint } from "./endpoint.js"

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

/** `/metrics` and `/healthz` of a hub, until the scope closes; answers with where they are. */
export const serveMetrics = (
  hub: IntentraShape,
  endpoint: Endpoint
): Effect.Effect<Endpoint, CliError, Scope.Scope> =>
  Effect.gen(function*() {
    const context = yield* Layer.build(
      PrometheusServer.layerHttp({ beforeScrape: hub.foldMetrics }).pipe(
        Layer.provideMerge(NodeHttpServer.layer(createServer, endpoint))
      )
    )
    const { address } = yield* Effect.provide(HttpServer.HttpServer, context)
    return address._tag === "TcpAddress" ? { host: address.hostname, port: address.port } : endpoint
  }).pipe(
    Effect.mapError(({ cause }) =>
      new CliError({
        reason: "Metrics",
        detail: `cannot serve the metrics on ${formatEndpoint(endpoint)}: ${whyOf(cause)}`,
        cause
      })
    )
  )
