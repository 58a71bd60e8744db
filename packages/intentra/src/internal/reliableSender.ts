/**
 * The sending half of Reliable: keeps messages until they are acknowledged, tells which of them goes into the next
 * packet, and finds the lost ones by the order of packets (RFC 9002, section 6), with the retransmission timeout of
 * RFC 6298 as the last resort. Numbers are u32, modulo 2^32, compared by serial arithmetic (RFC 1982).
 */
import { CongestionWindow } from "./congestionWindow.js"
import { LimitProbe } from "./limitProbe.js"
import { PacketFlight } from "./packetFlight.js"
import { PayloadCells } from "./payloadCells.js"
import type { RttEstimator } from "./rttEstimator.js"

/** The ACK was read; it need not have said anything new. */
export const ACK_OK = 0
/** The ACK says what no honest peer can say; nothing of it was applied. */
export const ACK_VIOLATION = -1

/** A message is lost when a packet more than this many after its own has arrived. */
export const REORDERING = 3

/** Messages that any receiver takes before its first ACK names a limit. */
export const INITIAL_PEER_WINDOW = 32

const NONE = -1

const ACKNOWLEDGED = 0
const UNSENT = 1
const IN_FLIGHT = 2
const LOST = 3

const NO_BYTES = new Uint8Array(0)
const NO_INTS = new Int32Array(0)

export interface ReliableSenderOptions {
  /** How many numbers the oldest unacknowledged and the newest message may span: a power of two up to 32,768. */
  readonly window: number
  /** The longest payload. */
  readonly cellBytes: number
  readonly rtt: RttEstimator
  /** Number of the first message (default 0). */
  readonly firstNumber?: number
}

export class ReliableSender {
  /** Messages not yet acknowledged, sent or not. */
  held = 0
  /** Messages found lost and not yet sent again. */
  lost = 0
  /** The first number that the peer does not take. */
  peerLimit: number

  // statistics
  retransmitted = 0
  lostDetected = 0
  timeouts = 0
  probes = 0

  private readonly congestion: CongestionWindow
  private readonly cells: PayloadCells
  private readonly flight = new PacketFlight()
  private readonly probe = new LimitProbe()
  private readonly rtt: RttEstimator
  private readonly window: number
  private readonly mask: number
  private destroyed = false

  /** The oldest number not acknowledged; slots are numbers modulo the window. */
  private base: number
  /** The oldest number not sent, but maybe as a probe. */
  private unsent: number
  private nextNumber: number
  /** How many numbers lie before `base`. */
  private passed = 0
  /** No lost message has a lower number. New ones wait until none is lost, so none of a later turn has its slot. */
  private lostFrom: number

  // by slot; allocated by the first message
  private states = NO_BYTES
  private priorities = NO_BYTES
  private transmissions = NO_BYTES
  private lengths = NO_INTS
  private cellOf = NO_INTS

  private newestSent = -1
  /** The newest packet known to have arrived. */
  private newestArrived = -1
  /** When the retransmission timer was last started. */
  private timerStart = 0
  /** When the oldest message in flight is lost by time; Infinity when no later packet has arrived. */
  private lossAt = Infinity
  /** One message may go out whatever the congestion window says: a timeout or a loss asked for it. */
  private bypass = false

  // the sample that the ACK being read gives
  private sampleOrder = -1
  private sampleAt = 0

  constructor(options: ReliableSenderOptions) {
    const { cellBytes, firstNumber = 0, rtt, window } = options
    if (!(window >= 1 && window <= 32_768) || (window & (window - 1)) !== 0) {
      throw new RangeError(`ReliableSender: window is ${window}; give a power of two up to 32768, such as 256`)
    }
    this.rtt = rtt
    this.window = window
    this.mask = window - 1
    this.congestion = new CongestionWindow(window)
    this.cells = new PayloadCells(window, cellBytes)
    this.base =
      this.unsent =
      this.nextNumber =
      this.lostFrom =
        firstNumber >>> 0
    this.peerLimit = (firstNumber + INITIAL_PEER_WINDOW) >>> 0
  }

  get hasRoom(): boolean {
    return ((this.nextNumber - this.base) >>> 0) < this.window && !this.destroyed
  }

  /** How many more messages it takes. */
  get room(): number {
    return this.destroyed ? 0 : this.window - ((this.nextNumber - this.base) >>> 0)
  }

  /** Messages that have never been sent. */
  get unsentCount(): number {
    return (this.nextNumber - this.unsent) >>> 0
  }

  /** Messages sent and neither acknowledged nor found lost. */
  get inFlight(): number {
    return this.flight.count
  }

  /** The congestion window, in messages. */
  get cwnd(): number {
    return this.congestion.size
  }

  /** Payload memory held at present. */
  get allocatedBytes(): number {
    return this.cells.allocatedBytes
  }

  /** When to call `timeout`; Infinity when there is nothing to wait for. */
  get deadline(): number {
    return this.inFlight > 0 ? Math.min(this.lossAt, this.timerStart + this.rtt.rto) : this.probe.at
  }

  /** Copies a message in and returns its slot; -1, and nothing done, without room or when it is too long. */
  push(now: number, payload: Uint8Array, priority: number): number {
    if (!this.hasRoom || payload.length > this.cells.cellBytes) return NONE
    if (this.states === NO_BYTES) this.allocate()
    const slot = this.nextNumber & this.mask
    const cell = this.cells.take()
    this.cells.write(cell, payload)
    this.cellOf[slot] = cell
    this.lengths[slot] = payload.length
    this.priorities[slot] = priority
    this.transmissions[slot] = 0
    this.states[slot] = UNSENT
    this.nextNumber = (this.nextNumber + 1) >>> 0
    this.held++
    this.watchLimit(now)
    return slot
  }

  /**
   * The slot of the message that should go out now, -1 for none: the lost ones first, then the unsent ones, lowest
   * numbers first. It changes nothing: ask again after `sent`.
   */
  next(): number {
    if (this.lost > 0) {
      if (this.inFlight >= this.congestion.size && !this.bypass) return NONE
      while (this.states[this.lostFrom & this.mask] !== LOST) this.lostFrom = (this.lostFrom + 1) >>> 0
      return this.lostFrom & this.mask
    }
    if (this.unsent === this.nextNumber) return NONE
    const open = this.isBlocked() ? this.probe.due : this.inFlight < this.congestion.size
    return open ? this.unsent & this.mask : NONE
  }

  lengthOf(slot: number): number {
    return this.lengths[slot]
  }

  numberOf(slot: number): number {
    return (this.base + ((slot - this.base) & this.mask)) >>> 0
  }

  priorityOf(slot: number): number {
    return this.priorities[slot]
  }

  copyPayload(slot: number, out: Uint8Array, offset: number): void {
    out.set(this.cells.view(this.cellOf[slot], this.lengths[slot]), offset)
  }

  /**
   * The message that `next` named went into the packet with this order: a plain integer that counts all packets of the
   * session, whatever their keys, and never repeats. Any other slot is ignored.
   */
  sent(now: number, slot: number, order: number): void {
    const state = this.states[slot]
    if (state === LOST) {
      this.lost--
      this.retransmitted++
      this.bypass = false
    } else if (state === UNSENT && slot === (this.unsent & this.mask)) {
      if (this.isBlocked()) {
        this.probes++
        this.probe.sent(now, order)
        return this.countTransmission(slot, order)
      }
      this.unsent = (this.unsent + 1) >>> 0
      this.probe.outstanding = false
    } else {
      return
    }
    this.countTransmission(slot, order)
    this.takeOff(now, slot, order)
    this.watchLimit(now)
  }

  /**
   * Reads an ACK. `cumulative` is the peer's next expected number; `ranges` begins with `count` pairs (start, end
   * exclusive) of numbers received beyond it, highest first; `newestOrder` is the order of the newest packet that the
   * peer has received, -1 when unknown (the caller has checked that it was sent); `limit` is the first number that the
   * peer does not take; `delay` is how long it held the answer to its newest packet back.
   *
   * An ACK is a violation when its cumulative number or the end of a range lies beyond what was sent, when its
   * cumulative number lies before the first number ever, when its limit lies before its cumulative number, or when its
   * ranges are not each at least one number long, above the cumulative number, and at least one number apart in
   * descending order. Old, repeated and reordered ones are none.
   */
  onAck(
    now: number,
    cumulative: number,
    ranges: Uint32Array,
    count: number,
    newestOrder: number,
    limit: number,
    delay = 0
  ): number {
    if (this.destroyed) return ACK_OK
    if (!this.isHonest(cumulative, ranges, count, limit)) return ACK_VIOLATION
    const { held } = this
    const limited = this.inFlight * 2 >= this.congestion.size
    this.sampleOrder = -1
    for (let number = this.base; ((cumulative - number) | 0) > 0; number = (number + 1) >>> 0) {
      this.acknowledge(number & this.mask, newestOrder, limited)
    }
    for (let i = 0; i < count; i++) {
      const end = (ranges[2 * i + 1] - this.base) | 0
      for (let ahead = Math.max(0, (ranges[2 * i] - this.base) | 0); ahead < end; ahead++) {
        this.acknowledge((this.base + ahead) & this.mask, newestOrder, limited)
      }
    }
    while (this.base !== this.nextNumber && this.states[this.base & this.mask] === ACKNOWLEDGED) {
      this.base = (this.base + 1) >>> 0
      this.passed++
    }
    if (newestOrder > this.newestArrived) this.newestArrived = newestOrder
    if (this.sampleOrder >= 0) this.rtt.sample(now - this.sampleAt, this.sampleOrder === newestOrder ? delay : 0)
    if (this.held < held) this.timerStart = now
    this.raiseLimit(now, cumulative, limit)
    this.detectLost(now)
    if (this.lost === 0) this.bypass = false
    this.watchLimit(now)
    return ACK_OK
  }

  /** Call it when `deadline` has come, then send what `next` names. */
  timeout(now: number): void {
    if (this.inFlight > 0) {
      if (this.lossAt <= now) this.detectLost(now)
      else if (this.timerStart + this.rtt.rto <= now) this.retransmissionTimeout(now)
    } else {
      this.probe.timeout(now)
    }
  }

  /** The path is another one: what was learnt about the old one's capacity is forgotten. Reset the RTT beside it. */
  resetPath(now: number): void {
    this.congestion.reset()
    this.timerStart = now
  }

  /** Gives the memory back when nothing is held; the next message allocates anew. */
  release(): void {
    if (this.held > 0) return
    this.cells.shrink(0)
    this.states = this.priorities = this.transmissions = NO_BYTES
    this.lengths = this.cellOf = NO_INTS
    this.flight.release()
  }

  /** Wipes every payload and refuses new ones. */
  destroy(): void {
    this.destroyed = true
    this.cells.destroy()
    this.held = this.lost = 0
    this.base = this.unsent = this.nextNumber
    this.probe.at = this.lossAt = Infinity
    this.release()
  }

  /** Whether an honest peer can name this as the next number that it expects. */
  mayExpect(cumulative: number): boolean {
    const ahead = (cumulative - this.base) | 0
    return ahead <= ((this.sentEnd - this.base) | 0) && -ahead <= this.passed
  }

  private get sentEnd(): number {
    return this.probe.outstanding ? this.unsent + 1 : this.unsent
  }

  private isHonest(cumulative: number, ranges: Uint32Array, count: number, limit: number): boolean {
    if (!this.mayExpect(cumulative)) return false
    if (((limit - cumulative) | 0) < 0 || !(count >= 0 && count * 2 <= ranges.length)) return false
    let ceiling = ((this.sentEnd - cumulative) >>> 0) + 1
    for (let i = 0; i < count; i++) {
      const start = (ranges[2 * i] - cumulative) >>> 0
      const end = (ranges[2 * i + 1] - cumulative) >>> 0
      if (start === 0 || end <= start || end >= ceiling) return false
      ceiling = start
    }
    return true
  }

  private acknowledge(slot: number, newestOrder: number, limited: boolean): void {
    const state = this.states[slot]
    if (state === ACKNOWLEDGED) return
    let order = this.flight.orderOf(slot)
    let sentAt = this.flight.sentAt(slot)
    if (state === IN_FLIGHT) {
      this.flight.remove(slot)
    } else if (state === LOST) {
      this.lost--
    } else {
      order = this.probe.order
      sentAt = this.probe.sentAt
      this.unsent = (this.unsent + 1) >>> 0
      this.probe.outstanding = false
    }
    this.states[slot] = ACKNOWLEDGED
    this.cells.give(this.cellOf[slot])
    this.held--
    const once = this.transmissions[slot] === 1
    // which of several copies arrived is not known
    if (once && order > this.newestArrived) this.newestArrived = order
    if (order > this.sampleOrder && (newestOrder < 0 ? once : order === newestOrder)) {
      this.sampleOrder = order
      this.sampleAt = sentAt
    }
    this.congestion.onAcknowledged(order, limited)
  }

  /** The flight is in the order of packets, so the first message that is not lost ends the search. */
  private detectLost(now: number): void {
    const { flight, rtt } = this
    const patience = rtt.smoothed < 0 ? rtt.rto : Math.max(1, 1.125 * Math.max(rtt.smoothed, rtt.latest))
    this.lossAt = Infinity
    while (flight.head !== NONE) {
      const slot = flight.head
      const order = flight.orderOf(slot)
      if (order >= this.newestArrived) return
      const lossAt = flight.sentAt(slot) + patience
      if (this.newestArrived - order <= REORDERING && lossAt > now) {
        this.lossAt = lossAt
        return
      }
      this.markLost(slot)
      // the first repair of an event does not wait until the halved window has room (RFC 9002, section 7.3.2)
      if (this.congestion.onLost(order, this.newestSent)) this.bypass = true
    }
  }

  private retransmissionTimeout(now: number): void {
    let number = this.base
    while (this.states[number & this.mask] !== IN_FLIGHT) number = (number + 1) >>> 0
    const slot = number & this.mask
    this.markLost(slot)
    this.congestion.onTimeout(this.flight.orderOf(slot), this.newestSent)
    this.rtt.backoff()
    this.timerStart = now
    this.bypass = true
    this.timeouts++
  }

  private markLost(slot: number): void {
    const number = this.numberOf(slot)
    this.flight.remove(slot)
    this.states[slot] = LOST
    if (this.lost === 0 || ((number - this.lostFrom) | 0) < 0) this.lostFrom = number
    this.lost++
    this.lostDetected++
  }

  private countTransmission(slot: number, order: number): void {
    if (this.transmissions[slot] < 255) this.transmissions[slot]++
    this.newestSent = order
  }

  private takeOff(now: number, slot: number, order: number): void {
    if (this.flight.count === 0) this.timerStart = now
    this.states[slot] = IN_FLIGHT
    this.flight.add(now, slot, order)
  }

  private isBlocked(): boolean {
    return ((this.peerLimit - this.unsent) | 0) <= 0
  }

  /** Limits only grow, so that the newest ACK is the one with the highest. */
  private raiseLimit(now: number, cumulative: number, limit: number): void {
    // a limit far away is as good as one at the end of the own window
    const raised = ((limit - cumulative) >>> 0) > this.window ? (cumulative + this.window) >>> 0 : limit
    if (((raised - this.peerLimit) | 0) <= 0) return
    this.peerLimit = raised
    const { probe } = this
    if (!probe.outstanding || this.isBlocked() || probe.order <= this.newestArrived) return
    // the peer opened before it has seen the probe, so it takes the probe: nothing else is in flight
    this.takeOff(probe.sentAt, this.unsent & this.mask, probe.order)
    this.timerStart = now
    this.unsent = (this.unsent + 1) >>> 0
    probe.outstanding = false
  }

  /** With nothing in flight no ACK will come by itself. */
  private watchLimit(now: number): void {
    const idle = this.flight.count === 0 && this.lost === 0 && this.unsent !== this.nextNumber
    this.probe.watch(now, idle && this.isBlocked(), this.rtt.rto)
  }

  private allocate(): void {
    const { window } = this
    this.states = new Uint8Array(window)
    this.priorities = new Uint8Array(window)
    this.transmissions = new Uint8Array(window)
    this.lengths = new Int32Array(window)
    this.cellOf = new Int32Array(window)
    this.flight.allocate(window)
  }
}
