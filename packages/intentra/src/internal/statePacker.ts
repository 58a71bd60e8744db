import type { StateInterest } from "./stateInterest.js"
import type { StateCell, StateTable } from "./stateTable.js"
import * as Wire from "./stateWire.js"

/** Keys that are looked at for one subscriber in one go: what it wants is rare, perhaps, or nothing at all. */
const MOST_LOOKS = 8192

/**
 * Makes DATA packets of a stretch of the log. What it made last stays, since most subscribers are at the same place and
 * get the same bytes, except for their number.
 */
export class StatePacker {
  readonly messages: Array<Uint8Array> = []
  /** The version up to which each packet covers, and how many entries it has. */
  readonly ends: Array<number> = []
  readonly entries: Array<number> = []
  count = 0
  /** Keys that were looked at, wanted or not, since somebody last set this to 0. */
  looked = 0
  private readonly writers: Array<Wire.WireWriter> = []
  private interest: StateInterest | undefined = undefined
  private from = 0
  private scanned = 0
  private end = 0
  private limit = 0
  private budget = 0

  constructor(
    private readonly table: StateTable,
    private readonly channel: number,
    private readonly incarnationHigh: number,
    private readonly incarnationLow: number
  ) {}

  /** The table or the time has changed. */
  forget(): void {
    this.interest = undefined
  }

  /**
   * Packets that cover (from, end], or as much as the budget and `MOST_LOOKS` take; up to `scanned` there is nothing of
   * interest. The first one may be empty.
   */
  pack(
    interest: StateInterest,
    from: number,
    scanned: number,
    end: number,
    limit: number,
    budget: number,
    now: number
  ): void {
    if (
      this.interest === interest && this.from === from && this.scanned === scanned && this.end === end &&
      this.limit === limit && this.budget === budget
    ) return
    this.interest = interest
    this.from = from
    this.scanned = scanned
    this.end = end
    this.limit = limit
    this.budget = budget
    this.count = 0
    const { table } = this
    let writer = this.begin(from, now)
    let previous = from
    let entries = 0
    let covered = scanned
    const first = table.placeAfter(scanned)
    const last = Math.min(table.length, first + MOST_LOOKS)
    for (let place = first; place < last; place++) {
      const version = table.versionAt(place)
      if (version > end) break
      this.looked++
      covered = version
      const cell = table.cellAt(place)
      if (cell === undefined || !interest.matches(cell.key)) continue
      if (writer.at + Wire.ENTRY_BYTES + cell.keyBytes.length + cell.value.length > limit) {
        this.close(writer, version - 1, entries)
        if (this.count === budget) return
        writer = this.begin(version - 1, now)
        previous = version - 1
        entries = 0
      }
      writeEntry(writer, cell, version - previous, now)
      previous = version
      entries++
    }
    this.close(writer, last < table.length && covered < end ? covered : end, entries)
  }

  /** An empty packet at a place, into any writer: what is added to it covers nothing. */
  begin(from: number, now: number, writer: Wire.WireWriter = this.nextWriter()): Wire.WireWriter {
    writer.begin(Wire.DATA, this.channel, 0)
    writer.u8(0)
    writer.u32(this.incarnationHigh)
    writer.u32(this.incarnationLow)
    writer.u64(from)
    writer.u64(from)
    writer.u64(this.table.head)
    writer.u32(Wire.stampOf(now))
    // what is given back is put in for each subscriber
    writer.u32(0)
    writer.u8(0)
    writer.u8(0)
    return writer
  }

  private nextWriter(): Wire.WireWriter {
    const writer = this.writers[this.count] ?? new Wire.WireWriter()
    this.writers[this.count] = writer
    return writer
  }

  private close(writer: Wire.WireWriter, to: number, entries: number): void {
    writer.u64At(Wire.TO_AT, to)
    const index = this.count++
    this.messages[index] = writer.message()
    this.ends[index] = to
    this.entries[index] = entries
  }
}

const writeEntry = (writer: Wire.WireWriter, cell: StateCell, delta: number, now: number): void => {
  writer.u8(cell.deleted ? Wire.DELETED : cell.ttl < Infinity ? Wire.HAS_TTL : 0)
  writer.varint(delta)
  writer.varint(cell.keyBytes.length)
  writer.raw(cell.keyBytes)
  if (cell.deleted) return
  const age = Math.round((now - cell.at) / Wire.AGE_UNIT)
  writer.varint(age > 0 ? Math.min(age, Wire.LONGEST / Wire.AGE_UNIT) : 0)
  if (cell.ttl < Infinity) writer.varint(cell.ttl)
  writer.varint(cell.value.length)
  writer.raw(cell.value)
}
