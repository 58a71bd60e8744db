import type { SocketAddress } from "@intentra/udp"
import * as Effect from "effect/Effect"
import type { CloseReason } from "../CloseReason.js"
import * as Frame from "../Frame.js"
import type { Intent } from "../Intent.js"
import { RELIABLE, SEQUENCED, toCode } from "../Intent.js"
import { TAG_BYTES } from "../PacketCrypto.js"
import { HEADER_BYTES } from "../PacketHeader.js"
import type { PeerStats } from "../Peer.js"
import { SendOptions } from "../SendOptions.js"
import type { SendResult } from "../SendResult.js"
import { PeerHandle } from "./peerHandle.js"
import { MAX_RELIABLE_PAYLOAD, WINDOW } from "./reliable.js"
import type { ShardHost } from "./shardHost.js"
import type { ShardLink } from "./shardLink.js"
import { DATAGRAM_BYTES, GRANTED, PEER_NUMBERS } from "./shardMessages.js"
import type { Introduction } from "./shardMessages.js"

/** The user's handle of a session that a worker has. */
export class ShardPeer extends PeerHandle {
  address: SocketAddress
  /** Who has the session, and what it is called there. */
  link: ShardLink
  number: number
  /** When the session became active. */
  since: number
  /** Reliable messages given to the worker, modulo 2^32. */
  sent = 0
  /** The worker has been asked to say when there is room. */
  wants = false
  /** Its end has been told. */
  isAnnounced = false
  /** How things stood when the session ended. */
  lastStats: PeerStats | undefined = undefined
  private slot: number

  constructor(private readonly host: ShardHost, link: ShardLink, introduction: Introduction, since: number) {
    super(introduction.id, introduction.publicKey, introduction.initiator)
    this.address = introduction.address
    this.link = link
    this.number = introduction.peer
    this.slot = introduction.slot
    this.since = since
  }

  /** Goes on in another session of the same identity. */
  continueIn(other: ShardPeer): void {
    this.address = other.address
    this.link = other.link
    this.number = other.number
    this.slot = other.slot
    this.since = other.since
    this.sent = 0
    this.wants = false
  }

  /** Reliable messages that the worker takes now. */
  get credit(): number {
    return (Atomics.load(this.link.peers, this.slot * PEER_NUMBERS + GRANTED) - this.sent) | 0
  }

  /** Reliable messages of ours that may not have arrived: no more than so many. */
  get unacknowledged(): number {
    return WINDOW - this.credit
  }

  maxPayload(intent: Intent = "Realtime"): number {
    return this.limitOf(toCode(intent))
  }

  limitOf(intent: number): number {
    if (intent === RELIABLE) return MAX_RELIABLE_PAYLOAD
    return Atomics.load(this.link.peers, this.slot * PEER_NUMBERS + DATAGRAM_BYTES) - HEADER_BYTES - TAG_BYTES -
      (intent === SEQUENCED ? Frame.SEQUENCED_OVERHEAD : Frame.REALTIME_OVERHEAD)
  }

  unsafeSend(payload: Uint8Array, options: SendOptions = SendOptions.default): SendResult {
    return this.host.sender.send(this, payload, options.intentCode, options.priority, options.ttlMillis)
  }

  get stats(): Effect.Effect<PeerStats> {
    return this.host.stats(this)
  }

  protected end(reason: CloseReason): Effect.Effect<void> {
    return Effect.sync(() => this.host.close(this, reason))
  }

  protected onRoom(callback: () => void): () => void {
    return this.host.sender.onRoom(this, callback)
  }
}
