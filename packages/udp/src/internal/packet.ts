import { ADDRESS_BYTES } from "../Address.js"
import type { Scheduled } from "./eventHeap.js"
import type { Link } from "./link.js"

const SMALL_BYTES = 256
const LARGE_BYTES = 2_048
const MAX_POOLED = 4_096

/**
 * A datagram on its way.
 *
 * @internal
 */
export class Packet implements Scheduled {
  at = 0
  order = 0
  index = -1
  id = 0
  length = 0
  to = ""
  from = ""
  readonly fromBytes = new Uint8Array(ADDRESS_BYTES)
  /** Undefined for injected ones, which no condition touches. */
  link: Link | undefined

  constructor(readonly bytes: Uint8Array, private readonly arrive: (packet: Packet) => void) {}

  fire(): void {
    this.arrive(this)
  }
}

/**
 * Packets that are used again.
 *
 * @internal
 */
export class PacketPool {
  private readonly small: Array<Packet> = []
  private readonly large: Array<Packet> = []

  constructor(private readonly arrive: (packet: Packet) => void) {}

  take(length: number): Packet {
    if (length <= SMALL_BYTES) return this.small.pop() ?? new Packet(new Uint8Array(SMALL_BYTES), this.arrive)
    if (length <= LARGE_BYTES) return this.large.pop() ?? new Packet(new Uint8Array(LARGE_BYTES), this.arrive)
    return new Packet(new Uint8Array(length), this.arrive)
  }

  give(packet: Packet): void {
    packet.link = undefined
    const pool = packet.bytes.length === SMALL_BYTES
      ? this.small
      : packet.bytes.length === LARGE_BYTES
      ? this.large
      : undefined
    if (pool !== undefined && pool.length < MAX_POOLED) pool.push(packet)
  }
}
