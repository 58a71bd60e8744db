/** One peer, or several together, against the others of a hub. */
import * as Frame from "../../../src/Frame.js"
import { ALICE, BOB, HUB, packet, realtime, reliable, seal, sequenced, STRANGER } from "../simulation.js"
import type { World } from "../simulation.js"
import { connIdOf, genuine, joined, masked, patched, send, strangerIn, times, zeros } from "./attack.js"
import type { Attack } from "./attack.js"

const bobsId = ({ bob, hub }: World): number => bob.sessionWith(hub).remoteConnId

const rewritten = (bytes: Uint8Array, connId: number): Uint8Array => {
  const out = bytes.slice()
  new DataView(out.buffer).setUint32(4, connId)
  return out
}

/** What one authenticated client does to another's session. */
const across: ReadonlyArray<Attack> = [
  ...([["DATA", 0], ["ACK", 1], ["CONTROL", 3]] as const).map(([name, type]): Attack => ({
    name: `${name} sealed with one client's key is nothing in another's session`,
    drops: { AuthFailed: 1 },
    prepare: (world) => {
      const plaintext = type === 0 ? realtime("mine") : zeros(Frame.PING, 4)
      const bytes = rewritten(seal(world.alice.sessionWith(world.hub), plaintext, { type }), bobsId(world))
      return () => send(world, ALICE, bytes)
    }
  })),
  {
    name: "a CLOSE of one client closes no other's session, from whichever address it comes",
    drops: { AuthFailed: 2 },
    prepare: (world) => {
      const close = seal(world.alice.sessionWith(world.hub), zeros(Frame.CLOSE, 1), { type: 3 })
      const bytes = rewritten(close, bobsId(world))
      return () => {
        send(world, ALICE, bytes)
        send(world, BOB, bytes)
      }
    }
  },
  {
    name: "a client's packet from another client's address is the first one's, and asks whether it has moved there",
    who: "peer",
    drops: {},
    moves: { accepted: 1, delivered: 1 },
    holds: { addresses: 1 },
    prepare: (world) => {
      const bytes = genuine(world)
      return () => send(world, BOB, bytes)
    }
  },
  {
    name: "a client's own packets that come back to it are nothing",
    drops: { AuthFailed: 3 },
    prepare: (world) => {
      const { alice, hub, simulation } = world
      const own = Array.from({ length: 3 }, (_, i) => genuine(world, `${i}`))
      const back = hub.sessionWith(alice).remoteConnId
      return {
        at: alice,
        act: () => {
          for (const bytes of own) simulation.inject(HUB, ALICE, rewritten(bytes, back))
        }
      }
    }
  },
  {
    name: "what the hub seals for one client is nothing for another",
    drops: { AuthFailed: 1 },
    prepare: (world) => {
      const { alice, bob, hub, simulation } = world
      const bytes = rewritten(seal(hub.sessionWith(bob), realtime("for bob")), hub.sessionWith(alice).remoteConnId)
      return { at: alice, act: () => simulation.inject(HUB, ALICE, bytes) }
    }
  },
  {
    name: "packets of two clients with swapped conn_ids are nothing to either",
    drops: { AuthFailed: 2 },
    prepare: (world) => {
      const [mine, theirs] = [genuine(world, "alice"), seal(world.bob.sessionWith(world.hub), realtime("bob"))]
      return () => {
        send(world, ALICE, rewritten(mine, bobsId(world)))
        send(world, BOB, rewritten(theirs, connIdOf(world)))
      }
    }
  },
  {
    name: "an epoch of one client's is none of another's",
    drops: { UnknownEpoch: 1 },
    prepare: (world) => {
      const bytes = rewritten(masked(genuine(world), 1, 2), bobsId(world))
      return () => send(world, BOB, bytes)
    }
  }
]

/** What costs one client costs no other. */
const isolation: ReadonlyArray<Attack> = [
  {
    name: "a client above its rate takes no token of another's",
    who: "peer",
    world: { hub: { packetsPerSecond: 10, burst: 5 } },
    drops: { RateLimited: 95 },
    moves: { accepted: 5, delivered: 5 },
    prepare: (world) => {
      world.simulation.advance(2000)
      return () => times(100, (i) => send(world, ALICE, genuine(world, `${i}`)))
    }
  },
  {
    name: "forged packets for one session leave the bucket of another's full",
    world: { hub: { forgeriesPerSecond: 10, forgeryBurst: 4 } },
    drops: { AuthFailed: 5, ForgeryLimited: 16 },
    prepare: (world) => () => {
      times(20, (i) => send(world, STRANGER, packet(connIdOf(world), { seq: 5000 + i })))
      send(world, STRANGER, packet(bobsId(world), { seq: 5000 }))
    }
  },
  {
    name: "the strikes of one client end its session and no other",
    who: "peer",
    drops: { MalformedFrame: 10 },
    moves: { strikes: 10, closes: { ProtocolViolation: 1 } },
    holds: { identities: -1 },
    prepare: (world) => {
      const session = world.alice.sessionWith(world.hub)
      const bad = Array.from({ length: 10 }, () => seal(session, zeros(Frame.PING, 3), { type: 3 }))
      return () => {
        for (const bytes of bad) send(world, ALICE, bytes)
      }
    }
  },
  {
    name: "an old Sequenced message of one client is Stale by its own numbers, not by another's",
    who: "peer",
    drops: { Stale: 1 },
    moves: { accepted: 2, delivered: 1 },
    prepare: (world) => {
      const { alice, bob, hub, simulation } = world
      simulation.inject(BOB, HUB, seal(bob.sessionWith(hub), sequenced(1000, "bob is far ahead")))
      bob.sessionWith(hub).nextSequenced = 1001
      simulation.advance(20)
      const session = alice.sessionWith(hub)
      const both = [sequenced(7, "newest"), sequenced(6, "older")].map((plaintext) => seal(session, plaintext))
      return () => {
        for (const bytes of both) send(world, ALICE, bytes)
      }
    }
  },
  {
    name: "a replay of one client's packet is told from another's of the same number",
    who: "peer",
    drops: { Replayed: 1 },
    moves: { accepted: 1, delivered: 1 },
    prepare: (world) => {
      const [alice, bob] = [world.alice.sessionWith(world.hub), world.bob.sessionWith(world.hub)]
      const seq = 3000
      const [one, other] = [seal(alice, realtime("alice"), { seq }), seal(bob, realtime("bob"), { seq })]
      send(world, BOB, other)
      world.simulation.advance(20)
      return () => {
        send(world, ALICE, one)
        send(world, BOB, other)
      }
    }
  },
  {
    name: "a Reliable message far ahead of its window strikes its client only",
    who: "peer",
    drops: {},
    moves: { accepted: 1, strikes: 1 },
    prepare: (world) => {
      const bytes = seal(world.alice.sessionWith(world.hub), reliable(5000, "far"))
      return () => send(world, ALICE, bytes)
    }
  },
  {
    name: "an ACK of what the hub never sent strikes its client only",
    who: "peer",
    drops: {},
    moves: { accepted: 1, strikes: 1 },
    prepare: (world) => {
      const body = patched(new Uint8Array(17), 0, 0, 0, 0, 9)
      const bytes = seal(world.alice.sessionWith(world.hub), Frame.encodeAll([{ type: Frame.ACK, body }]), { type: 1 })
      return () => send(world, ALICE, bytes)
    }
  },
  {
    name: "a header that acknowledges what the hub never sent is refused, with a strike for its client only",
    who: "peer",
    drops: { ForbiddenFrame: 1 },
    moves: { strikes: 1 },
    prepare: (world) => {
      const bytes = seal(world.alice.sessionWith(world.hub), realtime("x"), { ack: 3 })
      return () => send(world, ALICE, bytes)
    }
  }
]

/** Who says to be another. */
const identities: ReadonlyArray<Attack> = [
  {
    name: "a second process with a client's key takes the place of the first, and of nobody else",
    who: "peer",
    drops: {},
    moves: { accepted: 1, handshakes: 1, closes: { Replaced: 1 } },
    holds: { inFlight: -1, remembered: 1 },
    prepare: (world) => {
      const one = strangerIn(world, 7, STRANGER, 2)
      const { bytes } = one.message3(one.open())
      return () => send(world, STRANGER, bytes)
    }
  },
  {
    name: "a client's key alone, without its message 3, takes nobody's place",
    drops: { HandshakeForged: 1 },
    prepare: (world) => {
      const one = strangerIn(world, 7, STRANGER, 2)
      const { bytes } = one.message3(one.open())
      return () => send(world, STRANGER, masked(bytes, 30, 1))
    }
  },
  {
    name: "a client's recorded echo from another address brings nobody its place",
    drops: { BadCookie: 1 },
    prepare: (world) => {
      const echo = world.simulation.sent.find(({ bytes, from }) => from === ALICE && bytes[16] === 3)
      return () => send(world, STRANGER, echo?.bytes ?? new Uint8Array(0))
    }
  },
  {
    name: "a client's recorded message 3 in a stranger's handshake proves nothing",
    drops: { HandshakeForged: 1 },
    prepare: (world) => {
      const one = strangerIn(world)
      const { connId } = one.message3(one.open())
      const found = world.simulation.sent.find(({ bytes, from }) =>
        from === ALICE && (bytes[0] & 15) === 2 && bytes[16] === 5
      )
      return () => send(world, STRANGER, rewritten(found?.bytes ?? new Uint8Array(40), connId))
    }
  },
  {
    name: "two clients that trade addresses stay who they are",
    who: "time",
    drops: {},
    moves: "any",
    prepare: (world) => {
      const { alice, bob, hub, simulation } = world
      return () => {
        simulation.network.unsafeRebindNat(ALICE, "10.7.7.7:9000")
        simulation.network.unsafeRebindNat(BOB, ALICE)
        simulation.network.unsafeRebindNat("10.7.7.7:9000", BOB)
        times(20, (i) => {
          alice.send(hub, `alice ${i}`)
          bob.send(hub, `bob ${i}`)
          simulation.advance(100)
        })
        for (const [client, name] of [[alice, "alice"], [bob, "bob"]] as const) {
          const heard = hub.inbox.filter(({ from }) => from === client.id)
          if (heard.length !== 20 || heard.some(({ text }) => !text.startsWith(name))) throw new Error("mixed up")
        }
      }
    }
  },
  {
    name: "fifty strangers at fifty conn_ids find nobody",
    drops: { UnknownConnection: 50 },
    prepare: (world) => () =>
      times(50, (i) => send(world, `10.9.9.${i}:1`, packet((connIdOf(world) + 1 + i * 7919) >>> 0)))
  },
  {
    name: "many messages of many clients in one turn are each their sender's",
    who: "peer",
    drops: {},
    moves: { accepted: 40, delivered: 40 * 5 },
    prepare: (world) => {
      const session = world.alice.sessionWith(world.hub)
      const many = Array.from(
        { length: 40 },
        (_, i) => seal(session, joined(...Array.from({ length: 5 }, (_unused, j) => realtime(`${i} ${j}`))))
      )
      return () => {
        for (const bytes of many) send(world, ALICE, bytes)
      }
    }
  }
]

export const multiPeer: ReadonlyArray<Attack> = [...across, ...isolation, ...identities]
