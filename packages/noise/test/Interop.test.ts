import { assert, describe, it } from "@effect/vitest"
import { node } from "@intentra/crypto"
import { Pattern, unsafeMake } from "../src/index.js"
import type { HandshakeOptions, HandshakeState } from "../src/index.js"
import { empty, hex, utf8 } from "./support/bytes.js"
import { sides, suites } from "./support/handshakes.js"
import type { NoiseC, NoiseCHandshake } from "./support/noiseC.js"
import { load } from "./support/noiseC.js"

const basic = Pattern.names.filter((name) => !name.includes("1"))
const prologue = utf8("interop")

const theirSide = (noiseC: NoiseC, options: HandshakeOptions): NoiseCHandshake => {
  const { NOISE_ROLE_INITIATOR, NOISE_ROLE_RESPONDER } = noiseC.constants
  const state = new noiseC.HandshakeState(
    options.protocolName,
    options.role === "initiator" ? NOISE_ROLE_INITIATOR : NOISE_ROLE_RESPONDER
  )
  state.Initialize(prologue, options.staticKey ?? null, options.remoteStatic ?? null, null)
  return state
}

const exchangeWith = (ours: HandshakeState, theirs: NoiseCHandshake): void => {
  for (let i = 0; !ours.complete; i++) {
    const payload = utf8(`handshake ${i}`)
    const received = (i % 2 === 0) === (ours.role === "initiator")
      ? theirs.ReadMessage(ours.writeMessage(payload), true)
      : ours.readMessage(theirs.WriteMessage(payload))
    assert.strictEqual(hex(received), hex(payload))
  }
}

const meet = (noiseC: NoiseC, protocolName: string, role: Pattern.Role): void => {
  const options = sides(protocolName, { prologue })
  const other = role === "initiator" ? "responder" : "initiator"
  const ours = unsafeMake(options[role])
  const theirs = theirSide(noiseC, options[other])
  exchangeWith(ours, theirs)
  assert.strictEqual(hex(ours.handshakeHash), hex(theirs.GetHandshakeHash()), protocolName)
  const { receive, send } = ours.split()
  const [theirSend, theirReceive] = theirs.Split()
  const oneWay = protocolName.split("_")[1].length === 1
  for (let i = 0; i < 3; i++) {
    const message = utf8(`transport ${i}`)
    if (!oneWay || role === "initiator") {
      assert.strictEqual(hex(theirReceive.DecryptWithAd(empty, send.encryptWithAd(empty, message))), hex(message))
    }
    if (!oneWay || role === "responder") {
      assert.strictEqual(hex(receive.decryptWithAd(empty, theirSend.EncryptWithAd(empty, message))), hex(message))
    }
  }
  theirSend.free()
  theirReceive.free()
}

describe("the independent implementation noise-c", async () => {
  const noiseC = await load()

  it("there are 15 basic patterns and 8 suites to meet in", () => {
    assert.deepStrictEqual([basic.length, suites.length], [15, 8])
  })

  for (const suite of suites) {
    it(`${suite}: handshake, handshake hash and transport agree in every basic pattern and both roles`, () => {
      for (const pattern of basic) {
        meet(noiseC, `Noise_${pattern}_${suite}`, "initiator")
        meet(noiseC, `Noise_${pattern}_${suite}`, "responder")
      }
    })
  }

  it("each side learns the other's static key in XX", () => {
    const options = sides("Noise_XX_25519_AESGCM_SHA256", { prologue })
    const ours = unsafeMake(options.initiator)
    const theirs = theirSide(noiseC, options.responder)
    exchangeWith(ours, theirs)
    const publicKey = (side: HandshakeOptions) => hex(node.x25519.publicKey(side.staticKey ?? empty))
    assert.strictEqual(hex(ours.remoteStatic ?? empty), publicKey(options.responder))
    assert.strictEqual(hex(theirs.GetRemotePublicKey() ?? empty), publicKey(options.initiator))
  })
})
