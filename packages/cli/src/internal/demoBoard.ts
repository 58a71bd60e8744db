import type { Peer } from "intentra/Peer"
import * as Os from "node:os"
import { LatencyHistogram } from "../LatencyHistogram.js"
import * as Telemetry from "../Telemetry.js"
import { hostNow } from "./monotonic.js"
import { grouped, millis, padded } from "./terminal.js"

/** What the hub knows of one peer. */
export class Row {
  delivered = 0
  /** The newest update's number and one. */
  reached = 0
  readonly ages = new LatencyHistogram()
  readonly last = Telemetry.make()
  /** At the last look: deliveries and microseconds of processor time. */
  private seen = 0
  private seenMicros = 0
  rate = 0
  cpu = 0

  /** The short name of its key, when something has arrived. */
  id = "-"

  constructor(readonly index: number, readonly publicKey: Uint8Array) {}

  /** Rates since the last look. */
  look(seconds: number): void {
    const micros = this.last.userMicros + this.last.systemMicros
    this.rate = (this.delivered - this.seen) / seconds
    this.cpu = this.seenMicros === 0 ? 0 : (micros - this.seenMicros) / (seconds * 1e6)
    this.seen = this.delivered
    this.seenMicros = micros
  }
}

const WIDTHS = [4, 16, 8, 10, 10, 10, 6, 8]
const HEADER = padded(["peer", "key", "rate/s", "delivered", "age p50", "age p99", "cpu", "memory"], WIDTHS)
const megabytes = (bytes: number): string => `${grouped(bytes / 2 ** 20)} MB`
const percent = (share: number): string => `${Math.round(share * 100)} %`

/** Everything that arrives at the hub of the demo, and how it looks. */
export class Board {
  delivered = 0
  readonly ages = new LatencyHistogram()
  private readonly byPeer = new Map<Peer, Row>()
  private lookedAt = performance.now()
  private newest: Telemetry.Telemetry = Telemetry.make()

  constructor(readonly rows: ReadonlyArray<Row>) {}

  /** For every update, on the packet path. */
  readonly onDelivery = (peer: Peer, payload: Uint8Array): void => {
    const row = this.byPeer.get(peer) ?? this.find(peer)
    if (row === undefined || !Telemetry.decode(payload, row.last)) return
    const age = hostNow() - row.last.sentAt
    row.delivered++
    row.reached = row.last.update + 1
    row.ages.record(age)
    this.newest = row.last
    this.delivered++
    this.ages.record(age)
  }

  private find(peer: Peer): Row | undefined {
    const row = this.rows.find(({ publicKey }) => Buffer.compare(publicKey, peer.publicKey) === 0)
    if (row === undefined) return undefined
    row.id = peer.id
    this.byPeer.set(peer, row)
    return row
  }

  look(): void {
    const now = performance.now()
    const seconds = Math.max(now - this.lookedAt, 1) / 1000
    this.lookedAt = now
    for (const row of this.rows) row.look(seconds)
  }

  /** One line, for output that is no terminal. */
  summary(dropped: number): string {
    const rate = this.rows.reduce((sum, row) => sum + row.rate, 0)
    return `delivered ${grouped(this.delivered)} (${grouped(rate)}/s)  ` +
      `age p50 ${millis(this.ages.percentile(0.5))} p99 ${millis(this.ages.percentile(0.99))}  ` +
      `dropped ${grouped(dropped)}  ${this.host()}`
  }

  table(title: string, dropped: number, room: number): ReadonlyArray<string> {
    const shown = this.rows.length <= room ? this.rows : this.rows.slice(0, room - 1)
    const lines = shown.map((row) =>
      padded([
        String(row.index),
        row.id,
        grouped(row.rate),
        grouped(row.delivered),
        millis(row.ages.percentile(0.5)),
        millis(row.ages.percentile(0.99)),
        percent(row.cpu),
        megabytes(row.last.rss)
      ], WIDTHS)
    )
    const hidden = this.rows.length - shown.length
    return [
      title,
      HEADER,
      ...lines,
      ...(hidden > 0 ? [`... and ${hidden} more`] : []),
      this.summary(dropped)
    ]
  }

  /** The host, as the newest update tells it. */
  private host(): string {
    const { cpu, cpus, freeMemory, load1, totalMemory } = this.newest
    if (cpus === 0) return `host ${Os.hostname()}`
    return `host cpu ${percent(cpu)} of ${cpus}, memory ${percent(1 - freeMemory / totalMemory)}, load ${
      load1.toFixed(2)
    }`
  }
}
