import { assert, describe, it } from "@effect/vitest"
import { makeSeeded, node } from "@intentra/crypto"
import { Network } from "@intentra/udp"
import { Context, Effect, Layer } from "effect"
import { chmodSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { IntentraTest, KeyLog, PacketCrypto } from "../src/index.js"
import { make as makeCrypto } from "../src/PacketCrypto.js"
import { HEADER_BYTES } from "../src/PacketHeader.js"
import { bytes, connect, key, turns } from "./internal/harness.js"
import { folder, quiet, until } from "./support/recorded.js"

interface Line {
  readonly connId: number
  readonly epoch: number
  readonly key: Uint8Array
}

const parse = (path: string): ReadonlyArray<Line> =>
  readFileSync(path, "utf8").trimEnd().split("\n").map((line) => {
    const found = /^([0-9a-f]{8}) ([0-3]) ([0-9a-f]{64})$/.exec(line)
    if (found === null) throw new Error(`no line of a key log: ${line}`)
    return { connId: parseInt(found[1], 16), epoch: Number(found[2]), key: Buffer.from(found[3], "hex") }
  })

/** A session of five minutes, both ends logging into files; every sealed datagram on the wire. */
const talk = (hubFile: string, clientFile: string) =>
  Effect.gen(function*() {
    const network = yield* Network.make({ latency: 10, loss: 0.05 })
    const sealed: Array<Uint8Array> = []
    network.tap((event) => {
      if (event.kind === "sent" && (event.bytes[0] & 15) !== 2) sealed.push(event.bytes.slice())
    })
    const hub = yield* IntentraTest.make(network, { key: key(1), allow: "any", keyLog: hubFile })
    const client = yield* IntentraTest.make(network, { host: "10.0.0.2", key: key(2), keyLog: clientFile })
    const peer = yield* connect(network, client, hub)
    for (let second = 0; second < 300; second++) {
      yield* peer.send(bytes(`second ${second}`))
      yield* network.advance("1 second")
    }
    return { sealed, rekeys: client.counters.rekeys }
  }).pipe(Effect.scoped, quiet)

/** Whether a line's key opens a datagram. */
const opens = (line: Line, datagram: Uint8Array): boolean => {
  const seq = Buffer.from(datagram).readUInt32BE(8)
  return makeCrypto(node.aead).makeKey(line.key).openPacket(
    datagram,
    0,
    HEADER_BYTES,
    datagram.length,
    seq,
    new Uint8Array(2048),
    0
  ) >= 0
}

describe("KeyLog", () => {
  it.scoped("the log of either end opens every packet of the session, over rekeys, by conn_id and epoch", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const [hubFile, clientFile] = [join(path, "hub"), join(path, "client")]
      const { rekeys, sealed } = yield* talk(hubFile, clientFile)
      assert.isAtLeast(rekeys, 2)
      assert.isAbove(sealed.length, 300)
      for (const lines of [parse(hubFile), parse(clientFile)]) {
        // one key for each direction and epoch, each once
        assert.strictEqual(lines.length, 2 * (rekeys + 1))
        for (const datagram of sealed) {
          const connId = Buffer.from(datagram).readUInt32BE(4)
          const epoch = (datagram[1] >> 1) & 3
          const candidates = lines.filter((line) => line.connId === connId && line.epoch === epoch)
          assert.isTrue(candidates.some((line) => opens(line, datagram)))
        }
      }
      const sorted = (file: string) => readFileSync(file, "utf8").split("\n").sort()
      assert.deepStrictEqual(sorted(hubFile), sorted(clientFile))
    }))

  it.scoped("only its owner may read a log; a second run appends to it", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "keys")
      const other = join(yield* folder, "other")
      yield* talk(path, other)
      assert.strictEqual(statSync(path).mode & 0o777, 0o600)
      const first = readFileSync(path, "utf8")
      yield* talk(path, other)
      assert.isTrue(readFileSync(path, "utf8").startsWith(first))
      assert.strictEqual(parse(path).length, 2 * first.trimEnd().split("\n").length)
    }))

  it.scoped("a file that others may read, a link, or a folder is refused, and left as it is", () =>
    Effect.gen(function*() {
      const path = yield* folder
      const [shared, link, target] = [join(path, "shared"), join(path, "link"), join(path, "target")]
      writeFileSync(shared, "")
      chmodSync(shared, 0o644)
      symlinkSync(target, link)
      const network = yield* Network.make()
      for (const [file, why] of [[shared, "0644"], [link, "symbolic link"], [path, "folder"]]) {
        const error = yield* Effect.flip(Effect.asVoid(IntentraTest.make(network, { key: key(1), keyLog: file })))
        assert.strictEqual(error.reason, "InvalidOptions")
        assert.instanceOf(error.cause, KeyLog.KeyLogError)
        assert.include(error.message, file)
        assert.include(error.message, why)
      }
      assert.strictEqual(statSync(shared).mode & 0o777, 0o644)
      assert.isUndefined(statSync(target, { throwIfNoEntry: false }))
    }))

  it.scoped("a forged packet that does not open logs nothing", () =>
    Effect.gen(function*() {
      const path = join(yield* folder, "keys")
      const context = yield* quiet(
        Layer.build(Layer.provide(KeyLog.layer(path), Layer.succeed(PacketCrypto, makeCrypto(node.aead))))
      )
      const secret = new Uint8Array(32)
      makeSeeded(1).fill(secret)
      const packetKey = Context.get(context, PacketCrypto).makeKey(secret)
      const forged = new Uint8Array(64).fill(3)
      assert.strictEqual(packetKey.openPacket(forged, 0, HEADER_BYTES, 64, 1, new Uint8Array(64), 0), -1)
      yield* turns
      assert.strictEqual(readFileSync(path, "utf8"), "")
      const genuine = new Uint8Array(64)
      genuine.set([0x20, 4, 0, 32, 0xca, 0xfe, 0xba, 0xbe])
      assert.strictEqual(packetKey.sealPacket(genuine, 0, HEADER_BYTES, 16, 1), 48)
      packetKey.sealPacket(genuine, 0, HEADER_BYTES, 16, 2)
      yield* until(() => statSync(path).size > 0)
      yield* turns
      assert.strictEqual(readFileSync(path, "utf8"), `cafebabe 2 ${Buffer.from(secret).toString("hex")}\n`)
    }))
})
