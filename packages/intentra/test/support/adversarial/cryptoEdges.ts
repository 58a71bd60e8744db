/** Packets that do not authenticate, keys and nonces at their ends, replays, forged proofs. */
import type { DropReason } from "../../../src/DropReason.js"
import * as Frame from "../../../src/Frame.js"
import { due } from "../rekeying.js"
import { ALICE, BOB, HUB, keyOf, packet, realtime, seal, STRANGER } from "../simulation.js"
import type { World } from "../simulation.js"
import { encodeNoise, MESSAGE_3, Stranger } from "../stranger.js"
import { connIdOf, genuine, joined, masked, patched, resized, send, sending, strangerIn, times } from "./attack.js"
import type { Attack } from "./attack.js"

const HEADER = 16
const TAG = 16

/** One place of a genuine packet, changed on its way. */
const flips: ReadonlyArray<readonly [what: string, offset: number, mask: number, reason: DropReason]> = [
  ["the type, to ACK", 0, 1, "AuthFailed"],
  ["the type, to CONTROL", 0, 3, "AuthFailed"],
  ["the type, to HANDSHAKE", 0, 2, "HandshakeMalformed"],
  ["the intent, to Reliable", 1, 0x40, "AuthFailed"],
  ["the intent, to Sequenced", 1, 0x80, "AuthFailed"],
  ["the priority", 1, 0x38, "AuthFailed"],
  ["the epoch, to the next", 1, 2, "UnknownEpoch"],
  ["the epoch, to the one after", 1, 4, "UnknownEpoch"],
  ["the epoch, to the one before", 1, 6, "UnknownEpoch"],
  ["payload_len, high", 2, 1, "LengthMismatch"],
  ["payload_len, low", 3, 1, "LengthMismatch"],
  ["conn_id, high", 4, 1, "UnknownConnection"],
  ["conn_id, low", 7, 1, "UnknownConnection"],
  ["seq, to the far future", 8, 0x80, "AuthFailed"],
  ["seq, beyond the window", 9, 1, "AuthFailed"],
  ["seq, by 256", 10, 1, "AuthFailed"],
  ["seq, by 64", 11, 0x40, "AuthFailed"],
  ["ack, high", 12, 0x80, "AuthFailed"],
  ["ack, low", 15, 1, "AuthFailed"],
  ["the first byte of the ciphertext", HEADER, 1, "AuthFailed"],
  ["the last byte of the ciphertext", -TAG - 1, 0x80, "AuthFailed"],
  ["the first byte of the tag", -TAG, 1, "AuthFailed"],
  ["the last byte of the tag", -1, 0x80, "AuthFailed"]
]

const rewritten = (bytes: Uint8Array, connId: number): Uint8Array => {
  const out = bytes.slice()
  new DataView(out.buffer).setUint32(4, connId)
  return out
}

const forged = (name: string, make: (world: World) => Uint8Array, from = ALICE): Attack => ({
  name,
  drops: { AuthFailed: 1 },
  prepare: sending(from, make)
})

/** Received once, then again. */
const replayed = (name: string, drops: Attack["drops"], again: (world: World, bytes: Uint8Array) => void): Attack => ({
  name,
  drops,
  prepare: (world) => {
    const bytes = genuine(world)
    send(world, ALICE, bytes)
    world.simulation.advance(20)
    return () => again(world, bytes)
  }
})

/** The next packet of the first client has this number. */
const skipTo = ({ alice, hub }: World, ahead: number): number => {
  const keys = alice.sessionWith(hub).keys[0]
  if (keys === undefined) throw new Error("no keys")
  keys.sendSeq += ahead
  return keys.sendSeq
}

const packets: ReadonlyArray<Attack> = [
  ...flips.map(([what, offset, mask, reason]): Attack => ({
    name: `a packet with one place changed (${what}) is none`,
    drops: { [reason]: 1 },
    prepare: sending(ALICE, (world) => {
      const bytes = genuine(world)
      return masked(bytes, offset < 0 ? bytes.length + offset : offset, mask)
    })
  })),
  forged("a packet without its last byte is none", (world) => {
    const bytes = genuine(world)
    return resized(bytes, bytes.length - 1)
  }),
  forged("a packet with one more byte is none", (world) => {
    const bytes = genuine(world)
    return resized(bytes, bytes.length + 1)
  }),
  forged("a tag of zeros opens nothing", (world) => {
    const bytes = genuine(world)
    return patched(bytes, bytes.length - TAG, ...new Uint8Array(TAG))
  }),
  forged("a tag alone opens nothing", (world) => resized(genuine(world), HEADER + TAG)),
  forged(
    "random bytes under the right header are nothing",
    (world) => packet(connIdOf(world), { seq: 5 }, new Uint8Array(64).fill(0xa7))
  ),
  forged(
    "a packet of one session is none in another",
    (world) => rewritten(seal(world.bob.sessionWith(world.hub), realtime("bob's")), connIdOf(world))
  ),
  forged(
    "a packet of the hub is none when it comes back to it",
    (world) => rewritten(seal(world.hub.sessionWith(world.alice), realtime("the hub's")), connIdOf(world))
  ),
  forged("the highest packet number opens nothing by itself", (world) => packet(connIdOf(world), { seq: 0xffffffff })),
  forged("halves of two genuine packets are no packet", (world) => {
    const [one, other] = [genuine(world, "one half"), genuine(world, "an other")]
    return joined(one.subarray(0, 24), other.subarray(24))
  }),
  {
    name: "ten forged packets of far numbers move no window: the genuine one comes through",
    who: "peer",
    drops: { AuthFailed: 10 },
    moves: { accepted: 1, delivered: 1 },
    prepare: (world) => {
      const bytes = genuine(world)
      return () => {
        times(10, (i) => send(world, ALICE, packet(connIdOf(world), { seq: 0xfffffff0 + i })))
        send(world, ALICE, bytes)
      }
    }
  },
  replayed("a packet that came is Replayed", { Replayed: 1 }, (world, bytes) => send(world, ALICE, bytes)),
  replayed(
    "a hundred copies are a hundred Replayed",
    { Replayed: 100 },
    (world, bytes) => times(100, () => send(world, ALICE, bytes))
  ),
  replayed(
    "a packet that came is Replayed from another address too, and moves nobody",
    { Replayed: 2 },
    (world, bytes) => {
      send(world, STRANGER, bytes)
      send(world, BOB, bytes)
    }
  ),
  replayed(
    "a packet that came is not opened again with another ack",
    { Replayed: 1 },
    (world, bytes) => send(world, ALICE, masked(bytes, 15, 1))
  ),
  {
    name: "the last number within the window is taken once",
    who: "peer",
    world: { hub: { replayWindow: 1024 } },
    drops: { Replayed: 1 },
    moves: { accepted: 1, delivered: 1 },
    prepare: (world) => {
      const old = genuine(world, "old")
      skipTo(world, 1022)
      send(world, ALICE, genuine(world, "newest"))
      return () => times(2, () => send(world, ALICE, old))
    }
  },
  {
    name: "the first number behind the window is TooOld, though it never came",
    world: { hub: { replayWindow: 1024 } },
    drops: { TooOld: 2 },
    prepare: (world) => {
      const old = genuine(world, "old")
      skipTo(world, 1023)
      send(world, ALICE, genuine(world, "newest"))
      return () => times(2, () => send(world, ALICE, old))
    }
  },
  {
    name: "a jump of a whole window forgets what came before it, and takes nothing of it again",
    world: { hub: { replayWindow: 1024 } },
    drops: { TooOld: 5 },
    prepare: (world) => {
      const old = Array.from({ length: 5 }, (_, i) => genuine(world, `${i}`))
      for (const bytes of old) send(world, ALICE, bytes)
      skipTo(world, 5000)
      send(world, ALICE, genuine(world, "newest"))
      return () => {
        for (const bytes of old) send(world, ALICE, bytes)
      }
    }
  },
  {
    name: "a packet of the epoch before is opened late, and once",
    who: "peer",
    drops: { Replayed: 1 },
    moves: { accepted: 1, delivered: 1 },
    prepare: (world) => {
      const late = genuine(world, "late")
      due(world.alice, world.hub)
      world.simulation.advance(500)
      return () => times(2, () => send(world, ALICE, late))
    }
  },
  {
    name: "a packet of the epoch before is nothing ten seconds after it",
    drops: { UnknownEpoch: 1 },
    prepare: (world) => {
      const late = genuine(world, "late")
      due(world.alice, world.hub)
      world.simulation.advance(11_000)
      return () => send(world, ALICE, late)
    }
  },
  {
    name: "a number of the old key is no number of the new one",
    drops: { AuthFailed: 1 },
    prepare: (world) => {
      const old = genuine(world, "old")
      due(world.alice, world.hub)
      world.simulation.advance(500)
      // the same packet, in the name of the new epoch
      return () => send(world, ALICE, patched(masked(old, 1, 2), 8, 0, 0, 1, 0))
    }
  },
  {
    name: "a REKEY whose Noise message nobody made changes no key",
    who: "peer",
    drops: {},
    moves: { accepted: 1, strikes: 1 },
    prepare: sending(ALICE, ({ alice, hub }) =>
      seal(
        alice.sessionWith(hub),
        Frame.encodeAll([{ type: Frame.REKEY, body: Uint8Array.from([1, 1, ...new Uint8Array(48).fill(9)]) }]),
        { type: 3 }
      ))
  },
  {
    name: "a REKEY of a step that does not exist changes no key",
    who: "peer",
    drops: {},
    moves: { accepted: 1, strikes: 1 },
    prepare: sending(ALICE, ({ alice, hub }) =>
      seal(
        alice.sessionWith(hub),
        Frame.encodeAll([{ type: Frame.REKEY, body: Uint8Array.from([3, 1, ...new Uint8Array(48)]) }]),
        { type: 3 }
      ))
  }
]

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"))

/** Points of small order (RFC 7748 section 6.1 has implementations look for the result of all zeros). */
const SMALL_ORDER: ReadonlyArray<readonly [name: string, point: Uint8Array]> = [
  ["0", new Uint8Array(32)],
  ["1", Uint8Array.from([1, ...new Uint8Array(31)])],
  ["of order 8", hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")],
  ["of order 8, the other", hex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157")],
  ["p - 1", hex(`ec${"ff".repeat(30)}7f`)],
  ["p", hex(`ed${"ff".repeat(30)}7f`)],
  ["p + 1", hex(`ee${"ff".repeat(30)}7f`)]
]

/** Under a network key. */
const PSK = { hub: { psk: keyOf(9) }, clients: { psk: keyOf(9) } }

const proofs: ReadonlyArray<Attack> = [
  ...SMALL_ORDER.map(([name, message1]): Attack => ({
    name: `an ephemeral key of small order (${name}) agrees on nothing`,
    drops: { HandshakeForged: 1 },
    prepare: (world) => {
      const one = new Stranger(world.simulation, STRANGER, world.hub, world.simulation.handshake(40), { message1 })
      const echo = one.echo()
      return () => send(world, STRANGER, echo)
    }
  })),
  {
    name: "a Noise message 1 that is too short is none",
    drops: { HandshakeForged: 1 },
    prepare: (world) => {
      const message1 = new Uint8Array(31).fill(9)
      const one = new Stranger(world.simulation, STRANGER, world.hub, world.simulation.handshake(40), { message1 })
      const echo = one.echo()
      return () => send(world, STRANGER, echo)
    }
  },
  ...[1184, 1191, 1199].map((offset): Attack => ({
    name: `a hello whose mac1 differs in byte ${offset} meets silence`,
    drops: { BadMac1: 1 },
    prepare: sending(STRANGER, (world) => masked(strangerIn(world).hello, offset, 1))
  })),
  {
    name: "a hello whose mac1 is of another hub's key meets silence",
    drops: { BadMac1: 1 },
    prepare: sending(
      STRANGER,
      (world) => new Stranger(world.simulation, STRANGER, world.bob, world.simulation.handshake(40)).hello
    )
  },
  {
    name: "a hello that pins no key but says so meets silence",
    drops: { BadMac1: 1 },
    prepare: sending(STRANGER, (world) => {
      const options = { pinned: false }
      const one = new Stranger(world.simulation, STRANGER, world.hub, world.simulation.handshake(40), options)
      return patched(one.hello, 17, 1)
    })
  },
  {
    name: "in a network with a key, a hello of somebody without it is of another network",
    world: PSK,
    drops: { HandshakeMalformed: 1 },
    prepare: sending(STRANGER, (world) => strangerIn(world).hello)
  },
  {
    name: "in a network with a key, a hello under another key meets silence",
    world: PSK,
    drops: { BadMac1: 1 },
    prepare: sending(
      STRANGER,
      (world) => new Stranger(world.simulation, STRANGER, world.hub, world.simulation.handshake(40, 8)).hello
    )
  },
  ...[0, 7, 15].map((offset): Attack => ({
    name: `a cookie that differs in byte ${offset} is none`,
    drops: { BadCookie: 1 },
    prepare: (world) => {
      const one = strangerIn(world)
      const echo = one.echo(masked(one.cookie(), offset, 1))
      return () => send(world, STRANGER, echo)
    }
  })),
  {
    name: "a cookie of zeros is none",
    drops: { BadCookie: 1 },
    prepare: sending(STRANGER, (world) => strangerIn(world).echo(new Uint8Array(16)))
  },
  {
    name: "a message 3 that was changed ends no handshake",
    drops: { HandshakeForged: 3 },
    prepare: (world) => {
      const one = strangerIn(world)
      const { bytes } = one.message3(one.open())
      return () => {
        for (const offset of [20, 60, bytes.length - 1]) send(world, STRANGER, masked(bytes, offset, 1))
      }
    }
  },
  {
    name: "a message 3 of another handshake proves nothing in this one",
    drops: { HandshakeForged: 1 },
    prepare: (world) => {
      const [one, other] = [strangerIn(world), strangerIn(world, 7, "10.9.9.8:1", 41)]
      const { connId } = one.message3(one.open())
      const { bytes } = other.message3(other.open())
      return () => send(world, STRANGER, rewritten(bytes, connId))
    }
  },
  {
    name: "a message 3 without a tag is none",
    drops: { HandshakeForged: 1 },
    prepare: (world) => {
      const one = strangerIn(world)
      const { connId } = one.message3(one.open())
      return () => send(world, STRANGER, encodeNoise(MESSAGE_3, connId, new Uint8Array(1)))
    }
  },
  {
    name: "a challenge nobody asked for draws no echo",
    drops: { WrongState: 1 },
    prepare: (world) => {
      const { alice, hub } = world
      const bytes = patched(encodeNoise(MESSAGE_3, hub.sessionWith(alice).remoteConnId, new Uint8Array(48)), 16, 2)
      return { at: alice, act: () => world.simulation.inject(HUB, ALICE, bytes) }
    }
  }
]

export const cryptoEdges: ReadonlyArray<Attack> = [...packets, ...proofs]
