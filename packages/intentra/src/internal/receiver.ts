import type { ReceiveBatch } from "@intentra/udp"
import * as CloseReason from "../CloseReason.js"
import * as DropReason from "../DropReason.js"
import * as Frame from "../Frame.js"
import * as Intent from "../Intent.js"
import { TAG_BYTES } from "../PacketCrypto.js"
import { CONTROL, DATA, HANDSHAKE, HEADER_BYTES, MAX_PACKET_BYTES, WIRE_VERSION } from "../PacketHeader.js"
import { FRESH, REPLAYED } from "../ReplayWindow.js"
import { readU16, readU32 } from "./bytes.js"
import type { Core } from "./core.js"
import { FAILED_OPEN_LIMIT } from "./core.js"
import type { HalfOpen } from "./halfOpen.js"
import { LookAhead } from "./lookAhead.js"
import { BASE_MTU } from "./pathMtu.js"
import type { Rekey } from "./rekey.js"
import { ACK_FIXED_BYTES } from "./reliable.js"
import type { Reliable } from "./reliable.js"
import { TOKEN_BYTES } from "./roaming.js"
import type { Roaming } from "./roaming.js"
import { PONG_BYTES, PROBE_TOKENS } from "./sender.js"
import type { EpochKeys, Session } from "./session.js"
import { ACTIVE, CLOSED, HALF_OPEN, OPENING } from "./session.js"

const { code } = DropReason

/** Messages of one packet that one token of the session's bucket pays for. */
const MESSAGES_PER_TOKEN = 16

/** No serial number is newer than another by more than this (RFC 1982). */
const HALF_OF_SERIALS = 0x80000000

const CLOSE_ANSWER_INTERVAL = 1000

/** Datagrams handled between two looks at the clock. */
const BETWEEN_CLOCKS = 16

/** Ways in for what is not a sealed packet. */
export interface HandshakeInput {
  receiveHandshake(
    now: number,
    arena: Uint8Array,
    offset: number,
    length: number,
    addresses: Uint8Array,
    addressOffset: number
  ): void
}

/** What a sealed packet can do to a handshake of somebody else. */
export interface HalfOpenInput {
  proven(now: number, halfOpen: HalfOpen, session: Session): void
  withdraw(now: number, halfOpen: HalfOpen): void
}

/** Sealed packets: every check in its order, then the frames. */
export class Receiver {
  /** The packet being read, from `start` on. */
  private plaintext: Uint8Array = NOTHING
  private start = 0
  /** Whether the packet being read has a CLOSE. */
  private closes = false
  /** Whether it has a WAIT. */
  private waits = false

  /** Where the packet being read came from. */
  private addresses: Uint8Array = NOTHING
  private addressOffset = 0

  private readonly lookAhead: LookAhead

  constructor(
    private readonly core: Core,
    private readonly handshakes: HandshakeInput,
    private readonly rekey: Rekey,
    private readonly roaming: Roaming,
    private readonly reliable: Reliable,
    private readonly halfOpens: HalfOpenInput
  ) {
    this.lookAhead = new LookAhead(core)
  }

  /** Handles datagrams until they or the turn's time are at their end; `batch.first` is where the next turn goes on. */
  receive(now: number, batch: ReceiveBatch): void {
    const { addressOffsets, addresses, arena, count, lengths, offsets } = batch
    const { host } = this.core
    let i = batch.first
    while (i < count) {
      const end = Math.min(count, i + BETWEEN_CLOCKS)
      this.lookAhead.look(batch, i, end)
      for (; i < end; i++) {
        try {
          this.receiveOne(now, arena, offsets[i], lengths[i], addresses, addressOffsets[i])
        } catch (error) {
          // a defect, ours or of a service we were given, costs one datagram
          this.core.drop(code.Defect)
          host.onDefect(error)
        }
      }
      if (i < count && host.isTimeUp(now)) break
    }
    batch.first = i
  }

  private receiveOne(
    now: number,
    arena: Uint8Array,
    offset: number,
    length: number,
    addresses: Uint8Array,
    addressOffset: number
  ): void {
    const { core } = this
    const { counters } = core
    counters.received++
    counters.receivedBytes += length
    if (length < HEADER_BYTES) return core.drop(code.Truncated)
    if (length > MAX_PACKET_BYTES || length > core.host.maxDatagramBytes) return core.drop(code.Oversized)
    const first = arena[offset]
    if (first >> 4 !== WIRE_VERSION) return core.drop(code.BadVersion)
    const type = first & 15
    if (type > CONTROL) return core.drop(code.BadType)
    const second = arena[offset + 1]
    if ((second & 1) !== 0 || second >> 6 === 3) return core.drop(code.ReservedBit)
    if (readU16(arena, offset + 2) !== length - HEADER_BYTES) return core.drop(code.LengthMismatch)
    if (type === HANDSHAKE) {
      return this.handshakes.receiveHandshake(now, arena, offset, length, addresses, addressOffset)
    }
    if (length < HEADER_BYTES + TAG_BYTES) return core.drop(code.Truncated)

    const endpoint = core.table.get(readU32(arena, offset + 4))
    if (endpoint === undefined) return core.drop(code.UnknownConnection)
    let session = endpoint as Session
    if (endpoint.state !== ACTIVE && endpoint.state !== OPENING) {
      if (endpoint.state === CLOSED) {
        this.answerClosed(now, endpoint as Session, length, addresses, addressOffset)
      }
      const waiting = endpoint.state === HALF_OPEN ? (endpoint as HalfOpen).session : undefined
      if (waiting === undefined) return core.drop(code.WrongState)
      if (!this.provesHalfOpen(now, endpoint as HalfOpen, waiting, arena, offset, length)) return
      session = waiting
    }
    const keys = session.keysOf((second >> 1) & 3)
    if (keys === undefined) return core.drop(code.UnknownEpoch)
    if ((session.owed > 0 && !this.pays(now, session)) || !session.bucket.check(now)) {
      session.dropped++
      return core.drop(code.RateLimited)
    }
    if (
      session.forgeries !== undefined && !session.forgeries.check(now) &&
      !core.host.addresses.equals(session.addressId, addresses, addressOffset)
    ) {
      return core.drop(code.ForgeryLimited)
    }
    const seq = readU32(arena, offset + 8)
    const verdict = keys.replay.check(seq)
    if (verdict !== FRESH) return core.drop(verdict === REPLAYED ? code.Replayed : code.TooOld)
    const opened = this.open(keys, arena, offset, length, seq)
    if (opened < 0) {
      this.forged(now, session)
      core.drop(code.AuthFailed)
      if (++keys.failedOpens >= FAILED_OPEN_LIMIT) {
        core.closeSession(now, session, "LimitExceeded", "too many forged packets for one key")
      }
      return
    }
    keys.replay.mark(seq)
    this.rekey.opened(now, session, (second >> 1) & 3)
    this.addresses = addresses
    this.addressOffset = addressOffset
    const packet = keys.serial * 2 ** 32 + seq
    const isNewest = packet > session.newestPacket
    if (isNewest) {
      session.newestPacket = packet
      session.newestPacketAt = now
    }
    this.accept(now, session, keys, type, length, readU32(arena, offset + 12), opened)
    // accepting it may have closed the session
    if (session.state !== ACTIVE) return
    if (isNewest && !core.host.addresses.equals(session.addressId, addresses, addressOffset)) {
      this.roaming.seen(now, session, length, addresses, addressOffset)
    }
  }

  /**
   * A packet for a session that is not active yet. In IK the first one that opens proves the initiator; while the
   * authorizer thinks, an authentic CLOSE takes the handshake back. True when the session is active now, and the packet is
   * to be handled as any other.
   */
  private provesHalfOpen(
    now: number,
    halfOpen: HalfOpen,
    session: Session,
    arena: Uint8Array,
    offset: number,
    length: number
  ): boolean {
    const { core } = this
    const keys = session.keysOf((arena[offset + 1] >> 1) & 3)
    if (keys === undefined) {
      core.drop(code.UnknownEpoch)
      return false
    }
    if (session.forgeries !== undefined && !session.forgeries.check(now)) {
      core.drop(code.ForgeryLimited)
      return false
    }
    const opened = this.open(keys, arena, offset, length, readU32(arena, offset + 8))
    if (opened < 0) {
      this.forged(now, session)
      core.drop(code.AuthFailed)
      return false
    }
    if (this.validate(arena[offset] & 15, opened) >= 0 && this.closes) {
      core.counters.accepted[arena[offset] & 15]++
      this.halfOpens.withdraw(now, halfOpen)
      return false
    }
    if (!halfOpen.quick) {
      core.drop(code.WrongState)
      return false
    }
    this.halfOpens.proven(now, halfOpen, session)
    if (session.state === ACTIVE) return true
    core.drop(code.WrongState)
    return false
  }

  private open(keys: EpochKeys, arena: Uint8Array, offset: number, length: number, seq: number): number {
    const { host } = this.core
    this.start = host.makeRoom()
    this.plaintext = host.room
    return keys.receive.openPacket(arena, offset, HEADER_BYTES, length, seq, this.plaintext, this.start)
  }

  private forged(now: number, session: Session): void {
    session.forgeries ??= this.core.services.rateLimiter.makeForgery()
    session.forgeries.charge(now)
  }

  private accept(
    now: number,
    session: Session,
    keys: EpochKeys,
    type: number,
    length: number,
    acknowledged: number,
    opened: number
  ): void {
    const { core } = this
    keys.received++
    session.packetsReceived++
    session.bytesReceived += length
    session.lastReceived = now
    session.unheardSince = Infinity
    const messages = this.validate(type, opened)
    if (messages > MESSAGES_PER_TOKEN) this.chargeMany(now, session, Math.ceil(messages / MESSAGES_PER_TOKEN))
    else session.bucket.charge(now)
    // only messages ask for a sign of life; a PING has its PONG, and a PONG needs no answer
    if (messages > 0 && session.unansweredSince === Infinity) session.unansweredSince = now
    if (messages < 0 || !this.reliable.isHonest(session, acknowledged)) {
      // a header that acknowledges what was never sent is misbehaviour too
      core.drop(messages === MALFORMED ? code.MalformedFrame : code.ForbiddenFrame)
      session.dropped++
      return this.strike(now, session)
    }
    core.counters.accepted[type]++
    if (session.state === OPENING && this.waits && !this.closes) return session.connecting?.waitOn()
    if (session.state === OPENING && !this.closes) core.activate(now, session)
    // it may have given way to another of the same identity
    if (session.state !== CLOSED) this.dispatch(now, session, opened)
  }

  /** A packet of very many tiny messages costs what it costs us; what the bucket has not, the next packets wait for. */
  private chargeMany(now: number, session: Session, tokens: number): void {
    const { bucket } = session
    const before = bucket.tokens(now)
    bucket.charge(now, tokens)
    if (bucket.tokens(now) < before) session.owed = Math.max(0, Math.ceil(tokens - before))
  }

  /** Whether what is owed has been paid, as far as there are tokens: it would be anyway, whatever packet asks. */
  private pays(now: number, session: Session): boolean {
    const part = Math.min(session.owed, Math.floor(session.bucket.tokens(now)))
    session.bucket.charge(now, part)
    session.owed -= part
    return session.owed === 0
  }

  /** Authentic, well-formed, and against the rules: counted as a strike, though the packet's other frames stand. */
  private forbidden(now: number, session: Session): void {
    session.dropped++
    this.strike(now, session)
  }

  private onPong(now: number, session: Session, token: number, body: number): void {
    if (token >= PROBE_TOKENS) {
      session.pathMtu?.probeAcknowledged(now, token)
      if (session.pathMtu !== undefined) this.core.arm(session, Math.max(now + 1, session.pathMtu.deadline))
      return
    }
    const sentAt = session.answeredPing(token)
    if (sentAt < 0) return
    session.rtt.sample(now - sentAt)
    session.remotePackets = readU32(this.plaintext, body + 4)
    session.remoteMessages = readU32(this.plaintext, body + 8)
    session.packetsAtPong = session.packetsAtPing
    if (session.pingDatagram > BASE_MTU) session.pathMtu?.confirmed()
  }

  private strike(now: number, session: Session): void {
    this.core.counters.strikes++
    session.strikes ??= this.core.services.strikes.make()
    if (session.strikes.strike(now)) {
      this.core.closeSession(now, session, "ProtocolViolation", "too many malformed packets")
    }
  }

  /** The number of messages among the frames, or why the list is refused. Nothing is done before all of it is read. */
  private validate(type: number, opened: number): number {
    const bytes = this.plaintext
    let messages = 0
    let offset = this.start
    const end = offset + opened
    this.closes = false
    this.waits = false
    while (offset < end) {
      const behind = Frame.next(bytes, offset, end)
      if (behind < 0) return MALFORMED
      const body = behind - offset - Frame.FRAME_HEADER_BYTES
      switch (bytes[offset]) {
        case Frame.REALTIME:
          messages++
          break
        case Frame.SEQUENCED:
        case Frame.RELIABLE:
          if (body < 4) return MALFORMED
          messages++
          break
        case Frame.ACK:
          if (body < ACK_FIXED_BYTES || (body - ACK_FIXED_BYTES) % 8 !== 0) return MALFORMED
          break
        case Frame.PING:
          if (body !== 4) return MALFORMED
          break
        case Frame.PONG:
          if (body !== PONG_BYTES) return MALFORMED
          break
        case Frame.PATH_CHALLENGE:
        case Frame.PATH_RESPONSE:
          if (body !== TOKEN_BYTES) return MALFORMED
          if (type !== CONTROL) return FORBIDDEN
          break
        case Frame.REKEY:
          if (body < 2) return MALFORMED
          if (type !== CONTROL) return FORBIDDEN
          break
        case Frame.CLOSE:
          if (body < 1 || body > 1 + Frame.MAX_CLOSE_TEXT_BYTES) return MALFORMED
          if (type !== CONTROL) return FORBIDDEN
          this.closes = true
          break
        case Frame.WAIT:
          if (body !== 0) return MALFORMED
          if (type !== CONTROL) return FORBIDDEN
          this.waits = true
          break
      }
      offset = behind
    }
    if (opened === 0) return MALFORMED
    return (messages > 0) === (type === DATA) ? messages : FORBIDDEN
  }

  private dispatch(now: number, session: Session, opened: number): void {
    const { core } = this
    const bytes = this.plaintext
    let offset = this.start
    const end = offset + opened
    let challenge = -1
    while (offset < end) {
      const body = offset + Frame.FRAME_HEADER_BYTES
      const behind = body + readU16(bytes, offset + 1)
      switch (bytes[offset]) {
        case Frame.REALTIME:
          this.deliver(now, session, body, behind - body, Intent.REALTIME)
          break
        case Frame.SEQUENCED:
          this.deliverSequenced(now, session, readU32(bytes, body), body + 4, behind)
          break
        case Frame.RELIABLE:
          if (!this.reliable.onMessage(now, session, bytes, body, behind)) this.forbidden(now, session)
          break
        case Frame.ACK:
          if (!this.reliable.onAck(now, session, bytes, body, behind)) this.forbidden(now, session)
          break
        case Frame.PING:
          session.pongDue = true
          session.pongToken = readU32(bytes, body)
          core.markReady(session)
          break
        case Frame.PONG:
          this.onPong(now, session, readU32(bytes, body), body)
          break
        case Frame.PATH_CHALLENGE:
          challenge = body
          break
        case Frame.PATH_RESPONSE:
          this.roaming.onResponse(now, session, bytes.subarray(body, behind), this.addresses, this.addressOffset)
          break
        case Frame.REKEY:
          if (!this.rekey.onFrame(now, session, bytes.subarray(body, behind))) {
            this.strike(now, session)
          }
          break
        case Frame.CLOSE:
          this.peerClosed(now, session, bytes[body], body + 1, behind)
          return
      }
      offset = behind
      // the user's callback may have closed the session
      if (session.state === CLOSED) return
    }
    // one answer for a packet, however many challenges it has: nothing larger goes out than came in
    if (challenge >= 0) {
      const token = bytes.subarray(challenge, challenge + TOKEN_BYTES)
      this.roaming.onChallenge(now, session, token, this.addresses, this.addressOffset)
    }
  }

  private deliver(now: number, session: Session, offset: number, length: number, intent: number): void {
    this.core.counters.messagesReceived++
    session.messagesReceived++
    this.core.host.onMessage(session, this.plaintext, offset, length, intent, now)
  }

  private deliverSequenced(now: number, session: Session, number: number, offset: number, behind: number): void {
    if (session.newestSequenced >= 0) {
      const ahead = (number - session.newestSequenced) >>> 0
      if (ahead === 0 || ahead >= HALF_OF_SERIALS) {
        session.dropped++
        return this.core.drop(code.Stale)
      }
    }
    session.newestSequenced = number
    this.deliver(now, session, offset, behind - offset, Intent.SEQUENCED)
  }

  private peerClosed(now: number, session: Session, closeCode: number, offset: number, behind: number): void {
    const text = new TextDecoder().decode(this.plaintext.subarray(offset, behind))
    this.core.closedByPeer(now, session, CloseReason.fromPeerCode(closeCode), text)
  }

  /** The kept CLOSE answers the validated address, once a second, and never with more than was received. */
  answerClosed(
    now: number,
    session: Session,
    length: number,
    addresses: Uint8Array,
    addressOffset: number
  ): void {
    const { closeBytes } = session
    if (closeBytes === undefined || closeBytes.length > length) return
    if (now - session.closeAnsweredAt < CLOSE_ANSWER_INTERVAL) return
    if (!this.core.host.addresses.equals(session.addressId, addresses, addressOffset)) return
    session.closeAnsweredAt = now
    this.core.sendBytes(closeBytes, session.addressId)
  }
}

const NOTHING = new Uint8Array(0)
const MALFORMED = -1
const FORBIDDEN = -2
