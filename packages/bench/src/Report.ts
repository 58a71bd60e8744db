/**
 * The results of a whole run as files: Markdown, JSON and plots.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { AccuracyPoint } from "./Accuracy.js"
import type { Run } from "./All.js"
import { BenchError } from "./BenchError.js"
import { markdown } from "./internal/table.js"
import * as Plot from "./Plot.js"
import type { ScalingStep } from "./Scaling.js"
import { toJson } from "./Scenario.js"
import type { Result } from "./Scenario.js"

/**
 * A file of the report.
 *
 * @since 0.1.0
 * @category models
 */
export interface ReportFile {
  readonly name: string
  readonly text: string
}

type Distribution = ReadonlyArray<readonly [share: number, micros: number]>

const place = ({ date, machine }: Result): string =>
  `${machine.cpu}, ${machine.cores} cores, ${machine.kernel}, Node ${machine.node}, ${date.slice(0, 10)}`

/** Shares of the fastest, stretched towards the slowest: how many nines. */
const nines = (share: number): number => -Math.log10(Math.max(1 - share, 1e-4))

const TAIL_TICKS = [0.5, 0.9, 0.99, 0.999].map((share) => [nines(share), `${share * 100} %`] as const)

const accuracyPlots = (it: Result): ReadonlyArray<ReportFile> => {
  const points = it.fields.points as ReadonlyArray<AccuracyPoint>
  const offered = { label: "offered, packets/s" }
  const most = Math.max(...points.map((point) => point.offeredPps))
  return [
    {
      name: "accuracy.svg",
      text: Plot.svg({
        title: "Throughput accuracy: delivered against offered",
        subtitle: place(it),
        x: offered,
        y: { label: "delivered, packets/s" },
        series: [
          { name: "delivered", points: points.map((point) => [point.offeredPps, point.deliveredPps]) },
          { name: "all that is offered", points: [[0, 0], [most, most]], dashed: true }
        ]
      })
    },
    {
      name: "delivery-ratio.svg",
      text: Plot.svg({
        title: "Delivery ratio by offered rate",
        subtitle: place(it),
        x: offered,
        y: { label: "share delivered", from: 0, to: 1 },
        series: [{ name: "share delivered", points: points.map((point) => [point.offeredPps, point.ratio]) }]
      })
    }
  ]
}

const latencyPlot = (it: Result): ReportFile => {
  const line = (distribution: Distribution): Plot.Series["points"] =>
    distribution.map(([share, micros]) => [nines(share), micros])
  return {
    name: "latency.svg",
    text: Plot.svg({
      title: `Round trips at ${String(it.fields.hz)} Hz`,
      subtitle: place(it),
      x: { label: "share of round trips that are as fast", from: 0, ticks: TAIL_TICKS },
      y: { label: "microseconds", log: true },
      series: [
        { name: "intentra", points: line(it.fields.distribution as Distribution) },
        { name: "raw node:dgram", points: line(it.fields.rawDistribution as Distribution), dashed: true }
      ]
    })
  }
}

const scalingPlot = (it: Result): ReportFile => {
  const steps = it.fields.steps as ReadonlyArray<ScalingStep>
  return {
    name: "scaling.svg",
    text: Plot.svg({
      title: "Cost of a packet by sessions",
      subtitle: place(it),
      x: { label: "sessions", log: true },
      y: { label: "ns of CPU time a packet" },
      series: [
        { name: "receiving", points: steps.map((step) => [step.sessions, step.rxNsPerPacket]) },
        { name: "sending", points: steps.map((step) => [step.sessions, step.txNsPerPacket]) }
      ]
    })
  }
}

const plots = (it: Result): ReadonlyArray<ReportFile> =>
  it.scenario === "accuracy"
    ? accuracyPlots(it)
    : it.scenario === "latency"
    ? [latencyPlot(it)]
    : it.scenario === "scaling"
    ? [scalingPlot(it)]
    : []

const section = ({ failure, name, result }: Run): string => {
  if (result === undefined) return `## ${name}\n\nNot measured: ${failure ?? "it did not run"}\n`
  const parts = [`## ${name}`]
  for (const { rows, title } of result.tables) parts.push(`${title[0].toUpperCase()}${title.slice(1)}:`, markdown(rows))
  for (const plot of plots(result)) parts.push(`![${plot.name.replace(/\.svg$/, "")}](${plot.name})`)
  const lifted = Object.entries(result.lifted)
  if (lifted.length > 0) {
    parts.push(`Limits lifted: ${lifted.map(([limit, value]) => `${limit}: ${value}`).join("; ")}.`)
  }
  if (result.goals.length > 0) {
    parts.push(
      result.goals.map(({ goal, measured, met }) =>
        `- ${met ? "met" : "**missed**"}: ${goal} (${
          measured === null ? "not measured" : measured.toLocaleString("en")
        })`
      ).join("\n")
    )
  }
  return `${parts.join("\n\n")}\n`
}

const overview = (runs: ReadonlyArray<Run>): string =>
  markdown(runs.flatMap(({ name, result }) =>
    (result?.goals ?? []).map(({ goal, measured, met }) => ({
      scenario: name,
      goal,
      measured: measured === null ? "not measured" : measured,
      met: met ? "met" : "**missed**"
    }))
  ))

/**
 * The files of a run: `RESULTS.md`, one JSON file for each result, and the plots.
 *
 * @since 0.1.0
 * @category constructors
 */
export const files = (runs: ReadonlyArray<Run>): ReadonlyArray<ReportFile> => {
  const results = runs.flatMap(({ name, result }) => result === undefined ? [] : [{ name, result }])
  const first = results.at(0)?.result
  const text = [
    "# Results",
    first === undefined
      ? "Nothing was measured."
      : `One run of \`npm run bench -- all --report --duration ${first.seconds}\` on ${place(first)}. ` +
        "Absolute figures are of this machine; the shares of the floor, measured in the same run, are what to compare.",
    "## Goals",
    overview(runs),
    ...runs.map(section)
  ].join("\n\n")
  return [
    { name: "RESULTS.md", text: `${text.trimEnd()}\n` },
    ...results.map(({ name, result }) => ({
      name: `${name}.json`,
      text: `${JSON.stringify(JSON.parse(toJson(result)), undefined, 2)}\n`
    })),
    ...results.flatMap(({ result }) => plots(result))
  ]
}

/**
 * Writes the files of a run into a folder, which is made if it is not there.
 *
 * @since 0.1.0
 * @category constructors
 */
export const write = (folder: string, runs: ReadonlyArray<Run>): Effect.Effect<void, BenchError> =>
  Effect.try({
    try: () => {
      mkdirSync(folder, { recursive: true })
      for (const { name, text } of files(runs)) writeFileSync(join(folder, name), text)
    },
    catch: (cause) =>
      new BenchError({
        reason: "ResultsUnwritable",
        detail: cause instanceof Error ? cause.message : String(cause),
        cause
      })
  })
