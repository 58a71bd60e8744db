const CELLS_PER_CHUNK = 8
const NONE = -1

/**
 * Memory for up to `capacity` payloads of up to `cellBytes` each. It grows by chunks, which never move, so that no copy
 * of a payload stays behind; what is given back is wiped first.
 */
export class PayloadCells {
  used = 0
  private readonly chunks: Array<Uint8Array> = []
  private free = new Int32Array(0)
  private freeCount = 0

  constructor(readonly capacity: number, readonly cellBytes: number) {}

  get allocatedBytes(): number {
    return Math.min(this.chunks.length * CELLS_PER_CHUNK, this.capacity) * this.cellBytes
  }

  /** A cell, or -1 when all are used. */
  take(): number {
    if (this.freeCount === 0 && !this.grow()) return NONE
    this.used++
    return this.free[--this.freeCount]
  }

  give(cell: number): void {
    this.used--
    this.free[this.freeCount++] = cell
  }

  write(cell: number, bytes: Uint8Array): void {
    this.chunkOf(cell).set(bytes, this.startOf(cell))
  }

  /** Valid until the cell is given back. */
  view(cell: number, length: number): Uint8Array {
    const start = this.startOf(cell)
    return this.chunkOf(cell).subarray(start, start + length)
  }

  /** Gives back all chunks but the first `keep`, when no cell is used. */
  shrink(keep: number): void {
    if (this.used > 0 || this.chunks.length <= keep) return
    for (let i = keep; i < this.chunks.length; i++) this.chunks[i].fill(0)
    this.chunks.length = keep
    this.freeCount = 0
    if (keep === 0) {
      this.free = new Int32Array(0)
    } else {
      for (let cell = Math.min(keep * CELLS_PER_CHUNK, this.capacity) - 1; cell >= 0; cell--) {
        this.free[this.freeCount++] = cell
      }
    }
  }

  /** Wipes and gives back everything, used or not. */
  destroy(): void {
    this.used = 0
    this.shrink(0)
  }

  private chunkOf(cell: number): Uint8Array {
    return this.chunks[Math.floor(cell / CELLS_PER_CHUNK)]
  }

  private startOf(cell: number): number {
    return (cell % CELLS_PER_CHUNK) * this.cellBytes
  }

  private grow(): boolean {
    const first = this.chunks.length * CELLS_PER_CHUNK
    const count = Math.min(CELLS_PER_CHUNK, this.capacity - first)
    if (count <= 0) return false
    if (this.free.length === 0) this.free = new Int32Array(this.capacity)
    this.chunks.push(new Uint8Array(count * this.cellBytes))
    for (let cell = first + count - 1; cell >= first; cell--) this.free[this.freeCount++] = cell
    return true
  }
}
