import type { CloseReason } from "../CloseReason.js"
import { IntentraError } from "../IntentraError.js"
import { TransportEvent } from "../TransportEvent.js"
import type { Settings } from "../TransportOptions.js"
import { identityKeyOf } from "./session.js"
import { arbitrate } from "./shardIdentities.js"
import { identityPlace } from "./shardLink.js"
import type { ShardLink } from "./shardLink.js"
import type { ToWorker } from "./shardMessages.js"
import type { ShardPeer } from "./shardPeer.js"

/** What a pending `connect` waits for. */
export interface ShardWaiting {
  readonly onConnected: (peer: ShardPeer) => void
  readonly onFailed: (error: IntentraError) => void
}

interface Pending {
  readonly link: ShardLink
  /** The identity that must answer, if one must. */
  readonly identityKey: string | undefined
  readonly waiting: ShardWaiting
}

/** All sessions of all workers, in the one place where they meet, in one order; and those that are being made. */
export class ShardSessions {
  readonly active = new Set<ShardPeer>()
  /** Our static public key. */
  publicKey: Uint8Array = new Uint8Array(0)
  private readonly byIdentity = new Map<string, ShardPeer>()
  private readonly pending = new Map<number, Pending>()

  constructor(
    private readonly settings: Pick<Settings, "maxSessions" | "sameIdentity">,
    /** Sessions by a hash of their identity, for the workers to see. */
    private readonly identities: Int32Array,
    private readonly post: (link: ShardLink, message: ToWorker) => void,
    private readonly event: (event: TransportEvent) => void
  ) {}

  /** A worker has a new session. */
  add(newer: ShardPeer): void {
    const { link, number } = newer
    const identityKey = identityKeyOf(newer.publicKey)
    const older = this.byIdentity.get(identityKey)
    const { maxSessions, sameIdentity } = this.settings
    const isSmaller = Buffer.compare(this.publicKey, newer.publicKey) < 0
    const outcome = older === undefined || older.link === link
      ? "both"
      : arbitrate(older, newer, isSmaller, sameIdentity)
    if (older !== undefined && outcome === "continue") {
      const { link: oldLink, number: oldNumber, unacknowledged } = older
      link.byNumber.set(number, older)
      older.continueIn(newer)
      this.post(oldLink, { type: "close", peer: oldNumber, reason: "Replaced" })
      this.event(TransportEvent.PeerRejoined({ peer: older, unacknowledged }))
      return this.resolve(identityKey, older)
    }
    if (older !== undefined && outcome === "yield") {
      link.byNumber.set(number, older)
      return this.post(link, { type: "close", peer: number, reason: "Replaced" })
    }
    if (older !== undefined && outcome === "replace") this.close(older, "Replaced")
    if (outcome === "refuse" || (this.active.size >= maxSessions && !newer.initiator)) {
      return this.post(link, { type: "close", peer: number, reason: "LimitExceeded" })
    }
    link.byNumber.set(number, newer)
    this.active.add(newer)
    this.byIdentity.set(identityKey, newer)
    Atomics.add(this.identities, identityPlace(identityKey), 1)
    this.event(TransportEvent.PeerConnected({ peer: newer }))
    if (!newer.initiator && !isSmaller) this.resolve(identityKey, newer)
  }

  /** Ends a session from this side. */
  close(peer: ShardPeer, reason: CloseReason): void {
    if (peer.closeReason !== undefined) return
    this.post(peer.link, { type: "close", peer: peer.number, reason })
    this.retire(peer, reason)
  }

  /** A session has ended, or will as soon as its worker hears of it. */
  retire(peer: ShardPeer, reason: CloseReason): void {
    if (!this.active.delete(peer)) return
    peer.closeReason = reason
    const identityKey = identityKeyOf(peer.publicKey)
    Atomics.sub(this.identities, identityPlace(identityKey), 1)
    if (this.byIdentity.get(identityKey) !== peer) return
    this.byIdentity.delete(identityKey)
    if (this.settings.sameIdentity === "replace") return
    // the newest of the others
    for (const other of this.active) {
      if (identityKeyOf(other.publicKey) === identityKey) this.byIdentity.set(identityKey, other)
    }
  }

  /** Tells of a session's end, once. */
  announce(peer: ShardPeer, byPeer: boolean, text: string, unacknowledged: number): void {
    const { closeReason: reason, isAnnounced } = peer
    if (isAnnounced || reason === undefined) return
    peer.isAnnounced = true
    this.event(TransportEvent.PeerClosed({ peer, reason, byPeer, text, unacknowledged }))
  }

  /** The peer of an active session with this key, unless several sessions of one key are allowed. */
  find(publicKey: Uint8Array): ShardPeer | undefined {
    return this.settings.sameIdentity === "allow" ? undefined : this.byIdentity.get(identityKeyOf(publicKey))
  }

  /** Handshakes of ours that are not decided. */
  get connecting(): number {
    return this.pending.size
  }

  /** What it returns is for a caller that lost interest: in the handshake, or in the session that it has become. */
  connect(
    id: number,
    link: ShardLink,
    address: Uint8Array,
    remoteKey: Uint8Array | undefined,
    quick: boolean,
    waiting: ShardWaiting
  ): () => void {
    let connected: ShardPeer | undefined
    this.pending.set(id, {
      link,
      identityKey: remoteKey === undefined ? undefined : identityKeyOf(remoteKey),
      waiting: {
        onConnected: (peer) => {
          connected = peer
          waiting.onConnected(peer)
        },
        onFailed: waiting.onFailed
      }
    })
    this.post(link, { type: "connect", id, address, remoteKey, quick })
    return () => {
      if (connected === undefined) this.cancel(id)
      else this.abandon(connected)
    }
  }

  private cancel(id: number): void {
    const pending = this.pending.get(id)
    if (pending === undefined) return
    this.pending.delete(id)
    this.post(pending.link, { type: "cancel", id })
  }

  /** Nobody will be connected any more. */
  cancelAll(error: IntentraError): void {
    for (const { waiting } of this.pending.values()) waiting.onFailed(error)
    this.pending.clear()
  }

  connected(id: number, peer: ShardPeer | undefined): void {
    const pending = this.pending.get(id)
    this.pending.delete(id)
    if (peer === undefined) pending?.waiting.onFailed(endedAtOnce)
    else if (pending !== undefined) pending.waiting.onConnected(peer)
    // its caller had lost interest before the worker heard of it
    else this.abandon(peer)
  }

  /** Whoever connected this peer lost interest before it was theirs. */
  private abandon(peer: ShardPeer): void {
    if (peer.initiator && peer.holders === 0) this.close(peer, "LocalClosed")
  }

  refused(id: number, error: IntentraError): void {
    const pending = this.pending.get(id)
    if (pending === undefined) return
    this.pending.delete(id)
    const { identityKey, waiting } = pending
    const peer = error.closeReason === "Replaced" && identityKey !== undefined
      ? this.byIdentity.get(identityKey)
      : undefined
    if (peer === undefined) waiting.onFailed(error)
    else waiting.onConnected(peer)
  }

  /** Both ends connect at once, and this session stands: whoever waits for this identity has it. */
  private resolve(identityKey: string, peer: ShardPeer): void {
    if (this.settings.sameIdentity === "allow") return
    for (const [id, pending] of this.pending) {
      if (pending.identityKey !== identityKey || pending.link === peer.link) continue
      this.cancel(id)
      pending.waiting.onConnected(peer)
    }
  }
}

const endedAtOnce = new IntentraError({
  reason: "Refused",
  detail: "the session ended as soon as it began: its identity has another one, or there is no room",
  closeReason: "Replaced"
})
