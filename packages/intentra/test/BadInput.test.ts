import { assert, describe, it } from "@effect/vitest"
import { ReceiveBatch } from "@intentra/udp"
import { FastCheck as fc } from "effect"
import * as CloseReason from "../src/CloseReason.js"
import * as DropReason from "../src/DropReason.js"
import * as Frame from "../src/Frame.js"
import type { PathMtu } from "../src/internal/pathMtu.js"
import { ACTIVE, CLOSED } from "../src/internal/session.js"
import { ShardRing } from "../src/internal/shardRing.js"
import { ShardSocket } from "../src/internal/shardSocket.js"
import type { Station, StationOptions, World } from "./support/simulation.js"
import {
  ALICE,
  assertDelivers,
  assertDrops,
  assertLedger,
  assertUntouched,
  BOB,
  bytesOf,
  connected,
  dropsDuring,
  flipped,
  HUB,
  intercept,
  makeWorld,
  packet,
  publicKeyOf,
  realtime,
  reliable,
  seal,
  seeded,
  sequenced,
  sessionState,
  STRANGER,
  tableSizes
} from "./support/simulation.js"
import {
  CHALLENGE,
  ECHO,
  encodeNoise,
  forgeChallenge,
  kindOf,
  MESSAGE_2,
  MESSAGE_3,
  NOISE_MESSAGE,
  Stranger
} from "./support/stranger.js"

/** How to make a transport drop something for exactly one reason. */
interface Provocation {
  /** The law that the drop keeps; the test's name. */
  readonly law: string
  /** Options of the hub. */
  readonly hub?: StationOptions
  readonly clients?: StationOptions
  /** Prepares all that may be counted elsewhere and returns what must move this one counter, by one. */
  readonly prepare: (world: World) => {
    readonly station?: Station
    readonly strikes?: number
    /** The first client's session may change too: it is the one that misbehaves. */
    readonly authentic?: boolean
    readonly act: () => void
  }
}

/** Injects at the hub. */
const at = ({ hub, simulation }: World, from: string, bytes: Uint8Array) => () =>
  simulation.inject(from, hub.address, bytes)

/** What the first client seals, sent from its own address: authentic, and nobody else could make it. */
const authentic = (make: (world: World) => Uint8Array, strikes = 0): Provocation["prepare"] => (world) => ({
  strikes,
  authentic: true,
  act: at(world, ALICE, make(world))
})

const stranger = (world: World, connId = 0x51a46e, address = STRANGER): Stranger =>
  new Stranger(world.simulation, address, world.hub, world.simulation.handshake(40), { connId })

const idAtHub = ({ alice, hub }: World): number => alice.sessionWith(hub).remoteConnId

const PROVOCATIONS: { readonly [Reason in DropReason.DropReason]: Provocation } = {
  Truncated: {
    law: "a datagram without a whole header is dropped",
    prepare: (world) => ({ act: at(world, ALICE, packet(idAtHub(world)).subarray(0, 15)) })
  },
  Oversized: {
    law: "a datagram above 2,048 bytes is dropped, whatever it says",
    prepare: (world) => ({ act: at(world, ALICE, packet(idAtHub(world), {}, new Uint8Array(2033))) })
  },
  BadVersion: {
    law: "a packet of another wire version is dropped",
    prepare: (world) => ({ act: at(world, ALICE, packet(idAtHub(world), { version: 1 })) })
  },
  BadType: {
    law: "a packet of a type that does not exist is dropped",
    prepare: (world) => ({ act: at(world, ALICE, packet(idAtHub(world), { type: 4 })) })
  },
  ReservedBit: {
    law: "a packet with the reserved bit set is dropped",
    prepare: (world) => ({ act: at(world, ALICE, packet(idAtHub(world), { reserved: 1 })) })
  },
  LengthMismatch: {
    law: "a packet whose payload_len is not its own is dropped",
    prepare: (world) => ({ act: at(world, ALICE, packet(idAtHub(world), { payloadLength: 33 })) })
  },
  UnknownConnection: {
    law: "a packet for a conn_id that nobody has is dropped",
    prepare: (world) => ({ act: at(world, ALICE, packet(idAtHub(world) ^ 1)) })
  },
  UnknownEpoch: {
    law: "a packet of an epoch that has no key is dropped",
    prepare: (world) => ({ act: at(world, ALICE, packet(idAtHub(world), { epoch: 1 })) })
  },
  WrongState: {
    law: "a sealed packet for a half-open handshake is dropped",
    prepare: (world) => {
      const one = stranger(world)
      const { connId } = one.message3(one.open())
      return { act: at(world, STRANGER, packet(connId)) }
    }
  },
  RateLimited: {
    law: "a peer above its rate is dropped, and only what is above it",
    hub: { packetsPerSecond: 10, burst: 5 },
    prepare: (world) => {
      const session = world.alice.sessionWith(world.hub)
      world.simulation.advance(1000)
      assert.deepStrictEqual(
        dropsDuring(world.hub, () => {
          for (let i = 0; i < 5; i++) at(world, ALICE, seal(session, realtime(`within ${i}`)))()
        }, 0),
        {}
      )
      world.simulation.advance(1)
      assert.strictEqual(world.hub.inbox.filter((one) => one.text.startsWith("within")).length, 5)
      return { authentic: true, act: at(world, ALICE, seal(session, realtime("above"))) }
    }
  },
  ForgeryLimited: {
    law: "after too many forged packets those from other addresses are dropped unopened",
    hub: { forgeriesPerSecond: 1, forgeryBurst: 3 },
    prepare: (world) => {
      const forged = packet(idAtHub(world))
      assertDrops(world.hub, { AuthFailed: 3 }, () => {
        for (let i = 0; i < 3; i++) at(world, STRANGER, forged)()
      })
      return { act: at(world, STRANGER, forged) }
    }
  },
  Replayed: {
    law: "a packet that was received before is dropped, without a strike",
    prepare: (world) => {
      const bytes = seal(world.alice.sessionWith(world.hub), realtime("once"))
      at(world, ALICE, bytes)()
      world.simulation.advance(20)
      return { act: at(world, ALICE, bytes) }
    }
  },
  TooOld: {
    law: "a packet behind the replay window is dropped, though it was never received",
    hub: { replayWindow: 1024 },
    prepare: (world) => {
      const session = world.alice.sessionWith(world.hub)
      const old = session.keys[0]?.sendSeq ?? 0
      const bytes = seal(session, realtime("late"))
      const keys = session.keys[0]
      if (keys !== undefined) keys.sendSeq = old + 1024
      at(world, ALICE, seal(session, realtime("newest")))()
      world.simulation.advance(20)
      return { act: at(world, ALICE, bytes) }
    }
  },
  AuthFailed: {
    law: "a packet that does not authenticate is dropped, without a strike",
    prepare: (world) => ({ act: at(world, ALICE, packet(idAtHub(world))) })
  },
  MalformedFrame: {
    law: "an authentic packet whose frames cannot be read is dropped whole, with a strike",
    prepare: authentic(({ alice, hub }) => {
      const plaintext = new Uint8Array([...realtime("first"), Frame.REALTIME, 0, 9])
      return seal(alice.sessionWith(hub), plaintext)
    }, 1)
  },
  ForbiddenFrame: {
    law: "a message in a control packet is dropped, with a strike",
    prepare: authentic(({ alice, hub }) => seal(alice.sessionWith(hub), realtime("smuggled"), { type: 3 }), 1)
  },
  HandshakeMalformed: {
    law: "a handshake packet of a kind that does not exist is dropped",
    prepare: (world) => {
      const bytes = stranger(world).hello.slice()
      bytes[16] = 6
      return { act: at(world, STRANGER, bytes) }
    }
  },
  BadMac1: {
    law: "a hello whose mac1 is wrong is dropped",
    prepare: (world) => ({ act: at(world, STRANGER, flipped(stranger(world).hello, 1199 * 8)) })
  },
  BadCookie: {
    law: "a cookie is worth nothing from another address",
    prepare: (world) => ({ act: at(world, "10.9.9.9:4243", stranger(world).echo()) })
  },
  HandshakeBudget: {
    law: "a turn answers so many hellos and no more",
    prepare: (world) => {
      const one = stranger(world)
      return {
        act: () => {
          for (let i = 0; i < 65; i++) at(world, STRANGER, one.hello)()
        }
      }
    }
  },
  HandshakeRepeated: {
    law: "the echo of a finished handshake begins nothing",
    prepare: (world) => {
      const one = stranger(world)
      const echo = one.echo()
      const [message2] = one.say(echo)
      one.say(one.message3(message2.bytes).bytes)
      world.simulation.advance(20)
      return { act: at(world, STRANGER, echo) }
    }
  },
  HandshakeSourceLimited: {
    law: "one source has so many handshakes in flight while half of the slots are taken",
    hub: { gate: { inFlight: 4, perSource: 1, sourceRate: Infinity } },
    prepare: (world) => {
      stranger(world, 1, "10.9.9.8:1").open()
      stranger(world, 2).open()
      return { act: at(world, STRANGER, stranger(world, 3).echo()) }
    }
  },
  HandshakeRateLimited: {
    law: "one source starts so many handshakes a second while half of the slots are taken",
    hub: { gate: { inFlight: 4, perSource: 4, sourceRate: 1, sourceBurst: 1 } },
    prepare: (world) => {
      stranger(world, 1, "10.9.9.8:1").open()
      stranger(world, 2).open()
      return { act: at(world, STRANGER, stranger(world, 3).echo()) }
    }
  },
  HandshakeUnexpected: {
    law: "an answer to a handshake from another address than the asked one is dropped",
    prepare: (world) => {
      const { hub, simulation } = world
      const carol = simulation.station("10.0.0.4", 4)
      hub.wants = ({ from }) => from !== carol.address
      const mark = simulation.sent.length
      carol.connect(hub)
      simulation.advance(10)
      const [hello] = simulation.since(mark, carol.address)
      return { station: carol, act: () => simulation.inject(STRANGER, carol.address, forgeChallenge(hello.bytes, 1)) }
    }
  },
  HandshakeForged: {
    law: "a message 3 that does not authenticate is dropped, and its handshake waits on",
    prepare: (world) => {
      const one = stranger(world)
      const { bytes } = one.message3(one.open())
      return { act: at(world, STRANGER, flipped(bytes, bytes.length * 8 - 1)) }
    }
  },
  Unauthorized: {
    law: "a key that is not on the list is refused",
    hub: { allow: [publicKeyOf(2), publicKeyOf(3)] },
    prepare: (world) => {
      const one = stranger(world)
      return { act: at(world, STRANGER, one.message3(one.open()).bytes) }
    }
  },
  SessionLimit: {
    law: "when the session table is full a newcomer is refused",
    hub: { maxSessions: 2 },
    prepare: (world) => {
      const one = stranger(world)
      return { act: at(world, STRANGER, one.message3(one.open()).bytes) }
    }
  },
  ShardOverflow: {
    law: "a datagram for another worker whose ring is full is dropped where it came in",
    prepare: (world) => {
      const { hub } = world
      const outgoing = new ShardRing(ShardRing.allocate(1))
      const neighbour = { outgoing, incoming: new ShardRing(ShardRing.allocate(1)), tell: () => {} }
      while (outgoing.reserve(100) >= 0) { /* nobody empties it */ }
      let handler = (_: ReceiveBatch): void => {}
      const inner = { ...hub.hub.socket, setHandler: (given?: typeof handler) => void (handler = given ?? handler) }
      const socket = new ShardSocket(inner, {
        index: 0,
        neighbours: [undefined, neighbour],
        counters: hub.counters,
        clockShift: 0
      })
      socket.setHandler(() => assert.fail("nothing of it was for this worker"))
      const bytes = packet(0x01000001)
      return {
        act: () => {
          const batch = new ReceiveBatch(1, bytes)
          batch.lengths[0] = bytes.length
          batch.count = 1
          handler(batch)
        }
      }
    }
  },
  Defect: {
    law: "what throws while a datagram is handled costs that datagram only",
    prepare: (world) => {
      const { alice, hub } = world
      const keys = hub.sessionWith(alice).keys[0]
      const bytes = seal(alice.sessionWith(hub), realtime("boom"))
      return {
        authentic: true,
        act: () => {
          if (keys === undefined) return
          const { receive } = keys
          hub.mayThrow = true
          Object.assign(keys, {
            receive: {
              ...receive,
              open: () => {
                throw new Error("a cipher with a bug")
              }
            }
          })
          at(world, ALICE, bytes)()
          world.simulation.advance(1)
          Object.assign(keys, { receive })
          assert.strictEqual(hub.defects, 1)
        }
      }
    }
  },
  Stale: {
    law: "a Sequenced message older than the newest one is dropped",
    prepare: (world) => {
      const session = world.alice.sessionWith(world.hub)
      const [first, second] = [1, 2].map((n) => seal(session, sequenced(n, `n ${n}`)))
      at(world, ALICE, second)()
      world.simulation.advance(20)
      return { authentic: true, act: at(world, ALICE, first) }
    }
  },
  Duplicate: {
    law: "a Reliable message that comes again in another packet is delivered once",
    prepare: (world) => {
      const session = world.alice.sessionWith(world.hub)
      at(world, ALICE, seal(session, reliable(0, "n 0")))()
      world.simulation.advance(40)
      return { authentic: true, act: () => at(world, ALICE, seal(session, reliable(0, "n 0")))() }
    }
  },
  BeyondWindow: {
    law: "a Reliable message exactly at the window's limit is a question, and not delivered",
    prepare: (world) => ({
      authentic: true,
      act: at(world, ALICE, seal(world.alice.sessionWith(world.hub), reliable(256, "too far")))
    })
  },
  DeliveryOverflow: {
    law: "when nobody takes deliveries the oldest go",
    hub: { stream: true, deliveryQueue: 3 },
    prepare: (world) => ({
      authentic: true,
      act: () => {
        for (let i = 0; i < 4; i++) at(world, ALICE, seal(world.alice.sessionWith(world.hub), realtime(`n ${i}`)))()
      }
    })
  },
  Expired: {
    law: "a message that waited longer than its ttl is not sent",
    prepare: ({ alice, hub, simulation }) => {
      const { sender } = alice.hub.protocol
      return {
        station: alice,
        authentic: true,
        act: () => {
          const now = simulation.network.now
          sender.enqueue(now, alice.sessionWith(hub), bytesOf("late"), 0, 0, 10)
          sender.flush(now + 10)
        }
      }
    }
  },
  Superseded: {
    law: "a newer Sequenced message takes the place of the queued one",
    prepare: ({ alice, hub }) => ({
      station: alice,
      authentic: true,
      act: () =>
        alice.hub.turn(() => {
          alice.queue(hub, "old", { intent: "Sequenced" })
          alice.queue(hub, "new", { intent: "Sequenced" })
        })
    })
  },
  Overload: {
    law: "when the send queue is full the oldest of lowest priority makes room",
    clients: { sendQueue: 16 },
    prepare: ({ alice, hub }) => ({
      station: alice,
      authentic: true,
      act: () =>
        alice.hub.turn(() => {
          for (let i = 0; i < 17; i++) alice.queue(hub, `n ${i}`, { priority: i === 5 ? 0 : 1 })
        })
    })
  },
  PathShrunk: {
    law: "a message that fitted the path when it was queued, and does not when it is sent, is dropped",
    prepare: ({ alice, hub }) => {
      const session = alice.sessionWith(hub)
      return {
        station: alice,
        authentic: true,
        act: () =>
          alice.hub.turn(() => {
            session.pathMtu = { current: 1500 } as PathMtu
            alice.queue(hub, "x".repeat(1300))
            session.pathMtu = undefined
          })
      }
    }
  },
  SessionClosed: {
    law: "what is still queued when a session closes is counted",
    prepare: ({ alice, simulation }) => {
      const carol = simulation.station("10.0.0.4", 4, { allow: "any" })
      connected(alice, carol)
      return {
        station: alice,
        authentic: true,
        act: () =>
          alice.hub.turn(() => {
            alice.send(carol, "too late")
            alice.hub.close(alice.sessionWith(carol), "LimitExceeded")
          })
      }
    }
  },
  SendQueueFull: {
    law: "a datagram that the socket does not take is counted",
    prepare: ({ alice, hub, simulation }) => ({
      station: alice,
      authentic: true,
      act: () => {
        alice.full = true
        alice.send(hub, "into the void")
        simulation.advance(1)
        alice.full = false
      }
    })
  }
}

describe("every reason to drop", () => {
  for (const reason of DropReason.all) {
    const { clients, hub: options, law, prepare } = PROVOCATIONS[reason]
    it(`${reason}: ${law}`, () => {
      const world = makeWorld({ ...(options && { hub: options }), ...(clients && { clients }) })
      const { alice, bob, hub } = world
      const provocation = prepare(world)
      world.simulation.advance(50)
      const station = provocation.station ?? hub
      const closesBefore = Array.from(hub.counters.closes)
      assertUntouched(bob, hub, () => {
        if (provocation.authentic === true) assertDrops(station, { [reason]: 1 }, provocation.act, provocation.strikes)
        else assertUntouched(alice, hub, () => assertDrops(station, { [reason]: 1 }, provocation.act))
      })
      assert.deepStrictEqual(Array.from(hub.counters.closes), closesBefore)
      for (const one of [hub, alice, bob]) assertLedger(one)
    })
  }
})

/** Nobody without the keys can do more than be counted: neither session moves, nothing is held, nothing is answered. */
const assertHarmless = (
  world: World,
  expected: { readonly [Reason in DropReason.DropReason]?: number },
  act: () => void
) => {
  const { alice, bob, hub, simulation } = world
  const sizes = tableSizes(hub)
  const mark = simulation.sent.length
  assertUntouched(bob, hub, () =>
    assertUntouched(alice, hub, () => {
      assertDrops(hub, expected, act)
      assert.deepStrictEqual(simulation.since(mark), [])
    }))
  assert.deepStrictEqual(tableSizes(hub), sizes)
}

describe("bytes from nobody", () => {
  it("a datagram of 0 to 15 bytes is Truncated, whatever its first bytes say", () => {
    const world = makeWorld()
    const whole = packet(idAtHub(world))
    assertHarmless(world, { Truncated: 16 }, () => {
      for (let length = 0; length < 16; length++) at(world, ALICE, whole.subarray(0, length))()
    })
  })

  it("a sealed packet without room for a tag is Truncated, not opened", () => {
    const world = makeWorld()
    assertHarmless(world, { Truncated: 48 }, () => {
      for (const type of [0, 1, 3]) {
        for (let length = 0; length < 16; length++) {
          at(world, ALICE, packet(idAtHub(world), { type }, new Uint8Array(length)))()
        }
      }
    })
  })

  it("a datagram longer than 2,048 bytes is Oversized, one of 2,048 is opened", () => {
    const world = makeWorld()
    assertHarmless(world, { Oversized: 4 }, () => {
      for (const length of [2049, 2050, 9000, 65_507]) {
        at(world, ALICE, packet(idAtHub(world), {}, new Uint8Array(length - 16)))()
      }
    })
    assertHarmless(world, { AuthFailed: 1 }, at(world, ALICE, packet(idAtHub(world), {}, new Uint8Array(2032))))
  })

  it("every version but 2 is a BadVersion, before anything else is looked at", () => {
    const world = makeWorld()
    assertHarmless(world, { BadVersion: 15 }, () => {
      for (let version = 0; version < 16; version++) {
        if (version !== 2) at(world, ALICE, packet(idAtHub(world), { version, type: 15, reserved: 1 }))()
      }
    })
  })

  it("types 4 to 15 are BadType", () => {
    const world = makeWorld()
    assertHarmless(world, { BadType: 12 }, () => {
      for (let type = 4; type < 16; type++) at(world, ALICE, packet(idAtHub(world), { type, reserved: 1 }))()
    })
  })

  it("the reserved bit and intent 3 are refused in every type", () => {
    const world = makeWorld()
    assertHarmless(world, { ReservedBit: 8 }, () => {
      for (let type = 0; type < 4; type++) {
        at(world, ALICE, packet(idAtHub(world), { type, reserved: 1 }))()
        at(world, ALICE, packet(idAtHub(world), { type, intent: 3 }))()
      }
    })
  })

  it("a payload_len that is not the datagram's own is a LengthMismatch in every type", () => {
    const world = makeWorld()
    assertHarmless(world, { LengthMismatch: 20 }, () => {
      for (let type = 0; type < 4; type++) {
        for (const payloadLength of [0, 31, 33, 48, 65_535]) {
          at(world, ALICE, packet(idAtHub(world), { type, payloadLength }))()
        }
      }
    })
  })

  it("epochs without a key are UnknownEpoch", () => {
    const world = makeWorld()
    assertHarmless(world, { UnknownEpoch: 3 }, () => {
      for (const epoch of [1, 2, 3]) at(world, ALICE, packet(idAtHub(world), { epoch }))()
    })
  })

  it("any bit of a sealed packet that is flipped on the way costs that packet and nothing else", () => {
    const world = makeWorld()
    const { alice, hub } = world
    for (let i = 0; i < 40; i++) assertDelivers(alice, hub)
    const genuine = intercept(hub, ALICE, () => alice.send(hub, "genuine", { priority: 5 }))
    const byBit = (bit: number): ReadonlyArray<DropReason.DropReason> => {
      if (bit < 4) return ["BadVersion"]
      if (bit < 6) return ["BadType"]
      if (bit === 6) return ["HandshakeMalformed"]
      if (bit === 15) return ["ReservedBit"]
      if (bit === 13 || bit === 14) return ["UnknownEpoch"]
      if (bit >= 16 && bit < 32) return ["LengthMismatch"]
      if (bit >= 32 && bit < 64) return ["UnknownConnection"]
      return bit >= 64 && bit < 96 ? ["AuthFailed", "Replayed"] : ["AuthFailed"]
    }
    const seen = new Set<string>()
    assertUntouched(world.bob, hub, () =>
      assertUntouched(alice, hub, () => {
        for (let bit = 0; bit < genuine.length * 8; bit++) {
          const dropped = Object.entries(dropsDuring(hub, at(world, ALICE, flipped(genuine, bit)), 1))
          assert.strictEqual(dropped.length, 1, `bit ${bit}`)
          assert.strictEqual(dropped[0][1], 1, `bit ${bit}`)
          assert.include(byBit(bit), dropped[0][0], `bit ${bit}`)
          seen.add(dropped[0][0])
        }
      }))
    assert.isTrue(seen.has("Replayed"))
    assert.strictEqual(hub.counters.strikes, 0)
    at(world, ALICE, genuine)()
    world.simulation.advance(10)
    assert.strictEqual(hub.inbox.filter((one) => one.text === "genuine").length, 1)
  })

  it("a packet cut short or made longer does not authenticate, with its payload_len put right", () => {
    const world = makeWorld()
    const { alice, hub } = world
    const genuine = intercept(hub, ALICE, () => alice.send(hub, "genuine"))
    const resized = (length: number): Uint8Array => {
      const out = new Uint8Array(length)
      out.set(genuine.subarray(0, length))
      new DataView(out.buffer).setUint16(2, length - 16)
      return out
    }
    const lengths = Array.from({ length: genuine.length + 40 - 32 }, (_, i) => 32 + i).filter((n) =>
      n !== genuine.length
    )
    assertHarmless(world, { AuthFailed: lengths.length }, () => {
      for (const length of lengths) at(world, ALICE, resized(length))()
    })
  })

  it("a sender's own packet sent back to it is dropped, even under its own conn_id", () => {
    const world = makeWorld()
    const { alice, hub, simulation } = world
    const mark = simulation.sent.length
    assertDelivers(alice, hub)
    for (const station of [alice, hub]) {
      const other = station === alice ? hub : alice
      for (const { bytes } of simulation.since(mark, station.address)) {
        const reflected = bytes.slice()
        new DataView(reflected.buffer).setUint32(4, other.sessionWith(station).remoteConnId)
        new DataView(reflected.buffer).setUint32(8, 5000)
        assertUntouched(alice, hub, () => {
          assertDrops(station, { UnknownConnection: 1 }, () => simulation.inject(other.address, station.address, bytes))
          assertDrops(station, { AuthFailed: 1 }, () => simulation.inject(other.address, station.address, reflected))
        })
      }
    }
  })

  it("every datagram of a session's life, replayed to both ends, delivers nothing and moves nothing", () => {
    const world = makeWorld()
    const { alice, bob, hub, simulation } = world
    for (let i = 0; i < 5; i++) assertDelivers(alice, hub)
    simulation.advance(200)
    const life = simulation.sent.filter(({ from, to }) => from === ALICE || to === ALICE)
    const delivered = [hub.inbox.length, alice.inbox.length]
    const sizes = tableSizes(hub)
    const sessions = () =>
      [alice, hub].map((one) => {
        const session = one.sessionWith(one === alice ? hub : alice)
        const { packetsSent: _sent, ...state } = sessionState(one, session)
        return state
      })
    const before = sessions()
    assertUntouched(bob, hub, () => {
      for (const station of [hub, alice]) {
        for (const { bytes, from } of life.filter(({ to }) => to === station.address)) {
          const expected = kindOf(bytes) === 0
            ? { Replayed: 1 }
            : kindOf(bytes) === ECHO
            ? { HandshakeRepeated: 1 }
            : kindOf(bytes) === CHALLENGE || kindOf(bytes) === MESSAGE_2
            ? { WrongState: 1 }
            : {}
          const mark = simulation.sent.length
          const moved = dropsDuring(station, () => simulation.inject(from, station.address, bytes), 1)
          assert.deepStrictEqual(moved, expected, `kind ${kindOf(bytes)}`)
          const back = simulation.since(mark, station.address).reduce((sum, one) => sum + one.bytes.length, 0)
          assert.isAtMost(back, bytes.length)
        }
      }
    })
    assert.deepStrictEqual([hub.inbox.length - 2, alice.inbox.length], delivered)
    assert.deepStrictEqual(tableSizes(hub), sizes)
    assert.strictEqual(hub.counters.strikes + alice.counters.strikes, 0)
    const after = sessions()
    after.forEach((state, i) => {
      assert.strictEqual(state.strikes, 0)
      assert.deepStrictEqual(state.address, before[i].address)
      assert.strictEqual(state.newestSequenced, before[i].newestSequenced)
    })
    assertDelivers(alice, hub)
  })

  const worldOfRandom = makeWorld({ clients: { sendQueue: 64 } })
  const outOfNothing = fc.uint8Array({ maxLength: 2100, size: "max" })
  const inShape = fc.record({
    type: fc.integer({ min: 0, max: 15 }),
    intent: fc.integer({ min: 0, max: 3 }),
    priority: fc.integer({ min: 0, max: 7 }),
    epoch: fc.constantFrom(0, 0, 0, 1, 2, 3),
    reserved: fc.constantFrom(0, 0, 0, 1),
    seq: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    ack: fc.integer({ min: 0, max: 2 ** 32 - 1 })
  })
  const connId = fc.constantFrom("alice", "bob", "none") as fc.Arbitrary<"alice" | "bob" | "none">
  const from = fc.constantFrom(ALICE, BOB, HUB, STRANGER, "10.9.9.9:1")

  it.prop(
    "random bytes, shaped or not, from anywhere, are dropped as datagrams, answered with nothing and hold nothing",
    [fc.array(fc.tuple(fc.boolean(), outOfNothing, inShape, connId, from), { minLength: 1, maxLength: 20 })],
    ([datagrams]) => {
      const { alice, bob, hub, simulation } = worldOfRandom
      const sizes = tableSizes(hub)
      const mark = simulation.sent.length
      assertUntouched(alice, hub, () => {
        const moved = dropsDuring(hub, () => {
          for (const [shaped, bytes, header, whose, source] of datagrams) {
            const id = whose === "alice"
              ? idAtHub(worldOfRandom)
              : whose === "bob"
              ? bob.sessionWith(hub).remoteConnId
              : 7
            simulation.inject(source, HUB, shaped ? packet(id, header, bytes.subarray(0, 2032)) : bytes)
          }
        })
        assert.strictEqual(Object.values(moved).reduce((sum, count) => sum + count, 0), datagrams.length)
        for (const reason of Object.keys(moved)) {
          assert.strictEqual(DropReason.level(reason as DropReason.DropReason), "datagram")
        }
        assert.deepStrictEqual(simulation.since(mark), [])
      })
      assert.deepStrictEqual(tableSizes(hub), sizes)
      assert.strictEqual(hub.counters.strikes, 0)
      simulation.advance(2000)
      assertDelivers(bob, hub)
      assert.isUndefined(alice.peerOf(hub).closeReason)
    },
    seeded(60)
  )
})

describe("packets that come in the wrong state", () => {
  it("sealed packets of every type and garbage for a half-open handshake are WrongState, and it completes", () => {
    const world = makeWorld()
    const one = stranger(world)
    const message3 = one.message3(one.open())
    assertHarmlessTo(world, () =>
      assertDrops(world.hub, { WrongState: 3 }, () => {
        for (const type of [0, 1, 3]) at(world, STRANGER, packet(message3.connId, { type }))()
      }))
    assertDrops(world.hub, {}, at(world, STRANGER, message3.bytes))
    assert.strictEqual(world.hub.counters.sessionsActive, 3)
  })

  it("challenges and messages 2 and 3 at an active session are WrongState", () => {
    const world = makeWorld()
    const { alice, hub, simulation } = world
    const mine = hub.sessionWith(alice).remoteConnId
    const datagrams: ReadonlyArray<readonly [Station, string, number, number]> = [
      [alice, HUB, CHALLENGE, mine],
      [alice, HUB, MESSAGE_2, mine],
      [alice, HUB, MESSAGE_3, mine],
      [hub, ALICE, CHALLENGE, idAtHub(world)],
      [hub, ALICE, MESSAGE_2, idAtHub(world)],
      [hub, ALICE, MESSAGE_3, idAtHub(world)]
    ]
    for (const [station, source, kind, id] of datagrams) {
      const bytes = encodeNoise(MESSAGE_3, id, new Uint8Array(90))
      bytes[16] = kind
      assertUntouched(
        alice,
        hub,
        () => assertDrops(station, { WrongState: 1 }, () => simulation.inject(source, station.address, bytes))
      )
    }
  })

  it("a message 3 that differs from the one that made the session changes nothing", () => {
    const world = makeWorld()
    const { alice, bob, hub, simulation } = world
    const genuine = simulation.sent.find(({ bytes, from }) => from === ALICE && kindOf(bytes) === MESSAGE_3)
    assert.isDefined(genuine)
    for (let bit = NOISE_MESSAGE * 8; bit < (NOISE_MESSAGE + 48) * 8; bit += 7) {
      assertDrops(hub, { WrongState: 1 }, at(world, ALICE, flipped(genuine.bytes, bit)))
    }
    assertDrops(hub, { WrongState: 1 }, at(world, STRANGER, genuine.bytes))
    assertUntouched(alice, hub, () => {})
    assertUntouched(bob, hub, () => {})
  })

  it("data for a closed session is WrongState and reopens nothing", () => {
    const world = makeWorld()
    const { alice, hub, simulation } = world
    const late = seal(alice.sessionWith(hub), realtime("late"))
    hub.hub.close(hub.sessionWith(alice), "LocalClosed")
    simulation.advance(500)
    const { length } = hub.inbox
    assertDrops(hub, { WrongState: 1 }, at(world, ALICE, late))
    assert.strictEqual(hub.inbox.length, length)
    assert.strictEqual(hub.counters.sessionsActive, 1)
    assertDelivers(world.bob, hub)
  })

  it("data for a session that its peer closed meets an unknown conn_id", () => {
    const world = makeWorld()
    const { alice, hub, simulation } = world
    const late = seal(alice.sessionWith(hub), realtime("late"))
    alice.hub.close(alice.sessionWith(hub), "LocalClosed")
    simulation.advance(500)
    assert.strictEqual(hub.counters.dropped("UnknownConnection"), 2, "the two repeats of CLOSE")
    assertDrops(hub, { UnknownConnection: 1 }, at(world, ALICE, late))
    assertDelivers(world.bob, hub)
  })

  it("handshake packets with anything in the fields that are zero are HandshakeMalformed", () => {
    const world = makeWorld()
    const one = stranger(world)
    const zeros = [1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 19]
    for (const offset of zeros) {
      const bytes = one.hello.slice()
      bytes[offset] = 0x10
      assertHarmless(world, { HandshakeMalformed: 1 }, at(world, STRANGER, bytes))
    }
    for (const offset of [8, 12, 17, 18, 19]) {
      const bytes = encodeNoise(MESSAGE_3, idAtHub(world), new Uint8Array(90))
      bytes[offset] = 1
      assertHarmless(world, { HandshakeMalformed: 1 }, at(world, ALICE, bytes))
    }
  })

  it("a hello or echo that is not exactly 1,200 bytes is HandshakeMalformed", () => {
    const world = makeWorld()
    const one = stranger(world)
    const echo = one.echo()
    for (const bytes of [one.hello, echo]) {
      for (const length of [21, 60, 1199, 1201, 2048]) {
        const out = new Uint8Array(length)
        out.set(bytes.subarray(0, length))
        new DataView(out.buffer).setUint16(2, length - 16)
        assertHarmless(world, { HandshakeMalformed: 1 }, at(world, STRANGER, out))
      }
    }
  })

  it("an echo whose Noise message does not end before mac1 is HandshakeMalformed", () => {
    const world = makeWorld()
    const echo = stranger(world).echo().slice()
    for (const length of [1127, 5000, 65_535]) {
      new DataView(echo.buffer).setUint16(56, length)
      assertHarmless(world, { HandshakeMalformed: 1 }, at(world, STRANGER, echo))
    }
  })

  it("any bit of a hello's fixed part or mac1 that is flipped ends it without an answer", () => {
    const world = makeWorld()
    const { hello } = stranger(world)
    const bits = Array.from({ length: 1200 * 8 }, (_, bit) => bit).filter((bit) => bit < 40 * 8 || bit >= 1184 * 8)
    const moved: { [reason: string]: number } = {}
    assertHarmlessTo(world, () => {
      const mark = world.simulation.sent.length
      for (const bit of bits) {
        for (const [reason, n] of Object.entries(dropsDuring(world.hub, at(world, STRANGER, flipped(hello, bit)), 1))) {
          moved[reason] = (moved[reason] ?? 0) + n
        }
      }
      assert.deepStrictEqual(world.simulation.since(mark), [])
    })
    assert.strictEqual(Object.values(moved).reduce((sum, n) => sum + n, 0), bits.length)
    assert.isAtLeast(moved.BadMac1, 16 * 8 + 20 * 8)
  })
})

/** Both sessions are as they were after `act`. */
const assertHarmlessTo = (world: World, act: () => void): void =>
  assertUntouched(world.bob, world.hub, () => assertUntouched(world.alice, world.hub, act))

const frame = (type: number, ...body: ReadonlyArray<number>): Uint8Array =>
  Frame.encodeAll([{ type, body: Uint8Array.from(body) }])

const joined = (...parts: ReadonlyArray<Uint8Array>): Uint8Array =>
  Uint8Array.from(parts.flatMap((one) => Array.from(one)))

/** As many messages as one packet carries. */
const MANY = Frame.encodeAll(Array.from({ length: 660 }, () => ({ type: Frame.REALTIME, body: bytesOf("") })))

describe("an authenticated peer that misbehaves", () => {
  const data = 0
  const ack = 1
  const control = 3
  const cases: ReadonlyArray<readonly [string, "MalformedFrame" | "ForbiddenFrame", number, Uint8Array]> = [
    ["nothing at all", "MalformedFrame", control, new Uint8Array(0)],
    ["half a frame header", "MalformedFrame", data, joined(realtime("x"), Uint8Array.of(1, 0))],
    ["a frame longer than the packet", "MalformedFrame", data, joined(realtime("x"), Uint8Array.of(1, 255, 255, 0))],
    ["an unknown frame longer than the packet", "MalformedFrame", control, Uint8Array.of(0xf7, 0, 1)],
    ["a Sequenced message without its number", "MalformedFrame", data, frame(Frame.SEQUENCED, 1, 2, 3)],
    ["a PING of 3 bytes", "MalformedFrame", control, frame(Frame.PING, 1, 2, 3)],
    ["a PING of 5 bytes", "MalformedFrame", control, frame(Frame.PING, 1, 2, 3, 4, 5)],
    ["a PONG of no bytes", "MalformedFrame", control, frame(Frame.PONG)],
    ["a PATH_CHALLENGE of 7 bytes", "MalformedFrame", control, frame(Frame.PATH_CHALLENGE, ...new Uint8Array(7))],
    ["a PATH_RESPONSE of 9 bytes", "MalformedFrame", control, frame(Frame.PATH_RESPONSE, ...new Uint8Array(9))],
    ["a REKEY of 1 byte", "MalformedFrame", control, frame(Frame.REKEY, 1)],
    [
      "a PATH_CHALLENGE beside a message",
      "ForbiddenFrame",
      data,
      joined(
        realtime("x"),
        frame(Frame.PATH_CHALLENGE, ...new Uint8Array(8))
      )
    ],
    ["a REKEY beside a message", "ForbiddenFrame", data, joined(realtime("x"), frame(Frame.REKEY, 1, 1))],
    ["a WAIT of 1 byte", "MalformedFrame", control, frame(Frame.WAIT, 0)],
    ["a WAIT beside a message", "ForbiddenFrame", data, joined(realtime("x"), frame(Frame.WAIT))],
    ["a WAIT in an ACK packet", "ForbiddenFrame", ack, frame(Frame.WAIT)],
    ["a CLOSE without a code", "MalformedFrame", control, frame(Frame.CLOSE)],
    ["a CLOSE of 66 bytes", "MalformedFrame", control, frame(Frame.CLOSE, ...new Uint8Array(66))],
    ["a CLOSE beside a message", "ForbiddenFrame", data, joined(realtime("x"), frame(Frame.CLOSE, 0))],
    ["a message in a control packet", "ForbiddenFrame", control, realtime("x")],
    ["a message in an ACK packet", "ForbiddenFrame", ack, sequenced(9, "x")],
    ["a data packet without a message", "ForbiddenFrame", data, frame(Frame.PING, 0, 0, 0, 1)]
  ]
  for (const [what, reason, type, plaintext] of cases) {
    it(`${what}: ${reason}, one strike, and nothing of the packet takes effect`, () => {
      const world = makeWorld()
      const { alice, bob, hub, simulation } = world
      const { length } = hub.inbox
      const mark = simulation.sent.length
      assertUntouched(
        bob,
        hub,
        () => assertDrops(hub, { [reason]: 1 }, at(world, ALICE, seal(alice.sessionWith(hub), plaintext, { type })), 1)
      )
      assert.strictEqual(hub.inbox.length, length + 2, "the bystander's two messages")
      assert.deepStrictEqual(simulation.since(mark, HUB, ALICE), [])
      assertDelivers(alice, hub)
    })
  }

  it("a header that acknowledges what was never sent is one strike, and its message is not delivered", () => {
    for (const number of [1, 2 ** 31, 2 ** 32 - 1]) {
      const world = makeWorld()
      const { alice, hub } = world
      const bytes = seal(alice.sessionWith(hub), realtime("x"), { ack: number })
      assertDrops(hub, { ForbiddenFrame: 1 }, at(world, ALICE, bytes), 1)
      assert.strictEqual(hub.inbox.length, 0)
      assertDelivers(alice, hub)
    }
  })

  it("frames of types without a meaning are skipped by their length", () => {
    const world = makeWorld()
    const { alice, hub } = world
    const known = new Set<unknown>(Object.values(Frame))
    const unknown = Array.from({ length: 256 }, (_, type) => type).filter((type) => !known.has(type))
    assert.isAbove(unknown.length, 200)
    const plaintext = joined(...unknown.map((type) => frame(type, type, type)), realtime("after all of them"))
    assertDrops(hub, {}, at(world, ALICE, seal(alice.sessionWith(hub), plaintext)))
    assert.deepStrictEqual(hub.inbox.map((one) => one.text), ["after all of them"])
  })

  const strike = (world: World): void =>
    at(world, ALICE, seal(world.alice.sessionWith(world.hub), new Uint8Array(0), { type: 3 }))()

  it("nine strikes within five seconds do not close a session", () => {
    const world = makeWorld()
    const { alice, hub } = world
    assertDrops(hub, { MalformedFrame: 9 }, () => {
      for (let i = 0; i < 9; i++) strike(world)
    }, 9)
    assertDelivers(alice, hub)
  })

  it("the tenth strike within five seconds closes it with ProtocolViolation, said in a sealed CLOSE", () => {
    const world = makeWorld()
    const { alice, bob, hub, simulation } = world
    const handle = alice.peerOf(hub)
    const session = hub.sessionWith(alice)
    const peer = hub.peerOf(alice)
    for (let i = 0; i < 10; i++) {
      assert.strictEqual(session.state, ACTIVE)
      strike(world)
      simulation.advance(555)
    }
    assert.strictEqual(session.state, CLOSED)
    assert.strictEqual(peer.closeReason, "ProtocolViolation")
    const last = alice.events[alice.events.length - 1]
    assert.isTrue(last._tag === "PeerClosed" && last.peer === handle && last.byPeer)
    assert.strictEqual(handle.closeReason, "ProtocolViolation")
    assert.strictEqual(hub.counters.closes[CloseReason.toCode("ProtocolViolation")], 1)
    assert.strictEqual(hub.counters.sessionsActive, 1)
    assertUntouched(bob, hub, () => {})
  })

  it("ten strikes over more than five seconds do not close a session", () => {
    const world = makeWorld()
    const { alice, hub, simulation } = world
    for (let i = 0; i < 40; i++) {
      strike(world)
      simulation.advance(556)
    }
    assert.strictEqual(hub.counters.strikes, 40)
    assertDelivers(alice, hub)
  })

  it("one peer's strikes are not another's", () => {
    const world = makeWorld()
    const { alice, bob, hub, simulation } = world
    for (let i = 0; i < 9; i++) {
      strike(world)
      at(world, BOB, seal(bob.sessionWith(hub), new Uint8Array(0), { type: 3 }))()
    }
    simulation.advance(20)
    assert.strictEqual(hub.counters.strikes, 18)
    assertDelivers(alice, hub)
    assertDelivers(bob, hub)
  })

  it("a peer above its rate is limited to it, not struck, and others are not limited", () => {
    const world = makeWorld({ hub: { packetsPerSecond: 100, burst: 50 } })
    const { alice, bob, hub, simulation } = world
    simulation.advance(1000)
    assertUntouched(bob, hub, () => {
      for (let i = 0; i < 1000; i++) {
        at(world, ALICE, seal(alice.sessionWith(hub), realtime("flood")))()
        simulation.advance(1)
      }
      assert.isAtMost(hub.inbox.length, 150)
      assert.isAtLeast(hub.inbox.length, 145)
      assert.strictEqual(hub.counters.dropped("RateLimited"), 1000 - hub.inbox.length)
    })
    assert.strictEqual(hub.counters.strikes, 0)
    simulation.advance(1000)
    assertDelivers(alice, hub)
  })

  it("packets of very many messages are limited by their messages: a token pays for 16", () => {
    const world = makeWorld({ hub: { packetsPerSecond: 100, burst: 50 } })
    const { alice, hub, simulation } = world
    simulation.advance(1000)
    for (let i = 0; i < 2000; i++) {
      at(world, ALICE, seal(alice.sessionWith(hub), MANY))()
      simulation.advance(1)
    }
    // 2 seconds are 250 tokens, and what the last packet owes
    assert.isAtMost(hub.inbox.length, 16 * 250 + 660)
    assert.isAtLeast(hub.inbox.length, 15 * 250 - 660)
    assert.strictEqual(hub.counters.strikes, 0)
    simulation.advance(1000)
    assertDelivers(alice, hub)
  })

  it("without a limit of packets there is none of messages", () => {
    const world = makeWorld({ hub: { packetsPerSecond: Infinity, burst: 1 } })
    const { alice, hub } = world
    for (let i = 0; i < 10; i++) assertDrops(hub, {}, at(world, ALICE, seal(alice.sessionWith(hub), MANY)))
    assert.strictEqual(hub.inbox.length, 6600)
  })

  it("a rate-limited packet is not marked as received: the same bytes are taken when there is a token again", () => {
    const world = makeWorld({ hub: { packetsPerSecond: 10, burst: 1 } })
    const { alice, hub, simulation } = world
    simulation.advance(1000)
    const bytes = seal(alice.sessionWith(hub), realtime("patience"))
    at(world, ALICE, seal(alice.sessionWith(hub), realtime("first")))()
    simulation.advance(1)
    assertDrops(hub, { RateLimited: 1 }, at(world, ALICE, bytes))
    simulation.advance(200)
    assertDrops(hub, {}, at(world, ALICE, bytes))
    assert.deepStrictEqual(hub.inbox.map((one) => one.text), ["first", "patience"])
  })
})
