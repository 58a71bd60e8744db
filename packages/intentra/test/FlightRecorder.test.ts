import { assert, describe, it } from "@effect/vitest"
import { Entropy } from "@intentra/crypto"
import { Network } from "@intentra/udp"
import { ConfigProvider, Context, Effect, Exit, Layer, Logger, Redacted, Scope } from "effect"
import Fs, { openSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import { join } from "node:path"
import { FlightRecorder, FlightRecorderError, Intentra, IntentraTest, Replay } from "../src/index.js"
import { fromEnvironment } from "../src/internal/config.js"
import { TapeWriter } from "../src/internal/tapeWriter.js"
import type { TapeFailure } from "../src/internal/tapeWriter.js"
import { bytes, connect, connected, key, turns } from "./internal/harness.js"
import { folder, quiet, until } from "./support/recorded.js"

const modeOf = (path: string): number => statSync(path).mode & 0o777

describe("FlightRecorder", () => {
  it.scoped("without the option nothing is written anywhere", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const before = process.cwd()
      yield* Effect.addFinalizer(() => Effect.sync(() => process.chdir(before)))
      process.chdir(path)
      const { network, peer } = yield* connected()
      yield* peer.send(bytes("unseen"))
      yield* network.advance("10 seconds")
      yield* turns
      assert.deepStrictEqual(readdirSync(path), [])
    }))

  it.scoped("only its owner may read a recording, from the moment it exists", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "recording")
      const { network, peer } = yield* quiet(connected({ hub: { record: path } }))
      assert.strictEqual(modeOf(path), 0o600)
      yield* peer.send(bytes("seen"))
      yield* network.advance("1 second")
      assert.strictEqual(modeOf(path), 0o600)
    }))

  it.scoped("a file that exists is never written to: the layer fails and says what to do", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "recording")
      writeFileSync(path, "precious")
      const network = yield* Network.make()
      const error = yield* Effect.flip(Effect.asVoid(IntentraTest.make(network, { key: key(1), record: path })))
      assert.strictEqual(error.reason, "InvalidOptions")
      assert.instanceOf(error.cause, FlightRecorderError)
      assert.strictEqual((error.cause as FlightRecorderError).reason, "Exists")
      assert.include(error.message, path)
      assert.include(error.message, "give another name")
      assert.strictEqual(readFileSync(path, "utf8"), "precious")
    }))

  it.scoped("a folder that is not there is a typed error, and no socket stays open", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "nowhere", "recording")
      const error = yield* Effect.flip(
        Effect.asVoid(Effect.scoped(Layer.build(Intentra.layer({ key: key(1), record: path }))))
      )
      assert.strictEqual((error.cause as FlightRecorderError).reason, "Unwritable")
      assert.include(error.message, "no such file or folder")
    }))

  it.effect("INTENTRA_RECORD and INTENTRA_KEYLOG name the files; without them there are none", () =>
    Effect.gen(function*() {
      const options = (environment: { readonly [name: string]: string }) =>
        Effect.withConfigProvider(
          fromEnvironment,
          ConfigProvider.fromMap(new Map(Object.entries(environment)), { pathDelim: "_" })
        )
      const named = yield* options({ INTENTRA_RECORD: "flight", INTENTRA_KEYLOG: "keys" })
      assert.deepStrictEqual([named.record, named.keyLog], ["flight", "keys"])
      const none = yield* options({})
      assert.deepStrictEqual([none.record, none.keyLog], [undefined, undefined])
    }))

  it.scoped("starting to record is logged as what it is", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "recording")
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      const network = yield* Network.make()
      yield* Effect.scoped(IntentraTest.make(network, { key: key(1), record: path })).pipe(
        Effect.provide(Logger.replace(Logger.defaultLogger, logger))
      )
      assert.strictEqual(lines.filter((line) => line.includes(path) && line.includes("keys")).length, 1)
    }))

  it.scoped("a recorder is for one transport, and needs its key", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "recording")
      const context = yield* quiet(
        Layer.build(FlightRecorder.layer(path).pipe(Layer.provide(Entropy.layerSeeded(1))))
      )
      const recorder = Context.get(context, FlightRecorder)
      const network = yield* Network.make()
      const over = (host: string) =>
        Layer.build(Layer.provide(IntentraTest.layer(network, { host, key: key(1) }), Layer.succeedContext(context)))
      yield* over("10.0.0.1")
      const error = yield* Effect.flip(Effect.asVoid(over("10.0.0.2")))
      assert.strictEqual((error.cause as FlightRecorderError).reason, "Busy")
      const { bytes, failure } = yield* recorder.status
      assert.isAbove(bytes, 100)
      assert.isUndefined(failure)
    }))

  it.scoped("a key that was made for the run is in the recording: real sockets, real clock, replayed byte for byte", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "recording")
      const received = yield* Effect.scoped(
        Effect.gen(function*() {
          const hub = Context.get(yield* Layer.build(Intentra.layer({ allow: "any", record: path })), Intentra)
          const client = Context.get(yield* Layer.build(Intentra.layer({})), Intentra)
          let received = 0
          yield* hub.onDelivery((peer, payload) => {
            received++
            peer.unsafeSend(payload)
          })
          const peer = yield* client.connect({ ...hub.address, publicKey: hub.publicKey })
          for (let i = 0; i < 50; i++) yield* peer.send(bytes(`message ${i}`), { intent: "Reliable" })
          yield* until(() => received === 50)
          return received
        })
      )
      const { complete, difference, messages } = yield* Replay.run(path)
      assert.isUndefined(difference)
      assert.isTrue(complete)
      assert.strictEqual(messages.length, received)
    }).pipe(quiet))

  it.scoped("when writing fails the recording ends with one logged line, and the transport goes on", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "recording")
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(String(message)))
      yield* Effect.gen(function*() {
        const scope = yield* Scope.make()
        const context = yield* Layer.buildWithScope(
          FlightRecorder.layer(path).pipe(Layer.provide(Entropy.layerSeeded(1))),
          scope
        )
        const { status, tape } = Context.get(context, FlightRecorder)
        const network = yield* Network.make({ latency: 10 })
        const hub = Context.get(
          yield* Layer.build(
            Layer.provide(IntentraTest.layer(network, { key: key(1), allow: "any" }), Layer.succeedContext(context))
          ),
          Intentra
        )
        const client = yield* IntentraTest.make(network, { host: "10.0.0.2", key: key(2) })
        breakWriter(tape.writer)
        tape.writer.flush()
        yield* until(() => lines.some((line) => line.includes("failed")))
        const { failure } = yield* status
        assert.strictEqual(failure?.reason, "WriteFailed")
        const peer = yield* connect(network, client, hub)
        yield* peer.send(bytes("still here"))
        yield* network.advance("1 second")
        assert.strictEqual(hub.counters.messagesReceived, 1)
        yield* turns
        assert.strictEqual(lines.filter((line) => line.includes("failed")).length, 1)
        yield* Scope.close(scope, Exit.void)
      }).pipe(Effect.provide(Logger.replace(Logger.defaultLogger, logger)))
    }))

  it.scoped("the secrets are in the file, which is why nobody else may read it, and in no error", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "recording")
      const network = yield* Network.make()
      yield* quiet(Effect.scoped(IntentraTest.make(network, { key: key(1), psk: key(8), record: path })))
      const text = readFileSync(path, "latin1")
      for (const secret of [key(1), key(8)]) {
        assert.include(text, Buffer.from(Redacted.value(secret)).toString("base64"))
      }
    }))
})

/** The disk goes away. */
const breakWriter = (writer: TapeWriter): void => {
  Object.assign(writer, { descriptor: openSync("/dev/null", "r") })
}

describe("TapeWriter", () => {
  const make = (path: string, limit?: number) => {
    const failures: Array<TapeFailure> = []
    const writer = new TapeWriter(openSync(path, "wx"), (reason) => failures.push(reason), limit)
    const close = Effect.async<void>((resume) => writer.close(() => resume(Effect.void)))
    return { writer, failures, close }
  }

  it.scoped("it never holds more than its limit for the disk: it stops once and for all, and what is there is whole", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "tape")
      const { close, failures, writer } = make(path, 1_000_000)
      for (let i = 0; i < 3000; i++) {
        const at = writer.record(1, 1000)
        if (at >= 0) writer.chunk.fill(i, at, at + 1000)
        assert.isAtMost(writer.bytes, 1_000_000 + 70_000)
      }
      assert.deepStrictEqual(failures, ["Overrun"])
      assert.strictEqual(writer.record(1, 1), -1)
      yield* close
      const file = readFileSync(path)
      let offset = 16
      while (offset < file.length) offset += 8 + file.readUInt32BE(offset)
      assert.strictEqual(offset, file.length)
    }))

  it.scoped("what waits is written when the process exits", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "tape")
      const { close, writer } = make(path)
      for (let i = 0; i < 200; i++) writer.chunk.fill(i, writer.record(1, 1000), 1000)
      writer.writeNow()
      const then = readFileSync(path)
      assert.isAbove(then.length, 200_000)
      yield* close
      assert.deepStrictEqual(readFileSync(path), then)
    }))

  it.scoped("a disk that takes a part of what it is given gets the rest after it", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "tape")
      const { writev } = Fs
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          Fs.writev = writev
          syncBuiltinESMExports()
        })
      )
      let writes = 0
      Fs.writev =
        ((descriptor: number, pieces: ReadonlyArray<Uint8Array>, position: number, done: Fs.NoParamCallback) => {
          writes++
          const some = pieces[0].subarray(0, Math.ceil(pieces[0].length / 2))
          writev(descriptor, [some], position, done)
        }) as unknown as typeof writev
      syncBuiltinESMExports()
      const { close, failures, writer } = make(path)
      for (let i = 0; i < 200; i++) {
        const at = writer.record(1, 1000)
        writer.chunk.fill(i, at, at + 1000)
      }
      yield* close
      assert.deepStrictEqual(failures, [])
      assert.isAbove(writes, 20)
      const file = readFileSync(path)
      const records: Array<number> = []
      for (let offset = 16; offset < file.length; offset += 8 + file.readUInt32BE(offset)) {
        for (let at = offset + 8; at < offset + 8 + file.readUInt32BE(offset); at += 1001) {
          assert.isTrue(file.subarray(at + 1, at + 1001).every((byte) => byte === file[at + 1]))
          records.push(file[at + 1])
        }
      }
      assert.deepStrictEqual(records, Array.from({ length: 200 }, (_, i) => i))
    }))

  it.scoped("a record that is longer than a chunk has a chunk of its own", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "tape")
      const { close, writer } = make(path)
      writer.record(1, 10)
      const at = writer.record(2, 500_000)
      writer.chunk.fill(7, at, at + 500_000)
      writer.record(3, 10)
      yield* close
      const file = readFileSync(path)
      const lengths: Array<number> = []
      for (let offset = 16; offset < file.length; offset += 8 + file.readUInt32BE(offset)) {
        lengths.push(file.readUInt32BE(offset))
      }
      assert.deepStrictEqual(lengths, [11, 500_001, 11])
    }))
})
