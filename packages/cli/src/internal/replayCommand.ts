/** `intentra replay`: a recorded transport once more, and whether it did the same. */
import * as Effect from "effect/Effect"
import * as Replay from "intentra/Replay"
import * as StaticKey from "intentra/StaticKey"
import { CliError } from "../CliError.js"
import { contentOf, printableContent } from "./content.js"
import { Console, counts, grouped, writeJson } from "./terminal.js"

export interface ReplayCommandOptions {
  readonly file: string
  readonly messages: boolean
  readonly allowTruncated: boolean
  readonly json: boolean
}

const base64 = (bytes: Uint8Array | undefined): string | null =>
  bytes === undefined ? null : Buffer.from(bytes).toString("base64")

const recordOf = (report: Replay.ReplayReport) => ({
  type: "replay",
  same: report.difference === undefined,
  complete: report.complete,
  inputs: report.inputs,
  turns: report.turns,
  received: report.received,
  datagrams: report.datagrams,
  messages: report.messages.length,
  elapsedMs: report.elapsed,
  drops: report.drops,
  defects: report.defects.map(String),
  difference: report.difference === undefined ? null : {
    ...report.difference,
    recorded: base64(report.difference.recorded),
    replayed: base64(report.difference.replayed)
  }
})

const tell = ({ json, messages }: ReplayCommandOptions, report: Replay.ReplayReport): void => {
  const out = new Console(false)
  if (messages) {
    for (const { intent, payload, peer, publicKey, receivedAt } of report.messages) {
      if (json) {
        writeJson({
          type: "message",
          atMs: receivedAt,
          peer,
          publicKey: StaticKey.encode(publicKey),
          intent,
          ...contentOf(payload)
        })
      } else out.line(`${(receivedAt / 1000).toFixed(3).padStart(10)} s  ${peer}  ${printableContent(payload)}`)
    }
  }
  if (json) return writeJson(recordOf(report))
  out.line(
    `${(report.elapsed / 1000).toFixed(1)} s recorded: ${grouped(report.received)} datagrams received, ` +
      `${grouped(report.messages.length)} messages delivered, drops: ${counts(report.drops)}`
  )
  if (!report.complete) out.line("the recording was not closed in good order: the end of it may be missing")
  for (const defect of report.defects) out.line(`a defect was thrown: ${String(defect)}`)
  if (report.difference === undefined) {
    out.line(`all of ${grouped(report.datagrams)} datagrams sent were the same, byte for byte`)
  }
}

export const runReplay = (options: ReplayCommandOptions): Effect.Effect<void, CliError> =>
  Effect.gen(function*() {
    const report = yield* Effect.mapError(
      Replay.run(options.file, { allowTruncated: options.allowTruncated }),
      (error) => new CliError({ reason: "Replay", detail: error.message, cause: error })
    )
    tell(options, report)
    const { difference } = report
    if (difference !== undefined) {
      return yield* new CliError({
        reason: "Replay",
        detail:
          `the replay differs at input ${difference.input}, after ${grouped(difference.datagram)} datagrams that ` +
          `were the same: ${difference.detail}`
      })
    }
  })
