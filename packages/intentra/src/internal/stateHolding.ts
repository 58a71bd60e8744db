/**
 * What is known here of one publisher's keys. A walk goes over all keys of the publisher once; what it does not meet may be
 * gone.
 */
import type { StateEntryReader } from "./stateEntryReader.js"
import { StateRecord } from "./stateRecord.js"
import type { StateSource } from "./stateSource.js"
import * as Wire from "./stateWire.js"

export class StateHolding<A> {
  readonly records = new Map<string, StateRecord<A>>()
  /** Live records that the walk has not confirmed. */
  unconfirmed = 0
  private walk = 0
  private live = 0
  private readonly deletions: Array<StateRecord<A>> = []
  private walker: Iterator<StateRecord<A>> | undefined = undefined

  constructor(private readonly source: StateSource<A>) {}

  /** From here on everything is to be confirmed, and no older message comes any more. */
  beginWalk(): void {
    for (const record of this.deletions) {
      record.listed = false
      this.forget(record)
    }
    this.deletions.length = 0
    this.walk++
    this.walker = undefined
    this.unconfirmed = this.live
    this.notifyAll()
  }

  /** How things stand with every key has changed. */
  notifyAll(): void {
    for (const record of this.records.values()) if (!record.deleted) this.source.owner.notify(record)
  }

  /**
   * Takes an entry; `have` is the version up to which everything has arrived. Returns false when there is no room for its
   * key.
   */
  take(entry: StateEntryReader, payload: Uint8Array, text: Buffer, have: number, now: number): boolean {
    const { counters, interest, settings } = this.source.owner
    if (entry.keyLength > settings.maxKeyBytes || entry.valueLength > settings.maxValueBytes) {
      counters.limited++
      return true
    }
    const key = textOf(payload, text, entry.keyAt, entry.keyLength)
    if (key === undefined) {
      counters.malformed++
      return true
    }
    const { isDeletion, version } = entry
    let record = this.records.get(key)
    if (record === undefined) {
      // everything newest up to there has arrived: this is an older update of a key that was deleted since
      if (version <= have) return true
      if (!interest.matches(key)) {
        counters.malformed++
        return true
      }
      if (isDeletion ? this.deletions.length >= settings.maxDeletions : !this.hasRoom()) {
        counters.limited++
        return false
      }
      record = this.add(key)
      if (!isDeletion) this.live++
    } else if (record.incarnation === this.source.incarnation) {
      if (version < record.version) return true
      if (version === record.version && (record.deleted || !isDeletion)) {
        this.confirm(record)
        return true
      }
    }
    this.confirm(record)
    counters.received++
    if (isDeletion) {
      if (record.version > 0 && !record.deleted) this.bury(record)
      record.deleted = true
      if (!record.listed) this.deletions.push(record)
      record.listed = true
    } else {
      if (record.deleted) this.live++
      record.deleted = false
      record.store(payload, entry.valueAt, entry.valueLength)
      record.born = now - entry.age - this.source.transit
      record.refresh(entry.ttl, now)
    }
    record.version = version
    record.incarnation = this.source.incarnation
    if (!isDeletion) this.source.owner.notify(record)
    return true
  }

  /** Deletions are kept until nothing older can come any more. */
  forgetDeletions(have: number): void {
    const { deletions } = this
    if (deletions.length === 0) return
    let kept = 0
    for (const record of deletions) {
      record.listed = record.deleted && record.version > have
      if (record.listed) deletions[kept++] = record
      else this.forget(record)
    }
    deletions.length = kept
  }

  /** The next key that the walk has not confirmed, round and round; undefined when there is none. */
  nextUnconfirmed(): StateRecord<A> | undefined {
    for (let round = 0; round < 2; round++) {
      this.walker ??= this.records.values()
      for (;;) {
        const { done, value } = this.walker.next()
        if (done === true) break
        if (!value.deleted && value.walk !== this.walk) return value
      }
      this.walker = undefined
    }
    return undefined
  }

  /** Drops what is no longer of interest. */
  keep(wanted: (key: string) => boolean): void {
    for (const record of this.records.values()) {
      if (wanted(record.key)) continue
      if (!record.deleted) this.bury(record)
      this.records.delete(record.key)
    }
  }

  private add(key: string): StateRecord<A> {
    const record = new StateRecord(this.source, key, this.source.owner.viewKey(this.source, key))
    record.walk = this.walk
    record.incarnation = this.source.incarnation
    this.records.set(key, record)
    return record
  }

  private confirm(record: StateRecord<A>): void {
    if (record.walk === this.walk) return
    record.walk = this.walk
    if (!record.deleted) this.unconfirmed--
  }

  private bury(record: StateRecord<A>): void {
    if (record.walk !== this.walk) this.unconfirmed--
    this.live--
    record.drop()
    this.source.owner.deadlines.remove(record)
    this.source.owner.notify(record)
  }

  private forget(record: StateRecord<A>): void {
    if (record.deleted && this.records.get(record.key) === record) this.records.delete(record.key)
  }

  /** Twice as many keys as a publisher has, for those of the one before. What was not confirmed comes again, if it lives. */
  private hasRoom(): boolean {
    if (this.live < 2 * this.source.owner.settings.maxKeys) return true
    const record = this.unconfirmed > 0 ? this.nextUnconfirmed() : undefined
    if (record === undefined) return false
    this.bury(record)
    this.records.delete(record.key)
    return true
  }
}

/** The key as text: most are ASCII. */
const textOf = (payload: Uint8Array, text: Buffer, at: number, length: number): string | undefined => {
  const end = at + length
  for (let i = at; i < end; i++) if (payload[i] >= 0x80) return Wire.decodeText(payload.subarray(at, end))
  return text.toString("latin1", at, end)
}
