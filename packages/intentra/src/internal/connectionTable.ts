import { OldestFirst } from "./oldestFirst.js"
import type { Endpoint } from "./session.js"

const SMALLEST = 64

/**
 * conn_id to endpoint, whatever the source address. Ids are drawn at random, never zero, unique, and those of ended
 * sessions are not drawn again for a while, so that a late packet cannot meet a stranger's session.
 *
 * Open addressing with linear probing over one array of numbers: drawn ids are their own hash, and nobody else can
 * choose ids of ours that collide.
 */
export class ConnectionTable {
  /** 0 stands for an empty place: no endpoint has that id. */
  private ids: Uint32Array = new Uint32Array(SMALLEST)
  private endpoints: Array<Endpoint | undefined> = new Array<Endpoint | undefined>(SMALLEST).fill(undefined)
  private mask = SMALLEST - 1
  private count = 0
  /** When each id may be drawn again, in the order in which they may. */
  private readonly resting = new OldestFirst<number, number>()

  constructor(private readonly draw: () => number, private readonly restMs: number) {}

  get size(): number {
    return this.count
  }

  get(connId: number): Endpoint | undefined {
    if (connId === 0) return undefined
    const { ids, mask } = this
    let place = connId & mask
    for (;;) {
      const id = ids[place]
      if (id === connId) return this.endpoints[place]
      if (id === 0) return undefined
      place = (place + 1) & mask
    }
  }

  /** A fresh id. */
  newId(now: number): number {
    this.wake(now)
    for (;;) {
      const id = this.draw() >>> 0
      if (id !== 0 && this.get(id) === undefined && !this.resting.has(id)) return id
    }
  }

  set(endpoint: Endpoint): void {
    // never fuller than half, so that a search for an id that is not here is short
    if (this.count * 2 >= this.ids.length) this.grow()
    this.place(endpoint)
  }

  /** Forgets an id that never carried sealed packets. */
  delete(connId: number): void {
    this.remove(connId)
  }

  /** Forgets a session's id and keeps it from being drawn for the resting time. */
  rest(now: number, connId: number): void {
    if (this.remove(connId)) this.resting.set(connId, now + this.restMs)
    this.wake(now)
  }

  /** Every endpoint, in no order that means anything; take a copy before changing the table. */
  values(): Array<Endpoint> {
    return this.endpoints.filter((endpoint) => endpoint !== undefined)
  }

  private place(endpoint: Endpoint): void {
    const { endpoints, ids, mask } = this
    let place = endpoint.connId & mask
    while (ids[place] !== 0 && ids[place] !== endpoint.connId) place = (place + 1) & mask
    if (ids[place] === 0) this.count++
    ids[place] = endpoint.connId
    endpoints[place] = endpoint
  }

  private remove(connId: number): boolean {
    const { endpoints, ids, mask } = this
    let place = connId & mask
    while (ids[place] !== connId) {
      if (ids[place] === 0) return false
      place = (place + 1) & mask
    }
    // what was pushed past this place moves back, so that no search ends too early
    let next = place
    for (;;) {
      next = (next + 1) & mask
      if (ids[next] === 0) break
      const home = ids[next] & mask
      if (((next - home) & mask) < ((next - place) & mask)) continue
      ids[place] = ids[next]
      endpoints[place] = endpoints[next]
      place = next
    }
    ids[place] = 0
    endpoints[place] = undefined
    this.count--
    return true
  }

  private grow(): void {
    const old = this.values()
    const places = this.ids.length * 2
    this.ids = new Uint32Array(places)
    this.endpoints = new Array<Endpoint | undefined>(places).fill(undefined)
    this.mask = places - 1
    this.count = 0
    for (const endpoint of old) this.place(endpoint)
  }

  private wake(now: number): void {
    this.resting.dropWhile((until) => until <= now)
  }
}
