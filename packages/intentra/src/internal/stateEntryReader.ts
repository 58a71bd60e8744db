import * as Wire from "./stateWire.js"

/** Reads the entries of a DATA message one after the other, each into the same fields. */
export class StateEntryReader {
  failed = false
  flags = 0
  version = 0
  keyAt = 0
  keyLength = 0
  /** Milliseconds. */
  age = 0
  ttl = Infinity
  valueAt = 0
  valueLength = 0
  private readonly reader = new Wire.WireReader()
  private start = 0
  private from = 0
  private to = 0

  get isDeletion(): boolean {
    return (this.flags & Wire.DELETED) !== 0
  }

  /** Entries from a place on, with versions from `from` to `to`. */
  open(payload: Uint8Array, at: number, from: number, to: number): void {
    this.reader.open(payload, at)
    this.start = at
    this.from = from
    this.to = to
    this.version = from
    this.failed = false
  }

  /** Begins again. */
  rewind(payload: Uint8Array): void {
    this.open(payload, this.start, this.from, this.to)
  }

  /** Reads the next one; false when there is none, or it is malformed. */
  next(): boolean {
    const { reader } = this
    if (reader.done) {
      this.failed ||= reader.failed
      return false
    }
    this.flags = reader.u8()
    this.version += reader.varint()
    this.keyLength = reader.varint()
    this.keyAt = reader.skip(this.keyLength)
    this.valueLength = 0
    if (!this.isDeletion) {
      this.age = Math.min(reader.varint() * Wire.AGE_UNIT, Wire.LONGEST)
      this.ttl = (this.flags & Wire.HAS_TTL) === 0 ? Infinity : reader.varint()
      this.valueLength = reader.varint()
      this.valueAt = reader.skip(this.valueLength)
    }
    this.failed = reader.failed || this.keyLength === 0 || this.version > this.to
    return !this.failed
  }
}
