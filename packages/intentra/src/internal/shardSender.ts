import * as DropReason from "../DropReason.js"
import * as Intent from "../Intent.js"
import { MAX_PACKET_BYTES } from "../PacketHeader.js"
import { ACCEPTED, OVERLOAD, PAYLOAD_TOO_LARGE, SESSION_CLOSED, WOULD_BLOCK } from "../SendResult.js"
import type { SendResult } from "../SendResult.js"
import type { TransportCounters } from "../TransportCounters.js"
import type { ShardLink } from "./shardLink.js"
import { RECORD_INTENT, RECORD_PAYLOAD, RECORD_PEER, RECORD_PRIORITY, RECORD_TIME, WAKE } from "./shardMessages.js"
import type { ShardPeer } from "./shardPeer.js"

const { code } = DropReason

/** The way from the main thread to the workers that have the sessions. */
export class ShardSender {
  private isOver = false
  private readonly blocked = new Set<{ readonly peer: ShardPeer; readonly callback: () => void }>()

  constructor(private readonly counters: TransportCounters) {}

  /** Nothing is taken any more. */
  end(): void {
    this.isOver = true
    this.unblock()
  }

  send(peer: ShardPeer, payload: Uint8Array, intent: number, priority: number, ttl: number): SendResult {
    if (peer.closeReason !== undefined || this.isOver) return SESSION_CLOSED
    if (payload.length > peer.limitOf(intent)) return PAYLOAD_TOO_LARGE
    const isReliable = intent === Intent.RELIABLE
    if (isReliable && peer.credit <= 0) return WOULD_BLOCK
    const { link } = peer
    const { down } = link
    const at = down.reserve(RECORD_PAYLOAD + payload.length)
    if (at < 0) {
      this.wake(link)
      if (isReliable) return WOULD_BLOCK
      this.counters.drops[code.Overload]++
      this.counters.messagesQueued++
      return OVERLOAD
    }
    down.view.setUint32(at + RECORD_PEER, peer.number, true)
    down.bytes[at + RECORD_INTENT] = intent
    down.bytes[at + RECORD_PRIORITY] = priority
    down.view.setFloat64(at + RECORD_TIME, ttl === Infinity ? Infinity : performance.now() + ttl, true)
    down.bytes.set(payload, at + RECORD_PAYLOAD)
    down.commit()
    if (isReliable) peer.sent = (peer.sent + 1) | 0
    if (!link.waking) {
      link.waking = true
      queueMicrotask(() => {
        link.waking = false
        this.wake(link)
      })
    } else if (!down.hasRoom(0, down.capacity / 2)) {
      // the turn is long: the worker begins before it ends
      this.wake(link)
    }
    return ACCEPTED
  }

  /** Tells a worker that there is something in its ring, or room in the other, unless it has been told already. */
  wake(link: ShardLink): void {
    if (link.down.mustTell() && !link.ended) link.port.postMessage(WAKE)
  }

  /** Calls back once when Reliable may have room again, or the session has ended. */
  onRoom(peer: ShardPeer, callback: () => void): () => void {
    const waiter = { peer, callback }
    this.blocked.add(waiter)
    this.want(peer)
    // it may have come meanwhile
    queueMicrotask(() => this.unblock())
    return () => this.blocked.delete(waiter)
  }

  /** Lets those go on who wait and need not any more. */
  unblock(): void {
    if (this.blocked.size === 0) return
    const woken = new Map<ShardPeer, number>()
    for (const waiter of this.blocked) {
      const { peer } = waiter
      if (peer.closeReason === undefined && !this.isOver) {
        // no more than there is room for: the others would only wait again
        const count = woken.get(peer) ?? 0
        if (count >= peer.credit || !peer.link.down.hasRoom(RECORD_PAYLOAD + MAX_PACKET_BYTES)) {
          this.want(peer)
          continue
        }
        woken.set(peer, count + 1)
      }
      this.blocked.delete(waiter)
      waiter.callback()
    }
  }

  /** Asks to hear when there is room: in the ring, or in the window of the session. */
  private want(peer: ShardPeer): void {
    const { link } = peer
    if (peer.credit > 0) link.down.starve()
    else if (!peer.wants && !link.ended) {
      peer.wants = true
      link.port.postMessage({ type: "want", peer: peer.number })
    }
  }
}
