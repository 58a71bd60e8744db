import { OldestFirst } from "./oldestFirst.js"

/** Finished handshakes are remembered so long, and so many of them. */
const FINISHED_FOR = 10_000
const FINISHED_LIMIT = 1024

/** Identities whose newest timestamp of IK is remembered. */
const TIMESTAMPS_LIMIT = 16_384

/** What a responder remembers of handshakes that are over: bounded, the oldest go first. */
export class HandshakeMemory {
  private readonly finished = new OldestFirst<string, number>()
  private readonly timestamps = new OldestFirst<string, number>()

  /** How many finished handshakes are remembered. */
  get size(): number {
    return this.finished.size
  }

  /** The handshake of this echo is over: a late repeat begins nothing. */
  finish(now: number, key: string): void {
    const { finished } = this
    finished.dropWhile((until) => until <= now || finished.size >= FINISHED_LIMIT)
    finished.set(key, now + FINISHED_FOR)
  }

  isFinished(now: number, key: string): boolean {
    return (this.finished.get(key) ?? 0) > now
  }

  /** An identity has proven a handshake of IK with this timestamp: its older ones are recordings. */
  prove(identityKey: string, timestamp: number): void {
    const { timestamps } = this
    timestamps.delete(identityKey)
    timestamps.dropWhile(() => timestamps.size >= TIMESTAMPS_LIMIT)
    timestamps.set(identityKey, timestamp)
  }

  /** Whether a timestamp is not newer than the newest that its identity has proven. */
  isStale(identityKey: string, timestamp: number): boolean {
    const newest = this.timestamps.get(identityKey)
    return newest !== undefined && timestamp <= newest
  }
}
