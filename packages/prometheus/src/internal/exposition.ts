/**
 * The lexical half of the text exposition format 0.0.4: names, label sets and numbers.
 */

/** @internal */
export type LabelPairs = ReadonlyArray<readonly [name: string, value: string]>

const clean = (raw: string, invalid: RegExp): string => {
  const name = raw.replace(invalid, "_").replace(/_$/, "")
  if (name === "") return "_"
  return name >= "0" && name < ":" ? `_${name}` : name
}

/** @internal `[a-zA-Z_:][a-zA-Z0-9_:]*` */
export const metricName = (raw: string): string => clean(raw, /[^a-zA-Z0-9:]+/g)

/** @internal `[a-zA-Z_][a-zA-Z0-9_]*`, never starting with the reserved `__` */
const labelName = (raw: string): string => clean(raw, /[^a-zA-Z0-9]+/g)

// A lone surrogate has no UTF-8 form: what is compared here must be what reaches the wire.
const wellFormed = (text: string): string => text.replace(/\p{Surrogate}/gu, "\ufffd")

/** @internal */
export const escapeHelp = (text: string): string =>
  wellFormed(text).replace(/[\\\n]/g, (c) => c === "\n" ? "\\n" : "\\\\")

/** @internal */
export const escapeLabelValue = (text: string): string =>
  wellFormed(text).replace(/[\\"\n]/g, (c) => c === "\n" ? "\\n" : `\\${c}`)

const number = (value: number): string =>
  value === Infinity ? "+Inf" : value === -Infinity ? "-Inf" : Object.is(value, -0) ? "-0" : String(value)

/** @internal */
const sampleValue = (value: number | bigint): string => {
  if (typeof value === "number") return number(value)
  // Every digit is kept, but readers parse a 64-bit float and refuse one that overflows.
  const float = Number(value)
  return Number.isFinite(float) ? value.toString() : number(float)
}

/**
 * Label pairs in their final form: names valid and distinct, values escaped, sorted by name.
 *
 * The same name given twice keeps its last value. Distinct names that become equal are numbered (`a_b`, `a_b_2`), names
 * that need no change first, so the outcome does not depend on the order of the tags. `reserved` is the label that the
 * sample itself adds (`le`, `quantile`, `key`); a tag of that name is kept as `exported_` and the name.
 *
 * @internal
 */
export const labels = (pairs: LabelPairs, reserved: string | undefined): LabelPairs => {
  if (pairs.length === 0) return pairs
  const values = new Map<string, string>()
  for (const [raw, value] of pairs) values.set(raw, value)
  const wanted = Array.from(values, ([raw, value]) => {
    const name = labelName(raw)
    return { raw, name: name === reserved ? `exported_${name}` : name, value: escapeLabelValue(value) }
  })
  const rank = (label: { readonly raw: string; readonly name: string }) => label.raw === label.name ? 0 : 1
  wanted.sort((a, b) => rank(a) - rank(b) || compare(a.raw, b.raw))
  const taken = new Set<string>()
  const result: Array<readonly [string, string]> = []
  for (const label of wanted) {
    let name = label.name
    for (let n = 2; taken.has(name); n++) name = labelName(`${label.name}_${n}`)
    taken.add(name)
    result.push([name, label.value])
  }
  return result.sort((a, b) => compare(a[0], b[0]))
}

/** @internal Code unit order: the same on every machine, unlike a locale's. */
export const compare = (a: string, b: string): number => a < b ? -1 : a > b ? 1 : 0

/** @internal The inside of the braces, without the label a sample adds. */
export const labelText = (pairs: LabelPairs): string => pairs.map(([name, value]) => `${name}="${value}"`).join(",")

/** @internal Two label sets name the same series when these are equal: an empty value counts as absent. */
export const seriesIdentity = (pairs: LabelPairs): string => labelText(pairs.filter(([, value]) => value !== ""))

/** @internal One sample line with its line feed. */
export const sample = (name: string, labelText: string, value: number | bigint): string =>
  labelText === "" ? `${name} ${sampleValue(value)}\n` : `${name}{${labelText}} ${sampleValue(value)}\n`

/** @internal */
export const withLabel = (text: string, name: string, value: string): string =>
  `${text === "" ? "" : `${text},`}${name}="${escapeLabelValue(value)}"`

/** @internal */
export const bound = number

/** @internal As OpenMetrics writes a bound: a whole number has a fraction too. */
export const canonicalBound = (value: number): string => {
  const text = number(value)
  return /^-?\d+$/.test(text) ? `${text}.0` : text
}
