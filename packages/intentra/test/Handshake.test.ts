import { assert, describe, it } from "@effect/vitest"
import { Entropy } from "@intentra/crypto"
import { Network, UdpSocket } from "@intentra/udp"
import type { NetworkShape } from "@intentra/udp"
import { Context, Effect, Exit, FastCheck as fc, Fiber, Layer, Logger, Scope } from "effect"
import { Authorizer } from "../src/Authorizer.js"
import type { AuthorizerShape } from "../src/Authorizer.js"
import * as CloseReason from "../src/CloseReason.js"
import { Intentra, layerConcerns } from "../src/Intentra.js"
import * as IntentraTest from "../src/IntentraTest.js"
import { ConnectionTable } from "../src/internal/connectionTable.js"
import { ACTIVE } from "../src/internal/session.js"
import { layerCrypto } from "./support/crypto.js"
import type { Attempt, Datagram, Station, World } from "./support/simulation.js"
import {
  ALICE,
  assertDelivers,
  assertDrops,
  assertLedger,
  assertUntouched,
  connected,
  dropsDuring,
  flipped,
  HUB,
  keyOf,
  makeWorld,
  publicKeyOf,
  realtime,
  seal,
  seeded,
  Simulation,
  STRANGER,
  tableSizes
} from "./support/simulation.js"
import {
  CHALLENGE,
  ECHO,
  encodeNoise,
  forgeChallenge,
  forgeMessage2,
  HELLO,
  kindOf,
  MESSAGE_2,
  MESSAGE_3,
  NOISE_MESSAGE,
  Stranger
} from "./support/stranger.js"

const CAROL = "10.0.0.4:9000"

const carolIn = (world: World): Station => world.simulation.station("10.0.0.4", 4)

const strangerIn = (world: World, connId = 0x51a46e, address = STRANGER): Stranger =>
  new Stranger(world.simulation, address, world.hub, world.simulation.handshake(40), { connId })

/** Connects, and calls back for everything that is sent from then on, as soon as it is sent. */
const connectWatched = (from: Station, to: Station, millis: number, on: (datagram: Datagram) => void): Attempt => {
  const { simulation } = from
  let mark = simulation.sent.length
  const attempt = from.connect(to)
  for (let i = 0; i < millis; i++) {
    for (; mark < simulation.sent.length; mark++) on(simulation.sent[mark])
    simulation.advance(1)
  }
  return attempt
}

const kindsOf = (datagrams: ReadonlyArray<Datagram>) =>
  datagrams.map(({ bytes }) => kindOf(bytes)).filter((kind) => kind > 0)

/** One session on each side, and it carries messages. */
const assertOneSession = (a: Station, b: Station): void => {
  const alive = (station: Station, other: Station) =>
    Array.from(station.core.table.values()).filter((endpoint) =>
      endpoint.state === ACTIVE && station.sessionWith(other) === endpoint
    ).length
  assert.strictEqual(alive(a, b), 1)
  assert.strictEqual(alive(b, a), 1)
  assert.strictEqual(a.sessionWith(b).remoteConnId, b.sessionWith(a).connId)
  assert.strictEqual(b.sessionWith(a).remoteConnId, a.sessionWith(b).connId)
  assertDelivers(a, b)
}

describe("a handshake", () => {
  it("has five messages, and no answer is larger than what asked for it", () => {
    const world = makeWorld()
    const mark = world.simulation.sent.length
    const carol = carolIn(world)
    connected(carol, world.hub)
    const messages = world.simulation.since(mark).filter(({ bytes }) => kindOf(bytes) > 0)
    assert.deepStrictEqual(kindsOf(messages), [HELLO, CHALLENGE, ECHO, MESSAGE_2, MESSAGE_3])
    const [hello, challenge, echo, message2] = messages.map(({ bytes }) => bytes.length)
    assert.deepStrictEqual([hello, echo], [1200, 1200])
    assert.isAtMost(challenge, hello)
    assert.isAtMost(message2, echo)
    assertOneSession(carol, world.hub)
    for (const station of [carol, world.hub]) assertLedger(station)
  })

  for (
    const [name, lost] of [
      ["hello", HELLO],
      ["challenge", CHALLENGE],
      ["echo", ECHO],
      ["message 2", MESSAGE_2],
      ["message 3", MESSAGE_3],
      ["the first sealed packet", 0]
    ] as const
  ) {
    for (const times of [1, 3]) {
      it(`completes when ${name} is lost ${times === 1 ? "once" : `${times} times`}`, () => {
        const world = makeWorld()
        const { hub } = world
        const carol = carolIn(world)
        let left = times
        const lose = ({ bytes, from, to }: Datagram): boolean => {
          const ours = from === CAROL || to === CAROL
          return !ours || kindOf(bytes) !== lost || left-- <= 0
        }
        hub.wants = lose
        carol.wants = lose
        const attempt = carol.connect(hub)
        world.simulation.advance(5000)
        assert.isDefined(attempt.peer)
        assert.isAtMost(left, 0)
        if (times === 1) assert.isAtMost(attempt.at, 700)
        assertOneSession(carol, hub)
        assertUntouched(world.bob, hub, () => {})
      })
    }
  }

  it("completes under 30 % loss within its five seconds nearly always", () => {
    let completed = 0
    const runs = 60
    for (let seed = 0; seed < runs; seed++) {
      const simulation = new Simulation({ loss: 0.3, latency: 20 }, seed)
      const hub = simulation.station("10.0.0.1", 1, { allow: "any" })
      const carol = simulation.station("10.0.0.4", 4)
      const attempt = carol.connect(hub)
      simulation.advance(5001)
      assert.notStrictEqual(attempt.at, -1)
      assert.isAtMost(attempt.at, 5000)
      if (attempt.peer !== undefined) completed++
      for (const station of [hub, carol]) assertLedger(station)
    }
    assert.isAtLeast(completed / runs, 0.8)
  })

  it.prop(
    "gives one session however its messages are doubled, delayed and reordered",
    [fc.integer({ min: 0, max: 1e6 }), fc.integer({ min: 0, max: 80 })],
    ([seed, jitter]) => {
      const simulation = new Simulation({ duplicate: 0.7, reorder: 0.3, latency: 40, jitter, reorderDelay: 60 }, seed)
      const hub = simulation.station("10.0.0.1", 1, { allow: "any" })
      const carol = simulation.station("10.0.0.4", 4)
      const attempt = carol.connect(hub)
      simulation.advance(6000)
      assert.isDefined(attempt.peer)
      assert.strictEqual(hub.counters.handshakes, 1)
      assert.strictEqual(carol.counters.handshakes, 1)
      for (const station of [hub, carol]) {
        assertLedger(station)
        assert.deepInclude(tableSizes(station), { connections: 1, identities: 1, addresses: 1, timers: 1, inFlight: 0 })
      }
      simulation.network.unsafeConfigure({ duplicate: 0, reorder: 0, jitter: 0 })
      assertDelivers(carol, hub)
    },
    seeded(30)
  )

  it("with nobody fails HandshakeTimeout after five seconds, names the address and leaves nothing", () => {
    const simulation = new Simulation()
    const carol = simulation.station("10.0.0.4", 4)
    const attempt = carol.connect("10.0.0.77:1234", publicKeyOf(1))
    simulation.advance(4999)
    assert.strictEqual(attempt.at, -1)
    simulation.advance(1)
    assert.strictEqual(attempt.error?.reason, "HandshakeTimeout")
    assert.strictEqual(attempt.at, 5000)
    assert.include(attempt.error?.message, "10.0.0.77:1234")
    assert.deepInclude(tableSizes(carol), { connections: 0, addresses: 0, timers: 0 })
  })

  it("given up by its caller leaves nothing here, and nothing there after five seconds", () => {
    for (let after = 0; after <= 40; after++) {
      const world = makeWorld()
      const { hub, simulation } = world
      const carol = carolIn(world)
      const before = tableSizes(hub)
      const attempt = carol.connect(hub)
      simulation.advance(after)
      attempt.cancel()
      simulation.advance(40_000)
      assert.deepInclude(tableSizes(carol), { connections: 0, identities: 0, addresses: 0, timers: 0 }, `${after} ms`)
      assert.deepStrictEqual({ ...tableSizes(hub), remembered: 0 }, { ...before, remembered: 0 }, `${after} ms`)
    }
  })
})

describe("forged handshake messages", () => {
  it("any number of forged challenges that arrive before and after the genuine one draw nothing and end nothing", () => {
    for (const forgeries of [1, 3, 100]) {
      const world = makeWorld()
      const { hub, simulation } = world
      const carol = carolIn(world)
      const attempt = connectWatched(carol, hub, 3000, ({ bytes, from }) => {
        if (from !== CAROL || kindOf(bytes) !== HELLO) return
        for (let i = 0; i < forgeries; i++) {
          simulation.inject(HUB, CAROL, forgeChallenge(bytes, i + 1))
          simulation.inject(HUB, CAROL, forgeChallenge(bytes, i + 101), 11)
        }
      })
      assert.isDefined(attempt.peer, `${forgeries} forged`)
      assert.isAtLeast(carol.counters.dropped("HandshakeForged"), forgeries)
      assertOneSession(carol, hub)
    }
  })

  it("a flood of challenges forged by somebody who knows the hub's public key, that stops, does not end the handshake", () => {
    const world = makeWorld()
    const { hub, simulation } = world
    const carol = carolIn(world)
    const mac = carol.handshake.mac1(hub.publicKey)
    const attempt = connectWatched(carol, hub, 5000, ({ at, bytes, from }) => {
      if (from !== CAROL || kindOf(bytes) !== HELLO || at > 1000) return
      for (let i = 0; i < 100; i++) simulation.inject(HUB, CAROL, forgeChallenge(bytes, i + 1, mac), i / 5)
    })
    assert.isDefined(attempt.peer)
    assert.isAtMost(simulation.since(0, CAROL).length, 150, "echoes for forged challenges are bounded")
    assertOneSession(carol, hub)
  })

  it("a challenge with another nonce is HandshakeForged, one from another address HandshakeUnexpected", () => {
    const world = makeWorld()
    const { hub, simulation } = world
    const carol = carolIn(world)
    const attempt = connectWatched(carol, hub, 1000, ({ bytes, from }) => {
      if (from !== CAROL || kindOf(bytes) !== HELLO) return
      const challenge = forgeChallenge(bytes, 9, carol.handshake.mac1(hub.publicKey))
      assertDrops(carol, { HandshakeForged: 1 }, () => simulation.inject(HUB, CAROL, flipped(challenge, 20 * 8)))
      assertDrops(carol, { HandshakeUnexpected: 1 }, () => simulation.inject(STRANGER, CAROL, challenge))
      assertDrops(carol, { HandshakeMalformed: 1 }, () => {
        const longer = new Uint8Array(challenge.length + 1)
        longer.set(challenge)
        longer[3]++
        simulation.inject(HUB, CAROL, longer)
      })
    })
    assert.isDefined(attempt.peer)
    assertOneSession(carol, hub)
  })

  it("a forged message 2, of garbage or of another static key, before or after the genuine one, is counted and no more", () => {
    const world = makeWorld()
    const { hub, simulation } = world
    const carol = carolIn(world)
    const evil = simulation.handshake(66)
    const start = simulation.network.now
    let genuine = 0
    const attempt = connectWatched(carol, hub, 1000, ({ bytes, from, to }) => {
      if (from === CAROL && kindOf(bytes) === ECHO) {
        const forged = forgeMessage2(bytes, evil)
        assertDrops(carol, { HandshakeForged: 3 }, () => {
          simulation.inject(HUB, CAROL, forged)
          simulation.inject(HUB, CAROL, flipped(forged, 8 * 25))
          simulation.inject(HUB, CAROL, encodeNoise(MESSAGE_2, carolId(bytes), new Uint8Array(120).fill(7)))
        })
        assertDrops(carol, { HandshakeUnexpected: 1 }, () => simulation.inject(STRANGER, CAROL, forged))
      }
      if (to === CAROL && kindOf(bytes) === MESSAGE_2) {
        genuine++
        const late = simulation.sent.find((one) => one.from === CAROL && kindOf(one.bytes) === ECHO)
        if (late !== undefined) simulation.inject(HUB, CAROL, forgeMessage2(late.bytes, evil), 5.5)
      }
    })
    assert.strictEqual(genuine, 1)
    assert.isAtMost(attempt.at - start, 60)
    assert.deepStrictEqual(attempt.peer?.publicKey, hub.publicKey)
    assertOneSession(carol, hub)
  })

  it("a genuine message 2 with any bit flipped is counted, and the genuine one still completes the handshake", () => {
    const world = makeWorld()
    const { hub, simulation } = world
    const carol = carolIn(world)
    let held: Uint8Array = new Uint8Array(0)
    carol.wants = ({ bytes }) => {
      if (kindOf(bytes) !== MESSAGE_2 || (held.length > 0 && Buffer.compare(bytes, held) !== 0)) return true
      held = bytes
      return false
    }
    const attempt = carol.connect(hub)
    simulation.advance(30)
    assert.isAbove(held.length, NOISE_MESSAGE + 32)
    for (let bit = NOISE_MESSAGE * 8; bit < held.length * 8; bit += 5) {
      assertDrops(carol, { HandshakeForged: 1 }, () => simulation.inject(HUB, CAROL, flipped(held, bit)))
    }
    carol.wants = () => true
    simulation.inject(HUB, CAROL, held)
    simulation.advance(30)
    assert.isDefined(attempt.peer)
    assertOneSession(carol, hub)
  })

  it("a forged message 3 does not end a half-open handshake, from its own address or another", () => {
    const world = makeWorld()
    const { hub } = world
    const one = strangerIn(world)
    const { bytes } = one.message3(one.open())
    for (let bit = NOISE_MESSAGE * 8; bit < bytes.length * 8; bit += 5) {
      assertDrops(hub, { HandshakeForged: 1 }, () => one.say(flipped(bytes, bit)))
    }
    assertDrops(hub, { HandshakeUnexpected: 1 }, () => one.say(bytes, "10.9.9.9:4243"))
    assertDrops(hub, {}, () => one.say(bytes))
    assert.strictEqual(hub.counters.sessionsActive, 3)
  })

  it("low-order ephemeral keys in an echo are HandshakeForged, and hold no slot", () => {
    const world = makeWorld()
    const { hub, simulation } = world
    const points = [new Uint8Array(32), Uint8Array.from([1, ...new Uint8Array(31)])]
    points.forEach((message1, i) => {
      const one = new Stranger(simulation, STRANGER, hub, simulation.handshake(40), { connId: 10 + i, message1 })
      const echo = one.echo()
      const before = tableSizes(hub)
      assertDrops(hub, { HandshakeForged: 1 }, () => assert.deepStrictEqual(one.say(echo), []))
      assert.deepStrictEqual(tableSizes(hub), before)
    })
  })

  it("a message 1 of any other length than 32 is HandshakeForged or accepted, never more", () => {
    const world = makeWorld()
    const { hub, simulation } = world
    for (const length of [0, 1, 31]) {
      const one = new Stranger(simulation, STRANGER, hub, simulation.handshake(40), {
        connId: 100 + length,
        message1: new Uint8Array(length).fill(5)
      })
      const echo = one.echo()
      assertDrops(hub, { HandshakeForged: 1 }, () => one.say(echo))
    }
    assertDelivers(world.alice, hub)
  })

  it("transport parameters that cannot be read end the handshake as HandshakeMalformed", () => {
    for (
      const payload of [Uint8Array.of(1), Uint8Array.of(1, 200, 0), Uint8Array.of(2, 2, 0, 100), Uint8Array.of(1, 1, 7)]
    ) {
      const world = makeWorld()
      const one = strangerIn(world)
      const message2 = one.open()
      const { bytes } = one.message3(message2, payload)
      assertDrops(world.hub, { HandshakeMalformed: 1 }, () => one.say(bytes))
      assert.strictEqual(tableSizes(world.hub).inFlight, 0)
      assertUntouched(world.bob, world.hub, () => {})
    }
  })
})

const carolId = (echo: Uint8Array): number => new DataView(echo.buffer).getUint32(20)

describe("the cookie", () => {
  it("is refused from another port and another host, with any bit flipped, and for another hello", () => {
    const world = makeWorld()
    const { hub } = world
    const one = strangerIn(world)
    const cookie = one.cookie()
    const before = tableSizes(hub)
    for (const address of ["10.9.9.9:4243", "10.9.9.8:4242"]) {
      assertDrops(hub, { BadCookie: 1 }, () => one.say(one.echo(cookie), address))
    }
    for (let bit = 0; bit < 128; bit++) {
      assertDrops(hub, { BadCookie: 1 }, () => one.say(one.echo(flipped(cookie, bit))))
    }
    const other = strangerIn(world, 5)
    assertDrops(hub, { BadCookie: 1 }, () => other.say(other.echo(cookie)))
    assert.deepStrictEqual(tableSizes(hub), before)
    assertDrops(hub, {}, () => one.say(one.echo(cookie)))
    assert.strictEqual(tableSizes(hub).inFlight, before.inFlight + 1)
  })

  it("is good for five seconds at least and ten at most", () => {
    for (const [age, isGood] of [[0, true], [5000, true], [10_000, false], [60_000, false]] as const) {
      const world = makeWorld()
      const one = strangerIn(world)
      const cookie = one.cookie()
      world.simulation.advance(age)
      assertDrops(world.hub, isGood ? {} : { BadCookie: 1 }, () => one.say(one.echo(cookie)))
    }
  })

  it("spent once begins nothing again as long as it would be good", () => {
    const world = makeWorld()
    const { hub, simulation } = world
    const one = strangerIn(world)
    const echo = one.echo()
    const [message2] = one.say(echo)
    one.say(one.message3(message2.bytes).bytes)
    const { handshakes } = hub.counters
    for (let i = 0; i < 24; i++) {
      simulation.advance(500)
      const moved = dropsDuring(hub, () => assert.deepStrictEqual(one.say(echo), []))
      assert.include(["HandshakeRepeated", "BadCookie"], Object.keys(moved).join())
      assert.strictEqual(tableSizes(hub).inFlight, 0)
    }
    assert.strictEqual(hub.counters.handshakes, handshakes)
  })

  it("repeated while its handshake waits gets the stored message 2, byte for byte, once for each echo", () => {
    const world = makeWorld()
    const { hub } = world
    const one = strangerIn(world)
    const echo = one.echo()
    const [first] = one.say(echo)
    const before = tableSizes(hub)
    for (let i = 0; i < 20; i++) {
      const back = one.say(echo)
      assert.strictEqual(back.length, 1)
      assert.deepStrictEqual(back[0].bytes, first.bytes)
    }
    assert.deepStrictEqual(tableSizes(hub), before)
    assertDrops(hub, {}, () => one.say(one.message3(first.bytes).bytes))
    assert.strictEqual(hub.counters.sessionsActive, 3)
  })
})

describe("a half-open handshake", () => {
  it("is forgotten after five seconds, with all that it held", () => {
    const world = makeWorld()
    const { hub, simulation } = world
    const before = tableSizes(hub)
    for (let i = 0; i < 20; i++) strangerIn(world, 100 + i).open()
    assert.deepInclude(tableSizes(hub), {
      inFlight: before.inFlight + 20,
      connections: before.connections + 20,
      timers: before.timers + 20
    })
    simulation.advance(5000)
    simulation.advance(15_000)
    const late = strangerIn(world, 999)
    late.open()
    simulation.advance(5001)
    assert.deepStrictEqual({ ...tableSizes(hub), remembered: 0 }, { ...before, remembered: 0 })
    assert.isAtMost(tableSizes(hub).remembered, 1)
    assertDelivers(world.alice, hub)
  })

  it("finished or forgotten ones are remembered in a bounded number", () => {
    const world = makeWorld()
    const { hub, simulation } = world
    const { memory } = hub.hub.protocol.responder
    for (let i = 0; i < 5000; i++) memory.finish(simulation.network.now, `one of many ${i}`)
    assert.strictEqual(tableSizes(hub).remembered, 1024)
    const echo = strangerIn(world).echo()
    strangerIn(world).say(echo)
    simulation.advance(5001)
    assert.strictEqual(tableSizes(hub).inFlight, 0)
    assert.isAtMost(tableSizes(hub).remembered, 1024)
    assertDrops(hub, { HandshakeRepeated: 1 }, () => strangerIn(world).say(echo))
  })

  it("that is evicted by a flood leaves nothing, and its initiator gets in by the next repeat", () => {
    const world = makeWorld({ hub: { gate: { inFlight: 8, perSource: 8, sourceRate: Infinity, sourceBurst: 100 } } })
    const { hub } = world
    const before = tableSizes(hub)
    for (let i = 0; i < 40; i++) {
      const one = strangerIn(world, 100 + i, `10.9.${i}.9:4242`)
      one.open()
    }
    assert.strictEqual(hub.counters.handshakesEvicted, 32)
    assert.deepInclude(tableSizes(hub), {
      inFlight: 8,
      connections: before.connections + 8,
      addresses: before.addresses + 8,
      timers: before.timers + 8
    })
    const carol = carolIn(world)
    connected(carol, hub)
    assertOneSession(carol, hub)
  })
})

describe("who gets in", () => {
  it("a key that is not on the list is refused at once, and told why", () => {
    const simulation = new Simulation()
    const hub = simulation.station("10.0.0.1", 1, { allow: [publicKeyOf(2)] })
    const alice = simulation.station("10.0.0.2", 2)
    const carol = simulation.station("10.0.0.4", 4)
    connected(alice, hub)
    assertUntouched(alice, hub, () => {
      const start = simulation.network.now
      const attempt = carol.connect(hub)
      simulation.advance(2000)
      assert.strictEqual(attempt.error?.reason, "Refused")
      assert.strictEqual(attempt.error?.closeReason, "AuthFail")
      assert.include(attempt.error?.message, "10.0.0.1:9000")
      assert.isAtMost(attempt.at - start, 50)
      assert.deepInclude(tableSizes(carol), { connections: 0, identities: 0, addresses: 0, timers: 0 })
    })
    assert.strictEqual(hub.counters.dropped("Unauthorized"), 1)
    assert.strictEqual(hub.counters.sessionsActive, 1)
    assert.deepStrictEqual(hub.events.filter((event) => event._tag !== "PeerConnected"), [])
    simulation.advance(31_000)
    assert.deepInclude(tableSizes(hub), { connections: 1, addresses: 1, timers: 1, inFlight: 0 })
  })

  it("our own key, held by somebody else, is refused", () => {
    const simulation = new Simulation()
    const hub = simulation.station("10.0.0.1", 1, { allow: "any" })
    const twin = simulation.station("10.0.0.4", 1)
    const attempt = twin.connect(hub)
    simulation.advance(5000)
    assert.isDefined(attempt.error)
    assert.strictEqual(hub.counters.dropped("Unauthorized"), 1)
    assert.strictEqual(hub.counters.sessionsActive, 0)
  })

  it("a hub whose key is not the pinned one gets no message 3, and stays silent when it sees the wrong mac1", () => {
    const world = makeWorld()
    const { hub, simulation } = world
    const carol = carolIn(world)
    const mark = simulation.sent.length
    const attempt = carol.connect(hub, publicKeyOf(99))
    const before = tableSizes(hub)
    simulation.advance(5000)
    assert.strictEqual(attempt.error?.reason, "HandshakeTimeout")
    assert.deepStrictEqual(new Set(kindsOf(simulation.since(mark, CAROL))), new Set([HELLO]))
    assert.deepStrictEqual(simulation.since(mark, HUB, CAROL), [])
    assert.deepStrictEqual(tableSizes(hub), before)
  })

  it("an answer under another key than the pinned one fails WrongKey, and no message 3 is ever written", () => {
    const simulation = new Simulation()
    const hub = simulation.station("10.0.0.1", 1, { allow: "any", psk: keyOf(50) })
    const carol = simulation.station("10.0.0.4", 4, { psk: keyOf(50) })
    const attempt = carol.connect(hub, publicKeyOf(99))
    simulation.advance(5000)
    assert.strictEqual(attempt.error?.reason, "WrongKey")
    assert.isFalse(kindsOf(simulation.sent).includes(MESSAGE_3))
    assert.isTrue(kindsOf(simulation.sent).includes(MESSAGE_2))
    assert.strictEqual(hub.counters.sessionsActive, 0)
  })

  it("whoever pins no key gets no further than its own authorizer lets it", () => {
    for (const allow of [[], [publicKeyOf(1)]]) {
      const simulation = new Simulation()
      const hub = simulation.station("10.0.0.1", 1, { allow: "any" })
      const carol = simulation.station("10.0.0.4", 4, { allow })
      const attempt = carol.connect(HUB)
      simulation.advance(5000)
      if (allow.length === 1) {
        assert.deepStrictEqual(attempt.peer?.publicKey, hub.publicKey)
      } else {
        assert.strictEqual(attempt.error?.reason, "WrongKey")
        assert.isFalse(kindsOf(simulation.sent).includes(MESSAGE_3))
      }
    }
  })

  for (const [who, psk] of [["without the network PSK", undefined], ["with another PSK", 51]] as const) {
    it(`a stranger ${who} meets total silence, whatever it says`, () => {
      const simulation = new Simulation()
      const hub = simulation.station("10.0.0.1", 1, { allow: "any", psk: keyOf(50) })
      const alice = simulation.station("10.0.0.2", 2, { psk: keyOf(50) })
      connected(alice, hub)
      const carol = simulation.station("10.0.0.4", 4, psk === undefined ? {} : { psk: keyOf(psk) })
      const mark = simulation.sent.length
      const before = tableSizes(hub)
      assertUntouched(alice, hub, () => {
        const attempt = carol.connect(hub)
        for (const pinned of [true, false]) {
          const one = new Stranger(simulation, STRANGER, hub, simulation.handshake(40, psk), { pinned })
          one.say(one.hello)
          one.say(one.echo(new Uint8Array(16)))
        }
        simulation.advance(5000)
        assert.strictEqual(attempt.error?.reason, "HandshakeTimeout")
        assert.deepStrictEqual(simulation.since(mark, HUB), [])
      })
      assert.deepStrictEqual(tableSizes(hub), before)
    })
  }

  it("members of the network PSK find each other", () => {
    const simulation = new Simulation()
    const hub = simulation.station("10.0.0.1", 1, { allow: "any", psk: keyOf(50) })
    const carol = simulation.station("10.0.0.4", 4, { psk: keyOf(50) })
    connected(carol, hub)
    assertOneSession(carol, hub)
  })

  it("a full table refuses newcomers with LimitExceeded and lets known identities come again", () => {
    const simulation = new Simulation()
    const hub = simulation.station("10.0.0.1", 1, { allow: "any", maxSessions: 2 })
    const [alice, bob, carol] = [2, 3, 4].map((n) => simulation.station(`10.0.0.${n}`, n))
    connected(alice, hub)
    connected(bob, hub)
    assertUntouched(bob, hub, () => {
      const refused = carol.connect(hub)
      simulation.advance(500)
      assert.strictEqual(refused.error?.reason, "Refused")
      assert.strictEqual(refused.error?.closeReason, "LimitExceeded")
      connected(alice, hub)
    })
    assertOneSession(alice, hub)
    assert.strictEqual(hub.counters.sessionsActive, 2)
    alice.hub.close(alice.sessionWith(hub), "LocalClosed")
    simulation.advance(500)
    connected(carol, hub)
    assertOneSession(carol, hub)
  })
})

describe("sessions of one identity", () => {
  it("a client that crashed and comes again replaces its old session, and only that", () => {
    const world = makeWorld()
    const { alice, bob, hub, simulation } = world
    const old = hub.peerOf(alice)
    const late = seal(alice.sessionWith(hub), realtime("from the old session"))
    alice.crash()
    const again = simulation.station("10.0.0.2", 2)
    const { length } = hub.inbox
    connected(again, hub)
    assert.strictEqual(old.closeReason, "Replaced")
    assertOneSession(again, hub)
    assert.strictEqual(hub.counters.sessionsActive, 2)
    assertDrops(hub, { WrongState: 1 }, () => simulation.inject(ALICE, HUB, late))
    assert.strictEqual(hub.inbox.length, length + 2)
    assertUntouched(bob, hub, () => {})
  })

  it("a stranger's half-open handshake does not replace a session, nor does one that ends unproven", () => {
    const world = makeWorld()
    const { alice, hub, simulation } = world
    assertUntouched(alice, hub, () => {
      const thief = new Stranger(simulation, ALICE, hub, simulation.handshake(40))
      const { bytes } = thief.message3(thief.open())
      for (let i = 0; i < 50; i++) assertDrops(hub, { HandshakeForged: 1 }, () => thief.say(flipped(bytes, 200 + i)))
      simulation.advance(5000)
    })
  })

  it("connecting twice to the same hub ends with the newer session, on both sides", () => {
    const world = makeWorld()
    const { alice, bob, hub } = world
    const first = alice.peerOf(hub)
    const second = connected(alice, hub)
    assert.strictEqual(first.closeReason, "Replaced")
    assert.isUndefined(second.closeReason)
    assert.strictEqual(alice.peerOf(hub), second)
    assertOneSession(alice, hub)
    assertUntouched(bob, hub, () => {})
  })

  for (const [here, there] of [[1, 2], [2, 1]] as const) {
    it(`two ends that connect to each other end with one session, whoever is first (keys ${here} and ${there})`, () => {
      for (let offset = 0; offset <= 64; offset += offset < 24 ? 1 : 4) {
        const simulation = new Simulation()
        const a = simulation.station("10.0.0.1", here, { allow: "any" })
        const b = simulation.station("10.0.0.2", there, { allow: "any" })
        const fromA = a.connect(b)
        simulation.advance(offset)
        const fromB = b.connect(a)
        simulation.advance(6000)
        assert.isDefined(fromA.peer, `${offset} ms`)
        assert.isDefined(fromB.peer, `${offset} ms`)
        assert.strictEqual(fromB.peer, b.peerOf(a), `${offset} ms`)
        assert.strictEqual(a.counters.sessionsActive, 1)
        assert.strictEqual(b.counters.sessionsActive, 1)
        assertOneSession(a, b)
        for (const station of [a, b]) assertLedger(station)
      }
    })
  }

  it("conn_ids are unique, never zero, and not drawn again while they rest", () => {
    const draws = [0, 7, 7, 0, 7, 8, 7, 9]
    let next = 0
    const table = new ConnectionTable(() => draws[next++], 180_000)
    const endpoint = (connId: number) => ({ connId, state: ACTIVE, addressId: 1, timerAt: 0, timerIndex: -1 })
    assert.strictEqual(table.newId(0), 7)
    table.set(endpoint(7))
    assert.strictEqual(table.newId(0), 8)
    table.rest(1000, 7)
    assert.strictEqual(table.newId(180_999), 9)
    draws.push(7)
    assert.strictEqual(table.newId(181_000), 7)
  })

  it("the conn_id of a session that ended is not given to another for 180 seconds", () => {
    const world = makeWorld()
    const { alice, hub, simulation } = world
    const { connId } = hub.sessionWith(alice)
    alice.hub.close(alice.sessionWith(hub), "LocalClosed")
    simulation.advance(1000)
    const draws = [connId, connId, 4711]
    const table = hub.core.table as unknown as { draw: () => number }
    table.draw = () => draws.shift() ?? 1
    assert.strictEqual(hub.core.table.newId(simulation.network.now + 178_000), 4711)
    draws.unshift(connId)
    assert.strictEqual(hub.core.table.newId(simulation.network.now + 180_000), connId)
  })
})

/** A hub whose authorizer is the given one, as a program would have it. */
const makeHub = (network: NetworkShape, authorize: AuthorizerShape["authorize"]) => {
  const primitives = Layer.merge(layerCrypto, Entropy.layerSeeded("hub"))
  const layer = Intentra.layerCore().pipe(
    Layer.provide(Authorizer.layerWith(authorize)),
    Layer.provide(layerConcerns({ key: keyOf(1) })),
    Layer.provide(UdpSocket.layerSimulated({ host: "10.0.0.1", port: 9000 })),
    Layer.provide(primitives),
    Layer.provide(Logger.replace(Logger.defaultLogger, Logger.none)),
    Layer.provide(Network.layerOf(network))
  )
  return Effect.map(Layer.build(layer), (context) => Context.get(context, Intentra))
}

/** What a connect to that hub ends with, and when. */
const outcomeOf = (authorize: AuthorizerShape["authorize"], advance: number) =>
  Effect.gen(function*() {
    const network = yield* Network.make({ seed: 1, latency: 5 })
    const hub = yield* makeHub(network, authorize)
    const client = yield* IntentraTest.make(network, { host: "10.0.0.2", key: keyOf(2) })
    let at = -1
    const fiber = yield* client.connect({ host: "10.0.0.1", port: 9000, publicKey: hub.publicKey }).pipe(
      Effect.ensuring(Effect.sync(() => {
        at = network.now
      })),
      Effect.fork
    )
    yield* network.advance(advance)
    const exit = yield* Effect.flatten(fiber.poll)
    yield* network.advance(10_000)
    const { counters } = hub
    let accounted = counters.undecided
    counters.accepted.forEach((count) => (accounted += count))
    for (const count of Object.values(counters.dropsByReason())) accounted += count
    assert.strictEqual(accounted, counters.received)
    return { hub, exit, at }
  })

describe("an authorizer that answers with an Effect", () => {
  it.scoped("admits later: the handshake waits for the verdict, and message 3 is not accounted before", () =>
    Effect.gen(function*() {
      let asked = 0
      const { at, exit, hub } = yield* outcomeOf(() => {
        asked++
        return Effect.delay(Effect.succeed(true), "2 seconds")
      }, 4000)
      assert.isTrue(Exit.isSuccess(exit))
      assert.strictEqual(asked, 1)
      assert.isAtLeast(at, 2000)
      assert.isAtMost(at, 2100)
      assert.strictEqual(hub.counters.sessionsActive, 1)
      assert.strictEqual(hub.counters.undecided, 0)
    }))

  for (
    const [what, verdict] of [
      ["no", Effect.succeed(false)],
      ["later no", Effect.delay(Effect.succeed(false), "1 seconds")],
      ["a failure", Effect.fail("the directory is down")],
      ["a defect", Effect.die("a bug")]
    ] as const
  ) {
    it.scoped(`refuses on ${what}`, () =>
      Effect.gen(function*() {
        const { at, exit, hub } = yield* outcomeOf(() => verdict, 4000)
        const error = Exit.isFailure(exit) && exit.cause._tag === "Fail" ? exit.cause.error : undefined
        assert.strictEqual(error?.reason, "Refused")
        assert.isAtMost(at, 1100)
        assert.strictEqual(hub.counters.sessionsActive, 0)
        assert.strictEqual(hub.counters.undecided, 0)
        assert.strictEqual(hub.counters.dropped("Unauthorized"), 1)
      }))
  }

  it.scoped("refuses when it never answers, holds nothing longer than the handshake, and counts message 3", () =>
    Effect.gen(function*() {
      const { exit, hub } = yield* outcomeOf(() => Effect.never, 12_000)
      const error = Exit.isFailure(exit) && exit.cause._tag === "Fail" ? exit.cause.error : undefined
      assert.include(["HandshakeTimeout", "Refused"], error?.reason)
      assert.strictEqual(hub.counters.sessionsActive, 0)
      assert.strictEqual(hub.counters.undecided, 0)
      assert.strictEqual(hub.counters.handshakesInFlight, 0)
      assert.strictEqual(hub.counters.dropped("Unauthorized"), 1)
    }))

  it.scoped("that throws refuses, and the transport goes on", () =>
    Effect.gen(function*() {
      const { exit, hub } = yield* outcomeOf(() => {
        throw new Error("a bug")
      }, 4000)
      assert.isTrue(Exit.isFailure(exit))
      assert.strictEqual(hub.counters.sessionsActive, 0)
    }))
})

describe("a connect of a program", () => {
  it.scoped("fails TransportClosed when its transport is closed meanwhile, and does not hang", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ seed: 1, latency: 5 })
      const scope = yield* Scope.make()
      const client = yield* IntentraTest.make(network, { host: "10.0.0.2", key: keyOf(2) }).pipe(Scope.extend(scope))
      const fiber = yield* Effect.fork(
        client.connect({ host: "10.0.0.1", port: 9000, publicKey: publicKeyOf(1) }).pipe(Effect.flip, Effect.scoped)
      )
      yield* network.advance("1 second")
      yield* Scope.close(scope, Exit.void)
      yield* network.advance("10 seconds")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error.reason, "TransportClosed")
    }))

  it.scoped("closes its session with its scope", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ seed: 1, latency: 5 })
      const hub = yield* IntentraTest.make(network, { host: "10.0.0.1", key: keyOf(1), allow: "any" })
      const client = yield* IntentraTest.make(network, { host: "10.0.0.2", key: keyOf(2) })
      const scope = yield* Scope.make()
      const fiber = yield* Effect.fork(
        client.connect({ host: "10.0.0.1", port: 9000, publicKey: hub.publicKey }).pipe(Scope.extend(scope))
      )
      yield* network.advance("1 second")
      const peer = yield* fiber
      assert.strictEqual(hub.counters.sessionsActive, 1)
      yield* Scope.close(scope, Exit.void)
      yield* network.advance("1 second")
      assert.strictEqual(peer.closeReason, "LocalClosed")
      assert.strictEqual(hub.counters.sessionsActive, 0)
      assert.strictEqual(hub.counters.closes[CloseReason.toCode("PeerClosed")], 1)
    }))
})

describe("a handshake that made room for others at the hub", () => {
  it.scoped("begins anew, and is in within its five seconds", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ seed: 1, latency: 10, jitter: 4 })
      const hub = yield* IntentraTest.make(network, {
        host: "10.0.0.1",
        key: keyOf(1),
        allow: "any",
        gate: { inFlight: 4, perSource: 4 }
      })
      const fibers = []
      for (let n = 2; n < 22; n++) {
        const client = yield* IntentraTest.make(network, { host: `10.0.0.${n}`, key: keyOf(n) })
        fibers.push(yield* Effect.fork(client.connect({ ...hub.address, publicKey: hub.publicKey })))
      }
      yield* network.advance("6 seconds")
      for (const fiber of fibers) assert.isUndefined((yield* fiber).closeReason)
      assert.isAbove(hub.counters.handshakesEvicted, 0)
      assert.strictEqual(hub.counters.sessionsActive, 20)
    }))
})
