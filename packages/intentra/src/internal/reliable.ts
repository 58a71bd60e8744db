import * as DropReason from "../DropReason.js"
import * as Frame from "../Frame.js"
import * as Intent from "../Intent.js"
import { readU32, writeU32 } from "./bytes.js"
import type { Core } from "./core.js"
import { BEYOND, DELIVER, DUPLICATE, ReliableReceiver, VIOLATION } from "./reliableReceiver.js"
import { ACK_VIOLATION, ReliableSender } from "./reliableSender.js"
import type { Session } from "./session.js"

const { code } = DropReason

/** Messages in flight, and held back until those before them arrive. */
export const WINDOW = 256
/** The longest Reliable payload: what the base MTU carries, so that a path that shrinks can still carry the repeat. */
export const MAX_RELIABLE_PAYLOAD = 1200 - 16 - 16 - Frame.RELIABLE_OVERHEAD
/** An acknowledgement waits so long for company, unless it is urgent. */
const ACK_DELAY = 25
/** Reliable messages that are acknowledged at once, counted from the last acknowledgement. */
const ACK_EVERY = 2
/** Ranges in one ACK frame. */
const MAX_RANGES = 32
export const ACK_FIXED_BYTES = 17
/** The delay field counts microseconds. */
const DELAY_UNIT = 0.001

/** In order, exactly once while the session lives: both halves of Reliable wired to the session's packets. */
export class Reliable {
  private readonly ranges = new Uint32Array(2 * MAX_RANGES)

  constructor(private readonly core: Core) {}

  /** Takes a message if there is room for it. */
  push(now: number, session: Session, payload: Uint8Array, priority: number): boolean {
    session.outgoing ??= new ReliableSender({
      window: WINDOW,
      cellBytes: MAX_RELIABLE_PAYLOAD,
      rtt: session.rtt,
      firstNumber: this.core.limits.firstReliable
    })
    if (session.outgoing.push(now, payload, priority) < 0) return false
    this.core.unsentReliable++
    return true
  }

  private isAckOwed(session: Session): boolean {
    return session.incoming !== undefined && session.incoming.ackPending
  }

  /** Whether ACK is owed at once, not only when something else is sent. */
  isUrgent(session: Session): boolean {
    return session.ackNow && this.isAckOwed(session)
  }

  /** Whether an ACK is owed at all; from now on it does not wait for company any more. */
  hurryAck(session: Session): boolean {
    if (!this.isAckOwed(session)) return false
    session.ackNow = true
    return true
  }

  /** Writes an ACK frame when one is owed, and returns the offset behind it. */
  writeAck(now: number, session: Session, out: Uint8Array, offset: number): number {
    const { incoming } = session
    if (incoming === undefined || !incoming.ackPending) return offset
    const count = incoming.writeAckRanges(this.ranges, MAX_RANGES)
    let at = Frame.begin(out, offset, Frame.ACK, ACK_FIXED_BYTES + 8 * count)
    writeU32(out, at, incoming.nextExpected)
    writeU32(out, at + 4, incoming.limit)
    out[at + 8] = Math.floor(session.newestPacket / 2 ** 32) & 3
    writeU32(out, at + 9, session.newestPacket >>> 0)
    writeU32(out, at + 13, Math.min(0xffffffff, Math.round((now - session.newestPacketAt) / DELAY_UNIT)))
    at += ACK_FIXED_BYTES
    for (let i = 0; i < 2 * count; i++) {
      writeU32(out, at, this.ranges[i])
      at += 4
    }
    incoming.ackSent()
    session.ackDebt = 0
    session.ackNow = false
    session.ackAt = Infinity
    return at
  }

  /** A RELIABLE frame. False when it is misbehaviour. */
  onMessage(now: number, session: Session, bytes: Uint8Array, body: number, behind: number): boolean {
    const { core } = this
    session.incoming ??= new ReliableReceiver({
      window: WINDOW,
      bufferBytes: WINDOW * (MAX_RELIABLE_PAYLOAD + 1),
      messageBytes: MAX_RELIABLE_PAYLOAD + 1,
      firstNumber: core.limits.firstReliable
    })
    const { incoming } = session
    const held = incoming.heldBytes
    const offset = body + 4
    const length = behind - offset
    const verdict = incoming.offer(readU32(bytes, body), bytes, offset, length, core.host.hasRoom(session, length))
    core.counters.reorderBytes += incoming.heldBytes - held
    if (verdict === VIOLATION) return false
    if (verdict === DELIVER) this.handOver(now, session, bytes, offset, length)
    else if (verdict === DUPLICATE) core.drop(code.Duplicate)
    else if (verdict === BEYOND) core.drop(code.BeyondWindow)
    // the consumer may have closed the session
    if (session.incoming === undefined) return true
    this.drain(now, session)
    session.ackDebt++
    if (verdict !== DELIVER || session.ackDebt >= ACK_EVERY) this.acknowledge(session)
    else if (session.ackAt === Infinity) {
      session.ackAt = now + ACK_DELAY
      core.arm(session, session.ackAt)
    }
    return true
  }

  /** Delivers what is held in order, as far as the consumer has room. */
  drain(now: number, session: Session): void {
    const { core } = this
    const { incoming } = session
    if (incoming === undefined || session.draining) return
    session.draining = true
    for (;;) {
      const slot = incoming.takeNext()
      if (slot < 0) {
        core.stalled.delete(session)
        break
      }
      const view = incoming.view(slot)
      if (!core.host.hasRoom(session, view.length)) {
        core.stalled.add(session)
        break
      }
      this.handOver(now, session, view, 0, view.length)
      // the consumer may have closed the session, and what it held has been counted then
      if (session.incoming !== incoming) return
      core.counters.reorderBytes -= view.length
      incoming.release(slot)
    }
    session.draining = false
    // the limit has moved so far that the sender should hear of it
    if (session.incoming?.ackPending === true && session.ackAt === Infinity) {
      session.ackAt = now + ACK_DELAY
      core.arm(session, session.ackAt)
    }
  }

  private handOver(now: number, session: Session, bytes: Uint8Array, offset: number, length: number): void {
    this.core.counters.messagesReceived++
    session.messagesReceived++
    this.core.host.onMessage(session, bytes, offset, length, Intent.RELIABLE, now)
  }

  private acknowledge(session: Session): void {
    session.ackNow = true
    this.core.markReady(session)
  }

  /** An ACK frame. False when it is misbehaviour: acknowledging what was never sent. */
  onAck(now: number, session: Session, bytes: Uint8Array, body: number, behind: number): boolean {
    const { outgoing } = session
    const count = (behind - body - ACK_FIXED_BYTES) / 8
    if (count > MAX_RANGES) return false
    const keys = session.keysOf(bytes[body + 8] & 3)
    const seq = readU32(bytes, body + 9)
    if (keys !== undefined && seq >= keys.sendSeq && session.epoch === bytes[body + 8]) return false
    if (outgoing === undefined) return readU32(bytes, body) === this.core.limits.firstReliable && count === 0
    for (let i = 0, at = body + ACK_FIXED_BYTES; i < 2 * count; i++, at += 4) this.ranges[i] = readU32(bytes, at)
    const order = keys === undefined || seq >= keys.sendSeq ? -1 : keys.firstOrder + seq
    const delay = readU32(bytes, body + 13) * DELAY_UNIT
    const unsent = outgoing.unsentCount
    const verdict = outgoing.onAck(
      now,
      readU32(bytes, body),
      this.ranges,
      count,
      order,
      readU32(bytes, body + 4),
      delay
    )
    if (verdict === ACK_VIOLATION) return false
    // a question about the limit that was taken after all has been sent by now
    const taken = unsent - outgoing.unsentCount
    this.core.unsentReliable -= taken
    this.core.counters.messagesSent += taken
    session.messagesSent += taken
    this.goOn(session, outgoing)
    return true
  }

  /**
   * The header's ack: the next number that the peer expects. False when that was never sent. The ACK frame, which comes
   * with every packet that has something new to say, is what moves the window.
   */
  isHonest(session: Session, next: number): boolean {
    return session.outgoing === undefined ? next === this.core.limits.firstReliable : session.outgoing.mayExpect(next)
  }

  timeout(now: number, session: Session): void {
    const { outgoing } = session
    if (now >= session.ackAt) {
      session.ackAt = Infinity
      if (session.incoming?.ackPending === true) this.acknowledge(session)
    }
    if (outgoing !== undefined && now >= outgoing.deadline) {
      outgoing.timeout(now)
      this.goOn(session, outgoing)
    }
  }

  /** When `timeout` wants to be called. */
  deadline(session: Session): number {
    const { outgoing } = session
    return outgoing === undefined ? session.ackAt : Math.min(session.ackAt, outgoing.deadline)
  }

  /** Hands over what is acknowledged and in order: the session ends, and its sender believes that it arrived. */
  surrender(now: number, session: Session): void {
    const { core } = this
    const { incoming } = session
    if (incoming === undefined || session.draining) return
    session.draining = true
    for (let slot = incoming.takeNext(); slot >= 0 && core.host.hasLastRoom(); slot = incoming.takeNext()) {
      const view = incoming.view(slot)
      this.handOver(now, session, view, 0, view.length)
      if (session.incoming !== incoming) return
      core.counters.reorderBytes -= view.length
      incoming.release(slot)
    }
    session.draining = false
  }

  /** Gives back the memory of a session that has used Reliable and does not now. */
  trim(session: Session): void {
    session.outgoing?.release()
    session.incoming?.trim()
  }

  /** The end of the session: what is not acknowledged is not known to have arrived. */
  end(session: Session): void {
    const { incoming, outgoing } = session
    this.core.stalled.delete(session)
    if (incoming !== undefined) {
      this.core.counters.reorderBytes -= incoming.heldBytes
      incoming.destroy()
      session.incoming = undefined
    }
    if (outgoing !== undefined) {
      const unsent = outgoing.unsentCount
      session.unacknowledged = outgoing.held
      this.core.unsentReliable -= unsent
      this.core.counters.drops[code.SessionClosed] += unsent
      outgoing.destroy()
    }
  }

  private goOn(session: Session, outgoing: ReliableSender): void {
    if (outgoing.next() >= 0) this.core.markReady(session)
    this.core.arm(session, outgoing.deadline)
  }
}
