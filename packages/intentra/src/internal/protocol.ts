/**
 * The transport protocol as a synchronous state machine: datagrams, calls, a monotonic time in milliseconds and entropy
 * go in; datagrams, deliveries and events come out through the {@link Host}. It owns no timer, socket, clock or fiber.
 */
import { Address } from "@intentra/udp"
import type { ReceiveBatch } from "@intentra/udp"
import * as CloseReason from "../CloseReason.js"
import * as DropReason from "../DropReason.js"
import * as Frame from "../Frame.js"
import type { TransportCounters } from "../TransportCounters.js"
import { readU32 } from "./bytes.js"
import { ConnectionTable } from "./connectionTable.js"
import type { Host, Limits, Services } from "./core.js"
import { Core } from "./core.js"
import type { HalfOpen } from "./halfOpen.js"
import {
  CHALLENGE,
  ECHO,
  headerIsPlain,
  HELLO,
  KIND,
  MESSAGE_2,
  MESSAGE_3,
  NOISE_MESSAGE
} from "./handshakeMessages.js"
import type { Connecting } from "./initiator.js"
import { Initiator } from "./initiator.js"
import { OldestFirst } from "./oldestFirst.js"
import type { HandshakeInput } from "./receiver.js"
import { Receiver } from "./receiver.js"
import { Rekey } from "./rekey.js"
import { Reliable } from "./reliable.js"
import { Responder } from "./responder.js"
import { Roaming } from "./roaming.js"
import { Sender } from "./sender.js"
import type { Endpoint, Session } from "./session.js"
import { ACTIVE, CLOSED, CONNECTING, HALF_OPEN, identityKeyOf, OPENING } from "./session.js"
import { TimerHeap } from "./timerHeap.js"

const { code } = DropReason

/** conn_ids rest so long before they may be drawn again. */
const CONN_ID_REST = 180_000
/** A closed session's CLOSE answers late packets so long. */
const CLOSE_LINGER = 30_000
/** Closed sessions kept for that, at most. */
const LINGER_LIMIT = 1024
/** A session of ours whose other end is silent for so long, though we send, is begun anew beside it. */
const REJOIN_AFTER = 15_000
/** Two sessions of one identity, one from each end, belong together when the second comes so soon after the first. */
const SIMULTANEOUS = 5_000
/** CLOSE goes out at once and again after these delays. */
const CLOSE_REPEATS = [50, 150]

const NO_BODY = new Uint8Array(0)

export class Protocol implements HandshakeInput {
  readonly core: Core
  readonly sender: Sender
  readonly receiver: Receiver
  readonly initiator: Initiator
  readonly responder: Responder
  readonly rekey: Rekey
  readonly roaming: Roaming
  readonly reliable: Reliable
  private readonly lingering = new OldestFirst<Session, true>()

  constructor(limits: Limits, services: Services, host: Host, counters: TransportCounters) {
    const table = new ConnectionTable(services.neighbours?.drawConnId ?? services.entropy.uint32, CONN_ID_REST)
    this.core = new Core(limits, services, host, counters, table, new TimerHeap<Endpoint>())
    this.core.closeSession = (now, session, reason, text) => this.close(now, session, reason, text)
    this.core.closedByPeer = (now, session, reason, text) => this.closedByPeer(now, session, reason, text)
    this.core.abandon = (now, session) => this.abandon(now, session)
    this.core.activate = (now, session) => this.activate(now, session)
    this.reliable = new Reliable(this.core)
    this.sender = new Sender(this.core, this.reliable)
    this.core.confirm = (now, session) => this.rekey.confirm(now, session)
    this.core.wantRekey = (now, session) => this.rekey.start(now, session)
    this.rekey = new Rekey(this.core, this.sender)
    this.roaming = new Roaming(this.core, this.sender)
    this.initiator = new Initiator(this.core)
    this.responder = new Responder(
      this.core,
      (now, session) => this.sender.sendFrame(now, session, Frame.WAIT, NO_BODY)
    )
    this.receiver = new Receiver(this.core, this, this.rekey, this.roaming, this.reliable, this.responder)
  }

  /** When `timeout` wants to be called, at the latest; Infinity when nothing is pending. */
  get nextDeadline(): number {
    return this.core.timers.next
  }

  /** A batch of datagrams; everything they ask for is done or dropped when this returns. */
  receive(now: number, batch: ReceiveBatch): void {
    this.core.challengesThisTurn = 0
    this.core.dhThisTurn = 0
    this.receiver.receive(now, batch)
  }

  connect(now: number, address: Uint8Array, remoteKey: Uint8Array | undefined, quick: boolean): Connecting {
    if (remoteKey !== undefined) this.replaceRejoining(now, remoteKey)
    return this.initiator.connect(now, address, remoteKey, quick)
  }

  /** What the user asks for takes the place of an attempt of our own: each would end the other's session. */
  private replaceRejoining(now: number, remoteKey: Uint8Array): void {
    const { byIdentity, limits } = this.core
    const session = limits.sameIdentity === "allow" ? undefined : byIdentity.get(identityKeyOf(remoteKey))
    if (session === undefined) return
    session.nextRejoinAt = now + limits.handshakeTimeout
    this.cancelRejoining(now, session)
  }

  private cancelRejoining(now: number, session: Session): void {
    const { rejoining } = session
    session.rejoining = undefined
    if (rejoining !== undefined) this.cancel(now, rejoining)
  }

  /** The caller of `connect` lost interest. */
  cancel(now: number, connecting: Connecting): void {
    if (connecting.state !== CONNECTING) {
      if (connecting.session !== undefined) this.close(now, connecting.session, "LocalClosed", "")
      return
    }
    connecting.state = CLOSED
    this.initiator.forget(connecting)
    if (connecting.session !== undefined) this.close(now, connecting.session, "LocalClosed", "")
  }

  /** The authorizer's later verdict. */
  verdict(now: number, endpoint: HalfOpen, admitted: boolean): void {
    this.responder.verdict(now, endpoint, admitted)
  }

  /** Every deadline that has come. */
  timeout(now: number): void {
    this.rekey.startsThisTurn = 0
    for (;;) {
      const endpoint = this.core.timers.pop(now)
      if (endpoint === undefined) return
      switch (endpoint.state) {
        case CONNECTING:
          this.initiator.timeout(now, endpoint as Connecting)
          if (now >= (endpoint as Connecting).deadline) endpoint.state = CLOSED
          break
        case HALF_OPEN:
          this.responder.timeout(now, endpoint as HalfOpen)
          break
        case ACTIVE:
          this.sessionTimeout(now, endpoint as Session)
          break
        case CLOSED:
          this.closedTimeout(now, endpoint as Session)
          break
      }
    }
  }

  /** The consumer of deliveries has room again. */
  resume(now: number): void {
    for (const session of this.core.stalled) this.reliable.drain(now, session)
  }

  /** Ends every session with CLOSE, sent as often as it will ever be. */
  shutdown(now: number): void {
    for (const endpoint of this.core.table.values()) {
      if (endpoint.state === ACTIVE || endpoint.state === OPENING) {
        const session = endpoint as Session
        if (session.connecting !== undefined) this.cancel(now, session.connecting)
        this.close(now, session, "TransportClosed", "")
        for (let i = session.closeSends; i <= CLOSE_REPEATS.length && session.closeBytes !== undefined; i++) {
          this.core.sendBytes(session.closeBytes, session.addressId)
        }
      } else if (endpoint.state === CONNECTING) {
        this.cancel(now, endpoint as Connecting)
      } else if (endpoint.state === HALF_OPEN) {
        this.responder.timeout(now, endpoint as HalfOpen)
      }
    }
    this.core.handOver()
    this.core.services.gate.cookies.clear()
  }

  receiveHandshake(
    now: number,
    arena: Uint8Array,
    offset: number,
    length: number,
    addresses: Uint8Array,
    addressOffset: number
  ): void {
    const { core } = this
    if (length <= NOISE_MESSAGE || !headerIsPlain(arena, offset)) return core.drop(code.HandshakeMalformed)
    const kind = arena[offset + KIND]
    if (kind === HELLO) return this.responder.onHello(now, arena, offset, length, addresses, addressOffset)
    if (kind === ECHO) return this.responder.onEcho(now, arena, offset, length, addresses, addressOffset)
    if (kind !== CHALLENGE && kind !== MESSAGE_2 && kind !== MESSAGE_3) return core.drop(code.HandshakeMalformed)
    for (let i = KIND + 1; i < NOISE_MESSAGE; i++) {
      if (arena[offset + i] !== 0) return core.drop(code.HandshakeMalformed)
    }
    const endpoint = core.table.get(readU32(arena, offset + 4))
    if (endpoint === undefined) return core.drop(code.UnknownConnection)
    if (kind === MESSAGE_3) {
      if (endpoint.state === HALF_OPEN) {
        return this.responder.onMessage3(now, endpoint as HalfOpen, arena, offset, length, addresses, addressOffset)
      }
      if (endpoint.state === ACTIVE) {
        const session = endpoint as Session
        if (this.responder.onRepeatedMessage3(now, session, arena, offset, length, addresses, addressOffset)) {
          core.counters.accepted[2]++
          return this.sender.sendControl(now, session)
        }
      }
      if (endpoint.state === CLOSED) {
        this.receiver.answerClosed(now, endpoint as Session, length, addresses, addressOffset)
      }
      return core.drop(code.WrongState)
    }
    const connecting = endpoint.state === CONNECTING ? endpoint as Connecting : (endpoint as Session).connecting
    if (connecting === undefined) return core.drop(code.WrongState)
    if (!this.initiator.isFrom(connecting, addresses, addressOffset)) return core.drop(code.HandshakeUnexpected)
    if (kind === CHALLENGE) return this.initiator.onChallenge(connecting, arena, offset, length)
    return this.initiator.onMessage2(now, connecting, arena, offset, length)
  }

  /** A session has been proven: it takes the place of an older one of the same identity. */
  private activate(now: number, session: Session): void {
    const { core } = this
    const older = core.byIdentity.get(session.identityKey)
    const { connecting } = session
    if (connecting === undefined && this.yieldsTo(now, session, older)) {
      // both sides connected at once, and both keep the session that the smaller key began
      return this.close(now, session, "Replaced", "")
    }
    if (connecting !== undefined) {
      session.connecting = undefined
      connecting.state = CLOSED
      this.initiator.done(connecting)
    }
    session.state = ACTIVE
    session.activeSince = now
    session.lastReceived = now
    core.active.add(session)
    core.byIdentity.set(session.identityKey, session)
    core.counters.handshakes++
    core.counters.sessionsActive++
    if (session.handshakeHash !== undefined) this.rekey.begin(now, session, session.handshakeHash)
    session.handshakeHash = undefined
    this.look(now, session)
    const succeeds = connecting?.rejoins ?? (this.isTwin(now, session, older) ? older : undefined)
    if (succeeds !== undefined && succeeds.handle !== undefined) {
      // the user's handle goes on in the new session
      this.reliable.surrender(now, succeeds)
      session.handle = succeeds.handle
      // which of them arrived is not known, so sending them in the new session could deliver them twice
      session.unacknowledged = succeeds.outgoing?.held ?? 0
      succeeds.handle = undefined
      succeeds.rejoining = undefined
      this.retire(succeeds)
      // the new session's first packet goes before the old one's CLOSE, so that the other end knows of it
      if (connecting === undefined || connecting.quick) this.sender.sendControl(now, session)
      core.host.onRejoined(session)
      this.close(now, succeeds, "Replaced", "")
      if (connecting !== undefined && connecting.rejoins === undefined) core.host.onConnected(connecting, session)
      return this.initiator.resolve(now, session)
    }
    if (connecting === undefined || connecting.quick) this.sender.sendControl(now, session)
    if (older !== undefined && core.limits.sameIdentity === "replace") this.close(now, older, "Replaced", "")
    core.host.onActive(session)
    if (connecting !== undefined) core.host.onConnected(connecting, session)
    if (core.limits.sameIdentity !== "allow") this.initiator.resolve(now, session)
  }

  /** Nothing was heard from the hub though we send: perhaps it has been restarted. The old session stays until then. */
  private rejoin(now: number, session: Session): void {
    const address = new Uint8Array(Address.ADDRESS_BYTES)
    this.core.host.addresses.copyTo(session.addressId, address, 0)
    session.rejoining = this.initiator.connect(now, address, session.identity, false)
    session.rejoining.rejoins = session
  }

  /**
   * Whether a session that the other end began gives way to one of ours with the same identity, which is as young: both
   * connected at once, and the smaller key's session stays.
   */
  private yieldsTo(now: number, session: Session, older: Session | undefined): boolean {
    const { core } = this
    if (core.limits.sameIdentity === "allow" || !this.initiator.isSmaller(session.identity)) return false
    if (this.initiator.isOpening(session.identityKey)) return true
    return older !== undefined && older.initiator && now - older.activeSince < SIMULTANEOUS
  }

  /** Both ends connected at once, and this session takes the place of the other's. */
  private isTwin(now: number, session: Session, older: Session | undefined): boolean {
    return older !== undefined && this.core.limits.sameIdentity === "replace" &&
      older.initiator !== session.initiator && now - older.activeSince < SIMULTANEOUS
  }

  /** When to look at an active session again: no deadline of it can come earlier, whatever happens until then. */
  private look(now: number, session: Session): void {
    const { limits } = this.core
    const unanswered = session.unansweredSince === Infinity ? now : session.unansweredSince
    // never in the past, or the timers would not end
    const soonest = now + 1
    this.core.timers.set(
      session,
      Math.max(
        soonest,
        Math.min(
          session.lastReceived + limits.idleTimeout,
          session.lastSent + this.keepalive(session),
          unanswered + limits.answerWithin,
          session.rekeying?.deadline ?? Infinity,
          session.move?.repeatAt ?? Infinity,
          session.pingLostAt,
          session.paceAt,
          this.reliable.deadline(session),
          session.pathMtu?.deadline ?? Infinity,
          this.rejoinAt(now, session)
        )
      )
    )
  }

  /** When to begin a handshake beside a session of ours whose other end is silent, or a time before that. */
  private rejoinAt(now: number, session: Session): number {
    if (!session.initiator || session.rejoining !== undefined) return Infinity
    return Math.max(Math.min(session.unheardSince, now) + REJOIN_AFTER, session.nextRejoinAt)
  }

  /** The responder waits a tenth longer, so that one end's PING and its PONG keep both ends alive. */
  private keepalive(session: Session): number {
    return session.initiator ? this.core.limits.keepalive : this.core.limits.keepalive * 1.1
  }

  private sessionTimeout(now: number, session: Session): void {
    const { core } = this
    const { limits } = core
    if (now >= session.lastReceived + limits.idleTimeout) {
      return this.close(now, session, "Timeout", "nothing was received for the idle time")
    }
    if (now >= session.lastSent + this.keepalive(session) || now >= session.unansweredSince + limits.answerWithin) {
      this.sender.sendControl(now, session)
    }
    if (session.state !== ACTIVE) return
    if (
      session.initiator && session.rejoining === undefined && now >= session.unheardSince + REJOIN_AFTER &&
      now >= session.nextRejoinAt
    ) this.rejoin(now, session)
    this.reliable.timeout(now, session)
    this.sender.probePath(now, session)
    this.sender.repeatPing(now, session)
    this.sender.resumePaced(now, session)
    this.rekey.timeout(now, session)
    this.roaming.timeout(now, session)
    // any of these may have closed it
    if (session.state !== ACTIVE) return
    this.reliable.trim(session)
    this.look(now, session)
  }

  /** Ends a session from this side: its peer hears CLOSE, its id answers late packets for a while. */
  close(now: number, session: Session, reason: CloseReason.CloseReason, text: string): void {
    if (session.state === CLOSED) return
    const { core } = this
    // what was sent before the close goes before it, and what has arrived is acknowledged
    if (session.state === ACTIVE && (reason === "LocalClosed" || reason === "TransportClosed")) {
      const isOwed = this.reliable.hurryAck(session)
      if (isOwed || reason === "LocalClosed") this.sender.flushSession(now, session)
    }
    if (session.state === CLOSED) return
    const { connecting } = session
    const wasActive = this.leave(now, session, reason)
    this.sender.sendClose(now, session, reason, text)
    session.destroyKeys()
    session.closedAt = now
    if (session.closeBytes === undefined) this.release(now, session)
    else this.linger(now, session)
    if (connecting !== undefined && connecting.state === CONNECTING) {
      connecting.state = CLOSED
      this.initiator.fail(connecting, "Refused", reason)
    }
    if (wasActive) core.host.onClosed(session, reason, false, text)
  }

  private closedByPeer(now: number, session: Session, reason: CloseReason.CloseReason, text: string): void {
    // the other end has taken our new handshake for this session's successor: the first packet of that one ends this one
    if (reason === "Replaced" && session.rejoining?.session !== undefined) return
    const { core } = this
    const { connecting } = session
    const wasActive = this.leave(now, session, reason)
    session.destroyKeys()
    this.release(now, session)
    if (connecting !== undefined && connecting.state === CONNECTING) {
      if (reason === "Replaced") {
        // both connected at once, and the other's handshake stands: its session is here, or on its way
        connecting.session = undefined
        connecting.yielded = true
        connecting.failure = "Refused"
        connecting.closeReason = reason
        const other = core.byIdentity.get(session.identityKey)
        if (other !== undefined) this.initiator.resolve(now, other)
      } else {
        connecting.state = CLOSED
        this.initiator.fail(connecting, "Refused", reason)
      }
    }
    if (wasActive) core.host.onClosed(session, reason, true, text)
  }

  /** What every end of a session has in common. True when it was active in the eyes of the user. */
  private leave(now: number, session: Session, reason: CloseReason.CloseReason): boolean {
    const { core } = this
    if (session.state === ACTIVE) this.reliable.surrender(now, session)
    session.state = CLOSED
    session.connecting = undefined
    core.timers.remove(session)
    this.cancelRejoining(now, session)
    this.roaming.abandon(session)
    this.reliable.end(session)
    const dropped = core.queue.removeAll(session)
    core.counters.drops[code.SessionClosed] += dropped
    const wasActive = session.handle !== undefined
    this.retire(session)
    if (wasActive) core.counters.closes[CloseReason.toCode(reason)]++
    return wasActive
  }

  /** Takes a session out of the active ones. */
  private retire(session: Session): void {
    const { core } = this
    if (core.active.delete(session)) core.counters.sessionsActive--
    if (core.byIdentity.get(session.identityKey) !== session) return
    core.byIdentity.delete(session.identityKey)
    if (core.limits.sameIdentity !== "allow") return
    for (const other of core.active) {
      if (other.identityKey === session.identityKey) core.byIdentity.set(other.identityKey, other)
    }
  }

  private abandon(now: number, session: Session): void {
    if (session.state === CLOSED) return
    session.state = CLOSED
    session.connecting = undefined
    session.destroyKeys()
    this.release(now, session)
  }

  private linger(now: number, session: Session): void {
    const { oldest } = this.lingering
    if (oldest !== undefined && this.lingering.size >= LINGER_LIMIT) this.release(now, oldest[0])
    this.lingering.set(session, true)
    this.core.timers.set(session, now + CLOSE_REPEATS[0])
  }

  private closedTimeout(now: number, session: Session): void {
    const { core } = this
    if (now >= session.closedAt + CLOSE_LINGER || session.closeBytes === undefined) return this.release(now, session)
    if (session.closeSends <= CLOSE_REPEATS.length) {
      core.sendBytes(session.closeBytes, session.addressId)
      session.closeSends++
    }
    core.timers.set(
      session,
      session.closedAt +
        (session.closeSends <= CLOSE_REPEATS.length ? CLOSE_REPEATS[session.closeSends - 1] : CLOSE_LINGER)
    )
  }

  private release(now: number, session: Session): void {
    const { core } = this
    core.timers.remove(session)
    this.lingering.delete(session)
    core.table.rest(now, session.connId)
    core.releaseAddress(session.addressId)
    session.detach()
  }
}
