/**
 * Something that happens at a time. It lies in at most one heap; `index` is -1 while it lies in none.
 *
 * @internal
 */
export interface Scheduled {
  at: number
  order: number
  index: number
  fire(): void
}

const before = (a: Scheduled, b: Scheduled): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)

/**
 * A binary heap by time, and by `order` among equal times; items know their place, so that one can be moved or taken
 * out in O(log n).
 *
 * @internal
 */
export class EventHeap {
  private readonly items: Array<Scheduled> = []

  get size(): number {
    return this.items.length
  }

  peek(): Scheduled | undefined {
    return this.items[0]
  }

  /** Puts an item in, or moves it after its time changed. */
  put(item: Scheduled): void {
    if (item.index < 0) {
      item.index = this.items.length
      this.items.push(item)
    }
    this.rise(item)
    this.sink(item)
  }

  pop(): Scheduled | undefined {
    const first = this.items[0]
    if (first !== undefined) this.remove(first)
    return first
  }

  remove(item: Scheduled): void {
    const index = item.index
    if (index < 0) return
    item.index = -1
    const last = this.items.pop()
    if (last === undefined || last === item) return
    last.index = index
    this.items[index] = last
    this.rise(last)
    this.sink(last)
  }

  private rise(item: Scheduled): void {
    const items = this.items
    let index = item.index
    while (index > 0) {
      const parentIndex = (index - 1) >> 1
      const parent = items[parentIndex]
      if (!before(item, parent)) break
      items[index] = parent
      parent.index = index
      index = parentIndex
    }
    items[index] = item
    item.index = index
  }

  private sink(item: Scheduled): void {
    const items = this.items
    const length = items.length
    let index = item.index
    for (;;) {
      let childIndex = 2 * index + 1
      if (childIndex >= length) break
      if (childIndex + 1 < length && before(items[childIndex + 1], items[childIndex])) childIndex++
      const child = items[childIndex]
      if (!before(child, item)) break
      items[index] = child
      child.index = index
      index = childIndex
    }
    items[index] = item
    item.index = index
  }
}
