/** Finished handshakes are remembered so long, and so many of them. */
const FINISHED_FOR = 10_000
const FINISHED_LIMIT = 1024

/** Identities whose newest timestamp of IK is remembered. */
const TIMESTAMPS_LIMIT = 16_384

/** What a responder remembers of handshakes that are over: bounded, the oldest go first. */
export class HandshakeMemory {
  private readonly finished = new Map<string, number>()
  private readonly timestamps = new Map<string, number>()

  /** How many finished handshakes are remembered. */
  get size(): number {
    return this.finished.size
  }

  /** The handshake of this echo is over: a late repeat begins nothing. */
  finish(now: number, key: string): void {
    for (const [oldest, until] of this.finished) {
      if (until > now && this.finished.size < FINISHED_LIMIT) break
      this.finished.delete(oldest)
    }
    this.finished.set(key, now + FINISHED_FOR)
  }

  isFinished(now: number, key: string): boolean {
    return (this.finished.get(key) ?? 0) > now
  }

  /** An identity has proven a handshake of IK with this timestamp: its older ones are recordings. */
  prove(identityKey: string, timestamp: number): void {
    this.timestamps.delete(identityKey)
    if (this.timestamps.size >= TIMESTAMPS_LIMIT) {
      for (const oldest of this.timestamps.keys()) {
        this.timestamps.delete(oldest)
        break
      }
    }
    this.timestamps.set(identityKey, timestamp)
  }

  /** Whether a timestamp is not newer than the newest that its identity has proven. */
  isStale(identityKey: string, timestamp: number): boolean {
    const newest = this.timestamps.get(identityKey)
    return newest !== undefined && timestamp <= newest
  }
}
