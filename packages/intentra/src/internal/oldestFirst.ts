/**
 * A map in the order in which its keys were set, for what is dropped oldest first.
 *
 * V8 leaves a hole where a key was deleted until it makes the table anew, and an iterator that begins walks over all holes
 * before the first key: of 90,000 keys that come and go, a look at the oldest takes 80 us. One iterator that goes on and
 * on meets each hole once.
 */
export class OldestFirst<Key, Value> {
  private readonly entries = new Map<Key, Value>()
  /** Has passed the oldest, if that is known, and nothing else that is still here. */
  private readonly iterator = this.entries.entries()
  private known: readonly [Key, Value] | undefined = undefined

  get size(): number {
    return this.entries.size
  }

  get(key: Key): Value | undefined {
    return this.entries.get(key)
  }

  has(key: Key): boolean {
    return this.entries.has(key)
  }

  /** The key is the newest from now on, wherever it was. */
  set(key: Key, value: Value): void {
    this.delete(key)
    this.entries.set(key, value)
  }

  delete(key: Key): boolean {
    if (this.known?.[0] === key) this.known = undefined
    return this.entries.delete(key)
  }

  /** The key that was set before all others. */
  get oldest(): readonly [Key, Value] | undefined {
    // an iterator that has met the end is at its end for good
    if (this.known === undefined && this.entries.size > 0) this.known = this.iterator.next().value
    return this.known
  }
}
