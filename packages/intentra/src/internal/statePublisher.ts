/**
 * The publishing half of a channel: who subscribes, and what to send next. All of it is plain synchronous code; time
 * comes in as a number of milliseconds.
 */
import type { Peer } from "../Peer.js"
import type { SendOptions } from "../SendOptions.js"
import * as SendResult from "../SendResult.js"
import type { StateCounters } from "./stateCounters.js"
import { decodeTerms } from "./stateInterest.js"
import { StatePacker } from "./statePacker.js"
import { PROBE_FIRST, StateSubscriber, StateSubscribers } from "./stateSubscriber.js"
import { StateTable } from "./stateTable.js"
import * as Wire from "./stateWire.js"

/** The longest time between two probes. */
const PROBE_LAST = 1000
/** Without any acknowledgement for so long a subscriber is only probed. */
const SILENT_AFTER = 3000
/** A subscriber not heard of for so long is forgotten. */
const LEASE = 30_000
const SUBSCRIPTIONS_PER_PEER = 16
/** Packets that leave before the event loop turns. */
const TURN_PACKETS = 512
/** Keys that are looked at before the event loop turns: a few milliseconds' worth. */
const TURN_LOOKS = 32_768
/** Keys that are asked after within a period, and answered; what has no answer is asked again. */
const MOST_QUERIED = 4096

export interface PublisherSettings {
  readonly channel: number
  readonly name: Uint8Array
  readonly incarnationHigh: number
  readonly incarnationLow: number
  /** Milliseconds between flushes. */
  readonly period: number
  /** Packets to one subscriber in one flush, at least 2. */
  readonly burst: number
  readonly maxSubscriptions: number
  readonly maxTombstones: number
  readonly data: SendOptions
  readonly control: SendOptions
  readonly admit: (peer: Peer) => boolean
  /** Messages of all peers that the transport has not sent yet. */
  readonly queued: () => number
  /** Those of one peer, at once or soon. */
  readonly queuedFor: (peer: Peer, answer: (queued: number) => void) => void
}

export class StatePublisher {
  readonly table: StateTable
  private readonly subscribers = new StateSubscribers()
  private readonly packer: StatePacker
  private readonly reader = new Wire.WireReader()
  private readonly writer = new Wire.WireWriter()
  private lastFlush = -Infinity
  private flushing = false
  private next = 0
  private turnPackets = 0
  private congested = false
  private queried = 0
  private queriedSince = -Infinity
  /** Somebody waits for something that is not new. */
  private backlog = false
  private probeDue = Infinity

  constructor(private readonly settings: PublisherSettings, private readonly counters: StateCounters) {
    this.table = new StateTable(settings.maxTombstones)
    this.packer = new StatePacker(this.table, settings.channel, settings.incarnationHigh, settings.incarnationLow)
  }

  get count(): number {
    return this.subscribers.all.length
  }

  /** When `flush` is to be called. */
  get due(): number {
    if (this.flushing) return this.lastFlush
    if (this.table.isDirty || this.backlog) return this.lastFlush + this.settings.period
    if (this.count === 0) return Infinity
    return Math.min(this.probeDue, this.lastFlush + LEASE)
  }

  /** Sends what there is to send. Returns whether the event loop should turn before it goes on. */
  flush(now: number): boolean {
    if (!this.flushing) this.begin(now)
    this.turnPackets = 0
    this.packer.looked = 0
    const { all } = this.subscribers
    while (this.next < all.length) {
      if (this.turnPackets >= TURN_PACKETS || this.packer.looked >= TURN_LOOKS) return true
      const subscriber = all[this.next]
      if (this.serve(subscriber, now)) this.next++
      else this.subscribers.remove(subscriber)
    }
    this.flushing = false
    this.packer.forget()
    return false
  }

  /** A message of somebody who subscribes, or wants to. */
  receive(peer: Peer, kind: number, payload: Uint8Array, now: number): void {
    const id = Wire.subscriptionIn(payload)
    this.reader.open(payload, Wire.PREFIX_BYTES)
    if (kind === Wire.SUBSCRIBE) return this.onSubscribe(peer, id, payload, now)
    const subscriber = this.subscribers.find(peer, id)
    if (kind === Wire.UNSUBSCRIBE) {
      if (subscriber !== undefined) this.remove(subscriber)
      return
    }
    // it was forgotten, or another incarnation knew it
    if (subscriber === undefined || subscriber.expelled) return this.sendControl(peer, Wire.RESUBSCRIBE, id)
    if (kind === Wire.STATUS) this.onStatus(subscriber, now)
    else this.onQuery(subscriber, payload, now)
  }

  closed(peer: Peer): void {
    for (const subscriber of this.subscribers.of(peer).slice()) this.remove(subscriber)
  }

  /** The channel ends here: whoever subscribed looks for it anew. */
  end(): void {
    for (const subscriber of this.subscribers.all.slice()) {
      this.sendControl(subscriber.peer, Wire.RESUBSCRIBE, subscriber.id)
      this.subscribers.remove(subscriber)
    }
  }

  private remove(subscriber: StateSubscriber): void {
    this.subscribers.remove(subscriber)
    // a flush that has paused may have lost its place
    this.backlog = true
  }

  private begin(now: number): void {
    const { period } = this.settings
    this.flushing = true
    // by its own beat, so that the rate does not suffer from timers that are late
    const beat = this.lastFlush + period
    this.lastFlush = now - beat < period ? Math.min(beat, now) : now
    this.next = 0
    this.backlog = false
    this.probeDue = Infinity
    this.table.assignVersions()
    this.forgetDeletions()
    this.packer.forget()
    this.congested = this.settings.queued() > 0
  }

  private forgetDeletions(): void {
    const { table } = this
    if (table.tombstones === 0) return
    let reached = table.head
    for (const subscriber of this.subscribers.all) reached = Math.min(reached, subscriber.reached)
    if (!table.forgetDeletions(reached)) return
    for (const subscriber of this.subscribers.all) {
      if (subscriber.reached >= table.floor) continue
      subscriber.expelled = true
      subscriber.probeAt = -Infinity
      subscriber.probeInterval = PROBE_FIRST
    }
  }

  private onSubscribe(peer: Peer, id: number, payload: Uint8Array, now: number): void {
    const { counters, reader, settings, subscribers, table } = this
    const flags = reader.u8()
    const stamp = reader.u32()
    const high = reader.u32()
    const low = reader.u32()
    const have = reader.u64()
    const nameLength = reader.varint()
    const nameAt = reader.skip(nameLength)
    const terms = payload.slice(reader.at)
    const isName = !reader.failed && sameBytes(payload, nameAt, nameLength, settings.name)
    if (!isName || terms.length > Wire.MAX_TERMS_BYTES) return void counters.malformed++
    const existing = subscribers.find(peer, id)
    if (existing !== undefined) {
      existing.onStamp(stamp, now)
      existing.greet = true
      this.backlog = true
      return
    }
    const everything = (flags & Wire.EVERYTHING) !== 0
    const interest = decodeTerms(everything, terms)
    if (interest === undefined) return void counters.malformed++
    const ofPeer = subscribers.of(peer)
    if (ofPeer.length >= SUBSCRIPTIONS_PER_PEER) {
      this.remove(ofPeer.reduce((oldest, one) => one.lastHeard < oldest.lastHeard ? one : oldest))
    }
    if (this.count >= settings.maxSubscriptions || !this.admits(peer)) return void counters.refused++
    const resumes = high === settings.incarnationHigh && low === settings.incarnationLow && have >= table.floor &&
      have <= table.head
    const shared = subscribers.share(`${everything}${Buffer.from(terms).toString("latin1")}`, interest)
    const subscriber = new StateSubscriber(peer, id, shared, !resumes, now)
    subscriber.onStamp(stamp, now)
    if (resumes) {
      subscriber.cursor = have
      subscriber.scanned = have
      subscriber.acknowledged = have
    } else {
      subscriber.base = table.head
    }
    subscribers.add(subscriber)
    this.backlog = true
  }

  private admits(peer: Peer): boolean {
    try {
      return this.settings.admit(peer)
    } catch {
      return false
    }
  }

  private onStatus(subscriber: StateSubscriber, now: number): void {
    const { counters, reader } = this
    const flags = reader.u8()
    const stamp = reader.u32()
    const have = reader.u64()
    // nobody has what was never sent
    if (reader.failed || have > subscriber.cursor) return void counters.malformed++
    const { missing } = subscriber
    let at = have
    let count = 0
    while (!reader.done && count < Wire.MAX_MISSING) {
      const from = at + reader.varint()
      at = from + reader.varint()
      if (at > subscriber.cursor) reader.failed = true
      missing[2 * count] = from
      missing[2 * count + 1] = at
      count++
    }
    subscriber.missingCount = reader.failed ? 0 : count
    if (reader.failed) return void counters.malformed++
    subscriber.acknowledged = Math.max(subscriber.acknowledged, have)
    subscriber.onStamp(stamp, now)
    subscriber.probeInterval = PROBE_FIRST
    if ((flags & Wire.ANSWER) !== 0) subscriber.greet = true
    if (count > 0 || subscriber.greet || subscriber.scanned < this.table.head) this.backlog = true
  }

  /** Says which of the keys exist no more. */
  private onQuery(subscriber: StateSubscriber, payload: Uint8Array, now: number): void {
    const { counters, reader, table, writer } = this
    const have = reader.u64()
    if (reader.failed || have > subscriber.cursor) return void counters.malformed++
    subscriber.lastHeard = now
    if (now - this.queriedSince >= this.settings.period) {
      this.queriedSince = now
      this.queried = 0
    }
    this.packer.begin(have, now, writer)
    let absent = 0
    for (; !reader.done && this.queried < MOST_QUERIED; this.queried++) {
      const length = reader.varint()
      const start = reader.skip(length)
      if (reader.failed) return void counters.malformed++
      if (writer.at + Wire.ENTRY_BYTES + length > Wire.SAFE_PAYLOAD) break
      const bytes = payload.subarray(start, start + length)
      const cell = table.cells.get(Wire.decodeText(bytes) ?? "")
      if (cell !== undefined && !cell.deleted) continue
      writer.u8(Wire.DELETED)
      writer.varint(0)
      writer.varint(length)
      writer.raw(bytes)
      absent++
    }
    if (absent > 0) this.send(subscriber, writer.message(), now)
  }

  /** Returns false when the subscriber is gone. */
  private serve(subscriber: StateSubscriber, now: number): boolean {
    const { peer } = subscriber
    if (peer.closeReason !== undefined || now - subscriber.lastHeard > LEASE) return false
    if (subscriber.expelled) return this.probe(subscriber, now)
    const isBehind = subscriber.cursor > subscriber.acknowledged
    if (isBehind && now - Math.max(subscriber.unacknowledgedSince, subscriber.lastHeard) > SILENT_AFTER) {
      return this.probe(subscriber, now)
    }
    const { head } = this.table
    // what the transport has not sent yet would be out of date when it leaves, so nothing is put behind it
    if (this.congested) this.settings.queuedFor(peer, subscriber.onQueued)
    const held = this.congested && subscriber.queued > 0
    let sent = 0
    if (!held && (subscriber.greet || subscriber.missingCount > 0 || subscriber.scanned < head)) {
      const { burst } = this.settings
      const limit = Math.max(Wire.SAFE_PAYLOAD, Math.min(peer.maxPayload("Realtime"), Wire.MAX_PAYLOAD))
      const kept = subscriber.missingCount > 0 ? Math.max(1, burst >> 2) : 0
      sent = this.sendNews(subscriber, now, burst - kept, limit)
      if (subscriber.missingCount > 0) sent += this.sendMissing(subscriber, now, burst - sent, limit)
    }
    if (subscriber.greet || subscriber.missingCount > 0 || subscriber.scanned < head) this.backlog = true
    if (sent === 0) return this.probe(subscriber, now)
    subscriber.probeAt = now + subscriber.probeInterval
    this.probeDue = Math.min(this.probeDue, subscriber.probeAt)
    return true
  }

  /** What is new since the cursor. Returns how many packets went out. */
  private sendNews(subscriber: StateSubscriber, now: number, budget: number, limit: number): number {
    const { counters, packer } = this
    const { cursor, interest, scanned } = subscriber
    const { head } = this.table
    if (scanned === head && !subscriber.greet) return 0
    packer.pack(interest, cursor, scanned, head, limit, budget, now)
    if (packer.entries[0] === 0 && !subscriber.greet) {
      subscriber.scanned = packer.ends[0]
      return 0
    }
    for (let i = 0; i < packer.count; i++) {
      if (!this.send(subscriber, packer.messages[i], now)) return i
      if (subscriber.cursor <= subscriber.acknowledged) subscriber.unacknowledgedSince = now
      subscriber.greet = false
      subscriber.cursor = packer.ends[i]
      subscriber.scanned = packer.ends[i]
      counters.sentUpdates += packer.entries[i]
    }
    return packer.count
  }

  /** What got lost. Returns how many packets went out. */
  private sendMissing(subscriber: StateSubscriber, now: number, budget: number, limit: number): number {
    const { packer } = this
    const { missing } = subscriber
    let sent = 0
    let done = 0
    while (done < subscriber.missingCount && sent < budget) {
      let from = missing[2 * done]
      const to = missing[2 * done + 1]
      packer.pack(subscriber.interest, from, from, to, limit, budget - sent, now)
      for (let i = 0; i < packer.count; i++) {
        if (!this.send(subscriber, packer.messages[i], now)) break
        sent++
        from = packer.ends[i]
        this.counters.repaired += packer.entries[i]
      }
      missing[2 * done] = from
      if (from < to) break
      done++
    }
    missing.copyWithin(0, 2 * done, 2 * subscriber.missingCount)
    subscriber.missingCount -= done
    return sent
  }

  /** A reminder, from time to time, so that the subscriber notices what it misses. */
  private probe(subscriber: StateSubscriber, now: number): true {
    if (subscriber.cursor <= subscriber.acknowledged && !subscriber.expelled) return true
    if (now >= subscriber.probeAt) {
      if (subscriber.expelled) this.sendControl(subscriber.peer, Wire.RESUBSCRIBE, subscriber.id)
      else this.send(subscriber, this.packer.begin(subscriber.cursor, now, this.writer).message(), now)
      subscriber.probeInterval = Math.min(2 * subscriber.probeInterval, PROBE_LAST)
      subscriber.probeAt = now + subscriber.probeInterval
    }
    this.probeDue = Math.min(this.probeDue, subscriber.probeAt)
    return true
  }

  /** Sends a DATA packet under the subscriber's number. */
  private send(subscriber: StateSubscriber, message: Uint8Array, now: number): boolean {
    const held = Math.min((now - subscriber.stampedAt) / Wire.AGE_UNIT, Wire.HELD_TOO_LONG)
    Wire.setSubscription(message, subscriber.id)
    Wire.setEcho(message, subscriber.stamp, held)
    message[Wire.FLAGS_AT] = subscriber.full ? Wire.FULL : 0
    const result = subscriber.peer.unsafeSend(message, this.settings.data)
    if (result !== SendResult.ACCEPTED) return false
    this.turnPackets++
    this.counters.sentBytes += message.length
    return true
  }

  private sendControl(peer: Peer, kind: number, id: number): void {
    this.writer.begin(kind, this.settings.channel, id)
    peer.unsafeSend(this.writer.message(), this.settings.control)
  }
}

const sameBytes = (bytes: Uint8Array, at: number, length: number, expected: Uint8Array): boolean => {
  if (length !== expected.length) return false
  for (let i = 0; i < length; i++) if (bytes[at + i] !== expected[i]) return false
  return true
}
