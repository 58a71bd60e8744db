/** What a run is made of. */
export interface FuzzOptions {
  readonly seed: number
  /** Datagrams that the attacker sends, at least. */
  readonly datagrams: number
  /** Datagrams of one episode, which begins with fresh stations and ends when nothing is left of them. Default 50,000. */
  readonly episode?: number
}

/** What happened. */
export interface FuzzReport {
  episodes: number
  steps: number
  /** Datagrams that the attacker sent. */
  hostile: number
  /** Datagrams that the stations sent. */
  genuine: number
  /** Messages delivered to stations, each checked. */
  delivered: number
  handshakes: number
  rekeys: number
  moves: number
  strikes: number
  /** Sessions alive at the end of an episode, each of which delivered in both directions. */
  survivors: number
  readonly drops: { [reason: string]: number }
  readonly closes: { [reason: string]: number }
  /** Of every datagram that a station sent: same seed, same hash. */
  hash: number
}

export const emptyReport = (): FuzzReport => ({
  episodes: 0,
  steps: 0,
  hostile: 0,
  genuine: 0,
  delivered: 0,
  handshakes: 0,
  rekeys: 0,
  moves: 0,
  strikes: 0,
  survivors: 0,
  drops: {},
  closes: {},
  hash: 0
})

/** A law that did not hold, and where. */
export class FuzzFailure extends Error {
  constructor(readonly seed: number, readonly step: number, what: string, cause?: unknown) {
    super(`seed ${seed}, step ${step}: ${what}`, { cause })
    this.name = "FuzzFailure"
  }
}
