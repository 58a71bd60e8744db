import { NodeInspectSymbol } from "effect/Inspectable"
import type { StateEntry } from "../StateEntry.js"
import type { StateSource } from "./stateSource.js"
import type { Timed } from "./timerHeap.js"

const EMPTY = new Uint8Array(0)

/** One key of one publisher, as far as it is known here. */
export class StateRecord<A> implements Timed {
  version = 0
  /** Of the publisher's incarnation. */
  incarnation = 0
  /** The last walk over all keys that has confirmed it. */
  walk = 0
  deleted = false
  /** Among the deletions that may still be overtaken by older updates. */
  listed = false
  length = 0
  /** When it was published, by our clock. */
  born = 0
  /** When it goes stale. */
  expires = Infinity
  expired = false
  timerAt = 0
  timerIndex = -1
  private bytes: Uint8Array = EMPTY
  private entry: Entry<A> | undefined = undefined
  private undecodable = false

  constructor(readonly source: StateSource<A>, readonly key: string, readonly viewKey: string) {}

  get stale(): boolean {
    return this.expired || this.source.lost || this.incarnation !== this.source.incarnation
  }

  store(payload: Uint8Array, at: number, length: number): void {
    if (this.bytes.length < length || this.bytes.length > 4 * length + 64) this.bytes = new Uint8Array(length)
    if (length > 64) this.bytes.set(payload.subarray(at, at + length))
    else for (let i = 0; i < length; i++) this.bytes[i] = payload[at + i]
    this.length = length
    this.undecodable = false
    this.entry = undefined
  }

  /** It was published, at `born`. */
  refresh(ttl: number, now: number): void {
    this.expires = this.born + ttl
    this.expired = this.expires <= now
    const { deadlines } = this.source.owner
    if (this.timerIndex < 0 ? ttl < Infinity && !this.expired : this.expires < this.timerAt) {
      deadlines.set(this, this.expires)
    }
  }

  drop(): void {
    this.deleted = true
    this.bytes = EMPTY
    this.length = 0
    this.entry = undefined
  }

  /** The entry as it is now, decoded when somebody asks first; undefined when there is none that decodes. */
  read(): StateEntry<A> | undefined {
    if (this.deleted || this.undecodable) return undefined
    const { entry, stale } = this
    if (entry !== undefined && entry.stale === stale) return entry
    let value: A
    if (entry !== undefined) value = entry.value
    else {
      try {
        value = this.source.owner.settings.decode(this.bytes.slice(0, this.length))
      } catch {
        this.undecodable = true
        this.source.owner.counters.undecodable++
        return undefined
      }
    }
    this.entry = new Entry(
      this.key,
      value,
      this.source.publisher,
      this.version,
      this.incarnation,
      stale,
      this.born,
      this.source.owner.settings.now
    )
    return this.entry
  }

  onDue(now: number): void {
    if (this.deleted || this.expires === Infinity) return
    if (this.expires > now) return this.source.owner.deadlines.set(this, this.expires)
    this.expired = true
    this.source.owner.notify(this)
  }
}

class Entry<A> implements StateEntry<A> {
  constructor(
    readonly key: string,
    readonly value: A,
    readonly publisher: string,
    readonly version: number,
    readonly incarnation: number,
    readonly stale: boolean,
    private readonly born: number,
    private readonly now: () => number
  ) {}

  get age(): number {
    return Math.max(0, this.now() - this.born)
  }

  toJSON(): unknown {
    const { age, incarnation, key, publisher, stale, value, version } = this
    return { key, value, publisher, version, incarnation, age, stale }
  }

  [NodeInspectSymbol](): unknown {
    return this.toJSON()
  }
}
