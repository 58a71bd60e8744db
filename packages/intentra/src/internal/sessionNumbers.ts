/** Numbers of a session, 8 bytes each: a cache line for what arrives, one for what leaves, one for PINGs. */
const ROW = 24
/** Sessions whose rows lie in one array. */
const ROWS = 256

const LAST_RECEIVED = 0
const UNANSWERED_SINCE = 1
const UNHEARD_SINCE = 2
const NEWEST_PACKET = 3
const NEWEST_PACKET_AT = 4
const PACKETS_RECEIVED = 5
const BYTES_RECEIVED = 6
const MESSAGES_RECEIVED = 7
const LAST_SENT = 8
const PACKETS_SENT = 9
const BYTES_SENT = 10
const MESSAGES_SENT = 11
const PACKET_ORDER = 12
const PING_SENT_AT = 13
const ACTIVE_SINCE = 14
const PING_TIMES = 16
/** PINGs whose answers still count: a power of two. */
export const PINGS = 8

/** Hands out rows for the numbers of sessions. */
export class NumberRows {
  private readonly slabs: Array<Float64Array> = []
  private readonly free: Array<number> = []

  /** Rows in use. */
  get size(): number {
    return this.slabs.length * ROWS - this.free.length
  }

  take(): number {
    const row = this.free.pop()
    if (row !== undefined) return row
    const first = this.slabs.length * ROWS
    this.slabs.push(new Float64Array(ROW * ROWS))
    for (let next = first + ROWS - 1; next > first; next--) this.free.push(next)
    return first
  }

  give(row: number): void {
    this.free.push(row)
  }

  slabOf(row: number): Float64Array {
    return this.slabs[Math.floor(row / ROWS)]
  }

  startOf(row: number): number {
    return (row % ROWS) * ROW
  }
}

/**
 * What changes with every packet of a session. As fields of objects these numbers would be boxes strewn over the heap:
 * with thousands of sessions each of them is a cache miss. Here they lie side by side.
 */
export class SessionNumbers {
  private numbers: Float64Array
  private start: number
  private row: number
  private readonly rows: NumberRows

  constructor(rows: NumberRows, now: number) {
    this.rows = rows
    this.row = rows.take()
    this.numbers = rows.slabOf(this.row)
    this.start = rows.startOf(this.row)
    this.numbers.fill(0, this.start, this.start + ROW)
    this.lastReceived = now
    this.lastSent = now
    this.unansweredSince = Infinity
    this.unheardSince = Infinity
    this.newestPacket = -1
    this.pingSentAt = -1
    this.forgetPings()
  }

  /** Gives the row back; the numbers stay as they are, in an array of their own. */
  detach(): void {
    if (this.row < 0) return
    this.numbers = this.numbers.slice(this.start, this.start + ROW)
    this.start = 0
    this.rows.give(this.row)
    this.row = -1
  }

  /** When the last authentic packet came. */
  get lastReceived(): number {
    return this.numbers[this.start + LAST_RECEIVED]
  }
  set lastReceived(value: number) {
    this.numbers[this.start + LAST_RECEIVED] = value
  }

  /** When the first packet came that nothing was sent after yet; Infinity when none. */
  get unansweredSince(): number {
    return this.numbers[this.start + UNANSWERED_SINCE]
  }
  set unansweredSince(value: number) {
    this.numbers[this.start + UNANSWERED_SINCE] = value
  }

  /** When the first PING went out that nothing was received after yet; Infinity when none. */
  get unheardSince(): number {
    return this.numbers[this.start + UNHEARD_SINCE]
  }
  set unheardSince(value: number) {
    this.numbers[this.start + UNHEARD_SINCE] = value
  }

  /** (serial of the epoch, seq) of the newest packet opened, as one number; -1 when none. */
  get newestPacket(): number {
    return this.numbers[this.start + NEWEST_PACKET]
  }
  set newestPacket(value: number) {
    this.numbers[this.start + NEWEST_PACKET] = value
  }

  get newestPacketAt(): number {
    return this.numbers[this.start + NEWEST_PACKET_AT]
  }
  set newestPacketAt(value: number) {
    this.numbers[this.start + NEWEST_PACKET_AT] = value
  }

  get packetsReceived(): number {
    return this.numbers[this.start + PACKETS_RECEIVED]
  }
  set packetsReceived(value: number) {
    this.numbers[this.start + PACKETS_RECEIVED] = value
  }

  get bytesReceived(): number {
    return this.numbers[this.start + BYTES_RECEIVED]
  }
  set bytesReceived(value: number) {
    this.numbers[this.start + BYTES_RECEIVED] = value
  }

  get messagesReceived(): number {
    return this.numbers[this.start + MESSAGES_RECEIVED]
  }
  set messagesReceived(value: number) {
    this.numbers[this.start + MESSAGES_RECEIVED] = value
  }

  get lastSent(): number {
    return this.numbers[this.start + LAST_SENT]
  }
  set lastSent(value: number) {
    this.numbers[this.start + LAST_SENT] = value
  }

  get packetsSent(): number {
    return this.numbers[this.start + PACKETS_SENT]
  }
  set packetsSent(value: number) {
    this.numbers[this.start + PACKETS_SENT] = value
  }

  get bytesSent(): number {
    return this.numbers[this.start + BYTES_SENT]
  }
  set bytesSent(value: number) {
    this.numbers[this.start + BYTES_SENT] = value
  }

  get messagesSent(): number {
    return this.numbers[this.start + MESSAGES_SENT]
  }
  set messagesSent(value: number) {
    this.numbers[this.start + MESSAGES_SENT] = value
  }

  /** Packets sealed so far, under all keys. */
  get packetOrder(): number {
    return this.numbers[this.start + PACKET_ORDER]
  }
  set packetOrder(value: number) {
    this.numbers[this.start + PACKET_ORDER] = value
  }

  /** When the newest PING went out; -1 before the first. */
  get pingSentAt(): number {
    return this.numbers[this.start + PING_SENT_AT]
  }
  set pingSentAt(value: number) {
    this.numbers[this.start + PING_SENT_AT] = value
  }

  get activeSince(): number {
    return this.numbers[this.start + ACTIVE_SINCE]
  }
  set activeSince(value: number) {
    this.numbers[this.start + ACTIVE_SINCE] = value
  }

  /** When the PING of this token was sent; -1 when it was answered, or never sent. */
  pingTimeOf(token: number): number {
    return this.numbers[this.start + PING_TIMES + (token & (PINGS - 1))]
  }

  setPingTime(token: number, at: number): void {
    this.numbers[this.start + PING_TIMES + (token & (PINGS - 1))] = at
  }

  forgetPings(): void {
    this.numbers.fill(-1, this.start + PING_TIMES, this.start + PING_TIMES + PINGS)
  }
}
