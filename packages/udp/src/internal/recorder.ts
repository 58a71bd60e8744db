import type { LossCause, NetworkEvent, NetworkLedger } from "../NetworkEvent.js"
import { lossCauses } from "../NetworkEvent.js"

/** FNV-1a over characters and over bytes. */
const PRIME = 0x01000193
const BASIS = 0x811c9dc5

const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, "0")

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

const noLosses = (): Record<LossCause, number> => {
  const losses: Partial<Record<LossCause, number>> = {}
  for (const cause of lossCauses) losses[cause] = 0
  return losses as Record<LossCause, number>
}

/**
 * Sums, taps and the trace of a network.
 *
 * @internal
 */
export class Recorder {
  readonly losses = noLosses()
  readonly ledger: Mutable<NetworkLedger> = {
    sent: 0,
    duplicated: 0,
    injected: 0,
    delivered: 0,
    lost: this.losses,
    lostTotal: 0,
    inFlight: 0,
    corrupted: 0
  }
  private readonly taps = new Set<(event: NetworkEvent) => void>()
  private readonly lines: Array<string> = []
  private low = BASIS
  private high = BASIS ^ 0x5bd1e995

  constructor(private readonly tracing: "off" | "hash" | "text") {}

  tap(listener: (event: NetworkEvent) => void): () => void {
    // One listener may be given twice.
    const own = (event: NetworkEvent): void => listener(event)
    this.taps.add(own)
    return () => {
      this.taps.delete(own)
    }
  }

  get traceHash(): string {
    return hex(this.high) + hex(this.low)
  }

  get traceText(): string {
    return this.lines.join("\n")
  }

  record(
    kind: NetworkEvent["kind"],
    at: number,
    id: number,
    from: string,
    to: string,
    arena: Uint8Array,
    offset: number,
    length: number,
    cause?: LossCause
  ): void {
    const { ledger } = this
    if (kind === "lost") {
      ledger.lostTotal++
      ledger.inFlight--
      if (cause !== undefined) this.losses[cause]++
    } else if (kind === "delivered") {
      ledger.delivered++
      ledger.inFlight--
    } else {
      ledger[kind]++
      if (kind !== "corrupted") ledger.inFlight++
    }
    if (this.taps.size === 0 && this.tracing === "off") return
    const bytes = arena.subarray(offset, offset + length)
    if (this.tracing !== "off") this.trace(`${at} ${kind} #${id} ${from} > ${to} ${length}`, bytes, cause)
    if (this.taps.size > 0) {
      const event = { kind, at, id, from, to, bytes, cause }
      for (const tap of this.taps) tap(event)
    }
  }

  private trace(start: string, bytes: Uint8Array, cause: LossCause | undefined): void {
    let content = BASIS
    for (let i = 0; i < bytes.length; i++) content = Math.imul(content ^ bytes[i], PRIME)
    const line = `${start} ${hex(content)}${cause === undefined ? "" : ` ${cause}`}`
    let { high, low } = this
    for (let i = 0; i < line.length; i++) {
      low = Math.imul(low ^ line.charCodeAt(i), PRIME)
      high = Math.imul(high ^ line.charCodeAt(i) ^ (low >>> 24), PRIME)
    }
    this.low = low
    this.high = high
    if (this.tracing === "text") this.lines.push(line)
  }
}
