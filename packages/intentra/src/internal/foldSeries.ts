import type * as Metric from "effect/Metric"

/** A metric, and where its value stands in the counters. */
export type Series<Counters> = readonly [
  Metric.Metric.Counter<number> | Metric.Metric.Gauge<number>,
  (counters: Counters) => number
]

const NO_TAGS: ReadonlyArray<never> = []

/** Makes the function that adds to each metric what its counter has grown by since the last call. */
export const foldSeries = <Counters>(
  series: ReadonlyArray<Series<Counters>>,
  counters: Counters
): () => void => {
  const folded = new Float64Array(series.length)
  // every series exists from the start, so that a rate over it is right from its first event
  for (const [metric] of series) metric.unsafeModify(0, NO_TAGS)
  return () => {
    for (let i = 0; i < series.length; i++) {
      const [metric, read] = series[i]
      const value = read(counters)
      // the registry is one for the process, so each of its writers adds its own difference, to gauges too
      if (value === folded[i]) continue
      metric.unsafeModify(value - folded[i], NO_TAGS)
      folded[i] = value
    }
  }
}
