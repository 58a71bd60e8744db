import { assert, describe, it } from "@effect/vitest"
import { Network } from "@intentra/udp"
import { Effect, Exit, Metric, MetricKeyType, MetricState, Scope } from "effect"
import { CloseReason, DropReason, IntentraTest, TransportCounters, TransportMetrics } from "../src/index.js"
import type { IntentraShape } from "../src/index.js"
import { bytes, connected, key, makeOver } from "./internal/harness.js"

interface Series {
  readonly name: string
  readonly tags: string
  readonly type: "counter" | "gauge" | "other"
  readonly value: number
  readonly description: string
}

/** Everything of ours that a scrape would find. */
const snapshot: Effect.Effect<ReadonlyArray<Series>> = Effect.map(
  Metric.snapshot,
  (pairs) =>
    pairs.flatMap(({ metricKey, metricState }) =>
      metricKey.name.startsWith("intentra_")
        ? [{
          name: metricKey.name,
          tags: metricKey.tags.map((tag) => `${tag.key}=${tag.value}`).join(","),
          type: MetricKeyType.isCounterKey(metricKey.keyType)
            ? "counter" as const
            : MetricKeyType.isGaugeKey(metricKey.keyType)
            ? "gauge" as const
            : "other" as const,
          value: MetricState.isCounterState(metricState)
            ? Number(metricState.count)
            : MetricState.isGaugeState(metricState)
            ? Number(metricState.value)
            : NaN,
          description: metricKey.description._tag === "Some" ? metricKey.description.value : ""
        }]
        : []
    )
)

const sum = (series: ReadonlyArray<Series>, name: string, tags = ""): number =>
  series.filter((one) => one.name === name && one.tags.includes(tags)).reduce((total, one) => total + one.value, 0)

/** What a metric has grown by between two scrapes. */
const growth = (before: ReadonlyArray<Series>, after: ReadonlyArray<Series>) => (name: string, tags = "") =>
  sum(after, name, tags) - sum(before, name, tags)

const ofTheContract: { readonly [name: string]: Series["type"] } = {
  intentra_packets_received_total: "counter",
  intentra_packets_dropped_rate_limit: "counter",
  intentra_packets_dropped_crypto: "counter",
  intentra_replay_rejections_total: "counter",
  intentra_handshake_in_flight: "gauge",
  intentra_connections_active: "gauge",
  intentra_strike_events_total: "counter",
  intentra_connection_closes_total: "counter",
  intentra_reorder_buffer_bytes: "gauge"
}

const total = (values: Float64Array): number => values.reduce((all, one) => all + one, 0)

/** Every counter and the metric that it is folded into. */
const counted = (counters: IntentraShape["counters"]): ReadonlyArray<readonly [metric: string, value: number]> => [
  ["intentra_packets_received_total", counters.received],
  ["intentra_packets_sent_total", counters.sent],
  ["intentra_bytes_received_total", counters.receivedBytes],
  ["intentra_bytes_sent_total", counters.sentBytes],
  ["intentra_messages_sent_total", counters.messagesSent],
  ["intentra_messages_received_total", counters.messagesReceived],
  ["intentra_packets_dropped_total", total(counters.drops)],
  ["intentra_packets_dropped_rate_limit", counters.dropped("RateLimited")],
  ["intentra_packets_dropped_crypto", counters.dropped("AuthFailed")],
  ["intentra_replay_rejections_total", counters.dropped("Replayed") + counters.dropped("TooOld")],
  ["intentra_packets_accepted_total", total(counters.accepted)],
  ["intentra_strike_events_total", counters.strikes],
  ["intentra_connection_closes_total", total(counters.closes)],
  ["intentra_handshakes_total", counters.handshakes],
  ["intentra_rekeys_total", counters.rekeys],
  ["intentra_moves_total", counters.moves],
  ["intentra_handshake_challenges_total", counters.challenges],
  ["intentra_handshakes_evicted_total", counters.handshakesEvicted]
]

describe("metrics", () => {
  it.scoped("after the first scrape every metric of the contract exists, with its type, though nothing happened", () =>
    Effect.gen(function*() {
      const network = yield* Network.make()
      const hub = yield* IntentraTest.make(network, { key: key(1) })
      yield* hub.foldMetrics
      const series = yield* snapshot
      for (const [name, type] of Object.entries(ofTheContract)) {
        const found = series.filter((one) => one.name === name)
        assert.isNotEmpty(found, name)
        assert.isTrue(found.every((one) => one.type === type && one.description !== "" && one.value >= 0), name)
      }
      for (const reason of DropReason.all) {
        const of = series.filter((one) =>
          one.name === "intentra_packets_dropped_total" && one.tags === `reason=${reason}`
        )
        assert.strictEqual(of.length, 1, reason)
      }
      for (const reason of CloseReason.all) {
        assert.isTrue(
          series.some((one) => one.name === "intentra_connection_closes_total" && one.tags === `reason=${reason}`),
          reason
        )
      }
    }))

  it.scoped("no metric has a type or a name that Prometheus does not know", () =>
    Effect.gen(function*() {
      const { hub } = yield* connected()
      yield* hub.foldMetrics
      for (const { name, type } of yield* snapshot) {
        assert.match(name, /^intentra_[a-z_]+$/)
        assert.include(["counter", "gauge"], type)
        if (type === "gauge") assert.notMatch(name, /_total$/)
      }
    }))

  it.scoped("what a scrape has grown by is what the counters of all transports have grown by", () =>
    Effect.gen(function*() {
      const before = yield* snapshot
      const { client, hub, network, peer, remote } = yield* connected()
      for (let i = 0; i < 50; i++) {
        yield* peer.send(bytes("x"), { intent: i % 2 === 0 ? "Sequenced" : "Realtime" })
        yield* peer.send(bytes("y"), { intent: "Sequenced" })
        if (i % 5 === 0) yield* remote.send(new Uint8Array(i))
        yield* network.advance("30 millis")
      }
      // strangers' bytes, a replay, a forgery, and an end
      let captured: Uint8Array | undefined
      network.tap((event) => {
        if (event.kind === "sent" && event.from === "10.0.0.2:9000") captured = event.bytes.slice()
      })
      yield* peer.send(bytes("again"))
      yield* network.advance("1 second")
      assert.isDefined(captured)
      const forged = captured.slice()
      forged[10] ^= 1
      for (const payload of [captured, forged, Uint8Array.of(1, 2, 3), new Uint8Array(100)]) {
        yield* network.inject({ from: "10.0.0.7:1", to: "10.0.0.1:9000", bytes: payload })
      }
      yield* network.advance("1 second")
      yield* peer.close()
      yield* network.advance("1 second")
      yield* hub.foldMetrics
      yield* client.foldMetrics
      const grown = growth(before, yield* snapshot)
      const ofClient = counted(client.counters)
      counted(hub.counters).forEach(([metric, value], i) => {
        assert.strictEqual(grown(metric), value + ofClient[i][1], metric)
      })
      for (const reason of DropReason.all) {
        assert.strictEqual(
          grown("intentra_packets_dropped_total", `reason=${reason}`),
          hub.counters.dropped(reason) + client.counters.dropped(reason),
          reason
        )
      }
      for (const reason of ["Truncated", "BadVersion", "Replayed", "AuthFailed"] as const) {
        assert.strictEqual(hub.counters.dropped(reason), 1, reason)
      }
      assert.strictEqual(grown("intentra_connection_closes_total", "reason=PeerClosed"), 1)
      assert.strictEqual(grown("intentra_connection_closes_total", "reason=LocalClosed"), 1)
    }))

  it.scoped("folding again without news changes nothing", () =>
    Effect.gen(function*() {
      const { hub } = yield* connected()
      yield* hub.foldMetrics
      const before = yield* snapshot
      yield* hub.foldMetrics
      assert.deepStrictEqual(yield* snapshot, before)
    }))

  it.scoped("gauges show what is now, the sum over all transports", () =>
    Effect.gen(function*() {
      const before = yield* snapshot
      const { client, hub, network, peer } = yield* connected()
      for (let i = 0; i < 7; i++) yield* peer.send(new Uint8Array(100))
      yield* network.advance("1 second")
      yield* hub.foldMetrics
      yield* client.foldMetrics
      const grown = growth(before, yield* snapshot)
      assert.strictEqual(grown("intentra_connections_active"), 2)
      assert.strictEqual(grown("intentra_delivery_queue_bytes"), 700)
      yield* peer.close()
      yield* network.advance("1 second")
      yield* hub.foldMetrics
      yield* client.foldMetrics
      assert.strictEqual(growth(before, yield* snapshot)("intentra_connections_active"), 0)
    }))

  it.scoped("when a transport has gone, all that it added to a gauge has gone too, whatever it was doing", () =>
    Effect.gen(function*() {
      const before = yield* snapshot
      const scope = yield* Scope.make()
      const { hub, network, peer } = yield* Scope.extend(connected(), scope)
      for (let i = 0; i < 20; i++) yield* peer.send(new Uint8Array(100))
      yield* network.advance("1 second")
      // a handshake that stays in flight: its last message never arrives
      const third = yield* Scope.extend(IntentraTest.make(network, { host: "10.0.0.3", key: key(3) }), scope)
      yield* Effect.forkIn(
        Effect.ignore(third.connect({ host: "10.0.0.1", port: 9000, publicKey: hub.publicKey })),
        scope
      )
      yield* network.advance("25 millis")
      yield* network.link("10.0.0.3", "10.0.0.1", { loss: 1 })
      yield* network.advance("500 millis")
      yield* peer.send(new Uint8Array(100))
      yield* hub.foldMetrics
      const during = growth(before, yield* snapshot)
      assert.isAtLeast(during("intentra_connections_active"), 1)
      assert.strictEqual(during("intentra_handshake_in_flight"), 1)
      assert.strictEqual(during("intentra_delivery_queue_bytes"), 2000)
      yield* Scope.close(scope, Exit.void)
      const grown = growth(before, yield* snapshot)
      const gauges = new Set((yield* snapshot).filter((one) => one.type === "gauge").map((one) => one.name))
      // the longest turn is a high-water mark, not a level
      gauges.delete("intentra_longest_turn_ms")
      for (const name of gauges) assert.strictEqual(grown(name), 0, name)
    }))

  it.scoped("the metrics are folded once a second by themselves while packets come", () =>
    Effect.gen(function*() {
      const { hub, network, peer } = yield* connected()
      yield* hub.foldMetrics
      const before = yield* snapshot
      const { messagesReceived } = hub.counters
      for (let i = 0; i < 30; i++) {
        yield* peer.send(bytes("x"))
        yield* network.advance("100 millis")
      }
      const grown = growth(before, yield* snapshot)("intentra_messages_received_total")
      assert.isAtLeast(grown, 20)
      assert.isAtMost(grown, hub.counters.messagesReceived - messagesReceived)
    }))

  it.effect("a gauge says what a transport runs on, for as long as it runs", () =>
    Effect.gen(function*() {
      const running = Effect.map(snapshot, (series) => sum(series, "intentra_transport_info", "socket=simulated"))
      const before = yield* running
      const scope = yield* Scope.make()
      const network = yield* Network.make()
      const hub = yield* Scope.extend(IntentraTest.make(network, { key: key(1) }), scope)
      assert.strictEqual(yield* running, before + 1)
      const tagged = (yield* snapshot).filter((one) => one.name === "intentra_transport_info" && one.value > 0)
      assert.isTrue(tagged.some(({ tags }) => tags.includes(`crypto=${hub.cryptoKind}`)))
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* running, before)
    }))

  it.scoped("what the kernel drops is counted, as far as it tells", () =>
    Effect.gen(function*() {
      const network = yield* Network.make()
      const socket = yield* network.bind({ host: "10.0.0.1", port: 9000 })
      const hub = yield* makeOver(network, socket, { key: key(1) })
      const before = yield* snapshot
      yield* hub.foldMetrics
      assert.strictEqual(hub.counters.kernelDrops, 0)
      socket.stats.kernelDrops = 7
      yield* hub.foldMetrics
      assert.strictEqual(hub.counters.kernelDrops, 7)
      assert.strictEqual(growth(before, yield* snapshot)("intentra_kernel_drops_total"), 7)
    }))

  it.effect("without metrics nothing is registered", () =>
    Effect.gen(function*() {
      const before = yield* snapshot
      const { begin, makeFold } = yield* TransportMetrics
      const counters = new TransportCounters()
      counters.received = 1e6
      makeFold(counters)()
      begin({ socket: "dgram", crypto: "node" })()
      assert.deepStrictEqual(yield* snapshot, before)
    }).pipe(Effect.provide(TransportMetrics.layerNoop)))
})
