import type { EntropyShape } from "@intentra/crypto"
import type { AddressTable, SendBatch } from "@intentra/udp"
import type { CloseReason } from "../CloseReason.js"
import type { HandshakeShape } from "../Handshake.js"
import type { Gate } from "../HandshakeGate.js"
import { TAG_BYTES } from "../PacketCrypto.js"
import type { PacketCryptoShape } from "../PacketCrypto.js"
import { HEADER_BYTES, MAX_PACKET_BYTES, WIRE_VERSION } from "../PacketHeader.js"
import type { RateLimiterShape } from "../RateLimiter.js"
import type { ReplayGuardShape } from "../ReplayGuard.js"
import type { StrikesShape } from "../Strikes.js"
import * as TokenBucket from "../TokenBucket.js"
import type { TransportCounters } from "../TransportCounters.js"
import { writeU16, writeU32 } from "./bytes.js"
import type { ConnectionTable } from "./connectionTable.js"
import type { HalfOpen } from "./halfOpen.js"
import type { Connecting } from "./initiator.js"
import { SendQueue } from "./sendQueue.js"
import type { Endpoint, Session } from "./session.js"
import { NumberRows } from "./sessionNumbers.js"
import type { TimerHeap } from "./timerHeap.js"
import * as TransportParameters from "./transportParameters.js"
import { unsealed } from "./unsealed.js"
import type { Unsealable } from "./unsealed.js"

/** Every number that the protocol goes by; times in milliseconds. */
export interface Limits {
  readonly handshakeTimeout: number
  readonly idleTimeout: number
  /** A packet goes out at the latest so long after the last one. */
  readonly keepalive: number
  /** A received packet is answered by anything within this time. */
  readonly answerWithin: number
  readonly maxSessions: number
  /** Wall time, in ms since 1970, when the transport's own clock stood at 0. */
  readonly wallEpoch: number
  /** The number of the first Reliable message in both directions: 0 but in tests of the wrap-around. */
  readonly firstReliable: number
  /** Datagrams grow no longer than this, however much the path carries. */
  readonly maxDatagram: number
  /** Messages in the send queue, all sessions together. */
  readonly sendQueue: number
  /** Whether messages to one peer within a flush share datagrams. */
  readonly coalesce: boolean
  /** Challenges sent in one turn. */
  readonly challengesPerTurn: number
  /** The same in a second: a flood of hellos costs no more than a part of a core, whoever forges them. */
  readonly challengesPerSecond: number
  /** Diffie-Hellmans computed for handshakes in one turn: about 4 ms of them. */
  readonly dhPerTurn: number
  /** The same in a second; sources are limited when half of it is used. */
  readonly dhPerSecond: number
  /** Packets a second to one peer; Infinity: no pacing. */
  readonly pacePacketsPerSecond: number
  /** What happens when an identity that has an active session proves itself anew. */
  readonly sameIdentity: "replace" | "allow" | "reject"
  /** What we tell peers that we take, packets a second. */
  readonly packetsPerSecond: number
}

/** What a protocol must know of others that serve the same socket address in other threads. */
export interface Neighbours {
  /** Draws a conn_id that names this one. */
  readonly drawConnId: () => number
  /** Sessions of the others, and handshakes of theirs that may become one. */
  readonly sessions: () => number
  /** Whether one of them may have a session of this identity, which a new one would replace. */
  readonly mayKnow: (identityKey: string) => boolean
}

/** What the protocol is made of. */
export interface Services {
  readonly crypto: PacketCryptoShape
  readonly entropy: EntropyShape
  readonly handshake: HandshakeShape
  readonly gate: Gate
  readonly rateLimiter: RateLimiterShape
  readonly replayGuard: ReplayGuardShape
  readonly strikes: StrikesShape
  readonly neighbours?: Neighbours
}

/** Challenges answered at once after a pause. */
const CHALLENGE_BURST = 2_000

export const ADMIT = 1
export const REFUSE = 0
/** The verdict comes later, through `Protocol.verdict`. */
export const UNDECIDED = -1

export type ConnectFailure = "HandshakeTimeout" | "WrongKey" | "NotAdmitted" | "Refused" | "SessionLimit"

/** What the protocol calls: the way out of it. All synchronous; bytes are valid during the call only. */
export interface Host {
  readonly outbox: SendBatch
  readonly addresses: AddressTable
  /** Hands the outbox over and clears it, and counts what became of it. */
  readonly send: () => void
  /** The longest datagram that arrives whole. */
  readonly maxDatagramBytes: number
  /** Whether the turn that began at `start` has used its time. */
  readonly isTimeUp: (start: number) => boolean
  /** Something threw that must not. */
  readonly onDefect: (error: unknown) => void
  /** There is something to flush. */
  readonly wake: () => void
  /** Where the next packet is opened, from `makeRoom()` on: `onMessage` may keep what is there. */
  readonly room: Uint8Array
  /** Makes room for the longest packet, and says from where on. */
  readonly makeRoom: () => number
  readonly onMessage: (
    session: Session,
    bytes: Uint8Array,
    offset: number,
    length: number,
    intent: number,
    now: number
  ) => void
  /** Whether the consumer of deliveries takes a Reliable message of so many bytes now. */
  readonly hasRoom: (session: Session, length: number) => boolean
  /** The same for what an ended session has acknowledged, and would have to forget otherwise. */
  readonly hasLastRoom: () => boolean
  readonly onActive: (session: Session) => void
  /** `byPeer`: the peer said so, in an authentic CLOSE. */
  readonly onClosed: (session: Session, reason: CloseReason, byPeer: boolean, text: string) => void
  /** The session took over the handle of one whose other end had gone silent. */
  readonly onRejoined: (session: Session) => void
  readonly onRekeyed: (session: Session) => void
  /** The session has moved; `from` is the address it had. */
  readonly onRoamed: (session: Session, from: Uint8Array) => void
  readonly onConnected: (connecting: Connecting, session: Session) => void
  readonly onConnectFailed: (connecting: Connecting, failure: ConnectFailure, closeReason?: CloseReason) => void
  readonly authorize: (publicKey: Uint8Array, addressId: number, endpoint: HalfOpen | Connecting) => number
}

/** No key seals more packets than this (RFC 9001 appendix B.1, for packets of at most 2^11 bytes). */
export const SEAL_LIMIT = 2 ** 28
/** Packets at the end of a key's life that only CLOSE may use. */
export const SEAL_RESERVE = 16
/** Failed opens after which a key is given up (RFC 9001 section 6.6, with a wide margin). */
export const FAILED_OPEN_LIMIT = 2 ** 36

/** State and mechanisms that the parts of the protocol share, and the way every packet leaves. */
export class Core {
  readonly queue: SendQueue
  /** Where sessions keep their numbers. */
  readonly rows = new NumberRows()
  /** Packets that were not sealed, and did not leave: the end of the turn deals with them. */
  readonly unsealable: Array<Unsealable> = []
  /** Sessions with something to send, in order. */
  readonly ready: Array<Session> = []
  /** Sessions that hold Reliable messages which the consumer has no room for. */
  readonly stalled = new Set<Session>()
  /** Reliable messages that no packet has carried yet. */
  unsentReliable = 0
  /** Handshakes of ours in progress, each of which may become a session. */
  readonly connecting = new Set<Connecting>()
  /** Active sessions. */
  readonly active = new Set<Session>()
  /** The active session of each identity, the newest if several are allowed. */
  readonly byIdentity = new Map<string, Session>()
  challengesThisTurn = 0
  private lastTimestamp = 0
  dhThisTurn = 0
  private readonly dhTokens: TokenBucket.TokenBucket
  private readonly challengeTokens: TokenBucket.TokenBucket
  /** Ends a session with a sealed CLOSE; the protocol sets it. */
  closeSession: (now: number, session: Session, reason: CloseReason, text: string) => void = () => {}
  /** Ends a session because an authentic CLOSE said so; the protocol sets it. */
  closedByPeer: (now: number, session: Session, reason: CloseReason, text: string) => void = () => {}
  /** Forgets a session that never became active, without a word; the protocol sets it. */
  abandon: (now: number, session: Session) => void = () => {}
  /** Asks for new keys; the protocol sets it. */
  wantRekey: (now: number, session: Session) => void = () => {}
  /** Says something at once, and again until the other end has been heard; the protocol sets it. */
  confirm: (now: number, session: Session) => void = () => {}
  /** Makes a session active; the protocol sets it. */
  activate: (now: number, session: Session) => void = () => {}

  constructor(
    readonly limits: Limits,
    readonly services: Services,
    readonly host: Host,
    readonly counters: TransportCounters,
    readonly table: ConnectionTable,
    readonly timers: TimerHeap<Endpoint>
  ) {
    this.dhTokens = TokenBucket.make({ rate: limits.dhPerSecond, burst: limits.dhPerSecond })
    this.challengeTokens = TokenBucket.make({ rate: limits.challengesPerSecond, burst: CHALLENGE_BURST })
    this.queue = new SendQueue(limits.sendQueue, MAX_PACKET_BYTES)
  }

  /** What we tell the other side in messages 2 and 3. */
  ownParameters(connId: number, reserved: number, refusal = -1): Uint8Array {
    return TransportParameters.encode({
      connId,
      refusal,
      maxDatagram: MAX_PACKET_BYTES,
      packetsPerSecond: this.limits.packetsPerSecond
    }, reserved)
  }

  /** Counts a drop by its code. */
  drop(code: number): void {
    this.counters.drops[code]++
  }

  /** Room for one datagram in the outbox, which is handed over first when it is full. */
  reserve(bytes: number): number {
    unsealed.makeRoom()
    const offset = this.host.outbox.reserve(bytes)
    if (offset >= 0) return offset
    this.handOver()
    return this.host.outbox.reserve(bytes)
  }

  handOver(): void {
    if (this.host.outbox.count === 0) return
    unsealed.seal()
    this.host.send()
  }

  /** Ends the sessions whose packets were not sealed; what that brings into the outbox is handed over too. */
  settleUnsealable(now: number): void {
    if (this.unsealable.length === 0) return
    for (const failure of this.unsealable.splice(0)) {
      if ("error" in failure) this.host.onDefect(failure.error)
      else this.closeSession(now, failure.session, "LimitExceeded", "sealing failed")
    }
    this.handOver()
  }

  /** Gives an address id back; what the outbox holds for it goes first, as the id may be another address at once. */
  releaseAddress(id: number): void {
    this.handOver()
    this.host.addresses.release(id)
  }

  /** A number that grows, over restarts too as long as the host's clock does: milliseconds since 1970. */
  timestamp(now: number): number {
    this.lastTimestamp = Math.max(this.lastTimestamp + 1, Math.floor(this.limits.wallEpoch + now))
    return this.lastTimestamp
  }

  /** Whether one more challenge fits this turn and this second; takes it. */
  mayChallenge(now: number): boolean {
    if (this.challengesThisTurn >= this.limits.challengesPerTurn || !this.challengeTokens.take(now)) return false
    this.challengesThisTurn++
    return true
  }

  /** Whether so many Diffie-Hellmans fit this turn; takes them. */
  mayCompute(now: number, count: number): boolean {
    if (this.dhThisTurn + count > this.limits.dhPerTurn) return false
    this.dhThisTurn += count
    this.dhTokens.charge(now, count)
    return true
  }

  /** Half of what may be computed, in this turn or lately, has been. */
  isDhShort(now: number): boolean {
    return this.dhThisTurn * 2 >= this.limits.dhPerTurn || this.dhTokens.tokens(now) * 2 < this.limits.dhPerSecond
  }

  /** Sends bytes as they are (handshake messages, repeated CLOSE). */
  sendBytes(bytes: Uint8Array, addressId: number): void {
    const offset = this.reserve(bytes.length)
    if (offset < 0) return
    this.host.outbox.arena.set(bytes, offset)
    this.host.outbox.commit(bytes.length, addressId)
    this.counters.sentBytes += bytes.length
    this.host.wake()
  }

  /** The same to an address that nothing here stands for. */
  sendToStranger(bytes: Uint8Array, addresses: Uint8Array, addressOffset: number): void {
    // making room hands datagrams over, which ends the life of transient ids: room comes first
    if (this.reserve(bytes.length) < 0) return
    this.sendBytes(bytes, this.host.addresses.transient(addresses, addressOffset))
  }

  /** A deadline of an active session that may be earlier than the one it is waiting for. */
  arm(session: Session, at: number): void {
    if (session.timerIndex < 0 || at < session.timerAt) this.timers.set(session, at)
  }

  /** The session has something to say at the next flush. */
  markReady(session: Session): void {
    if (session.ready) return
    session.ready = true
    this.ready.push(session)
    this.host.wake()
  }

  /**
   * Makes a packet of the plaintext that stands behind the room for a header at `offset` of the outbox, and commits the
   * datagram, to be sealed at the latest when it is handed over. False when the key's hard limit is reached.
   */
  seal(
    now: number,
    session: Session,
    type: number,
    intent: number,
    priority: number,
    offset: number,
    plaintextLength: number,
    addressId = session.addressId
  ): boolean {
    const keys = session.current
    if (keys === undefined || keys.sendSeq >= SEAL_LIMIT) return false
    const arena = this.host.outbox.arena
    const seq = keys.sendSeq++
    session.packetOrder++
    const ack = session.incoming === undefined ? this.limits.firstReliable : session.incoming.nextExpected
    const payloadLength = plaintextLength + TAG_BYTES
    writeHeader(arena, offset, type, intent, priority, session.epoch, payloadLength, session.remoteConnId, seq, ack)
    const length = HEADER_BYTES + payloadLength
    unsealed.commit(this, session, keys.send, seq, length, addressId)
    this.counters.sentBytes += length
    session.packetsSent++
    session.bytesSent += length
    session.lastSent = now
    session.unansweredSince = Infinity
    return true
  }
}

const writeHeader = (
  out: Uint8Array,
  offset: number,
  type: number,
  intent: number,
  priority: number,
  epoch: number,
  payloadLength: number,
  connId: number,
  seq: number,
  ack: number
): void => {
  out[offset] = (WIRE_VERSION << 4) | type
  out[offset + 1] = (intent << 6) | (priority << 3) | (epoch << 1)
  writeU16(out, offset + 2, payloadLength)
  writeU32(out, offset + 4, connId)
  writeU32(out, offset + 8, seq)
  writeU32(out, offset + 12, ack)
}
