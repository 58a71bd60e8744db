/**
 * A strict reader of the text exposition format 0.0.4: whatever the format's document calls invalid, and whatever a
 * reader would ingest twice or in part, is a `ParseError`.
 */

export interface Sample {
  readonly name: string
  readonly labels: ReadonlyMap<string, string>
  /** As printed: every digit of it. */
  readonly text: string
  readonly value: number
}

export interface Family {
  readonly name: string
  readonly type: string
  readonly help: string | undefined
  readonly samples: ReadonlyArray<Sample>
}

export class ParseError extends Error {
  constructor(readonly line: number, problem: string) {
    super(`line ${line}: ${problem}`)
  }
}

interface OpenFamily {
  readonly name: string
  type: string | undefined
  help: string | undefined
  readonly samples: Array<Sample>
  readonly line: number
}

const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const labelName = /^[a-zA-Z_][a-zA-Z0-9_]*$/
const types = new Set(["counter", "gauge", "histogram", "summary", "untyped"])
const decimal = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/

/** As both formats write one. */
export const parseNumber = (text: string): number | undefined => {
  if (text === "NaN") return NaN
  if (text === "+Inf" || text === "Inf") return Infinity
  if (text === "-Inf") return -Infinity
  const value = decimal.test(text) ? Number(text) : NaN
  return Number.isFinite(value) ? value : undefined
}

const unescape = (text: string, quote: boolean, line: number): string =>
  text.replace(/\\([^]?)/g, (_, c: string) => {
    if (c === "n") return "\n"
    if (c === "\\" || (quote && c === "\"")) return c
    throw new ParseError(line, `bad escape \\${c}`)
  })

const suffixes = (type: string | undefined): ReadonlyArray<string> =>
  type === "histogram" ? ["_bucket", "_sum", "_count"] : type === "summary" ? ["", "_sum", "_count"] : [""]

/** One line of either format. */
export const parseSample = (source: string, line: number): Sample => {
  const name = /^[^\s{]*/.exec(source)![0]
  if (!metricName.test(name)) throw new ParseError(line, `bad metric name ${JSON.stringify(name)}`)
  let rest = source.slice(name.length).trimStart()
  const labels = new Map<string, string>()
  if (rest.startsWith("{")) {
    rest = rest.slice(1)
    while (!rest.startsWith("}")) {
      const match = /^([^=]*)="((?:[^"\\]|\\.)*)"(,?)/.exec(rest)
      if (match === null) throw new ParseError(line, `bad labels at ${JSON.stringify(rest)}`)
      const [whole, key, value, comma] = match
      if (!labelName.test(key) || key.startsWith("__")) {
        throw new ParseError(line, `bad label name ${JSON.stringify(key)}`)
      }
      if (labels.has(key)) throw new ParseError(line, `label ${key} given twice`)
      labels.set(key, unescape(value, true, line))
      rest = rest.slice(whole.length)
      if (comma === "" && !rest.startsWith("}")) throw new ParseError(line, "labels not separated by a comma")
    }
    rest = rest.slice(1)
  } else if (!/^\s/.test(source.slice(name.length))) {
    throw new ParseError(line, "a value is missing")
  }
  const tokens = rest.trim().split(/[ \t]+/)
  if (tokens.length > 2) throw new ParseError(line, "more than a value and a timestamp")
  const value = parseNumber(tokens[0])
  if (value === undefined) throw new ParseError(line, `bad number ${JSON.stringify(tokens[0])}`)
  if (tokens.length === 2 && !/^-?\d+$/.test(tokens[1])) throw new ParseError(line, "bad timestamp")
  return { name, labels, text: tokens[0], value }
}

/** Equal for two label sets that a reader takes for the same series. */
export const identity = (labels: ReadonlyMap<string, string>, without?: string): string =>
  JSON.stringify(Array.from(labels).filter(([name, value]) => name !== without && value !== "").sort())

const checkGroups = (family: OpenFamily, label: "le" | "quantile") => {
  const fail = (problem: string): never => {
    throw new ParseError(family.line, `${family.type} ${family.name}: ${problem}`)
  }
  const groups = new Map<string, Array<Sample>>()
  for (const sample of family.samples) {
    const points = sample.name === (label === "le" ? `${family.name}_bucket` : family.name)
    if (points !== sample.labels.has(label)) fail(`${sample.name} ${points ? "lacks" : "has"} the label ${label}`)
    const key = identity(sample.labels, label)
    groups.set(key, [...groups.get(key) ?? [], sample])
  }
  for (const group of groups.values()) {
    let last = -Infinity
    let first = true
    let count = -Infinity
    for (const sample of group) {
      const text = sample.labels.get(label)
      if (text === undefined) continue
      const at = parseNumber(text)
      if (at === undefined || Number.isNaN(at)) return fail(`bad ${label} ${JSON.stringify(text)}`)
      if (label === "quantile" && (at < 0 || at > 1)) fail(`quantile ${text} is outside of 0 to 1`)
      if (!first && at <= last) fail(`${label} ${text} does not ascend`)
      if (label === "le") {
        if (!(sample.value >= count)) fail(`bucket ${text} is not cumulative`)
        count = sample.value
      }
      first = false
      last = at
    }
    const total = group.find((sample) => sample.name === `${family.name}_count`)
    if (total === undefined) return fail("no _count")
    if (!group.some((sample) => sample.name === `${family.name}_sum`)) fail("no _sum")
    if (label === "le") {
      if (first || last !== Infinity) fail("no +Inf bucket")
      if (count !== total.value) fail("the +Inf bucket is not the count")
    }
  }
}

export const parse = (source: string): ReadonlyMap<string, Family> => {
  if (/\p{Surrogate}/u.test(source)) throw new ParseError(0, "not UTF-8")
  if (source !== "" && !source.endsWith("\n")) throw new ParseError(0, "the last line does not end with a line feed")
  const families = new Map<string, OpenFamily>()
  const series = new Set<string>()
  let current: OpenFamily | undefined

  const enter = (name: string, line: number): OpenFamily => {
    if (current?.name === name) return current
    if (families.has(name)) throw new ParseError(line, `${name} is not one contiguous group`)
    current = { name, type: undefined, help: undefined, samples: [], line }
    families.set(name, current)
    return current
  }

  source.split("\n").forEach((raw, index) => {
    const line = index + 1
    const text = raw.replace(/^[ \t]+|[ \t]+$/g, "")
    if (text === "") return
    if (text.startsWith("#")) {
      const header = /^#[ \t]*(HELP|TYPE)(?:[ \t]+([^ \t]+)(?:[ \t]+([^]*))?)?$/.exec(text)
      if (header === null) return
      const [, kind, name, rest] = header
      if (name === undefined || !metricName.test(name)) throw new ParseError(line, `bad metric name in ${kind}`)
      const family = enter(name, line)
      if (family.samples.length > 0) throw new ParseError(line, `${kind} of ${name} after its samples`)
      if (kind === "HELP") {
        if (family.help !== undefined) throw new ParseError(line, `second HELP of ${name}`)
        family.help = unescape(rest ?? "", false, line)
      } else {
        if (family.type !== undefined) throw new ParseError(line, `second TYPE of ${name}`)
        if (rest === undefined || !types.has(rest)) throw new ParseError(line, `unknown type ${rest}`)
        family.type = rest
      }
      return
    }
    const sample = parseSample(text, line)
    const owner = current
    const own = owner !== undefined && suffixes(owner.type).some((suffix) => owner.name + suffix === sample.name)
    const family = own ? owner : enter(sample.name, line)
    if (!suffixes(family.type).some((suffix) => family.name + suffix === sample.name)) {
      throw new ParseError(line, `${sample.name} is no sample of the ${family.type} ${family.name}`)
    }
    const key = sample.name + identity(sample.labels)
    if (series.has(key)) throw new ParseError(line, `series ${key} given twice`)
    series.add(key)
    family.samples.push(sample)
  })

  const claimed = new Map<string, string>()
  const result = new Map<string, Family>()
  for (const family of families.values()) {
    for (const name of new Set([family.name, ...suffixes(family.type).map((suffix) => family.name + suffix)])) {
      const other = claimed.get(name)
      if (other !== undefined) throw new ParseError(family.line, `${family.name} and ${other} both use ${name}`)
      claimed.set(name, family.name)
    }
    if (family.type === "histogram") checkGroups(family, "le")
    if (family.type === "summary") checkGroups(family, "quantile")
    result.set(family.name, {
      name: family.name,
      type: family.type ?? "untyped",
      help: family.help,
      samples: family.samples
    })
  }
  return result
}
