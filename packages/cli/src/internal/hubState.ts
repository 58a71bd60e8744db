/** What a hub shows of itself over HTTP: numbers, a history of five minutes, and its peers. */
import * as Effect from "effect/Effect"
import type { IntentraShape } from "intentra/Intentra"
import type { Peer } from "intentra/Peer"
import * as StaticKey from "intentra/StaticKey"
import { formatEndpoint } from "./endpoint.js"

/** `starting`: not bound yet. `draining`: it was told to end, and takes no new work. */
export type Phase = "starting" | "serving" | "draining"

/** One look at a hub. Counts are since its start, rates for the second before. */
export interface Sample {
  /** Milliseconds since the start. */
  readonly at: number
  readonly peers: number
  readonly rates: {
    readonly messagesReceived: number
    readonly messagesSent: number
    readonly packetsReceived: number
    readonly packetsSent: number
    readonly bytesReceived: number
    readonly bytesSent: number
    readonly dropped: { readonly [reason: string]: number }
  }
  readonly counts: {
    readonly messagesReceived: number
    readonly messagesSent: number
    readonly packetsReceived: number
    readonly packetsSent: number
    readonly bytesReceived: number
    readonly bytesSent: number
    readonly handshakes: number
    readonly rekeys: number
    readonly moves: number
    readonly strikes: number
    readonly dropped: { readonly [reason: string]: number }
  }
  /** Share of the peers' packets that arrived, 0 to 1, by the gaps in their numbers; null without peers. */
  readonly delivery: number | null
  /** Round-trip times in milliseconds; null where there is none. */
  readonly rtt: { readonly p50: number | null; readonly p99: number | null }
  readonly handshakesInFlight: number
  readonly queued: number
  readonly oldestQueuedMs: number
  readonly deliveryBytes: number
  readonly reorderBytes: number
  /** Since the start. */
  readonly longestTurnMs: number
}

/** What does not change while a hub runs. */
export interface HubInfo {
  readonly version: string
  readonly publicKey: string
  readonly address: string
  readonly socket: string
  readonly crypto: string
}

export interface Stats {
  readonly phase: Phase
  readonly hub: HubInfo | null
  readonly sample: Sample | null
}

export interface PeerRow {
  readonly id: string
  readonly publicKey: string
  readonly address: string
  readonly rttMs: number | null
  readonly jitterMs: number
  readonly loss: number
  readonly remoteLoss: number | null
  readonly messagesReceived: number
  readonly messagesSent: number
  readonly bytesReceived: number
  readonly bytesSent: number
  readonly dropped: number
  readonly queued: number
  readonly ageMs: number
  readonly silenceMs: number
}

export interface Peers {
  readonly total: number
  readonly peers: ReadonlyArray<PeerRow>
}

/** Samples that are kept, one a second. */
export const HISTORY = 300

/** Of more peers than this, evenly chosen ones stand for all in a sample: a turn stays short. */
const SAMPLED_PEERS = 1000

/** Peers whose rows are made before the event loop turns. */
const ROWS_A_TURN = 500

const percentile = (sorted: ReadonlyArray<number>, share: number): number | null =>
  sorted.length === 0 ? null : sorted[Math.max(Math.ceil(share * sorted.length), 1) - 1]

const difference = (now: Sample["counts"], before: Sample["counts"] | undefined, seconds: number): Sample["rates"] => {
  const rate = (a: number, b: number | undefined) => before === undefined ? 0 : (a - (b ?? 0)) / seconds
  const dropped: Record<string, number> = {}
  for (const [reason, count] of Object.entries(now.dropped)) {
    const perSecond = rate(count, before?.dropped[reason])
    if (perSecond > 0) dropped[reason] = perSecond
  }
  return {
    messagesReceived: rate(now.messagesReceived, before?.messagesReceived),
    messagesSent: rate(now.messagesSent, before?.messagesSent),
    packetsReceived: rate(now.packetsReceived, before?.packetsReceived),
    packetsSent: rate(now.packetsSent, before?.packetsSent),
    bytesReceived: rate(now.bytesReceived, before?.bytesReceived),
    bytesSent: rate(now.bytesSent, before?.bytesSent),
    dropped
  }
}

const rowOf = (peer: Peer): Effect.Effect<PeerRow> =>
  Effect.map(peer.stats, (stats) => ({
    id: peer.id,
    publicKey: StaticKey.encode(peer.publicKey),
    address: formatEndpoint(peer.address),
    rttMs: stats.rtt ?? null,
    jitterMs: stats.jitter,
    loss: stats.loss,
    remoteLoss: stats.remoteLoss ?? null,
    messagesReceived: stats.messagesReceived,
    messagesSent: stats.messagesSent,
    bytesReceived: stats.bytesReceived,
    bytesSent: stats.bytesSent,
    dropped: stats.dropped,
    queued: stats.queued,
    ageMs: stats.age,
    silenceMs: stats.silence
  }))

/** A hub as its HTTP server sees it: there before its transport is, and a moment longer. */
export class HubState {
  phase: Phase = "starting"
  readonly history: Array<Sample> = []
  private hub: IntentraShape | undefined = undefined
  private info: HubInfo | null = null
  private readonly startedAt = performance.now()

  constructor(private readonly version: string) {}

  /** The transport is bound. */
  serve(hub: IntentraShape): void {
    this.hub = hub
    this.phase = "serving"
    this.info = {
      version: this.version,
      publicKey: StaticKey.encode(hub.publicKey),
      address: formatEndpoint(hub.address),
      socket: hub.socketKind,
      crypto: hub.cryptoKind
    }
  }

  get ready(): Effect.Effect<void, string> {
    return Effect.suspend(() => this.phase === "serving" ? Effect.void : Effect.fail(this.phase))
  }

  readonly foldMetrics: Effect.Effect<void> = Effect.suspend(() => this.hub?.foldMetrics ?? Effect.void)

  get stats(): Stats {
    return { phase: this.phase, hub: this.info, sample: this.history[this.history.length - 1] ?? null }
  }

  /** Once a second. */
  readonly look: Effect.Effect<void> = Effect.suspend(() => {
    const { hub } = this
    if (hub === undefined) return Effect.void
    return Effect.map(this.links(hub), ({ delivery, rtt }) => {
      const { counters } = hub
      const before = this.history[this.history.length - 1]
      const at = performance.now() - this.startedAt
      const counts: Sample["counts"] = {
        messagesReceived: counters.messagesReceived,
        messagesSent: counters.messagesSent,
        packetsReceived: counters.received,
        packetsSent: counters.sent,
        bytesReceived: counters.receivedBytes,
        bytesSent: counters.sentBytes,
        handshakes: counters.handshakes,
        rekeys: counters.rekeys,
        moves: counters.moves,
        strikes: counters.strikes,
        dropped: { ...counters.dropsByReason() }
      }
      this.history.push({
        at,
        peers: counters.sessionsActive,
        rates: difference(counts, before?.counts, before === undefined ? 1 : Math.max((at - before.at) / 1000, 0.001)),
        counts,
        delivery,
        rtt,
        handshakesInFlight: counters.handshakesInFlight,
        queued: counters.queued,
        oldestQueuedMs: counters.oldestQueuedMs,
        deliveryBytes: counters.deliveryBytes,
        reorderBytes: counters.reorderBytes,
        longestTurnMs: counters.longestTurnMs
      })
      if (this.history.length > HISTORY) this.history.shift()
    })
  })

  /** The first `limit` peers. */
  peers(limit: number): Effect.Effect<Peers> {
    const { hub } = this
    if (hub === undefined) return Effect.succeed({ total: 0, peers: [] })
    return Effect.gen(function*() {
      const all = yield* hub.peers
      const rows: Array<PeerRow> = []
      for (const peer of all.slice(0, limit)) {
        rows.push(yield* rowOf(peer))
        if (rows.length % ROWS_A_TURN === 0) yield* Effect.promise(() => new Promise(setImmediate))
      }
      return { total: all.length, peers: rows }
    })
  }

  private links(hub: IntentraShape): Effect.Effect<Pick<Sample, "delivery" | "rtt">> {
    return Effect.gen(function*() {
      const peers = yield* hub.peers
      const step = Math.max(1, peers.length / SAMPLED_PEERS)
      const rtts: Array<number> = []
      let received = 0
      let expected = 0
      for (let i = 0; i < peers.length; i += step) {
        const stats = yield* peers[Math.floor(i)].stats
        if (stats.rtt !== undefined) rtts.push(stats.rtt)
        if (stats.loss >= 1) continue
        received += stats.packetsReceived
        expected += stats.packetsReceived / (1 - stats.loss)
      }
      rtts.sort((a, b) => a - b)
      return {
        delivery: expected === 0 ? null : received / expected,
        rtt: { p50: percentile(rtts, 0.5), p99: percentile(rtts, 0.99) }
      }
    })
  }
}
