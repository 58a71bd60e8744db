import { ADDRESS_BYTES } from "../Address.js"
import type { AddressTable } from "../AddressTable.js"
import type { SendBatch } from "../DatagramBatch.js"

/** What a waiting datagram costs besides its bytes, so that empty ones are bounded too. */
const OVERHEAD_BYTES = 64

/** Room for two of the longest datagrams, so that a chunk left for want of room is at least half full. */
const CHUNK_BYTES = 2 * 65_536
const CHUNK_DATAGRAMS = 1_024

class Chunk {
  readonly bytes = new Uint8Array(CHUNK_BYTES)
  readonly offsets = new Uint32Array(CHUNK_DATAGRAMS)
  readonly lengths = new Uint32Array(CHUNK_DATAGRAMS)
  readonly addresses = new Uint8Array(CHUNK_DATAGRAMS * ADDRESS_BYTES)
  first = 0
  count = 0
  end = 0
}

/**
 * The datagrams that the system did not take yet, with their receivers: first in, first out, bounded in bytes, copied
 * into chunks that are used again.
 *
 * @internal
 */
export class WaitingDatagrams {
  private readonly chunks: Array<Chunk> = []
  private spare: Chunk | undefined
  private cost = 0
  private total = 0

  constructor(private readonly maxBytes: number, private readonly dropOldest: boolean) {}

  get length(): number {
    return this.total
  }

  /** Returns how many older datagrams were dropped to make room, or -1 when the one given was. */
  push(from: Uint8Array, offset: number, length: number, address: Uint8Array, addressAt: number): number {
    const cost = length + OVERHEAD_BYTES
    if (cost > this.maxBytes) return -1
    let dropped = 0
    if (this.cost + cost > this.maxBytes) {
      if (!this.dropOldest) return -1
      while (this.cost + cost > this.maxBytes) {
        this.shift(1)
        dropped++
      }
    }
    const chunk = this.chunkFor(length)
    const i = chunk.count++
    chunk.offsets[i] = chunk.end
    chunk.lengths[i] = length
    chunk.bytes.set(from.subarray(offset, offset + length), chunk.end)
    for (let j = 0; j < ADDRESS_BYTES; j++) chunk.addresses[i * ADDRESS_BYTES + j] = address[addressAt + j]
    chunk.end += length
    this.cost += cost
    this.total++
    return dropped
  }

  /** Copies as many of the oldest chunk's as there is room for into an empty batch, with transient ids. */
  copyTo(batch: SendBatch, addresses: AddressTable): void {
    if (this.total === 0) return
    const chunk = this.chunks[0]
    for (let i = chunk.first; i < chunk.count; i++) {
      const length = chunk.lengths[i]
      const offset = batch.reserve(length)
      if (offset < 0) return
      batch.arena.set(chunk.bytes.subarray(chunk.offsets[i], chunk.offsets[i] + length), offset)
      batch.commit(length, addresses.transient(chunk.addresses, i * ADDRESS_BYTES))
    }
  }

  /** Forgets so many of the oldest. */
  shift(count: number): void {
    for (let left = count; left > 0; left--) {
      const chunk = this.chunks[0]
      this.cost -= chunk.lengths[chunk.first++] + OVERHEAD_BYTES
      this.total--
      if (chunk.first === chunk.count) {
        this.chunks.shift()
        chunk.first = chunk.count = chunk.end = 0
        this.spare = chunk
      }
    }
  }

  private chunkFor(length: number): Chunk {
    const last = this.chunks.at(-1)
    if (last !== undefined && last.count < CHUNK_DATAGRAMS && last.end + length <= CHUNK_BYTES) return last
    const chunk = this.spare ?? new Chunk()
    this.spare = undefined
    this.chunks.push(chunk)
    return chunk
  }
}
