/**
 * Effect metrics as the Prometheus text exposition format, version 0.0.4, or as OpenMetrics 1.0.
 *
 * | Effect metric | Prometheus type | samples                                                    |
 * | ------------- | --------------- | ---------------------------------------------------------- |
 * | counter       | `counter`       | `name`                                                     |
 * | gauge         | `gauge`         | `name`                                                     |
 * | frequency     | `counter`       | `name{key="word"}`, one for each word                      |
 * | histogram     | `histogram`     | `name_bucket{le="bound"}`, `name_sum`, `name_count`        |
 * | summary       | `summary`       | `name{quantile="0.99"}` (`NaN` when the window is empty), `name_sum`, `name_count` |
 *
 * The output is valid whatever the metrics are called: names are cleaned (invalid characters and runs of `_` become one
 * `_`), label names too and kept distinct, values escaped. Families and series are sorted, so equal metrics give equal
 * text. The tags `unit` and `time_unit` are left out. Of two metrics that cannot both be exposed (one name with two
 * types, a counter `x_count` beside a histogram `x`, two series with equal name and labels) the one registered first is
 * kept, and the output ends with a comment that names the other.
 *
 * OpenMetrics has the same samples under the same names, so that it does not matter to queries which of the two was read.
 * There only a counter whose name ends in `_total` is a `counter`; others are `unknown`, as is one with a negative value.
 * A histogram with negative bounds has no `_sum` and `_count` there, a summary no negative quantiles, bounds are written `1.0` instead of `1`, and metrics
 * that cannot be exposed are not named.
 *
 * An Effect counter that is not `incremental` can fall, which a reader takes for a restart: use a gauge for such a value.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 * @see https://prometheus.io/docs/specs/om/open_metrics_spec/
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as MetricKey from "effect/MetricKey"
import type * as MetricPair from "effect/MetricPair"
import { render } from "./internal/render.js"

/**
 * The media type of what {@link format} gives, for the `Content-Type` header.
 *
 * @since 0.1.0
 * @category constants
 */
export const contentType = "text/plain; version=0.0.4; charset=utf-8"

/**
 * The media type of what {@link formatOpenMetrics} gives.
 *
 * @since 0.1.0
 * @category constants
 */
export const contentTypeOpenMetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8"

/**
 * What to expose, and under which names.
 *
 * @since 0.1.0
 * @category models
 */
export interface FormatOptions {
  /** Put before every name, with `_` between: `prefix: "shop"` makes `orders` into `shop_orders`. */
  readonly prefix?: string | undefined
  /** Applied to the name as registered, before the prefix and the cleaning. */
  readonly metricNameMapper?: ((name: string) => string) | undefined
  /** Labels of every series. A metric's own tag of the same name wins. */
  readonly labels?: Readonly<Record<string, string>> | undefined
  /** Keeps the metrics for which it is true. It sees the key as registered: name, tags, description. */
  readonly filter?: ((key: MetricKey.MetricKey.Untyped) => boolean) | undefined
}

/**
 * The text for a snapshot of metrics, by default all metrics of this process. The text ends with a line feed, or is
 * empty when there is no series.
 *
 * Throws only what `metricNameMapper` or `filter` throw.
 *
 * @since 0.1.0
 * @category constructors
 */
export const unsafeFormat = (
  snapshot: Iterable<MetricPair.MetricPair.Untyped> = Metric.unsafeSnapshot(),
  options: FormatOptions = {}
): string => render(snapshot, options).text

/**
 * The text for all metrics of this process, at the moment it is run.
 *
 * @since 0.1.0
 * @category constructors
 */
export const format = (options: FormatOptions = {}): Effect.Effect<string> =>
  Effect.sync(() => unsafeFormat(undefined, options))

/**
 * {@link unsafeFormat} as OpenMetrics 1.0: the text ends with `# EOF`, also when there is no series.
 *
 * @since 0.1.0
 * @category constructors
 */
export const unsafeFormatOpenMetrics = (
  snapshot: Iterable<MetricPair.MetricPair.Untyped> = Metric.unsafeSnapshot(),
  options: FormatOptions = {}
): string => render(snapshot, options, "openmetrics").text

/**
 * {@link format} as OpenMetrics 1.0.
 *
 * @since 0.1.0
 * @category constructors
 */
export const formatOpenMetrics = (options: FormatOptions = {}): Effect.Effect<string> =>
  Effect.sync(() => unsafeFormatOpenMetrics(undefined, options))
