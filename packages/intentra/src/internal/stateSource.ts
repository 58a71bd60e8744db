/**
 * One publisher, as a subscription sees it: what it has said, what is missing, and when to ask. Synchronous; times are
 * milliseconds of the channel's clock.
 */
import type { Peer } from "../Peer.js"
import { StateCoverage } from "./stateCoverage.js"
import { StateHolding } from "./stateHolding.js"
import type { StateRecord } from "./stateRecord.js"
import type { StateSubscription } from "./stateSubscription.js"
import { StateTransit } from "./stateTransit.js"
import * as Wire from "./stateWire.js"
import type { Timed } from "./timerHeap.js"

const ASK_FIRST = 100
const ASK_LAST = 1000
/** What arrived is acknowledged within this time; what is missing is asked for after the shorter one. */
const ACKNOWLEDGE_AFTER = 50
const MISSING_AFTER = 20
const REPAIR_LEAST = 50
const REPAIR_MOST = 1000
const HEARTBEAT = 5000
/** A publisher that says nothing for three heartbeats is lost. */
const LOST_AFTER = 16_000
/** Who has not answered for so long may have no such channel: nobody waits for it any more. */
const SILENT_AFTER = 3000

const IDLE = 0
const ASKING = 1
const LIVE = 2

export class StateSource<A> implements Timed {
  readonly publisher: string
  readonly publicKey: Uint8Array
  readonly holding: StateHolding<A>
  peer: Peer | undefined = undefined
  /** The subscription's number on the wire. */
  id = 0
  /** Counts the publisher's incarnations. */
  incarnation = 0
  lost = false
  /** It was asked and has not answered yet, for longer than one waits. */
  private silent = false
  /** Milliseconds that the last message was under way. */
  transit = 0
  /** When its session ended. */
  goneSince = Infinity
  timerAt = 0
  timerIndex = -1

  private state = IDLE
  private readonly coverage = new StateCoverage()
  private incarnationHigh = 0
  private incarnationLow = 0
  private wantsFull = true
  /** The walk over all keys is done when so much has arrived. */
  private target = Infinity
  private askAt = Infinity
  private askInterval = ASK_FIRST
  private askedAt = -Infinity
  private statusAt = Infinity
  private heartbeatAt = Infinity
  /** The pause until the next heartbeat, while the last one has no answer. */
  private heartbeatAgain = 0
  private queryAt = Infinity
  private lastHeard = -Infinity
  private lastRepair = -Infinity
  private haveAtRepair = -1
  private repairInterval = REPAIR_LEAST
  private readonly path = new StateTransit()

  constructor(readonly owner: StateSubscription<A>, peer: Peer) {
    this.publisher = peer.id
    this.publicKey = peer.publicKey
    this.holding = new StateHolding(this)
  }

  /** Everything that was there when the subscription began, or newer, has arrived. */
  get synced(): boolean {
    return this.state === LIVE && this.coverage.have >= this.target
  }

  /** Whether there is somebody who may be expected to say something. */
  get isAwaited(): boolean {
    return this.peer !== undefined && !this.lost && !this.silent
  }

  attach(peer: Peer, now: number): void {
    this.peer = peer
    this.silent = false
    this.path.reset()
    this.goneSince = Infinity
    this.ask(now)
  }

  detach(now: number): void {
    this.peer = undefined
    this.state = IDLE
    this.goneSince = now
    this.owner.deadlines.remove(this)
    this.setLost(true)
    this.owner.onSynced()
  }

  /** Subscribes under a new number: from where it stands, if the publisher can, or to everything anew. */
  ask(now: number, full = false): void {
    if (this.peer === undefined) return
    this.owner.renumber(this)
    this.state = ASKING
    this.wantsFull ||= full
    this.askAt = now
    this.askInterval = ASK_FIRST
    this.askedAt = now
    this.schedule(now)
  }

  /** The publisher does not know this number. */
  onResubscribe(now: number): void {
    // not more often than the publisher may answer
    if (this.state === LIVE || now - this.askedAt >= ASK_FIRST) this.ask(now)
  }

  /** Tells the publisher that this number is no longer used. */
  unsubscribe(): void {
    if (this.peer !== undefined) this.send(Wire.UNSUBSCRIBE)
  }

  leave(): void {
    this.unsubscribe()
    this.owner.deadlines.remove(this)
    for (const record of this.holding.records.values()) this.owner.deadlines.remove(record)
  }

  onDue(now: number): void {
    if (this.state === IDLE || this.peer === undefined) return
    if (this.peer.closeReason !== undefined) return this.detach(now)
    if (this.state === ASKING) {
      if (now >= this.askAt) {
        this.sendSubscribe(now)
        this.askAt = now + this.askInterval
        this.askInterval = Math.min(2 * this.askInterval, ASK_LAST)
      }
      const silence = now - Math.max(this.lastHeard, this.askedAt)
      if (silence > LOST_AFTER) this.setLost(true)
      if (silence > SILENT_AFTER && !this.silent) {
        this.silent = true
        this.owner.onSynced()
      }
      return this.schedule(this.askAt)
    }
    if (now - this.lastHeard > LOST_AFTER) {
      this.setLost(true)
      return this.ask(now)
    }
    if (now >= this.statusAt || now >= this.heartbeatAt) this.sendStatus(now)
    if (now >= this.queryAt) this.sendQuery(now)
    this.schedule(Math.min(this.statusAt, this.heartbeatAt, this.queryAt))
  }

  /** A DATA message under this source's number. */
  onData(payload: Uint8Array, now: number): void {
    const { coverage, holding } = this
    const { counters, entry, reader } = this.owner
    reader.open(payload, Wire.PREFIX_BYTES)
    const flags = reader.u8()
    const high = reader.u32()
    const low = reader.u32()
    const from = reader.u64()
    const to = reader.u64()
    const head = reader.u64()
    const stamp = reader.u32()
    const echo = reader.u32()
    const held = reader.u16()
    if (reader.failed || from > to || to > head) return void counters.malformed++
    // all of it is read before any of it counts
    entry.open(payload, reader.at, from, to)
    while (entry.next()) { /* sound so far */ }
    if (entry.failed) return void counters.malformed++
    const isKnown = high === this.incarnationHigh && low === this.incarnationLow
    if (this.state === ASKING) this.begin(isKnown && (flags & Wire.FULL) === 0, high, low, head)
    else if (!isKnown) {
      // another incarnation under the same number: one of the two is dead, and a new number tells which
      if (now - this.askedAt >= ASK_FIRST) this.ask(now)
      return
    }
    this.lastHeard = now
    this.silent = false
    if (this.heartbeatAgain > 0) {
      this.heartbeatAgain = 0
      this.heartbeatAt = now + HEARTBEAT
    }
    if (this.lost) this.setLost(false)
    this.transit = this.path.onMessage(stamp, echo, held, now)
    entry.rewind(payload)
    let isWhole = true
    const text = Buffer.from(payload.buffer, payload.byteOffset, payload.length)
    while (entry.next()) if (!holding.take(entry, payload, text, coverage.have, now)) isWhole = false
    // what found no room stays missing, and comes again
    if (isWhole) coverage.add(from, to)
    holding.forgetDeletions(coverage.have)
    if (holding.unconfirmed > 0 && this.queryAt === Infinity && this.synced) this.queryAt = now
    if (this.synced) this.owner.onSynced()
    const due = coverage.complete
      ? now + ACKNOWLEDGE_AFTER
      : Math.max(now + MISSING_AFTER, this.lastRepair + this.repairInterval)
    this.statusAt = Math.min(this.statusAt, due)
    this.schedule(Math.min(this.statusAt, this.heartbeatAt, this.queryAt))
  }

  /** The first answer to a subscription. */
  private begin(resumes: boolean, high: number, low: number, head: number): void {
    this.state = LIVE
    this.statusAt = Infinity
    this.heartbeatAt = this.askedAt + HEARTBEAT
    this.queryAt = Infinity
    this.haveAtRepair = -1
    if (resumes && !this.wantsFull) return this.coverage.restart(this.coverage.have)
    this.wantsFull = false
    if (high !== this.incarnationHigh || low !== this.incarnationLow) {
      this.incarnationHigh = high
      this.incarnationLow = low
      this.incarnation++
      this.path.reset()
    }
    this.coverage.restart(0)
    this.target = head
    // what an earlier incarnation said is stale until this one confirms it
    this.holding.beginWalk()
  }

  private setLost(lost: boolean): void {
    if (this.lost === lost) return
    this.lost = lost
    this.holding.notifyAll()
  }

  private schedule(at: number): void {
    this.owner.schedule(this, at)
  }

  private sendSubscribe(now: number): void {
    const { interest, settings, terms, writer } = this.owner
    writer.begin(Wire.SUBSCRIBE, settings.channel, this.id)
    writer.u8(interest.everything ? Wire.EVERYTHING : 0)
    writer.u32(Wire.stampOf(now))
    writer.u32(this.wantsFull ? 0 : this.incarnationHigh)
    writer.u32(this.wantsFull ? 0 : this.incarnationLow)
    writer.u64(this.wantsFull ? 0 : this.coverage.have)
    writer.varint(settings.name.length)
    writer.raw(settings.name)
    writer.raw(terms)
    this.transmit()
  }

  private sendStatus(now: number): void {
    const { coverage } = this
    const { settings, writer } = this.owner
    writer.begin(Wire.STATUS, settings.channel, this.id)
    writer.u8(now >= this.heartbeatAt ? Wire.ANSWER : 0)
    writer.u32(Wire.stampOf(now))
    writer.u64(coverage.have)
    let at = coverage.have
    coverage.eachMissing(Wire.MAX_MISSING, (from, to) => {
      if (writer.at > Wire.SAFE_PAYLOAD - 16) return
      writer.varint(from - at)
      writer.varint(to - from)
      at = to
    })
    this.transmit()
    if (now >= this.heartbeatAt) {
      this.heartbeatAgain = this.heartbeatAgain === 0 ? this.patience : Math.min(REPAIR_MOST, 2 * this.heartbeatAgain)
      this.heartbeatAt = now + this.heartbeatAgain
    }
    this.statusAt = Infinity
    if (coverage.complete) return
    this.repairInterval = coverage.have === this.haveAtRepair
      ? Math.min(REPAIR_MOST, 2 * this.repairInterval)
      : this.patience
    this.haveAtRepair = coverage.have
    this.lastRepair = now
    this.statusAt = now + this.repairInterval
  }

  /** Asks whether keys that the walk has not met exist any more. */
  private sendQuery(now: number): void {
    this.queryAt = Infinity
    if (this.holding.unconfirmed === 0) return
    const { settings, writer } = this.owner
    writer.begin(Wire.QUERY, settings.channel, this.id)
    writer.u64(this.coverage.have)
    let first: StateRecord<A> | undefined = undefined
    for (;;) {
      const record: StateRecord<A> | undefined = this.holding.nextUnconfirmed()
      if (record === undefined || record === first) break
      first ??= record
      const bytes = encoder.encode(record.key)
      writer.varint(bytes.length)
      writer.raw(bytes)
      if (writer.at + settings.maxKeyBytes + 2 > Wire.SAFE_PAYLOAD) break
    }
    this.transmit()
    this.queryAt = now + this.patience
  }

  /** What has not come by then was lost. */
  private get patience(): number {
    return Math.min(REPAIR_MOST, Math.max(REPAIR_LEAST, 1.25 * this.path.rtt + MISSING_AFTER))
  }

  private send(kind: number): void {
    this.owner.writer.begin(kind, this.owner.settings.channel, this.id)
    this.transmit()
  }

  private transmit(): void {
    this.peer?.unsafeSend(this.owner.writer.message(), this.owner.settings.control)
  }
}

const encoder = new TextEncoder()
