/** Every kind of packet in every state that it is not for. */
import type { DropReason as Reason } from "../../../src/DropReason.js"
import type { Connecting } from "../../../src/internal/initiator.js"
import * as PacketHeader from "../../../src/PacketHeader.js"
import { ALICE, HUB, packet, STRANGER } from "../simulation.js"
import type { Station, World } from "../simulation.js"
import {
  CHALLENGE,
  ECHO,
  encodeNoise,
  forgeChallenge,
  forgeMessage2,
  HELLO,
  kindOf,
  MESSAGE_2,
  MESSAGE_3
} from "../stranger.js"
import { connIdOf, genuine, patched, resized, send, sending, strangerIn, times } from "./attack.js"
import type { Attack } from "./attack.js"

const { ACK, CONTROL, DATA } = PacketHeader

/** Everything that names a conn_id, made up. */
const KINDS: ReadonlyArray<readonly [name: string, make: (connId: number) => Uint8Array]> = [
  ["DATA", (connId) => packet(connId, { type: DATA })],
  ["ACK", (connId) => packet(connId, { type: ACK })],
  ["CONTROL", (connId) => packet(connId, { type: CONTROL })],
  ...([["a challenge", CHALLENGE], ["message 2", MESSAGE_2], ["message 3", MESSAGE_3]] as const).map((
    [name, kind]
  ): readonly [string, (connId: number) => Uint8Array] => [
    name,
    (connId) => patched(encodeNoise(MESSAGE_3, connId, new Uint8Array(90).fill(7)), 16, kind)
  ])
]

/** What becomes of each of {@link KINDS}. */
type Reasons = readonly [
  data: Reason,
  ack: Reason,
  control: Reason,
  challenge: Reason,
  message2: Reason,
  message3: Reason
]

const sealedOnly = (sealed: Reason, handshake: Reason): Reasons => [
  sealed,
  sealed,
  sealed,
  handshake,
  handshake,
  handshake
]

const inState = (
  state: string,
  reasons: Reasons,
  prepare: (world: World) => { readonly at: Station; readonly connId: number; readonly from: string },
  who: Attack["who"] = "stranger"
): ReadonlyArray<Attack> =>
  KINDS.map(([name, make], i) => ({
    name: `${name} for ${state}`,
    who,
    drops: { [reasons[i]]: 1 },
    prepare: (world) => {
      const { at, connId, from } = prepare(world)
      return { at, act: () => world.simulation.inject(from, at.address, make(connId)) }
    }
  }))

/** A client that connects, and whose datagrams of one kind and all later ones never arrive at the hub. */
const connectingUntil = (world: World, kind: number) => {
  const { hub, simulation } = world
  const dave = simulation.station("10.0.0.4", 4)
  hub.wants = ({ bytes, from }) => from !== dave.address || (kindOf(bytes) !== 0 && kindOf(bytes) < kind)
  const mark = simulation.sent.length
  dave.connect(hub)
  simulation.advance(60)
  const [connecting] = dave.core.connecting
  const said = (what: number): Uint8Array => {
    const found = simulation.since(mark, dave.address).find(({ bytes }) => kindOf(bytes) === what)
    if (found === undefined) throw new Error(`nothing of kind ${what} was said`)
    return found.bytes
  }
  return { at: dave, connecting: connecting as Connecting, connId: (connecting as Connecting).connId, from: HUB, said }
}

/** An attack on the handshake of a client that has got so far. */
const onHandshake = (
  name: string,
  drops: Attack["drops"],
  kind: number,
  make: (world: World, dave: ReturnType<typeof connectingUntil>) => Uint8Array,
  options: { readonly from?: string; readonly count?: number; readonly moves?: Attack["moves"] } = {}
): Attack => ({
  name,
  drops,
  ...(options.moves && { moves: options.moves }),
  prepare: (world) => {
    const dave = connectingUntil(world, kind)
    const bytes = make(world, dave)
    const act = () =>
      times(options.count ?? 1, () => world.simulation.inject(options.from ?? HUB, dave.at.address, bytes))
    return { at: dave.at, act }
  }
})

const mac1Of = (world: World) => world.simulation.handshake(40).mac1(world.hub.publicKey)

const handshakes: ReadonlyArray<Attack> = [
  ...inState(
    "a handshake that waits for its challenge",
    ["WrongState", "WrongState", "WrongState", "HandshakeMalformed", "HandshakeUnexpected", "WrongState"],
    (world) => connectingUntil(world, HELLO)
  ),
  onHandshake(
    "a challenge without its MAC",
    { HandshakeForged: 1 },
    HELLO,
    (_, { said }) => forgeChallenge(said(HELLO), 9)
  ),
  onHandshake(
    "a challenge for another nonce",
    { HandshakeForged: 1 },
    HELLO,
    (world, { said }) => forgeChallenge(patched(said(HELLO), 30, 1, 2, 3), 9, mac1Of(world))
  ),
  onHandshake(
    "a challenge from another address",
    { HandshakeUnexpected: 1 },
    HELLO,
    (world, { said }) => forgeChallenge(said(HELLO), 9, mac1Of(world)),
    { from: STRANGER }
  ),
  ...[67, 69].map((length) =>
    onHandshake(
      `a challenge of ${length} bytes`,
      { HandshakeMalformed: 1 },
      HELLO,
      (world, { said }) => resized(forgeChallenge(said(HELLO), 9, mac1Of(world)), length)
    )
  ),
  onHandshake(
    "a challenge forged by somebody who knows the hub's key costs an echo to the hub, 16 of them at most",
    { HandshakeRepeated: 24 },
    HELLO,
    (world, { said }) => forgeChallenge(said(HELLO), 9, mac1Of(world)),
    { count: 40, moves: { accepted: 16 } }
  ),
  ...inState(
    "a handshake that waits for message 2",
    ["WrongState", "WrongState", "WrongState", "HandshakeMalformed", "HandshakeForged", "WrongState"],
    (world) => connectingUntil(world, ECHO)
  ),
  onHandshake(
    "a message 2 under another static key than the pinned one",
    { HandshakeForged: 1 },
    ECHO,
    (world, { said }) => forgeMessage2(said(ECHO), world.simulation.handshake(40))
  ),
  onHandshake("a message 2 for another handshake", { HandshakeForged: 1 }, ECHO, (world, { connId }) => {
    const bytes = forgeMessage2(strangerIn(world).echo(), world.hub.handshake)
    new DataView(bytes.buffer).setUint32(4, connId)
    return bytes
  }),
  onHandshake(
    "a message 2 of 1,201 bytes",
    { HandshakeMalformed: 1 },
    ECHO,
    (world, { said }) => resized(forgeMessage2(said(ECHO), world.hub.handshake), 1201)
  ),
  onHandshake(
    "a message 2 from another address",
    { HandshakeUnexpected: 1 },
    ECHO,
    (world, { said }) => forgeMessage2(said(ECHO), world.hub.handshake),
    { from: STRANGER }
  ),
  ...inState(
    "a handshake that has said message 3",
    ["AuthFailed", "AuthFailed", "AuthFailed", "HandshakeMalformed", "HandshakeRepeated", "WrongState"],
    (world) => connectingUntil(world, MESSAGE_3)
  ),
  onHandshake(
    "a challenge after message 3",
    { HandshakeRepeated: 1 },
    MESSAGE_3,
    (world, { said }) => forgeChallenge(said(HELLO), 9, mac1Of(world))
  )
]

const halfOpen = (world: World) => {
  const one = strangerIn(world)
  return { at: world.hub, connId: one.message3(one.open()).connId, from: STRANGER }
}

const sessions: ReadonlyArray<Attack> = [
  ...inState(
    "a half-open handshake",
    ["WrongState", "WrongState", "WrongState", "WrongState", "WrongState", "HandshakeForged"],
    halfOpen
  ),
  ...inState(
    "a half-open handshake, from another address",
    ["WrongState", "WrongState", "WrongState", "WrongState", "WrongState", "HandshakeUnexpected"],
    (world) => ({ ...halfOpen(world), from: "10.9.9.9:4243" })
  ),
  ...inState("an active session", sealedOnly("AuthFailed", "WrongState"), (world) => ({
    at: world.hub,
    connId: connIdOf(world),
    from: ALICE
  })),
  ...inState("the initiator's end of an active session", sealedOnly("AuthFailed", "WrongState"), (world) => ({
    at: world.alice,
    connId: world.hub.sessionWith(world.alice).remoteConnId,
    from: HUB
  })),
  ...inState(
    "a session that was closed",
    sealedOnly("WrongState", "WrongState"),
    (world) => {
      const connId = connIdOf(world)
      world.hub.hub.close(world.hub.sessionWith(world.alice), "LocalClosed")
      world.simulation.advance(500)
      return { at: world.hub, connId, from: ALICE }
    },
    "peer"
  ),
  ...inState(
    "a session that its peer has closed",
    sealedOnly("UnknownConnection", "UnknownConnection"),
    (world) => {
      const connId = connIdOf(world)
      world.alice.hub.close(world.alice.sessionWith(world.hub), "LocalClosed")
      world.simulation.advance(500)
      return { at: world.hub, connId, from: ALICE }
    },
    "peer"
  ),
  ...inState("nobody", sealedOnly("UnknownConnection", "UnknownConnection"), (world) => ({
    at: world.hub,
    connId: connIdOf(world) ^ 0x5a5a,
    from: STRANGER
  })),
  {
    name: "a genuine packet of a session that was closed reopens nothing",
    who: "peer",
    drops: { WrongState: 1 },
    prepare: (world) => {
      const late = genuine(world, "late")
      world.hub.hub.close(world.hub.sessionWith(world.alice), "LocalClosed")
      world.simulation.advance(500)
      return () => send(world, ALICE, late)
    }
  },
  {
    name: "the message 3 that made a session makes no other one, from wherever it comes",
    drops: { WrongState: 1 },
    prepare: sending(STRANGER, (world) => {
      const { simulation } = world
      const found = simulation.sent.find(({ bytes, from }) => from === ALICE && kindOf(bytes) === MESSAGE_3)
      if (found === undefined) throw new Error("there was no message 3")
      return found.bytes
    })
  },
  {
    name: "the echo of a handshake that is over begins no other one",
    drops: { HandshakeRepeated: 3 },
    prepare: (world) => {
      const found = world.simulation.sent.find(({ bytes, from }) => from === ALICE && kindOf(bytes) === ECHO)
      return () => times(3, () => send(world, ALICE, found?.bytes ?? new Uint8Array(0)))
    }
  }
]

export const stateMachine: ReadonlyArray<Attack> = [...handshakes, ...sessions]
