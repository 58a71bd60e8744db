import type { Endpoint } from "./session.js"

/**
 * conn_id to endpoint, whatever the source address. Ids are drawn at random, never zero, unique, and those of ended
 * sessions are not drawn again for a while, so that a late packet cannot meet a stranger's session.
 */
export class ConnectionTable {
  private readonly endpoints = new Map<number, Endpoint>()
  private readonly resting = new Map<number, number>()

  constructor(private readonly draw: () => number, private readonly restMs: number) {}

  get size(): number {
    return this.endpoints.size
  }

  get(connId: number): Endpoint | undefined {
    return this.endpoints.get(connId)
  }

  /** A fresh id. */
  newId(now: number): number {
    this.wake(now)
    for (;;) {
      const id = this.draw() >>> 0
      if (id !== 0 && !this.endpoints.has(id) && !this.resting.has(id)) return id
    }
  }

  set(endpoint: Endpoint): void {
    this.endpoints.set(endpoint.connId, endpoint)
  }

  /** Forgets an id that never carried sealed packets. */
  delete(connId: number): void {
    this.endpoints.delete(connId)
  }

  /** Forgets a session's id and keeps it from being drawn for the resting time. */
  rest(now: number, connId: number): void {
    if (this.endpoints.delete(connId)) this.resting.set(connId, now + this.restMs)
    this.wake(now)
  }

  values(): IterableIterator<Endpoint> {
    return this.endpoints.values()
  }

  // insertion order is the order of expiry
  private wake(now: number): void {
    for (const [id, until] of this.resting) {
      if (until > now) return
      this.resting.delete(id)
    }
  }
}
