/** An eventful life of a hub and three clients on a simulated network, recorded at the hub and at one client. */
import { assert } from "@effect/vitest"
import { Entropy } from "@intentra/crypto"
import { Network, UdpSocket } from "@intentra/udp"
import type { NetworkShape } from "@intentra/udp"
import { Context, Deferred, Effect, Fiber, Layer, Logger, Stream } from "effect"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Authorizer, FlightRecorder, Intentra, IntentraTest, layerConcerns, SendOptions } from "../../src/index.js"
import type { AuthorizerShape, Intent, IntentraOptions, Peer } from "../../src/index.js"
import { bytes, collect, connect, key, turns } from "../internal/harness.js"
import { layerCrypto } from "./crypto.js"

/** A folder of one's own, until the scope closes. */
export const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "intentra-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

export const quiet = Effect.provide(Logger.remove(Logger.defaultLogger))

/** Waits for what the disk says. */
export const until = (done: () => boolean) =>
  Effect.promise(async () => {
    for (let i = 0; i < 2000 && !done(); i++) await new Promise((resolve) => setImmediate(resolve))
    assert.isTrue(done())
  })

export interface Delivered {
  readonly peer: string
  readonly intent: Intent
  readonly payload: Uint8Array
}

export interface Life {
  readonly hubFile: string
  readonly clientFile: string
  readonly hubDelivered: ReadonlyArray<Delivered>
  readonly clientDelivered: ReadonlyArray<Delivered>
  /** Datagrams of the hub and of the client on the wire. */
  readonly hubSent: () => number
  readonly clientSent: () => number
  readonly rekeys: number
  readonly moves: number
  readonly held: number
}

/** A recorded transport with an authorizer of its own, composed by hand as a program would. */
const recordedHub = (
  network: NetworkShape,
  path: string,
  authorize: AuthorizerShape["authorize"],
  options: IntentraOptions
) => {
  const primitives = FlightRecorder.layer(path, options).pipe(
    Layer.provideMerge(Layer.merge(layerCrypto, Entropy.layerSeeded("hub")))
  )
  return Effect.map(
    Layer.build(
      Intentra.layerCore(options).pipe(
        Layer.provide(Layer.merge(layerConcerns(options), Authorizer.layerWith(authorize))),
        Layer.provide(UdpSocket.layerSimulated({ host: "10.0.0.1", port: 9000 })),
        Layer.provide(primitives),
        Layer.provide(Network.layerOf(network))
      )
    ),
    Context.get(Intentra)
  )
}

const RELIABLE = SendOptions.make({ intent: "Reliable" })
const SEQUENCED = SendOptions.make({ intent: "Sequenced", priority: 2 })
const URGENT = SendOptions.make({ priority: 7, ttl: "50 millis" })

/** All of it: what was recorded, and what the users saw. */
export const live = (path: string): Effect.Effect<Life> =>
  Effect.gen(function*() {
    const hubFile = join(path, "hub.recording")
    const clientFile = join(path, "client.recording")
    const network = yield* Network.make({ seed: 7, latency: 10, jitter: 4 })
    const sent = new Map<string, number>()
    const sentBy = (name: string) => () => sent.get(name) ?? 0
    network.tap((event) => {
      if (event.kind !== "sent") return
      // the client's address changes on the way
      const name = event.from === "10.7.7.7:9000" ? "10.0.0.2:9000" : event.from
      sent.set(name, (sent.get(name) ?? 0) + 1)
    })
    const gate = yield* Deferred.make<boolean>()
    let asked = 0
    const stranger = yield* IntentraTest.make(network, { host: "10.0.0.4", key: key(4), psk: key(9) })
    const hub = yield* recordedHub(
      network,
      hubFile,
      (publicKey) => {
        asked++
        if (Buffer.compare(publicKey, stranger.publicKey) === 0) return false
        // some at once, some by an effect that answers before it pauses, some later
        return asked === 1 ? true : asked === 2 ? Effect.succeed(true) : Deferred.await(gate)
      },
      { key: key(1), psk: key(9), packetsPerSecond: 60, burst: 15, pacePacketsPerSecond: 20 }
    )
    const client = yield* IntentraTest.make(network, {
      host: "10.0.0.2",
      key: key(2),
      psk: key(9),
      deliveryQueue: 40,
      record: clientFile
    })
    const slow = yield* IntentraTest.make(network, { host: "10.0.0.3", key: key(3), psk: key(9) })

    const hubDelivered: Array<Delivered> = []
    const hubEvents = yield* collect(hub.events)
    yield* hub.onDelivery((peer, payload, intent) => {
      hubDelivered.push({ peer: peer.id, intent, payload: payload.slice() })
      // a user's code may read, send and close from within
      assert.isAtLeast(peer.stats === undefined ? -1 : Effect.runSync(peer.stats).age, 0)
      if (payload[0] % 3 === 0) peer.unsafeSend(payload.slice(0, 20), payload[0] % 2 === 0 ? RELIABLE : SEQUENCED)
      if (payload.length === 3) Effect.runSync(peer.close())
    })

    const target = { ...hub.address, publicKey: hub.publicKey }
    const peer = yield* connect(network, client, hub)
    const lost = yield* Effect.fork(Effect.flip(stranger.connect(target)))
    yield* network.advance("1 second")
    assert.strictEqual((yield* Fiber.join(lost)).reason, "Refused")

    // an authorizer that takes its time
    const waiting = yield* Effect.fork(slow.connect(target))
    yield* network.advance("500 millis")
    yield* turns
    yield* Deferred.succeed(gate, true)
    yield* turns
    yield* network.advance("3 seconds")
    const slowPeer = yield* Fiber.join(waiting)

    // a connect to nobody, given up half-way
    const nobody = yield* Effect.fork(
      Effect.scoped(client.connect({ host: "10.0.0.99", port: 1, publicKey: stranger.publicKey, handshake: "IK" }))
    )
    yield* network.advance("300 millis")
    yield* Fiber.interrupt(nobody)

    yield* network.configure({ loss: 0.1, duplicate: 0.05, reorder: 0.1 })
    const clientDelivered: Array<Delivered> = []
    // nothing is taken at first: Reliable is held back
    for (let n = 0; n < 60; n++) yield* Effect.fork(sendAll(peer, n))
    const remote = (yield* hub.peers).find(({ publicKey }) => Buffer.compare(publicKey, client.publicKey) === 0)
    for (let n = 0; n < 100; n++) {
      yield* Effect.fork(Effect.orDie(remote?.send(new Uint8Array(100).fill(n), RELIABLE) ?? Effect.void))
    }
    yield* network.advance("2 seconds")
    const held = client.counters.reorderBytes
    const consuming = yield* Effect.fork(
      Stream.runForEach(client.deliveries, ({ intent, payload, peer }) =>
        Effect.sync(() => clientDelivered.push({ peer: peer.id, intent, payload })))
    )
    yield* turns
    for (let second = 0; second < 150; second++) {
      yield* Effect.fork(sendAll(peer, second))
      yield* hub.broadcast(new Uint8Array(30).fill(second), SEQUENCED)
      // more than the pace lets out in time
      const burst = second % 10 === 0 ? 24 : 0
      for (let n = 0; n < burst; n++) {
        yield* hub.broadcast(new Uint8Array(900).fill(n), URGENT)
      }
      if (second === 20) {
        yield* network.rebindNat("10.0.0.2", "10.7.7.7")
      }
      if (second === 60) {
        slowPeer.unsafeSend(new Uint8Array(5000), SendOptions.default)
      }
      yield* network.advance("1 second")
    }
    yield* slowPeer.send(bytes("bye"))
    yield* network.advance("2 seconds")
    const again = yield* Effect.fork(Effect.exit(slow.connect(target)))
    yield* network.advance("3 seconds")
    yield* Fiber.join(again)
    yield* peer.close()
    yield* network.advance("2 seconds")
    yield* turns
    yield* Fiber.interrupt(consuming)
    return {
      hubFile,
      clientFile,
      hubDelivered,
      clientDelivered,
      hubSent: sentBy("10.0.0.1:9000"),
      clientSent: sentBy("10.0.0.2:9000"),
      rekeys: hub.counters.rekeys,
      moves: hubEvents.filter((event) =>
        event._tag === "PeerRoamed"
      ).length,
      held
    }
  }).pipe(Effect.scoped, Effect.orDie, quiet)

const sendAll = (peer: Peer, n: number) =>
  Effect.zipRight(
    peer.send(new Uint8Array(200).fill(n), RELIABLE),
    Effect.sync(() => {
      peer.unsafeSend(new Uint8Array(60).fill(n + 1), SEQUENCED)
      peer.unsafeSend(new Uint8Array(1000).fill(n + 2), URGENT)
    })
  )
