import type { ReceiveBatch } from "@intentra/udp"
import type { PacketKey } from "../PacketCrypto.js"
import { HEADER_BYTES } from "../PacketHeader.js"
import { readU32 } from "./bytes.js"
import type { Core } from "./core.js"
import { ACTIVE } from "./session.js"
import type { Endpoint, EpochKeys, Session } from "./session.js"

/** Fewer endpoints than that stay in the processor's caches by themselves. */
const FEW = 1024

/**
 * Reads what packets to come will need, for a few of them at once. With thousands of sessions that take turns all of it
 * lies in memory: a packet by itself waits for its session, then for that one's keys, then for what they are. Step by
 * step for many, the processor waits for all of them at the same time.
 */
export class LookAhead {
  private readonly endpoints: Array<Endpoint> = []
  private readonly epochs: Array<EpochKeys> = []
  private readonly keys: Array<PacketKey> = []
  /** Here so that what is read counts as used. */
  newest = 0

  constructor(private readonly core: Core) {}

  /** The datagrams from `from` to `end` - 1 of a batch come next. */
  look({ arena, lengths, offsets }: ReceiveBatch, from: number, end: number): void {
    const { services: { crypto }, table } = this.core
    if (crypto.prefetch === undefined || table.size < FEW) return
    const { endpoints, epochs, keys } = this
    let known = 0
    for (let i = from; i < end; i++) {
      if (lengths[i] < HEADER_BYTES) continue
      const endpoint = table.get(readU32(arena, offsets[i] + 4))
      if (endpoint !== undefined) endpoints[known++] = endpoint
    }
    let active = 0
    for (let i = 0; i < known; i++) {
      if (endpoints[i].state !== ACTIVE) continue
      const { current, newestPacket } = endpoints[i] as Session
      if (current === undefined) continue
      epochs[active++] = current
      this.newest = Math.max(this.newest, newestPacket)
    }
    for (let i = 0; i < active; i++) {
      keys[i] = epochs[i].receive
      this.newest = Math.max(this.newest, epochs[i].replay.highest)
    }
    try {
      crypto.prefetch(keys, active, false)
    } catch {
      // a hint that fails is none; what is wrong with the service shows where it opens
    }
  }
}
