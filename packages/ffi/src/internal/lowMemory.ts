import { isMainThread } from "node:worker_threads"
import type { Koffi } from "./koffi.js"
import { MAP_32BIT, memoryMaps } from "./memoryMaps.js"

interface Mapped {
  readonly address: number
  readonly bytes: number
}

let registry: FinalizationRegistry<Mapped> | undefined

/**
 * Zeroed memory of the first 2 GiB of the address space, where addresses are V8's small integers, 32 bits wide and
 * signed: other numbers become objects on their way into a native call, some 15 ns each. `undefined` where there is none
 * to be had, and in other threads than the first: it is given back when the buffer has been collected, and a thread that
 * ends collects nothing.
 *
 * @internal
 */
export const allocateLow = (koffi: Koffi, bytes: number): ArrayBuffer | undefined => {
  if (process.arch !== "x64" || !isMainThread) return undefined
  try {
    const { map, unmap } = memoryMaps(koffi)
    const address = map(bytes, MAP_32BIT)
    if (address === undefined) return undefined
    const buffer = koffi.view(address, bytes)
    registry ??= new FinalizationRegistry(({ address, bytes }) => unmap(address, bytes))
    registry.register(buffer, { address, bytes })
    return buffer
  } catch {
    return undefined
  }
}
