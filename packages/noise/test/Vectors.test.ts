import { assert, describe, it } from "@effect/vitest"
import { noble, node } from "@intentra/crypto"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { unsafeMake } from "../src/index.js"
import type { HandshakeOptions } from "../src/index.js"
import { empty, hex, unhex } from "./support/bytes.js"
import type { Pair } from "./support/handshakes.js"
import { turn } from "./support/handshakes.js"

interface Vector {
  readonly protocol_name: string
  readonly init_prologue: string
  readonly init_static?: string
  readonly init_ephemeral?: string
  readonly init_remote_static?: string
  readonly init_psks?: ReadonlyArray<string>
  readonly resp_prologue: string
  readonly resp_static?: string
  readonly resp_ephemeral?: string
  readonly resp_remote_static?: string
  readonly resp_psks?: ReadonlyArray<string>
  readonly handshake_hash: string
  readonly messages: ReadonlyArray<{ readonly payload: string; readonly ciphertext: string }>
}

const folder = process.env.INTENTRA_VECTORS
const file = folder === undefined ? undefined : join(folder, "noise-cacophony.json")
const vectors: ReadonlyArray<Vector> = file !== undefined && existsSync(file)
  ? JSON.parse(readFileSync(file, "utf8")).vectors.filter((one: Vector) => one.protocol_name.includes("_25519_"))
  : []

if (vectors.length === 0) {
  console.log("noise: INTENTRA_VECTORS is not set, its test vectors are skipped")
}

const optional = (text: string | undefined): Uint8Array | undefined => text === undefined ? undefined : unhex(text)

const options = (vector: Vector, role: "initiator" | "responder"): HandshakeOptions => {
  const side = role === "initiator" ? "init" : "resp"
  return {
    protocolName: vector.protocol_name,
    role,
    prologue: unhex(vector[`${side}_prologue`]),
    staticKey: optional(vector[`${side}_static`]),
    ephemeralKey: optional(vector[`${side}_ephemeral`]),
    remoteStatic: optional(vector[`${side}_remote_static`]),
    psks: vector[`${side}_psks`]?.map(unhex)
  }
}

const replay = (vector: Vector, extra: Partial<HandshakeOptions>): void => {
  const name = vector.protocol_name
  const both: Pair = {
    initiator: unsafeMake({ ...options(vector, "initiator"), ...extra }),
    responder: unsafeMake({ ...options(vector, "responder"), ...extra })
  }
  let next = 0
  while (!both.initiator.complete) {
    const { ciphertext, payload } = vector.messages[next]
    const [writer, reader] = turn(both, next)
    assert.strictEqual(hex(writer.writeMessage(unhex(payload))), ciphertext, `${name} message ${next}`)
    assert.strictEqual(hex(reader.readMessage(unhex(ciphertext))), payload, `${name} payload ${next}`)
    next++
  }
  assert.strictEqual(hex(both.initiator.handshakeHash), vector.handshake_hash, name)
  assert.strictEqual(hex(both.responder.handshakeHash), vector.handshake_hash, name)
  const oneWay = next === 1
  const initiator = both.initiator.split()
  const responder = both.responder.split()
  assert.isAbove(vector.messages.length, next)
  for (; next < vector.messages.length; next++) {
    const { ciphertext, payload } = vector.messages[next]
    const forward = oneWay || next % 2 === 0
    const [writer, reader] = forward ? [initiator, responder] : [responder, initiator]
    assert.strictEqual(hex(writer.send.encryptWithAd(empty, unhex(payload))), ciphertext, `${name} transport ${next}`)
    assert.strictEqual(
      hex(reader.receive.decryptWithAd(empty, unhex(ciphertext))),
      payload,
      `${name} transport ${next}`
    )
  }
}

describe.skipIf(vectors.length === 0)("third-party vectors", () => {
  it("the file holds 472 vectors over 25519", () => {
    assert.strictEqual(vectors.length, 472)
  })

  for (const crypto of [node, noble]) {
    it(`${crypto.name}: every message, payload, handshake hash and transport message is the vector's`, () => {
      for (const vector of vectors) replay(vector, { crypto })
    }, 60_000)
  }
})
