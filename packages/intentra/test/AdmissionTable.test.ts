import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import * as AdmissionTable from "../src/AdmissionTable.js"

const { REFUSED_RATE, REFUSED_SOURCE } = AdmissionTable

const address = (family: number, bytes: ReadonlyArray<number>, port = 9000): Uint8Array => {
  const out = new Uint8Array(24)
  out[0] = family
  out[2] = port >>> 8
  out[3] = port & 255
  out.set(bytes, 4)
  return out
}

const v4 = (a: number, b: number, c: number, d: number, port?: number) => address(4, [a, b, c, d], port)

/** An IPv6 address of eight 16-bit groups. */
const v6 = (...groups: ReadonlyArray<number>) => address(6, groups.flatMap((_) => [_ >>> 8, _ & 255]))

const make = (options: Partial<AdmissionTable.Options> = {}) => AdmissionTable.make({ seed: 0x12345678, ...options })

/** Takes `count` slots from as many /24s, so that the limits per source bind. */
const fill = (table: AdmissionTable.AdmissionTable, count: number, now = 0) =>
  Array.from({ length: count }, (_, i) => table.admit(now, v4(172, 16 + (i >>> 8), i & 255, 1), 0, false))

interface Held {
  readonly slot: number
  readonly source: string
  readonly group: string
  readonly at: number
}

/** The law in lists and maps; a source's bucket is a level that is brought up to date at every look. */
class Oracle {
  held: Array<Held> = []
  readonly buckets = new Map<string, { level: number; at: number }>()
  constructor(readonly limit: number, readonly perSource: number, readonly rate: number, readonly burst: number) {}
  bucket(now: number, source: string) {
    const bucket = this.buckets.get(source) ?? { level: this.burst, at: now }
    bucket.level = Math.min(this.burst, bucket.level + (now - bucket.at) * this.rate / 1000)
    bucket.at = now
    this.buckets.set(source, bucket)
    return bucket
  }
  victim(): Held | undefined {
    const count = (group: string) => this.held.filter((_) => _.group === group).length
    const most = Math.max(...this.held.map((_) => count(_.group)))
    // The list is in order of admission: the first of any largest group is the oldest of the one that gives way.
    return this.held.find((_) => count(_.group) === most)
  }
  refusal(now: number, source: string, dhShort: boolean): number {
    const binding = dhShort || this.held.length >= this.limit / 2
    if (!binding) return 0
    if (this.held.filter((_) => _.source === source).length >= this.perSource) return REFUSED_SOURCE
    return this.bucket(now, source).level >= 1 ? 0 : REFUSED_RATE
  }
}

describe("AdmissionTable", () => {
  it("a fleet of 200 behind one address joins two at a time without a refusal", () => {
    const table = make()
    for (let i = 0; i < 200; i += 2) {
      // 1 ms a pair: a hundred times the rate of one source.
      const first = table.admit(i / 2, v4(203, 0, 113, 7, 1000 + i), 0, false)
      const second = table.admit(i / 2, v4(203, 0, 113, 7, 1001 + i), 0, false)
      assert.isAtLeast(first, 0)
      assert.isAtLeast(second, 0)
      assert.strictEqual(table.evicted, -1)
      table.release(first)
      table.release(second)
    }
    assert.strictEqual(table.inFlight, 0)
  })

  it("below half of the slots one source may hold them all", () => {
    const table = make()
    for (let i = 0; i < 50; i++) assert.isAtLeast(table.admit(0, v4(1, 2, 3, 4, i), 0, false), 0)
    assert.strictEqual(table.admit(0, v4(1, 2, 3, 4), 0, false), REFUSED_SOURCE)
    assert.strictEqual(table.inFlight, 50)
  })

  it("from half of the slots on, five in flight of one source are the most", () => {
    const table = make({ sourceRate: Infinity })
    fill(table, 50)
    for (let i = 0; i < 5; i++) assert.isAtLeast(table.admit(0, v4(1, 2, 3, 4, i), 0, false), 0)
    assert.strictEqual(table.admit(0, v4(1, 2, 3, 4), 0, false), REFUSED_SOURCE)
    assert.isAtLeast(table.admit(0, v4(1, 2, 3, 5), 0, false), 0)
  })

  it("from half of the slots on, 20 a second with a burst of 5: WireGuard's timeline, for each of many sources", () => {
    const table = make({ limit: 10_000, perSource: 100 })
    fill(table, 5_000)
    const sources = [v4(10, 0, 0, 1), v4(10, 0, 0, 2), v4(127, 0, 0, 1), v6(0x2001, 1), v6(0xfe80, 0, 0, 1)]
    const admitted = (now: number) => sources.map((_) => table.admit(now, _, 0, false) >= 0)
    const all = sources.map(() => true)
    const none = sources.map(() => false)
    let now = 1234.5
    for (let i = 0; i < 5; i++) assert.deepStrictEqual(admitted(now), all)
    assert.deepStrictEqual(admitted(now), none)
    now += 50
    assert.deepStrictEqual(admitted(now), all)
    assert.deepStrictEqual(admitted(now), none)
    now += 100
    assert.deepStrictEqual(admitted(now), all)
    assert.deepStrictEqual(admitted(now), all)
    assert.deepStrictEqual(admitted(now), none)
    assert.strictEqual(table.admit(now, sources[0], 0, false), REFUSED_RATE)
  })

  it("a rate without an exact interval still gives the whole burst", () => {
    for (const sourceRate of [3, 7, 0.3, 19, 1e5 / 3]) {
      const table = make({ sourceRate, sourceBurst: 9, perSource: 100 })
      for (const now of [0, 1e9 + 0.123, 1e11]) {
        for (let i = 0; i < 9; i++) assert.isAtLeast(table.admit(now, v4(1, 2, 3, 4), 0, true), 0, `${sourceRate} ${i}`)
        assert.strictEqual(table.admit(now, v4(1, 2, 3, 4), 0, true), REFUSED_RATE)
        table.expire(now, 0, () => {})
      }
    }
  })

  it("when time for Diffie-Hellman is short the limits bind in an empty table", () => {
    const table = make()
    for (let i = 0; i < 5; i++) assert.isAtLeast(table.admit(0, v4(1, 2, 3, 4, i), 0, true), 0)
    assert.strictEqual(table.admit(0, v4(1, 2, 3, 4), 0, true), REFUSED_SOURCE)
    assert.isAtLeast(table.admit(0, v4(1, 2, 3, 4), 0, false), 0)
    table.release(0)
    table.release(1)
    assert.strictEqual(table.admit(0, v4(1, 2, 3, 4), 0, true), REFUSED_RATE)
  })

  it("a flood from one /24 that fills the table evicts its own, and others still join", () => {
    const table = make()
    const honest = new Set<number>()
    let evictions = 0
    for (let i = 0; i < 5000; i++) {
      const slot = table.admit(i, v4(198, 51, 100, i & 255), 0, false)
      if (table.evicted >= 0) {
        evictions++
        if (honest.has(table.evicted)) assert.fail(`an honest handshake was evicted at ${i}`)
      }
      if (slot < 0) assert.fail(`refused with ${slot} at ${i}`)
      if (i % 200 === 0) {
        const joined = table.admit(i, v4(10, i & 255, i >>> 8, 1), 0, false)
        assert.isAtLeast(joined, 0)
        assert.isFalse(honest.has(joined))
        honest.add(joined)
      }
    }
    assert.isAbove(evictions, 4000)
    assert.strictEqual(table.inFlight, 100)
    assert.strictEqual(table.groupInFlight(v4(198, 51, 100, 0), 0), 100 - honest.size)
    for (const slot of honest) assert.isAtLeast(table.slotAge(5000, slot), 0)
  })

  it("a full table gives the slot of the largest group's oldest handshake, whoever comes", () => {
    const table = make({ limit: 4 })
    const slots = [v4(1, 1, 1, 1), v4(2, 2, 2, 1), v4(2, 2, 2, 2), v4(3, 3, 3, 3)].map((_) =>
      table.admit(0, _, 0, false)
    )
    assert.strictEqual(table.admit(1, v4(4, 4, 4, 4), 0, false), slots[1])
    assert.strictEqual(table.evicted, slots[1])
    // All groups have one: the oldest goes.
    assert.strictEqual(table.admit(2, v4(5, 5, 5, 5), 0, false), slots[0])
    // The newcomer of the only group of two replaces that group's oldest.
    assert.strictEqual(table.admit(3, v4(4, 4, 4, 5), 0, false), slots[2])
    assert.strictEqual(table.admit(4, v4(4, 4, 4, 6), 0, false), slots[1])
    assert.strictEqual(table.groupInFlight(v4(4, 4, 4, 0), 0), 2)
  })

  it("a refusal evicts nobody and reports no eviction", () => {
    const table = make({ limit: 2 })
    table.admit(0, v4(1, 1, 1, 1), 0, false)
    table.admit(0, v4(1, 1, 1, 2), 0, false)
    assert.isAtLeast(table.admit(0, v4(1, 1, 1, 3), 0, false), 0)
    assert.isAtLeast(table.evicted, 0)
    for (let i = 0; i < 4; i++) table.admit(0, v4(1, 1, 1, 3), 0, false)
    const before = table.groupInFlight(v4(1, 1, 1, 0), 0)
    assert.strictEqual(table.admit(0, v4(1, 1, 1, 3), 0, false), REFUSED_RATE)
    assert.strictEqual(table.evicted, -1)
    assert.strictEqual(table.groupInFlight(v4(1, 1, 1, 0), 0), before)
  })

  it("IPv4 sources are /32 in groups of /24, whatever the port", () => {
    const table = make()
    for (const _ of [v4(9, 8, 7, 6, 1), v4(9, 8, 7, 6, 2), v4(9, 8, 7, 5), v4(9, 8, 6, 6)]) table.admit(0, _, 0, false)
    assert.strictEqual(table.sourceInFlight(v4(9, 8, 7, 6, 3), 0), 2)
    assert.strictEqual(table.sourceInFlight(v4(9, 8, 7, 7), 0), 0)
    assert.strictEqual(table.sourceInFlight(address(4, [9, 8, 7, 6, 1, 2, 3, 4]), 0), 2)
    assert.strictEqual(table.groupInFlight(v4(9, 8, 7, 200), 0), 3)
    assert.strictEqual(table.groupInFlight(v4(9, 8, 6, 0), 0), 1)
  })

  it("IPv6 sources are /64 in groups of /48, and never an IPv4 source", () => {
    const table = make()
    table.admit(0, v6(0x2001, 0xdb8, 1, 2, 0, 0, 0, 1), 0, false)
    table.admit(0, v6(0x2001, 0xdb8, 1, 2, 0xffff, 1, 2, 3), 0, false)
    table.admit(0, v6(0x2001, 0xdb8, 1, 3), 0, false)
    table.admit(0, v6(0x2001, 0xdb8, 2, 2), 0, false)
    assert.strictEqual(table.sourceInFlight(v6(0x2001, 0xdb8, 1, 2, 5), 0), 2)
    assert.strictEqual(table.sourceInFlight(v6(0x2001, 0xdb8, 1, 3, 5), 0), 1)
    assert.strictEqual(table.groupInFlight(v6(0x2001, 0xdb8, 1, 0xffff), 0), 3)
    assert.strictEqual(table.groupInFlight(v6(0x2001, 0xdb8, 2), 0), 1)
    assert.strictEqual(table.groupInFlight(v6(0x2001, 0xdb9, 1), 0), 0)
  })

  it("an IPv4 source and an IPv6 source with the same bytes are two", () => {
    // In tables this small some seed makes the two fall on the same place.
    for (let seed = 0; seed < 100; seed++) {
      const table = make({ seed, limit: 4, rateEntries: 8 })
      table.admit(0, v4(0x20, 0x01, 0x0d, 0xb8), 0, false)
      assert.strictEqual(table.sourceInFlight(v6(0x2001, 0xdb8), 0), 0)
      assert.strictEqual(table.sourceTokens(0, v6(0x2001, 0xdb8), 0), 5)
      assert.strictEqual(table.sourceInFlight(v4(0x20, 0x01, 0x0d, 0xb8), 0), 1)
      assert.strictEqual(table.sourceTokens(0, v4(0x20, 0x01, 0x0d, 0xb8), 0), 4)
    }
  })

  it("admissions beyond the burst that did not bind leave no debt", () => {
    const table = make()
    for (let i = 0; i < 20; i++) table.admit(0, v4(1, 2, 3, 4), 0, false)
    assert.strictEqual(table.sourceTokens(0, v4(1, 2, 3, 4), 0), 0)
    assert.strictEqual(table.sourceTokens(50, v4(1, 2, 3, 4), 0), 1)
    assert.strictEqual(table.sourceTokens(1e6, v4(1, 2, 3, 4), 0), 5)
  })

  it("without a rate every source always has its burst", () => {
    const table = make({ sourceRate: Infinity })
    for (let i = 0; i < 20; i++) assert.isAtLeast(table.admit(0, v4(1, 2, i, 4), 0, true), 0)
    assert.strictEqual(table.sourceTokens(0, v4(1, 2, 3, 4), 0), 5)
  })

  it("a crowded table finds every source and group through any churn", () => {
    const table = make({ limit: 256, sourceRate: Infinity, perSource: 65_536 })
    const held = new Map<number, number>()
    const from = (n: number) => v4(10, n >>> 2, 0, n & 3)
    let state = 1
    const random = (below: number) => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0
      return (state >>> 8) % below
    }
    for (let step = 0; step < 20_000; step++) {
      if (held.size === 256 || random(5) < 2) {
        const slot = random(256)
        assert.strictEqual(table.release(slot), held.delete(slot))
      } else {
        const source = random(1024)
        const slot = table.admit(step, from(source), 0, false)
        assert.isFalse(held.has(slot))
        held.set(slot, source)
      }
      if (step % 1000 !== 999) continue
      const sources = new Array<number>(1024).fill(0)
      const groups = new Array<number>(256).fill(0)
      for (const source of held.values()) {
        sources[source]++
        groups[source >>> 2]++
      }
      assert.deepStrictEqual(sources.map((_, n) => table.sourceInFlight(from(n), 0)), sources)
      assert.deepStrictEqual(groups.map((_, n) => table.groupInFlight(from(n << 2), 0)), groups)
    }
  })

  it("a source that others pushed out comes back to no more than it left", () => {
    const table = make({ rateEntries: 8 })
    const admit = (host: number) => table.release(table.admit(0, v4(10, 0, 0, host), 0, true))
    admit(0)
    for (let host = 1; host <= 8; host++) {
      admit(host)
      admit(host)
    }
    assert.isAtMost(table.sourceTokens(0, v4(10, 0, 0, 0), 0), 4)
  })

  it("an address is read at its offset", () => {
    const table = make()
    const batch = new Uint8Array(24 * 3)
    batch.set(v4(1, 2, 3, 4), 24)
    batch.set(v6(0x2001, 7), 48)
    table.admit(0, batch, 24, false)
    table.admit(0, batch, 48, false)
    assert.strictEqual(table.sourceInFlight(v4(1, 2, 3, 4), 0), 1)
    assert.strictEqual(table.sourceInFlight(v6(0x2001, 7), 0), 1)
  })

  it("a released slot is free once: a second release changes nothing", () => {
    const table = make({ limit: 3 })
    const slots = fill(table, 3)
    assert.isTrue(table.release(slots[1]))
    assert.isFalse(table.release(slots[1]))
    for (const slot of [-1, -2, 3, 0.5, NaN]) assert.isFalse(table.release(slot))
    assert.strictEqual(table.inFlight, 2)
    assert.strictEqual(table.admit(0, v4(9, 9, 9, 9), 0, false), slots[1])
    assert.strictEqual(table.inFlight, 3)
    assert.strictEqual(table.evicted, -1)
  })

  it("a slot's age counts from its admission and is -1 when it is free", () => {
    const table = make()
    const slot = table.admit(1000, v4(1, 2, 3, 4), 0, false)
    assert.strictEqual(table.slotAge(1000, slot), 0)
    assert.strictEqual(table.slotAge(1250.5, slot), 250.5)
    assert.strictEqual(table.slotAge(0, slot), 250.5)
    table.release(slot)
    assert.strictEqual(table.slotAge(2000, slot), -1)
    assert.strictEqual(table.slotAge(2000, -1), -1)
    assert.strictEqual(table.slotAge(2000, 100), -1)
  })

  it("expire frees what is old enough, the oldest first, and nothing else", () => {
    const table = make()
    const slots = [0, 10, 20, 30, 40].map((now) => table.admit(now, v4(1, 2, 3, now), 0, false))
    table.release(slots[1])
    const replaced = table.admit(45, v4(5, 5, 5, 5), 0, false)
    assert.strictEqual(replaced, slots[1])
    const expired: Array<number> = []
    assert.strictEqual(table.expire(5029.9, 5000, (slot) => expired.push(slot)), 2)
    assert.deepStrictEqual(expired, [slots[0], slots[2]])
    assert.strictEqual(table.expire(5030, 5000, (slot) => expired.push(slot)), 1)
    assert.deepStrictEqual(expired, [slots[0], slots[2], slots[3]])
    assert.strictEqual(table.inFlight, 2)
  })

  it("a callback of expire may release and admit: what it admits stays", () => {
    const table = make({ limit: 4 })
    fill(table, 4)
    let calls = 0
    assert.strictEqual(
      table.expire(100, 0, (slot) => {
        calls++
        assert.isFalse(table.release(slot))
        table.admit(100, v4(7, 7, calls, 7), 0, false)
      }),
      4
    )
    assert.strictEqual(calls, 4)
    assert.strictEqual(table.inFlight, 4)
  })

  it("time going backwards refills no bucket and expires nothing", () => {
    const table = make()
    for (let i = 0; i < 5; i++) table.admit(1000, v4(1, 2, 3, 4), 0, true)
    assert.strictEqual(table.sourceTokens(0, v4(1, 2, 3, 4), 0), 0)
    assert.strictEqual(table.expire(0, 1, () => {}), 0)
    assert.strictEqual(table.sourceTokens(1050, v4(1, 2, 3, 4), 0), 1)
  })

  it.prop(
    "every admission, refusal, eviction and expiry is that of the law written with lists",
    [
      fc.integer({ min: 0, max: 0xffff_ffff }),
      fc.integer({ min: 1, max: 24 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 4 }),
      fc.array(
        fc.tuple(
          fc.constantFrom("admit", "admit", "admit", "admit", "release", "expire"),
          fc.tuple(fc.boolean(), fc.nat({ max: 3 }), fc.nat({ max: 1 })),
          fc.nat({ max: 30 }),
          fc.boolean(),
          fc.constantFrom(0, 0, 0, 1, 20, 60)
        ),
        { maxLength: 150 }
      )
    ],
    ([seed, limit, perSource, sourceBurst, calls]) => {
      const table = make({ seed, limit, perSource, sourceBurst })
      const oracle = new Oracle(limit, perSource, 20, sourceBurst)
      let now = 0
      for (const [call, [six, network, host], number, flag, step] of calls) {
        now += step
        if (call === "release") {
          const was = oracle.held.some((_) => _.slot === number)
          assert.strictEqual(table.release(number), was)
          oracle.held = oracle.held.filter((_) => _.slot !== number)
        } else if (call === "expire") {
          const expired: Array<number> = []
          const age = number * 10
          table.expire(now, age, (slot) => expired.push(slot))
          assert.deepStrictEqual(expired, oracle.held.filter((_) => now - _.at >= age).map((_) => _.slot))
          oracle.held = oracle.held.filter((_) => now - _.at < age)
        } else {
          const from = six ? v6(0x2001, 0xdb8, network, host, number) : v4(10, 0, network, host, number)
          const group = `${six} ${network}`
          const source = `${group} ${host}`
          const dhShort = flag && number % 4 === 0
          const refusal = oracle.refusal(now, source, dhShort)
          const slot = table.admit(now, from, 0, dhShort)
          if (refusal < 0) {
            assert.strictEqual(slot, refusal)
            assert.strictEqual(table.evicted, -1)
          } else {
            assert.isAtLeast(slot, 0)
            const bucket = oracle.bucket(now, source)
            bucket.level = Math.max(0, bucket.level - 1)
            if (oracle.held.length === limit) {
              const victim = oracle.victim()
              assert.strictEqual(table.evicted, victim?.slot)
              assert.strictEqual(slot, victim?.slot)
              oracle.held = oracle.held.filter((_) => _ !== victim)
            } else {
              assert.strictEqual(table.evicted, -1)
            }
            assert.isFalse(oracle.held.some((_) => _.slot === slot))
            oracle.held.push({ slot, source, group, at: now })
          }
          assert.strictEqual(table.sourceInFlight(from, 0), oracle.held.filter((_) => _.source === source).length)
          assert.strictEqual(table.groupInFlight(from, 0), oracle.held.filter((_) => _.group === group).length)
          assert.approximately(table.sourceTokens(now, from, 0), oracle.bucket(now, source).level, 1e-9)
        }
        assert.strictEqual(table.inFlight, oracle.held.length)
        assert.isAtMost(table.inFlight, limit)
      }
      for (const { slot } of oracle.held) assert.isTrue(table.release(slot))
      assert.strictEqual(table.inFlight, 0)
      for (let network = 0; network <= 4; network++) {
        assert.strictEqual(table.groupInFlight(v4(10, 0, network, 0), 0), 0)
        assert.strictEqual(table.groupInFlight(v6(0x2001, 0xdb8, network), 0), 0)
      }
    }
  )

  it.prop(
    "a source pushed out of the table of rates never comes back with more tokens than waiting would have brought",
    [
      fc.integer({ min: 0, max: 0xffff_ffff }),
      fc.array(fc.tuple(fc.nat({ max: 19 }), fc.boolean(), fc.constantFrom(0, 0, 0, 0, 0, 1, 10, 50)), {
        maxLength: 400
      })
    ],
    ([seed, calls]) => {
      const table = make({ seed, rateEntries: 8, perSource: 65_536 })
      const oracle = new Oracle(1, 1, 20, 5)
      let now = 0
      for (const [host, dhShort, step] of calls) {
        now += step
        const from = v4(10, 0, 0, host)
        const own = oracle.bucket(now, `${host}`)
        assert.isAtMost(table.sourceTokens(now, from, 0), own.level + 1e-9)
        const slot = table.admit(now, from, 0, dhShort)
        if (slot < 0) continue
        if (dhShort) assert.isAtLeast(own.level, 1)
        own.level = Math.max(0, own.level - 1)
        table.release(slot)
      }
    }
  )

  it("a source that rested is admitted at once although thousands of others come and go", () => {
    const table = make({ rateEntries: 64 })
    for (let i = 0; i < 5000; i++) {
      // 40 sources a burst of 250 ms: fewer than the table remembers.
      const slot = table.admit(i * 6.25, v4(10, i >>> 16, (i >>> 8) & 255, i & 255), 0, true)
      assert.isAtLeast(slot, 0)
      table.release(slot)
    }
  })

  it("the same calls give the same slots whatever the seed", () => {
    const trace = (seed: number) => {
      const table = make({ seed, limit: 16 })
      return Array.from({ length: 500 }, (_, i) => {
        if (i % 7 === 3) table.release((i * 5) % 16)
        return table.admit(i * 10, v4(10, 0, (i * i) % 11, i % 13), 0, i % 3 === 0)
      })
    }
    assert.deepStrictEqual(trace(1), trace(0xffff_ffff))
  })

  it("options without meaning are refused by name", () => {
    const bad: Array<[Partial<AdmissionTable.Options>, string]> = [
      [{ limit: 0 }, "limit is 0"],
      [{ limit: 65_537 }, "limit is 65537"],
      [{ perSource: 0 }, "perSource is 0"],
      [{ sourceBurst: 0.5 }, "sourceBurst is 0.5"],
      [{ sourceRate: 0 }, "sourceRate is 0"],
      [{ sourceRate: NaN }, "sourceRate is NaN"],
      [{ rateEntries: 7 }, "rateEntries is 7"],
      [{ seed: -1 }, "seed is -1"],
      [{ seed: 2 ** 32 }, "seed is 4294967296"]
    ]
    for (const [options, text] of bad) assert.throws(() => make(options), RangeError, text)
  })
})
