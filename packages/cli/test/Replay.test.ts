import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Logger, LogLevel, Stream } from "effect"
import { Intentra } from "intentra"
import type { IntentraOptions } from "intentra"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { lineOf, program } from "../src/internal/process.js"

const transport = (options: IntentraOptions) =>
  Effect.map(
    Layer.build(Layer.provide(Intentra.layer(options), Logger.minimumLogLevel(LogLevel.None))),
    Context.get(Intentra)
  )

/** A recording of a hub that got two messages. */
const record = (path: string) =>
  Effect.scoped(Effect.gen(function*() {
    const hub = yield* transport({ allow: "any", record: path })
    const { host, port } = hub.address
    const peer = yield* Effect.flatMap(transport({}), (it) => it.connect({ host, port, publicKey: hub.publicKey }))
    yield* peer.send(new TextEncoder().encode("one"), { intent: "Reliable" })
    yield* peer.send(new Uint8Array([0xff, 0]), { intent: "Reliable" })
    yield* hub.deliveries.pipe(Stream.take(2), Stream.runDrain)
  }))

/** What a command writes to standard output. */
const output = (...args: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const written: Array<string> = []
    const { write } = process.stdout
    const exit = yield* Effect.acquireUseRelease(
      Effect.sync(() => {
        process.stdout.write = (text: string | Uint8Array) => written.push(String(text)) > 0
      }),
      () => Effect.exit(program("0", args, () => {})),
      () =>
        Effect.sync(() => {
          process.stdout.write = write
        })
    )
    return { lines: written.join("").trimEnd().split("\n"), error: Exit.isFailure(exit) ? lineOf(exit.cause) : "" }
  })

describe("intentra replay", () => {
  it.live("a recording replays to the same datagrams and messages; one that was changed is an error", () =>
    Effect.gen(function*() {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "intentra-replay-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      const tape = join(folder, "hub.tape")
      yield* record(tape)

      const { error, lines } = yield* output("replay", "--messages", "--json", tape)
      assert.strictEqual(error, "")
      const [one, two, report] = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
      assert.deepInclude(one, { type: "message", intent: "Reliable", text: "one" })
      assert.deepInclude(two, { base64: Buffer.from([0xff, 0]).toString("base64") })
      assert.deepInclude(report, { type: "replay", same: true, complete: true, messages: 2, difference: null })

      const people = yield* output("replay", tape)
      assert.match(people.lines.join("\n"), /2 messages delivered, .*\nall of \d+ datagrams sent were the same/)

      const bytes = readFileSync(tape)
      bytes[bytes.length >> 1] ^= 1
      writeFileSync(tape, bytes)
      assert.match((yield* output("replay", tape)).error, /^cannot replay the recording .*hub\.tape at byte \d+/)
      assert.match((yield* output("replay", join(folder, "none"))).error, /^cannot read the recording/)
    }).pipe(Effect.scoped))
})
