/** More of everything than is allowed. */
import * as Frame from "../../../src/Frame.js"
import { ALICE, packet, realtime, seal, STRANGER } from "../simulation.js"
import type { World } from "../simulation.js"
import { connIdOf, genuine, joined, patched, send, strangerIn, times, zeros } from "./attack.js"
import type { Attack } from "./attack.js"

const SLOW = { hub: { packetsPerSecond: 10, burst: 5 } }

const flood = (world: World, count: number): void => times(count, (i) => send(world, ALICE, genuine(world, `${i}`)))

/** The first client's bucket is full. */
const rested = (world: World): void => world.simulation.advance(2000)

const buckets: ReadonlyArray<Attack> = [
  ...[6, 7, 50].map((count): Attack => ({
    name: `of ${count} packets at once a burst of 5 is taken`,
    who: "peer",
    world: SLOW,
    drops: { RateLimited: count - 5 },
    moves: { accepted: 5, delivered: 5 },
    prepare: (world) => {
      rested(world)
      return () => flood(world, count)
    }
  })),
  {
    name: "an empty bucket takes one more packet after its time, and no two",
    who: "peer",
    world: SLOW,
    drops: { RateLimited: 1 },
    moves: { accepted: 1, delivered: 1 },
    prepare: (world) => {
      rested(world)
      flood(world, 5)
      world.simulation.advance(55)
      return () => flood(world, 2)
    }
  },
  {
    name: "forged packets cost a session none of its tokens",
    who: "peer",
    world: SLOW,
    drops: { AuthFailed: 100 },
    moves: { accepted: 5, delivered: 5 },
    prepare: (world) => {
      rested(world)
      return () => {
        times(100, (i) => send(world, ALICE, packet(connIdOf(world), { seq: 5000 + i })))
        flood(world, 5)
      }
    }
  },
  {
    name: "replayed packets cost a session none of its tokens",
    who: "peer",
    world: SLOW,
    drops: { Replayed: 100 },
    moves: { accepted: 5, delivered: 5 },
    prepare: (world) => {
      const bytes = genuine(world)
      send(world, ALICE, bytes)
      rested(world)
      return () => {
        times(100, () => send(world, ALICE, bytes))
        flood(world, 5)
      }
    }
  },
  {
    name: "a packet of 64 tiny messages costs what four packets cost",
    who: "peer",
    world: SLOW,
    drops: { RateLimited: 1 },
    moves: { accepted: 2, delivered: 65 },
    prepare: (world) => {
      rested(world)
      const session = world.alice.sessionWith(world.hub)
      const many = joined(...Array.from({ length: 64 }, () => realtime("")))
      return () => {
        send(world, ALICE, seal(session, many))
        flood(world, 2)
      }
    }
  },
  {
    name: "what is dropped for its rate is not marked as received: the same packet is taken later",
    who: "peer",
    world: SLOW,
    drops: {},
    moves: { accepted: 1, delivered: 1 },
    prepare: (world) => {
      rested(world)
      flood(world, 5)
      const bytes = genuine(world, "later")
      send(world, ALICE, bytes)
      world.simulation.advance(500)
      return () => send(world, ALICE, bytes)
    }
  },
  {
    name: "replays of an empty bucket's session are dropped before they are looked at",
    who: "peer",
    world: SLOW,
    drops: { RateLimited: 3 },
    moves: { accepted: 5, delivered: 5 },
    prepare: (world) => {
      const bytes = genuine(world)
      send(world, ALICE, bytes)
      rested(world)
      return () => {
        flood(world, 5)
        times(3, () => send(world, ALICE, bytes))
      }
    }
  }
]

const FORGERY = { hub: { forgeriesPerSecond: 10, forgeryBurst: 4 } }

const forge = (world: World, count: number, from: string): void =>
  times(count, (i) => send(world, from, packet(connIdOf(world), { seq: 5000 + i })))

const forgeries: ReadonlyArray<Attack> = [
  ...[5, 6, 40].map((count): Attack => ({
    name: `of ${count} forged packets from elsewhere 4 are opened`,
    world: FORGERY,
    drops: { AuthFailed: 4, ForgeryLimited: count - 4 },
    prepare: (world) => () => forge(world, count, STRANGER)
  })),
  {
    name: "forged packets from the peer's own address are opened all the same: it cannot be shut out",
    world: FORGERY,
    drops: { AuthFailed: 40 },
    prepare: (world) => () => forge(world, 40, ALICE)
  },
  {
    name: "under forged packets the genuine one comes through from the peer's address",
    who: "peer",
    world: FORGERY,
    drops: { AuthFailed: 4, ForgeryLimited: 36 },
    moves: { accepted: 1, delivered: 1 },
    prepare: (world) => () => {
      forge(world, 40, STRANGER)
      send(world, ALICE, genuine(world))
    }
  },
  {
    name: "a bucket of forged packets fills again: a peer that has moved is heard then",
    who: "peer",
    world: FORGERY,
    drops: {},
    moves: { accepted: 1, delivered: 1 },
    holds: { addresses: 1 },
    prepare: (world) => {
      forge(world, 40, STRANGER)
      world.simulation.advance(150)
      return () => send(world, "10.0.7.7:9000", genuine(world))
    }
  }
]

const malformed = ({ alice, hub }: World): Uint8Array => seal(alice.sessionWith(hub), zeros(Frame.PING, 3), { type: 3 })

const strikes: ReadonlyArray<Attack> = [
  {
    name: "nine strikes within five seconds end nothing",
    who: "peer",
    drops: { MalformedFrame: 9 },
    moves: { strikes: 9 },
    prepare: (world) => () => times(9, () => send(world, ALICE, malformed(world)))
  },
  {
    name: "the tenth strike within five seconds ends the session, and what comes after it is for a closed one",
    who: "peer",
    drops: { MalformedFrame: 10, WrongState: 5 },
    moves: { strikes: 10, closes: { ProtocolViolation: 1 } },
    holds: { identities: -1 },
    prepare: (world) => () => times(15, () => send(world, ALICE, malformed(world)))
  },
  {
    name: "strikes are forgotten five seconds after they were given",
    who: "peer",
    drops: { MalformedFrame: 5 },
    moves: { strikes: 5 },
    prepare: (world) => {
      times(9, () => send(world, ALICE, malformed(world)))
      world.simulation.advance(5100)
      return () => times(5, () => send(world, ALICE, malformed(world)))
    }
  },
  {
    name: "a thousand forged packets are no strike",
    drops: { AuthFailed: 1000 },
    prepare: (world) => () =>
      times(1000, (i) => send(world, ALICE, packet(connIdOf(world), { seq: 5000 + i, type: 3 })))
  },
  {
    name: "a thousand replays are no strike",
    drops: { Replayed: 1000 },
    prepare: (world) => {
      const bytes = malformed(world)
      send(world, ALICE, bytes)
      world.simulation.advance(6000)
      return () => times(1000, () => send(world, ALICE, bytes))
    }
  }
]

const answers: ReadonlyArray<Attack> = [
  {
    name: "a closed session is answered once a second, and never by more than was sent",
    who: "peer",
    drops: { WrongState: 300 },
    prepare: (world) => {
      const late = Array.from({ length: 300 }, (_, i) => genuine(world, `${i}`))
      world.hub.hub.close(world.hub.sessionWith(world.alice), "LocalClosed")
      world.simulation.advance(500)
      return () => {
        const mark = world.simulation.sent.length
        for (const bytes of late) send(world, ALICE, bytes)
        world.simulation.advance(1)
        if (world.simulation.since(mark, undefined, ALICE).length > 1) throw new Error("answered more than once")
      }
    }
  },
  {
    name: "fifty PINGs in fifty packets of a turn are answered in one",
    who: "peer",
    drops: {},
    moves: { accepted: 50 },
    prepare: (world) => {
      const session = world.alice.sessionWith(world.hub)
      const pings = Array.from({ length: 50 }, () => seal(session, zeros(Frame.PING, 4), { type: 3 }))
      return () => {
        const mark = world.simulation.sent.length
        for (const bytes of pings) send(world, ALICE, bytes)
        world.simulation.advance(1)
        if (world.simulation.since(mark, undefined, ALICE).length !== 1) throw new Error("answered more than once")
      }
    }
  },
  {
    name: "fifty PATH_CHALLENGEs in one packet are answered once",
    who: "peer",
    drops: {},
    moves: { accepted: 1 },
    prepare: (world) => {
      const many = joined(...Array.from({ length: 50 }, () => zeros(Frame.PATH_CHALLENGE, 8)))
      const bytes = seal(world.alice.sessionWith(world.hub), many, { type: 3 })
      return () => {
        const mark = world.simulation.sent.length
        send(world, ALICE, bytes)
        world.simulation.advance(1)
        if (world.simulation.since(mark, undefined, ALICE).length !== 1) throw new Error("answered more than once")
      }
    }
  },
  {
    name:
      "the packets of one that may move nobody: three copies from three addresses draw three times what came at most",
    who: "peer",
    drops: { Replayed: 2 },
    moves: { accepted: 1, delivered: 1 },
    holds: { addresses: 1 },
    prepare: (world) => {
      const bytes = genuine(world)
      return () => times(3, (i) => send(world, `10.9.9.${i}:1`, bytes))
    }
  },
  {
    name: "of a hundred hellos in one turn 64 are challenged",
    drops: { HandshakeBudget: 36 },
    moves: { accepted: 64, challenges: 64 },
    prepare: (world) => {
      const { hello } = strangerIn(world)
      return () => times(100, () => send(world, STRANGER, hello))
    }
  },
  {
    name: "hellos that are malformed cost nothing of the budget of those that are not",
    drops: { HandshakeMalformed: 200 },
    moves: { accepted: 1, challenges: 1 },
    prepare: (world) => {
      const { hello } = strangerIn(world)
      return () => {
        times(200, () => send(world, STRANGER, patched(hello, 19, 1)))
        send(world, STRANGER, hello)
      }
    }
  }
]

export const rateLimits: ReadonlyArray<Attack> = [...buckets, ...forgeries, ...strikes, ...answers]
