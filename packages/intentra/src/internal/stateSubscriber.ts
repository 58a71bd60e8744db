import type { Peer } from "../Peer.js"
import type { StateInterest } from "./stateInterest.js"
import { MAX_MISSING } from "./stateWire.js"

/** Milliseconds until the first probe of what is not acknowledged. */
export const PROBE_FIRST = 100

/** How far somebody who subscribes has been told. */
export class StateSubscriber {
  /** The last `to` that was sent, and how far beyond it there is nothing of interest. */
  cursor = 0
  scanned = 0
  acknowledged = 0
  /** Deletions up to here mean nothing to it: it began with nothing after they had happened. */
  base = 0
  /** It may have missed a deletion that is forgotten, so it has to begin anew, and is told so until it does. */
  expelled = false
  /** Something is to be sent even if there is nothing to say. */
  greet = true
  /** Ranges (from, to] that it misses. */
  readonly missing = new Float64Array(2 * MAX_MISSING)
  missingCount = 0
  /** Messages to it that the transport had not sent when it was asked last. */
  queued = 0
  /** The last stamp that it sent, and when. */
  stamp = 0
  stampedAt = -Infinity
  unacknowledgedSince = 0
  probeAt = 0
  probeInterval = PROBE_FIRST

  constructor(
    readonly peer: Peer,
    readonly id: number,
    readonly interest: StateInterest,
    readonly full: boolean,
    public lastHeard: number
  ) {}

  /** It says something, and wants to know for how long that takes. */
  onStamp(stamp: number, now: number): void {
    this.stamp = stamp
    this.stampedAt = now
    this.lastHeard = now
  }

  readonly onQueued = (queued: number): void => {
    this.queued = queued
  }

  /** Every deletion of interest up to here has arrived. */
  get reached(): number {
    if (this.expelled) return Infinity
    return Math.max(this.base, this.acknowledged >= this.cursor ? this.scanned : this.acknowledged)
  }
}

/** All subscribers, by peer and number, and the interests that they share. */
export class StateSubscribers {
  readonly all: Array<StateSubscriber> = []
  private readonly byPeer = new Map<Peer, Array<StateSubscriber>>()
  private readonly interests = new Map<string, { readonly interest: StateInterest; users: number }>()
  private readonly terms = new Map<StateInterest, string>()

  find(peer: Peer, id: number): StateSubscriber | undefined {
    const subscribers = this.byPeer.get(peer)
    if (subscribers === undefined) return undefined
    for (const subscriber of subscribers) if (subscriber.id === id) return subscriber
    return undefined
  }

  of(peer: Peer): ReadonlyArray<StateSubscriber> {
    return this.byPeer.get(peer) ?? []
  }

  /** One interest for all who say the same, so that they can share packets. */
  share(terms: string, interest: StateInterest): StateInterest {
    const shared = this.interests.get(terms)
    if (shared !== undefined) {
      shared.users++
      return shared.interest
    }
    this.interests.set(terms, { interest, users: 1 })
    this.terms.set(interest, terms)
    return interest
  }

  add(subscriber: StateSubscriber): void {
    this.all.push(subscriber)
    const ofPeer = this.byPeer.get(subscriber.peer)
    if (ofPeer === undefined) this.byPeer.set(subscriber.peer, [subscriber])
    else ofPeer.push(subscriber)
  }

  /** The last one takes its place in `all`. */
  remove(subscriber: StateSubscriber): void {
    const index = this.all.indexOf(subscriber)
    if (index < 0) return
    const last = this.all.pop()
    if (last !== undefined && last !== subscriber) this.all[index] = last
    const ofPeer = this.byPeer.get(subscriber.peer) ?? []
    if (ofPeer.length <= 1) this.byPeer.delete(subscriber.peer)
    else ofPeer.splice(ofPeer.indexOf(subscriber), 1)
    const terms = this.terms.get(subscriber.interest) ?? ""
    const shared = this.interests.get(terms)
    if (shared !== undefined && --shared.users === 0) {
      this.interests.delete(terms)
      this.terms.delete(subscriber.interest)
    }
  }
}
