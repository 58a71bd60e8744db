/**
 * Effect metrics as the Prometheus text exposition format.
 *
 * @since 0.1.0
 */
export * as Prometheus from "./Prometheus.js"

/**
 * The `/metrics` and `/healthz` routes.
 *
 * @since 0.1.0
 */
export * as PrometheusServer from "./PrometheusServer.js"
