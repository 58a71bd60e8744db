/**
 * Deadlines of sessions and handshakes in one indexed binary heap. An item that was touched need not be moved: it is
 * looked at when its old deadline comes and set anew then, so traffic costs no heap work and idle items cost nothing
 * per turn.
 */
export interface Timed {
  timerAt: number
  timerIndex: number
}

export class TimerHeap<T extends Timed> {
  private readonly heap: Array<T> = []

  /** The earliest deadline, Infinity when there is none. */
  get next(): number {
    return this.heap.length === 0 ? Infinity : this.heap[0].timerAt
  }

  get size(): number {
    return this.heap.length
  }

  set(item: T, at: number): void {
    if (item.timerIndex < 0) {
      item.timerIndex = this.heap.length
      this.heap.push(item)
      item.timerAt = at
      this.up(item.timerIndex)
      return
    }
    const earlier = at < item.timerAt
    item.timerAt = at
    if (earlier) this.up(item.timerIndex)
    else this.down(item.timerIndex)
  }

  remove(item: T): void {
    const index = item.timerIndex
    if (index < 0) return
    item.timerIndex = -1
    const last = this.heap.pop() as T
    if (last === item) return
    this.heap[index] = last
    last.timerIndex = index
    this.up(index)
    this.down(last.timerIndex)
  }

  /** Takes out the earliest item when it is due. */
  pop(now: number): T | undefined {
    if (this.heap.length === 0 || this.heap[0].timerAt > now) return undefined
    const item = this.heap[0]
    this.remove(item)
    return item
  }

  private up(start: number): void {
    const heap = this.heap
    let index = start
    const item = heap[index]
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (heap[parent].timerAt <= item.timerAt) break
      heap[index] = heap[parent]
      heap[index].timerIndex = index
      index = parent
    }
    heap[index] = item
    item.timerIndex = index
  }

  private down(start: number): void {
    const heap = this.heap
    let index = start
    const item = heap[index]
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && heap[child + 1].timerAt < heap[child].timerAt) child++
      if (heap[child].timerAt >= item.timerAt) break
      heap[index] = heap[child]
      heap[index].timerIndex = index
      index = child
    }
    heap[index] = item
    item.timerIndex = index
  }
}
