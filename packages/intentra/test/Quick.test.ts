import { assert, describe, it } from "@effect/vitest"
import { Network } from "@intentra/udp"
import type { NetworkShape } from "@intentra/udp"
import { Effect } from "effect"
import type { Scope } from "effect"
import { IntentraTest } from "../src/index.js"
import type { IntentraError, IntentraShape, Peer } from "../src/index.js"
import { collect, key } from "./internal/harness.js"

const ECHO = 3
const MESSAGE_2 = 4
const MESSAGE_3 = 5

const kindOf = (bytes: Uint8Array): number => (bytes[0] & 15) === 2 ? bytes[16] : 0

interface Attempt {
  readonly peer: Peer
  readonly took: number
}

const attempt = (
  network: NetworkShape,
  client: IntentraShape,
  hub: IntentraShape,
  handshake: "XX" | "IK"
): Effect.Effect<Attempt, IntentraError, Scope.Scope> =>
  Effect.gen(function*() {
    const start = network.now
    let took = 0
    const fiber = yield* Effect.forkScoped(
      client.connect({ ...hub.address, publicKey: hub.publicKey, handshake }).pipe(
        Effect.tap(() =>
          Effect.sync(() => {
            took = network.now - start
          })
        )
      )
    )
    yield* network.advance("6 seconds")
    return { peer: yield* fiber, took }
  })

const pair = (options: { readonly psk?: number } = {}) =>
  Effect.gen(function*() {
    const network = yield* Effect.orDie(Network.make({ seed: 1, latency: 10 }))
    const psk = options.psk === undefined ? {} : { psk: key(options.psk) }
    const hub = yield* IntentraTest.make(network, { host: "10.0.0.1", key: key(1), allow: "any", ...psk })
    const client = yield* IntentraTest.make(network, { host: "10.0.0.2", key: key(2), ...psk })
    return { network, hub, client }
  })

describe("a quick handshake", () => {
  for (const psk of [undefined, 9]) {
    it.scoped(`saves one round trip${psk === undefined ? "" : ", in a network with a PSK too"}`, () =>
      Effect.gen(function*() {
        const { client, hub, network } = yield* pair(psk === undefined ? {} : { psk })
        const kinds: Array<number> = []
        network.tap((event) => {
          if (event.kind === "sent" && kindOf(event.bytes) > 0) kinds.push(kindOf(event.bytes))
        })
        const { peer, took } = yield* attempt(network, client, hub, "IK")
        assert.strictEqual(took, 40)
        assert.deepStrictEqual(kinds, [1, 2, 3, 4])
        const seen = yield* collect(hub.deliveries)
        yield* peer.send(Uint8Array.of(7), { intent: "Reliable" })
        yield* network.advance("1 second")
        assert.deepStrictEqual(seen.map((one) => one.payload[0]), [7])
        yield* peer.close()
        yield* network.advance("40 seconds")
        assert.strictEqual((yield* attempt(network, client, hub, "XX")).took, 60)
      }))
  }

  it.scoped("makes no session at the hub before the initiator's first sealed packet", () =>
    Effect.gen(function*() {
      const { client, hub, network } = yield* pair()
      // everything sealed that the client says is lost
      let dropping = false
      network.tap((event) => {
        if (event.kind === "sent" && kindOf(event.bytes) === MESSAGE_2 && !dropping) {
          dropping = true
          network.unsafeLink("10.0.0.2", "10.0.0.1", { loss: 1 })
        }
      })
      yield* attempt(network, client, hub, "IK")
      assert.strictEqual(hub.counters.handshakes, 0)
      assert.strictEqual(hub.counters.sessionsActive, 0)
      assert.strictEqual(hub.counters.handshakesInFlight, 0)
    }))

  it.scoped("replayed, in whole or in part and whenever, begins nothing", () =>
    Effect.gen(function*() {
      const { client, hub, network } = yield* pair()
      const said: Array<Uint8Array> = []
      network.tap((event) => {
        if (event.kind === "sent" && event.from.startsWith("10.0.0.2")) said.push(event.bytes.slice())
      })
      const { peer } = yield* attempt(network, client, hub, "IK")
      const { handshakes } = hub.counters
      for (const pause of ["1 millis", "3 seconds", "20 seconds", "1 minute"] as const) {
        yield* network.advance(pause)
        for (const bytes of said) {
          yield* network.inject({ from: "10.0.0.2:9000", to: "10.0.0.1:9000", bytes })
          yield* network.inject({ from: "10.0.0.66:666", to: "10.0.0.1:9000", bytes })
        }
        yield* network.advance("6 seconds")
      }
      assert.strictEqual(hub.counters.handshakes, handshakes)
      assert.strictEqual(hub.counters.sessionsActive, 1)
      assert.isUndefined(peer.closeReason)
    }))

  it.scoped("with a timestamp that is not newer than the last proven one is refused without an answer", () =>
    Effect.gen(function*() {
      const { client, hub, network } = yield* pair()
      const { peer } = yield* attempt(network, client, hub, "IK")
      yield* peer.close()
      yield* network.advance("1 minute")
      // the same key on a host whose clock stands before the last handshake
      const behind = yield* Effect.orDie(Network.make({ seed: 2 }))
      assert.isBelow(behind.now, network.now)
      const twin = yield* IntentraTest.make(network, { host: "10.0.0.5", key: key(2), seed: "twin" })
      const drops = hub.counters.dropped("HandshakeRepeated")
      // a replayed echo under a fresh cookie cannot be made without the key, so the twin's clock is what is turned back
      let echo: Uint8Array | undefined
      network.tap((event) => {
        if (event.kind === "sent" && kindOf(event.bytes) === ECHO) echo = event.bytes.slice()
      })
      yield* attempt(network, twin, hub, "IK")
      assert.isDefined(echo)
      yield* network.inject({ from: "10.0.0.5:9000", to: "10.0.0.1:9000", bytes: echo })
      yield* network.advance("100 millis")
      assert.strictEqual(hub.counters.dropped("HandshakeRepeated") + hub.counters.dropped("BadCookie"), drops + 1)
      assert.strictEqual(hub.counters.sessionsActive, 1)
    }))

  it.scoped("of a key that is not admitted fails as fast as it can, and leaves nothing", () =>
    Effect.gen(function*() {
      const network = yield* Effect.orDie(Network.make({ seed: 1, latency: 10 }))
      const hub = yield* IntentraTest.make(network, { host: "10.0.0.1", key: key(1), allow: [] })
      const client = yield* IntentraTest.make(network, { host: "10.0.0.2", key: key(2) })
      let took = 0
      const fiber = yield* Effect.forkScoped(
        Effect.flip(client.connect({ ...hub.address, publicKey: hub.publicKey, handshake: "IK" })).pipe(
          Effect.tap(() =>
            Effect.sync(() => {
              took = network.now
            })
          )
        )
      )
      yield* network.advance("6 seconds")
      const error = yield* fiber
      assert.strictEqual(error.reason, "Refused")
      assert.strictEqual(error.closeReason, "AuthFail")
      assert.strictEqual(took, 40)
      assert.strictEqual(hub.counters.dropped("Unauthorized"), 1)
      assert.strictEqual(hub.counters.handshakesInFlight, 0)
    }))

  it.scoped("recovers from the loss of any one of its datagrams", () =>
    Effect.gen(function*() {
      for (let lost = 0; lost < 6; lost++) {
        const { client, hub, network } = yield* pair()
        let count = 0
        network.tap((event) => {
          if (event.kind !== "sent") return
          const drop = count++ === lost
          network.unsafeConfigure({ loss: drop ? 1 : 0 })
        })
        network.unsafeConfigure({ loss: lost === 0 ? 1 : 0 })
        const { peer } = yield* attempt(network, client, hub, "IK")
        const seen = yield* collect(hub.deliveries)
        yield* peer.send(Uint8Array.of(lost), { intent: "Reliable" })
        yield* network.advance("5 seconds")
        assert.deepStrictEqual(seen.map((one) => one.payload[0]), [lost], `datagram ${lost} lost`)
      }
    }))

  it.scoped("needs the hub's key: without one it is a typed error", () =>
    Effect.gen(function*() {
      const { client, hub } = yield* pair()
      const error = yield* Effect.flip(client.connect({ ...hub.address, publicKey: "any", handshake: "IK" }))
      assert.strictEqual(error.reason, "InvalidOptions")
      assert.notInclude([MESSAGE_3], hub.counters.received)
    }))

  it.scoped("obeys the limits of the moment when it is proven, not of the moment when it was answered", () =>
    Effect.gen(function*() {
      const network = yield* Effect.orDie(Network.make({ seed: 3, latency: 10 }))
      const hub = yield* IntentraTest.make(network, { host: "10.0.0.1", key: key(1), allow: "any", maxSessions: 2 })
      for (let n = 2; n < 8; n++) {
        const client = yield* IntentraTest.make(network, { host: `10.0.0.${n}`, key: key(8 * n) })
        yield* Effect.forkScoped(
          client.connect({ ...hub.address, publicKey: hub.publicKey, handshake: "IK" }).pipe(Effect.ignore)
        )
      }
      yield* network.advance("3 seconds")
      assert.strictEqual(hub.counters.sessionsActive, 2)
    }))

  it.scoped("both ways at once leaves each end one session and a live peer", () =>
    Effect.gen(function*() {
      for (let gap = 0; gap <= 60; gap += 4) {
        for (const [first, second] of [[16, 32], [32, 16]]) {
          const network = yield* Effect.orDie(Network.make({ seed: gap, latency: 20 }))
          const a = yield* IntentraTest.make(network, { host: "10.0.0.1", key: key(first), allow: "any" })
          const b = yield* IntentraTest.make(network, { host: "10.0.0.2", key: key(second), allow: "any" })
          const one = yield* Effect.forkScoped(a.connect({ ...b.address, publicKey: b.publicKey, handshake: "IK" }))
          yield* network.advance(gap)
          const two = yield* Effect.forkScoped(b.connect({ ...a.address, publicKey: a.publicKey, handshake: "IK" }))
          yield* network.advance("6 seconds")
          const peers = [yield* one, yield* two]
          const context = `${gap} ms, keys ${first} and ${second}`
          assert.deepStrictEqual(peers.map((peer) => peer.closeReason), [undefined, undefined], context)
          assert.deepStrictEqual([a.counters.sessionsActive, b.counters.sessionsActive], [1, 1], context)
        }
      }
    }))
})
