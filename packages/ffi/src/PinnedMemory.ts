/**
 * Memory whose address native code may hold.
 *
 * @since 0.1.0
 */
import { FfiError } from "./FfiError.js"
import { type Koffi, loadKoffi } from "./internal/koffi.js"
import { allocateLow } from "./internal/lowMemory.js"

/** Where a slice begins: at a multiple of so many bytes, a cache line. */
const ALIGNMENT = 64

/** Typed arrays of at most 64 bytes may live on V8's moving heap, so that no block is smaller than a page. */
const SMALLEST = 4096

/**
 * A part of pinned memory. `address + i` is where native code finds `bytes[i]`.
 *
 * @since 0.1.0
 * @category models
 */
export interface PinnedSlice {
  readonly address: number
  readonly bytes: Uint8Array
  readonly view: DataView
}

/**
 * One block of memory outside V8's heap that does not move, cut into slices. Whoever hands an address to native code
 * keeps this object referenced for as long as that address may be used: the block is freed when neither the object nor
 * any slice is referenced any more, never earlier, so that a stale slice is at worst a slice of zeros.
 *
 * @since 0.1.0
 * @category models
 */
export class PinnedMemory {
  /** The whole block. */
  readonly bytes: Uint8Array
  /** Its address. */
  readonly address: number
  private end = 0

  /** @internal */
  constructor(koffi: Koffi, size: number) {
    // room to begin at a multiple of the alignment
    const length = Math.max(size, SMALLEST) + ALIGNMENT
    const block = new Uint8Array(allocateLow(koffi, length) ?? new ArrayBuffer(length))
    const start = Number(koffi.address(block))
    const skip = (ALIGNMENT - start % ALIGNMENT) % ALIGNMENT
    this.bytes = block.subarray(skip, skip + Math.max(size, SMALLEST))
    this.address = start + skip
  }

  /** The next `size` bytes, beginning at a multiple of 64. Throws a `RangeError` when the block has no room. */
  slice(size: number): PinnedSlice {
    const start = this.end
    if (start + size > this.bytes.length) {
      throw new RangeError(`PinnedMemory.slice: ${size} bytes were asked for, ${this.bytes.length - start} are left`)
    }
    this.end = Math.ceil((start + size) / ALIGNMENT) * ALIGNMENT
    const bytes = this.bytes.subarray(start, start + size)
    return {
      address: this.address + start,
      bytes,
      view: new DataView(bytes.buffer, bytes.byteOffset, size)
    }
  }

  /** Overwrites all of it. */
  wipe(): void {
    this.bytes.fill(0)
  }
}

/**
 * A block of at least `size` bytes, zeroed. Throws `FfiError` where there is no koffi. Slices begin at multiples of 64:
 * reckon with up to 63 bytes more for each.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (size: number): PinnedMemory => {
  const koffi = loadKoffi()
  if (koffi instanceof FfiError) throw koffi
  return new PinnedMemory(koffi, size)
}
