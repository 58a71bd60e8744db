import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc } from "effect"
import { Network, type NetworkConditions, NetworkError, type NetworkShape } from "../src/index.js"
import { idOf, numbered, put } from "./support/contract.js"
import { assertBalanced, pair, type Peer, peer } from "./support/peers.js"

const conditions: fc.Arbitrary<Partial<NetworkConditions.NetworkConditions>> = fc.record({
  latency: fc.integer({ min: 0, max: 30 }),
  jitter: fc.integer({ min: 0, max: 30 }),
  jitterDistribution: fc.constantFrom("uniform" as const, "normal" as const),
  keepOrder: fc.boolean(),
  loss: fc.constantFrom(0, 0.1, 0.9),
  burst: fc.constantFrom({ pEnter: 0.1, pExit: 0.3, lossInBurst: 0.8 }),
  duplicate: fc.constantFrom(0, 0.3),
  reorder: fc.constantFrom(0, 0.3),
  corrupt: fc.constantFrom(0, 0.3),
  bandwidth: fc.constantFrom(1_000, 100_000, Infinity),
  queueBytes: fc.constantFrom(500, 5_000),
  mtu: fc.constantFrom(200, 1_500)
}, { requiredKeys: [] })

const who = fc.nat(3)
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      from: who,
      to: who,
      length: fc.integer({ min: 0, max: 400 }),
      count: fc.integer({ min: 1, max: 5 })
    })
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("advance" as const), millis: fc.integer({ min: 0, max: 40 }) })
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("configure" as const), conditions }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("link" as const), from: who, to: who, conditions }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("partition" as const), a: who, b: who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("heal" as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("inject" as const), to: who, delay: fc.nat(20) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("rebind" as const), who, n: fc.integer({ min: 10, max: 13 }) })
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("close" as const), who }) }
)
type Step = typeof step extends fc.Arbitrary<infer A> ? A : never

/** Plays a script; hosts 0 and 1 are two ports of one host. Peers answer every third datagram. */
const play = (network: NetworkShape, steps: ReadonlyArray<Step>, afterStep: () => void): ReadonlyArray<Peer> => {
  const peers = [
    peer(network, { host: "10.0.0.1", port: 1 }),
    peer(network, { host: "10.0.0.1", port: 2 }),
    peer(network, { host: "10.0.0.2", port: 1 }),
    peer(network, { host: "10.0.0.3" })
  ]
  let n = 0
  for (const step of steps) {
    switch (step.kind) {
      case "send":
        for (let i = 0; i < step.count; i++) peers[step.from].sendTo(peers[step.to], numbered(n++, step.length))
        break
      case "advance":
        network.unsafeAdvance(step.millis)
        break
      case "configure":
        network.unsafeConfigure(step.conditions)
        break
      case "link":
        network.unsafeLink(peers[step.from].text, peers[step.to].socket.localAddress.host, step.conditions)
        break
      case "partition":
        network.unsafePartition([peers[step.a].text], [peers[step.b].socket.localAddress.host])
        break
      case "heal":
        network.unsafeHeal()
        break
      case "inject":
        network.unsafeInject({
          from: "192.0.2.1:5",
          to: peers[step.to].text,
          bytes: numbered(n++, 50),
          delay: step.delay
        })
        break
      case "rebind":
        try {
          network.unsafeRebindNat(peers[step.who].text, `10.0.0.${step.n}`)
        } catch (error) {
          // Moved or closed already, or taken.
          assert.instanceOf(error, NetworkError)
        }
        break
      case "close":
        peers[step.who].socket.close()
        break
    }
    afterStep()
  }
  return peers
}

const script = fc.array(step, { maxLength: 60 })

describe("Network", () => {
  it.prop("at every event and after every call: sent + duplicated + injected = delivered + lost + in flight", [
    script,
    conditions,
    fc.nat()
  ], ([steps, conditions, seed]) => {
    const network = Network.unsafeMake({ ...conditions, seed })
    const counted = { sent: 0, injected: 0, duplicated: 0, corrupted: 0, delivered: 0, lost: 0 }
    network.tap((event) => {
      counted[event.kind]++
      assert.strictEqual(event.at, network.now)
      assert.strictEqual(event.cause === undefined, event.kind !== "lost")
      assertBalanced(network)
    })
    const peers = play(network, steps, () => assertBalanced(network))
    network.unsafeAdvance(10_000_000)
    assertBalanced(network)
    const { corrupted, delivered, duplicated, inFlight, injected, lostTotal, sent } = network.ledger
    assert.deepStrictEqual(counted, { sent, injected, duplicated, corrupted, delivered, lost: lostTotal })
    assert.strictEqual(inFlight, 0)
    assert.strictEqual(peers.reduce((sum, { received }) => sum + received.length, 0), delivered)
    assert.strictEqual(peers.reduce((sum, { socket }) => sum + socket.stats.sent, 0), sent)
  })

  it.prop("the same seed and the same calls give the same trace", [script, conditions, fc.nat()], ([
    steps,
    conditions,
    seed
  ]) => {
    const run = () => {
      const network = Network.unsafeMake({ ...conditions, seed, trace: "text" })
      play(network, steps, () => {})
      network.unsafeAdvance(1_000)
      return network.trace
    }
    const [first, second] = [run(), run()]
    assert.strictEqual(first.text, second.text)
    assert.strictEqual(first.hash, second.hash)
    assert.match(first.hash, /^[0-9a-f]{16}$/)
  })

  it("another seed gives another trace, and hash alone is the hash of the text", () => {
    const run = (seed: number, trace: "hash" | "text") => {
      const network = Network.unsafeMake({ seed, trace, loss: 0.5 })
      const [a, b] = pair(network)
      for (let n = 0; n < 50; n++) a.sendTo(b, numbered(n, 20))
      network.unsafeAdvance(10)
      return network.trace
    }
    assert.notStrictEqual(run(1, "text").text, run(2, "text").text)
    assert.notStrictEqual(run(1, "text").hash, run(2, "text").hash)
    assert.strictEqual(run(1, "hash").hash, run(1, "text").hash)
    assert.strictEqual(run(1, "hash").text, "")
  })

  it.prop("without loss every datagram arrives exactly once and unchanged, whatever the delays", [
    fc.integer({ min: 0, max: 50 }),
    fc.integer({ min: 0, max: 50 }),
    fc.boolean(),
    fc.array(fc.integer({ min: 2, max: 3_000 }), { maxLength: 60 })
  ], ([latency, jitter, keepOrder, lengths]) => {
    const network = Network.unsafeMake({ latency, jitter, keepOrder, reorder: keepOrder ? 0 : 0.5 })
    const a = peer(network, { host: "fd00::1" })
    const b = peer(network, { host: "fd00::2", maxDatagramBytes: 4_096 })
    lengths.forEach((length, n) => {
      a.sendTo(b, numbered(n, length))
      network.unsafeAdvance(1)
    })
    network.unsafeAdvance(1_000)
    const numbers = b.received.map(({ bytes, from }) => {
      assert.deepStrictEqual(from, a.socket.localAddress)
      const n = new DataView(bytes.buffer).getUint16(0)
      assert.deepStrictEqual(bytes, numbered(n, lengths[n]))
      return n
    })
    if (keepOrder) assert.deepStrictEqual(numbers, lengths.map((_, n) => n))
    else assert.deepStrictEqual(numbers.sort((x, y) => x - y), lengths.map((_, n) => n))
  })

  it.prop("latency is exact without jitter, and jitter stays within its bounds", [
    fc.integer({ min: 0, max: 100 }),
    fc.integer({ min: 0, max: 50 })
  ], ([latency, jitter]) => {
    const network = Network.unsafeMake({ latency, jitter })
    const [a, b] = pair(network)
    for (let n = 0; n < 20; n++) a.sendTo(b, numbered(n, 10))
    network.unsafeAdvance(1_000)
    for (const { at } of b.received) {
      assert.isAtLeast(at, Math.max(0, latency - jitter))
      assert.isAtMost(at, latency + jitter)
    }
  })

  it("jitter and reorder let datagrams overtake each other", () => {
    for (const weather of [{ latency: 50, jitter: 20 }, { reorder: 0.3, reorderDelay: 5 }]) {
      const network = Network.unsafeMake({ seed: 3, ...weather })
      const [a, b] = pair(network)
      for (let n = 0; n < 50; n++) {
        a.sendTo(b, numbered(n, 10))
        network.unsafeAdvance(1)
      }
      network.unsafeAdvance(1_000)
      const numbers = b.received.map(({ bytes }) => new DataView(bytes.buffer).getUint16(0))
      assert.strictEqual(numbers.length, 50)
      assert.notDeepEqual(numbers, numbers.slice().sort((x, y) => x - y))
    }
  })

  it("loss, duplicates and corruption come as often as asked", () => {
    const network = Network.unsafeMake({ seed: 5, loss: 0.3, duplicate: 0.2, corrupt: 0.1 })
    const [a, b] = pair(network)
    for (let n = 0; n < 20_000; n++) {
      a.sendTo(b, numbered(n, 10))
      if (n % 100 === 0) network.unsafeAdvance(1)
    }
    const { corrupted, duplicated, lost, sent } = network.ledger
    assert.closeTo(lost.loss / sent, 0.3, 0.015)
    assert.closeTo(duplicated / (sent - lost.loss), 0.2, 0.015)
    assert.closeTo(corrupted / (sent - lost.loss), 0.1, 0.015)
  })

  it("burst loss has the share and the burst length of the Gilbert-Elliott model", () => {
    const network = Network.unsafeMake({ seed: 5, burst: { pEnter: 0.02, pExit: 0.2, lossInBurst: 1 } })
    const [a, b] = pair(network)
    let bursts = 0
    let lastWasLost = false
    network.tap(({ kind }) => {
      if (kind === "delivered") return
      if (kind === "sent") return
      if (!lastWasLost) bursts++
      lastWasLost = true
    })
    for (let n = 0; n < 20_000; n++) {
      const before = network.ledger.lost.burstLoss
      a.sendTo(b, numbered(n, 10))
      if (network.ledger.lost.burstLoss === before) lastWasLost = false
    }
    assert.closeTo(network.ledger.lost.burstLoss / 20_000, 0.02 / 0.22, 0.015)
    assert.closeTo(network.ledger.lost.burstLoss / bursts, 5, 0.7)
  })

  it.prop("a corrupted datagram differs in 1 to corruptBits bits and keeps its length", [
    fc.integer({ min: 1, max: 40 }),
    fc.integer({ min: 1, max: 20 }),
    fc.nat()
  ], ([length, corruptBits, seed]) => {
    const network = Network.unsafeMake({ seed, corrupt: 1, corruptBits })
    const [a, b] = pair(network)
    const original = numbered(1, length)
    a.sendTo(b, original)
    network.unsafeAdvance(10)
    const { bytes } = b.received[0]
    assert.strictEqual(bytes.length, length)
    let flipped = 0
    bytes.forEach((byte, i) => {
      for (let x = byte ^ original[i]; x > 0; x >>= 1) flipped += x & 1
    })
    assert.isAtLeast(flipped, 1)
    assert.isAtMost(flipped, corruptBits)
  })

  it("every datagram is duplicated at probability 1, each copy with a delay of its own", () => {
    const network = Network.unsafeMake({ latency: 50, jitter: 40, duplicate: 1 })
    const [a, b] = pair(network)
    for (let n = 0; n < 20; n++) a.sendTo(b, numbered(n, 10))
    network.unsafeAdvance(1_000)
    assert.strictEqual(b.received.length, 40)
    assert.strictEqual(new Set(b.received.map(({ at }) => at)).size, 40)
    for (const { from } of b.received) assert.deepStrictEqual(from, a.socket.localAddress)
  })

  it.prop("a datagram takes its length by the bandwidth, after those before it", [
    fc.integer({ min: 100, max: 1_000_000 }),
    fc.array(fc.integer({ min: 1, max: 1_500 }), { minLength: 1, maxLength: 30 }),
    fc.integer({ min: 0, max: 20 })
  ], ([bandwidth, lengths, latency]) => {
    const network = Network.unsafeMake({ bandwidth, latency })
    const [a, b] = pair(network)
    for (const length of lengths) a.sendTo(b, numbered(1, length))
    network.unsafeAdvance(1_000_000)
    let bytes = 0
    lengths.forEach((length, i) => {
      bytes += length
      assert.closeTo(b.received[i].at, latency + (bytes * 1_000) / bandwidth, 1e-6)
    })
  })

  it.prop("a queue takes what fits and drops the tail, and an idle link takes any size", [
    fc.integer({ min: 0, max: 5_000 }),
    fc.integer({ min: 1, max: 1_000 }),
    fc.integer({ min: 1, max: 50 })
  ], ([queueBytes, length, count]) => {
    const network = Network.unsafeMake({ bandwidth: 1_000, queueBytes })
    const [a, b] = pair(network)
    for (let n = 0; n < count; n++) a.sendTo(b, numbered(n, length))
    const fits = Math.min(count, Math.max(1, Math.floor(queueBytes / length)))
    assert.strictEqual(network.ledger.lost.queueFull, count - fits)
    network.unsafeAdvance(100_000)
    assert.strictEqual(b.received.length, fits)
    b.received.forEach(({ bytes }, n) => assert.deepStrictEqual(bytes, numbered(n, length)))
    a.sendTo(b, numbered(0, length))
    network.unsafeAdvance(100_000)
    assert.strictEqual(b.received.length, fits + 1)
  })

  it.prop("what is longer than the mtu vanishes, what is not passes", [
    fc.integer({ min: 0, max: 1_500 }),
    fc.integer({ min: 0, max: 1_500 })
  ], ([mtu, length]) => {
    const network = Network.unsafeMake({ mtu })
    const [a, b] = pair(network)
    a.sendTo(b, numbered(0, length))
    network.unsafeAdvance(10)
    assert.strictEqual(b.received.length, length > mtu ? 0 : 1)
    assert.strictEqual(network.ledger.lost.mtu, length > mtu ? 1 : 0)
  })

  it("a partition drops everything between its sides, also what is on its way, and nothing else; heal restores", () => {
    const network = Network.unsafeMake({ latency: 10 })
    const [a, b] = pair(network)
    const c = peer(network, { host: "10.0.0.3", port: 3 })
    a.sendTo(b, numbered(0, 10))
    network.unsafeAdvance(5)
    network.unsafePartition(["10.0.0.1"], [b.socket.localAddress])
    a.sendTo(b, numbered(1, 10))
    b.sendTo(a, numbered(2, 10))
    a.sendTo(c, numbered(3, 10))
    b.sendTo(c, numbered(4, 10))
    network.unsafeAdvance(100)
    assert.strictEqual(a.received.length + b.received.length, 0)
    assert.strictEqual(c.received.length, 2)
    assert.strictEqual(network.ledger.lost.partition, 3)
    a.sendTo(b, numbered(4, 10))
    network.unsafeHeal()
    network.unsafeAdvance(100)
    assert.strictEqual(b.received.length, 0)
    a.sendTo(b, numbered(5, 10))
    b.sendTo(a, numbered(6, 10))
    network.unsafeAdvance(100)
    assert.strictEqual(a.received.length, 1)
    assert.strictEqual(b.received.length, 1)
  })

  it("a partition reaches what is on its way, also when nothing is sent any more", () => {
    const network = Network.unsafeMake({ latency: 10 })
    const [a, b] = pair(network)
    a.sendTo(b, numbered(0, 10))
    network.unsafePartition([a.text], [b.text])
    network.unsafeAdvance(100)
    assert.strictEqual(network.ledger.lost.partition, 1)
  })

  it("conditions and partitions go by the address that others see", () => {
    const network = Network.unsafeMake()
    const [a, b] = pair(network)
    network.unsafePartition(["10.0.0.1"], ["10.0.0.2"])
    a.sendTo(b, numbered(0, 10))
    network.unsafeRebindNat(a.text, "10.0.0.7")
    a.sendTo(b, numbered(1, 10))
    network.unsafeAdvance(100)
    assert.deepStrictEqual(b.received.map(({ bytes }) => bytes), [numbered(1, 10)])
    network.unsafePartition(["10.0.0.7"], ["10.0.0.2"])
    a.sendTo(b, numbered(2, 10))
    network.unsafeAdvance(100)
    assert.strictEqual(b.received.length, 1)
  })

  it("conditions change from one datagram to the next, and what is on its way keeps its own", () => {
    const network = Network.unsafeMake({ latency: 10 })
    const [a, b] = pair(network)
    a.sendTo(b, numbered(0, 10))
    network.unsafeConfigure({ latency: 100 })
    a.sendTo(b, numbered(1, 10))
    network.unsafeConfigure({ loss: 1 })
    a.sendTo(b, numbered(2, 10))
    assert.strictEqual(network.conditions.latency, 100)
    network.unsafeAdvance(1_000)
    assert.deepStrictEqual(b.received.map(({ at }) => at), [10, 100])
  })

  it("the more exact of two link settings wins, each in one direction, and can be taken back", () => {
    const network = Network.unsafeMake({ latency: 1 })
    const [a, b] = pair(network)
    const delayOf = (from: Peer, to: Peer): number => {
      const start = network.now
      from.sendTo(to, numbered(0, 10))
      network.unsafeAdvance(1_000)
      return to.received[to.received.length - 1].at - start
    }
    network.unsafeLink("10.0.0.1", "10.0.0.2", { latency: 10 })
    assert.deepStrictEqual([delayOf(a, b), delayOf(b, a)], [10, 1])
    network.unsafeLink("10.0.0.1:1", "10.0.0.2:2", { latency: 40 })
    network.unsafeLink("10.0.0.1:1", "10.0.0.2", { latency: 30 })
    network.unsafeLink("10.0.0.1", "10.0.0.2:2", { latency: 20 })
    assert.deepStrictEqual([delayOf(a, b), delayOf(b, a)], [40, 1])
    network.unsafeLink("10.0.0.1:1", "10.0.0.2:2", undefined)
    assert.strictEqual(delayOf(a, b), 30)
    network.unsafeLink(a.socket.localAddress, "10.0.0.2", undefined)
    assert.strictEqual(delayOf(a, b), 20)
    network.unsafeLink("10.0.0.1", "10.0.0.2:2", undefined)
    network.unsafeLink("10.0.0.1", "10.0.0.2", undefined)
    assert.strictEqual(delayOf(a, b), 1)
  })

  it("the weather of one link does not depend on the traffic of another", () => {
    const lossesOf = (withOther: boolean): ReadonlyArray<number> => {
      const network = Network.unsafeMake({ seed: 9, loss: 0.5 })
      const [a, b] = pair(network)
      const c = peer(network, { host: "10.0.0.3", port: 3 })
      for (let n = 0; n < 100; n++) {
        a.sendTo(b, numbered(n, 10))
        if (withOther) c.sendTo(b, numbered(n, 20))
      }
      network.unsafeAdvance(10)
      return b.received.filter(({ length }) => length === 10).map(({ bytes }) =>
        new DataView(bytes.buffer).getUint16(0)
      )
    }
    assert.deepStrictEqual(lossesOf(true), lossesOf(false))
  })

  it("after NAT rebinding a socket is seen at the new address, and the old one leads nowhere", () => {
    const network = Network.unsafeMake({ latency: 10 })
    const [a, b] = pair(network)
    a.sendTo(b, numbered(0, 10))
    network.unsafeAdvance(100)
    b.sendTo(a, numbered(1, 10))
    network.unsafeAdvance(5)
    network.unsafeRebindNat("10.0.0.1", "203.0.113.9:777")
    a.sendTo(b, numbered(2, 10))
    network.unsafeAdvance(100)
    assert.deepStrictEqual(b.received[1].from, { host: "203.0.113.9", port: 777 })
    assert.deepStrictEqual(a.socket.localAddress, { host: "10.0.0.1", port: 1 })
    assert.strictEqual(a.received.length, 0)
    assert.strictEqual(network.ledger.lost.unreachable, 1)
    b.sendTo(a, numbered(3, 10))
    network.unsafeAdvance(100)
    assert.strictEqual(network.ledger.lost.unreachable, 2)
    put(b.socket, idOf(b.socket, { host: "203.0.113.9", port: 777 }), numbered(4, 10))
    b.socket.send()
    network.unsafeAdvance(100)
    assert.deepStrictEqual(a.received.map(({ bytes }) => bytes), [numbered(4, 10)])
  })

  it("an injected datagram comes from whom it says, after its delay, whatever the weather", () => {
    const network = Network.unsafeMake({ loss: 1, latency: 500, mtu: 1 })
    const [a, b] = pair(network)
    network.unsafeInject({ from: a.text, to: b.text, bytes: numbered(7, 30), delay: 3 })
    network.unsafeAdvance(100)
    assert.strictEqual(b.received[0].at, 3)
    assert.deepStrictEqual(b.received[0].from, a.socket.localAddress)
    assert.deepStrictEqual(b.received[0].bytes, numbered(7, 30))
  })

  it("datagrams that arrive at one instant come as one batch, and deferred work follows at that instant", () => {
    const network = Network.unsafeMake({ latency: 7 })
    const [a, b] = pair(network)
    const log: Array<string> = []
    b.socket.setHandler((batch) => {
      log.push(`batch of ${batch.count} at ${network.now}`)
      b.socket.loop.defer(() => log.push(`deferred at ${network.now}`))
    })
    for (let n = 0; n < 5; n++) a.sendTo(b, numbered(n, 10))
    network.unsafeAdvance(1)
    a.sendTo(b, numbered(5, 10))
    network.unsafeAdvance(100)
    assert.deepStrictEqual(log, ["batch of 5 at 7", "deferred at 7", "batch of 1 at 8", "deferred at 8"])
  })

  it("what exceeds the receive buffer at one instant is dropped and counted", () => {
    const network = Network.unsafeMake()
    const [a] = pair(network)
    const small = peer(network, { host: "10.0.0.9", receiveBufferBytes: 1_000 })
    for (let n = 0; n < 15; n++) a.sendTo(small, numbered(n, 100))
    network.unsafeAdvance(10)
    assert.strictEqual(small.received.length, 10)
    assert.strictEqual(small.socket.stats.kernelDrops, 5)
    assert.strictEqual(network.ledger.lost.receiveBufferFull, 5)
    for (let n = 0; n < 10; n++) a.sendTo(small, numbered(n, 100))
    network.unsafeAdvance(10)
    assert.strictEqual(small.received.length, 20)
  })

  it("nothing is kept for addresses that nobody holds", () => {
    const network = Network.unsafeMake()
    const [a] = pair(network)
    const out = new Uint8Array(24)
    for (let n = 0; n < 5_000; n++) {
      out.set([4, 0, 0, 9, 192, 0, n >> 8, n & 255])
      put(a.socket, a.socket.addresses.transient(out, 0), numbered(n, 10))
      a.socket.send()
    }
    network.unsafeAdvance(10)
    assert.strictEqual(network.ledger.lost.unreachable, 5_000)
    assert.strictEqual((a.socket as unknown as { readonly links: Map<string, unknown> }).links.size, 0)
  })

  it("a datagram for another address family, or for port 0, is a counted error and never in the ledger", () => {
    const network = Network.unsafeMake()
    const [a] = pair(network)
    put(a.socket, idOf(a.socket, { host: "fd00::1", port: 1 }), numbered(0, 10))
    put(a.socket, idOf(a.socket, { host: "10.0.0.2", port: 0 }), numbered(0, 10))
    assert.strictEqual(a.socket.send(), 0)
    assert.strictEqual(a.socket.stats.sendErrors, 2)
    assert.strictEqual(network.ledger.sent, 0)
  })

  it("port 0 takes a free port, another one each time", () => {
    const network = Network.unsafeMake()
    const ports = Array.from({ length: 100 }, () => network.unsafeBind({ host: "10.0.0.1" }).localAddress.port)
    assert.strictEqual(new Set(ports).size, 100)
    ports.forEach((port) => assert.isAtLeast(port, 49_152))
    const last = network.unsafeBind({ host: "10.0.0.2" })
    last.close()
    assert.notStrictEqual(network.unsafeBind({ host: "10.0.0.2" }).localAddress.port, last.localAddress.port)
  })

  const wrong: ReadonlyArray<readonly [string, Partial<NetworkConditions.NetworkConditions>]> = [
    ["loss", { loss: 1.1 }],
    ["loss", { loss: NaN }],
    ["duplicate", { duplicate: -0.1 }],
    ["latency", { latency: -1 }],
    ["latency", { latency: Infinity }],
    ["jitter", { jitter: NaN }],
    ["burst.pExit", { burst: { pEnter: 0, pExit: 2, lossInBurst: 0 } }],
    ["bandwidth", { bandwidth: 0 }],
    ["queueBytes", { queueBytes: -1 }],
    ["mtu", { mtu: NaN }],
    ["corruptBits", { corruptBits: 0 }]
  ]
  for (const [name, given] of wrong) {
    it.effect(`${JSON.stringify(given)} is refused by its name, and changes nothing`, () =>
      Effect.gen(function*() {
        const made = yield* Effect.flip(Network.make(given))
        assert.strictEqual(made.reason, "InvalidConditions")
        assert.include(made.message, `${name} = `)
        const network = yield* Network.make({ latency: 3 })
        const before = network.conditions
        assert.strictEqual((yield* Effect.flip(network.configure(given))).reason, "InvalidConditions")
        assert.strictEqual(
          (yield* Effect.flip(network.link("10.0.0.1", "10.0.0.2", given))).reason,
          "InvalidConditions"
        )
        assert.deepStrictEqual(network.conditions, before)
      }))
  }

  it.effect("addresses that are none, unknown or taken are typed errors", () =>
    Effect.gen(function*() {
      const network = yield* Network.make()
      pair(network)
      const reason = <A>(effect: Effect.Effect<A, NetworkError>) => Effect.map(Effect.flip(effect), (e) => e.reason)
      assert.strictEqual(yield* reason(network.link("nowhere", "10.0.0.1", {})), "InvalidAddress")
      assert.strictEqual(yield* reason(network.partition(["10.0.0.1"], ["x"])), "InvalidAddress")
      assert.strictEqual(yield* reason(network.rebindNat("10.0.0.7", "10.0.0.8")), "UnknownAddress")
      assert.strictEqual(yield* reason(network.rebindNat("10.0.0.1:1", "10.0.0.2:2")), "AddressInUse")
      const bytes = new Uint8Array(1)
      assert.strictEqual(yield* reason(network.inject({ from: "1.1.1.1", to: "10.0.0.1:1", bytes })), "InvalidAddress")
      assert.strictEqual(
        yield* reason(network.inject({ from: "1.1.1.1:1", to: "10.0.0.1:1", bytes, delay: -1 })),
        "InvalidConditions"
      )
    }))
})
