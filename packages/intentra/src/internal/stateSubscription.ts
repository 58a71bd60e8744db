import type { Peer } from "../Peer.js"
import type { SendOptions } from "../SendOptions.js"
import { StateConsumer } from "./stateConsumer.js"
import type { StateCounters } from "./stateCounters.js"
import { StateEntryReader } from "./stateEntryReader.js"
import type { StateInterest } from "./stateInterest.js"
import type { StateRecord } from "./stateRecord.js"
import { StateSource } from "./stateSource.js"
import { WireReader, WireWriter } from "./stateWire.js"
import type { Timed } from "./timerHeap.js"
import { TimerHeap } from "./timerHeap.js"

export interface SubscriptionSettings<A> {
  readonly channel: number
  readonly name: Uint8Array
  readonly maxKeys: number
  readonly maxKeyBytes: number
  readonly maxValueBytes: number
  /** Deletions that wait for what they may overtake. */
  readonly maxDeletions: number
  readonly maxPublishers: number
  /** Milliseconds after which a publisher that is gone is forgotten, where all publishers are subscribed to. */
  readonly forgetAfter: number
  readonly control: SendOptions
  readonly decode: (bytes: Uint8Array) => A
  readonly now: () => number
  readonly drawId: () => number
  /** Something is to be done at a time. */
  readonly wake: (at: number) => void
}

interface Due extends Timed {
  onDue(now: number): void
}

/** The publishers that somebody subscribes to, one or all, and those who want to know of changes. */
export class StateSubscription<A> {
  readonly deadlines = new TimerHeap<Due>()
  readonly reader = new WireReader()
  readonly entry = new StateEntryReader()
  readonly writer = new WireWriter()
  ended = false
  private readonly sources = new Map<string, StateSource<A>>()
  private readonly consumers = new Set<StateConsumer<A>>()
  private readonly waiters = new Set<() => void>()

  constructor(
    readonly settings: SubscriptionSettings<A>,
    readonly counters: StateCounters,
    /** By number on the wire, all subscriptions of the channel. */
    private readonly numbers: Map<number, StateSource<A>>,
    /** The one publisher's key; undefined for every publisher. */
    private readonly publicKey: Uint8Array | undefined,
    public interest: StateInterest,
    public terms: Uint8Array
  ) {}

  get due(): number {
    return this.deadlines.next
  }

  /** Whether `offer` should be asked about all peers now and then. */
  get isLooking(): boolean {
    return this.publicKey === undefined || this.only?.peer === undefined
  }

  tick(now: number): void {
    for (;;) {
      const item = this.deadlines.pop(now)
      if (item === undefined) return
      item.onDue(now)
    }
  }

  /** A peer is connected. */
  offer(peer: Peer, now: number): void {
    if (this.publicKey !== undefined && !sameKey(peer.publicKey, this.publicKey)) return
    const source = this.sources.get(peer.id)
    if (source !== undefined) {
      if (source.peer !== peer && sameKey(source.publicKey, peer.publicKey)) source.attach(peer, now)
      return
    }
    if (this.sources.size >= this.settings.maxPublishers && !this.forgetOldest(-Infinity)) {
      this.counters.limited++
      return
    }
    const added = new StateSource<A>(this, peer)
    this.sources.set(peer.id, added)
    added.attach(peer, now)
  }

  closed(peer: Peer, now: number): void {
    const source = this.sources.get(peer.id)
    if (source?.peer === peer) source.detach(now)
  }

  /** The peer goes on in a new session: the other end may have begun anew. */
  rejoined(peer: Peer, now: number): void {
    const source = this.sources.get(peer.id)
    if (source?.peer === peer) source.ask(now)
  }

  /** Forgets publishers that have been gone for long, where there may be more and more of them. */
  forgetGone(now: number): void {
    if (this.publicKey !== undefined) return
    while (this.forgetOldest(now - this.settings.forgetAfter)) { /* the next */ }
  }

  setInterest(interest: StateInterest, terms: Uint8Array, now: number): void {
    this.interest = interest
    this.terms = terms
    for (const source of this.sources.values()) {
      source.holding.keep((key) => interest.matches(key))
      source.unsubscribe()
      source.ask(now, true)
    }
  }

  find(viewKey: string): StateRecord<A> | undefined {
    if (this.publicKey === undefined) {
      const slash = viewKey.indexOf("/")
      return this.sources.get(viewKey.slice(0, slash))?.holding.records.get(viewKey.slice(slash + 1))
    }
    return this.only?.holding.records.get(viewKey)
  }

  viewKey(source: StateSource<A>, key: string): string {
    return this.publicKey === undefined ? `${source.publisher}/${key}` : key
  }

  notify(record: StateRecord<A>): void {
    for (const consumer of this.consumers) consumer.add(record)
  }

  /** A consumer begins with all that is there. */
  addConsumer(): StateConsumer<A> {
    const consumer = new StateConsumer<A>()
    for (const source of this.sources.values()) {
      for (const record of source.holding.records.values()) if (!record.deleted) consumer.add(record)
    }
    if (this.ended) consumer.end()
    else this.consumers.add(consumer)
    return consumer
  }

  removeConsumer(consumer: StateConsumer<A>): void {
    this.consumers.delete(consumer)
  }

  get synced(): boolean {
    let connected = 0
    for (const source of this.sources.values()) {
      if (!source.isAwaited) continue
      if (!source.synced) return false
      connected++
    }
    return connected > 0
  }

  onSynced(): void {
    if (this.waiters.size === 0 || !this.synced) return
    for (const waiter of this.waiters) waiter()
    this.waiters.clear()
  }

  whenSynced(callback: () => void): () => void {
    this.waiters.add(callback)
    return () => this.waiters.delete(callback)
  }

  /** A source gets another number on the wire. */
  renumber(source: StateSource<A>): void {
    this.numbers.delete(source.id)
    do source.id = this.settings.drawId()
    while (this.numbers.has(source.id))
    this.numbers.set(source.id, source)
  }

  schedule(source: StateSource<A>, at: number): void {
    this.deadlines.set(source, at)
    this.settings.wake(this.deadlines.next)
  }

  end(): void {
    this.ended = true
    for (const source of this.sources.values()) {
      source.leave()
      this.numbers.delete(source.id)
    }
    this.sources.clear()
    for (const consumer of this.consumers) consumer.end()
    this.consumers.clear()
    for (const waiter of this.waiters) waiter()
    this.waiters.clear()
  }

  /** The source of a subscription to one publisher, once it was met. */
  private get only(): StateSource<A> | undefined {
    return this.sources.values().next().value
  }

  private forgetOldest(before: number): boolean {
    let oldest: StateSource<A> | undefined = undefined
    for (const source of this.sources.values()) {
      if (source.peer !== undefined || (before > -Infinity && source.goneSince > before)) continue
      if (oldest === undefined || source.goneSince < oldest.goneSince) oldest = source
    }
    if (oldest === undefined) return false
    oldest.holding.keep(() => false)
    oldest.leave()
    this.numbers.delete(oldest.id)
    this.sources.delete(oldest.publisher)
    return true
  }
}

const sameKey = (a: Uint8Array, b: Uint8Array): boolean => {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
