import { assert, describe, it } from "@effect/vitest"
import { Deferred, FastCheck as fc, FiberId } from "effect"
import type { Socket } from "node:dgram"
import { EventEmitter } from "node:events"
import type { UdpSocketError } from "../src/index.js"
import { DgramSocket } from "../src/internal/dgram.js"
import { resolve, type UdpSocketOptions } from "../src/UdpSocketOptions.js"
import { idOf, numbered, put } from "./support/contract.js"

type Callback = (error: Error | null) => void

/** Stands in for a socket of node:dgram whose system takes datagrams only while it has room, as a slow link does. */
class SlowSocket extends EventEmitter {
  room = 0
  readonly arrived: Array<Uint8Array> = []
  /** What libuv keeps: views of the caller's bytes, read when there is room. */
  private readonly kept: Array<{ readonly bytes: Uint8Array; readonly callback: Callback | undefined }> = []

  address() {
    return { address: "127.0.0.1", port: 9_000, family: "IPv4" }
  }
  setRecvBufferSize() {}
  setSendBufferSize() {}
  getRecvBufferSize() {
    return 0
  }
  getSendBufferSize() {
    return 0
  }
  getSendQueueCount() {
    return this.kept.length
  }
  send(bytes: Uint8Array, offset: number, length: number, _port: number, _host: string, callback?: Callback) {
    this.kept.push({ bytes: bytes.subarray(offset, offset + length), callback })
    this.drain(false)
  }
  /** Makes room for so many datagrams. */
  allow(datagrams: number) {
    this.room += datagrams
    this.drain(true)
  }
  private drain(late: boolean) {
    while (this.room > 0 && this.kept.length > 0) {
      this.room--
      const next = this.kept.shift()
      if (next === undefined) return
      this.arrived.push(next.bytes.slice())
      // Callbacks of datagrams that went at once come in a later tick, which these tests do not need.
      if (late) next.callback?.(null)
    }
  }
}

const make = (options: UdpSocketOptions = {}) => {
  const slow = new SlowSocket()
  const closed = Deferred.unsafeMake<void, UdpSocketError>(FiberId.none)
  const socket = new DgramSocket(slow as unknown as Socket, resolve(options), closed)
  return { slow, socket, id: idOf(socket, { host: "127.0.0.1", port: 1 }) }
}

const step = fc.oneof(
  fc.record({ kind: fc.constant("send" as const), n: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ kind: fc.constant("allow" as const), n: fc.integer({ min: 1, max: 30 }) })
)

describe("the send queue of layerDgram", () => {
  it.prop("what the system does not take at once waits, and goes out whole, once and in order", [
    fc.array(step, { maxLength: 40 })
  ], ([steps]) => {
    const { id, slow, socket } = make({ sendQueueBytes: 16 * 1024 * 1024 })
    let given = 0
    for (const { kind, n } of steps) {
      if (kind === "allow") slow.allow(n)
      else {
        for (let i = 0; i < n; i++) put(socket, id, numbered(given++, 200))
        assert.strictEqual(socket.send(), n)
        // The caller may use its outbox again at once.
        socket.outbox.arena.fill(0xee)
      }
    }
    slow.allow(1_000_000)
    assert.strictEqual(slow.arrived.length, given)
    slow.arrived.forEach((bytes, n) => assert.deepStrictEqual(bytes, numbered(n, 200)))
    assert.strictEqual(socket.stats.sent, given)
    assert.strictEqual(socket.stats.sendQueueDropped, 0)
  })

  it.prop("the queue is bounded: everything given has gone out, waits, or is counted as dropped", [
    fc.constantFrom("drop-newest" as const, "drop-oldest" as const),
    fc.array(step, { minLength: 5, maxLength: 40 })
  ], ([sendQueuePolicy, steps]) => {
    const { id, slow, socket } = make({ sendQueueBytes: 1_000, sendQueuePolicy })
    let given = 0
    let accepted = 0
    for (const { kind, n } of steps) {
      if (kind === "allow") slow.allow(n)
      else {
        for (let i = 0; i < n; i++) put(socket, id, numbered(given++, 200))
        accepted += socket.send()
      }
      const { sendQueueDropped, sent } = socket.stats
      const waiting = given - sent - sendQueueDropped
      assert.isAtLeast(waiting, 0)
      assert.isAtMost(waiting * 200, 1_000)
    }
    slow.allow(1_000_000)
    const { sendQueueDropped, sent } = socket.stats
    assert.strictEqual(sent + sendQueueDropped, given)
    assert.strictEqual(slow.arrived.length, sent)
    assert.strictEqual(accepted, sendQueuePolicy === "drop-newest" ? sent : given)
  })

  it("thousands of waiting datagrams go out in order, some at a time", () => {
    const { id, slow, socket } = make({ sendQueueBytes: 16 * 1024 * 1024 })
    for (let n = 0; n < 5_000; n++) {
      put(socket, id, numbered(n, 10))
      socket.send()
    }
    while (slow.arrived.length < 5_000) slow.allow(333)
    slow.arrived.forEach((bytes, n) => assert.strictEqual(new DataView(bytes.buffer).getUint16(0), n))
  })

  for (const policy of ["drop-newest", "drop-oldest"] as const) {
    it(`${policy} drops the ${policy.slice(5)} datagrams`, () => {
      const { id, slow, socket } = make({ sendQueueBytes: 1_100, sendQueuePolicy: policy })
      // The first of these blocks the system, which keeps the batch; the others wait in the queue, one of them on its way.
      put(socket, id, numbered(0, 200))
      socket.send()
      for (let n = 1; n <= 10; n++) {
        put(socket, id, numbered(n, 200))
        socket.send()
      }
      slow.allow(1_000)
      const order = slow.arrived.map((bytes) => new DataView(bytes.buffer).getUint16(0))
      assert.deepStrictEqual(order, policy === "drop-newest" ? [0, 1, 2, 3, 4, 5] : [0, 1, 7, 8, 9, 10])
      assert.strictEqual(socket.stats.sendQueueDropped, 5)
    })
  }
})
