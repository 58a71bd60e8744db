import * as Fs from "node:fs"
import { crc32 } from "node:zlib"
import { writeU32 } from "./bytes.js"
import { CHUNK_HEADER_BYTES, MAGIC, PREAMBLE_BYTES, VERSION } from "./tapeFormat.js"

const CHUNK_BYTES = 65_536
/** What may wait for the disk. */
const PENDING_LIMIT = 64 * 2 ** 20
const FLUSH_INTERVAL = 1000
/** Chunks in one write. */
const WRITE_CHUNKS = 64
/** Chunks kept to be used again. */
const SPARES = 4

export type TapeFailure = "WriteFailed" | "Overrun"

const open = new Set<TapeWriter>()

/** The last second before a crash is what a recording is for. */
const onExit = (): void => {
  for (const writer of open) writer.writeNow()
}

/**
 * Records into chunks, chunks into a file, in the background: a full chunk at once, a begun one each second. When
 * writing fails, or the disk falls too far behind, it stops for good and says so once.
 */
export class TapeWriter {
  /** Where the body of the last record is to be written, at the offset that `record` returned. */
  chunk = new Uint8Array(CHUNK_BYTES)
  view = new DataView(this.chunk.buffer)
  private used = CHUNK_HEADER_BYTES
  private readonly pending: Array<Uint8Array<ArrayBuffer>>
  private pendingBytes = PREAMBLE_BYTES
  /** Of the first pending byte in the file. */
  private position = 0
  private readonly spares: Array<Uint8Array<ArrayBuffer>> = []
  /** Chunks that are on their way to the disk: the first of the pending ones. */
  private writing = 0
  private stopped = false
  private failed = false
  private onIdle: (() => void) | undefined = undefined
  private readonly timer: NodeJS.Timeout

  constructor(
    private readonly descriptor: number,
    private readonly onFailure: (reason: TapeFailure, cause: unknown) => void,
    private readonly limit = PENDING_LIMIT
  ) {
    const preamble = new Uint8Array(PREAMBLE_BYTES)
    preamble.set(MAGIC)
    preamble[PREAMBLE_BYTES - 1] = VERSION
    this.pending = [preamble]
    this.timer = setInterval(() => this.flush(), FLUSH_INTERVAL)
    this.timer.unref()
    if (open.size === 0) process.on("exit", onExit)
    open.add(this)
  }

  /** Bytes so far, those that wait for the disk included. */
  get bytes(): number {
    return this.position + this.pendingBytes + this.used - CHUNK_HEADER_BYTES
  }

  /** Begins a record with a body of so many bytes, and returns the body's offset in `chunk`; -1 when it has stopped. */
  record(kind: number, bytes: number): number {
    if (this.stopped) return -1
    if (this.used + 1 + bytes > this.chunk.length) this.seal(CHUNK_HEADER_BYTES + 1 + bytes)
    if (this.stopped) return -1
    this.chunk[this.used] = kind
    const at = this.used + 1
    this.used = at + bytes
    return at
  }

  /** Bytes that are no record: a chunk of their own. */
  raw(bytes: Uint8Array): void {
    this.seal(CHUNK_HEADER_BYTES + bytes.length)
    this.chunk.set(bytes, CHUNK_HEADER_BYTES)
    this.used = CHUNK_HEADER_BYTES + bytes.length
    this.flush()
  }

  /** Gives the begun chunk to the disk. */
  flush(): void {
    if (this.stopped) return
    this.seal(0)
    this.pump()
  }

  /** Writes all that waits before it returns: the process ends. */
  writeNow(): void {
    if (this.stopped) return
    this.seal(0)
    let at = this.position
    try {
      for (const piece of this.pending) {
        // what is on its way already is written once more, to the same place
        for (let from = 0; from < piece.length;) {
          const written = Fs.writeSync(this.descriptor, piece, from, piece.length - from, at)
          from += written
          at += written
        }
      }
    } catch {
      return
    }
  }

  /** Writes what waits, then closes the file and calls back. */
  close(done: () => void): void {
    this.flush()
    this.stopped = true
    clearInterval(this.timer)
    open.delete(this)
    if (open.size === 0) process.off("exit", onExit)
    const finish = (): void => Fs.close(this.descriptor, () => done())
    if (this.writing > 0) this.onIdle = finish
    else finish()
  }

  /** Ends the chunk, and begins one that holds at least so many bytes, its header included. */
  private seal(bytes: number): void {
    const { chunk, used } = this
    if (used > CHUNK_HEADER_BYTES) {
      writeU32(chunk, 0, used - CHUNK_HEADER_BYTES)
      writeU32(chunk, 4, crc32(chunk.subarray(CHUNK_HEADER_BYTES, used)))
      this.pending.push(chunk.subarray(0, used))
      this.pendingBytes += used
      this.use(bytes > CHUNK_BYTES ? new Uint8Array(bytes) : this.spares.pop() ?? new Uint8Array(CHUNK_BYTES))
    } else if (bytes > chunk.length) {
      this.use(new Uint8Array(bytes))
    }
    if (this.pendingBytes > this.limit) this.fail("Overrun", undefined)
    else this.pump()
  }

  private use(chunk: Uint8Array<ArrayBuffer>): void {
    this.chunk = chunk
    this.view = new DataView(chunk.buffer)
    this.used = CHUNK_HEADER_BYTES
  }

  private pump(): void {
    if (this.writing > 0 || this.pending.length === 0) return
    const pieces = this.pending.slice(0, WRITE_CHUNKS)
    this.writing = pieces.length
    Fs.writev(this.descriptor, pieces, this.position, this.onWritten)
  }

  private readonly onWritten = (error: Error | null, written: number): void => {
    this.writing = 0
    if (error === null) this.release(written)
    else this.fail("WriteFailed", error)
    if (this.pending.length > 0) return this.pump()
    const { onIdle } = this
    this.onIdle = undefined
    onIdle?.()
  }

  /** So many bytes are in the file: they are key material, and need not stay in memory. */
  private release(written: number): void {
    this.position += written
    this.pendingBytes -= written
    let left = written
    let whole = 0
    while (whole < this.pending.length && left >= this.pending[whole].length) {
      const piece = this.pending[whole++]
      left -= piece.length
      piece.fill(0)
      if (piece.buffer.byteLength === CHUNK_BYTES && this.spares.length < SPARES) {
        this.spares.push(new Uint8Array(piece.buffer))
      }
    }
    this.pending.splice(0, whole)
    if (left > 0) this.pending[0] = this.pending[0].subarray(left)
  }

  private fail(reason: TapeFailure, cause: unknown): void {
    this.stopped = true
    // what is on its way stays, so that the file ends with a whole chunk
    for (const piece of this.pending.splice(this.writing)) {
      this.pendingBytes -= piece.length
      piece.fill(0)
    }
    this.chunk.fill(0)
    this.used = CHUNK_HEADER_BYTES
    clearInterval(this.timer)
    if (this.failed) return
    this.failed = true
    this.onFailure(reason, cause)
  }
}
