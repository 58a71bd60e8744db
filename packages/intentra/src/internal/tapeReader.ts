import * as Fs from "node:fs"
import { crc32 } from "node:zlib"
import { readU16, readU32 } from "./bytes.js"
import { CHUNK_HEADER_BYTES, MAGIC, MAX_CHUNK_BYTES, NESTED, PREAMBLE_BYTES, VERSION } from "./tapeFormat.js"

/** Kind of what stands behind the last record. */
export const NOTHING = -1

export type TapeProblem = "Unreadable" | "NotARecording" | "UnsupportedVersion" | "Truncated" | "Corrupt"

/** The recording cannot be read on; once thrown, every further read throws it again. */
export class TapeDamage extends Error {
  override readonly name = "TapeDamage"
  constructor(readonly reason: TapeProblem, readonly offset: number, detail: string, cause?: unknown) {
    super(detail, { cause })
  }
}

/** Records one after the other, a chunk in memory at a time. */
export class TapeReader {
  /** Why there is nothing more to read. */
  stop: unknown = undefined
  /** The chunk that is being read; it is never changed or used again. */
  chunk = new Uint8Array(0)
  private view = new DataView(this.chunk.buffer)
  private at = 0
  private end = 0
  /** Of the chunk's payload in the file. */
  private chunkOffset = 0
  private position = PREAMBLE_BYTES
  private readonly size: number

  constructor(private readonly descriptor: number, private readonly allowTruncated: boolean) {
    this.size = Fs.fstatSync(descriptor).size
    const preamble = new Uint8Array(PREAMBLE_BYTES)
    const isOurs = this.read(preamble, 0) === PREAMBLE_BYTES && MAGIC.every((byte, i) => preamble[i] === byte)
    if (!isOurs) throw this.damage("NotARecording", 0, "it does not begin as a recording does")
    const version = preamble[PREAMBLE_BYTES - 1]
    if (version !== VERSION) {
      throw this.damage(
        "UnsupportedVersion",
        PREAMBLE_BYTES - 1,
        `it has version ${version} of the format, but this release reads version ${VERSION}`
      )
    }
  }

  /** Where the next byte stands in the file. */
  get offset(): number {
    return this.chunkOffset + this.at
  }

  /** All of the next chunk; undefined when there is none. */
  wholeChunk(): Uint8Array | undefined {
    if (!this.load()) return undefined
    this.at = this.end
    return this.chunk
  }

  /** The kind of the next record, `NOTHING` at the end. */
  peek(): number {
    if (this.stop !== undefined) throw this.stop
    if (this.at === this.end && !this.load()) return NOTHING
    return this.chunk[this.at]
  }

  /** Whether the next input was made from this callback. */
  isNested(window: number): boolean {
    return this.peek() === NESTED && this.end - this.at >= 5 && readU32(this.chunk, this.at + 1) === window
  }

  u8(): number {
    return this.chunk[this.take(1)]
  }

  u16(): number {
    return readU16(this.chunk, this.take(2))
  }

  u32(): number {
    return readU32(this.chunk, this.take(4))
  }

  f64(): number {
    return this.view.getFloat64(this.take(8))
  }

  /** Passes so many bytes, and returns the offset of the first one in `chunk`. */
  take(bytes: number): number {
    if (this.stop !== undefined) throw this.stop
    const { at } = this
    if (bytes > this.end - at) throw this.corrupt("a record does not fit its chunk")
    this.at += bytes
    return at
  }

  corrupt(detail: string): TapeDamage {
    return this.damage("Corrupt", this.offset, detail)
  }

  private load(): boolean {
    if (this.stop !== undefined) throw this.stop
    const { position, size } = this
    if (position >= size) return false
    const header = new Uint8Array(CHUNK_HEADER_BYTES)
    const length = this.read(header, position) === CHUNK_HEADER_BYTES ? readU32(header, 0) : 0
    if (length > size - position - CHUNK_HEADER_BYTES || size - position < CHUNK_HEADER_BYTES) {
      if (this.allowTruncated) return false
      throw this.damage("Truncated", position, "the file ends within a chunk")
    }
    if (length === 0 || length > MAX_CHUNK_BYTES) {
      throw this.damage("Corrupt", position, `a chunk has ${length} bytes, but must have from 1 to ${MAX_CHUNK_BYTES}`)
    }
    const chunk = new Uint8Array(length)
    if (this.read(chunk, position + CHUNK_HEADER_BYTES) !== length) {
      throw this.damage("Truncated", position, "the file has become shorter")
    }
    if (crc32(chunk) !== readU32(header, 4)) {
      throw this.damage("Corrupt", position, `the checksum of a chunk of ${length} bytes is wrong`)
    }
    this.chunk = chunk
    this.view = new DataView(chunk.buffer)
    this.at = 0
    this.end = length
    this.chunkOffset = position + CHUNK_HEADER_BYTES
    this.position = position + CHUNK_HEADER_BYTES + length
    return true
  }

  private read(into: Uint8Array, position: number): number {
    let done = 0
    try {
      while (done < into.length) {
        const count = Fs.readSync(this.descriptor, into, done, into.length - done, position + done)
        if (count === 0) break
        done += count
      }
    } catch (cause) {
      throw this.damage("Unreadable", position + done, "reading failed", cause)
    }
    return done
  }

  private damage(reason: TapeProblem, offset: number, detail: string, cause?: unknown): TapeDamage {
    const damage = new TapeDamage(reason, offset, detail, cause)
    this.stop = damage
    return damage
  }
}
