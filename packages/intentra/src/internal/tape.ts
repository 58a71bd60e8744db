import type { EntropyShape } from "@intentra/crypto"
import { Address } from "@intentra/udp"
import type { EventLoop, ReceiveBatch, SendBatch, UdpSocketShape } from "@intentra/udp"
import { writeU16, writeU32 } from "./bytes.js"
import * as Format from "./tapeFormat.js"
import type { TapeWriter } from "./tapeWriter.js"

const { ADDRESS_BYTES } = Address
/** No callback of the transport is running. */
const NO_WINDOW = 0

/**
 * What goes into the recording, in order. The transport is *inside* while it does something, and outside while nothing
 * runs or a callback into user code does: only what is read inside is a reading of the transport.
 */
export class Tape {
  private inside = false
  /** Callbacks into user code so far, and the one that is running. */
  private windows = 0
  private window = NO_WINDOW
  private questions = 0

  constructor(readonly writer: TapeWriter) {}

  /** The transport is being made: what it reads counts. */
  begin(): void {
    this.inside = true
  }

  /** It is made. */
  ready(): void {
    this.inside = false
  }

  /** Begins an input's record, and returns its body's offset; -1 when the recording has stopped. */
  input(kind: number, bytes: number): number {
    const { window, writer } = this
    if (window !== NO_WINDOW) {
      const at = writer.record(Format.NESTED, 4)
      if (at >= 0) writeU32(writer.chunk, at, window)
    }
    return writer.record(kind, bytes)
  }

  /** The transport works on an input. Returns what `leave` wants. */
  enter(): boolean {
    const was = this.inside
    this.inside = true
    return was
  }

  leave(was: boolean): void {
    this.inside = was
  }

  /** User code is called. Returns what `closeWindow` wants. */
  openWindow(): number {
    const outer = this.window
    this.windows = this.windows === 0xffffffff ? 1 : this.windows + 1
    this.window = this.windows
    this.inside = false
    return outer
  }

  closeWindow(outer: number): void {
    this.window = outer
    this.inside = true
  }

  /** A new number for an authorizer's open question. */
  nextQuestion(): number {
    return this.questions++
  }

  clock(now: number): void {
    if (!this.inside) return
    const at = this.writer.record(Format.CLOCK, 8)
    if (at >= 0) this.writer.view.setFloat64(at, now)
  }

  filled(bytes: Uint8Array): void {
    if (!this.inside) return
    const at = this.writer.record(Format.FILL, 4 + bytes.length)
    if (at < 0) return
    writeU32(this.writer.chunk, at, bytes.length)
    this.writer.chunk.set(bytes, at + 4)
  }

  word(word: number): void {
    if (!this.inside) return
    const at = this.writer.record(Format.WORD, 4)
    if (at >= 0) writeU32(this.writer.chunk, at, word)
  }

  /** A reading, or an input, of one byte. */
  byte(kind: number, value: number): void {
    const at = this.writer.record(kind, 1)
    if (at >= 0) this.writer.chunk[at] = value
  }

  batch(batch: ReceiveBatch, maxDatagramBytes: number): void {
    const { addresses, addressOffsets, arena, count, first, lengths, offsets } = batch
    let bytes = 2
    for (let i = first; i < count; i++) bytes += ADDRESS_BYTES + 4 + Math.min(lengths[i], maxDatagramBytes)
    let at = this.input(Format.BATCH, bytes)
    if (at < 0) return
    const { chunk } = this.writer
    writeU16(chunk, at, count - first)
    at += 2
    for (let i = first; i < count; i++) {
      chunk.set(addresses.subarray(addressOffsets[i], addressOffsets[i] + ADDRESS_BYTES), at)
      writeU32(chunk, at + ADDRESS_BYTES, lengths[i])
      at += ADDRESS_BYTES + 4
      const kept = Math.min(lengths[i], maxDatagramBytes)
      chunk.set(arena.subarray(offsets[i], offsets[i] + kept), at)
      at += kept
    }
  }

  sent(outbox: SendBatch, addresses: UdpSocketShape["addresses"]): void {
    const { addressIds, arena, count, lengths, offsets } = outbox
    if (count === 0) return
    let at = this.writer.record(Format.SENT, 2 + count * (ADDRESS_BYTES + 4) + outbox.bytes)
    if (at < 0) return
    const { chunk } = this.writer
    writeU16(chunk, at, count)
    at += 2
    for (let i = 0; i < count; i++) {
      chunk.fill(0, at, at + ADDRESS_BYTES)
      addresses.copyTo(addressIds[i], chunk, at)
      writeU32(chunk, at + ADDRESS_BYTES, lengths[i])
      at += ADDRESS_BYTES + 4
      chunk.set(arena.subarray(offsets[i], offsets[i] + lengths[i]), at)
      at += lengths[i]
    }
  }
}

export const recordEntropy = (inner: EntropyShape, tape: Tape): EntropyShape => ({
  fill: (out) => {
    inner.fill(out)
    tape.filled(out)
  },
  uint32: () => {
    const word = inner.uint32()
    tape.word(word)
    return word
  }
})

const recordLoop = (inner: EventLoop.EventLoop, tape: Tape): EventLoop.EventLoop => {
  const entering = (kind: number, callback: () => void) => () => {
    tape.input(kind, 0)
    const was = tape.enter()
    try {
      callback()
    } finally {
      tape.leave(was)
    }
  }
  return {
    now: () => {
      const now = inner.now()
      tape.clock(now)
      return now
    },
    makeAlarm: (callback) => inner.makeAlarm(entering(Format.ALARM, callback)),
    // the transport defers one callback at most, and always the same
    defer: (callback) => inner.defer(entering(Format.FLUSH, callback)),
    soon: (callback) => inner.soon(entering(Format.FLUSH, callback))
  }
}

/** The same socket, with what comes and goes on the tape. */
export const recordSocket = (inner: UdpSocketShape, tape: Tape): UdpSocketShape => ({
  kind: inner.kind,
  localAddress: inner.localAddress,
  granted: inner.granted,
  maxDatagramBytes: inner.maxDatagramBytes,
  loop: recordLoop(inner.loop, tape),
  addresses: inner.addresses,
  outbox: inner.outbox,
  stats: inner.stats,
  closed: inner.closed,
  send: () => {
    tape.sent(inner.outbox, inner.addresses)
    return inner.send()
  },
  setHandler: (handler) =>
    inner.setHandler(
      handler && ((batch) => {
        tape.batch(batch, inner.maxDatagramBytes)
        const was = tape.enter()
        try {
          handler(batch)
        } finally {
          tape.leave(was)
        }
      })
    )
})
