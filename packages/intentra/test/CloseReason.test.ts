import { assert, describe, it } from "@effect/vitest"
import { CryptoError } from "@intentra/crypto"
import type { CryptoErrorReason } from "@intentra/crypto"
import { NoiseError } from "@intentra/noise"
import { UdpSocketError } from "@intentra/udp"
import type { UdpSocketReason } from "@intentra/udp"
import { FastCheck as fc } from "effect"
import * as CloseReason from "../src/CloseReason.js"
import { IntentraError } from "../src/IntentraError.js"

type Expected<Reason extends string> = { readonly [R in Reason]: CloseReason.CloseReason }

// The types make these tables total: a reason that is added anywhere does not compile until it stands here.
const ofIntentra: Expected<IntentraError["reason"]> = {
  InvalidOptions: "LocalClosed",
  InvalidAddress: "LocalClosed",
  HandshakeTimeout: "Timeout",
  WrongKey: "AuthFail",
  Refused: "AuthFail",
  SessionLimit: "LimitExceeded",
  SessionClosed: "PeerClosed",
  PayloadTooLarge: "LimitExceeded",
  Overload: "LimitExceeded",
  ConsumerBusy: "LocalClosed",
  SocketFailed: "TransportClosed",
  TransportClosed: "TransportClosed"
}

const ofNoise: Expected<NoiseError["reason"]> = {
  InvalidProtocolName: "AuthFail",
  MissingKey: "AuthFail",
  UnexpectedKey: "AuthFail",
  InvalidKeyLength: "AuthFail",
  OutOfTurn: "AuthFail",
  MessageTooLong: "AuthFail",
  MessageTooShort: "AuthFail",
  DecryptFailed: "AuthFail",
  InvalidPublicKey: "AuthFail",
  InvalidNonce: "AuthFail",
  NonceExhausted: "AuthFail",
  HandshakeIncomplete: "AuthFail",
  HandshakeComplete: "AuthFail",
  AlreadySplit: "AuthFail",
  OneWay: "AuthFail",
  Destroyed: "AuthFail"
}

const ofCrypto: Expected<CryptoErrorReason> = {
  KeyLength: "AuthFail",
  AllZeroSharedSecret: "AuthFail",
  InfoLength: "AuthFail",
  OutputLength: "AuthFail"
}

const ofSocket: Expected<UdpSocketReason> = {
  AddressInUse: "TransportClosed",
  AddressNotAvailable: "TransportClosed",
  PermissionDenied: "TransportClosed",
  InvalidAddress: "TransportClosed",
  MessageTooLarge: "TransportClosed",
  TooManyOpenFiles: "TransportClosed",
  Unsupported: "TransportClosed",
  Closed: "TransportClosed",
  Unknown: "TransportClosed"
}

const entries = <Reason extends string>(table: Expected<Reason>) =>
  (Object.keys(table) as Array<Reason>).map((reason) => [reason, table[reason]] as const)

describe("CloseReason", () => {
  it.each(entries(ofIntentra))("an IntentraError %s means %s", (reason, expected) => {
    assert.strictEqual(CloseReason.fromError(new IntentraError({ reason, detail: "" })), expected)
  })

  it.each(entries(ofNoise))("a NoiseError %s means %s", (reason, expected) => {
    assert.strictEqual(CloseReason.fromError(new NoiseError({ reason, operation: "", detail: "" })), expected)
  })

  it.each(entries(ofCrypto))("a CryptoError %s means %s", (reason, expected) => {
    assert.strictEqual(CloseReason.fromError(new CryptoError({ reason, operation: "" })), expected)
  })

  it.each(entries(ofSocket))("a UdpSocketError %s means %s", (reason, expected) => {
    assert.strictEqual(CloseReason.fromError(new UdpSocketError({ reason, host: "", port: 0 })), expected)
  })

  it("a session that ended for a reason keeps it in its error", () => {
    for (const closeReason of CloseReason.all) {
      const error = new IntentraError({ reason: "SessionClosed", detail: "", closeReason })
      assert.strictEqual(CloseReason.fromError(error), closeReason)
    }
  })

  it("wire codes are fixed", () => {
    assert.deepStrictEqual(CloseReason.all.map((reason) => [reason, CloseReason.toCode(reason)]), [
      ["PeerClosed", 0],
      ["LocalClosed", 1],
      ["AuthFail", 2],
      ["ProtocolViolation", 3],
      ["Timeout", 4],
      ["Replaced", 5],
      ["LimitExceeded", 6],
      ["TransportClosed", 7]
    ])
  })

  it("what ended in good order over there is PeerClosed here; other reasons arrive as they were sent", () => {
    for (const reason of CloseReason.all) {
      const expected = reason === "LocalClosed" || reason === "TransportClosed" ? "PeerClosed" : reason
      assert.strictEqual(CloseReason.fromPeerCode(CloseReason.toCode(reason)), expected)
    }
  })

  it.prop("a code of a later version means that the peer closed", [fc.integer({ min: 8, max: 255 })], ([code]) => {
    assert.strictEqual(CloseReason.fromPeerCode(code), "PeerClosed")
  })
})
