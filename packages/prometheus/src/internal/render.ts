import type * as MetricKey from "effect/MetricKey"
import type * as MetricPair from "effect/MetricPair"
import * as MetricState from "effect/MetricState"
import * as Option from "effect/Option"
import type { FormatOptions } from "../Prometheus.js"
import type { LabelPairs } from "./exposition.js"
import {
  bound,
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

interface Series {
  readonly order: string
  readonly text: string
}

interface Family {
  readonly name: string
  readonly type: FamilyType
  help: string | undefined
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

/** Every name a family's samples and headers use: no other family may use one of them. */
const sampleNames = (name: string, type: FamilyType): ReadonlyArray<string> =>
  type === "histogram"
    ? [name, `${name}_bucket`, `${name}_sum`, `${name}_count`]
    : type === "summary"
    ? [name, `${name}_sum`, `${name}_count`]
    : [name]

// The unit that `Metric.timer` tags is constant metadata, not a dimension.
const isUnit = (name: string): boolean => name === "unit" || name === "time_unit"

const rawLabels = (key: MetricKey.MetricKey.Untyped, constant: LabelPairs): LabelPairs => {
  const pairs: Array<readonly [string, string]> = constant.slice()
  for (const tag of key.tags) if (!isUnit(tag.key)) pairs.push([tag.key, tag.value])
  return pairs
}

const histogram = (name: string, text: string, state: MetricState.MetricState.Histogram): string => {
  let lines = ""
  let last = NaN
  for (const [le, count] of state.buckets) {
    // The infinite bound of the snapshot leaves out observations of NaN; `+Inf` is the count of all.
    if (le === Infinity || !(Number.isNaN(last) ? le === le : le > last)) continue
    last = le
    lines += sample(`${name}_bucket`, withLabel(text, "le", bound(le)), count)
  }
  return lines +
    sample(`${name}_bucket`, withLabel(text, "le", "+Inf"), state.count) +
    sample(`${name}_sum`, text, state.sum) +
    sample(`${name}_count`, text, state.count)
}

const summary = (name: string, text: string, state: MetricState.MetricState.Summary): string => {
  let lines = ""
  let last = -1
  for (const [quantile, value] of state.quantiles) {
    if (!(quantile >= 0 && quantile <= 1 && quantile > last)) continue
    last = quantile
    lines += sample(name, withLabel(text, "quantile", bound(quantile)), Option.getOrElse(value, () => NaN))
  }
  return lines + sample(`${name}_sum`, text, state.sum) + sample(`${name}_count`, text, state.count)
}

/** @internal */
export const render = (snapshot: Iterable<MetricPair.MetricPair.Untyped>, options: FormatOptions): Rendered => {
  const families = new Map<string, Family>()
  const claimed = new Map<string, Family>()
  const dropped = new Set<string>()
  const constant = Object.entries(options.labels ?? {})

  const claim = (raw: string, name: string, type: FamilyType): Family | undefined => {
    const existing = families.get(name)
    if (existing !== undefined && existing.type === type) return existing
    const names = sampleNames(name, type)
    for (const used of names) {
      const owner = claimed.get(used)
      if (owner === undefined) continue
      dropped.add(
        `${type} ${JSON.stringify(raw)} is not exposed: the name ${used} belongs to the ${owner.type} ${owner.name}; ` +
          "rename one of them, or map its name with metricNameMapper"
      )
      return undefined
    }
    const family: Family = { name, type, help: undefined, series: [], owners: new Map() }
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
      family.help = escapeHelp(metricKey.description.value)
    }
    const own = rawLabels(metricKey, constant)
    if (MetricState.isCounterState(metricState)) {
      const pairs = labels(own, undefined)
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
      add(family, raw, pairs, histogram(name, labelText(pairs), metricState))
    } else if (MetricState.isSummaryState(metricState)) {
      const pairs = labels(own, "quantile")
      add(family, raw, pairs, summary(name, labelText(pairs), metricState))
    }
  }

  let text = ""
  for (const family of Array.from(families.values()).sort((a, b) => compare(a.name, b.name))) {
    if (family.series.length === 0) continue
    if (family.help !== undefined) text += `# HELP ${family.name} ${family.help}\n`
    text += `# TYPE ${family.name} ${family.type}\n`
    for (const series of family.series.sort((a, b) => compare(a.order, b.order))) text += series.text
  }
  for (const sentence of dropped) text += `# dropped: ${sentence}\n`
  return { text, dropped: Array.from(dropped) }
}
