/**
 * The weather of a simulated network.
 *
 * @since 0.1.0
 */
import { NetworkError } from "./NetworkError.js"

/**
 * Loss that comes in bursts (Gilbert-Elliott model): before each datagram the link enters a burst with probability
 * `pEnter` or leaves it with `pExit`; inside one, a datagram is lost with probability `lossInBurst`.
 *
 * @since 0.1.0
 * @category models
 */
export interface BurstLoss {
  readonly pEnter: number
  readonly pExit: number
  readonly lossInBurst: number
}

/**
 * What happens to the datagrams of one direction of one link. Times are milliseconds, sizes bytes of UDP payload,
 * probabilities 0 to 1.
 *
 * @since 0.1.0
 * @category models
 */
export interface NetworkConditions {
  /** Time from sending to arriving. Default 1. */
  readonly latency: number
  /** Variation of the latency, which is never below 0 in all; datagrams overtake each other. Default 0. */
  readonly jitter: number
  /** `uniform`: from -jitter to +jitter; `normal`: jitter is the standard deviation. Default `uniform`. */
  readonly jitterDistribution: "uniform" | "normal"
  /** Jitter delays but never reorders. Default false. */
  readonly keepOrder: boolean
  /** Probability that a datagram is lost, each by itself. Default 0. */
  readonly loss: number
  /** Loss in bursts, besides `loss`. Default none. */
  readonly burst: BurstLoss | undefined
  /** Probability that a datagram arrives twice, with a latency of its own. Default 0. */
  readonly duplicate: number
  /** Probability that a datagram is held back by `reorderDelay`. Default 0. */
  readonly reorder: number
  /** How long a reordered datagram is held back. Default 10. */
  readonly reorderDelay: number
  /** Probability that bits of a datagram are flipped. Default 0. */
  readonly corrupt: number
  /** A corrupted datagram has from 1 to this many distinct bits flipped. Default 8. */
  readonly corruptBits: number
  /** Bytes per second; each link has its own. Default Infinity. */
  readonly bandwidth: number
  /**
   * Bytes that wait for the bandwidth, the datagram on the wire included; what would exceed it is lost (tail drop). An
   * idle link takes a datagram of any size. Default Infinity.
   */
  readonly queueBytes: number
  /** The longest datagram that passes; longer ones vanish. Default 65,527. */
  readonly mtu: number
}

/**
 * Perfect weather: 1 ms of latency, nothing else.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaults: NetworkConditions = {
  latency: 1,
  jitter: 0,
  jitterDistribution: "uniform",
  keepOrder: false,
  loss: 0,
  burst: undefined,
  duplicate: 0,
  reorder: 0,
  reorderDelay: 10,
  corrupt: 0,
  corruptBits: 8,
  bandwidth: Infinity,
  queueBytes: Infinity,
  mtu: 65_527
}

const PROBABILITY = "a probability from 0 to 1"
const MILLISECONDS = "a finite number of milliseconds, 0 or more"

const isProbability = (value: number): boolean => value >= 0 && value <= 1
const isTime = (value: number): boolean => value >= 0 && value < Infinity

const wrong = (name: string, value: unknown, expected: string): NetworkError =>
  new NetworkError({ reason: "InvalidConditions", subject: `${name} = ${String(value)}`, expected })

/**
 * The first thing that is wrong with the given conditions, undefined when nothing is.
 *
 * @since 0.1.0
 * @category guards
 */
export const validate = (conditions: Partial<NetworkConditions>): NetworkError | undefined => {
  const c: NetworkConditions = { ...defaults, ...conditions }
  for (const name of ["loss", "duplicate", "reorder", "corrupt"] as const) {
    if (!isProbability(c[name])) return wrong(name, c[name], PROBABILITY)
  }
  for (const name of ["latency", "jitter", "reorderDelay"] as const) {
    if (!isTime(c[name])) return wrong(name, c[name], MILLISECONDS)
  }
  if (c.burst !== undefined) {
    for (const name of ["pEnter", "pExit", "lossInBurst"] as const) {
      if (!isProbability(c.burst[name])) return wrong(`burst.${name}`, c.burst[name], PROBABILITY)
    }
  }
  if (c.jitterDistribution !== "uniform" && c.jitterDistribution !== "normal") {
    return wrong("jitterDistribution", c.jitterDistribution, "uniform or normal")
  }
  if (!(c.corruptBits >= 1) || c.corruptBits % 1 !== 0) {
    return wrong("corruptBits", c.corruptBits, "a whole number, 1 or more")
  }
  if (!(c.bandwidth > 0)) return wrong("bandwidth", c.bandwidth, "a number of bytes per second above 0, or Infinity")
  if (!(c.queueBytes >= 0)) return wrong("queueBytes", c.queueBytes, "a number of bytes, 0 or more, or Infinity")
  if (!(c.mtu >= 0)) return wrong("mtu", c.mtu, "a number of bytes, 0 or more")
  return undefined
}
