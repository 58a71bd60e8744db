/**
 * Effect metrics of a transport. Counting happens in {@link TransportCounters}; here the counters are folded into
 * `Metric`s, at most once a second and whenever they are scraped.
 *
 * The registry is one for the process, so several transports add up in the same series.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as CloseReason from "./CloseReason.js"
import * as DropReason from "./DropReason.js"
import { foldSeries } from "./internal/foldSeries.js"
import type { Series } from "./internal/foldSeries.js"
import type { TransportCounters } from "./TransportCounters.js"

/**
 * Folds the counters of transports into metrics.
 *
 * @since 0.1.0
 * @category models
 */
export interface TransportMetricsShape {
  /** A folder for one transport: adds what has changed since its last call. */
  readonly makeFold: (counters: TransportCounters) => () => void
  /** A transport has begun over this kind of socket and crypto; what is returned says that it has ended. */
  readonly begin: (paths: { readonly socket: string; readonly crypto: string }) => () => void
}

const counter = (name: string, description: string) => Metric.counter(name, { description, incremental: true })
const gauge = (name: string, description: string) => Metric.gauge(name, { description })

const packetsReceived = counter("intentra_packets_received_total", "Datagrams received, before any check")
const rateLimited = counter(
  "intentra_packets_dropped_rate_limit",
  "Packets dropped because a session's bucket was empty"
)
const cryptoDropped = counter("intentra_packets_dropped_crypto", "Packets that did not authenticate")
const replays = counter("intentra_replay_rejections_total", "Packets received before, or behind the replay window")
const strikes = counter("intentra_strike_events_total", "Strikes for authenticated misbehaviour")
const closes = counter("intentra_connection_closes_total", "Sessions closed")
const handshakesInFlight = gauge("intentra_handshake_in_flight", "Handshakes past the cookie and not finished")
const connectionsActive = gauge("intentra_connections_active", "Active sessions")
const reorderBytes = gauge("intentra_reorder_buffer_bytes", "Bytes held back until what comes before them arrives")

const packetsSent = counter("intentra_packets_sent_total", "Datagrams that the socket took")
const bytesReceived = counter("intentra_bytes_received_total", "Bytes of UDP payload received")
const bytesSent = counter("intentra_bytes_sent_total", "Bytes of UDP payload handed to the socket")
const messagesSent = counter("intentra_messages_sent_total", "Messages sealed into datagrams")
const messagesReceived = counter("intentra_messages_received_total", "Messages received in authentic packets")
const handshakes = counter("intentra_handshakes_total", "Handshakes that ended in an active session")
const rekeys = counter("intentra_rekeys_total", "Sessions that changed to new keys")
const moves = counter("intentra_moves_total", "Sessions that followed their peer to a new address")
const challenges = counter("intentra_handshake_challenges_total", "Challenges sent to unproven addresses")
const evicted = counter("intentra_handshakes_evicted_total", "Handshakes in flight that made room for others")
const sendQueue = gauge("intentra_send_queue_messages", "Messages waiting to be sent")
const oldestUnsent = gauge("intentra_send_queue_oldest_ms", "Age of the message that waits longest")
const deliveryBytes = gauge("intentra_delivery_queue_bytes", "Bytes of messages waiting for the consumer of deliveries")
const kernelDrops = counter(
  "intentra_kernel_drops_total",
  "Datagrams that the kernel dropped because the receive buffer was full"
)
const info = gauge(
  "intentra_transport_info",
  "Transports that run, by what carries their datagrams and what seals them"
)
const longestTurn = gauge("intentra_longest_turn_ms", "The longest turn of the event loop spent in the transport")

const dropped = DropReason.all.map((reason) =>
  Metric.tagged(
    counter("intentra_packets_dropped_total", "Datagrams and messages dropped, by reason"),
    "reason",
    reason
  )
)
const closedBy = CloseReason.all.map((reason) => Metric.tagged(closes, "reason", reason))
const acceptedBy = ["data", "ack", "handshake", "control"].map((type) =>
  Metric.tagged(counter("intentra_packets_accepted_total", "Datagrams accepted, by type"), "type", type)
)

/** Every series with where its value stands. */
const series: ReadonlyArray<Series<TransportCounters>> = [
  [packetsReceived, (c) => c.received],
  [rateLimited, (c) => c.drops[DropReason.code.RateLimited]],
  [cryptoDropped, (c) => c.drops[DropReason.code.AuthFailed]],
  [replays, (c) => c.drops[DropReason.code.Replayed] + c.drops[DropReason.code.TooOld]],
  [strikes, (c) => c.strikes],
  [handshakesInFlight, (c) => c.handshakesInFlight],
  [connectionsActive, (c) => c.sessionsActive],
  [reorderBytes, (c) => c.reorderBytes],
  [packetsSent, (c) => c.sent],
  [bytesReceived, (c) => c.receivedBytes],
  [bytesSent, (c) => c.sentBytes],
  [messagesSent, (c) => c.messagesSent],
  [messagesReceived, (c) => c.messagesReceived],
  [handshakes, (c) => c.handshakes],
  [rekeys, (c) => c.rekeys],
  [moves, (c) => c.moves],
  [challenges, (c) => c.challenges],
  [evicted, (c) => c.handshakesEvicted],
  [sendQueue, (c) => c.queued],
  [oldestUnsent, (c) => c.oldestQueuedMs],
  [deliveryBytes, (c) => c.deliveryBytes],
  [kernelDrops, (c) => c.kernelDrops],
  ...dropped.map((metric, index) => [metric, (c: TransportCounters) => c.drops[index]] as const),
  ...closedBy.map((metric, index) => [metric, (c: TransportCounters) => c.closes[index]] as const),
  ...acceptedBy.map((metric, index) => [metric, (c: TransportCounters) => c.accepted[index]] as const)
]

/** Of all transports of the process. */
let longest = 0

const makeFold = (counters: TransportCounters): () => void => {
  const fold = foldSeries(series, counters)
  return () => {
    fold()
    longest = Math.max(longest, counters.longestTurnMs)
    longestTurn.unsafeUpdate(longest, [])
  }
}

const begin: TransportMetricsShape["begin"] = ({ crypto, socket }) => {
  const running = info.pipe(Metric.tagged("socket", socket), Metric.tagged("crypto", crypto))
  running.unsafeModify(1, [])
  return () => running.unsafeModify(-1, [])
}

/**
 * Where the counters of a transport go, as a service.
 *
 * @since 0.1.0
 * @category tags
 */
export class TransportMetrics extends Context.Tag("intentra/TransportMetrics")<
  TransportMetrics,
  TransportMetricsShape
>() {
  /** Effect's own metric registry. */
  static readonly layer: Layer.Layer<TransportMetrics> = Layer.succeed(TransportMetrics, { makeFold, begin })
  /** No metrics. */
  static readonly layerNoop: Layer.Layer<TransportMetrics> = Layer.succeed(TransportMetrics, {
    makeFold: () => () => {},
    begin: () => () => {}
  })
}
