import { HttpClient, HttpClientRequest } from "@effect/platform"
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck, Layer, Metric } from "effect"
import { Prometheus, PrometheusServer } from "../src/index.js"
import type { Family } from "./support/ExpositionParser.js"
import { identity, parse as parseText } from "./support/ExpositionParser.js"
import {
  anyName,
  anyPair,
  anyTags,
  counter,
  crowdedName,
  frequency,
  gauge,
  histogram,
  summary
} from "./support/Metrics.js"
import { parse } from "./support/OpenMetricsParser.js"

/** The series with their values; bounds as numbers, since OpenMetrics writes them otherwise. */
const seriesOf = (families: ReadonlyMap<string, Family>): ReadonlyMap<string, string> => {
  const series = new Map<string, string>()
  for (const { samples } of families.values()) {
    for (const { labels, name, text } of samples) {
      const same = new Map(labels)
      for (const bound of ["le", "quantile"]) {
        const at = labels.get(bound)
        if (at !== undefined && /^-?[0-9.e+-]+$/.test(at)) same.set(bound, String(Number(at)))
      }
      series.set(name + identity(same), text)
    }
  }
  return series
}

const accepted = (accept: string | undefined) =>
  Effect.gen(function*() {
    const request = HttpClientRequest.get("/metrics")
    const response = yield* HttpClient.execute(
      accept === undefined ? request : HttpClientRequest.setHeader(request, "accept", accept)
    )
    return { type: response.headers["content-type"], vary: response.headers.vary, body: yield* response.text }
  })

const filter = (key: { readonly name: string }) => key.name === "openmetrics_test_total"

const withServer = Effect.provide(
  Layer.provideMerge(PrometheusServer.layerHttp({ filter }), NodeHttpServer.layerTest)
)

describe("OpenMetrics", () => {
  it.prop(
    "the output for any metrics is valid",
    [FastCheck.array(anyPair(FastCheck.oneof(anyName, crowdedName.map((name) => `${name}_total`)), anyTags), {
      maxLength: 12
    })],
    ([snapshot]) => void parse(Prometheus.unsafeFormatOpenMetrics(snapshot)),
    { fastCheck: { numRuns: 500 } }
  )

  it.prop(
    "every sample is in the other format too, under the same name, with the same labels and value",
    [FastCheck.array(anyPair(FastCheck.oneof(anyName, crowdedName.map((name) => `${name}_total`)), anyTags), {
      maxLength: 12
    })],
    ([snapshot]) => {
      const text = seriesOf(parseText(Prometheus.unsafeFormat(snapshot)))
      for (const [series, value] of seriesOf(parse(Prometheus.unsafeFormatOpenMetrics(snapshot)))) {
        assert.strictEqual(text.get(series), value, series)
      }
    },
    { fastCheck: { numRuns: 500 } }
  )

  it.each([
    ["a_total", 1, "# TYPE a counter\na_total 1\n"],
    ["a", 1, "# TYPE a unknown\na 1\n"],
    ["_total", 1, "# TYPE _total unknown\n_total 1\n"],
    ["a_total", -1, "# TYPE a_total unknown\na_total -1\n"],
    ["a_total", NaN, "# TYPE a_total unknown\na_total NaN\n"]
  ])("the counter %s of %d is of the type that it can have", (name, value, text) => {
    assert.strictEqual(Prometheus.unsafeFormatOpenMetrics([counter(name, value)]), `${text}# EOF\n`)
  })

  it("counters keep their samples when another metric has the name without _total", () => {
    const families = parse(Prometheus.unsafeFormatOpenMetrics([
      counter("a_total", 1),
      gauge("a", 2),
      counter("b_total", 3),
      gauge("b_created", 4),
      counter("c_total", 5),
      counter("c_created_total", 6)
    ]))
    assert.deepStrictEqual(
      Array.from(families.values(), ({ name, samples, type }) => [name, type, samples[0].value]),
      [
        ["a", "gauge", 2],
        ["a_total", "unknown", 1],
        ["b_created", "gauge", 4],
        ["b_total", "unknown", 3],
        ["c_created", "counter", 6],
        ["c_total", "unknown", 5]
      ]
    )
  })

  it("bounds have a fraction, and what may be negative has no sum", () => {
    assert.strictEqual(
      Prometheus.unsafeFormatOpenMetrics([
        histogram("h", [-1, 1], [0]),
        histogram("i", [1, 2.5, 1e21], [0]),
        summary("s", [[0, 1], [0.5, undefined], [1, 3]], 2, -1)
      ]),
      [
        "# TYPE h histogram",
        "h_bucket{le=\"-1.0\"} 0",
        "h_bucket{le=\"1.0\"} 1",
        "h_bucket{le=\"+Inf\"} 1",
        "# TYPE i histogram",
        "i_bucket{le=\"1.0\"} 1",
        "i_bucket{le=\"2.5\"} 1",
        "i_bucket{le=\"1e+21\"} 1",
        "i_bucket{le=\"+Inf\"} 1",
        "i_sum 0",
        "i_count 1",
        "# TYPE s summary",
        "s{quantile=\"0.0\"} 1",
        "s{quantile=\"0.5\"} NaN",
        "s{quantile=\"1.0\"} 3",
        "s_count 2",
        "# EOF",
        ""
      ].join("\n")
    )
  })

  it("quotes in help are escaped, and what is not exposed is not told", () => {
    const text = Prometheus.unsafeFormatOpenMetrics([
      counter("a_total", 1, [], "say \"a\"\\\n"),
      gauge("a_total", 2),
      frequency("f", new Map())
    ])
    assert.strictEqual(text, "# HELP a say \\\"a\\\"\\\\\\n\n# TYPE a counter\na_total 1\n# EOF\n")
  })

  it("nothing to expose is the end alone", () => {
    assert.strictEqual(Prometheus.unsafeFormatOpenMetrics([]), "# EOF\n")
  })

  const om = "application/openmetrics-text"
  it.live.each<readonly [string | undefined, "text" | "openmetrics"]>([
    [undefined, "text"],
    ["*/*", "text"],
    ["text/plain", "text"],
    ["text/html,application/xhtml+xml,*/*;q=0.8", "text"],
    [om, "openmetrics"],
    [`${om}; version="1.0.0"; charset=utf-8`, "openmetrics"],
    [`Application/OpenMetrics-Text;Version=1.0.0`, "openmetrics"],
    [`${om};version=2.0.0`, "text"],
    [`${om};q=0`, "text"],
    [`${om};q=rubbish`, "text"],
    [`${om};q=0.3,text/plain;q=0.5`, "text"],
    [`${om};q=0.5,text/plain;q=0.5`, "openmetrics"],
    [
      `${om};version=1.0.0,${om};version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1`,
      "openmetrics"
    ],
    [`text/plain;version=0.0.4;q=0.6,${om};version=0.0.1;q=0.8,*/*;q=0.2`, "text"]
  ])("Accept: %s is answered in %s", ([accept, format]) =>
    Effect.gen(function*() {
      yield* Metric.increment(Metric.counter("openmetrics_test_total", { incremental: true }))
      const { body, type, vary } = yield* accepted(accept)
      assert.strictEqual(vary, "accept")
      if (format === "text") {
        assert.strictEqual(type, Prometheus.contentType)
        assert.isTrue(parseText(body).has("openmetrics_test_total"))
      } else {
        assert.strictEqual(type, Prometheus.contentTypeOpenMetrics)
        assert.isTrue(parse(body).has("openmetrics_test"))
      }
    }).pipe(withServer))
})
