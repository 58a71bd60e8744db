const NONE = -1
const NO_INTS = new Int32Array(0)
const NO_FLOATS = new Float64Array(0)

/** Messages in flight, in the order of the packets that carry them: a list through slots, each step O(1). */
export class PacketFlight {
  count = 0
  /** The slot whose packet is the oldest, -1 for none. */
  head = NONE
  private tail = NONE
  private next = NO_INTS
  private previous = NO_INTS
  private orders = NO_FLOATS
  private times = NO_FLOATS

  orderOf(slot: number): number {
    return this.orders[slot]
  }

  sentAt(slot: number): number {
    return this.times[slot]
  }

  /** The order is not below those of the others. It and the time can be read until the slot is used again. */
  add(now: number, slot: number, order: number): void {
    const { tail } = this
    this.orders[slot] = order
    this.times[slot] = now
    this.previous[slot] = tail
    this.next[slot] = NONE
    if (tail === NONE) this.head = slot
    else this.next[tail] = slot
    this.tail = slot
    this.count++
  }

  remove(slot: number): void {
    const next = this.next[slot]
    const previous = this.previous[slot]
    if (previous === NONE) this.head = next
    else this.next[previous] = next
    if (next === NONE) this.tail = previous
    else this.previous[next] = previous
    this.count--
  }

  allocate(slots: number): void {
    this.next = new Int32Array(slots)
    this.previous = new Int32Array(slots)
    this.orders = new Float64Array(slots)
    this.times = new Float64Array(slots)
  }

  /** Forgets all and gives the memory back. */
  release(): void {
    this.count = 0
    this.head = this.tail = NONE
    this.next = this.previous = NO_INTS
    this.orders = this.times = NO_FLOATS
  }
}
