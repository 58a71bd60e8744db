import { assert, describe, it } from "@effect/vitest"
import { parse, ParseError } from "./support/ExpositionParser.js"

const histogram = (lines: string) => `# TYPE h histogram\n${lines}`
const summary = (lines: string) => `# TYPE s summary\n${lines}`

const good: Record<string, string> = {
  "nothing": "",
  "a bare sample": "a 1\n",
  "a sample with a timestamp": "a 1 1395066363000\n",
  "any blanks and empty lines": "\n  a \t 1\n\n\t# TYPE  b   gauge\nb\t2\n",
  "a comment between families": "a 1\n# TYPED is a comment\nb 1\n",
  "a trailing comma in the labels": "a{x=\"1\",} 1\n",
  "empty braces": "a{} 1\n",
  "the three escapes of label values": "a{x=\"\\\\ \\\" \\n\"} 1\n",
  "braces and separators inside of values": "a{x=\"},y=\\\"{\",z=\"# TYPE\"} 1\n",
  "HELP after TYPE": "# TYPE a counter\n# HELP a b \\\\ \\n \"c\"\na 1\n",
  "the special numbers": "a{x=\"1\"} NaN\na{x=\"2\"} +Inf\na{x=\"3\"} -Inf\na{x=\"4\"} 1e+21\na{x=\"5\"} -.5\n",
  "a histogram": histogram("h_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n"),
  "a summary": summary("s{quantile=\"0.5\"} NaN\ns_sum 0\ns_count 0\n")
}

const bad: Record<string, string> = {
  "no line feed at the end": "a 1",
  "a metric name with a digit first": "1a 1\n",
  "a metric name with a dash": "a-b 1\n",
  "a metric name beyond ASCII": "é 1\n",
  "a label name with a dash": "a{x-y=\"1\"} 1\n",
  "a label name with a colon": "a{x:y=\"1\"} 1\n",
  "an empty label name": "a{=\"1\"} 1\n",
  "a reserved label name": "a{__x=\"1\"} 1\n",
  "a label given twice": "a{x=\"1\",x=\"2\"} 1\n",
  "labels without a comma": "a{x=\"1\"y=\"2\"} 1\n",
  "an open quote": "a{x=\"1} 1\n",
  "a raw quote in a value": "a{x=\"1\"\"} 1\n",
  "a raw line feed in a value": "a{x=\"1\n\"} 1\n",
  "an unknown escape in a value": "a{x=\"\\t\"} 1\n",
  "an unknown escape in HELP": "# HELP a \\t\na 1\n",
  "a lone surrogate": "a{x=\"\ud800\"} 1\n",
  "no value": "a\n",
  "an empty value after labels": "a{x=\"1\"}\n",
  "a hexadecimal number": "a 0x1p-2\n",
  "a number that overflows": "a 1e999\n",
  "Infinity spelt out": "a Infinity\n",
  "a bad timestamp": "a 1 1.5\n",
  "text after the timestamp": "a 1 2 3\n",
  "an unknown type": "# TYPE a frequency\na 1\n",
  "a TYPE without a type": "# TYPE a\na 1\n",
  "a second TYPE": "# TYPE a counter\n# TYPE a counter\na 1\n",
  "a second HELP": "# HELP a b\n# HELP a b\na 1\n",
  "a TYPE after the samples": "a 1\n# TYPE a counter\n",
  "a HELP after the samples": "a 1\n# HELP a b\n",
  "a bad name in TYPE": "# TYPE a-b counter\n",
  "a family in two places": "a{x=\"1\"} 1\nb 1\na{x=\"2\"} 1\n",
  "the same series twice": "a{x=\"1\",y=\"2\"} 1\na{y=\"2\",x=\"1\"} 1\n",
  "the same series but for an empty label": "a 1\na{x=\"\"} 1\n",
  "a counter named like a histogram's count": "# TYPE h_count counter\nh_count 1\n" +
    histogram("h_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n"),
  "a bucket without le": histogram("h_bucket 1\nh_sum 1\nh_count 1\n"),
  "a plain sample of a histogram": histogram("h 1\n"),
  "buckets that are not cumulative": histogram(
    "h_bucket{le=\"1\"} 2\nh_bucket{le=\"2\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 1\nh_count 2\n"
  ),
  "buckets out of order": histogram(
    "h_bucket{le=\"2\"} 1\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n"
  ),
  "no +Inf bucket": histogram("h_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n"),
  "the +Inf bucket twice": histogram("h_bucket{le=\"+Inf\"} 1\nh_bucket{le=\"Inf\"} 1\nh_sum 1\nh_count 1\n"),
  "a +Inf bucket that is not the count": histogram("h_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n"),
  "a histogram without a sum": histogram("h_bucket{le=\"+Inf\"} 1\nh_count 1\n"),
  "a histogram without a count": histogram("h_bucket{le=\"+Inf\"} 1\nh_sum 1\n"),
  "a bound that is no number": histogram("h_bucket{le=\"x\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n"),
  "a quantile above 1": summary("s{quantile=\"2\"} 1\ns_sum 1\ns_count 1\n"),
  "quantiles out of order": summary("s{quantile=\"0.9\"} 1\ns{quantile=\"0.5\"} 1\ns_sum 1\ns_count 1\n"),
  "a summary without a sum": summary("s_count 1\n")
}

describe("ExpositionParser", () => {
  for (const [name, text] of Object.entries(good)) {
    it(`accepts ${name}`, () => void parse(text))
  }
  for (const [name, text] of Object.entries(bad)) {
    it(`refuses ${name}`, () => assert.throws(() => parse(text), ParseError))
  }
  it("reads names, labels, help and values", () => {
    const family = parse("# HELP a b\\n\\\\c\n# TYPE a gauge\na{x=\"1\\\"\\n\"} 2.5\n").get("a")
    assert.deepStrictEqual(family, {
      name: "a",
      type: "gauge",
      help: "b\n\\c",
      samples: [{ name: "a", labels: new Map([["x", "1\"\n"]]), text: "2.5", value: 2.5 }]
    })
  })
})
