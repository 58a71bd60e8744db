import { defaults, type NetworkConditions } from "../NetworkConditions.js"
import type { LossCause } from "../NetworkEvent.js"
import type { Endpoint } from "./endpoint.js"
import { Prng } from "./prng.js"

/** The backlog is kept as a time: bytes taken from it are off by less than this. */
const ROUNDING = 1e-3

/**
 * One direction between two addresses: its conditions and the state of its weather. Each has a random stream of its own,
 * so that traffic on one link never changes the weather of another.
 *
 * @internal
 */
export class Link {
  conditions: NetworkConditions = defaults
  partitioned = false
  /** The version of the network's settings that `conditions` and `partitioned` were taken from. */
  version = -1
  readonly random: Prng
  private inBurst = false
  private busyUntil = 0
  private lastArrival = 0

  constructor(seed: string, readonly from: Endpoint, readonly to: Endpoint) {
    this.random = new Prng(`${seed} ${from.text} ${to.text}`)
  }

  /** Why a datagram of that length is lost on this link now; undefined when it passes. */
  lossOf(length: number, now: number): LossCause | undefined {
    const { burst, bandwidth, loss, mtu, queueBytes } = this.conditions
    if (this.partitioned) return "partition"
    if (length > mtu) return "mtu"
    if (this.random.happens(loss)) return "loss"
    if (burst !== undefined) {
      this.inBurst = this.inBurst ? !this.random.happens(burst.pExit) : this.random.happens(burst.pEnter)
      if (this.inBurst && this.random.happens(burst.lossInBurst)) return "burstLoss"
    }
    const backlog = ((this.busyUntil - now) * bandwidth) / 1_000
    if (bandwidth < Infinity && backlog > 0 && backlog + length > queueBytes + ROUNDING) return "queueFull"
    return undefined
  }

  /** When a datagram that is sent now has left the sender: it waits for those before it and takes its own time. */
  departure(length: number, now: number): number {
    const { bandwidth } = this.conditions
    if (bandwidth === Infinity) return now
    this.busyUntil = Math.max(this.busyUntil, now) + (length * 1_000) / bandwidth
    return this.busyUntil
  }

  /** When a datagram that departs then arrives. */
  arrival(departure: number): number {
    const { jitter, jitterDistribution, keepOrder, latency, reorder, reorderDelay } = this.conditions
    let delay = latency
    if (jitter > 0) {
      delay += jitter * (jitterDistribution === "normal" ? this.random.normal() : 2 * this.random.uniform() - 1)
      if (delay < 0) delay = 0
    }
    let at = departure + delay
    if (keepOrder) {
      if (at < this.lastArrival) at = this.lastArrival
      this.lastArrival = at
    }
    return this.random.happens(reorder) ? at + reorderDelay : at
  }

  /** Flips bits of the datagram as the conditions want; true when it did. */
  corrupt(bytes: Uint8Array, length: number): boolean {
    const { corrupt, corruptBits } = this.conditions
    if (length === 0 || !this.random.happens(corrupt)) return false
    const bits = length * 8
    const count = Math.min(bits, 1 + this.random.below(corruptBits))
    const flipped = new Set<number>()
    while (flipped.size < count) {
      const bit = this.random.below(bits)
      if (flipped.has(bit)) continue
      flipped.add(bit)
      bytes[bit >>> 3] ^= 1 << (bit & 7)
    }
    return true
  }
}
