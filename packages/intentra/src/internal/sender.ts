import * as CloseReason from "../CloseReason.js"
import * as DropReason from "../DropReason.js"
import * as Frame from "../Frame.js"
import * as Intent from "../Intent.js"
import { TAG_BYTES } from "../PacketCrypto.js"
import { ACK, CONTROL, DATA, HEADER_BYTES, MAX_PACKET_BYTES } from "../PacketHeader.js"
import { ACCEPTED, OVERLOAD, PAYLOAD_TOO_LARGE, SESSION_CLOSED, WOULD_BLOCK } from "../SendResult.js"
import type { SendResult } from "../SendResult.js"
import type { TokenBucket } from "../TokenBucket.js"
import { writeU32 } from "./bytes.js"
import type { Core } from "./core.js"
import { SEAL_LIMIT, SEAL_RESERVE } from "./core.js"
import { BASE_MTU, PathMtu } from "./pathMtu.js"
import { REKEY_AFTER_PACKETS } from "./rekey.js"
import { MAX_RELIABLE_PAYLOAD } from "./reliable.js"
import type { Reliable } from "./reliable.js"
import type { ReliableSender } from "./reliableSender.js"
import { ACTIVE, PING_INTERVAL } from "./session.js"
import type { Session } from "./session.js"
import { unsealed } from "./unsealed.js"

const NONE = -1
/** A packet that the pacer holds back is tried again after so many milliseconds. */
const PACE_WAIT = 1
/** Tokens from here on are those of path MTU probes. */
export const PROBE_TOKENS = 2 ** 31
export const PONG_BYTES = 12

/** The way out: queue, packing into datagrams, control frames, CLOSE. */
export class Sender {
  private flushing = false
  private lastIntent = Intent.REALTIME
  private lastPriority = 0

  constructor(private readonly core: Core, private readonly reliable: Reliable) {}

  /** The longest payload that fits one datagram of this session. */
  maxPayload(session: Session, intent: number): number {
    if (intent === Intent.RELIABLE) return MAX_RELIABLE_PAYLOAD
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
    if (intent === Intent.RELIABLE) {
      if (!this.reliable.push(now, session, payload, priority)) return WOULD_BLOCK
      counters.messagesQueued++
      core.markReady(session)
      return ACCEPTED
    }
    if (!core.limits.coalesce && session.queueHead === NONE && session.pacer === undefined) {
      return this.sendAlone(now, session, payload, intent, priority)
    }
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

  /** Seals a message into a datagram of its own; the outbox holds it until the flush. */
  private sendAlone(
    now: number,
    session: Session,
    payload: Uint8Array,
    intent: number,
    priority: number
  ): SendResult {
    const { core } = this
    if (!this.withinBudget(now, session)) return SESSION_CLOSED
    const offset = core.reserve(MAX_PACKET_BYTES)
    if (offset < 0) return OVERLOAD
    const { arena } = core.host.outbox
    const { length } = payload
    const start = offset + HEADER_BYTES
    let at = start
    if (intent === Intent.SEQUENCED) {
      at = this.beginSequenced(session, arena, at, length)
    } else {
      at = Frame.begin(arena, at, Frame.REALTIME, length)
    }
    arena.set(payload, at)
    if (!core.seal(now, session, DATA, intent, priority, offset, at + length - start)) return SESSION_CLOSED
    core.counters.messagesQueued++
    core.counters.messagesSent++
    session.messagesSent++
    if (!session.pingOpen && now - session.pingSentAt >= PING_INTERVAL) core.markReady(session)
    core.host.wake()
    return ACCEPTED
  }

  private beginSequenced(session: Session, out: Uint8Array, offset: number, length: number): number {
    const at = Frame.begin(out, offset, Frame.SEQUENCED, length + 4)
    writeU32(out, at, session.nextSequenced)
    session.nextSequenced = (session.nextSequenced + 1) >>> 0
    return at + 4
  }

  /** Packs and seals all that waits, sessions in turn, and hands the datagrams over. */
  flush(now: number): void {
    if (this.flushing) return
    const { core } = this
    const { counters, queue } = core
    // messages that go alone are in the outbox already
    if (core.ready.length > 0 || queue.count > 0) this.flushReady(now)
    counters.queued = queue.count + core.unsentReliable
    counters.oldestQueuedMs = queue.count === 0 ? 0 : queue.oldestAge(now)
    core.handOver()
    core.settleUnsealable(now)
  }

  private flushReady(now: number): void {
    this.flushing = true
    const { core } = this
    const { counters, queue, ready } = core
    for (let i = 0; i < ready.length; i++) {
      const session = ready[i]
      session.ready = false
      try {
        if (session.state === ACTIVE) this.flushSession(now, session)
      } catch (error) {
        // a defect of a service that we were given costs one session's flush, not all sending for ever
        core.host.onDefect(error)
      }
    }
    ready.length = 0
    counters.drops[DropReason.code.Expired] += queue.expired
    counters.drops[DropReason.code.Overload] += queue.overloaded
    queue.expired = 0
    queue.overloaded = 0
    this.flushing = false
  }

  /** Packs and seals all that this session has to say. */
  flushSession(now: number, session: Session): void {
    const { core, reliable } = this
    const { queue } = core
    const arena = core.host.outbox.arena
    this.considerPing(now, session)
    for (;;) {
      if (!this.withinBudget(now, session)) return
      const { outgoing } = session
      if (session.pacer !== undefined && this.hasMessages(session) && !this.mayPace(now, session, session.pacer)) return
      const offset = core.reserve(MAX_PACKET_BYTES)
      if (offset < 0) return
      const start = offset + HEADER_BYTES
      // what was lost goes again in a datagram that any path carries
      const size = outgoing !== undefined && outgoing.lost > 0
        ? Math.min(BASE_MTU, session.maxDatagram)
        : session.maxDatagram
      const end = offset + size - TAG_BYTES
      let at = this.writeControl(now, session, arena, start)
      const waiting = this.hasMessages(session)
      const beforeAck = at
      if (waiting || at > start || reliable.isUrgent(session)) at = reliable.writeAck(now, session, arena, at)
      const controlEnd = at
      let intent = Intent.REALTIME
      let priority = 0
      for (;;) {
        const slot = outgoing === undefined ? NONE : outgoing.next()
        const cell = this.nextQueued(now, session)
        if (slot < 0 && cell === NONE) break
        const takeReliable = slot >= 0 && outgoing !== undefined &&
          (cell === NONE || outgoing.priorityOf(slot) >= queue.priorityOf(cell))
        const next = takeReliable
          ? this.writeReliable(now, session, outgoing, slot, arena, at, end)
          : this.writeQueued(session, cell, arena, at, end)
        if (next < 0) {
          // a message that not even an empty datagram of this path takes
          if (at > start || takeReliable) break
          core.counters.drops[DropReason.code.PathShrunk]++
          queue.remove(cell)
          continue
        }
        if (at === controlEnd) {
          intent = takeReliable ? Intent.RELIABLE : this.lastIntent
          priority = this.lastPriority
        }
        at = next
        if (!core.limits.coalesce) break
      }
      if (at === start) break
      const type = at > controlEnd ? DATA : controlEnd > beforeAck ? ACK : CONTROL
      if (session.pingOpen && session.pingSentAt === now) session.pingDatagram = at - offset + TAG_BYTES
      if (!core.seal(now, session, type, intent, priority, offset, at - start)) return
      if (!this.hasMessages(session)) break
      // there was more than one datagram took: a larger one would help
      this.wantLarger(now, session)
    }
    if (session.outgoing !== undefined) core.arm(session, session.outgoing.deadline)
  }

  private hasMessages(session: Session): boolean {
    return session.queueHead !== NONE || (session.outgoing !== undefined && session.outgoing.next() >= 0)
  }

  /** Takes a token for a packet with messages, or sets the time for the next try. */
  private mayPace(now: number, session: Session, pacer: TokenBucket): boolean {
    if (pacer.take(now)) {
      session.paceAt = Infinity
      return true
    }
    session.paceAt = now + PACE_WAIT
    this.core.arm(session, session.paceAt)
    return false
  }

  /** The pacer's time has come. */
  resumePaced(now: number, session: Session): void {
    if (now < session.paceAt) return
    session.paceAt = Infinity
    this.core.markReady(session)
  }

  /** The first message of the session's queue that has not expired. */
  private nextQueued(now: number, session: Session): number {
    const { counters, queue } = this.core
    let cell = session.queueHead
    while (cell !== NONE && queue.isExpired(cell, now)) {
      counters.drops[DropReason.code.Expired]++
      queue.remove(cell)
      cell = session.queueHead
    }
    return cell
  }

  /** Writes a queued message and takes it out of the queue; -1, and nothing done, when it does not fit. */
  private writeQueued(session: Session, cell: number, out: Uint8Array, offset: number, end: number): number {
    const { counters, queue } = this.core
    const length = queue.lengthOf(cell)
    const sequenced = queue.intentOf(cell) === Intent.SEQUENCED
    const body = sequenced ? length + 4 : length
    if (offset + Frame.FRAME_HEADER_BYTES + body > end) return -1
    const at = sequenced
      ? this.beginSequenced(session, out, offset, length)
      : Frame.begin(out, offset, Frame.REALTIME, body)
    queue.copyPayload(cell, out, at)
    this.lastIntent = queue.intentOf(cell)
    this.lastPriority = queue.priorityOf(cell)
    queue.remove(cell)
    counters.messagesSent++
    session.messagesSent++
    return at + length
  }

  /** Writes a Reliable message, new or repeated; -1, and nothing done, when it does not fit. */
  private writeReliable(
    now: number,
    session: Session,
    outgoing: ReliableSender,
    slot: number,
    out: Uint8Array,
    offset: number,
    end: number
  ): number {
    const { core } = this
    const length = outgoing.lengthOf(slot)
    if (offset + Frame.RELIABLE_OVERHEAD + length > end) return -1
    const at = Frame.begin(out, offset, Frame.RELIABLE, length + 4)
    writeU32(out, at, outgoing.numberOf(slot))
    outgoing.copyPayload(slot, out, at + 4)
    this.lastPriority = outgoing.priorityOf(slot)
    const unsent = outgoing.unsentCount
    outgoing.sent(now, slot, session.packetOrder)
    if (outgoing.unsentCount < unsent) {
      core.unsentReliable--
      core.counters.messagesSent++
      session.messagesSent++
    }
    return at + 4 + length
  }

  /** A PING rides along now and then, so that both ends know the path. */
  private considerPing(now: number, session: Session): void {
    if (session.queueHead === NONE && session.outgoing === undefined && this.core.limits.coalesce) return
    if (!session.pingOpen && now - session.pingSentAt >= PING_INTERVAL) session.pingDue = true
  }

  private wantLarger(now: number, session: Session): void {
    if (session.pathMtu !== undefined || session.datagramCeiling <= BASE_MTU) return
    session.pathMtu = new PathMtu({ ceiling: session.datagramCeiling, rtt: session.rtt, now })
    this.core.arm(session, now + 1)
  }

  /** No answer to a PING: another one asks, as long as the session lives. */
  repeatPing(now: number, session: Session): void {
    if (now < session.pingLostAt) return
    if (session.pingDatagram > BASE_MTU) session.pathMtu?.lostLarge(now)
    this.sendControl(now, session)
  }

  /** Sends a padded PING when the search for the path MTU wants one. */
  probePath(now: number, session: Session): void {
    const { pathMtu } = session
    const size = pathMtu === undefined ? 0 : pathMtu.probeDue(now)
    if (pathMtu === undefined || size === 0 || !this.withinBudget(now, session)) return
    const { core } = this
    const offset = core.reserve(MAX_PACKET_BYTES)
    if (offset < 0) return
    const arena = core.host.outbox.arena
    session.probeToken = (session.probeToken + 1) % PROBE_TOKENS
    let at = Frame.writeToken(arena, offset + HEADER_BYTES, Frame.PING, PROBE_TOKENS + session.probeToken)
    const end = offset + size - TAG_BYTES
    const padding = end - at - Frame.FRAME_HEADER_BYTES
    at = Frame.begin(arena, at, Frame.PADDING, padding)
    arena.fill(0, at, end)
    pathMtu.probeSent(now, PROBE_TOKENS + session.probeToken)
    core.seal(now, session, CONTROL, 0, 0, offset, end - offset - HEADER_BYTES)
    core.host.wake()
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
    const keys = session.current
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
      at = Frame.begin(out, at, Frame.PONG, PONG_BYTES)
      writeU32(out, at, session.pongToken)
      writeU32(out, at + 4, session.packetsReceived)
      writeU32(out, at + 8, session.messagesReceived)
      at += PONG_BYTES
    }
    if (session.pingDue) {
      session.pingDue = false
      at = Frame.writeToken(out, at, Frame.PING, session.ping(now))
      this.core.arm(session, session.pingLostAt)
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
    // its bytes are kept: sealed, or not at all
    if (!core.seal(now, session, CONTROL, 0, 0, offset, plaintextLength) || !unsealed.seal()) return
    session.closeBytes = arena.slice(offset, offset + HEADER_BYTES + plaintextLength + TAG_BYTES)
    session.closeSends = 1
    core.host.wake()
  }
}
