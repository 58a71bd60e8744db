import type { Evp } from "./evp.js"
import type { Prefetcher } from "./prefetcher.js"

/** Contexts of one algorithm and direction that live at once: a few more than a transport has sessions by default. */
const MOST_CONTEXTS = 10_240

const NOBODY = -1

/**
 * The contexts of one algorithm and direction, by the slot of their key. A context takes more than a kilobyte, far more
 * than its key: so only the keys that were used lately have one, and a key that takes over the context of another costs
 * half a packet.
 *
 * @internal
 */
export class CipherContexts {
  /** The context of each slot; 0 for none. */
  addresses: Float64Array = new Float64Array(0)
  /** The address of what is behind each slot's context, for the prefetcher. */
  inners: Float64Array = new Float64Array(0)
  /** Whether a slot's context was used since somebody last looked for one to take over. */
  used: Uint8Array = new Uint8Array(0)
  /** The slots that have a context. */
  private readonly owners = new Int32Array(MOST_CONTEXTS).fill(NOBODY)
  /** Where in `owners` a slot is. */
  private places: Int32Array = new Int32Array(0)
  private readonly vacant: Array<number> = []
  /** How many slots have a context. */
  count = 0
  private hand = 0

  constructor(
    private readonly evp: Evp,
    private readonly prefetcher: Prefetcher | undefined,
    /** Gives a key to a context: a new one, or one that had another key. False when OpenSSL refused. */
    private readonly init: (context: number, isNew: boolean, slot: number) => boolean,
    /** A slot's context is another one now, or none. */
    private readonly onLost: (slot: number) => void
  ) {}

  /** Makes room for so many slots. */
  grow(slots: number): void {
    this.addresses = grown(this.addresses, new Float64Array(slots))
    this.inners = grown(this.inners, new Float64Array(slots))
    this.used = grown(this.used, new Uint8Array(slots))
    this.places = grown(this.places, new Int32Array(slots))
  }

  /** A context with the key of the slot, which has none; 0 when there is none to be had. */
  make(slot: number): number {
    const isNew = this.count < MOST_CONTEXTS
    const place = isNew ? this.vacant.pop() ?? this.count : this.leastUsed()
    const context = isNew ? this.evp.newContext() : this.addresses[this.owners[place]]
    if (context === 0) return 0
    if (isNew) this.count++
    else this.disown(place)
    this.owners[place] = slot
    this.places[slot] = place
    this.addresses[slot] = context
    this.used[slot] = 1
    if (this.init(context, isNew, slot)) {
      if (this.prefetcher !== undefined) this.inners[slot] = this.prefetcher.innerOf(context)
      return context
    }
    this.free(slot)
    return 0
  }

  /** Frees a slot's context, which OpenSSL overwrites. */
  free(slot: number): void {
    const context = this.addresses[slot]
    if (context === 0) return
    const place = this.places[slot]
    this.disown(place)
    this.owners[place] = NOBODY
    this.vacant.push(place)
    this.count--
    this.evp.freeContext(context)
  }

  private disown(place: number): void {
    const slot = this.owners[place]
    this.addresses[slot] = 0
    this.onLost(slot)
  }

  /** The next place in turn whose context was not used for a whole round. All places are taken. */
  private leastUsed(): number {
    for (;;) {
      const place = this.hand
      this.hand = (place + 1) % MOST_CONTEXTS
      const slot = this.owners[place]
      if (this.used[slot] === 0) return place
      this.used[slot] = 0
    }
  }
}

/** The larger array, with all that was in the old one. @internal */
export const grown = <A extends Float64Array | Uint8Array | Int32Array>(old: A, larger: A): A => {
  larger.set(old)
  return larger
}
