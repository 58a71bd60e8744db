import { assert, describe, it } from "@effect/vitest"
import { Either, FastCheck as fc } from "effect"
import { createHmac } from "node:crypto"
import * as Messages from "../../src/internal/handshakeMessages.js"
import * as PacketHeader from "../../src/PacketHeader.js"

const mac = (key: string) => (data: Uint8Array): Uint8Array =>
  Uint8Array.from(createHmac("sha256", key).update(data).digest())

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })

const hello = fc.record({
  pinned: fc.boolean(),
  pattern: fc.constantFrom(Messages.PATTERN_XX, Messages.PATTERN_XXPSK3),
  connId: u32,
  nonce: bytes(16)
})

type Hello = typeof hello extends fc.Arbitrary<infer H> ? H : never

const encodeHello = ({ connId, nonce, pattern, pinned }: Hello) =>
  Messages.encodeHello(pinned, pattern, connId, nonce, mac("hub"))

const header = (datagram: Uint8Array) => Either.getOrThrow(PacketHeader.decode(datagram))

const expectPlainHeader = (datagram: Uint8Array, connId: number): void => {
  assert.deepStrictEqual(header(datagram), {
    version: 2,
    type: PacketHeader.HANDSHAKE,
    intent: 0,
    priority: 0,
    epoch: 0,
    reserved: 0,
    payloadLength: datagram.length - 16,
    connId,
    seq: 0,
    ack: 0
  })
  assert.isTrue(Messages.headerIsPlain(datagram, 0))
}

describe("handshake messages", () => {
  it.prop("a hello has each field in its place, zeros to 1,200 bytes, and mac1 at its end", [hello], ([given]) => {
    const datagram = encodeHello(given)
    assert.strictEqual(datagram.length, 1200)
    expectPlainHeader(datagram, 0)
    assert.deepStrictEqual(Array.from(datagram.subarray(16, 20)), [1, given.pinned ? 1 : 0, given.pattern, 0])
    assert.strictEqual(Buffer.from(datagram).readUInt32BE(20), given.connId)
    assert.deepStrictEqual(datagram.slice(24, 40), Uint8Array.from(given.nonce))
    assert.isTrue(datagram.subarray(40, 1184).every((byte) => byte === 0))
    assert.deepStrictEqual(datagram.slice(1184), mac("hub")(datagram.subarray(0, 40)).slice(0, 16))
  })

  it.prop(
    "an echo repeats the hello's fields, adds cookie and Noise message, and has mac1 over all of it",
    [hello, bytes(16), fc.uint8Array({ maxLength: 200 })],
    ([given, cookie, message1]) => {
      const first = encodeHello(given)
      const datagram = Messages.encodeEcho(first, cookie, message1, mac("hub"))
      assert.strictEqual(datagram.length, 1200)
      expectPlainHeader(datagram, 0)
      assert.strictEqual(datagram[16], 3)
      assert.deepStrictEqual(datagram.slice(17, 40), first.slice(17, 40))
      assert.deepStrictEqual(datagram.slice(40, 56), Uint8Array.from(cookie))
      assert.strictEqual(Buffer.from(datagram).readUInt16BE(56), message1.length)
      assert.deepStrictEqual(datagram.slice(58, 58 + message1.length), Uint8Array.from(message1))
      const end = 58 + message1.length
      assert.isTrue(datagram.subarray(end, 1184).every((byte) => byte === 0))
      assert.strictEqual(Messages.fixedEnd(datagram, 0, Messages.ECHO), end)
      assert.deepStrictEqual(datagram.slice(1184), mac("hub")(datagram.subarray(0, end)).slice(0, 16))
    }
  )

  it.prop("what a cookie binds is the same in a hello and in its echo", [hello, bytes(16)], ([given, cookie]) => {
    const first = encodeHello(given)
    const echo = Messages.encodeEcho(first, cookie, new Uint8Array(32), mac("hub"))
    assert.deepStrictEqual(Messages.cookieFields(echo, 0), Messages.cookieFields(first, 0))
    assert.strictEqual(Messages.cookieFields(first, 0).length, 23)
  })

  it.prop(
    "mac1 fails when any bit before the padding, or of itself, is another, or under another key",
    [hello, bytes(16), fc.uint8Array({ maxLength: 100 }), fc.nat()],
    ([given, cookie, message1, place]) => {
      const first = encodeHello(given)
      for (
        const [kind, datagram] of [
          [Messages.HELLO, first],
          [Messages.ECHO, Messages.encodeEcho(first, cookie, message1, mac("hub"))]
        ] as const
      ) {
        const end = Messages.fixedEnd(datagram, 0, kind)
        assert.isTrue(Messages.verifyMac1(datagram, 0, end, mac("hub")))
        assert.isFalse(Messages.verifyMac1(datagram, 0, end, mac("another hub")))
        const bit = place % ((end + 16) * 8)
        const at = bit >>> 3
        const forged = datagram.slice()
        forged[at < end ? at : 1184 + at - end] ^= 1 << (bit & 7)
        assert.isFalse(Messages.verifyMac1(forged, 0, end, mac("hub")))
      }
    }
  )

  it.prop(
    "mac1 is checked where the datagram stands in a batch",
    [hello, fc.nat(100)],
    ([given, offset]) => {
      const batch = new Uint8Array(offset + 1200 + 50).fill(0x77)
      batch.set(encodeHello(given), offset)
      assert.isTrue(Messages.verifyMac1(batch, offset, Messages.HELLO_FIXED_END, mac("hub")))
    }
  )

  it.prop(
    "an echo whose Noise message would reach into mac1 has no end",
    [fc.oneof(fc.integer({ min: 1100, max: 1150 }), fc.integer({ min: 0, max: 65_535 }))],
    ([length]) => {
      const datagram = new Uint8Array(1200)
      datagram[56] = length >>> 8
      datagram[57] = length
      assert.strictEqual(Messages.fixedEnd(datagram, 0, Messages.ECHO), 58 + length > 1184 ? -1 : 58 + length)
    }
  )

  const challenge = (connId: number, hello: Uint8Array, cookie: Uint8Array): Uint8Array => {
    const out = new Uint8Array(Messages.CHALLENGE_BYTES).fill(0xee)
    Messages.encodeChallenge(out, connId, hello, 0)
    out.set(cookie, Messages.CHALLENGE_COOKIE)
    Messages.sealChallenge(out, mac("hub"))
    return out
  }

  it.prop(
    "a challenge is 68 bytes: the nonce of its hello, the cookie, and a MAC over all before it",
    [hello, u32, bytes(16)],
    ([given, connId, cookie]) => {
      const out = challenge(connId, encodeHello(given), cookie)
      assert.strictEqual(out.length, 68)
      expectPlainHeader(out, connId)
      assert.deepStrictEqual(Array.from(out.subarray(16, 20)), [2, 0, 0, 0])
      assert.deepStrictEqual(out.slice(20, 36), Uint8Array.from(given.nonce))
      assert.deepStrictEqual(out.slice(36, 52), Uint8Array.from(cookie))
      assert.deepStrictEqual(out.slice(52), mac("hub")(out.subarray(0, 52)).slice(0, 16))
    }
  )

  it.prop(
    "the nonce of a challenge is taken from where the hello stands in a batch",
    [hello, fc.nat(40)],
    ([given, offset]) => {
      const batch = new Uint8Array(offset + 1200).fill(0x77)
      batch.set(encodeHello(given), offset)
      const out = new Uint8Array(Messages.CHALLENGE_BYTES)
      Messages.encodeChallenge(out, 1, batch, offset)
      assert.deepStrictEqual(out.slice(20, 36), Uint8Array.from(given.nonce))
    }
  )

  it.prop(
    "a challenge with any bit changed, or under another key, does not verify, wherever it stands in a batch",
    [hello, u32, bytes(16), fc.nat(68 * 8 - 1), fc.nat(100)],
    ([given, connId, cookie, bit, offset]) => {
      const batch = new Uint8Array(offset + 68 + 30).fill(0x77)
      batch.set(challenge(connId, encodeHello(given), cookie), offset)
      assert.isTrue(Messages.verifyChallenge(batch, offset, mac("hub")))
      assert.isFalse(Messages.verifyChallenge(batch, offset, mac("another hub")))
      batch[offset + (bit >>> 3)] ^= 1 << (bit & 7)
      assert.isFalse(Messages.verifyChallenge(batch, offset, mac("hub")))
    }
  )

  it.prop(
    "messages 2 and 3 are a header, their kind, and the Noise message to the datagram's end",
    [fc.constantFrom<4 | 5>(Messages.MESSAGE_2, Messages.MESSAGE_3), u32, fc.uint8Array({ maxLength: 300 })],
    ([kind, connId, message]) => {
      const datagram = Messages.encodeNoise(kind, connId, message)
      expectPlainHeader(datagram, connId)
      assert.deepStrictEqual(Array.from(datagram.subarray(16, 20)), [kind, 0, 0, 0])
      assert.deepStrictEqual(datagram.slice(20), Uint8Array.from(message))
    }
  )

  it("no answer is longer than what asked for it", () => {
    assert.isAtMost(Messages.CHALLENGE_BYTES, Messages.PADDED_BYTES)
    // XX message 2 without payload has 96 bytes, the parameters 19
    assert.isAtMost(Messages.NOISE_MESSAGE + 96 + 19, Messages.PADDED_BYTES)
  })

  it.prop(
    "a header is plain only when intent, priority, epoch, reserved bit, seq and ack are all zero",
    [hello, fc.constantFrom(1, 8, 9, 10, 11, 12, 13, 14, 15), fc.integer({ min: 1, max: 255 })],
    ([given, at, value]) => {
      const datagram = encodeHello(given)
      datagram[at] = value
      assert.isFalse(Messages.headerIsPlain(datagram, 0))
    }
  )

  it("the five kinds are distinct", () => {
    assert.deepStrictEqual(
      [Messages.HELLO, Messages.CHALLENGE, Messages.ECHO, Messages.MESSAGE_2, Messages.MESSAGE_3],
      [1, 2, 3, 4, 5]
    )
  })
})
