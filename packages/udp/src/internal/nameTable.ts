import { LinuxSocket, PinnedMemory } from "@intentra/ffi"
import type { AddressTable } from "../AddressTable.js"
import { writeName } from "./sockaddr.js"

const { NAME_BYTES } = LinuxSocket

/** How many addresses one block of memory holds, as a power of two. */
const BLOCK_BITS = 10
const BLOCK_NAMES = 1 << BLOCK_BITS

/**
 * The lasting addresses of a table in the system's form, in memory that native code may read. Each is written once, and
 * again when its slot has changed.
 *
 * @internal
 */
export class NameTable {
  private readonly blocks: Array<PinnedMemory.PinnedSlice> = []

  constructor(private readonly addresses: AddressTable, private readonly ipv6: boolean) {}

  /** Where the `sockaddr` of a lasting id that is held lies. */
  addressOf(id: number): number {
    const { written } = this.addresses
    if (written[id] === 0) {
      this.write(id)
      written[id] = 1
    }
    return this.blocks[id >> BLOCK_BITS].address + (id & (BLOCK_NAMES - 1)) * NAME_BYTES
  }

  private write(id: number): void {
    const { addresses, blocks } = this
    while (blocks.length <= id >> BLOCK_BITS) {
      blocks.push(PinnedMemory.make(BLOCK_NAMES * NAME_BYTES).slice(BLOCK_NAMES * NAME_BYTES))
    }
    const { bytes } = blocks[id >> BLOCK_BITS]
    writeName(addresses.bytesOf(id), addresses.startOf(id), this.ipv6, bytes, (id & (BLOCK_NAMES - 1)) * NAME_BYTES)
  }
}
