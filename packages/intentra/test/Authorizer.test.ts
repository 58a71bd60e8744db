import { assert, describe, it } from "@effect/vitest"
import { Network } from "@intentra/udp"
import type { NetworkShape } from "@intentra/udp"
import { Deferred, Effect, Exit, FastCheck as fc, Fiber, Layer, Stream, SubscriptionRef } from "effect"
import { Authorizer, IntentraTest } from "../src/index.js"
import type { AuthorizerShape, IntentraShape } from "../src/index.js"
import { CONTROL, HANDSHAKE } from "../src/PacketHeader.js"
import { bytes, collect, connect, key, makeOver, turns, within } from "./internal/harness.js"

/** A hub at 10.0.0.1 with an authorizer of its own. */
const makeHub = (network: NetworkShape, authorizer: Layer.Layer<Authorizer>) =>
  Effect.flatMap(
    network.bind({ host: "10.0.0.1", port: 9000 }),
    (socket) => makeOver(network, socket, { key: key(1) }, authorizer)
  )

const makeClient = (network: NetworkShape, n: number, allow: "any" | undefined = undefined) =>
  IntentraTest.make(network, { host: `10.0.0.${n}`, key: key(n), allow })

const count = (transport: IntentraShape) => Effect.map(transport.peers, (peers) => peers.length)

const authorizing = (shape: AuthorizerShape): Layer.Layer<Authorizer> => Layer.succeed(Authorizer, shape)

/** A list of keys that may join. */
const makeRef = (...members: ReadonlyArray<IntentraShape>) =>
  SubscriptionRef.make<ReadonlyArray<Uint8Array>>(members.map(({ publicKey }) => publicKey))

/** Waits until what was asked of the hub has been done, and its CLOSE has arrived. */
const settled = (network: NetworkShape) => Effect.zipRight(turns, network.advance("1 second"))

describe("a list that changes", () => {
  it.scoped("a key that is taken out closes its session with AuthFail at once, and no other one", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const alice = yield* makeClient(network, 2)
      const bob = yield* makeClient(network, 3)
      const keys = yield* makeRef(alice, bob)
      const hub = yield* makeHub(network, Authorizer.layerRef(keys))
      const [there, other] = [yield* connect(network, alice, hub), yield* connect(network, bob, hub)]
      const events = yield* collect(hub.events)
      yield* SubscriptionRef.set(keys, [bob.publicKey])
      yield* settled(network)
      assert.strictEqual(there.closeReason, "AuthFail")
      assert.isUndefined(other.closeReason)
      assert.deepStrictEqual(
        events.flatMap((event) => event._tag === "PeerClosed" ? [[event.peer.publicKey, event.reason]] : []),
        [[alice.publicKey, "AuthFail"]]
      )
      assert.deepStrictEqual((yield* hub.peers).map(({ publicKey }) => publicKey), [bob.publicKey])
      yield* other.send(bytes("still here"))
      yield* network.advance("5 minutes")
      assert.isUndefined(other.closeReason)
    }))

  it.scoped("it may be given as the option `allow`", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const alice = yield* makeClient(network, 2)
      const keys = yield* makeRef(alice)
      const hub = yield* IntentraTest.make(network, { host: "10.0.0.1", key: key(1), allow: keys })
      const there = yield* connect(network, alice, hub)
      yield* SubscriptionRef.set(keys, [])
      yield* settled(network)
      assert.strictEqual(there.closeReason, "AuthFail")
    }))

  it.scoped("out it is refused, and in again it joins again", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const alice = yield* makeClient(network, 2)
      const keys = yield* makeRef(alice)
      const hub = yield* makeHub(network, Authorizer.layerRef(keys))
      for (let round = 0; round < 3; round++) {
        const peer = yield* connect(network, alice, hub)
        assert.isUndefined(peer.closeReason)
        yield* SubscriptionRef.set(keys, [])
        yield* settled(network)
        assert.strictEqual(peer.closeReason, "AuthFail")
        const refused = yield* Effect.exit(connect(network, alice, hub))
        assert.isTrue(Exit.isFailure(refused))
        assert.strictEqual(yield* count(hub), 0)
        yield* SubscriptionRef.set(keys, [alice.publicKey])
        yield* settled(network)
      }
    }))

  it.scoped("a change that takes nobody out closes nobody, however often it comes", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const clients = yield* Effect.forEach([2, 3, 4, 5], (n) => makeClient(network, n))
      const keys = yield* makeRef(...clients)
      const hub = yield* makeHub(network, Authorizer.layerRef(keys))
      const peers = yield* Effect.forEach(clients, (client) => connect(network, client, hub))
      for (let i = 0; i < 50; i++) yield* SubscriptionRef.update(keys, (all) => [...all].reverse())
      yield* settled(network)
      assert.deepStrictEqual(peers.map(({ closeReason }) => closeReason), [undefined, undefined, undefined, undefined])
      assert.strictEqual(yield* count(hub), 4)
    }))

  it.scoped("only peers that began their session are asked about: whom we connect to, we chose", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const alice = yield* makeClient(network, 2)
      const upstream = yield* makeClient(network, 3, "any")
      const keys = yield* makeRef(alice)
      const hub = yield* makeHub(network, Authorizer.layerRef(keys))
      const there = yield* connect(network, alice, hub)
      const up = yield* connect(network, hub, upstream)
      yield* SubscriptionRef.set(keys, [])
      yield* settled(network)
      assert.strictEqual(there.closeReason, "AuthFail")
      assert.isUndefined(up.closeReason)
      yield* up.send(bytes("ours"))
      assert.deepStrictEqual((yield* hub.peers).map(({ publicKey }) => publicKey), [upstream.publicKey])
    }))

  it.scoped("a peer on the list stays through its own rejoining after the list has changed", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const alice = yield* makeClient(network, 2)
      const keys = yield* makeRef(alice)
      const hub = yield* makeHub(network, Authorizer.layerRef(keys))
      const peer = yield* connect(network, alice, hub)
      yield* network.partition(["10.0.0.1"], ["10.0.0.2"])
      yield* network.advance("40 seconds")
      yield* SubscriptionRef.update(keys, (all) => [...all, new Uint8Array(32)])
      yield* turns
      yield* network.heal
      yield* network.advance("30 seconds")
      yield* settled(network)
      assert.isUndefined(peer.closeReason)
      assert.strictEqual(yield* count(hub), 1)
    }))

  it.scoped("a peer that is taken out while it is cut off cannot rejoin", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const alice = yield* makeClient(network, 2)
      const keys = yield* makeRef(alice)
      const hub = yield* makeHub(network, Authorizer.layerRef(keys))
      const peer = yield* connect(network, alice, hub)
      yield* network.partition(["10.0.0.1"], ["10.0.0.2"])
      yield* SubscriptionRef.set(keys, [])
      yield* settled(network)
      assert.strictEqual(yield* count(hub), 0)
      yield* network.heal
      yield* network.advance("2 minutes")
      yield* settled(network)
      assert.isDefined(peer.closeReason)
      assert.strictEqual(yield* count(hub), 0)
    }))
})

describe("a verdict that takes time", () => {
  it.scoped("holds the session back until it is there, and no longer", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const client = yield* makeClient(network, 2)
      const asked: Array<readonly [key: Uint8Array, host: string]> = []
      const verdict = yield* Deferred.make<boolean>()
      const hub = yield* makeHub(
        network,
        Authorizer.layerWith((publicKey, { host }) => {
          asked.push([publicKey.slice(), host])
          return Deferred.await(verdict)
        })
      )
      const fiber = yield* Effect.fork(client.connect({ host: "10.0.0.1", port: 9000, publicKey: hub.publicKey }))
      yield* turns
      yield* network.advance("1 second")
      assert.deepStrictEqual(asked, [[client.publicKey, "10.0.0.2"]])
      assert.deepStrictEqual([yield* count(hub), yield* count(client)], [0, 0])
      assert.strictEqual(hub.counters.undecided, 1)
      yield* Deferred.succeed(verdict, true)
      yield* turns
      yield* network.advance("1 second")
      const peer = yield* Fiber.join(fiber)
      assert.isUndefined(peer.closeReason)
      assert.strictEqual(asked.length, 1)
      assert.deepStrictEqual([yield* count(hub), yield* count(client), hub.counters.undecided], [1, 1, 0])
    }))

  it.scoped("refuses when it is no, fails, dies or never comes, and leaves nothing behind", () =>
    Effect.gen(function*() {
      const verdicts: ReadonlyArray<Effect.Effect<boolean, unknown>> = [
        Effect.succeed(false),
        Effect.fail("no database"),
        Effect.die(new Error("a defect")),
        Effect.never
      ]
      for (const verdict of verdicts) {
        const network = yield* Network.make({ latency: 10 })
        const client = yield* makeClient(network, 2)
        const hub = yield* makeHub(network, Authorizer.layerWith(() => verdict))
        const fiber = yield* Effect.fork(
          Effect.exit(
            within(
              network,
              "20 seconds",
              client.connect({ host: "10.0.0.1", port: 9000, publicKey: hub.publicKey })
            )
          )
        )
        for (let i = 0; i < 10; i++) yield* turns
        assert.isTrue(Exit.isFailure(yield* Fiber.join(fiber)))
        yield* settled(network)
        assert.deepStrictEqual([yield* count(hub), yield* count(client)], [0, 0])
        assert.deepStrictEqual([hub.counters.undecided, hub.counters.handshakesInFlight], [0, 0])
        assert.strictEqual(hub.counters.dropped("Unauthorized"), 1)
      }
    }))

  it.effect.prop(
    "is asked for once in a handshake, however long it takes of the handshake's time",
    {
      seed: fc.nat(1e6),
      millis: fc.integer({ min: 0, max: 4800 }),
      since: fc.integer({ min: 0, max: 5000 }),
      quick: fc.boolean()
    },
    ({ millis, quick, seed, since }) =>
      Effect.scoped(
        Effect.gen(function*() {
          const network = yield* Network.make({ latency: 10, jitter: 5, seed })
          const client = yield* makeClient(network, 2)
          let asked = 0
          const hub = yield* makeHub(
            network,
            Authorizer.layerWith(() => {
              asked++
              return Effect.as(Effect.sleep(millis), true)
            })
          )
          const events = yield* collect(hub.events)
          // cookies are of windows of 5 s: the handshake begins anywhere in one
          yield* network.advance(since)
          const fiber = yield* Effect.fork(
            client.connect({ ...hub.address, publicKey: hub.publicKey, ...(quick ? { handshake: "IK" as const } : {}) })
          )
          yield* turns
          yield* network.advance("6 seconds")
          assert.isUndefined((yield* Fiber.join(fiber)).closeReason)
          yield* network.advance("10 seconds")
          assert.strictEqual(asked, 1)
          assert.deepStrictEqual([yield* count(hub), yield* count(client), hub.counters.undecided], [1, 1, 0])
          assert.deepStrictEqual(events.map((event) => event._tag), ["PeerConnected"])
          assert.strictEqual(client.counters.strikes + hub.counters.strikes, 0)
        })
      ),
    { fastCheck: { numRuns: 20, seed: 7, endOnFailure: true } }
  )

  it.scoped("leaves the initiator without a session meanwhile, whatever it is told", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const client = yield* makeClient(network, 2)
      const hub = yield* makeHub(network, Authorizer.layerWith(() => Effect.as(Effect.sleep("4 seconds"), true)))
      const fiber = yield* Effect.fork(client.connect({ ...hub.address, publicKey: hub.publicKey }))
      yield* turns
      yield* network.advance("3900 millis")
      // it has said that it waits by now
      assert.isAbove(client.counters.accepted[CONTROL], 0)
      assert.deepStrictEqual([yield* count(hub), yield* count(client)], [0, 0])
      yield* network.advance("1 second")
      assert.isUndefined((yield* Fiber.join(fiber)).closeReason)
    }))

  it.scoped("is announced no more often than every 50 ms, whoever repeats message 3", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const client = yield* makeClient(network, 2)
      const hub = yield* makeHub(network, Authorizer.layerWith(() => Effect.never))
      let message3: Uint8Array | undefined
      let answers = 0
      network.tap(({ bytes, from, kind }) => {
        if (kind !== "sent") return
        if (from === "10.0.0.1:9000") answers++
        else if ((bytes[0] & 15) === HANDSHAKE && bytes[16] === 5) message3 ??= bytes.slice()
      })
      yield* Effect.fork(Effect.exit(client.connect({ ...hub.address, publicKey: hub.publicKey })))
      yield* turns
      yield* network.advance("100 millis")
      assert.isDefined(message3)
      answers = 0
      const repeat = (bytes: Uint8Array, from = "10.0.0.2:9000") => network.inject({ from, to: "10.0.0.1:9000", bytes })
      for (let i = 0; i < 500; i++) {
        yield* repeat(message3 as Uint8Array)
        yield* network.advance("1 millis")
      }
      assert.isAtLeast(answers, 9)
      assert.isAtMost(answers, 11)
      answers = 0
      const other = (message3 as Uint8Array).slice()
      other[30] ^= 1
      const before = hub.counters.dropped("HandshakeRepeated")
      yield* network.advance("50 millis")
      yield* repeat(other)
      yield* repeat(message3 as Uint8Array, "10.9.9.9:9000")
      yield* network.advance("10 millis")
      assert.strictEqual(answers, 0)
      assert.strictEqual(hub.counters.dropped("HandshakeRepeated") - before, 1)
    }))

  it.scoped("is not waited for after the initiator has given up: it says so, and no session is left", () =>
    Effect.gen(function*() {
      for (const seconds of [4.4, 4.6]) {
        const network = yield* Network.make({ latency: 100 })
        const client = yield* makeClient(network, 2)
        const hub = yield* makeHub(
          network,
          Authorizer.layerWith(() => Effect.as(Effect.sleep(seconds * 1000), true))
        )
        const fiber = yield* Effect.fork(Effect.exit(client.connect({ ...hub.address, publicKey: hub.publicKey })))
        yield* turns
        yield* network.advance("6 seconds")
        assert.isTrue(Exit.isFailure(yield* Fiber.join(fiber)))
        assert.deepStrictEqual([yield* count(hub), yield* count(client)], [0, 0])
        assert.deepStrictEqual([hub.counters.undecided, hub.counters.handshakesInFlight], [0, 0])
      }
    }))

  it.scoped("is asked for again when the verdicts may have changed, and the session lives until it is there", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const client = yield* makeClient(network, 2)
      const changed = yield* SubscriptionRef.make(0)
      const later = yield* Deferred.make<boolean>()
      let times = 0
      const hub = yield* makeHub(
        network,
        authorizing({
          authorize: () => times++ === 0 ? true : Deferred.await(later),
          changes: Stream.drop(changed.changes, 1)
        })
      )
      const peer = yield* connect(network, client, hub)
      yield* turns
      yield* SubscriptionRef.set(changed, 1)
      yield* turns
      yield* network.advance("1 second")
      assert.strictEqual(times, 2)
      assert.isUndefined(peer.closeReason)
      yield* Deferred.succeed(later, false)
      yield* settled(network)
      assert.strictEqual(peer.closeReason, "AuthFail")
    }))
})

describe("an authorizer of the program's own", () => {
  it.scoped("that throws refuses, and the transport lives on", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const alice = yield* makeClient(network, 2)
      const bob = yield* makeClient(network, 3)
      const hub = yield* makeHub(
        network,
        Authorizer.layerWith((publicKey) => {
          if (Buffer.compare(publicKey, alice.publicKey) === 0) throw new Error("a bug")
          return true
        })
      )
      assert.isTrue(Exit.isFailure(yield* Effect.exit(connect(network, alice, hub))))
      assert.isUndefined((yield* connect(network, bob, hub)).closeReason)
    }))

  it.scoped("is asked once for each session, whoever repeats what", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10, duplicate: 1 })
      let asked = 0
      const hub = yield* makeHub(network, Authorizer.layerWith(() => ++asked > 0))
      for (const n of [2, 3, 4]) yield* connect(network, yield* makeClient(network, n), hub)
      yield* network.advance("5 minutes")
      assert.strictEqual(asked, 3)
    }))
})

describe("revocation by an authorizer that takes its time", () => {
  it.scoped("a key that is revoked while its first verdict is on its way does not stay", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const admitted = yield* SubscriptionRef.make(true)
      const slow = yield* Deferred.make<void>()
      const alice = yield* makeClient(network, 2)
      const hub = yield* makeHub(
        network,
        authorizing({
          // looks it up, and takes its time to say so
          authorize: () => Effect.tap(SubscriptionRef.get(admitted), () => Deferred.await(slow)),
          changes: admitted.changes
        })
      )
      const fiber = yield* Effect.fork(alice.connect({ ...hub.address, publicKey: hub.publicKey }))
      yield* turns
      yield* network.advance("1 second")
      yield* SubscriptionRef.set(admitted, false)
      yield* turns
      yield* Deferred.succeed(slow, undefined)
      yield* turns
      yield* network.advance("10 seconds")
      yield* turns
      yield* Fiber.await(fiber)
      yield* network.advance("1 second")
      assert.strictEqual(yield* count(hub), 0)
    }))

  it.scoped("one verdict that never comes does not keep the others from being revoked at once", () =>
    Effect.gen(function*() {
      const network = yield* Network.make({ latency: 10 })
      const changed = yield* SubscriptionRef.make(false)
      const members = yield* Effect.forEach([2, 3, 4], (n) => makeClient(network, n))
      const hub = yield* makeHub(
        network,
        authorizing({
          authorize: (_, { host }) =>
            Effect.flatMap(
              SubscriptionRef.get(changed),
              (revoked) => !revoked ? Effect.succeed(true) : host === "10.0.0.2" ? Effect.never : Effect.succeed(false)
            ),
          changes: changed.changes
        })
      )
      const peers = yield* Effect.forEach(members, (member) => connect(network, member, hub))
      yield* SubscriptionRef.set(changed, true)
      yield* settled(network)
      assert.deepStrictEqual(peers.map(({ closeReason }) => closeReason), [undefined, "AuthFail", "AuthFail"])
    }))
})
