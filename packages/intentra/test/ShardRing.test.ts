import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { once } from "node:events"
import { Worker } from "node:worker_threads"
import { ShardRing } from "../src/internal/shardRing.js"

const make = (bytes: number) => {
  const shared = ShardRing.allocate(bytes)
  return { producer: new ShardRing(shared), consumer: new ShardRing(shared) }
}

const write = (ring: ShardRing, record: Uint8Array, spare = 0): boolean => {
  const at = ring.reserve(record.length, spare)
  if (at >= 0) ring.bytes.set(record, at)
  return at >= 0
}

const read = (ring: ShardRing): Uint8Array | undefined => {
  ring.look()
  const at = ring.next()
  return at < 0 ? undefined : ring.bytes.slice(at, at + ring.length)
}

/** What a step of a thread does: a number of bytes to write, or a call. */
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.uint8Array({ maxLength: 500 }) },
    { weight: 2, arbitrary: fc.constant("commit" as const) },
    { weight: 3, arbitrary: fc.constant("read" as const) },
    { weight: 2, arbitrary: fc.constant("release" as const) }
  ),
  { maxLength: 400 }
)

describe("ShardRing", () => {
  it.prop("whatever is written arrives once, unchanged and in order, and only after its commit", [steps], ([steps]) => {
    const { consumer, producer } = make(1024)
    const committed: Array<Uint8Array> = []
    let reserved: Array<Uint8Array> = []
    for (const step of steps) {
      if (step === "commit") {
        producer.commit()
        for (const record of reserved) committed.push(record)
        reserved = []
      } else if (step === "read") {
        assert.deepStrictEqual(read(consumer), committed.shift())
      } else if (step === "release") {
        consumer.release()
      } else if (write(producer, step)) {
        reserved.push(step)
      }
    }
    producer.commit()
    for (const record of reserved) committed.push(record)
    for (const record of committed) assert.deepStrictEqual(read(consumer), record)
    assert.strictEqual(read(consumer), undefined)
  })

  it.prop(
    "an empty ring takes the longest record wherever its positions stand, and nothing longer",
    [fc.array(fc.nat(504), { maxLength: 60 })],
    ([lengths]) => {
      const { consumer, producer } = make(1024)
      for (const length of lengths) {
        assert.isTrue(write(producer, new Uint8Array(length)))
        producer.commit()
        assert.strictEqual(read(consumer)?.length, length)
        consumer.release()
      }
      assert.strictEqual(producer.longest, 504)
      assert.isFalse(producer.hasRoom(505))
      assert.strictEqual(producer.reserve(505), -1)
      assert.isTrue(producer.hasRoom(504))
      assert.isTrue(write(producer, new Uint8Array(504)))
    }
  )

  it.prop(
    "it holds no more than its capacity, keeps what it holds when it refuses, and takes again what was released",
    [fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 20, maxLength: 60 })],
    ([lengths]) => {
      const { consumer, producer } = make(1024)
      const taken: Array<number> = []
      for (const [i, length] of lengths.entries()) {
        const fits = producer.hasRoom(length)
        assert.strictEqual(write(producer, new Uint8Array(length).fill(i)), fits)
        if (fits) taken.push(i)
      }
      assert.isAtMost(taken.reduce((sum, i) => sum + lengths[i] + 8, 0), 1024)
      assert.isBelow(taken.length, lengths.length)
      producer.commit()
      for (const i of taken) assert.deepStrictEqual(read(consumer), new Uint8Array(lengths[i]).fill(i))
      assert.isFalse(producer.hasRoom(504))
      consumer.release()
      assert.isTrue(producer.hasRoom(504))
    }
  )

  it("room that is spared stays for who does not spare it", () => {
    const { producer } = make(1024)
    while (write(producer, new Uint8Array(56), 256)) { /* fill it */ }
    assert.isFalse(producer.hasRoom(56, 256))
    let more = 0
    while (write(producer, new Uint8Array(56))) more++
    assert.strictEqual(more, 4)
  })

  it("positions wrap at 2^32 unnoticed", () => {
    const shared = ShardRing.allocate(1024)
    const control = new Int32Array(shared, 0, 64)
    // 512 bytes before the wrap from the greatest to the least number of 32 bits
    control[0] = 0x7fffffff - 511
    control[16] = 0x7fffffff - 511
    const producer = new ShardRing(shared)
    const consumer = new ShardRing(shared)
    const before = producer.position
    for (let i = 0; i < 100; i++) {
      const record = new Uint8Array(100).fill(i)
      assert.isTrue(write(producer, record))
      producer.commit()
      assert.deepStrictEqual(read(consumer), record)
      consumer.release()
      assert.isTrue(consumer.hasPassed(before))
      assert.isTrue(consumer.hasPassed(producer.position))
    }
    assert.isBelow(producer.position, before)
  })

  it("what is committed after a look is found by the next look, not before", () => {
    const { consumer, producer } = make(1024)
    write(producer, new Uint8Array(1))
    producer.commit()
    consumer.look()
    write(producer, new Uint8Array(2))
    producer.commit()
    assert.deepStrictEqual([consumer.next() >= 0, consumer.next() >= 0], [true, false])
    consumer.look()
    assert.deepStrictEqual([consumer.next() >= 0, consumer.length], [true, 2])
  })

  it("a position is passed when every record before it has been found", () => {
    const { consumer, producer } = make(1024)
    write(producer, new Uint8Array(10))
    const position = producer.position
    write(producer, new Uint8Array(10))
    producer.commit()
    assert.isFalse(consumer.hasPassed(position))
    read(consumer)
    assert.isTrue(consumer.hasPassed(position))
  })

  it("the consumer is told once until it looks, and the producer is fed once for each time it starved", () => {
    const { consumer, producer } = make(1024)
    assert.deepStrictEqual([producer.mustTell(), producer.mustTell()], [true, false])
    consumer.look()
    assert.deepStrictEqual([producer.mustTell(), producer.mustTell()], [true, false])
    assert.isFalse(consumer.mustFeed())
    producer.starve()
    producer.starve()
    assert.deepStrictEqual([consumer.mustFeed(), consumer.mustFeed()], [true, false])
  })

  it("nothing is left of what was in it after it was wiped", () => {
    const { consumer, producer } = make(1024)
    write(producer, new Uint8Array(300).fill(7))
    consumer.wipe()
    assert.isTrue(producer.bytes.every((byte) => byte === 0))
  })

  it("between two threads 100,000 records of every length arrive unchanged and in order", async () => {
    const shared = ShardRing.allocate(16_384)
    const ring = new ShardRing(shared)
    const worker = new Worker(new URL("support/ringProducer.mjs", import.meta.url), {
      workerData: { shared, count: 100_000 }
    })
    let count = 0
    let wrong = 0
    const drain = () => {
      ring.look()
      for (let at = ring.next(); at >= 0; at = ring.next()) {
        const expected = count % 601
        if (ring.length !== expected) wrong++
        for (let i = 0; i < ring.length; i++) if (ring.bytes[at + i] !== ((count + i) & 255)) wrong++
        count++
      }
      ring.release()
      if (ring.mustFeed()) worker.postMessage("room")
    }
    worker.on("message", drain)
    await once(worker, "exit")
    drain()
    assert.deepStrictEqual([count, wrong], [100_000, 0])
  })
})
