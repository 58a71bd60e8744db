import { LinuxSocket } from "@intentra/ffi"

const { LOCAL_BYTES } = LinuxSocket

/** What fits a byte, 0 being none. */
const MOST = 255
const MULTICAST = 0xff

/**
 * The addresses of this host that a socket of all addresses was asked at, each with a number that fits the second byte of
 * an `Address`: so whoever keeps a source to answer it keeps what it asked. A host has few addresses; who has more than
 * 255 of them answers the last ones from where the system likes.
 *
 * @internal
 */
export class LocalAddresses {
  /** `LOCAL_BYTES` each, by number. */
  readonly bytes = new Uint8Array((MOST + 1) * LOCAL_BYTES)
  private count = 0
  private last = 0

  /** The number of the address at `at` of `locals`; 0 for one that nothing can go from. */
  numberOf(locals: Uint8Array, at: number): number {
    if (this.isSame(this.last, locals, at)) return this.last
    // a group of IPv6 is no source
    if (locals[at] === MULTICAST) return 0
    let number = 1
    while (number <= this.count && !this.isSame(number, locals, at)) number++
    if (number > this.count) {
      if (this.count === MOST) return 0
      this.count++
      for (let i = 0; i < LOCAL_BYTES; i++) this.bytes[number * LOCAL_BYTES + i] = locals[at + i]
    }
    this.last = number
    return number
  }

  private isSame(number: number, locals: Uint8Array, at: number): boolean {
    const start = number * LOCAL_BYTES
    for (let i = 0; i < LOCAL_BYTES; i++) if (this.bytes[start + i] !== locals[at + i]) return false
    return number > 0
  }
}
