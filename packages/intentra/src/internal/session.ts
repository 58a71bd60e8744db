import type { PacketKey } from "../PacketCrypto.js"
import type { ReplayWindow } from "../ReplayWindow.js"
import type { StrikeCounter } from "../StrikeCounter.js"
import type { TokenBucket } from "../TokenBucket.js"
import type { Connecting } from "./initiator.js"
import type { Rekeying } from "./rekey.js"
import type { Move } from "./roaming.js"
import type { Timed } from "./timerHeap.js"

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
    readonly serial: number
  ) {}

  destroy(): void {
    this.send.destroy()
    this.receive.destroy()
  }
}

/** A static key as a key of maps: all of its 32 bytes. */
export const identityKeyOf = (identity: Uint8Array): string =>
  Buffer.from(identity.buffer, identity.byteOffset, identity.byteLength).toString("latin1")

export class Session implements Endpoint {
  readonly identityKey: string
  timerAt = 0
  timerIndex = -1
  /** By epoch, two bits. */
  readonly keys: Array<EpochKeys | undefined> = [undefined, undefined, undefined, undefined]
  epoch = 0
  activeSince = 0
  lastReceived: number
  lastSent: number
  /** When the first packet came that nothing was sent after yet; Infinity when none. */
  unansweredSince = Infinity
  /** When the first PING went out that nothing was received after yet; Infinity when none. */
  unheardSince = Infinity
  /** The handshake of ours that is to replace this session, whose other end is silent. */
  rejoining: Connecting | undefined = undefined

  // send queue links, kept by SendQueue
  queueHead = -1
  queueTail = -1
  queued = 0
  queuedSequenced = -1
  ready = false

  // Sequenced numbers
  nextSequenced = 0
  newestSequenced = -1

  // control frames that ride with the next packet
  pingDue = false
  greaseDue = false
  pongDue = false
  pongToken = 0
  pingToken = 0
  pingSentAt = -1
  pingOpen = false

  /** (serial of the epoch, seq) of the newest packet opened, as one number. */
  newestPacket = -1
  /** Of the handshake, until the session is active. */
  handshakeHash: Uint8Array | undefined = undefined
  rekeying: Rekeying | undefined = undefined
  move: Move | undefined = undefined

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
  packetsSent = 0
  packetsReceived = 0
  bytesSent = 0
  bytesReceived = 0
  messagesSent = 0
  messagesReceived = 0
  dropped = 0
  /** RFC 6298, milliseconds; negative before the first sample. */
  smoothedRtt = -1
  rttVariation = 0

  /** The handshake that waits for this session's first authentic packet (initiator only). */
  connecting: Connecting | undefined = undefined

  /** Set by the shell: its handle for the user. */
  handle: unknown = undefined

  constructor(
    readonly connId: number,
    readonly remoteConnId: number,
    readonly initiator: boolean,
    readonly identity: Uint8Array,
    readonly id: string,
    public addressId: number,
    public state: number,
    readonly bucket: TokenBucket,
    readonly forgeries: TokenBucket,
    readonly strikes: StrikeCounter,
    /** The longest datagram to send: the smaller of the path's and the peer's limit. */
    readonly maxDatagram: number,
    now: number
  ) {
    this.identityKey = identityKeyOf(identity)
    this.lastReceived = now
    this.lastSent = now
  }

  /** Exponential averages of RFC 6298 section 2. */
  sampleRtt(rtt: number): void {
    if (this.smoothedRtt < 0) {
      this.smoothedRtt = rtt
      this.rttVariation = rtt / 2
    } else {
      this.rttVariation = 0.75 * this.rttVariation + 0.25 * Math.abs(this.smoothedRtt - rtt)
      this.smoothedRtt = 0.875 * this.smoothedRtt + 0.125 * rtt
    }
  }

  /** What was measured on one path says nothing of another. */
  resetPath(_now: number): void {
    this.smoothedRtt = -1
    this.rttVariation = 0
    this.pingOpen = false
  }

  destroyKeys(): void {
    this.rekeying?.destroy()
    this.rekeying = undefined
    for (let epoch = 0; epoch < 4; epoch++) {
      this.keys[epoch]?.destroy()
      this.keys[epoch] = undefined
    }
  }
}
