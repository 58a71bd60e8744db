import type { Settings } from "../TransportOptions.js"

/** Two sessions of one identity, one from each end, belong together when the second comes so soon after the first. */
const SIMULTANEOUS = 5_000

/** What becomes of two sessions of one identity that two workers have. */
export type Outcome =
  /** Both stay. */
  | "both"
  /** The newer is closed: LimitExceeded. */
  | "refuse"
  /** The older is closed: Replaced. */
  | "replace"
  /** Both ends connected at once: the older goes on in the newer. */
  | "continue"
  /** Both ends connected at once: the older stays, the newer is part of it. */
  | "yield"

export interface Claim {
  /** Whether this end began the session. */
  readonly initiator: boolean
  /** When it became active, in ms. */
  readonly since: number
}

/**
 * Decides as the protocol does within one thread. When both ends connected at once, both keep the session that the smaller
 * static key began: the other end decides the same without asking.
 */
export const arbitrate = (
  older: Claim,
  newer: Claim,
  isSmaller: boolean,
  sameIdentity: Settings["sameIdentity"]
): Outcome => {
  if (sameIdentity === "allow") return "both"
  if (older.initiator !== newer.initiator && newer.since - older.since < SIMULTANEOUS) {
    if (newer.initiator !== isSmaller) return "yield"
    if (sameIdentity === "replace") return "continue"
  }
  if (sameIdentity === "replace") return "replace"
  return newer.initiator ? "both" : "refuse"
}
