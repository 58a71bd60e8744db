import type { UdpSocketShape } from "@intentra/udp"
import type { AuthorizerShape } from "../Authorizer.js"
import type { CloseReason } from "../CloseReason.js"
import * as DropReason from "../DropReason.js"
import * as Intent from "../Intent.js"
import type { IntentraError } from "../IntentraError.js"
import { ACCEPTED, OVERLOAD, PAYLOAD_TOO_LARGE, WOULD_BLOCK } from "../SendResult.js"
import type { TransportCounters } from "../TransportCounters.js"
import type { TransportEvent } from "../TransportEvent.js"
import type { Settings } from "../TransportOptions.js"
import type { Services } from "./core.js"
import { Hub } from "./hub.js"
import type { HubOutput } from "./hub.js"
import type { Connecting } from "./initiator.js"
import { MAX_RELIABLE_PAYLOAD, WINDOW } from "./reliable.js"
import type { Session } from "./session.js"
import { SessionPeer } from "./sessionPeer.js"
import { writeCounters } from "./shardCounters.js"
import {
  DATAGRAM_BYTES,
  GRANTED,
  PEER_NUMBERS,
  RECORD_INTENT,
  RECORD_PAYLOAD,
  RECORD_PEER,
  RECORD_PRIORITY,
  RECORD_TIME,
  WAKE
} from "./shardMessages.js"
import type { Failure, FromWorker, ToWorker } from "./shardMessages.js"
import type { ShardRing } from "./shardRing.js"

const { code } = DropReason

/** Messages of the main thread taken between two looks at the clock. */
const BETWEEN_CLOCKS = 64
/** The upward ring keeps an eighth for what an ended session has acknowledged, and can wait nowhere else. */
const LAST_ROOM = 1 / 8

/** Reliable messages on their way to the consumer's queue: all workers' together are a quarter of it at most. */
const RELIABLE_SHARE = 8

/** What a worker's hub shares with the main thread. */
export interface ShardMemory {
  /** Messages received. */
  readonly up: ShardRing
  /** Messages to be sent. */
  readonly down: ShardRing
  readonly peers: Int32Array
  readonly counters: Float64Array
  /** Not 0 while the consumer of deliveries has no room for Reliable. */
  readonly hold: Int32Array
  /** This worker's place counts its sessions. */
  readonly sessions: Int32Array
  readonly index: number
}

/** A session's handle that the main thread knows by a number. */
class NumberedPeer extends SessionPeer {
  /** Reliable messages that the main thread has sent so far, modulo 2^32. */
  taken = 0
  constructor(hub: Hub, session: Session, readonly number: number, readonly slot: number) {
    super(hub, session)
  }
}

export const failureOf = ({ closeReason, detail, reason }: IntentraError): Failure => ({
  reason,
  detail,
  ...(closeReason === undefined ? {} : { closeReason })
})

/** One worker's hub: its messages go to the main thread through a ring, and those to be sent come through another. */
export class ShardHub extends Hub {
  private readonly byNumber = new Map<number, NumberedPeer>()
  private nextNumber = 1
  private readonly freeSlots: Array<number> = []
  private nextSlot = 0
  private readonly spare: number
  /** Reliable messages put into the ring since its consumer was seen to have passed `reliableFrom`. */
  private reliableGiven = 0
  private reliableFrom = 0
  private readonly reliableLimit: number
  private readonly mine = new Map<number, Connecting>()

  constructor(
    socket: UdpSocketShape,
    settings: Settings,
    services: Services,
    authorizer: AuthorizerShape,
    counters: TransportCounters,
    output: Omit<HubOutput, "event" | "fold">,
    private readonly memory: ShardMemory,
    private readonly tell: (message: FromWorker | typeof WAKE) => void
  ) {
    super(socket, settings, services, authorizer, counters, {
      ...output,
      fold: () => {},
      event: (event) => {
        const message = translate(event, memory.up)
        if (message !== undefined) tell(message)
      }
    })
    this.spare = memory.up.capacity * LAST_ROOM
    // the consumer's queue can only say that it is full when it has seen what is on its way there
    this.reliableLimit = Math.max(1, Math.floor(settings.deliveryQueue / (RELIABLE_SHARE * memory.sessions.length)))
    const { onClosed, onRejoined } = this
    this.onRejoined = (session) => {
      onRejoined(session)
      if (session.handle instanceof NumberedPeer) this.note(session.handle)
    }
    this.onClosed = (session, reason, byPeer, text) => {
      onClosed(session, reason, byPeer, text)
      if (session.handle instanceof NumberedPeer) this.forget(session.handle)
    }
    this.onActive = (session) => this.introduce(session)
    this.hasRoom = (_session, length) => this.mayDeliver(RECORD_PAYLOAD + length)
    this.hasLastRoom = () => memory.up.hasRoom(RECORD_PAYLOAD + MAX_RELIABLE_PAYLOAD)
    this.onMessage = (session, bytes, offset, length, intent, now) => {
      const peer = session.handle
      if (!(peer instanceof NumberedPeer)) return
      const { up } = memory
      const spare = intent === Intent.RELIABLE ? 0 : this.spare
      if (intent === Intent.RELIABLE) this.reliableGiven++
      const at = up.reserve(RECORD_PAYLOAD + length, spare)
      if (at < 0) {
        counters.drops[code.DeliveryOverflow]++
        return
      }
      up.view.setUint32(at + RECORD_PEER, peer.number, true)
      up.bytes[at + RECORD_INTENT] = intent
      up.view.setFloat64(at + RECORD_TIME, now, true)
      up.bytes.set(new Uint8Array(bytes.buffer, bytes.byteOffset + offset, length), at + RECORD_PAYLOAD)
    }
  }

  /** The main thread's requests. */
  handle(message: ToWorker): void {
    switch (message.type) {
      case "connect":
        return this.begin(message.id, message.address, message.remoteKey, message.quick)
      case "cancel": {
        const connecting = this.mine.get(message.id)
        this.mine.delete(message.id)
        if (connecting !== undefined) this.cancel(connecting)
        return
      }
      case "close":
        return this.closeNumbered(message.peer, message.reason)
      case "stats":
        return this.tell({ type: "stats", id: message.id, stats: this.byNumber.get(message.peer)?.unsafeStats() })
      case "live": {
        const peer = this.byNumber.get(message.peer)
        return this.tell({
          type: "live",
          id: message.id,
          live: peer !== undefined && this.livePeer(peer.publicKey) === peer
        })
      }
      case "want":
        return this.turn(() => this.grantWhenRoom(message.peer))
    }
  }

  /** The main thread has put messages into the ring, or has made room for some. */
  readonly onWake = (): void => {
    if (this.ended === undefined) this.turn(this.takeSends)
  }

  /** All that was sent before the end goes before it. */
  takeAll(): void {
    this.turn(() => {
      while (this.takeSends()) { /* the rest */ }
    })
  }

  protected override endTurn(start: number): void {
    super.endTurn(start)
    this.show()
  }

  /** Lets the main thread see what this turn has done. */
  private show(): void {
    const { counters, index, sessions, up } = this.memory
    if (up.hasUncommitted) {
      up.commit()
      if (up.mustTell()) this.tell(WAKE)
    }
    writeCounters(this.counters, counters)
    const { active, connecting } = this.protocol.core
    Atomics.store(sessions, index, active.size + connecting.size)
  }

  override end(why: IntentraError | "scope"): void {
    super.end(why)
    this.show()
  }

  /** Whether a Reliable message may go up now; if not, the main thread says when to try again. */
  private mayDeliver(length: number): boolean {
    if (this.mayDeliverNow(length)) return true
    this.memory.up.starve()
    // room that came before the main thread could know that it is waited for
    return this.mayDeliverNow(length)
  }

  private mayDeliverNow(length: number): boolean {
    const { hold, up } = this.memory
    if (this.reliableGiven >= this.reliableLimit && up.isReleased(this.reliableFrom)) {
      this.reliableGiven = 0
      this.reliableFrom = up.position
    }
    return this.reliableGiven < this.reliableLimit && Atomics.load(hold, 0) === 0 && up.hasRoom(length, this.spare)
  }

  private introduce(session: Session): void {
    const { peers } = this.memory
    const slot = this.freeSlots.pop() ?? this.nextSlot++
    if ((slot + 1) * PEER_NUMBERS > peers.length) {
      this.nextSlot--
      return this.close(session, "LimitExceeded")
    }
    const peer = new NumberedPeer(this, session, this.nextNumber++, slot)
    session.handle = peer
    this.byNumber.set(peer.number, peer)
    this.note(peer)
    this.tell({
      type: "active",
      peer: peer.number,
      slot,
      id: peer.id,
      publicKey: peer.publicKey,
      initiator: peer.initiator,
      address: peer.address
    })
  }

  private forget(peer: NumberedPeer): void {
    this.byNumber.delete(peer.number)
    this.freeSlots.push(peer.slot)
  }

  /** Writes down what the main thread wants to know before it sends. */
  private note(peer: NumberedPeer): void {
    const { peers } = this.memory
    const { outgoing } = peer.session
    const at = peer.slot * PEER_NUMBERS
    Atomics.store(peers, at + GRANTED, (peer.taken + (outgoing === undefined ? WINDOW : outgoing.room)) | 0)
    Atomics.store(peers, at + DATAGRAM_BYTES, peer.session.maxDatagram)
  }

  private begin(id: number, address: Uint8Array, remoteKey: Uint8Array | undefined, quick: boolean): void {
    const connecting = this.connect(address, remoteKey, {
      onConnected: (peer) => {
        this.mine.delete(id)
        if (peer instanceof NumberedPeer) this.tell({ type: "connected", id, peer: peer.number })
      },
      onFailed: (error) => {
        this.mine.delete(id)
        this.tell({ type: "refused", id, failure: failureOf(error) })
      }
    }, quick)
    this.mine.set(id, connecting)
  }

  private closeNumbered(number: number, reason: CloseReason): void {
    const peer = this.byNumber.get(number)
    if (peer === undefined) return
    // what was sent before the close goes before it
    this.takeAll()
    this.close(peer.session, reason)
  }

  private grantWhenRoom(number: number): void {
    const peer = this.byNumber.get(number)
    if (peer === undefined) return
    this.onRoom(peer, () => {
      this.note(peer)
      this.tell({ type: "room", peer: number })
    })
  }

  /** Queues messages of the main thread until the turn's time is up. True when there are more. */
  private readonly takeSends = (): boolean => {
    const { down } = this.memory
    const start = this.loop.now()
    let count = 0
    let more = false
    down.look()
    for (let at = down.next(); at >= 0; at = down.next()) {
      this.takeOne(start, at)
      if (++count % BETWEEN_CLOCKS === 0 && this.isTimeUp(start)) {
        more = true
        this.loop.defer(this.onWake)
        break
      }
    }
    down.release()
    if (down.mustFeed()) this.tell(WAKE)
    this.resume()
    return more
  }

  private takeOne(now: number, at: number): void {
    const { down } = this.memory
    const { bytes, view } = down
    const { drops } = this.counters
    const peer = this.byNumber.get(view.getUint32(at + RECORD_PEER, true))
    const expires = view.getFloat64(at + RECORD_TIME, true)
    if (peer === undefined || expires <= now) {
      this.counters.messagesQueued++
      drops[peer === undefined ? code.SessionClosed : code.Expired]++
      return
    }
    const intent = bytes[at + RECORD_INTENT]
    const payload = new Uint8Array(
      bytes.buffer,
      bytes.byteOffset + at + RECORD_PAYLOAD,
      down.length - RECORD_PAYLOAD
    )
    const result = this.enqueue(peer.session, payload, intent, bytes[at + RECORD_PRIORITY], expires - now)
    if (intent === Intent.RELIABLE) peer.taken++
    this.note(peer)
    if (result === ACCEPTED || result === OVERLOAD) return
    this.counters.messagesQueued++
    drops[result === PAYLOAD_TOO_LARGE ? code.PathShrunk : code.SessionClosed]++
    // the main thread sends no more than it was granted: a message of Reliable is lost only with its session
    if (result === WOULD_BLOCK) this.close(peer.session, "LimitExceeded")
  }
}

const numberOf = (peer: unknown): number => peer instanceof NumberedPeer ? peer.number : 0

const translate = (event: TransportEvent, up: ShardRing): FromWorker | undefined => {
  switch (event._tag) {
    case "PeerClosed":
      return event.peer instanceof NumberedPeer
        ? {
          type: "closed",
          peer: event.peer.number,
          reason: event.reason,
          byPeer: event.byPeer,
          text: event.text,
          position: up.position,
          stats: event.peer.unsafeStats(),
          unacknowledged: event.unacknowledged,
          taken: event.peer.taken
        }
        : undefined
    case "PeerRoamed":
      return { type: "roamed", peer: numberOf(event.peer), from: event.from, to: event.to }
    case "PeerRejoined":
      return {
        type: "rejoined",
        peer: numberOf(event.peer),
        address: event.peer.address,
        unacknowledged: event.unacknowledged
      }
    case "Rekeyed":
      return { type: "rekeyed", peer: numberOf(event.peer) }
    case "ConnectFailed":
      return { type: "connectFailed", address: event.address, reason: event.reason }
    case "Overloaded":
      return { type: "overloaded", queue: event.queue, dropped: event.dropped }
    case "PeerConnected":
      return undefined
  }
}
