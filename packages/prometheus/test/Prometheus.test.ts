import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, FastCheck, Metric } from "effect"
import { Prometheus } from "../src/index.js"
import { type Family, identity, parse } from "./support/ExpositionParser.js"
import {
  anyName,
  anyNumber,
  anyPair,
  anyTags,
  anyText,
  anyValue,
  counter,
  crowdedName,
  frequency,
  gauge,
  histogram,
  summary
} from "./support/Metrics.js"

const wellFormed = (text: string) => text.replace(/\p{Surrogate}/gu, "\ufffd")

const only = (text: string): Family => {
  const families = Array.from(parse(text).values())
  assert.strictEqual(families.length, 1, text)
  return families[0]
}

const comments = (text: string) => text.split("\n").filter((line) => line.startsWith("# dropped: "))

const sameNumber = (text: string, value: number | bigint) => {
  if (typeof value === "number" || !Number.isFinite(Number(value))) {
    assert.isTrue(Number(text.replace("Inf", "Infinity")) === Number(value) || (text === "NaN" && Number.isNaN(value)))
  } else {
    assert.strictEqual(BigInt(text), value)
  }
}

describe("Prometheus", () => {
  it.prop(
    "the output for any metrics is valid",
    [FastCheck.array(anyPair(anyName, anyTags), { maxLength: 12 })],
    ([snapshot]) => void parse(Prometheus.unsafeFormat(snapshot)),
    { fastCheck: { numRuns: 500 } }
  )

  it.prop(
    "of metrics whose names collide the first is exposed, and each of the rest is exposed or named in a comment",
    [FastCheck.array(FastCheck.tuple(crowdedName, FastCheck.nat(4)), { minLength: 1, maxLength: 12 })],
    ([metrics]) => {
      const mark = (i: number) => 1000 + i
      const text = Prometheus.unsafeFormat(metrics.map(([name, kind], i) =>
        kind === 0
          ? counter(name, mark(i))
          : kind === 1
          ? gauge(name, mark(i))
          : kind === 2
          ? frequency(name, new Map([["word", mark(i)]]))
          : kind === 3
          ? histogram(name, [1], [mark(i)])
          : summary(name, [], 1, mark(i))
      ))
      const samples = Array.from(parse(text).values()).flatMap((family) => family.samples)
      for (const [i, [name]] of metrics.entries()) {
        const exposed = samples.some((sample) => sample.value === mark(i))
        const named = comments(text).some((line) => line.includes(` ${JSON.stringify(name)} is not exposed`))
        assert.isTrue(exposed || (i > 0 && named), text)
      }
    },
    { fastCheck: { numRuns: 300 } }
  )

  it.prop(
    "the output stays valid under any prefix, name mapper and constant labels",
    [
      FastCheck.array(anyPair(anyName, anyTags), { maxLength: 6 }),
      anyName,
      FastCheck.array(anyName, { minLength: 1, maxLength: 3 }),
      FastCheck.dictionary(anyName, anyText)
    ],
    ([snapshot, prefix, names, labels]) => {
      const metricNameMapper = (name: string) => names[name.length % names.length]
      parse(Prometheus.unsafeFormat(snapshot, { prefix, metricNameMapper, labels }))
    }
  )

  it.prop(
    "values, label values and help of counters and gauges round-trip",
    [
      FastCheck.boolean(),
      anyName,
      anyValue,
      FastCheck.array(FastCheck.tuple(anyText, anyText), { maxLength: 4 }),
      anyText
    ],
    ([isCounter, name, value, pairs, help]) => {
      const tags = pairs.map(([key, text], i) => [`l${i}_${key}`, text] as const)
      const text = Prometheus.unsafeFormat([(isCounter ? counter : gauge)(`m_${name}`, value, tags, help)])
      const family = only(text)
      assert.strictEqual(family.type, isCounter ? "counter" : "gauge")
      // Blanks around the help text are no part of it.
      assert.strictEqual(
        (family.help ?? "").replace(/^[ \t]+|[ \t]+$/g, ""),
        wellFormed(help).replace(/^[ \t]+|[ \t]+$/g, "")
      )
      assert.strictEqual(family.samples.length, 1)
      const [sample] = family.samples
      sameNumber(sample.text, value)
      assert.strictEqual(sample.labels.size, tags.length)
      for (const [i, [, expected]] of tags.entries()) {
        const found = Array.from(sample.labels).find(([key]) => key === `l${i}` || key.startsWith(`l${i}_`))
        assert.strictEqual(found?.[1], wellFormed(expected))
      }
    },
    { fastCheck: { numRuns: 300 } }
  )

  it.prop(
    "a frequency is a counter with one series for each word",
    [FastCheck.dictionary(FastCheck.fullUnicodeString(), FastCheck.nat(), { minKeys: 1 })],
    ([words]) => {
      const occurrences = new Map(Object.entries(words))
      const family = only(Prometheus.unsafeFormat([frequency("words", occurrences, [["a", "1"]])]))
      assert.strictEqual(family.type, "counter")
      const found = family.samples.map((sample) => [sample.labels.get("key") ?? "", sample.value] as const)
      assert.deepStrictEqual(new Map(found), occurrences)
    }
  )

  it.prop(
    "a bucket counts the observations up to its bound, and +Inf counts all of them",
    [
      FastCheck.uniqueArray(FastCheck.double({ noNaN: true }), { maxLength: 8 }),
      FastCheck.array(anyNumber, { maxLength: 30 })
    ],
    ([boundaries, observations]) => {
      const family = only(Prometheus.unsafeFormat([histogram("h", boundaries, observations)]))
      assert.strictEqual(family.type, "histogram")
      const buckets = family.samples.filter((sample) => sample.name === "h_bucket")
      const finite = new Set(boundaries.filter((at) => at !== Infinity).map((at) => at === 0 ? 0 : at))
      assert.strictEqual(buckets.length, finite.size + 1)
      for (const bucket of buckets) {
        const le = Number(bucket.labels.get("le")?.replace("Inf", "Infinity"))
        const expected = le === Infinity ? observations.length : observations.filter((x) => x <= le).length
        assert.strictEqual(bucket.value, expected)
      }
      const sum = observations.reduce((a, b) => a + b, 0)
      sameNumber(family.samples.find((sample) => sample.name === "h_sum")?.text ?? "", sum)
      assert.strictEqual(family.samples.find((sample) => sample.name === "h_count")?.value, observations.length)
    }
  )

  it("an observation of NaN is in +Inf and the count, in no other bucket", () => {
    assert.strictEqual(
      Prometheus.unsafeFormat([histogram("h", [1], [0.5, NaN])]),
      "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum NaN\nh_count 2\n"
    )
  })

  it("a quantile without a value is NaN", () => {
    assert.strictEqual(
      Prometheus.unsafeFormat([summary("s", [[0.5, 2.5], [0.99, undefined], [1, 0]], 3, 7.5)]),
      "# TYPE s summary\ns{quantile=\"0.5\"} 2.5\ns{quantile=\"0.99\"} NaN\ns{quantile=\"1\"} 0\ns_sum 7.5\ns_count 3\n"
    )
  })

  it.each([
    ["a.b-c", "a_b_c"],
    ["a..b__c", "a_b_c"],
    ["a_", "a"],
    ["9lives", "_9lives"],
    ["ns:a", "ns:a"],
    ["é", "_"],
    ["", "_"],
    ["_", "_"],
    ["__a", "_a"],
    ["intentra_packets_dropped_total", "intentra_packets_dropped_total"]
  ])("the name %j is exposed as %s", (name, exposed) => {
    assert.strictEqual(Prometheus.unsafeFormat([gauge(name, 1)]), `# TYPE ${exposed} gauge\n${exposed} 1\n`)
  })

  it("label names that become equal are numbered, whatever the order of the tags", () => {
    const tags = [["a.b", "1"], ["a_b", "2"], ["a-b", "3"], ["__name__", "4"], ["9", "5"], ["é", "6"], [
      "è",
      "7"
    ]] as const
    const expected = "# TYPE x gauge\nx{_=\"7\",_2=\"6\",_9=\"5\",_name=\"4\",a_b=\"2\",a_b_2=\"3\",a_b_3=\"1\"} 1\n"
    assert.strictEqual(Prometheus.unsafeFormat([gauge("x", 1, tags)]), expected)
    assert.strictEqual(Prometheus.unsafeFormat([gauge("x", 1, tags.slice().reverse())]), expected)
  })

  it("of the same tag given twice the last value is kept, and a tag wins over a constant label", () => {
    const text = Prometheus.unsafeFormat([gauge("x", 1, [["a", "1"], ["b", "2"], ["b", "3"]])], {
      labels: { a: "constant", c: "constant" }
    })
    assert.strictEqual(text, "# TYPE x gauge\nx{a=\"1\",b=\"3\",c=\"constant\"} 1\n")
  })

  it("a tag with the name of the label that the type needs is kept as exported_", () => {
    const text = Prometheus.unsafeFormat([
      histogram("h", [1], [0], [["le", "mine"]]),
      frequency("f", new Map([["w", 1]]), [["key", "mine"]]),
      summary("s", [[0.5, 1]], 1, 1, [["quantile", "mine"]]),
      gauge("g", 1, [["le", "mine"]])
    ])
    parse(text)
    assert.include(text, "h_bucket{exported_le=\"mine\",le=\"+Inf\"} 1\n")
    assert.include(text, "h_count{exported_le=\"mine\"} 1\n")
    assert.include(text, "f{exported_key=\"mine\",key=\"w\"} 1\n")
    assert.include(text, "s{exported_quantile=\"mine\",quantile=\"0.5\"} 1\n")
    assert.include(text, "g{le=\"mine\"} 1\n")
  })

  it("the tags unit and time_unit are left out", () => {
    const text = Prometheus.unsafeFormat([
      gauge("x", 1, [["unit", "bytes"], ["time_unit", "milliseconds"], ["a", "1"]])
    ])
    assert.strictEqual(text, "# TYPE x gauge\nx{a=\"1\"} 1\n")
  })

  it("series of one name are one group with one HELP and one TYPE", () => {
    const text = Prometheus.unsafeFormat([
      counter("b", 1, [["x", "2"]]),
      counter("a", 1),
      counter("b", 2, [["x", "1"]], "the \\ first\nhelp"),
      counter("b", 3, [], "another")
    ])
    const group = "# HELP b the \\\\ first\\nhelp\n# TYPE b counter\nb 3\nb{x=\"1\"} 2\nb{x=\"2\"} 1\n"
    assert.strictEqual(text, `# TYPE a counter\na 1\n${group}`)
  })

  it.prop(
    "the text does not depend on the order of metrics that do not collide",
    [
      FastCheck.uniqueArray(FastCheck.nat(50), { maxLength: 12 }).chain((ids) =>
        FastCheck.tuple(FastCheck.constant(ids), FastCheck.shuffledSubarray(ids, { minLength: ids.length }))
      )
    ],
    ([[ids, shuffled]]) => {
      const snapshot = (order: ReadonlyArray<number>) =>
        order.map((id) => counter(`c${id % 5}`, id, [["id", String(id)]], `help of ${id % 5}`))
      assert.strictEqual(Prometheus.unsafeFormat(snapshot(ids)), Prometheus.unsafeFormat(snapshot(shuffled)))
    }
  )

  it("of two types under one name the first registered is kept and the other is named in a comment", () => {
    const text = Prometheus.unsafeFormat([counter("a.b", 1), gauge("a_b", 2, [["x", "1"]])])
    const family = only(text)
    assert.strictEqual(family.type, "counter")
    assert.strictEqual(family.samples.length, 1)
    assert.strictEqual(comments(text).length, 1)
    assert.include(comments(text)[0], "gauge \"a_b\"")
  })

  it("a counter that would pass for a histogram's count is dropped, and the reverse", () => {
    const h = histogram("h", [1], [0])
    const c = counter("h_count", 9)
    assert.strictEqual(only(Prometheus.unsafeFormat([h, c])).type, "histogram")
    assert.strictEqual(only(Prometheus.unsafeFormat([c, h])).type, "counter")
  })

  it.each([
    ["tags in another order", [counter("x", 1, [["a", "1"], ["b", "2"]]), counter("x", 2, [["b", "2"], ["a", "1"]])]],
    ["an empty tag beside none", [counter("x", 1), counter("x", 2, [["a", ""]])]],
    ["names that become equal", [counter("x", 1), counter("x.", 2)]],
    ["another description", [counter("x", 1), counter("x", 2, [], "help")]]
  ])("a series is exposed once: %s", (_, snapshot) => {
    const text = Prometheus.unsafeFormat(snapshot)
    assert.deepStrictEqual(only(text).samples.map((sample) => sample.value), [1])
    assert.strictEqual(comments(text).length, 1)
  })

  it("a comment about a lost metric is one line, whatever the name is", () => {
    const text = Prometheus.unsafeFormat([counter("a b", 1), gauge("a\n# TYPE b gauge\nb", 1), gauge("a\nb", 1)])
    assert.deepStrictEqual(Array.from(parse(text).keys()), ["a_TYPE_b_gauge_b", "a_b"])
    assert.strictEqual(comments(text).length, 1)
  })

  it("the prefix is joined with one underscore and the mapper sees the registered name", () => {
    const options = { prefix: "app_", metricNameMapper: (name: string) => name.replace("a.b", "9c") }
    assert.strictEqual(Prometheus.unsafeFormat([gauge("a.b", 1)], options), "# TYPE app_9c gauge\napp_9c 1\n")
  })

  it("a filter sees the key as registered and decides what is exposed", () => {
    const text = Prometheus.unsafeFormat([gauge("a.b", 1), gauge("c", 2, [["secret", "1"]]), gauge("d", 3)], {
      filter: (key) => key.name !== "a.b" && !key.tags.some((tag) => tag.key === "secret")
    })
    assert.strictEqual(text, "# TYPE d gauge\nd 3\n")
  })

  it("nothing to expose is the empty text", () => {
    assert.strictEqual(Prometheus.unsafeFormat([]), "")
    assert.strictEqual(Prometheus.unsafeFormat([frequency("f", new Map())]), "")
  })

  it.effect("format reads the metrics of the process when it is run", () =>
    Effect.gen(function*() {
      const requests = Metric.counter("prometheus_test_requests", { incremental: true, description: "Requests." })
      const latency = Metric.timer("prometheus_test_latency")
      const program = Prometheus.format({ filter: (key) => key.name.startsWith("prometheus_test_") })
      yield* Metric.incrementBy(Metric.tagged(requests, "route", "/"), 3)
      yield* Metric.update(latency, Duration.millis(3))
      const families = parse(yield* program)
      assert.deepStrictEqual(Array.from(families.keys()), ["prometheus_test_latency", "prometheus_test_requests"])
      const before = families.get("prometheus_test_requests")
      assert.strictEqual(before?.help, "Requests.")
      assert.strictEqual(before?.samples[0].value, 3)
      assert.strictEqual(identity(before?.samples[0].labels ?? new Map()), "[[\"route\",\"/\"]]")
      yield* Metric.increment(Metric.tagged(requests, "route", "/"))
      assert.strictEqual(parse(yield* program).get("prometheus_test_requests")?.samples[0].value, 4)
    }))
})
