import { isMainThread } from "node:worker_threads"
import type { Koffi } from "./koffi.js"

// sys/mman.h on x64; arm64 has no MAP_32BIT
const PROT_READ = 1
const PROT_WRITE = 2
const MAP_PRIVATE = 0x02
const MAP_ANONYMOUS = 0x20
const MAP_32BIT = 0x40

/** V8's small integers are 32 bits wide and signed: other numbers become objects on their way into a native call. */
const SMALL_INTEGERS = 2 ** 31

interface Maps {
  readonly map: (at: number, bytes: number, protection: number, flags: number, fd: number, offset: number) => number
  readonly unmap: (at: number, bytes: number) => number
}

interface Mapped {
  readonly address: number
  readonly bytes: number
}

let maps: Maps | undefined
let registry: FinalizationRegistry<Mapped> | undefined

const bind = (koffi: Koffi): Maps => {
  const libc = koffi.load(null)
  return {
    map: libc.func("mmap", "uintptr_t", ["uintptr_t", "size_t", "int", "int", "int", "int64_t"]) as Maps["map"],
    unmap: libc.func("munmap", "int", ["uintptr_t", "size_t"]) as Maps["unmap"]
  }
}

/**
 * Zeroed memory of the first 2 GiB of the address space, where addresses are V8's small integers: a native call takes
 * three of them some 40 ns sooner than three larger ones. `undefined` where there is none to be had, and in other threads
 * than the first: it is given back when the buffer has been collected, and a thread that ends collects nothing.
 *
 * @internal
 */
export const allocateLow = (koffi: Koffi, bytes: number): ArrayBuffer | undefined => {
  if (process.arch !== "x64" || !isMainThread) return undefined
  try {
    maps ??= bind(koffi)
    const { map, unmap } = maps
    const address = map(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0)
    // MAP_FAILED is the largest number there is
    if (address >= SMALL_INTEGERS) return undefined
    const buffer = koffi.view(address, bytes)
    registry ??= new FinalizationRegistry(({ address, bytes }) => unmap(address, bytes))
    registry.register(buffer, { address, bytes })
    return buffer
  } catch {
    return undefined
  }
}
