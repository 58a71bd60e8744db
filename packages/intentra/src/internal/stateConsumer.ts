import type { StateChange } from "../StateEntry.js"
import type { StateRecord } from "./stateRecord.js"
import { Waiter } from "./waiter.js"

/**
 * Changes that one consumer has not taken yet: the newest of each key. A key that came and went meanwhile leaves no trace,
 * so this is never longer than there are keys here, or were when the consumer last looked.
 */
export class StateConsumer<A> extends Waiter {
  ended = false
  private readonly pending = new Map<string, StateRecord<A>>()
  /** Keys that the consumer believes to be there. */
  private readonly told = new Set<string>()

  add(record: StateRecord<A>): void {
    if (record.deleted && !this.told.has(record.viewKey)) {
      this.pending.delete(record.viewKey)
      return
    }
    this.pending.set(record.viewKey, record)
    this.wake()
  }

  drain(): Array<StateChange<A>> {
    const changes: Array<StateChange<A>> = []
    for (const [key, record] of this.pending) {
      if (record.deleted) {
        this.told.delete(key)
        changes.push({ _tag: "Deleted", key, publisher: record.source.publisher })
        continue
      }
      const entry = record.read()
      if (entry === undefined) {
        // what cannot be read any more is not what it was before
        if (this.told.delete(key)) changes.push({ _tag: "Deleted", key, publisher: record.source.publisher })
        continue
      }
      this.told.add(key)
      changes.push({ _tag: entry.stale ? "Stale" : "Updated", key, entry })
    }
    this.pending.clear()
    return changes
  }

  end(): void {
    this.ended = true
    this.wake()
  }
}
