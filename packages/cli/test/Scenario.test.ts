import { assert, describe, it } from "@effect/vitest"
import { Effect, FastCheck } from "effect"
import { Scenario } from "../src/index.js"
import { simulate } from "../src/internal/simulate.js"

const decode = (input: unknown) => Scenario.decode(input, "a.json")

const run = (input: unknown) => Effect.flatMap(decode(input), (scenario) => simulate(scenario))

const weather = FastCheck.record({
  latency: FastCheck.integer({ min: 0, max: 100 }),
  jitter: FastCheck.integer({ min: 0, max: 30 }),
  loss: FastCheck.double({ min: 0, max: 0.3, noNaN: true }),
  duplicate: FastCheck.double({ min: 0, max: 0.3, noNaN: true })
})

describe("Scenario", () => {
  it.effect("everything has a default", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* decode({}), {
        seed: 0,
        peers: 8,
        hz: 20,
        duration: 30_000,
        bytes: 64,
        intent: "sequenced",
        network: {},
        events: []
      })
    }))

  it.effect("durations are seconds or texts", () =>
    Effect.gen(function*() {
      const { duration, events, ttl } = yield* decode({ duration: 2, ttl: "50 millis", events: [{ at: "1 second" }] })
      assert.deepStrictEqual([duration, ttl, events[0].at], [2000, 50, 1000])
    }))

  it.effect.each<readonly [unknown, string]>([
    [{ peers: 0 }, "\"peers\" in a.json is 0, but must be a whole number from 1 to 2000"],
    [{ peers: "8" }, "\"peers\" in a.json is \"8\", but must be a whole number from 1 to 2000"],
    [{ peer: 3 }, "\"peer\" in a.json is no field; there are seed, peers, hz,"],
    [{ network: { los: 1 } }, "\"network.los\" in a.json is no field; there are latency, jitter,"],
    [{ network: { loss: 2 } }, "\"network.loss\" in a.json is 2, but must be a number from 0 to 1"],
    [{ network: { burst: { pEnter: 1 } } }, "\"network.burst.pExit\" in a.json is missing"],
    [{ intent: "fast" }, "\"intent\" in a.json is \"fast\", but must be one of realtime, sequenced, reliable"],
    [{ duration: "soon" }, "\"duration\" in a.json is \"soon\", but must be seconds, or a text such as \"30 seconds\""],
    [{ duration: "2 days" }, "\"duration\" in a.json is \"2 days\", but must be seconds"],
    [{ seed: {} }, "\"seed\" in a.json is {}, but must be a number or a text"],
    [{ events: [{ at: 31 }] }, "\"events.0.at\" in a.json is later than the end"],
    [{ events: [{ at: 1, cut: [8] }] }, "\"events.0.cut\" in a.json has peer 8, but there are only 0 to 7"],
    [{ intent: "reliable", ttl: 1 }, "\"ttl\" in a.json is given, but reliable messages do not expire"],
    [[], "a.json is [], but must be an object with the fields of a scenario"]
  ])("an error names the field, what it was, and what it may be: %j", ([input, message]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(decode(input))
      assert.strictEqual(error.reason, "Scenario")
      assert.isTrue(error.message.startsWith(message), error.message)
    }))

  it.effect.prop(
    "equal scenarios have equal reports, whatever the weather",
    [weather, FastCheck.constantFrom("realtime", "sequenced", "reliable"), FastCheck.integer()],
    ([network, intent, seed]) =>
      Effect.gen(function*() {
        const input = { seed, peers: 3, hz: 10, duration: 2, network, intent }
        assert.deepStrictEqual(yield* run(input), yield* run(input))
      }),
    { fastCheck: { numRuns: 5 } }
  )

  it.effect("another seed is another run", () =>
    Effect.gen(function*() {
      const input = { peers: 2, hz: 10, duration: 1, network: { jitter: 5, latency: 10 } }
      assert.notStrictEqual((yield* run({ ...input, seed: 1 })).trace, (yield* run({ ...input, seed: 2 })).trace)
    }))

  it.effect("a good network delivers everything, after its latency", () =>
    Effect.gen(function*() {
      const report = yield* run({ peers: 4, hz: 10, duration: 3, network: { latency: 40 } })
      assert.strictEqual(report.ratio, 1)
      assert.isAbove(report.sent, 100)
      assert.isAtLeast(report.ageMs.p50 ?? 0, 40)
      assert.isAtMost(report.ageMs.max ?? 0, 42)
      assert.strictEqual(report.sessions.active, 4)
      assert.deepStrictEqual(report.network.lost, {})
    }))

  it.effect("reliable updates all arrive through loss; a peer that is cut off for a while comes back", () =>
    Effect.gen(function*() {
      const report = yield* run({
        peers: 3,
        hz: 10,
        duration: 20,
        intent: "reliable",
        network: { latency: 10 },
        events: [{ at: 2, network: { loss: 0.2 } }, { at: 4, cut: [0] }, { at: 7, heal: true, network: { loss: 0 } }]
      })
      assert.strictEqual(report.delivered, report.sent)
      assert.strictEqual(report.sessions.active, 3)
      assert.isAbove(report.network.lost.partition, 0)
      assert.isAbove(report.network.lost.loss, 0)
    }))
})
