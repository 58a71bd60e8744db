import { assert, describe, it } from "@effect/vitest"
import { SendBatch, UdpSocket } from "@intentra/udp"
import { Effect, FastCheck } from "effect"
import { layerTapped, Stored } from "../../src/internal/tapSocket.js"
import type { TapSocket } from "../../src/internal/tapSocket.js"

const datagrams = FastCheck.array(FastCheck.uint8Array({ minLength: 1, maxLength: 64 }), { maxLength: 40 })

const push = (stored: Stored, datagram: Uint8Array): void => {
  const arena = new Uint8Array(100)
  arena.set(datagram, 7)
  stored.push(arena, 7, datagram.length)
}

const contents = (outbox: SendBatch): ReadonlyArray<Uint8Array> =>
  Array.from(
    { length: outbox.count },
    (_, i) => outbox.arena.slice(outbox.offsets[i], outbox.offsets[i] + outbox.lengths[i])
  )

describe("tapSocket", () => {
  it.prop("what was stored comes out as it went in, in order, in whatever portions", [
    datagrams,
    FastCheck.integer({ min: 1, max: 9 })
  ], ([these, portion]) => {
    const stored = new Stored(64)
    for (const datagram of these) push(stored, datagram)
    const out: Array<Uint8Array> = []
    while (stored.left > 0) {
      const outbox = new SendBatch(8, 4096)
      assert.strictEqual(stored.take(portion, outbox, 3), outbox.count)
      assert.isTrue(outbox.addressIds.subarray(0, outbox.count).every((id) => id === 3))
      for (const datagram of contents(outbox)) out.push(datagram)
    }
    assert.deepStrictEqual(out, these)
  })

  it("a datagram that is longer than the places is left out", () => {
    const stored = new Stored(8)
    push(stored, new Uint8Array(9))
    push(stored, new Uint8Array(8))
    assert.strictEqual(stored.count, 1)
  })

  it.scoped("a tap that stores sends nothing, and its clock runs as many times faster as asked", () =>
    Effect.gen(function*() {
      let tap: TapSocket | undefined
      yield* Effect.provide(
        Effect.gen(function*() {
          const socket = yield* UdpSocket
          if (tap === undefined) return assert.fail("the tap was not told of")
          tap.store = new Stored(64)
          const id = socket.addresses.acquire(new Uint8Array(24), 0)
          socket.outbox.reserve(5)
          socket.outbox.commit(5, id)
          assert.strictEqual(socket.send(), 1)
          assert.deepStrictEqual([tap.store.count, tap.lastAddressId, socket.outbox.count], [1, id, 0])
          assert.strictEqual(socket.stats.sent, 0)
          const before = tap.inner.loop.now() * 50
          const now = socket.loop.now()
          assert.isAtLeast(now, before)
          assert.isAtMost(now, tap.inner.loop.now() * 50)
        }),
        layerTapped(
          (opened) => {
            tap = opened
          },
          {},
          50
        )
      )
    }))
})
