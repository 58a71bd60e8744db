import type * as MetricKey from "effect/MetricKey"
import type * as MetricPair from "effect/MetricPair"
import * as MetricState from "effect/MetricState"
import * as Option from "effect/Option"
import type { FormatOptions } from "../Prometheus.js"
import type { LabelPairs } from "./exposition.js"
import {
  bound,
  canonicalBound,
  compare,
  escapeHelp,
  escapeLabelValue,
  labels,
  labelText,
  metricName,
  sample,
  seriesIdentity,
  withLabel
} from "./exposition.js"

type FamilyType = "counter" | "gauge" | "histogram" | "summary"

/** @internal The format of a text: 0.0.4, or OpenMetrics 1.0. */
export type Format = "text" | "openmetrics"

interface Series {
  readonly order: string
  readonly text: string
}

interface Family {
  readonly name: string
  readonly type: FamilyType
  help: string | undefined
  /** Whether a value is one that no counter of OpenMetrics may have. */
  uncountable: boolean
  readonly series: Array<Series>
  /** The raw metric name behind each series identity. */
  readonly owners: Map<string, string>
}

/** @internal */
export interface Rendered {
  readonly text: string
  /** One sentence for each metric, or part of one, that could not be exposed. */
  readonly dropped: ReadonlyArray<string>
}

const familyType = (state: MetricState.MetricState.Untyped): FamilyType | undefined =>
  MetricState.isCounterState(state) || MetricState.isFrequencyState(state)
    ? "counter"
    : MetricState.isGaugeState(state)
    ? "gauge"
    : MetricState.isHistogramState(state)
    ? "histogram"
    : MetricState.isSummaryState(state)
    ? "summary"
    : undefined

const SUFFIXES: { readonly [Type in FamilyType]: ReadonlyArray<string> } = {
  counter: [],
  gauge: [],
  histogram: ["_bucket", "_sum", "_count"],
  summary: ["_sum", "_count"]
}

/** Every name a family's samples and headers use: no other family may use one of them. */
const sampleNames = (name: string, type: FamilyType, format: Format): ReadonlyArray<string> => {
  const suffixes = SUFFIXES[type]
  const created = format === "openmetrics" && suffixes.length > 0 ? [`${name}_created`] : []
  return [name, ...suffixes.map((suffix) => name + suffix), ...created]
}

// The unit that `Metric.timer` tags is constant metadata, not a dimension.
const isUnit = (name: string): boolean => name === "unit" || name === "time_unit"

const rawLabels = (key: MetricKey.MetricKey.Untyped, constant: LabelPairs): LabelPairs => {
  const pairs: Array<readonly [string, string]> = constant.slice()
  for (const tag of key.tags) if (!isUnit(tag.key)) pairs.push([tag.key, tag.value])
  return pairs
}

// What counts must be neither negative nor NaN in OpenMetrics.
const isCount = (value: number | bigint): boolean => value >= 0

const histogram = (name: string, text: string, state: MetricState.MetricState.Histogram, format: Format): string => {
  const le = format === "text" ? bound : canonicalBound
  let lines = ""
  let last = NaN
  let summable = format === "text" || isCount(state.sum)
  for (const [at, count] of state.buckets) {
    // The infinite bound of the snapshot leaves out observations of NaN; `+Inf` is the count of all.
    if (at === Infinity || !(Number.isNaN(last) ? at === at : at > last)) continue
    last = at
    if (format === "openmetrics" && at < 0) summable = false
    lines += sample(`${name}_bucket`, withLabel(text, "le", le(at)), count)
  }
  lines += sample(`${name}_bucket`, withLabel(text, "le", "+Inf"), state.count)
  // In OpenMetrics the two come together or not at all, and not where observations may be negative.
  return summable
    ? lines + sample(`${name}_sum`, text, state.sum) + sample(`${name}_count`, text, state.count)
    : lines
}

const summary = (name: string, text: string, state: MetricState.MetricState.Summary, format: Format): string => {
  const of = format === "text" ? bound : canonicalBound
  let lines = ""
  let last = -1
  for (const [quantile, optional] of state.quantiles) {
    if (!(quantile >= 0 && quantile <= 1 && quantile > last)) continue
    last = quantile
    const value = Option.getOrElse(optional, () => NaN)
    // OpenMetrics takes no negative ones
    if (format === "text" || !(value < 0)) lines += sample(name, withLabel(text, "quantile", of(quantile)), value)
  }
  if (format === "text" || isCount(state.sum)) lines += sample(`${name}_sum`, text, state.sum)
  return lines + sample(`${name}_count`, text, state.count)
}

const TOTAL = "_total"

/**
 * What the header of a family says. A counter of OpenMetrics is called what its samples are without `_total`; one that
 * cannot be one by name, by a value, or because another metric has that name, keeps its own and is of type unknown.
 */
const headerOf = (
  family: Family,
  format: Format,
  claimed: Map<string, Family>
): { readonly name: string; readonly type: string } => {
  const { name, type } = family
  if (format === "text" || type !== "counter") return { name, type }
  const base = name.endsWith(TOTAL) ? name.slice(0, -TOTAL.length) : ""
  const names = [base, `${base}_created`]
  if (base === "" || family.uncountable || names.some((it) => claimed.has(it))) return { name, type: "unknown" }
  for (const it of names) claimed.set(it, family)
  return { name: base, type }
}

/** @internal */
export const render = (
  snapshot: Iterable<MetricPair.MetricPair.Untyped>,
  options: FormatOptions,
  format: Format = "text"
): Rendered => {
  const families = new Map<string, Family>()
  const claimed = new Map<string, Family>()
  const dropped = new Set<string>()
  const constant = Object.entries(options.labels ?? {})

  const claim = (raw: string, name: string, type: FamilyType): Family | undefined => {
    const existing = families.get(name)
    if (existing !== undefined && existing.type === type) return existing
    const names = sampleNames(name, type, format)
    for (const used of names) {
      const owner = claimed.get(used)
      if (owner === undefined) continue
      dropped.add(
        `${type} ${JSON.stringify(raw)} is not exposed: the name ${used} belongs to the ${owner.type} ${owner.name}; ` +
          "rename one of them, or map its name with metricNameMapper"
      )
      return undefined
    }
    const family: Family = { name, type, help: undefined, uncountable: false, series: [], owners: new Map() }
    families.set(name, family)
    for (const used of names) claimed.set(used, family)
    return family
  }

  const add = (family: Family, raw: string, pairs: LabelPairs, text: string) => {
    const identity = seriesIdentity(pairs)
    const owner = family.owners.get(identity)
    if (owner !== undefined) {
      dropped.add(
        `a series of ${JSON.stringify(raw)} is not exposed: ${JSON.stringify(owner)} has a series of the name ` +
          `${family.name} with the same labels; rename one of them, or give them labels that differ`
      )
      return
    }
    family.owners.set(identity, raw)
    family.series.push({ order: labelText(pairs), text })
  }

  for (const { metricKey, metricState } of snapshot) {
    if (options.filter !== undefined && !options.filter(metricKey)) continue
    const type = familyType(metricState)
    if (type === undefined) continue
    const raw = metricKey.name
    const mapped = options.metricNameMapper === undefined ? raw : options.metricNameMapper(raw)
    const name = metricName(options.prefix === undefined ? mapped : `${options.prefix}_${mapped}`)
    const family = claim(raw, name, type)
    if (family === undefined) continue
    if (family.help === undefined && Option.isSome(metricKey.description) && metricKey.description.value !== "") {
      family.help = format === "text"
        ? escapeHelp(metricKey.description.value)
        : escapeLabelValue(metricKey.description.value)
    }
    const own = rawLabels(metricKey, constant)
    if (MetricState.isCounterState(metricState)) {
      const pairs = labels(own, undefined)
      if (!isCount(metricState.count)) family.uncountable = true
      add(family, raw, pairs, sample(name, labelText(pairs), metricState.count))
    } else if (MetricState.isGaugeState(metricState)) {
      const pairs = labels(own, undefined)
      add(family, raw, pairs, sample(name, labelText(pairs), metricState.value))
    } else if (MetricState.isFrequencyState(metricState)) {
      const shared = labels(own, "key")
      for (const [word, count] of metricState.occurrences) {
        const pairs = shared.concat([["key", escapeLabelValue(word)]]).sort((a, b) => compare(a[0], b[0]))
        add(family, raw, pairs, sample(name, labelText(pairs), count))
      }
    } else if (MetricState.isHistogramState(metricState)) {
      const pairs = labels(own, "le")
      add(family, raw, pairs, histogram(name, labelText(pairs), metricState, format))
    } else if (MetricState.isSummaryState(metricState)) {
      const pairs = labels(own, "quantile")
      add(family, raw, pairs, summary(name, labelText(pairs), metricState, format))
    }
  }

  let text = ""
  for (const family of Array.from(families.values()).sort((a, b) => compare(a.name, b.name))) {
    if (family.series.length === 0) continue
    const header = headerOf(family, format, claimed)
    const type = `# TYPE ${header.name} ${header.type}\n`
    const help = family.help === undefined ? "" : `# HELP ${header.name} ${family.help}\n`
    text += help + type
    for (const series of family.series.sort((a, b) => compare(a.order, b.order))) text += series.text
  }
  // OpenMetrics knows no comments
  if (format === "openmetrics") text += "# EOF\n"
  else for (const sentence of dropped) text += `# dropped: ${sentence}\n`
  return { text, dropped: Array.from(dropped) }
}
