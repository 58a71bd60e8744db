import type { LossCause, NetworkEvent, NetworkLedger } from "../NetworkEvent.js"
import { lossCauses } from "../NetworkEvent.js"

/** The primes of xxHash (XXH32), whose rounds the trace is hashed with: two lanes of 32 bits each. */
const PRIME_1 = 0x9e3779b1
const PRIME_2 = 0x85ebca77
const PRIME_3 = 0xc2b2ae3d
const PRIME_4 = 0x27d4eb2f

/** A time as two words. */
const time = new Float64Array(1)
const timeWords = new Uint32Array(time.buffer)

const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, "0")

/** FNV-1a: what a line of the text shows of a datagram's content. */
const contentHash = (arena: Uint8Array, offset: number, length: number): number => {
  let hash = 0x811c9dc5
  for (let i = offset; i < offset + length; i++) hash = Math.imul(hash ^ arena[i], 0x01000193)
  return hash
}

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
  private low = PRIME_3 | 0
  private high = PRIME_4

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
    if (this.tracing !== "off") this.trace(kind, at, id, from, to, arena, offset, length, cause)
    if (this.taps.size > 0) {
      const event = { kind, at, id, from, to, bytes: arena.subarray(offset, offset + length), cause }
      for (const tap of this.taps) tap(event)
    }
  }

  private trace(
    kind: NetworkEvent["kind"],
    at: number,
    id: number,
    from: string,
    to: string,
    arena: Uint8Array,
    offset: number,
    length: number,
    cause: LossCause | undefined
  ): void {
    time[0] = at
    this.mix(timeWords[0])
    this.mix(timeWords[1])
    this.mix(id)
    this.mixText(kind)
    this.mixText(from)
    this.mixText(to)
    if (cause !== undefined) this.mixText(cause)
    this.mix(length)
    const end = offset + length
    let i = offset
    for (; i + 4 <= end; i += 4) {
      this.mix(arena[i] | (arena[i + 1] << 8) | (arena[i + 2] << 16) | (arena[i + 3] << 24))
    }
    for (; i < end; i++) this.mix(arena[i])
    if (this.tracing !== "text") return
    const why = cause === undefined ? "" : ` ${cause}`
    const content = hex(contentHash(arena, offset, length))
    this.lines.push(`${at} ${kind} #${id} ${from} > ${to} ${length} ${content}${why}`)
  }

  private mix(word: number): void {
    const low = this.low + Math.imul(word, PRIME_2)
    this.low = Math.imul((low << 13) | (low >>> 19), PRIME_1)
    const high = (this.high ^ word) + this.low
    this.high = Math.imul((high << 17) | (high >>> 15), PRIME_3)
  }

  private mixText(text: string): void {
    for (let i = 0; i < text.length; i++) this.mix(text.charCodeAt(i))
    this.mix(text.length)
  }
}
