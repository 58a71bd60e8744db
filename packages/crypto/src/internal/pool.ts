import type { EntropyShape } from "../Entropy.js"

/** @internal */
export const POOL_BYTES = 4096

/**
 * Draws go through a pool, because one call of a generator costs as much as a few hundred bytes of it. A byte is
 * overwritten in the pool as soon as it is handed out: what was drawn cannot be read back from there.
 *
 * @internal
 */
export const pooled = (refill: (pool: Uint8Array) => void): EntropyShape => {
  const pool = new Uint8Array(new ArrayBuffer(POOL_BYTES))
  let next = POOL_BYTES
  const fill = (out: Uint8Array): void => {
    let written = 0
    while (written < out.length) {
      if (next === POOL_BYTES) {
        refill(pool)
        next = 0
      }
      const count = Math.min(out.length - written, POOL_BYTES - next)
      out.set(pool.subarray(next, next + count), written)
      pool.fill(0, next, next + count)
      next += count
      written += count
    }
  }
  const word = new Uint8Array(new ArrayBuffer(4))
  const view = new DataView(word.buffer)
  const uint32 = (): number => {
    fill(word)
    const value = view.getUint32(0)
    view.setUint32(0, 0)
    return value
  }
  return { fill, uint32 }
}
