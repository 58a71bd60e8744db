import type { PacketKey } from "../PacketCrypto.js"
import type { ReplayWindow } from "../ReplayWindow.js"
import type { StrikeCounter } from "../StrikeCounter.js"
import type { TokenBucket } from "../TokenBucket.js"
import type { Connecting } from "./initiator.js"
import { BASE_MTU } from "./pathMtu.js"
import type { PathMtu } from "./pathMtu.js"
import type { Rekeying } from "./rekey.js"
import type { ReliableReceiver } from "./reliableReceiver.js"
import type { ReliableSender } from "./reliableSender.js"
import type { Move } from "./roaming.js"
import { RttEstimator } from "./rttEstimator.js"
import { PINGS, SessionNumbers } from "./sessionNumbers.js"
import type { NumberRows } from "./sessionNumbers.js"
import type { SessionPeer } from "./sessionPeer.js"
import type { Timed } from "./timerHeap.js"
import { unsealed } from "./unsealed.js"

/** Our handshake, no keys yet. */
export const CONNECTING = 0
/** Somebody else's handshake, past the cookie. */
export const HALF_OPEN = 1
/** Our handshake is written to its end, the other side has not been heard under the new keys. */
export const OPENING = 2
export const ACTIVE = 3
/** Closed, its CLOSE still answers late packets. */
export const CLOSED = 4

/** Whatever a conn_id of ours stands for. */
export interface Endpoint extends Timed {
  readonly connId: number
  state: number
  readonly addressId: number
}

/** One epoch's keys, a counter and a replay window for each. */
export class EpochKeys {
  sendSeq = 0
  failedOpens = 0
  received = 0
  constructor(
    readonly send: PacketKey,
    readonly receive: PacketKey,
    readonly replay: ReplayWindow,
    /** How many rekeys came before. */
    readonly serial: number,
    /** The session's packet order of seq 0. */
    public firstOrder: number
  ) {}

  destroy(): void {
    // packets that are still to be sealed with it are
    unsealed.settle()
    this.send.destroy()
    this.receive.destroy()
  }
}

/** A PING rides with messages when the last one is older. */
export const PING_INTERVAL = 1000
/** An unanswered PING is followed by another one after this at the latest. */
const MAX_PING_WAIT = 3000
const TOKEN_MASK = 0x7fffffff

/** A static key as a key of maps: all of its 32 bytes. */
export const identityKeyOf = (identity: Uint8Array): string =>
  Buffer.from(identity.buffer, identity.byteOffset, identity.byteLength).toString("latin1")

export class Session extends SessionNumbers implements Endpoint {
  // What every packet needs comes first, side by side: with thousands of sessions that take turns, each cache line
  // more is a wait of its own.
  state: number
  /** The keys of the present epoch. */
  current: EpochKeys | undefined = undefined
  private presentEpoch = 0
  readonly bucket: TokenBucket
  addressId: number
  /** Tokens that packets of many messages have cost and the bucket did not have, a whole number. */
  owed = 0
  /** The bucket of failed opens, from the first one on. */
  forgeries: TokenBucket | undefined = undefined
  /** A packet under new keys is awaited: `rekeying` wants to hear of the next ones that open. */
  awaitsNewKeys = false
  // Reliable, both halves; allocated when they are first used
  outgoing: ReliableSender | undefined = undefined
  incoming: ReliableReceiver | undefined = undefined
  /** Set by the shell: its handle for the user. */
  handle: SessionPeer | undefined = undefined
  readonly remoteConnId: number
  /** Looks for a larger path MTU once a datagram has been full. */
  pathMtu: PathMtu | undefined = undefined
  /** Limits the packets with messages to this peer; undefined: no limit. */
  pacer: TokenBucket | undefined = undefined
  // send queue links, kept by SendQueue
  queueHead = -1
  queueTail = -1
  queued = 0
  queuedSequenced = -1
  ready = false
  pingOpen = false
  readonly connId: number
  readonly initiator: boolean
  readonly identity: Uint8Array
  readonly id: string
  /** The longest datagram that both ends take. */
  readonly datagramCeiling: number
  readonly identityKey: string
  /** From the first strike on. */
  strikes: StrikeCounter | undefined = undefined
  timerAt = 0
  timerIndex = -1
  /** By epoch, two bits. */
  readonly keys: ReadonlyArray<EpochKeys | undefined>
  private readonly byEpoch: Array<EpochKeys | undefined> = [undefined, undefined, undefined, undefined]
  /** After one that failed the next one waits as long again. */
  nextRejoinAt = -Infinity
  /** The handshake of ours that is to replace this session, whose other end is silent. */
  rejoining: Connecting | undefined = undefined

  /** When an ACK must go out; Infinity when none is owed. */
  ackAt = Infinity
  ackNow = false
  ackDebt = 0
  /** Held messages are being handed over now. */
  draining = false
  /** Reliable messages that may not have arrived: those of the session that this one replaced, at its end its own. */
  unacknowledged = 0

  probeToken = 0
  /** Size of the datagram that carries the open PING. */
  pingDatagram = 0

  // Sequenced numbers
  nextSequenced = 0
  newestSequenced = -1

  // control frames that ride with the next packet
  pingDue = false
  greaseDue = false
  pongDue = false
  pongToken = 0
  pingToken = 0

  /** Of the handshake, until the session is active. */
  handshakeHash: Uint8Array | undefined = undefined
  rekeying: Rekeying | undefined = undefined
  move: Move | undefined = undefined

  /** When the pacer lets the next packet go; Infinity when nothing waits for it. */
  paceAt = Infinity

  // CLOSE
  closeBytes: Uint8Array | undefined = undefined
  closeSends = 0
  closeAnsweredAt = -Infinity
  closedAt = 0

  /** The start of message 3, to know its repeats (responder only). */
  message3: Uint8Array | undefined = undefined
  message3Answers = 0
  message3AnsweredAt = -Infinity

  // statistics, both directions
  dropped = 0
  /** RFC 6298, milliseconds; negative before the first sample. */
  readonly rtt = new RttEstimator()
  /** What the peer's newest PONG says: packets opened and messages delivered there, of how many packets sent till its PING. */
  remotePackets = -1
  remoteMessages = -1
  packetsAtPing = 0
  packetsAtPong = 0

  /** The handshake that waits for this session's first authentic packet (initiator only). */
  connecting: Connecting | undefined = undefined

  constructor(
    connId: number,
    remoteConnId: number,
    initiator: boolean,
    identity: Uint8Array,
    id: string,
    addressId: number,
    state: number,
    bucket: TokenBucket,
    datagramCeiling: number,
    rows: NumberRows,
    now: number
  ) {
    super(rows, now)
    this.connId = connId
    this.remoteConnId = remoteConnId
    this.initiator = initiator
    this.identity = identity
    this.id = id
    this.addressId = addressId
    this.state = state
    this.bucket = bucket
    this.datagramCeiling = datagramCeiling
    this.keys = this.byEpoch
    this.identityKey = identityKeyOf(identity)
  }

  /** The epoch whose key seals. */
  get epoch(): number {
    return this.presentEpoch
  }
  set epoch(epoch: number) {
    this.presentEpoch = epoch
    this.current = this.byEpoch[epoch]
  }

  keysOf(epoch: number): EpochKeys | undefined {
    return epoch === this.presentEpoch ? this.current : this.byEpoch[epoch]
  }

  setKeys(epoch: number, keys: EpochKeys | undefined): void {
    this.byEpoch[epoch] = keys
    this.current = this.byEpoch[this.presentEpoch]
  }

  /** The longest datagram to send now. */
  get maxDatagram(): number {
    return this.pathMtu === undefined ? BASE_MTU : this.pathMtu.current
  }

  /** Opens a PING and returns its token. */
  ping(now: number): number {
    this.pingToken = (this.pingToken + 1) & TOKEN_MASK
    this.setPingTime(this.pingToken, now)
    this.pingSentAt = now
    this.pingOpen = true
    this.packetsAtPing = this.packetsSent
    if (this.unheardSince === Infinity) this.unheardSince = now
    return this.pingToken
  }

  /** When the PING of this token was sent, -1 when it is none of the latest or was answered before. */
  answeredPing(token: number): number {
    if (((this.pingToken - token) & TOKEN_MASK) >= PINGS) return -1
    const sentAt = this.pingTimeOf(token)
    this.setPingTime(token, -1)
    if (sentAt >= 0) this.pingOpen = false
    return sentAt
  }

  /** When an unanswered PING is given up, and another one should ask; Infinity when all are answered. */
  get pingLostAt(): number {
    return this.pingOpen
      ? this.pingSentAt + Math.max(PING_INTERVAL, Math.min(MAX_PING_WAIT, 2 * this.rtt.rto))
      : Infinity
  }

  /** What was measured on one path says nothing of another. */
  resetPath(now: number): void {
    this.rtt.reset()
    this.outgoing?.resetPath(now)
    this.pathMtu?.reset(now)
    this.pingOpen = false
    this.forgetPings()
  }

  destroyKeys(): void {
    this.rekeying?.destroy()
    this.rekeying = undefined
    for (let epoch = 0; epoch < 4; epoch++) {
      this.keys[epoch]?.destroy()
      this.setKeys(epoch, undefined)
    }
  }
}
