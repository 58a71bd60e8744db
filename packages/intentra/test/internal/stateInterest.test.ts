import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { StateInterest } from "../../src/internal/stateInterest.js"
import * as Wire from "../../src/internal/stateWire.js"
import { channel, End, peer } from "../support/stateCores.js"

const text = fc.string({ unit: fc.constantFrom("a", "b", "/", "\u{e9}", "\u{1f600}"), maxLength: 6 })

describe("StateInterest", () => {
  it("matches its keys, and what one of its prefixes begins, and nothing else", () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 3 }), fc.array(text, { maxLength: 12 }), text, (keys, prefixes, key) => {
        assert.strictEqual(
          new StateInterest(false, new Set(keys), prefixes).matches(key),
          keys.includes(key) || prefixes.some((prefix) => key.startsWith(prefix))
        )
      }),
      { numRuns: 5000 }
    )
  })
})

describe("somebody who subscribes to what there is little of", () => {
  const subscribe = (id: number, prefixes: ReadonlyArray<string>): Uint8Array => {
    const writer = new Wire.WireWriter()
    writer.begin(Wire.SUBSCRIBE, channel, id)
    writer.u8(0)
    writer.u32(0)
    writer.u64(0)
    writer.u64(0)
    writer.varint(7)
    writer.raw(new TextEncoder().encode("numbers"))
    for (const prefix of prefixes) {
      const bytes = new TextEncoder().encode(prefix)
      writer.u8(Wire.PREFIX)
      writer.varint(bytes.length)
      writer.raw(bytes)
    }
    return writer.message().slice()
  }

  it("may ask after thousands of keys that are gone within a period, not after a million: the rest is asked again", () => {
    const there = peer(2)
    const end = new End([there], { maxKeys: 100, maxTombstones: 100, maxSubscriptions: 100 })
    end.publish("it", 1)
    end.tick(5)
    end.core.receive(there, subscribe(1, ["it"]), 5)
    end.tick(10)
    const query = (now: number): number => {
      const writer = new Wire.WireWriter()
      writer.begin(Wire.QUERY, channel, 1)
      writer.u64(0)
      for (let i = 0; i < 100; i++) {
        writer.varint(2)
        writer.raw(Uint8Array.of(0x41 + i % 26, 0x41 + Math.floor(i / 26)))
      }
      there.outbox.length = 0
      end.core.receive(there, writer.message().slice(), now)
      return there.outbox.length
    }
    const answers = (now: number) => Array.from({ length: 1000 }, () => query(now)).reduce((sum, one) => sum + one, 0)
    assert.strictEqual(answers(11), 41)
    assert.strictEqual(answers(12), 0)
    assert.strictEqual(answers(16), 41)
  })

  it("does not hold up the event loop: no turn looks at more than 40,960 keys, and each gets what it wants", () => {
    const there = peer(2)
    const end = new End([there], { maxKeys: 65_536, maxTombstones: 65_536, maxSubscriptions: 100 })
    for (let i = 0; i < 65_536; i++) end.publish(`sensor/${i}`, i)
    end.publish("wanted", 1)
    end.tick(5)
    const before = StateInterest.prototype.matches
    let looked = 0
    StateInterest.prototype.matches = function(key) {
      looked++
      return before.call(this, key)
    }
    try {
      for (let id = 0; id < 16; id++) end.core.receive(there, subscribe(id, [`x${id}`, "wanted"]), 5)
      let most = 0
      for (let now = 10; now < 200; now += 5) {
        for (let more = true; more;) {
          looked = 0
          more = end.core.tick(now)
          most = Math.max(most, looked)
        }
      }
      assert.isAtMost(most, 40_960)
      const told = new Set(
        there.outbox.filter((message) => Buffer.from(message).includes("wanted")).map(Wire.subscriptionIn)
      )
      assert.strictEqual(told.size, 16)
    } finally {
      StateInterest.prototype.matches = before
    }
  })
})
