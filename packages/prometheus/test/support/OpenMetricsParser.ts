/**
 * A strict reader of OpenMetrics 1.0, without exemplars, units and timestamps, which are never written: whatever the
 * specification forbids is a `ParseError`.
 */
import { type Family, identity, ParseError, parseNumber, parseSample, type Sample } from "./ExpositionParser.js"

const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/

/** What a family's samples may be called, and what else no other family may be called. */
const suffixes: { readonly [type: string]: ReadonlyArray<string> } = {
  counter: ["_total", "_created"],
  gauge: [""],
  unknown: [""],
  histogram: ["_bucket", "_sum", "_count", "_created"],
  summary: ["", "_sum", "_count", "_created"]
}

interface OpenFamily {
  readonly name: string
  readonly line: number
  readonly samples: Array<Sample>
  type: string
  help: string | undefined
}

const unescape = (text: string, line: number): string =>
  text.replace(/\\([^]?)|"/g, (whole, c: string | undefined) => {
    if (c === "n") return "\n"
    if (c === "\\" || c === "\"") return c
    throw new ParseError(line, `bad escape ${whole} in HELP`)
  })

const check = (family: OpenFamily): void => {
  const fail = (problem: string): never => {
    throw new ParseError(family.line, `${family.type} ${family.name}: ${problem}`)
  }
  const label = family.type === "histogram" ? "le" : "quantile"
  const groups = new Map<string, Array<Sample>>()
  for (const sample of family.samples) {
    const suffix = sample.name.slice(family.name.length)
    if (suffix !== "" && !(sample.value >= 0)) fail(`${sample.name} is ${sample.text}`)
    if (["_bucket", "_count"].includes(suffix) && !Number.isInteger(sample.value)) fail(`${sample.name} is no integer`)
    const key = identity(sample.labels, family.type === "histogram" || family.type === "summary" ? label : undefined)
    groups.set(key, [...groups.get(key) ?? [], sample])
  }
  if (family.type !== "histogram" && family.type !== "summary") return
  const points = family.type === "histogram" ? `${family.name}_bucket` : family.name
  for (const group of groups.values()) {
    const bounds: Array<number> = []
    let counted = 0
    for (const sample of group) {
      const text = sample.labels.get(label)
      if ((sample.name === points) !== (text !== undefined)) fail(`${sample.name} and the label ${label}`)
      if (text === undefined) continue
      const at = parseNumber(text)
      if (at === undefined || Number.isNaN(at)) return fail(`bad ${label} ${text}`)
      if (Number.isInteger(at) && !/[.e]/.test(text)) fail(`${label} ${text} is not canonical`)
      if (bounds.length > 0 && !(at > bounds[bounds.length - 1])) fail(`${label} ${text} does not ascend`)
      if (label === "quantile" && !(at >= 0 && at <= 1)) fail(`quantile ${text}`)
      if (label === "quantile" && sample.value < 0) fail(`the quantile ${text} is ${sample.text}`)
      if (label === "le" && !(sample.value >= counted)) fail(`bucket ${text} is not cumulative`)
      counted = sample.value
      bounds.push(at)
    }
    const sum = group.some((sample) => sample.name === `${family.name}_sum`)
    const count = group.find((sample) => sample.name === `${family.name}_count`)
    if (label === "le") {
      if (bounds[bounds.length - 1] !== Infinity) fail("no +Inf bucket")
      if (sum !== (count !== undefined)) fail("_sum and _count come together")
      if (count !== undefined && count.value !== counted) fail("the +Inf bucket is not the count")
      if (sum && bounds[0] < 0) fail("a _sum of what may be negative")
    }
  }
}

export const parse = (source: string): ReadonlyMap<string, Family> => {
  if (/\p{Surrogate}/u.test(source)) throw new ParseError(0, "not UTF-8")
  if (!/(^|\n)# EOF\n$/.test(source)) throw new ParseError(0, "the last line is not # EOF")
  const families = new Map<string, OpenFamily>()
  const series = new Set<string>()
  let current: OpenFamily | undefined
  const lines = source.split("\n").slice(0, -2)
  for (const [index, text] of lines.entries()) {
    const line = index + 1
    if (text.startsWith("#")) {
      const header = /^# (HELP|TYPE) ([^ ]+) ([^]*)$/.exec(text)
      if (header === null) throw new ParseError(line, `not a line of the format: ${text}`)
      const [, kind, name, rest] = header
      if (!metricName.test(name)) throw new ParseError(line, `bad metric name ${name}`)
      if (current?.name !== name) {
        if (families.has(name)) throw new ParseError(line, `${name} is not one contiguous group`)
        current = { name, line, type: "", help: undefined, samples: [] }
        families.set(name, current)
      }
      if (current.samples.length > 0) throw new ParseError(line, `${kind} after the samples`)
      if (kind === "HELP") {
        if (current.help !== undefined) throw new ParseError(line, "a second HELP")
        current.help = unescape(rest, line)
      } else {
        if (current.type !== "" || suffixes[rest] === undefined) throw new ParseError(line, `bad TYPE ${rest}`)
        current.type = rest
      }
      continue
    }
    if (/[\t]|^ | $| {2}/.test(text.replace(/"(?:[^"\\]|\\.)*"/g, ""))) throw new ParseError(line, "blanks")
    const sample = parseSample(text, line)
    const { name, type } = current ?? { name: "", type: "" }
    const own = type !== "" && suffixes[type].some((suffix) => name + suffix === sample.name)
    if (current === undefined || !own) throw new ParseError(line, `${sample.name} is no sample of the ${type} ${name}`)
    const key = sample.name + identity(sample.labels)
    if (series.has(key)) throw new ParseError(line, `series ${key} given twice`)
    series.add(key)
    current.samples.push(sample)
  }
  const claimed = new Map<string, string>()
  for (const family of families.values()) {
    for (const name of new Set(["", ...suffixes[family.type]].map((suffix) => family.name + suffix))) {
      const other = claimed.get(name)
      if (other !== undefined) throw new ParseError(family.line, `${family.name} and ${other} both use ${name}`)
      claimed.set(name, family.name)
    }
    check(family)
  }
  return families
}
