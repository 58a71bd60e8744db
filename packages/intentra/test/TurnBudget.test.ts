import { assert, describe, it } from "@effect/vitest"
import { Entropy } from "@intentra/crypto"
import { Address, Network, ReceiveBatch, UdpSocket } from "@intentra/udp"
import type { UdpSocketShape } from "@intentra/udp"
import { Context, Effect, FastCheck as fc, Layer, Redacted } from "effect"
import { Intentra } from "../src/index.js"
import { layerConcerns } from "../src/Intentra.js"
import { layerCrypto } from "./support/crypto.js"

/** A socket on which every look at the clock costs `step` milliseconds, and whose batches the test hands over. */
const slow = (inner: UdpSocketShape, step: () => number) => {
  let now = 0
  let handler: ((batch: ReceiveBatch) => void) | undefined
  const { addresses, closed, granted, kind, localAddress, maxDatagramBytes, outbox, stats } = inner
  const socket: UdpSocketShape = {
    addresses,
    closed,
    granted,
    kind,
    localAddress,
    maxDatagramBytes,
    outbox,
    stats,
    send: () => inner.send(),
    loop: {
      now: () => now += step(),
      makeAlarm: (callback) => inner.loop.makeAlarm(callback),
      defer: (callback) => inner.loop.defer(callback),
      soon: (callback) => inner.loop.soon(callback)
    },
    setHandler: (given) => {
      handler = given
    }
  }
  return { socket, hand: (batch: ReceiveBatch) => handler?.(batch) }
}

/** Datagrams of another protocol: each is one drop. */
const foreign = (count: number): ReceiveBatch => {
  const batch = new ReceiveBatch(count, count * 32)
  for (let i = 0; i < count; i++) {
    batch.offsets[i] = i * 32
    batch.lengths[i] = 32
    Address.write("10.0.0.9", 9, batch.addresses, batch.addressOffsets[i])
  }
  batch.count = count
  return batch
}

const withSlowSocket = <A>(
  step: () => number,
  use: (hub: Intentra["Type"], hand: (batch: ReceiveBatch) => void) => A
) =>
  Effect.scoped(
    Effect.gen(function*() {
      const network = yield* Network.make()
      const { hand, socket } = slow(yield* network.bind({ host: "10.0.0.1", port: 9000 }), step)
      const layer = Intentra.layerCore().pipe(
        Layer.provide(layerConcerns({ key: Redacted.make(new Uint8Array(32).fill(7)) })),
        Layer.provide(Layer.merge(layerCrypto, Entropy.layerSeeded(1))),
        Layer.provide(Layer.succeed(UdpSocket, socket))
      )
      const hub = Context.get(yield* Layer.build(layer), Intentra)
      return use(hub, hand)
    })
  )

describe("a turn", () => {
  it.effect("that has used its 4 ms leaves the rest of its batch for the next one", () =>
    withSlowSocket(() => 5, (hub, hand) => {
      const batch = foreign(100)
      hand(batch)
      assert.isAbove(batch.first, 0)
      assert.isBelow(batch.first, 100)
      assert.strictEqual(hub.counters.received, batch.first)
    }))

  it.effect("that has time handles all of its batch", () =>
    withSlowSocket(() => 0, (hub, hand) => {
      const batch = foreign(512)
      hand(batch)
      assert.strictEqual(batch.first, 512)
      assert.strictEqual(hub.counters.received, 512)
    }))

  it.effect.prop(
    "after turn handles every datagram once, however slow they are",
    [fc.integer({ min: 1, max: 300 }), fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 1 })],
    ([count, steps]) => {
      let i = 0
      return withSlowSocket(() => steps[i++ % steps.length], (hub, hand) => {
        const batch = foreign(count)
        let turns = 0
        while (batch.first < count) {
          const before = batch.first
          hand(batch)
          assert.isAbove(batch.first, before)
          assert.isBelow(turns++, count)
        }
        assert.strictEqual(hub.counters.received, count)
        assert.strictEqual(hub.counters.dropsByReason()["BadVersion"], count)
      })
    }
  )
})
