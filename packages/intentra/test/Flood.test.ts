import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { encodeHello } from "../src/internal/handshakeMessages.js"
import type { World } from "./support/simulation.js"
import {
  ALICE,
  assertDelivers,
  assertLedger,
  assertUntouched,
  connected,
  flipped,
  HUB,
  makeWorld,
  packet,
  realtime,
  seal,
  seeded,
  sessionState,
  STRANGER,
  tableSizes
} from "./support/simulation.js"
import { kindOf, MESSAGE_3, Stranger } from "./support/stranger.js"

const strangerIn = (world: World, connId = 0x51a46e, address = STRANGER): Stranger =>
  new Stranger(world.simulation, address, world.hub, world.simulation.handshake(40), { connId })

const bytesIn = (datagrams: ReadonlyArray<{ readonly bytes: Uint8Array }>): number =>
  datagrams.reduce((sum, { bytes }) => sum + bytes.length, 0)

const addressOf = (i: number): string => `172.${16 + (i >>> 16)}.${(i >>> 8) & 255}.${i & 255}:${1024 + (i % 60_000)}`

describe("ten thousand strangers", () => {
  it("who say hello from ten thousand addresses allocate nothing and draw no more bytes than they sent", () => {
    const world = makeWorld()
    const { alice, hub, simulation } = world
    const handshake = simulation.handshake(40)
    const mac1 = handshake.mac1(hub.publicKey)
    const before = tableSizes(hub)
    const session = sessionState(hub, hub.sessionWith(world.bob))
    const mark = simulation.sent.length
    let sent = 0
    for (let i = 0; i < 10_000; i++) {
      const nonce = new Uint8Array(16)
      new DataView(nonce.buffer).setUint32(0, i)
      const hello = encodeHello(true, handshake.pattern, i + 1, nonce, mac1)
      sent += hello.length
      simulation.inject(addressOf(i), HUB, hello)
      if (i % 32 !== 31) continue
      simulation.advance(2)
      if (i % 1024 !== 1023) continue
      assert.deepStrictEqual(tableSizes(hub), before)
      alice.send(hub, `meanwhile ${i}`)
    }
    simulation.advance(20)
    const back = simulation.since(mark, HUB).filter(({ to }) => to.startsWith("172."))
    assert.strictEqual(back.length, 10_000)
    assert.strictEqual(new Set(back.map(({ to }) => to)).size, 10_000)
    assert.isAtMost(bytesIn(back), sent)
    for (const { bytes } of back) assert.isAtMost(bytes.length, 1200)
    assert.deepStrictEqual(tableSizes(hub), before)
    assert.strictEqual(hub.inbox.length, 9)
    assert.deepStrictEqual(sessionState(hub, hub.sessionWith(world.bob)), session)
    assertLedger(hub)
    assertDelivers(world.bob, hub)
  })

  it("who echo cookies that nobody gave them allocate nothing and get nothing", () => {
    const world = makeWorld()
    const { bob, hub, simulation } = world
    const echo = strangerIn(world).echo(new Uint8Array(16).fill(3))
    const before = tableSizes(hub)
    const mark = simulation.sent.length
    assertUntouched(bob, hub, () => {
      for (let i = 0; i < 10_000; i++) {
        simulation.inject(addressOf(i), HUB, echo)
        if (i % 100 === 99) simulation.advance(1)
      }
      assert.strictEqual(hub.counters.dropped("BadCookie"), 10_000)
    })
    assert.deepStrictEqual(simulation.since(mark, HUB).filter(({ to }) => to.startsWith("172.")), [])
    assert.deepStrictEqual(tableSizes(hub), before)
  })

  it("who guess conn_ids allocate nothing and get nothing", () => {
    const world = makeWorld()
    const { bob, hub, simulation } = world
    const before = tableSizes(hub)
    assertUntouched(bob, hub, () => {
      for (let i = 0; i < 10_000; i++) {
        simulation.inject(addressOf(i), HUB, packet((i * 0x9e3779b1) >>> 0))
        if (i % 100 === 99) simulation.advance(1)
      }
      assert.strictEqual(hub.counters.dropped("UnknownConnection"), 10_000)
    })
    assert.deepStrictEqual(tableSizes(hub), before)
  })
})

describe("ten thousand forged packets at a session's conn_id", () => {
  for (
    const [whence, addresses] of [
      ["its own address", [ALICE]],
      ["other addresses", [STRANGER, "10.0.0.2:9001", "10.0.0.3:9000", HUB]],
      ["its own and other addresses", [ALICE, STRANGER]]
    ] as const
  ) {
    it(`from ${whence} neither close nor strike it, nor cost it one genuine packet`, () => {
      const world = makeWorld()
      const { alice, hub, simulation } = world
      const { remoteConnId } = alice.sessionWith(hub)
      const session = hub.sessionWith(alice)
      const genuine = 500
      for (let i = 0; i < 10_000; i++) {
        const forged = packet(remoteConnId, { seq: (i * 7919) >>> 0, type: i % 2 === 0 ? 0 : 3 }, new Uint8Array(40))
        simulation.inject(addresses[i % addresses.length], HUB, forged, (i % 20) / 10)
        if (i % 20 !== 19) continue
        alice.send(hub, `genuine ${i}`)
        simulation.advance(2)
      }
      simulation.advance(50)
      assert.strictEqual(hub.inbox.length, genuine)
      assert.strictEqual(new Set(hub.inbox.map(({ text }) => text)).size, genuine)
      assert.isUndefined(alice.peerOf(hub).closeReason)
      assert.strictEqual(hub.counters.strikes, 0)
      assert.strictEqual(session.dropped, 0)
      assert.strictEqual(session.strikes?.count(simulation.network.now) ?? 0, 0)
      const unopened = hub.counters.dropped("ForgeryLimited")
      const refused = hub.counters.dropped("AuthFailed") + hub.counters.dropped("Replayed") + unopened
      assert.strictEqual(refused, 10_000)
      if (whence === "its own address") assert.strictEqual(unopened, 0)
      else assert.isAbove(unopened, 1000)
      assert.deepStrictEqual(hub.hub.addresses.address(session.addressId), { host: "10.0.0.2", port: 9000 })
      assertLedger(hub)
      assertDelivers(alice, hub)
      assertDelivers(world.bob, hub)
    })
  }

  it("do not keep a session alive whose peer is gone", () => {
    const world = makeWorld()
    const { alice, hub, simulation } = world
    const { remoteConnId } = alice.sessionWith(hub)
    const peer = hub.peerOf(alice)
    const genuine = seal(alice.sessionWith(hub), realtime("last words"))
    simulation.inject(ALICE, HUB, genuine)
    simulation.advance(10)
    alice.crash()
    for (let i = 0; i < 60; i++) {
      simulation.inject(ALICE, HUB, packet(remoteConnId, { seq: i + 5000 }))
      simulation.inject(ALICE, HUB, genuine)
      simulation.advance(1000)
    }
    assert.strictEqual(peer.closeReason, "Timeout")
  })
})

describe("handshakes that are begun and left", () => {
  it("never hold more than the slots there are, nor touch a session, nor keep a newcomer out", () => {
    const world = makeWorld({ hub: { gate: { inFlight: 20 } } })
    const { bob, hub, simulation } = world
    const before = tableSizes(hub)
    assertUntouched(bob, hub, () => {
      for (let i = 0; i < 120; i++) {
        const one = strangerIn(world, 1000 + i, `172.16.${i}.1:5000`)
        one.say(one.echo())
        assert.isAtMost(tableSizes(hub).inFlight, 20)
      }
    })
    assert.strictEqual(tableSizes(hub).connections, before.connections + 20)
    assert.strictEqual(hub.counters.handshakesEvicted, 100)
    const carol = simulation.station("10.0.0.4", 4)
    connected(carol, hub)
    assertDelivers(carol, hub)
  })

  it("by one source leave half of the slots to others", () => {
    const world = makeWorld()
    const { bob, hub, simulation } = world
    assertUntouched(bob, hub, () => {
      for (let i = 0; i < 150; i++) {
        const one = strangerIn(world, 1000 + i, `10.9.9.9:${2000 + i}`)
        one.say(one.echo())
      }
    })
    assert.isAtMost(tableSizes(hub).inFlight, 51)
    const carol = simulation.station("10.0.0.4", 4)
    connected(carol, hub)
    assertDelivers(carol, hub)
  })

  it("a fleet behind one address joins at once while half of the slots are free", () => {
    const world = makeWorld()
    const { hub, simulation } = world
    const fleet = Array.from({ length: 30 }, (_, i) => simulation.station("10.7.7.7", 100 + i, { port: 5000 + i }))
    const attempts = fleet.map((one) => one.connect(hub))
    simulation.advance(3000)
    for (const { error, peer } of attempts) assert.isTrue(peer !== undefined && error === undefined)
    assert.strictEqual(hub.counters.sessionsActive, 32)
    for (const one of fleet) assertDelivers(one, hub)
  })

  it("a turn computes so many and no more, and those that waited get in by repeating", () => {
    const world = makeWorld()
    const { hub, simulation } = world
    const echoes = Array.from({ length: 40 }, (_, i) => {
      const one = strangerIn(world, 1000 + i, `172.16.${i}.1:5000`)
      return [one.address, one.echo()] as const
    })
    const before = tableSizes(hub).inFlight
    let admitted = 0
    let turns = 0
    for (; admitted < echoes.length && turns < 20; turns++) {
      const refused = hub.counters.dropped("HandshakeBudget")
      for (const [address, echo] of echoes) simulation.inject(address, HUB, echo)
      simulation.advance(2)
      const now = tableSizes(hub).inFlight - before
      assert.isAtMost(now - admitted, 16)
      assert.strictEqual(hub.counters.dropped("HandshakeBudget") - refused, echoes.length - now)
      admitted = now
    }
    assert.strictEqual(admitted, 40)
    assert.isAtLeast(turns, 3)
    assertDelivers(world.alice, hub)
  })
})

describe("amplification", () => {
  const step = fc.constantFrom(
    "hello",
    "echo",
    "forged echo",
    "message 3",
    "other message 3",
    "flipped message 3",
    "wait"
  )

  it.prop(
    "no sequence of handshake messages draws more bytes than it has sent so far, at any moment",
    [fc.array(step, { minLength: 1, maxLength: 40 })],
    ([steps]) => {
      const world = makeWorld()
      const { hub, simulation } = world
      const one = strangerIn(world)
      const echo = one.echo()
      const other = strangerIn(world, 7, "10.9.9.8:1")
      const [message2] = one.say(echo)
      const message3 = one.message3(message2.bytes).bytes
      const other3 = other.message3(other.open()).bytes
      const start = simulation.sent.length
      let sent = 0
      for (const name of steps) {
        const bytes = name === "hello"
          ? one.hello
          : name === "echo"
          ? echo
          : name === "forged echo"
          ? flipped(echo, 45 * 8)
          : name === "message 3"
          ? message3
          : name === "other message 3"
          ? other3
          : name === "flipped message 3"
          ? flipped(message3, 30 * 8)
          : undefined
        if (bytes !== undefined) {
          sent += bytes.length
          simulation.inject(STRANGER, HUB, bytes)
        }
        simulation.advance(bytes === undefined ? 60 : 1)
        assert.isAtMost(bytesIn(simulation.since(start, HUB, STRANGER)), sent)
      }
      assertLedger(hub)
    },
    seeded(40)
  )

  it("a repeated message 3 is answered eight times at most, each with less than it has", () => {
    const world = makeWorld()
    const { alice, hub, simulation } = world
    const message3 = simulation.sent.find(({ bytes, from }) => from === ALICE && kindOf(bytes) === MESSAGE_3)
    assert.isDefined(message3)
    const mark = simulation.sent.length
    const accepted = hub.counters.accepted[2]
    alice.wants = () => false
    for (let i = 0; i < 100; i++) {
      simulation.inject(ALICE, HUB, message3.bytes)
      simulation.advance(100)
    }
    assert.isAtMost(hub.counters.accepted[2] - accepted, 8)
    const answers = simulation.since(mark, HUB, ALICE)
    // the hub asks after its silent peer now and then, too
    assert.isAtMost(answers.length, 8 + 10)
    for (const { bytes } of answers) assert.isBelow(bytes.length, message3.bytes.length)
    alice.wants = () => true
    assertDelivers(alice, hub)
  })
})
