import type { Koffi } from "./koffi.js"

// sys/mman.h of Linux
/** @internal */
export const PROT_READ = 1
const PROT_WRITE = 2
/** @internal */
export const PROT_EXEC = 4
const MAP_PRIVATE = 0x02
const MAP_ANONYMOUS = 0x20
/** In the first 2 GiB; on x64 only. @internal */
export const MAP_32BIT = 0x40

// MAP_FAILED is -1, the largest number there is; addresses of programs have 47 or 48 bits
const LAST_ADDRESS = 2 ** 48

/** Pages of memory from the kernel. @internal */
export interface MemoryMaps {
  /** The address of so many zeroed bytes that may be read and written; `undefined` when there are none to be had. */
  readonly map: (bytes: number, flags: number) => number | undefined
  readonly unmap: (address: number, bytes: number) => void
  /** False when the system refused. */
  readonly protect: (address: number, bytes: number, protection: number) => boolean
}

let maps: MemoryMaps | undefined

/** Throws when a function is missing. @internal */
export const memoryMaps = (koffi: Koffi): MemoryMaps => {
  maps ??= bind(koffi)
  return maps
}

const bind = (koffi: Koffi): MemoryMaps => {
  const libc = koffi.load(null)
  const mmap = libc.func("mmap", "uintptr_t", ["uintptr_t", "size_t", "int", "int", "int", "int64_t"])
  const munmap = libc.func("munmap", "int", ["uintptr_t", "size_t"])
  const mprotect = libc.func("mprotect", "int", ["uintptr_t", "size_t", "int"])
  return {
    map: (bytes, flags) => {
      const address = Number(mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0))
      return address < LAST_ADDRESS ? address : undefined
    },
    unmap: (address, bytes) => {
      munmap(address, bytes)
    },
    protect: (address, bytes, protection) => mprotect(address, bytes, protection) === 0
  }
}
