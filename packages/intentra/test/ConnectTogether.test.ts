import { assert, describe, it } from "@effect/vitest"
import { Network } from "@intentra/udp"
import { Effect, Exit, Fiber } from "effect"
import { IntentraTest } from "../src/index.js"
import type { ConnectOptions, IntentraError, IntentraOptions, IntentraShape, Peer } from "../src/index.js"
import { key, turns, within } from "./internal/harness.js"

const to = (hub: IntentraShape, how: Partial<ConnectOptions> = {}): ConnectOptions => ({
  host: hub.address.host,
  port: hub.address.port,
  publicKey: hub.publicKey,
  ...how
})

const pair = (options: { readonly hub?: IntentraOptions; readonly client?: IntentraOptions } = {}) =>
  Effect.gen(function*() {
    const network = yield* Effect.orDie(Network.make({ seed: 1, latency: 10 }))
    const hub = yield* IntentraTest.make(network, { host: "10.0.0.1", key: key(1), allow: "any", ...options.hub })
    const client = yield* IntentraTest.make(network, {
      host: "10.0.0.2",
      key: key(2),
      allow: "any",
      ...options.client
    })
    const sessions = Effect.map(
      Effect.all([client.peers, hub.peers]),
      ([ours, theirs]) => [ours.length, theirs.length]
    )
    return { network, hub, client, sessions }
  })

describe("connects at the same time to one hub", () => {
  const ways: ReadonlyArray<readonly [string, Partial<ConnectOptions>]> = [
    ["XX", {}],
    ["IK", { handshake: "IK" }],
    ["\"any\" key", { publicKey: "any" }]
  ]
  for (const [name, how] of ways) {
    // "any" key finds a handshake that is under way, not a session that there is: whose it is was not said
    for (const apart of how.publicKey === "any" ? [0, 5, 15] : [0, 5, 15, 25, 35]) {
      it.scoped(`${name}, ${apart} ms apart, share one session, which lasts`, () =>
        Effect.gen(function*() {
          const { client, hub, network, sessions } = yield* pair()
          const fibers: Array<Fiber.RuntimeFiber<Peer, IntentraError>> = []
          for (let i = 0; i < 4; i++) {
            fibers.push(yield* Effect.forkScoped(client.connect(to(hub, how))))
            yield* network.advance(apart)
          }
          const peers = yield* within(network, "2 seconds", Fiber.join(Fiber.all(fibers)))
          yield* network.advance("30 seconds")
          assert.strictEqual(new Set(peers).size, 1)
          assert.isUndefined(peers[0].closeReason)
          assert.deepStrictEqual(yield* sessions, [1, 1])
        }))
    }
  }

  it.scoped("are sessions of their own where an identity may have several", () =>
    Effect.gen(function*() {
      const { client, hub, network, sessions } = yield* pair({
        hub: { sameIdentity: "allow" },
        client: { sameIdentity: "allow" }
      })
      const both = Effect.all([client.connect(to(hub)), client.connect(to(hub))], { concurrency: 2 })
      const peers = yield* within(network, "2 seconds", both)
      yield* network.advance("30 seconds")
      assert.notStrictEqual(peers[0], peers[1])
      assert.deepStrictEqual(yield* sessions, [2, 2])
    }))

  it.scoped("one of them is interrupted: the others have their session; all are: nothing is left", () =>
    Effect.gen(function*() {
      for (const after of [0, 15, 25, 35]) {
        const { client, hub, network, sessions } = yield* pair()
        const waiting = yield* Effect.replicateEffect(
          Effect.fork(Effect.scoped(Effect.zipRight(client.connect(to(hub)), Effect.never))),
          3
        )
        yield* network.advance(after)
        yield* Fiber.interrupt(waiting[0])
        yield* network.advance("1 second")
        assert.deepStrictEqual(yield* sessions, [1, 1], `${after}`)
        yield* Fiber.interruptAll(waiting)
        yield* network.advance("1 second")
        assert.deepStrictEqual(yield* sessions, [0, 0])

        const given = yield* Effect.replicateEffect(Effect.fork(Effect.scoped(client.connect(to(hub)))), 3)
        yield* network.advance(after)
        yield* Fiber.interruptAll(given)
        yield* network.advance("1 minute")
        assert.deepStrictEqual(yield* sessions, [0, 0])
        assert.strictEqual(hub.counters.handshakesInFlight, 0)
      }
    }))

  it.scoped("interrupted just when they have succeeded, before their callers know, the session is closed", () =>
    Effect.gen(function*() {
      const { client, hub, network, sessions } = yield* pair()
      const fibers = yield* Effect.replicateEffect(
        Effect.fork(Effect.scoped(Effect.zipRight(client.connect(to(hub)), Effect.never))),
        2
      )
      yield* turns
      network.unsafeAdvance(1000)
      assert.strictEqual((yield* client.peers).length, 1)
      yield* Fiber.interruptAll(fibers)
      yield* network.advance("1 second")
      assert.deepStrictEqual(yield* sessions, [0, 0])
    }))

  it.scoped("fail together where nobody answers, in the time of one; who asks elsewhere does not wait for them", () =>
    Effect.gen(function*() {
      const { client, hub, network } = yield* pair()
      const nowhere = to(hub, { host: "10.0.0.9" })
      const lost = yield* Effect.replicateEffect(Effect.fork(Effect.exit(Effect.scoped(client.connect(nowhere)))), 3)
      yield* network.advance("1 second")
      const peer = yield* within(network, "1 second", client.connect(to(hub)))
      const exits = yield* within(network, "10 seconds", Fiber.join(Fiber.all(lost)))
      assert.isTrue(exits.every((exit) => Exit.isFailure(exit)))
      assert.isUndefined(peer.closeReason)
    }))

  it.scoped("a full table still gives the session that there is", () =>
    Effect.gen(function*() {
      const { client, hub, network } = yield* pair({ client: { maxSessions: 1 } })
      const both = Effect.all([client.connect(to(hub)), client.connect(to(hub))], { concurrency: 2 })
      const [one, two] = yield* within(network, "2 seconds", both)
      const three = yield* within(network, "2 seconds", client.connect(to(hub)))
      assert.isTrue(one === two && two === three)
    }))
})
