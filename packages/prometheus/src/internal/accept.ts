import type { Format } from "./render.js"

interface Range {
  readonly type: string
  readonly version: string | undefined
  readonly quality: number
}

const rangeOf = (text: string): Range => {
  const [type, ...parameters] = text.split(";").map((part) => part.trim().toLowerCase())
  let version: string | undefined
  let quality = 1
  for (const parameter of parameters) {
    const [name, value = ""] = parameter.split("=").map((part) => part.trim())
    if (name === "version") version = value.replaceAll("\"", "")
    // what is no number counts as not wanted
    if (name === "q") quality = Math.min(Math.max(Number(value) || 0, 0), 1)
  }
  return { type, version, quality }
}

const best = (ranges: ReadonlyArray<Range>, type: string, versions: ReadonlyArray<string>): number =>
  ranges.reduce(
    (most, range) =>
      range.type === type && (range.version === undefined || versions.includes(range.version))
        ? Math.max(most, range.quality)
        : most,
    0
  )

/**
 * The format that an `Accept` header (RFC 9110, 12.5.1) asks for. OpenMetrics has to be named; a wildcard, and no header
 * at all, means the text that every reader knows.
 *
 * @internal
 */
export const formatOf = (accept: string | undefined): Format => {
  if (accept === undefined || !/openmetrics/i.test(accept)) return "text"
  const ranges = accept.split(",").map(rangeOf)
  const wanted = best(ranges, "application/openmetrics-text", ["1.0.0"])
  return wanted > 0 && wanted >= best(ranges, "text/plain", ["0.0.4"]) ? "openmetrics" : "text"
}
