import * as Duration from "effect/Duration"
import type { RecordedOptions } from "../FlightRecorder.js"

/**
 * The options of the concerns as plain data, the duration in milliseconds: what a recording keeps, and what worker
 * threads are sent.
 */
export const plainConcerns = (options: RecordedOptions) => ({
  packetsPerSecond: options.packetsPerSecond,
  burst: options.burst,
  forgeriesPerSecond: options.forgeriesPerSecond,
  forgeryBurst: options.forgeryBurst,
  gate: options.gate,
  replayWindow: options.replayWindow,
  strikeLimit: options.strikeLimit,
  strikeWindow: options.strikeWindow === undefined ? undefined : Duration.toMillis(options.strikeWindow)
})
