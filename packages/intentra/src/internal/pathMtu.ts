/**
 * Path MTU discovery by probes (RFC 8899), as a pure machine. Sizes are bytes of UDP payload. A probe is a padded packet
 * of its own that is acknowledged and carries nothing that must arrive.
 */
import type { RttEstimator } from "./rttEstimator.js"

/** What every path carries: the handshake has proved it. */
export const BASE_MTU = 1200
/** No packet is longer. */
export const MAX_MTU = 2048

/** MAX_PROBES: losses of one size that say that the path does not carry it. */
export const MAX_PROBES = 3

/** Sizes that links and tunnels give rise to, then even steps. */
const CANDIDATES = [1232, 1252, 1280, 1312, 1344, 1372, 1392, 1412, 1432, 1444, 1452, 1464, 1472]
  .concat([1500, 1536, 1600, 1664, 1728, 1792, 1856, 1920, 1984, 2048])

/** Ethernet and IPv4. */
const COMMON = CANDIDATES.indexOf(1472)

/** PROBE_TIMER is at least this. */
const MIN_PROBE_TIMER = 1000
/** PMTU_RAISE_TIMER. */
const RAISE_INTERVAL = 600_000
const BLACK_HOLE_LOSSES = 3
const FIRST_PAUSE = 10_000
const NOTHING = -1

export interface PathMtuOptions {
  /** The longest datagram that both ends take; bounded by 1,200 and 2,048. */
  readonly ceiling: number
  readonly rtt: RttEstimator
  readonly now: number
}

export class PathMtu {
  /** The longest datagram to send. */
  current = BASE_MTU
  readonly ceiling: number
  /** How many probes were sent, and how often the path was found to swallow what it had carried. */
  probes = 0
  blackHoles = 0

  private readonly rtt: RttEstimator
  /** How many candidates there are, the last of them is the ceiling. */
  private readonly count: number
  /** Index of the highest candidate that arrived, and of the lowest that did not. */
  private low = NOTHING
  private high: number
  private target = NOTHING
  /** Only the next size up is tried: a search was complete before. */
  private raising = false
  private complete = false
  /** When to go on: with the search, or after it with another. */
  private resumeAt: number
  private outstanding = false
  private expiresAt = Infinity
  /** Probes of the present size, the tokens that name them. */
  private attempts = 0
  private readonly tokens = new Float64Array(MAX_PROBES).fill(NOTHING)

  private lostInRow = 0
  /** How long the last black hole kept the search waiting, and until when. */
  private pause = FIRST_PAUSE
  private resumedAt = -Infinity

  constructor(options: PathMtuOptions) {
    this.rtt = options.rtt
    this.ceiling = Math.max(BASE_MTU, Math.min(MAX_MTU, options.ceiling))
    let count = 0
    if (this.ceiling > BASE_MTU) {
      while (CANDIDATES[count] < this.ceiling) count++
      count++
    }
    this.count = this.high = count
    this.complete = count === 0
    this.resumeAt = count === 0 ? Infinity : options.now
  }

  /** When to call `probeDue`; Infinity when there is nothing to search. */
  get deadline(): number {
    return this.outstanding ? this.expiresAt : this.resumeAt
  }

  /** The size of the probe to send now, 0 for none. It stays due until `probeSent`. */
  probeDue(now: number): number {
    if (this.outstanding) {
      if (now < this.expiresAt) return 0
      this.outstanding = false
      this.resumeAt = now
      if (this.attempts >= MAX_PROBES) {
        this.high = this.target
        this.goOn(now)
      }
    }
    if (now < this.resumeAt) return 0
    if (this.complete) {
      this.complete = false
      this.raising = true
      this.high = this.count
    }
    if (this.attempts === 0) this.target = this.pick()
    return this.sizeAt(this.target)
  }

  /** The probe that was due went out; `token` is a number of the caller's that names it, 0 or above. */
  probeSent(now: number, token: number): void {
    if (this.outstanding || this.target === NOTHING || this.attempts >= MAX_PROBES) return
    this.tokens[this.attempts++] = token
    this.probes++
    this.outstanding = true
    this.expiresAt = now + Math.max(MIN_PROBE_TIMER, this.rtt.rto)
  }

  /** A probe arrived. Tokens of other sizes than the present are ignored. */
  probeAcknowledged(now: number, token: number): void {
    if (!(token >= 0) || this.attempts === 0 || this.tokens.indexOf(token) < 0) return
    this.low = this.target
    this.current = this.sizeAt(this.low)
    this.lostInRow = 0
    this.raising = false
    this.outstanding = false
    this.resumeAt = now
    this.goOn(now)
  }

  /** A packet above the base size arrived. */
  confirmed(): void {
    this.lostInRow = 0
  }

  /** A packet above the base size, not a probe, was lost. */
  lostLarge(now: number): void {
    if (this.current === BASE_MTU || ++this.lostInRow < BLACK_HOLE_LOSSES) return
    this.blackHoles++
    this.pause = now - this.resumedAt > RAISE_INTERVAL ? FIRST_PAUSE : Math.min(RAISE_INTERVAL, 2 * this.pause)
    this.resumedAt = now + this.pause
    this.restart(this.resumedAt)
  }

  /** The path is another one. */
  reset(now: number): void {
    this.resumedAt = -Infinity
    this.restart(now)
  }

  private restart(at: number): void {
    this.current = BASE_MTU
    this.lostInRow = 0
    if (this.count === 0) return
    this.low = NOTHING
    this.high = this.count
    this.raising = false
    this.complete = false
    this.outstanding = false
    this.forgetProbes()
    this.resumeAt = at
  }

  private goOn(now: number): void {
    this.forgetProbes()
    if (this.high - this.low > 1) return
    this.complete = true
    this.resumeAt = this.high === this.count ? Infinity : now + RAISE_INTERVAL
  }

  private forgetProbes(): void {
    this.attempts = 0
    this.target = NOTHING
    this.tokens.fill(NOTHING)
  }

  /** The common size first and then the ceiling: most paths are settled by these. Then halves. */
  private pick(): number {
    if (this.raising) return this.low + 1
    if (this.high === this.count) return this.low < COMMON && COMMON < this.count ? COMMON : this.count - 1
    return (this.low + this.high) >> 1
  }

  private sizeAt(index: number): number {
    return Math.min(CANDIDATES[index], this.ceiling)
  }
}
