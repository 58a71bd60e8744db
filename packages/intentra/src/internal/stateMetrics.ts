import * as Metric from "effect/Metric"
import { foldSeries } from "./foldSeries.js"
import type { StateCounters } from "./stateCounters.js"

const counter = (name: string, description: string) =>
  Metric.counter(`intentra_state_${name}_total`, { description, incremental: true })

const published = counter("published", "Updates and deletions that state channels took")
const conflated = counter("conflated", "Updates that a newer one of their key replaced before they were sent")
const sentBytes = counter("sent_bytes", "Payload bytes of updates handed to the transport")
const sentUpdates = counter("sent_updates", "Updates handed to the transport, each subscriber counted")
const repaired = counter("repaired", "Updates sent again after loss")
const received = counter("received", "Updates received that were news")
const rejected = counter("rejected", "Messages and updates of peers that were dropped, by reason")

/** Folds the counters of one channel into Effect's metrics, under its name. */
export const makeFold = (channel: string, counters: StateCounters): () => void => {
  const of = (metric: Metric.Metric.Counter<number>) => Metric.tagged(metric, "channel", channel)
  const because = (reason: string) => Metric.tagged(of(rejected), "reason", reason)
  return foldSeries([
    [of(published), (c) => c.published],
    [of(conflated), (c) => c.conflated],
    [of(sentBytes), (c) => c.sentBytes],
    [of(sentUpdates), (c) => c.sentUpdates],
    [of(repaired), (c) => c.repaired],
    [of(received), (c) => c.received],
    [because("Malformed"), (c) => c.malformed],
    [because("LimitExceeded"), (c) => c.limited],
    [because("DecodeFailed"), (c) => c.undecodable],
    [because("Refused"), (c) => c.refused]
  ], counters)
}
