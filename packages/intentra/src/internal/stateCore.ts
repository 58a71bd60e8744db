/** One channel without Effect: both halves of it, and what they have to do when. */
import type { Peer } from "../Peer.js"
import type { SendOptions } from "../SendOptions.js"
import type { StateCounters } from "./stateCounters.js"
import type { PublisherSettings } from "./statePublisher.js"
import { StatePublisher } from "./statePublisher.js"
import type { StateSource } from "./stateSource.js"
import type { StateSubscription } from "./stateSubscription.js"
import * as Wire from "./stateWire.js"

/** Peers are looked through so often, in case an event was missed. */
const LOOK = 1000
/** Answers to messages under unknown numbers, between two ticks. */
const STRAYS = 16

export class StateCore<A> {
  readonly publisher: StatePublisher
  readonly numbers = new Map<number, StateSource<A>>()
  readonly subscriptions = new Set<StateSubscription<A>>()
  private readonly writer = new Wire.WireWriter(Wire.PREFIX_BYTES)
  private lookedAt = -Infinity
  private strays = 0

  constructor(
    private readonly channel: number,
    private readonly control: SendOptions,
    publisher: PublisherSettings,
    readonly counters: StateCounters,
    private readonly peers: () => ReadonlyArray<Peer>,
    private readonly wake: (at: number) => void
  ) {
    this.publisher = new StatePublisher(publisher, counters)
  }

  /** When `tick` is to be called. */
  get due(): number {
    let due = this.publisher.due
    for (const subscription of this.subscriptions) {
      due = Math.min(due, subscription.due)
      if (subscription.isLooking) due = Math.min(due, this.lookedAt + LOOK)
    }
    return due
  }

  /** Does what is due. Returns whether the event loop should turn before it goes on. */
  tick(now: number): boolean {
    this.strays = 0
    if (now >= this.lookedAt + LOOK) this.look(now)
    for (const subscription of this.subscriptions) subscription.tick(now)
    return this.publisher.due <= now && this.publisher.flush(now)
  }

  receive(peer: Peer, payload: Uint8Array, now: number): void {
    if (payload.length < Wire.PREFIX_BYTES) return void this.counters.malformed++
    const kind = Wire.kindOf(payload)
    switch (kind) {
      case Wire.DATA:
      case Wire.RESUBSCRIBE: {
        const id = Wire.subscriptionIn(payload)
        const source = this.numbers.get(id)
        if (source === undefined || source.peer !== peer) return this.onStray(peer, id)
        if (kind === Wire.DATA) source.onData(payload, now)
        else source.onResubscribe(now)
        return
      }
      case Wire.SUBSCRIBE:
      case Wire.STATUS:
      case Wire.UNSUBSCRIBE:
      case Wire.QUERY:
        this.publisher.receive(peer, kind, payload, now)
        this.wake(this.publisher.due)
        return
      default:
        this.counters.malformed++
    }
  }

  connected(peer: Peer, now: number): void {
    for (const subscription of this.subscriptions) subscription.offer(peer, now)
  }

  rejoined(peer: Peer, now: number): void {
    for (const subscription of this.subscriptions) subscription.rejoined(peer, now)
  }

  closed(peer: Peer, now: number): void {
    this.publisher.closed(peer)
    for (const subscription of this.subscriptions) subscription.closed(peer, now)
  }

  subscribe(subscription: StateSubscription<A>, now: number): void {
    this.subscriptions.add(subscription)
    for (const peer of this.peers()) subscription.offer(peer, now)
    this.wake(now)
  }

  unsubscribe(subscription: StateSubscription<A>): void {
    this.subscriptions.delete(subscription)
    subscription.end()
  }

  end(): void {
    this.publisher.end()
    for (const subscription of this.subscriptions) subscription.end()
    this.subscriptions.clear()
  }

  /** Events are told at most once; what they did not tell is seen here. */
  private look(now: number): void {
    this.lookedAt = now
    let isLooking = false
    for (const subscription of this.subscriptions) isLooking ||= subscription.isLooking
    if (!isLooking) return
    const peers = this.peers()
    for (const subscription of this.subscriptions) {
      if (!subscription.isLooking) continue
      for (const peer of peers) subscription.offer(peer, now)
      subscription.forgetGone(now)
    }
  }

  /** Somebody sends what nobody here asked for, or not any more. */
  private onStray(peer: Peer, id: number): void {
    if (this.strays++ >= STRAYS) return
    this.writer.begin(Wire.UNSUBSCRIBE, this.channel, id)
    peer.unsafeSend(this.writer.message(), this.control)
    this.wake(this.lookedAt + LOOK)
  }
}
