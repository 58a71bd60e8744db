import { assert, describe, it } from "@effect/vitest"
import { Address, Network } from "@intentra/udp"
import type { ReceiveBatch, UdpSocketShape } from "@intentra/udp"
import { FastCheck as fc } from "effect"
import * as DropReason from "../src/DropReason.js"
import { COUNTERS, sumCounters, writeCounters } from "../src/internal/shardCounters.js"
import { ShardRing } from "../src/internal/shardRing.js"
import type { Neighbour } from "../src/internal/shardSocket.js"
import { drawOwn, ownerOf, ShardSocket } from "../src/internal/shardSocket.js"
import * as PacketHeader from "../src/PacketHeader.js"
import { TransportCounters } from "../src/TransportCounters.js"

interface Seen {
  readonly by: number
  readonly from: string
  readonly bytes: ReadonlyArray<number>
}

/** Workers of one thread: sockets of the simulated network with real rings between them. */
class Workers {
  readonly network = Network.unsafeMake({ latency: 0 })
  readonly counters: Array<TransportCounters> = []
  readonly sockets: Array<ShardSocket> = []
  readonly seen: Array<Seen> = []
  /** How many datagrams a handler takes before it stops. */
  budget = Infinity
  private readonly inners: Array<UdpSocketShape> = []

  constructor(count: number, ringBytes = 65_536) {
    const rings = Array.from(
      { length: count },
      () => Array.from({ length: count }, () => ShardRing.allocate(ringBytes))
    )
    for (let index = 0; index < count; index++) {
      const inner = this.network.unsafeBind({ host: `10.0.0.${index + 1}`, port: 9000, turnBudget: 4096 })
      const neighbours = rings[index].map((outgoing, to): Neighbour | undefined =>
        to === index ? undefined : {
          outgoing: new ShardRing(outgoing),
          incoming: new ShardRing(rings[to][index]),
          tell: () => this.inners[to].loop.defer(() => this.sockets[to].receiveRelayed())
        }
      )
      const counters = new TransportCounters()
      const socket = new ShardSocket(inner, { index, neighbours, counters, clockShift: 0 })
      socket.setHandler((batch) => this.handle(index, batch))
      this.inners.push(inner)
      this.counters.push(counters)
      this.sockets.push(socket)
    }
  }

  private handle(by: number, batch: ReceiveBatch): void {
    const { addressOffsets, addresses, arena, count, first, lengths, offsets } = batch
    const end = Math.min(count, first + this.budget)
    for (let i = first; i < end; i++) {
      const from = Address.format(addresses, addressOffsets[i])
      this.seen.push({ by, from, bytes: Array.from(arena.subarray(offsets[i], offsets[i] + lengths[i])) })
    }
    batch.first = end
  }

  receive(to: number, bytes: Uint8Array, from = "10.9.9.9:1234"): void {
    this.network.unsafeInject({ from, to: `10.0.0.${to + 1}:9000`, bytes, delay: 0 })
  }

  settle(): void {
    this.network.unsafeAdvance(100)
  }
}

const datagram = (connId: number, length = 40, fill = 0): Uint8Array => {
  const bytes = new Uint8Array(length).fill(fill)
  PacketHeader.encode({
    version: PacketHeader.WIRE_VERSION,
    type: PacketHeader.DATA,
    intent: 0,
    priority: 0,
    epoch: 0,
    reserved: 0,
    payloadLength: length - PacketHeader.HEADER_BYTES,
    connId,
    seq: 0,
    ack: 0
  }, bytes)
  return bytes
}

const connIds = fc.integer({ min: 0, max: 0xffffffff })

describe("conn_ids", () => {
  it.prop(
    "every worker draws ids of its own, and no other",
    [fc.integer({ min: 1, max: 16 }), fc.integer({ min: 1, max: 0xffffffff })],
    ([workers, seed]) => {
      let state = seed
      const uint32 = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0)
      for (let index = 0; index < workers; index++) {
        const draw = drawOwn(uint32, index, workers)
        for (let i = 0; i < 20; i++) assert.strictEqual(ownerOf(draw(), workers), index)
      }
    }
  )
})

describe("a worker's socket", () => {
  it.prop(
    "hands every datagram to the worker that its conn_id names, with its bytes and source, and those of one source in order",
    [
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.record({ connId: connIds, length: fc.integer({ min: 16, max: 1400 }), at: fc.nat(3) }), {
        maxLength: 100
      }),
      fc.constantFrom(1, 3, Infinity)
    ],
    ([count, datagrams, budget]) => {
      const workers = new Workers(count, 262_144)
      workers.budget = budget
      const expected = datagrams.map(({ at, connId, length }, i) => {
        const to = at % count
        const bytes = datagram(connId, length, i)
        const from = `10.9.9.${to}:${1000 + i}`
        workers.receive(to, bytes, from)
        return { by: connId === 0 ? to : ownerOf(connId, count), from, bytes: Array.from(bytes) }
      })
      workers.settle()
      const sorted = (all: ReadonlyArray<Seen>) => all.map((one) => JSON.stringify(one)).sort()
      assert.deepStrictEqual(sorted(workers.seen), sorted(expected))
      for (let from = 0; from < count; from++) {
        for (let by = 0; by < count; by++) {
          const of = (all: ReadonlyArray<Seen>) =>
            all.filter((one) => one.by === by && one.from.startsWith(`10.9.9.${from}:`)).map((one) => one.from)
          assert.deepStrictEqual(of(workers.seen), of(expected))
        }
      }
      assert.isTrue(
        workers.counters.every((counters) => counters.received === 0 && counters.drops.every((n) => n === 0))
      )
    }
  )

  it("keeps what names nobody or is no packet: that is judged where it came in", () => {
    const workers = new Workers(2)
    const wrongVersion = datagram(0x01000001)
    wrongVersion[0] = 0x12
    const kept = [
      datagram(0),
      new Uint8Array(15).fill(0x20),
      new Uint8Array(0),
      wrongVersion,
      datagram(0x01000001, 2049)
    ]
    for (const bytes of kept) workers.receive(0, bytes)
    workers.settle()
    assert.deepStrictEqual(workers.seen.map(({ by }) => by), [0, 0, 0, 0, 0])
  })

  it.prop(
    "moves no more than the ring holds: the rest is dropped, and counted as received, where it came in",
    [fc.integer({ min: 1, max: 200 }), fc.integer({ min: 16, max: 300 })],
    ([count, length]) => {
      const workers = new Workers(2, 4096)
      for (let i = 0; i < count; i++) workers.receive(0, datagram(0x01000000 + i, length))
      for (let i = 0; i < 3; i++) workers.receive(0, datagram(0x02000000 + i))
      workers.settle()
      const [counters] = workers.counters
      const moved = workers.seen.filter(({ by }) => by === 1).length
      const dropped = counters.drops[DropReason.code.ShardOverflow]
      assert.strictEqual(moved + dropped, count)
      assert.strictEqual(counters.received, dropped)
      assert.strictEqual(counters.receivedBytes, dropped * length)
      assert.isAtLeast(moved, Math.min(count, Math.floor(4096 / 2 / (length + 40))))
      assert.strictEqual(workers.seen.filter(({ by }) => by === 0).length, 3)
    }
  )

  it("lives by the transport's clock, also when it sets alarms", () => {
    const network = Network.unsafeMake({ latency: 0 })
    const inner = network.unsafeBind({ host: "10.0.0.1", port: 9000 })
    const options = { index: 0, neighbours: [undefined], counters: new TransportCounters(), clockShift: 1000 }
    const { loop } = new ShardSocket(inner, options)
    let rang = -1
    const alarm = loop.makeAlarm(() => {
      rang = loop.now()
    })
    alarm.set(1500)
    network.unsafeAdvance(499)
    assert.deepStrictEqual([loop.now(), rang], [1499, -1])
    network.unsafeAdvance(2)
    assert.strictEqual(rang, 1500)
    alarm.set(2000)
    alarm.clear()
    network.unsafeAdvance(5000)
    assert.strictEqual(rang, 1500)
  })
})

describe("counters of several threads", () => {
  const numbers = fc.array(fc.nat(1000), { minLength: COUNTERS, maxLength: COUNTERS })

  it.prop(
    "read as sums of all, but ages and the longest turn as the greatest, always as they are now",
    [fc.array(numbers, { minLength: 1, maxLength: 3 }), fc.nat(100)],
    ([threads, more]) => {
      const parts = threads.map((values) => Float64Array.from(values))
      const own = new TransportCounters()
      const summed = sumCounters(parts, own)
      for (const name of Object.keys(own) as Array<keyof TransportCounters>) {
        const single = parts.map((part) => sumCounters([part], new TransportCounters())[name])
        const value = summed[name]
        if (typeof value === "number") {
          const all = single as Array<number>
          const expected = name === "longestTurnMs" || name === "oldestQueuedMs"
            ? Math.max(...all)
            : all.reduce((a, b) => a + b, 0)
          assert.strictEqual(value, expected, name)
        } else if (value instanceof Float64Array) {
          value.forEach((sum, i) =>
            assert.strictEqual(sum, (single as Array<Float64Array>).reduce((total, one) => total + one[i], 0), name)
          )
        }
      }
      const before = summed.dropped("Truncated")
      const { drops } = summed
      own.drops[DropReason.code.Truncated] += more
      assert.strictEqual(summed.dropped("Truncated"), before + more)
      assert.strictEqual(summed.drops, drops)
    }
  )

  it.prop("copying them through shared memory loses none and mixes up none", [numbers], ([values]) => {
    const given = sumCounters([Float64Array.from(values)], new TransportCounters())
    const part = new Float64Array(new SharedArrayBuffer(8 * COUNTERS))
    writeCounters(given, part)
    assert.deepStrictEqual(Array.from(part), values)
  })
})
