/**
 * The Wireshark dissector was written from PROTOCOL.md alone. Where it and the transport read the same bytes in two
 * ways, the page or the transport is wrong.
 */
import { assert, describe, it } from "@effect/vitest"
import { Aead, Entropy } from "@intentra/crypto"
import { Network, UdpSocket } from "@intentra/udp"
import type { NetworkShape } from "@intentra/udp"
import { Context, Effect, Either, Layer } from "effect"
import { createCipheriv, createDecipheriv } from "node:crypto"
import * as Frame from "../src/Frame.js"
import { Intentra, layerConcerns } from "../src/Intentra.js"
import type { IntentraOptions } from "../src/Intentra.js"
import * as Messages from "../src/internal/handshakeMessages.js"
import * as PacketCrypto from "../src/PacketCrypto.js"
import * as PacketHeader from "../src/PacketHeader.js"
import { bytes, connect, key } from "./internal/harness.js"
import { layerCrypto } from "./support/crypto.js"
import { dissect, dissected, flagsOf, hex, present } from "./support/dissect.js"
import type { Captured, KeyLine } from "./support/dissect.js"
import { dropsDuring, makeWorld, realtime, seal, sequenced } from "./support/simulation.js"
import type { Station } from "./support/simulation.js"

/** The transport's drop reasons that headers and handshake messages show by themselves. */
const packetFlags = "Truncated Oversized BadVersion BadType ReservedBit LengthMismatch HandshakeMalformed".split(" ")

/** A transport on the simulated network that tells its keys. */
const recordingStation = (
  network: NetworkShape,
  host: string,
  options: IntentraOptions,
  keys: Map<string, Uint8Array>
) => {
  const recording = Layer.effect(
    PacketCrypto.PacketCrypto,
    Effect.map(Aead, (aead) => {
      const crypto = PacketCrypto.make(aead)
      return {
        makeKey: (key: Uint8Array) => {
          keys.set(hex(key), key.slice())
          return crypto.makeKey(key)
        }
      }
    })
  )
  return Effect.map(
    Layer.build(
      Intentra.layerCore(options).pipe(
        Layer.provide(Layer.merge(layerConcerns(options), recording)),
        Layer.provide(UdpSocket.layerSimulated({ host, port: 9000 })),
        Layer.provide(Layer.merge(layerCrypto, Entropy.layerSeeded(host))),
        Layer.provide(Network.layerOf(network))
      )
    ),
    Context.get(Intentra)
  )
}

const open = (key: Uint8Array, datagram: Uint8Array): Uint8Array | undefined => {
  const nonce = Buffer.concat([Buffer.alloc(8), datagram.subarray(8, 12)])
  const decipher = createDecipheriv("aes-256-gcm", key, nonce)
  decipher.setAAD(datagram.subarray(0, 16))
  decipher.setAuthTag(datagram.subarray(-16))
  try {
    return Buffer.concat([decipher.update(datagram.subarray(16, -16)), decipher.final()])
  } catch {
    return undefined
  }
}

/** Hellos to closes between two transports: messages, keepalives, a rekey, a move; and every key there was. */
const exchange = (options: IntentraOptions) =>
  Effect.scoped(Effect.gen(function*() {
    const keys = new Map<string, Uint8Array>()
    const datagrams: Array<Captured> = []
    const network = yield* Effect.orDie(Network.make({ seed: 1, latency: 10 }))
    network.tap(({ at, bytes, from, kind, to }) => {
      if (kind === "sent") datagrams.push({ at, from, to, bytes: bytes.slice() })
    })
    const hub = yield* recordingStation(network, "10.0.0.1", { ...options, key: key(1), allow: "any" }, keys)
    const client = yield* recordingStation(network, "10.0.0.2", { ...options, key: key(2) }, keys)
    const peer = yield* connect(network, client, hub)
    const [remote] = yield* hub.peers
    const talk = Effect.gen(function*() {
      for (const end of [peer, remote]) {
        yield* end.send(bytes("position"), { intent: "Realtime", priority: 5 })
        yield* end.send(bytes("state"), { intent: "Sequenced", priority: 2 })
        yield* end.send(new Uint8Array(0), { intent: "Realtime" })
        yield* end.send(bytes("order"), { intent: "Reliable" })
        yield* network.advance("100 millis")
        yield* end.send(new Uint8Array(1000).fill(7), { intent: "Sequenced" })
        yield* network.advance("2 seconds")
      }
    })
    yield* talk
    network.unsafeConfigure({ loss: 0.3 })
    for (let i = 0; i < 60; i++) {
      yield* peer.send(bytes(`order ${i}`), { intent: "Reliable" })
      yield* network.advance("20 millis")
    }
    network.unsafeConfigure({ loss: 0 })
    yield* network.advance("130 seconds")
    yield* talk
    network.unsafeRebindNat("10.0.0.2", "10.0.0.4")
    yield* talk
    yield* peer.close()
    yield* network.advance("1 second")
    return { datagrams, keys: Array.from(keys.values()) }
  }))

const headerOf = (datagram: Uint8Array): PacketHeader.PacketHeader =>
  Either.getOrThrowWith(PacketHeader.decode(datagram), (error) => error)

/** The keys of a capture, each with the conn_id and the epoch of the packets that it opens. */
const assign = (datagrams: ReadonlyArray<Captured>, keys: ReadonlyArray<Uint8Array>): ReadonlyArray<KeyLine> => {
  const lines = new Map<Uint8Array, KeyLine>()
  for (const { bytes } of datagrams) {
    const { connId, epoch, type } = headerOf(bytes)
    if (type === PacketHeader.HANDSHAKE) continue
    const key = keys.find((one) => open(one, bytes) !== undefined)
    if (key === undefined) throw new Error(`no key opens ${hex(bytes)}`)
    lines.set(key, { connId, epoch, key })
  }
  return Array.from(lines.values())
}

/** What the transport reads, under the dissector's names: numbers as numbers, bytes as hexadecimal digits. */
const expectedHeader = (datagram: Uint8Array) => {
  const { ack, connId, epoch, intent, payloadLength, priority, reserved, seq, type, version } = headerOf(datagram)
  return { version, type, intent, priority, epoch, reserved, payload_len: payloadLength, conn_id: connId, seq, ack }
}

const expectedHandshake = (datagram: Uint8Array) => {
  const view = new DataView(datagram.buffer, datagram.byteOffset)
  const cut = (start: number, length: number) => hex(datagram.subarray(start, start + length))
  const kind = datagram[Messages.KIND]
  const noise = (start: number, end: number, ephemeral: number, sealed: number) => ({
    noise: cut(start, end - start),
    ...(ephemeral === 0 ? {} : { ephemeral: cut(start, ephemeral) }),
    ...(sealed === 0 ? {} : { static: cut(start + ephemeral, sealed) }),
    ...(start + ephemeral + sealed === end ? {} : { payload: hex(datagram.subarray(start + ephemeral + sealed, end)) })
  })
  if (kind === Messages.HELLO || kind === Messages.ECHO) {
    const length = view.getUint16(Messages.ECHO_NOISE_LENGTH)
    const end = Messages.fixedEnd(datagram, 0, kind)
    return {
      kind,
      flags: datagram[Messages.FLAGS],
      pinned: datagram[Messages.FLAGS] & Messages.PINNED_FLAG,
      pattern: datagram[Messages.PATTERN],
      reserved: cut(Messages.RESERVED, 1),
      conn_id: view.getUint32(Messages.INITIATOR_CONN_ID),
      nonce: cut(Messages.NONCE, Messages.NONCE_BYTES),
      ...(kind === Messages.HELLO ? {} : {
        cookie: cut(Messages.ECHO_COOKIE, Messages.COOKIE_BYTES),
        noise_len: length,
        ...noise(Messages.ECHO_NOISE, Messages.ECHO_NOISE + length, 32, 0)
      }),
      padding: cut(end, Messages.MAC1 - end),
      mac1: cut(Messages.MAC1, Messages.MAC1_BYTES)
    }
  }
  const reserved = "000000"
  return kind === Messages.CHALLENGE
    ? {
      kind,
      reserved,
      nonce: cut(Messages.CHALLENGE_NONCE, Messages.NONCE_BYTES),
      cookie: cut(Messages.CHALLENGE_COOKIE, Messages.COOKIE_BYTES),
      mac1: cut(Messages.CHALLENGE_MAC, Messages.MAC1_BYTES)
    }
    : {
      kind,
      reserved,
      ...noise(Messages.NOISE_MESSAGE, datagram.length, kind === Messages.MESSAGE_2 ? 32 : 0, 48)
    }
}

const expectedBody = ({ body, type }: Frame.Frame) => {
  const rest = (name: string, start: number) => body.length > start ? { [name]: hex(body.subarray(start)) } : {}
  switch (type) {
    case Frame.REALTIME:
      return rest("payload", 0)
    case Frame.SEQUENCED:
    case Frame.RELIABLE:
      return { number: Frame.readNumber(body, 0), ...rest("payload", 4) }
    case Frame.ACK:
      return {
        next: Frame.readNumber(body, 0),
        limit: Frame.readNumber(body, 4),
        newest_epoch: body[8],
        newest_seq: Frame.readNumber(body, 9),
        delay: Frame.readNumber(body, 13),
        ...rest("ranges", 17)
      }
    case Frame.PING:
      return { token: Frame.readNumber(body, 0) }
    case Frame.PONG:
      return {
        token: Frame.readNumber(body, 0),
        packets: Frame.readNumber(body, 4),
        messages: Frame.readNumber(body, 8)
      }
    case Frame.PATH_CHALLENGE:
    case Frame.PATH_RESPONSE:
      return rest("path_token", 0)
    case Frame.REKEY:
      return { step: body[0], epoch: body[1], ...rest("noise", 2) }
    case Frame.CLOSE:
      return { code: body[0], ...(body.length > 1 ? { text: new TextDecoder().decode(body.subarray(1)) } : {}) }
    default:
      return rest("body", 0)
  }
}

const expectedFrame = (frame: Frame.Frame) => ({
  type: frame.type,
  length: frame.body.length,
  ...expectedBody(frame)
})

const expectedPacket = (datagram: Uint8Array, plaintext: Uint8Array | undefined) => {
  const header = expectedHeader(datagram)
  if (header.type === PacketHeader.HANDSHAKE) return { header, handshake: expectedHandshake(datagram), frames: [] }
  const frames = Frame.decodeAll(plaintext ?? new Uint8Array(0)) ?? []
  return {
    header,
    sealed: { ciphertext: hex(datagram.subarray(16, -16)), tag: hex(datagram.subarray(-16)) },
    frames: frames.map(expectedFrame)
  }
}

const from = "10.0.0.9:9000"
const capture = (datagrams: ReadonlyArray<Uint8Array>): ReadonlyArray<Captured> =>
  datagrams.map((bytes, at) => ({ at, from, to: from, bytes }))

describe.skipIf(!present)("the dissector", () => {
  for (const [network, options] of [["an open", {}], ["a closed", { psk: key(9) }]] as const) {
    it.effect(`reads every field of every packet as the transport does, in ${network} network`, () =>
      Effect.gen(function*() {
        const { datagrams, keys } = yield* exchange(options)
        const lines = assign(datagrams, keys)
        const packets = dissect(datagrams, lines)
        const [types, kinds, frames, epochs] = [new Set(), new Set(), new Set(), new Set()]
        let ranges = false
        datagrams.forEach(({ bytes }, i) => {
          const key = lines.find((line) => open(line.key, bytes) !== undefined)?.key
          const expected = expectedPacket(bytes, key && open(key, bytes))
          assert.deepStrictEqual(dissected(packets[i]), expected, `packet ${i + 1}`)
          types.add(expected.header.type)
          epochs.add(expected.header.epoch)
          if (expected.handshake !== undefined) kinds.add(expected.handshake.kind)
          for (const frame of expected.frames) {
            frames.add(Math.min(frame.type, Frame.RESERVED_FIRST))
            if ("ranges" in frame) ranges = true
          }
        })
        assert.sameMembers([...types], [
          PacketHeader.DATA,
          PacketHeader.ACK,
          PacketHeader.HANDSHAKE,
          PacketHeader.CONTROL
        ])
        assert.sameMembers([...kinds], [1, 2, 3, 4, 5])
        assert.sameMembers([...epochs], [0, 1])
        const messages = [Frame.REALTIME, Frame.SEQUENCED, Frame.RELIABLE]
        const ordinary = [Frame.PING, Frame.PONG, Frame.ACK, Frame.RESERVED_FIRST]
        const control = [Frame.PATH_CHALLENGE, Frame.PATH_RESPONSE, Frame.REKEY, Frame.CLOSE]
        assert.sameMembers([...frames], messages.concat(ordinary, control))
        assert.isTrue(ranges)
      }))
  }

  it.effect("without the right key a sealed packet stays sealed: not a frame, and a wrong key is told", () =>
    Effect.gen(function*() {
      const { datagrams, keys } = yield* exchange({})
      const sealed = datagrams.filter(({ bytes }) => headerOf(bytes).type !== PacketHeader.HANDSHAKE)
      const wrong = assign(datagrams, keys).map(({ connId, epoch, key }) => ({
        connId,
        epoch,
        key: key.map((byte) => byte ^ 1)
      }))
      for (const [lines, flags] of [[[], []], [wrong, ["AuthFailed"]]] as const) {
        for (const one of dissect(sealed, lines)) {
          assert.deepStrictEqual(dissected(one).frames, [])
          assert.deepStrictEqual(flagsOf(one), flags)
        }
      }
    }))

  it("a header or a handshake message that the transport drops is flagged by the same name, no other one is", () => {
    const { alice, hub, simulation } = makeWorld()
    const mark = simulation.sent.length
    alice.crash()
    simulation.station("10.0.0.7", 7).connect(hub)
    simulation.advance(1000)
    const find = (kind: number) =>
      simulation.sent.slice(mark).find(({ bytes }) => headerOf(bytes).type === 2 && bytes[16] === kind)?.bytes ??
        new Uint8Array(0)
    const [hello, echo] = [find(Messages.HELLO), find(Messages.ECHO)]
    const whole = seal(hub.sessionWith(alice), realtime("x"))
    const change = (bytes: Uint8Array, at: number, ...values: ReadonlyArray<number>) => {
      const out = bytes.slice()
      out.set(values, at)
      return out
    }
    const resized = (bytes: Uint8Array, length: number) => {
      const out = new Uint8Array(length)
      out.set(bytes.subarray(0, length))
      return change(out, 2, (length - 16) >> 8, (length - 16) & 255)
    }
    const lonely = simulation.station("10.0.0.8", 8)
    const waiting = simulation.sent.length
    lonely.connect("10.0.0.99:9000", hub.publicKey)
    simulation.advance(1)
    const challenge = new Uint8Array(Messages.CHALLENGE_BYTES)
    const asked = simulation.sent[waiting].bytes
    Messages.encodeChallenge(challenge, new DataView(asked.buffer).getUint32(Messages.INITIATOR_CONN_ID), asked, 0)
    const cases: ReadonlyArray<readonly [string, Uint8Array, Station?]> = [
      ["one byte", whole.slice(0, 1)],
      ["15 bytes", whole.slice(0, 15)],
      ["no room for a tag", resized(whole, 31)],
      ["2,049 bytes", resized(whole, 2049)],
      ["version 1", change(whole, 0, 0x10)],
      ["version 3", change(whole, 0, 0x30)],
      ["type 4", change(whole, 0, 0x24)],
      ["type 15", change(whole, 0, 0x2f)],
      ["reserved bit", change(whole, 1, 1)],
      ["intent 3", change(whole, 1, 0xc0)],
      ["one byte missing", whole.slice(0, -1)],
      ["one byte more", new Uint8Array([...whole, 0])],
      ["several at once", change(whole, 0, 0x14, 0xff, 0xff)],
      ["hello: short", resized(hello, 1199)],
      ["hello: long", resized(hello, 1201)],
      ["hello: priority", change(hello, 1, 8)],
      ["hello: conn_id of the header", change(hello, 7, 1)],
      ["hello: seq", change(hello, 11, 1)],
      ["hello: ack", change(hello, 12, 1)],
      ["hello: unknown flag", change(hello, 17, 3)],
      ["hello: byte 19", change(hello, 19, 1)],
      ["hello: unknown pattern", change(hello, 18, 9)],
      ["hello: no conn_id", change(hello, 20, 0, 0, 0, 0)],
      ["echo: Noise message beyond its room", change(echo, 56, 0x04, 0x67)],
      ["echo: short", resized(echo, 600)],
      ["kind 0", change(hello, 16, 0)],
      ["kind 6", change(hello, 16, 6)],
      ["17 bytes of handshake", resized(hello, 17)],
      ["16 bytes of handshake", resized(hello, 16)],
      ["challenge: short", resized(challenge, 67), lonely],
      ["challenge: long", resized(challenge, 69), lonely],
      ["challenge: byte 17", change(challenge, 17, 1), lonely],
      ["a challenge that only its MAC gives away", challenge, lonely],
      ["a whole packet", seal(hub.sessionWith(alice), realtime("y"))],
      ["a whole hello", hello],
      ["a whole echo", echo]
    ]
    const packets = dissect(capture(cases.map(([, bytes]) => bytes)), [])
    const told = cases.map(([name, bytes, target = hub]) => {
      const drops = dropsDuring(target, () => simulation.inject("10.0.0.99:9000", target.address, bytes))
      const own = Object.keys(drops).filter((reason) => packetFlags.includes(reason))
      return [name, own.join()]
    })
    assert.deepStrictEqual(cases.map(([name], i) => [name, Array.from(new Set(flagsOf(packets[i]))).join()]), told)
  })

  it("an authentic list of frames that the transport drops is flagged, no other one is", () => {
    const { alice, hub, simulation } = makeWorld()
    const key = new Uint8Array(32).fill(5)
    const frame = (type: number, length: number, ...start: ReadonlyArray<number>) => {
      const body = new Uint8Array(length)
      body.set(start)
      return { type, body }
    }
    const list = (...frames: ReadonlyArray<Frame.Frame>) => Frame.encodeAll(frames)
    const [DATA, ACK, CONTROL] = [PacketHeader.DATA, PacketHeader.ACK, PacketHeader.CONTROL]
    const message = frame(Frame.REALTIME, 3)
    const cases: ReadonlyArray<readonly [string, number, Uint8Array]> = [
      ["a message", DATA, list(message)],
      ["an empty message", DATA, list(frame(Frame.REALTIME, 0))],
      ["an empty Sequenced message", DATA, sequenced(1, "")],
      ["padding", CONTROL, list(frame(Frame.PADDING, 0))],
      ["reserved", ACK, list(frame(0xff, 3))],
      ["unassigned", CONTROL, list(frame(0x77, 3))],
      ["PING in ACK", ACK, list(frame(Frame.PING, 4))],
      ["PING with DATA", DATA, list(message, frame(Frame.PING, 4))],
      ["empty list", DATA, new Uint8Array(0)],
      ["empty list in CONTROL", CONTROL, new Uint8Array(0)],
      ["half a frame header", DATA, list(message).slice(0, 2)],
      ["a frame beyond the end", DATA, list(message).slice(0, -1)],
      ["a second frame beyond the end", DATA, list(message, message).slice(0, -1)],
      ["two bytes left over", DATA, new Uint8Array([...list(message), 0, 0])],
      ["short number", DATA, list(frame(Frame.SEQUENCED, 3))],
      ["PING, short", CONTROL, list(frame(Frame.PING, 3))],
      ["PING, empty", CONTROL, list(frame(Frame.PING, 0))],
      ["PING, long", CONTROL, list(frame(Frame.PING, 5))],
      ["PONG", CONTROL, list(frame(Frame.PONG, 12))],
      ["PONG, short", CONTROL, list(frame(Frame.PONG, 11))],
      ["PONG, long", CONTROL, list(frame(Frame.PONG, 13))],
      ["Reliable, short number", DATA, list(frame(Frame.RELIABLE, 3))],
      ["Reliable in CONTROL", CONTROL, list(frame(Frame.RELIABLE, 4))],
      ["ACK, short", ACK, list(frame(Frame.ACK, 16))],
      ["ACK, half a range", ACK, list(frame(Frame.ACK, 21))],
      ["PATH_CHALLENGE, short", CONTROL, list(frame(Frame.PATH_CHALLENGE, 7))],
      ["PATH_CHALLENGE, long", CONTROL, list(frame(Frame.PATH_CHALLENGE, 9))],
      ["PATH_RESPONSE, short", CONTROL, list(frame(Frame.PATH_RESPONSE, 7))],
      ["REKEY, short", CONTROL, list(frame(Frame.REKEY, 1))],
      ["REKEY, unknown step", CONTROL, list(frame(Frame.REKEY, 50, 3))],
      ["CLOSE, empty", CONTROL, list(frame(Frame.CLOSE, 0))],
      ["CLOSE, long", CONTROL, list(frame(Frame.CLOSE, 66))],
      ["WAIT", CONTROL, list(frame(Frame.WAIT, 0))],
      ["WAIT, long", CONTROL, list(frame(Frame.WAIT, 1))],
      ["WAIT in ACK", ACK, list(frame(Frame.WAIT, 0))],
      ["DATA without a message", DATA, list(frame(Frame.PING, 4))],
      ["message in CONTROL", CONTROL, list(message)],
      ["message in ACK", ACK, list(message)],
      ["CLOSE in ACK", ACK, list(frame(Frame.CLOSE, 1))],
      ["CLOSE in DATA", DATA, list(message, frame(Frame.CLOSE, 1))],
      ["PATH_CHALLENGE in ACK", ACK, list(frame(Frame.PATH_CHALLENGE, 8))],
      ["PATH_RESPONSE in DATA", DATA, list(message, frame(Frame.PATH_RESPONSE, 8))],
      ["REKEY in DATA", DATA, list(message, frame(Frame.REKEY, 50, 1, 1))],
      ["REKEY in ACK", ACK, list(frame(Frame.REKEY, 50, 1, 1))]
    ]
    const connId = 0x01020304
    const sealed = cases.map(([, type, plaintext], seq) => {
      const header = PacketHeader.encode({
        version: 2,
        type,
        intent: 0,
        priority: 0,
        epoch: 3,
        reserved: 0,
        payloadLength: plaintext.length + 16,
        connId,
        seq,
        ack: 0
      })
      const nonce = Buffer.alloc(12)
      nonce.writeUInt32BE(seq, 8)
      const cipher = createCipheriv("aes-256-gcm", key, nonce)
      cipher.setAAD(header)
      return Buffer.concat([header, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
    })
    const packets = dissect(capture(sealed), [{ connId, epoch: 3, key }])
    const told = cases.map(([name, type, plaintext]) => {
      const datagram = seal(alice.sessionWith(hub), plaintext, { type })
      // nobody is struck ten times in five seconds
      simulation.advance(1000)
      return [name, Object.keys(dropsDuring(hub, () => simulation.inject(alice.address, hub.address, datagram))).join()]
    })
    assert.deepStrictEqual(cases.map(([name], i) => [name, Array.from(new Set(flagsOf(packets[i]))).join()]), told)
  })

  it.effect("no bytes whatever make it fail: every length, and thousands of changed ones", () =>
    Effect.gen(function*() {
      const { datagrams, keys } = yield* exchange({})
      const lines = assign(datagrams, keys)
      const samples = datagrams.slice(0, 9).map(({ bytes }) => bytes)
      let state = 1
      const random = (below: number) => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
        return Math.floor(state / 65_536) % below
      }
      const strange = samples.flatMap((sample) => {
        const cut = Array.from({ length: Math.min(sample.length, 130) }, (_, length) => {
          const out = sample.slice(0, length)
          if (length >= 16) out.set([0, length - 16], 2)
          return out
        })
        const changed = Array.from({ length: 150 }, () => {
          const out = sample.slice()
          for (let n = random(4); n >= 0; n--) out[random(Math.min(out.length, 64))] = random(256)
          out.set([(out.length - 16) >> 8, (out.length - 16) & 255], 2)
          if (random(2) === 0) out[0] = sample[0]
          return out
        })
        return cut.slice(1).concat(changed)
      })
      dissect(capture(strange), lines)
    }))
})
