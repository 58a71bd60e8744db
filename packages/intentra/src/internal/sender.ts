import * as CloseReason from "../CloseReason.js"
import * as DropReason from "../DropReason.js"
import * as Frame from "../Frame.js"
import * as Intent from "../Intent.js"
import { CONTROL, DATA, HEADER_BYTES, MAX_PACKET_BYTES } from "../PacketHeader.js"
import { ACCEPTED, OVERLOAD, PAYLOAD_TOO_LARGE, SESSION_CLOSED } from "../SendResult.js"
import type { SendResult } from "../SendResult.js"
import { writeU32 } from "./bytes.js"
import type { Core } from "./core.js"
import { PING_INTERVAL, PING_LOST_AFTER, SEAL_LIMIT, SEAL_RESERVE, TAG_BYTES } from "./core.js"
import { REKEY_AFTER_PACKETS } from "./rekey.js"
import type { Session } from "./session.js"
import { ACTIVE } from "./session.js"

const NONE = -1

/** The way out: queue, packing into datagrams, control frames, CLOSE. */
export class Sender {
  private flushing = false

  constructor(private readonly core: Core) {}

  /** The longest payload that fits one datagram of this session. */
  maxPayload(session: Session, intent: number): number {
    return session.maxDatagram - HEADER_BYTES - TAG_BYTES -
      (intent === Intent.SEQUENCED ? Frame.SEQUENCED_OVERHEAD : Frame.REALTIME_OVERHEAD)
  }

  enqueue(
    now: number,
    session: Session,
    payload: Uint8Array,
    intent: number,
    priority: number,
    ttl: number
  ): SendResult {
    const { core } = this
    if (session.state !== ACTIVE) return SESSION_CLOSED
    if (payload.length > this.maxPayload(session, intent)) return PAYLOAD_TOO_LARGE
    const { counters, queue } = core
    if (intent === Intent.SEQUENCED && session.queuedSequenced !== NONE) {
      queue.remove(session.queuedSequenced)
      counters.drops[DropReason.code.Superseded]++
    }
    if (!queue.makeRoom(now, priority)) {
      counters.drops[DropReason.code.Overload]++
      counters.messagesQueued++
      return OVERLOAD
    }
    const cell = queue.push(now, session, payload, intent, priority, ttl)
    if (intent === Intent.SEQUENCED) session.queuedSequenced = cell
    counters.messagesQueued++
    core.markReady(session)
    return ACCEPTED
  }

  /** Packs and seals all that waits, sessions in turn, and hands the datagrams over. */
  flush(now: number): void {
    if (this.flushing) return
    this.flushing = true
    const { core } = this
    const { counters, queue, ready } = core
    for (let i = 0; i < ready.length; i++) {
      const session = ready[i]
      session.ready = false
      if (session.state === ACTIVE) this.flushSession(now, session)
    }
    ready.length = 0
    counters.drops[DropReason.code.Expired] += queue.expired
    counters.drops[DropReason.code.Overload] += queue.overloaded
    queue.expired = 0
    queue.overloaded = 0
    counters.queued = queue.count
    counters.oldestQueuedMs = queue.count === 0 ? 0 : queue.oldestAge(now)
    core.handOver()
    this.flushing = false
  }

  /** Packs and seals all that this session has to say. */
  flushSession(now: number, session: Session): void {
    const { core } = this
    const { queue } = core
    const arena = core.host.outbox.arena
    const pingAge = now - session.pingSentAt
    if (session.queueHead !== NONE && pingAge >= (session.pingOpen ? PING_LOST_AFTER : PING_INTERVAL)) {
      session.pingDue = true
    }
    do {
      if (!this.withinBudget(now, session)) return
      const offset = core.reserve(MAX_PACKET_BYTES)
      if (offset < 0) return
      const start = offset + HEADER_BYTES
      const end = offset + session.maxDatagram - TAG_BYTES
      let at = this.writeControl(now, session, arena, start)
      const controlEnd = at
      let intent = Intent.REALTIME
      let priority = 0
      let cell = session.queueHead
      while (cell !== NONE) {
        const next = queue.nextOf(cell)
        if (queue.isExpired(cell, now)) {
          core.counters.drops[DropReason.code.Expired]++
          queue.remove(cell)
          cell = next
          continue
        }
        const length = queue.lengthOf(cell)
        const sequenced = queue.intentOf(cell) === Intent.SEQUENCED
        const body = sequenced ? length + 4 : length
        if (at + Frame.FRAME_HEADER_BYTES + body > end) break
        if (at === controlEnd) {
          intent = queue.intentOf(cell)
          priority = queue.priorityOf(cell)
        }
        at = Frame.begin(arena, at, sequenced ? Frame.SEQUENCED : Frame.REALTIME, body)
        if (sequenced) {
          writeU32(arena, at, session.nextSequenced)
          session.nextSequenced = (session.nextSequenced + 1) >>> 0
          at += 4
        }
        queue.copyPayload(cell, arena, at)
        at += length
        core.counters.messagesSent++
        session.messagesSent++
        queue.remove(cell)
        cell = next
      }
      if (at === start) return
      const type = at === controlEnd ? CONTROL : DATA
      if (!core.seal(now, session, type, intent, priority, offset, at - start)) return
    } while (session.queueHead !== NONE)
  }

  /** Sends a packet of control frames only: keepalive, first word of a session. */
  sendControl(now: number, session: Session): void {
    const { core } = this
    if (!this.withinBudget(now, session)) return
    const offset = core.reserve(MAX_PACKET_BYTES)
    if (offset < 0) return
    session.pingDue = true
    const start = offset + HEADER_BYTES
    const end = this.writeControl(now, session, core.host.outbox.arena, start)
    core.seal(now, session, CONTROL, 0, 0, offset, end - start)
    core.host.wake()
  }

  /** Sends one control frame at once, to the session's address or another. */
  sendFrame(now: number, session: Session, type: number, body: Uint8Array, addressId = session.addressId): void {
    const { core } = this
    if (!this.withinBudget(now, session)) return
    const offset = core.reserve(MAX_PACKET_BYTES)
    if (offset < 0) return
    const arena = core.host.outbox.arena
    const at = Frame.begin(arena, offset + HEADER_BYTES, type, body.length)
    arena.set(body, at)
    core.seal(now, session, CONTROL, 0, 0, offset, Frame.FRAME_HEADER_BYTES + body.length, addressId)
    core.host.wake()
  }

  /** A key seals no more than its limit; the last few packets belong to CLOSE. */
  private withinBudget(now: number, session: Session): boolean {
    const keys = session.keys[session.epoch]
    if (keys !== undefined && keys.sendSeq < SEAL_LIMIT - SEAL_RESERVE) {
      if (keys.sendSeq === REKEY_AFTER_PACKETS) this.core.wantRekey(now, session)
      return true
    }
    this.core.closeSession(now, session, "LimitExceeded", "the key has sealed all it may")
    return false
  }

  private writeControl(now: number, session: Session, out: Uint8Array, offset: number): number {
    let at = offset
    if (session.pongDue) {
      session.pongDue = false
      at = Frame.writeToken(out, at, Frame.PONG, session.pongToken)
    }
    if (session.pingDue) {
      session.pingDue = false
      session.pingToken = (session.pingToken + 1) >>> 0
      session.pingSentAt = now
      if (session.unheardSince === Infinity) session.unheardSince = now
      session.pingOpen = true
      at = Frame.writeToken(out, at, Frame.PING, session.pingToken)
    }
    if (session.greaseDue) {
      session.greaseDue = false
      const word = this.core.services.entropy.uint32()
      const length = (word >>> 4) & 7
      at = Frame.begin(out, at, Frame.RESERVED_FIRST | (word & 15), length)
      for (let i = 0; i < length; i++) out[at++] = (word >>> (8 + i)) & 0xff
    }
    return at
  }

  /** Seals the session's CLOSE, sends it once and keeps its bytes for the repeats. */
  sendClose(now: number, session: Session, reason: CloseReason.CloseReason, text: string): void {
    const { core } = this
    const offset = core.reserve(MAX_PACKET_BYTES)
    if (offset < 0) return
    const arena = core.host.outbox.arena
    const words = new TextEncoder().encode(text).subarray(0, Frame.MAX_CLOSE_TEXT_BYTES)
    const body = Frame.begin(arena, offset + HEADER_BYTES, Frame.CLOSE, 1 + words.length)
    arena[body] = CloseReason.toCode(reason)
    arena.set(words, body + 1)
    const plaintextLength = body + 1 + words.length - offset - HEADER_BYTES
    if (!core.seal(now, session, CONTROL, 0, 0, offset, plaintextLength)) return
    session.closeBytes = arena.slice(offset, offset + HEADER_BYTES + plaintextLength + TAG_BYTES)
    session.closeSends = 1
    core.host.wake()
  }
}
