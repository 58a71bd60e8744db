import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck as fc } from "effect"
import { EventLoop, Network } from "../src/index.js"
import { hostUntil } from "./support/kits.js"

interface Kit {
  readonly name: string
  readonly make: () => {
    readonly loop: EventLoop.EventLoop
    readonly until: (predicate: () => boolean) => Effect.Effect<void>
  }
}

const kits: ReadonlyArray<Kit> = [
  { name: "node", make: () => ({ loop: EventLoop.node, until: hostUntil }) },
  {
    name: "simulated",
    make: () => {
      const network = Network.unsafeMake()
      return {
        loop: network.loop,
        until: (predicate) =>
          Effect.sync(() => {
            for (let i = 0; i < 10_000 && !predicate(); i++) network.unsafeAdvance(0.5)
            assert.isTrue(predicate())
          })
      }
    }
  }
]

for (const { make, name } of kits) {
  describe(`EventLoop contract: ${name}`, () => {
    it.live("an alarm fires once, at or after its time", () =>
      Effect.gen(function*() {
        const { loop, until } = make()
        const fired: Array<number> = []
        const due = loop.now() + 5
        loop.makeAlarm(() => fired.push(loop.now())).set(due)
        const later = loop.makeAlarm(() => fired.push(-1))
        later.set(due + 8)
        yield* until(() => fired.includes(-1))
        assert.strictEqual(fired.length, 2)
        assert.isAtLeast(fired[0], due)
      }))

    it.live("setting an alarm again replaces the earlier setting, sooner or later", () =>
      Effect.gen(function*() {
        const { loop, until } = make()
        const fired: Array<readonly [string, number]> = []
        const start = loop.now()
        const sooner = loop.makeAlarm(() => fired.push(["sooner", loop.now()]))
        const later = loop.makeAlarm(() => fired.push(["later", loop.now()]))
        sooner.set(start + 1_000_000)
        sooner.set(start + 3)
        later.set(start + 2)
        later.set(start + 12)
        yield* until(() => fired.length === 2)
        // in which order two late ones come, a busy machine decides
        for (const [name, at] of fired) assert.isAtLeast(at, start + (name === "sooner" ? 3 : 12))
        assert.notStrictEqual(fired[0][0], fired[1][0])
      }))

    it.live("a cleared alarm is silent until it is set again", () =>
      Effect.gen(function*() {
        const { loop, until } = make()
        let cleared = 0
        let done = 0
        const alarm = loop.makeAlarm(() => {
          cleared++
        })
        alarm.set(loop.now() + 1)
        alarm.clear()
        const other = loop.makeAlarm(() => {
          done++
        })
        other.set(loop.now() + 5)
        yield* until(() => done === 1)
        assert.strictEqual(cleared, 0)
        alarm.set(loop.now() + 10)
        alarm.set(Infinity)
        other.set(loop.now() + 15)
        yield* until(() => done === 2)
        assert.strictEqual(cleared, 0)
        alarm.set(loop.now())
        yield* until(() => cleared === 1)
      }))

    it.live("an alarm that is due already never fires inside set, and may set itself again", () =>
      Effect.gen(function*() {
        const { loop, until } = make()
        let inside = false
        let count = 0
        const alarm = loop.makeAlarm(() => {
          assert.isFalse(inside)
          count++
          if (count < 3) alarm.set(loop.now() - 10)
        })
        inside = true
        alarm.set(loop.now() - 1)
        inside = false
        yield* until(() => count === 3)
      }))

    it.live("deferred callbacks run later, once each, in the order given", () =>
      Effect.gen(function*() {
        const { loop, until } = make()
        const order: Array<number> = []
        for (let i = 0; i < 10; i++) {
          loop.defer(() => {
            order.push(i)
            if (i === 0) loop.defer(() => order.push(10))
          })
        }
        assert.strictEqual(order.length, 0)
        yield* until(() => order.length === 11)
        assert.deepStrictEqual(order, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
      }))

    it.live("what is wanted soon comes when the code that runs has ended, in order, before what is deferred after it", () =>
      Effect.gen(function*() {
        const { loop, until } = make()
        const order: Array<number> = []
        for (let i = 0; i < 3; i++) loop.soon(() => order.push(i))
        loop.defer(() => order.push(3))
        assert.strictEqual(order.length, 0)
        yield* until(() => order.length === 4)
        assert.deepStrictEqual(order, [0, 1, 2, 3])
      }))
  })
}

describe("EventLoop of a network", () => {
  it.prop("alarms fire at exactly their times, in order of time and then of setting", [
    fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 40 })
  ], ([times]) => {
    const network = Network.unsafeMake()
    const fired: Array<readonly [number, number]> = []
    times.forEach((time, i) => network.loop.makeAlarm(() => fired.push([network.loop.now(), i])).set(time))
    network.unsafeAdvance(20)
    const expected = times.map((time, i) => [time, i] as const).sort((a, b) => a[0] - b[0] || a[1] - b[1])
    assert.deepStrictEqual(fired, expected)
  })

  it("an alarm set to the past fires now, after what was due already", () => {
    const network = Network.unsafeMake()
    const order: Array<string> = []
    network.unsafeAdvance(10)
    network.loop.makeAlarm(() => order.push("due")).set(10)
    network.loop.makeAlarm(() => order.push("past")).set(3)
    network.unsafeAdvance(0)
    assert.deepStrictEqual(order, ["due", "past"])
    assert.strictEqual(network.now, 10)
  })
})
