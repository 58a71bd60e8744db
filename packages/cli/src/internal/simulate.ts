/** Runs a scenario in virtual time. Nothing of the host goes into the report: it is the same on every run. */
import { Network } from "@intentra/udp"
import type { NetworkShape } from "@intentra/udp"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import type * as Scope from "effect/Scope"
import type { IntentraShape } from "intentra/Intentra"
import type { IntentraError } from "intentra/IntentraError"
import * as IntentraTest from "intentra/IntentraTest"
import type { Peer } from "intentra/Peer"
import { SendOptions } from "intentra/SendOptions"
import * as SendResult from "intentra/SendResult"
import { LatencyHistogram } from "../LatencyHistogram.js"
import { conditionsOf } from "../Scenario.js"
import type { Scenario } from "../Scenario.js"
import { INTENTS } from "./outbound.js"
import { addCounts } from "./terminal.js"

export interface Report {
  readonly seed: number | string
  readonly peers: number
  readonly durationMs: number
  /** Updates that a transport took; `refused`: those that it did not, for want of a session or of room. */
  readonly sent: number
  readonly refused: number
  readonly delivered: number
  readonly ratio: number
  /** From sending to delivery, in virtual time. */
  readonly ageMs: { readonly p50: number | null; readonly p99: number | null; readonly max: number | null }
  readonly sessions: { readonly begun: number; readonly rekeys: number; readonly active: number }
  /** Of the hub and of all peers. */
  readonly drops: { readonly [reason: string]: number }
  /** Datagrams. */
  readonly network: {
    readonly sent: number
    readonly delivered: number
    readonly duplicated: number
    readonly corrupted: number
    readonly lost: { readonly [cause: string]: number }
  }
  /** Of everything that happened in the network: equal runs have equal ones. */
  readonly trace: string
}

const HUB = "10.0.0.1"
const PORT = 9000
/** What is on its way at the end may arrive. */
const TAIL_MS = 2000
/** The pause before a lost session is begun again. */
const AGAIN_MS = 500

const hostOf = (index: number): string => `10.1.${index >> 8}.${index & 255}`

/** The age of an update stands in its first 8 bytes, as the moment it was sent. */
const stamp = (bytes: Uint8Array, now: number, index: number): void => {
  const view = new DataView(bytes.buffer)
  view.setFloat64(0, now)
  view.setUint32(8, index)
}

class Run {
  sent = 0
  refused = 0
  delivered = 0
  readonly ages = new LatencyHistogram()
  readonly transports: Array<IntentraShape> = []

  constructor(readonly scenario: Scenario, readonly network: NetworkShape) {}

  readonly onDelivery = (_: Peer, payload: Uint8Array): void => {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
    this.delivered++
    this.ages.record(this.network.now - view.getFloat64(0))
  }

  private transport(host: string, admitting: boolean): Effect.Effect<IntentraShape, IntentraError, Scope.Scope> {
    const options = { host, port: PORT, seed: `${this.scenario.seed} ${host}` }
    return Effect.tap(
      IntentraTest.make(this.network, admitting ? { ...options, allow: "any" } : options),
      (it) => Effect.sync(() => this.transports.push(it))
    )
  }

  readonly hub: Effect.Effect<IntentraShape, IntentraError, Scope.Scope> = Effect.tap(
    Effect.suspend(() => this.transport(HUB, true)),
    (hub) => hub.onDelivery(this.onDelivery)
  )

  /** Sends at its times, connects again when it has to, until the time is over. */
  peer(index: number, hub: IntentraShape): Effect.Effect<void, IntentraError, Scope.Scope> {
    const { bytes, duration, hz, intent, peers, ttl } = this.scenario
    const how = SendOptions.make({ intent: INTENTS[intent], ...(ttl === undefined ? {} : { ttl }) })
    const payload = new Uint8Array(bytes)
    const period = 1000 / hz
    const phase = (index / peers) * period
    return Effect.gen(this, function*() {
      const transport = yield* this.transport(hostOf(index), false)
      const connected = transport.connect({ host: HUB, port: PORT, publicKey: hub.publicKey })
      let count = 0
      const session = Effect.gen(this, function*() {
        const peer = yield* connected
        for (;;) {
          const now = this.network.now
          // what was due while there was no session is of no use any more
          while (phase + count * period < now - period) {
            count++
            this.refused++
          }
          const due = phase + count * period
          if (due > duration) return true
          if (due > now) yield* Effect.sleep(due - now)
          count++
          stamp(payload, this.network.now, index)
          const result = peer.unsafeSend(payload, how)
          if (result === SendResult.ACCEPTED) this.sent++
          else this.refused++
          if (result === SendResult.SESSION_CLOSED) return false
        }
      })
      const attempt = Effect.scoped(
        // the session stays: what was sent has its time
        Effect.tap(session, (done) => done ? Effect.never : Effect.void)
      )
      while (!(yield* Effect.orElseSucceed(attempt, () => false))) yield* Effect.sleep(AGAIN_MS)
    })
  }

  /** Changes in the weather, and the end, in order. */
  readonly story: Effect.Effect<ReadonlyArray<readonly [at: number, change: Effect.Effect<void>]>> = Effect.sync(() =>
    this.scenario.events.map(({ at, cut, heal, network }) =>
      [
        at,
        Effect.sync(() => {
          if (heal === true) this.network.unsafeHeal()
          if (network !== undefined) this.network.unsafeConfigure(conditionsOf(network))
          if (cut !== undefined && cut.length > 0) this.network.unsafePartition([HUB], cut.map(hostOf))
        })
      ] as const
    ).sort(([a], [b]) => a - b)
  )

  get report(): Report {
    const { ledger, trace } = this.network
    const drops: Record<string, number> = {}
    for (const { counters } of this.transports) addCounts(drops, counters.dropsByReason())
    const [{ counters: hub }] = this.transports
    const at = (share: number) => this.ages.percentile(share) ?? null
    const lost = Object.entries(ledger.lost).filter(([, count]) => count > 0)
    return {
      seed: this.scenario.seed,
      peers: this.scenario.peers,
      durationMs: this.scenario.duration,
      sent: this.sent,
      refused: this.refused,
      delivered: this.delivered,
      ratio: this.sent === 0 ? 0 : this.delivered / this.sent,
      ageMs: { p50: at(0.5), p99: at(0.99), max: at(1) },
      sessions: { begun: hub.handshakes, rekeys: hub.rekeys, active: hub.sessionsActive },
      drops: Object.fromEntries(Object.entries(drops).sort(([a], [b]) => a < b ? -1 : 1)),
      network: {
        sent: ledger.sent,
        delivered: ledger.delivered,
        duplicated: ledger.duplicated,
        corrupted: ledger.corrupted,
        lost: Object.fromEntries(lost)
      },
      trace: trace.hash
    }
  }
}

/** Told between the steps: milliseconds of virtual time. */
export type Progress = (now: number, all: number) => void

const STEPS = 100
const LEAST_STEP_MS = 1000

/** The report of a scenario. */
export const simulate = (scenario: Scenario, progress: Progress = () => {}): Effect.Effect<Report, IntentraError> =>
  Effect.gen(function*() {
    const network = Network.unsafeMake({ seed: scenario.seed, trace: "hash", ...conditionsOf(scenario.network) })
    const run = new Run(scenario, network)
    const all = scenario.duration + TAIL_MS
    const advanceTo = (until: number): Effect.Effect<void> =>
      Effect.suspend(() => {
        progress(network.now, all)
        if (network.now >= until) return Effect.void
        return Effect.zipRight(
          network.advance(Math.min(Math.max(all / STEPS, LEAST_STEP_MS), until - network.now)),
          advanceTo(until)
        )
      })
    return yield* Effect.gen(function*() {
      const hub = yield* run.hub
      for (let index = 0; index < scenario.peers; index++) yield* Effect.forkScoped(run.peer(index, hub))
      for (const [at, change] of yield* run.story) {
        yield* advanceTo(at)
        yield* change
      }
      yield* advanceTo(all)
      return run.report
    }).pipe(
      Effect.scoped,
      Effect.provide(Network.layerOf(network)),
      Logger.withMinimumLogLevel(LogLevel.Warning)
    )
  })
