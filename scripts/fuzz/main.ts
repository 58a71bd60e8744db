/**
 * `npm run fuzz`: the fuzzer of the transport's own tests, for as long as you like. A law that does not hold is printed
 * with the seed and the step that show it again, and the exit code is 1.
 */
import { parseArgs } from "node:util"
import { fuzz } from "../../packages/intentra/test/support/fuzz/episode.js"
import type { FuzzReport } from "../../packages/intentra/test/support/fuzz/report.js"

const help = `npm run fuzz -- [--datagrams N] [--seed S] [--minutes M]

  --datagrams N  hostile datagrams in all (default 50,000,000)
  --seed S       the first episode's seed; each episode has the next one (default 1)
  --minutes M    stop after so long (default: never)
`

const numberOf = (text: string | undefined, fallback: number, name: string): number => {
  const value = text === undefined ? fallback : Number(text.replaceAll(/[,_]/g, ""))
  if (!(value >= 0)) throw new RangeError(`--${name} is ${text}, but must be a number from 0`)
  return value
}

const main = async (): Promise<number> => {
  const { values } = parseArgs({
    options: {
      datagrams: { type: "string" },
      seed: { type: "string" },
      minutes: { type: "string" },
      help: { type: "boolean", short: "h" }
    }
  })
  if (values.help) {
    console.log(help)
    return 0
  }
  const datagrams = numberOf(values.datagrams, 50_000_000, "datagrams")
  const seed = numberOf(values.seed, 1, "seed")
  const minutes = numberOf(values.minutes, Infinity, "minutes")
  const started = performance.now()
  const seconds = (): number => (performance.now() - started) / 1000
  let lastLine = 0
  const line = (report: FuzzReport): string =>
    `${report.hostile.toLocaleString("en")} hostile datagrams, ${report.genuine.toLocaleString("en")} genuine, ` +
    `${report.delivered.toLocaleString("en")} messages checked, ${report.episodes} episodes, ` +
    `${Math.round(report.hostile / seconds()).toLocaleString("en")}/s`
  try {
    let last: FuzzReport | undefined
    for (const report of fuzz({ seed, datagrams })) {
      last = report
      if (seconds() - lastLine >= 10) {
        lastLine = seconds()
        console.log(line(report))
      }
      if (seconds() >= minutes * 60) break
    }
    if (last === undefined) return 0
    console.log(JSON.stringify(last))
    console.log(`every law held: ${line(last)}, from seed ${seed}, in ${seconds().toFixed(1)} s`)
    return 0
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    if (error instanceof Error && error.cause !== undefined) console.error(error.cause)
    console.error("npm run fuzz -- --datagrams 1 --seed <that seed> shows it again")
    return 1
  }
}

process.exitCode = await main()
