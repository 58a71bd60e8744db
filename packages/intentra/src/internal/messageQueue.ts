import type { Delivery } from "../Delivery.js"
import { Waiter } from "./waiter.js"

/**
 * Messages that wait for a consumer, bounded in number and bytes: the oldest that may be dropped goes first. Reliable
 * messages are never dropped; when they fill the queue, whoever fills it has to be stopped.
 */
export class MessageQueue extends Waiter {
  dropped = 0
  private droppable: Array<Delivery> = []
  private reliable: Array<Delivery> = []
  /** Where the droppable ones begin, and their arrival numbers and those of the reliable ones. */
  private first = 0
  private droppableOrder: Array<number> = []
  private reliableOrder: Array<number> = []
  private arrivals = 0
  private bytes = 0

  constructor(private readonly capacity: number, private readonly capacityBytes: number) {
    super()
  }

  get size(): number {
    return this.droppable.length - this.first + this.reliable.length
  }

  /** Returns whether the queue is within its bounds. */
  push(delivery: Delivery): boolean {
    this.bytes += delivery.payload.length
    if (delivery.intent === "Reliable") {
      this.reliable.push(delivery)
      this.reliableOrder.push(this.arrivals++)
    } else {
      this.droppable.push(delivery)
      this.droppableOrder.push(this.arrivals++)
    }
    while (this.isFull && this.first < this.droppable.length) {
      this.bytes -= this.droppable[this.first++].payload.length
      this.dropped++
    }
    if (this.first > 64 && this.first * 2 > this.droppable.length) {
      this.droppable = this.droppable.slice(this.first)
      this.droppableOrder = this.droppableOrder.slice(this.first)
      this.first = 0
    }
    return !this.isFull
  }

  /** All of them, in order of arrival. */
  drain(): Array<Delivery> {
    const drained: Array<Delivery> = []
    let at = 0
    for (let i = this.first; i < this.droppable.length; i++) {
      while (at < this.reliable.length && this.reliableOrder[at] < this.droppableOrder[i]) {
        drained.push(this.reliable[at++])
      }
      drained.push(this.droppable[i])
    }
    while (at < this.reliable.length) drained.push(this.reliable[at++])
    this.droppable = []
    this.reliable = []
    this.droppableOrder = []
    this.reliableOrder = []
    this.first = 0
    this.bytes = 0
    return drained
  }

  private get isFull(): boolean {
    return this.size > this.capacity || this.bytes > this.capacityBytes
  }
}
