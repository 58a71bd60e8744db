import { assert, describe, it } from "@effect/vitest"
import { Network } from "@intentra/udp"
import { Effect, Redacted } from "effect"
import { IntentraTest } from "../src/index.js"
import type { IntentraOptions } from "../src/index.js"
import { bytes, collect, connected, key, text } from "./internal/harness.js"

const start = (options: IntentraOptions) =>
  Effect.flatMap(Network.make(), (network) => IntentraTest.make(network, { key: key(1), ...options }))

const wrong: ReadonlyArray<readonly [field: string, options: IntentraOptions]> = [
  ["handshakeTimeout", { handshakeTimeout: 0 }],
  ["handshakeTimeout", { handshakeTimeout: "2 days" }],
  ["idleTimeout", { idleTimeout: "1 milli" }],
  ["keepalive", { keepalive: 0 }],
  ["keepalive", { keepalive: "90 seconds", idleTimeout: "60 seconds" }],
  ["maxSessions", { maxSessions: 0 }],
  ["maxSessions", { maxSessions: 1.5 }],
  ["maxSessions", { maxSessions: NaN }],
  ["sendQueue", { sendQueue: 1 }],
  ["sendQueue", { sendQueue: Infinity }],
  ["deliveryQueue", { deliveryQueue: 0 }],
  ["deliveryQueueBytes", { deliveryQueueBytes: 100 }],
  ["packetsPerSecond", { packetsPerSecond: 0 }],
  ["packetsPerSecond", { packetsPerSecond: -1 }],
  ["burst", { burst: 0 }],
  ["burst", { burst: NaN }],
  ["forgeriesPerSecond", { forgeriesPerSecond: -1 }],
  ["forgeryBurst", { forgeryBurst: 0 }],
  ["strikeLimit", { strikeLimit: 0 }],
  ["strikeLimit", { strikeLimit: 2.5 }],
  ["strikeWindow", { strikeWindow: 0 }],
  ["replayWindow", { replayWindow: 1000 }],
  ["replayWindow", { replayWindow: 512 }],
  ["replayWindow", { replayWindow: 2 ** 17 }],
  ["gate.inFlight", { gate: { inFlight: 0 } }],
  ["gate.perSource", { gate: { perSource: -1 } }],
  ["gate.sourceRate", { gate: { sourceRate: 0 } }],
  ["gate.sourceBurst", { gate: { sourceBurst: 0 } }],
  ["allow[1]", { allow: [new Uint8Array(32), new Uint8Array(31)] }],
  ["allow[0]", { allow: ["no key"] }],
  ["key", { key: Redacted.make(new Uint8Array(31)) }],
  ["PSK", { psk: Redacted.make(new Uint8Array(33)) }]
]

/** The ends of the ranges that are not unlimited. */
const extremes: ReadonlyArray<IntentraOptions> = [
  { handshakeTimeout: "1 day", idleTimeout: "1 day", keepalive: "100 millis" },
  { maxSessions: 1, sendQueue: 16, deliveryQueue: 1, deliveryQueueBytes: 4096 },
  { maxSessions: 2 ** 24, sendQueue: 2 ** 20, deliveryQueue: 2 ** 24, deliveryQueueBytes: 2 ** 32 },
  { packetsPerSecond: Infinity, forgeriesPerSecond: Infinity },
  { packetsPerSecond: 1, burst: 100, forgeriesPerSecond: 1, forgeryBurst: 1 },
  { burst: 1e9, forgeryBurst: 1e9 },
  { strikeLimit: 1, strikeWindow: 1 },
  { strikeLimit: 1000, strikeWindow: "1 day" },
  { replayWindow: 1024 },
  { replayWindow: 65_536 },
  { gate: { inFlight: 1, perSource: 1, sourceRate: 1, sourceBurst: 1 } },
  { gate: { inFlight: 65_536, perSource: 65_536, sourceRate: Infinity, sourceBurst: 65_536 } }
]

describe("options", () => {
  it.scoped.each(wrong)(
    "an option out of its range is a typed failure that names it: %s",
    ([field, options]) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(start(options))
        assert.strictEqual(error._tag, "IntentraError")
        if (error._tag !== "IntentraError") return
        assert.strictEqual(error.reason, "InvalidOptions")
        assert.include(error.message, field)
      })
  )

  it.scoped.each(extremes)("a transport works at the ends of its ranges: %j", (options) =>
    Effect.gen(function*() {
      const { hub, network, peer } = yield* connected({ hub: options, client: options })
      const seen = yield* collect(hub.deliveries)
      yield* peer.send(bytes("hello"))
      yield* network.advance("1 second")
      assert.deepStrictEqual(seen.map((one) => text(one.payload)), ["hello"])
      assert.isUndefined(peer.closeReason)
    }))

  it.scoped("a socket that cannot be bound is a typed failure that names host and port", () =>
    Effect.gen(function*() {
      for (const options of [{ host: "localhost", port: 9000 }, { host: "10.0.0.1", port: 70_000 }]) {
        const error = yield* Effect.flip(start(options))
        assert.isTrue(error._tag === "IntentraError" && error.reason === "SocketFailed")
        assert.include(error.message, options.host)
        assert.include(error.message, `${options.port}`)
      }
    }))
})
