/**
 * The bounded table of handshakes in flight: whom to let in, and whom to put out when it is full.
 *
 * @since 0.1.0
 */
import { SourceRates } from "./internal/sourceRates.js"
import { hash, Tally } from "./internal/tally.js"

/**
 * Answer of `admit`: the source has `perSource` handshakes in flight.
 *
 * @since 0.1.0
 * @category refusals
 */
export const REFUSED_SOURCE = -1

/**
 * Answer of `admit`: the source starts handshakes faster than `sourceRate`.
 *
 * @since 0.1.0
 * @category refusals
 */
export const REFUSED_RATE = -2

/**
 * The limits of a table.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Handshakes in flight in all, 1 to 65,536 (default 100). */
  readonly limit?: number
  /** Handshakes in flight of one source, 1 or more (default 5). */
  readonly perSource?: number
  /** Handshakes a second of one source, 0.001 or more; `Infinity` for no limit (default 20). */
  readonly sourceRate?: number
  /** Handshakes that a source may start at once after a rest, 1 or more (default 5). */
  readonly sourceBurst?: number
  /**
   * How many sources the rate is remembered of, 8 to 1,048,576, rounded up to a power of two (default 4,096). Memory is
   * 20 bytes each. It is enough when no more sources than that start a handshake within `sourceBurst / sourceRate`
   * seconds.
   */
  readonly rateEntries?: number
  /** A 32-bit number from `Entropy`, which keeps the hashes unpredictable from outside. */
  readonly seed: number
  /**
   * Numbers that several tables of one responder, in several threads, count their handshakes in together: shared memory
   * of zeros, 1 + a power of two of them, the same for all, as is `seed`. Then `limit` and `perSource` bind over all
   * tables. A table that holds nothing itself has nothing to put out, and takes one handshake above `limit`. Two sources
   * may share a number, by chance. Default: the table counts for itself.
   */
  readonly shared?: Int32Array
}

/**
 * Slots for handshakes that are past the cookie and not finished.
 *
 * A **source** is an IPv4 address or an IPv6 /64; a **group** is an IPv4 /24 or an IPv6 /48. The two limits per source
 * bind only while half of the slots or more are taken, or time for Diffie-Hellman is short: until then a fleet behind
 * one address joins at any speed. When every slot is taken, the newcomer replaces the oldest handshake of the group that
 * holds most, which may be its own; among equal groups the one with the oldest handshake gives way.
 *
 * Every admission takes one of its source's tokens, down to none, so that the rate is known when it begins to bind; a
 * refused one takes nothing. The rates live in a table of constant size. A source that was pushed out of it comes back
 * with at most the tokens that waiting would have brought. What remains: someone who receives at thousands of addresses
 * can keep that table full of spent buckets, and then newcomers share what tokens there are and some are refused for
 * their rate although they are innocent, as long as the limits bind.
 *
 * `now` is a monotonic time in milliseconds; a `now` before the latest one seen is taken as the latest. An `address` is
 * 24 raw bytes of `@intentra/udp` (family, port, IP, scope) at `offset`; port and scope play no part.
 *
 * @since 0.1.0
 * @category models
 */
export interface AdmissionTable {
  /** The number of slots. */
  readonly limit: number
  /** How many slots are taken: 0 to `limit`. */
  readonly inFlight: number
  /**
   * The slot that the last `admit` took from an older handshake, -1 when none. It equals the slot that `admit` returned:
   * free the older handshake's state first, without `release`.
   */
  readonly evicted: number
  /**
   * Admits a handshake: a slot from 0 to `limit - 1`, or {@link REFUSED_SOURCE} or {@link REFUSED_RATE}. `dhShort` says
   * that time for Diffie-Hellman is short.
   */
  readonly admit: (now: number, address: Uint8Array, offset: number, dhShort: boolean) => number
  /** Frees a slot; false, and no change, when it was free already. */
  readonly release: (slot: number) => boolean
  /** Milliseconds since the slot was taken, -1 when it is free. */
  readonly slotAge: (now: number, slot: number) => number
  /**
   * Frees every slot taken `maxAgeMs` ago or earlier, the oldest first, and calls `onExpired` after each. Returns how
   * many there were.
   */
  readonly expire: (now: number, maxAgeMs: number, onExpired: (slot: number) => void) => number
  /** Handshakes in flight of this address's source. */
  readonly sourceInFlight: (address: Uint8Array, offset: number) => number
  /** Handshakes in flight of this address's group. */
  readonly groupInFlight: (address: Uint8Array, offset: number) => number
  /** Tokens of this address's source, with fractions, 0 to `sourceBurst`. */
  readonly sourceTokens: (now: number, address: Uint8Array, offset: number) => number
}

const IPV4 = 4
const IPV6 = 6
const IP_AT = 4
const FREE = -1

const word = (bytes: Uint8Array, at: number): number =>
  (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]

class Table implements AdmissionTable {
  readonly limit: number
  inFlight = 0
  evicted = -1
  private readonly perSource: number
  private readonly sources: Tally
  private readonly groups: Tally
  // One list of all taken slots in the order of admission.
  private readonly ages: Tally
  private readonly rates: SourceRates
  private readonly admittedAt: Float64Array
  // Admissions of one moment have equal times: their order is its own number, -1 for a free slot.
  private readonly order: Float64Array
  private admissions = 0
  private readonly free: Int32Array
  // Where each slot's source is counted in `shared`; no numbers when nothing is shared.
  private readonly shared: Int32Array
  private readonly placeOf: Int32Array
  private readonly seed: number
  private latest = -Infinity
  private kind = 0
  private a = 0
  private b = 0

  constructor(limit: number, perSource: number, rates: SourceRates, seed: number, shared: Int32Array) {
    this.limit = limit
    this.perSource = perSource
    this.sources = new Tally(limit, seed)
    this.groups = new Tally(limit, seed)
    this.ages = new Tally(limit, seed)
    this.rates = rates
    this.admittedAt = new Float64Array(limit)
    this.order = new Float64Array(limit).fill(FREE)
    this.free = Int32Array.from({ length: limit }, (_, i) => limit - 1 - i)
    this.shared = shared
    this.placeOf = new Int32Array(shared.length === 0 ? 0 : limit)
    this.seed = seed
  }

  admit(now: number, address: Uint8Array, offset: number, dhShort: boolean): number {
    this.evicted = -1
    this.advance(now)
    this.read(address, offset)
    const { a, b, kind, limit, shared } = this
    const isShared = shared.length > 0
    const place = isShared ? this.place() : 0
    const taken = isShared ? Atomics.load(shared, 0) : this.inFlight
    const binding = dhShort || taken * 2 >= limit
    if (binding && (isShared ? Atomics.load(shared, place) : this.sources.count(kind, a, b)) >= this.perSource) {
      return REFUSED_SOURCE
    }
    if (!this.rates.take(Math.round(this.latest * 1000), kind, a, b, !binding)) return REFUSED_RATE
    if (this.inFlight === limit || (taken >= limit && this.inFlight > 0)) {
      const slot = this.groups.oldestOfLargest(this.order)
      this.release(slot)
      this.evicted = slot
    }
    const slot = this.free[limit - 1 - this.inFlight]
    this.inFlight++
    this.admittedAt[slot] = this.latest
    this.order[slot] = this.admissions++
    this.sources.add(slot, kind, a, b)
    this.groups.add(slot, kind, this.groupA(), this.groupB())
    this.ages.add(slot, 0, 0, 0)
    if (isShared) {
      this.placeOf[slot] = place
      Atomics.add(shared, 0, 1)
      Atomics.add(shared, place, 1)
    }
    return slot
  }

  release(slot: number): boolean {
    // Reads undefined outside the table, which is no order either.
    if (!(this.order[slot] >= 0)) return false
    this.order[slot] = FREE
    this.sources.remove(slot)
    this.groups.remove(slot)
    this.ages.remove(slot)
    this.inFlight--
    this.free[this.limit - 1 - this.inFlight] = slot
    if (this.shared.length > 0) {
      Atomics.sub(this.shared, 0, 1)
      Atomics.sub(this.shared, this.placeOf[slot], 1)
    }
    return true
  }

  slotAge(now: number, slot: number): number {
    this.advance(now)
    return this.order[slot] >= 0 ? this.latest - this.admittedAt[slot] : -1
  }

  expire(now: number, maxAgeMs: number, onExpired: (slot: number) => void): number {
    this.advance(now)
    const end = this.admissions
    let expired = 0
    for (;;) {
      const slot = this.ages.oldest(0, 0, 0)
      // `onExpired` may admit: what came after the start of this call stays.
      if (slot < 0 || this.order[slot] >= end || this.latest - this.admittedAt[slot] < maxAgeMs) return expired
      this.release(slot)
      expired++
      onExpired(slot)
    }
  }

  sourceInFlight(address: Uint8Array, offset: number): number {
    this.read(address, offset)
    return this.sources.count(this.kind, this.a, this.b)
  }

  groupInFlight(address: Uint8Array, offset: number): number {
    this.read(address, offset)
    return this.groups.count(this.kind, this.groupA(), this.groupB())
  }

  sourceTokens(now: number, address: Uint8Array, offset: number): number {
    this.advance(now)
    this.read(address, offset)
    return this.rates.tokens(Math.round(this.latest * 1000), this.kind, this.a, this.b)
  }

  private advance(now: number): void {
    if (now > this.latest) this.latest = now
  }

  private read(address: Uint8Array, offset: number): void {
    this.kind = address[offset] === IPV4 ? IPV4 : IPV6
    this.a = word(address, offset + IP_AT)
    this.b = this.kind === IPV4 ? 0 : word(address, offset + IP_AT + 4)
  }

  /** Where the source is counted together with other tables. */
  private place(): number {
    return 1 + (hash(this.seed, this.kind, this.a, this.b) & (this.shared.length - 2))
  }

  private groupA(): number {
    return this.kind === IPV4 ? this.a & 0xffffff00 : this.a
  }

  private groupB(): number {
    return this.b & 0xffff0000
  }
}

const integer = (name: string, value: number, min: number, max: number): number => {
  if (Number.isInteger(value) && value >= min && value <= max) return value
  throw new RangeError(`AdmissionTable.make: ${name} is ${value}; give an integer from ${min} to ${max}`)
}

/**
 * Makes an empty table. Throws a `RangeError` that names the option when one is out of range.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: Options): AdmissionTable => {
  const limit = integer("limit", options.limit ?? 100, 1, 65_536)
  const perSource = integer("perSource", options.perSource ?? 5, 1, 65_536)
  const sourceBurst = integer("sourceBurst", options.sourceBurst ?? 5, 1, 65_536)
  const rateEntries = integer("rateEntries", options.rateEntries ?? 4_096, 8, 1_048_576)
  const seed = integer("seed", options.seed, 0, 0xffff_ffff)
  const sourceRate = options.sourceRate ?? 20
  if (!(sourceRate >= 0.001)) {
    throw new RangeError(
      `AdmissionTable.make: sourceRate is ${sourceRate}; give handshakes per second from 0.001, or Infinity`
    )
  }
  const shared = options.shared ?? new Int32Array(0)
  const rates = new SourceRates(rateEntries, sourceRate, sourceBurst, seed)
  return new Table(limit, perSource, rates, seed, shared)
}
