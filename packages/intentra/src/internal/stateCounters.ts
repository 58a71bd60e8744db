/** The counters of one channel: plain numbers that both halves of it add to. */
export class StateCounters {
  published = 0
  conflated = 0
  sentBytes = 0
  sentUpdates = 0
  repaired = 0
  received = 0
  malformed = 0
  limited = 0
  undecodable = 0
  refused = 0

  get sum(): number {
    return this.published + this.sentBytes + this.received + this.malformed + this.limited + this.undecodable +
      this.refused
  }
}
