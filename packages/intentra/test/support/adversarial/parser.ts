/** Bytes that are no packets, or no lists of frames. */
import type { DropReason } from "../../../src/DropReason.js"
import * as Frame from "../../../src/Frame.js"
import { ALICE, bytesOf, packet, realtime, reliable, seal, sequenced, STRANGER } from "../simulation.js"
import type { World } from "../simulation.js"
import { CHALLENGE, ECHO, encodeNoise, MESSAGE_2, MESSAGE_3 } from "../stranger.js"
import { connIdOf, frame, genuine, joined, patched, resized, sending, strangerIn, zeros } from "./attack.js"
import type { Attack } from "./attack.js"

const TYPES = ["DATA", "ACK", "HANDSHAKE", "CONTROL"]

const header = (
  reason: DropReason,
  name: string,
  make: (world: World) => Uint8Array
): Attack => ({ name, drops: { [reason]: 1 }, prepare: sending(ALICE, make) })

const headers: ReadonlyArray<Attack> = [
  ...[0, 1, 4, 15].map((length) =>
    header(
      "Truncated",
      `a datagram of ${length} bytes has no header`,
      (world) => packet(connIdOf(world)).subarray(0, length)
    )
  ),
  ...[0, 1, 3].flatMap((type) =>
    [0, 1, 15].map((length) =>
      header(
        "Truncated",
        `${TYPES[type]} with ${length} bytes behind its header has no tag`,
        (world) => packet(connIdOf(world), { type }, new Uint8Array(length))
      )
    )
  ),
  ...[2049, 2050, 9000, 65_507].map((length) =>
    header(
      "Oversized",
      `a datagram of ${length} bytes is not looked at`,
      (world) => packet(connIdOf(world), {}, new Uint8Array(length - 16))
    )
  ),
  ...[0, 1, 3, 4, 8, 15].map((version) =>
    header("BadVersion", `version ${version} is another protocol`, (world) => packet(connIdOf(world), { version }))
  ),
  ...[4, 5, 8, 15].map((type) =>
    header("BadType", `type ${type} does not exist`, (world) => packet(connIdOf(world), { type }))
  ),
  ...TYPES.flatMap((name, type) => [
    header(
      "ReservedBit",
      `the reserved bit is not for ${name}`,
      (world) => packet(connIdOf(world), { type, reserved: 1 })
    ),
    header("ReservedBit", `intent 3 is not for ${name}`, (world) => packet(connIdOf(world), { type, intent: 3 })),
    header(
      "LengthMismatch",
      `a payload_len above the datagram's own is not believed in ${name}`,
      (world) => packet(connIdOf(world), { type, payloadLength: 33 })
    ),
    header(
      "LengthMismatch",
      `a payload_len of 0 is not believed in ${name}`,
      (world) => packet(connIdOf(world), { type, payloadLength: 0 })
    )
  ])
]

const handshake = (name: string, make: (world: World) => Uint8Array): Attack => ({
  name,
  drops: { HandshakeMalformed: 1 },
  prepare: sending(STRANGER, make)
})

/** Any kind of handshake packet for a conn_id, of a length that some have. */
const ofKind = (kind: number, connId: number): Uint8Array =>
  patched(encodeNoise(MESSAGE_3, connId, new Uint8Array(90)), 16, kind)

const handshakes: ReadonlyArray<Attack> = [
  ...[1, 4].map((length) =>
    handshake(
      `a HANDSHAKE of ${length} bytes has no kind or no message`,
      (world) => resized(strangerIn(world).hello, 16 + length)
    )
  ),
  ...[0, 6, 255].map((kind) =>
    handshake(`kind ${kind} does not exist`, (world) => patched(strangerIn(world).hello, 16, kind))
  ),
  ...([[1, "intent, priority or epoch"], [8, "seq"], [11, "seq's end"], [12, "ack"], [15, "ack's end"]] as const).map(
    ([offset, what]) => handshake(`a hello has no ${what}`, (world) => patched(strangerIn(world).hello, offset, 0x10))
  ),
  ...[60, 1199, 1201, 2048].map((length) =>
    handshake(`a hello has 1,200 bytes, not ${length}`, (world) => resized(strangerIn(world).hello, length))
  ),
  ...[60, 1199, 1201].map((length) =>
    handshake(`an echo has 1,200 bytes, not ${length}`, (world) => resized(strangerIn(world).echo(), length))
  ),
  handshake("a hello is for nobody's conn_id", (world) => patched(strangerIn(world).hello, 7, 1)),
  ...[2, 0x80].map((flag) =>
    handshake(`flag ${flag} does not exist`, (world) => patched(strangerIn(world).hello, 17, flag))
  ),
  ...[1, 3, 4, 255].map((pattern) =>
    handshake(`pattern ${pattern} is not of this network`, (world) => patched(strangerIn(world).hello, 18, pattern))
  ),
  handshake("the byte behind the pattern is 0", (world) => patched(strangerIn(world).hello, 19, 1)),
  handshake("an initiator's conn_id is not 0", (world) => patched(strangerIn(world).hello, 20, 0, 0, 0, 0)),
  ...[1127, 5000, 65_535].map((length) =>
    handshake(
      `a Noise message of ${length} bytes does not end before mac1`,
      (world) => patched(strangerIn(world).echo(), 56, length >> 8, length & 255)
    )
  ),
  ...[CHALLENGE, MESSAGE_2, MESSAGE_3].flatMap((kind) =>
    [17, 19].map((offset) =>
      handshake(`byte ${offset} of kind ${kind} is 0`, (world) => patched(ofKind(kind, connIdOf(world)), offset, 1))
    )
  ),
  handshake("an echo of another size is no echo, whatever it says", (world) => ofKind(ECHO, connIdOf(world)))
]

const DATA = 0
const ACK = 1
const CONTROL = 3

/** Sealed by the first client: nobody else could have made it. */
const sealed = (
  reason: "MalformedFrame" | "ForbiddenFrame",
  name: string,
  type: number,
  plaintext: Uint8Array
): Attack => ({
  name,
  who: "peer",
  drops: { [reason]: 1 },
  moves: { strikes: 1 },
  prepare: sending(ALICE, ({ alice, hub }) => seal(alice.sessionWith(hub), plaintext, { type }))
})

const frames: ReadonlyArray<Attack> = [
  sealed("MalformedFrame", "an empty list is no list", DATA, new Uint8Array(0)),
  sealed("MalformedFrame", "one byte is no frame", CONTROL, Uint8Array.of(Frame.PING)),
  sealed("MalformedFrame", "half a frame's length is none", DATA, joined(realtime("x"), Uint8Array.of(1, 0))),
  sealed(
    "MalformedFrame",
    "a frame ends within its packet",
    DATA,
    joined(realtime("x"), Uint8Array.of(1, 255, 255, 0))
  ),
  sealed("MalformedFrame", "an unknown frame ends within its packet too", CONTROL, Uint8Array.of(0x77, 0, 1)),
  sealed("MalformedFrame", "the last byte of a list is read", DATA, joined(realtime("x"), Uint8Array.of(0))),
  ...[0, 3].flatMap((length) => [
    sealed("MalformedFrame", `SEQUENCED of ${length} bytes has no number`, DATA, zeros(Frame.SEQUENCED, length)),
    sealed("MalformedFrame", `RELIABLE of ${length} bytes has no number`, DATA, zeros(Frame.RELIABLE, length))
  ]),
  ...[0, 16, 18, 21].map((length) =>
    sealed("MalformedFrame", `ACK of ${length} bytes is none`, ACK, zeros(Frame.ACK, length))
  ),
  ...[0, 3, 5].map((length) =>
    sealed("MalformedFrame", `PING of ${length} bytes has no token`, CONTROL, zeros(Frame.PING, length))
  ),
  ...[0, 11, 13].map((length) =>
    sealed("MalformedFrame", `PONG of ${length} bytes is none`, CONTROL, zeros(Frame.PONG, length))
  ),
  ...[7, 9].flatMap((length) => [
    sealed("MalformedFrame", `PATH_CHALLENGE of ${length} bytes is none`, CONTROL, zeros(Frame.PATH_CHALLENGE, length)),
    sealed("MalformedFrame", `PATH_RESPONSE of ${length} bytes is none`, CONTROL, zeros(Frame.PATH_RESPONSE, length))
  ]),
  ...[0, 1].map((length) =>
    sealed("MalformedFrame", `REKEY of ${length} bytes has no step or no epoch`, CONTROL, zeros(Frame.REKEY, length))
  ),
  ...[0, 66].map((length) =>
    sealed("MalformedFrame", `CLOSE of ${length} bytes is none`, CONTROL, zeros(Frame.CLOSE, length))
  ),
  sealed("MalformedFrame", "WAIT has no body", CONTROL, zeros(Frame.WAIT, 1)),
  ...([
    ["PATH_CHALLENGE", Frame.PATH_CHALLENGE, 8],
    ["PATH_RESPONSE", Frame.PATH_RESPONSE, 8],
    ["REKEY", Frame.REKEY, 50],
    ["CLOSE", Frame.CLOSE, 1],
    ["WAIT", Frame.WAIT, 0]
  ] as const).flatMap(([name, type, length]) => [
    sealed("ForbiddenFrame", `${name} is not for DATA`, DATA, joined(realtime("x"), zeros(type, length))),
    sealed("ForbiddenFrame", `${name} is not for ACK`, ACK, zeros(type, length))
  ]),
  ...([["REALTIME", realtime("x")], ["SEQUENCED", sequenced(9, "x")], ["RELIABLE", reliable(0, "x")]] as const).flatMap(
    ([name, message]) => [
      sealed("ForbiddenFrame", `${name} is not for CONTROL`, CONTROL, message),
      sealed("ForbiddenFrame", `${name} is not for ACK`, ACK, message)
    ]
  ),
  sealed("ForbiddenFrame", "DATA has a message", DATA, frame(Frame.PING, 0, 0, 0, 1)),
  sealed(
    "MalformedFrame",
    "a message before a malformed frame is not delivered",
    DATA,
    joined(realtime("first"), zeros(Frame.PING, 3))
  ),
  {
    name: "frames that have no meaning yet are skipped, and the others of the packet count",
    who: "peer",
    drops: {},
    moves: { accepted: 1, delivered: 1 },
    prepare: sending(
      ALICE,
      ({ alice, hub }) =>
        seal(alice.sessionWith(hub), joined(zeros(0xff, 9), zeros(0x77, 0), realtime("x"), zeros(Frame.PADDING, 40)))
    )
  },
  {
    name: "a text of CLOSE that is no UTF-8 ends the session all the same",
    who: "peer",
    drops: {},
    moves: { accepted: 1, closes: { PeerClosed: 1 } },
    holds: { connections: -1, identities: -1, addresses: -1, timers: -1 },
    prepare: sending(
      ALICE,
      ({ alice, hub }) =>
        seal(alice.sessionWith(hub), frame(Frame.CLOSE, 0, 0xff, 0xc0, ...bytesOf("?")), { type: CONTROL })
    )
  },
  {
    name: "a datagram of exactly 2,048 bytes is opened",
    drops: { AuthFailed: 1 },
    prepare: sending(ALICE, (world) => packet(connIdOf(world), {}, new Uint8Array(2032)))
  },
  {
    name: "a packet of the shortest length is opened",
    drops: { AuthFailed: 1 },
    prepare: sending(ALICE, (world) => packet(connIdOf(world), {}, new Uint8Array(16)))
  },
  {
    name: "garbage behind a genuine packet takes the packet with it",
    drops: { LengthMismatch: 1 },
    prepare: sending(ALICE, (world) => joined(genuine(world), Uint8Array.of(0)))
  }
]

export const parser: ReadonlyArray<Attack> = [...headers, ...handshakes, ...frames]
