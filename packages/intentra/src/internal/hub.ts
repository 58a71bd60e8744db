/** The shell around the protocol: socket, time, deliveries, events. Everything here is synchronous. */
import { Address } from "@intentra/udp"
import type { EventLoop, ReceiveBatch, UdpSocketShape } from "@intentra/udp"
import type { AuthorizerShape } from "../Authorizer.js"
import type { CloseReason } from "../CloseReason.js"
import type { Delivery, DeliveryHandler } from "../Delivery.js"
import * as DropReason from "../DropReason.js"
import * as Intent from "../Intent.js"
import { IntentraError } from "../IntentraError.js"
import type { SendResult } from "../SendResult.js"
import type { TransportCounters } from "../TransportCounters.js"
import { TransportEvent } from "../TransportEvent.js"
import type { Settings } from "../TransportOptions.js"
import type { ConnectFailure, Host, Services } from "./core.js"
import { ADMIT, REFUSE, UNDECIDED } from "./core.js"
import { DeliveryRing } from "./deliveryRing.js"
import { HalfOpen } from "./halfOpen.js"
import type { Connecting } from "./initiator.js"
import { Protocol } from "./protocol.js"
import { Scratch } from "./scratch.js"
import { ACTIVE, identityKeyOf } from "./session.js"
import type { Session } from "./session.js"
import { SessionPeer } from "./sessionPeer.js"

/** What a pending `connect` waits for. */
export interface Waiting {
  readonly onConnected: (peer: SessionPeer) => void
  readonly onFailed: (error: IntentraError) => void
}

export interface HubOutput {
  readonly event: (event: TransportEvent) => void
  /** Runs a user's authorizer and calls back with its verdict. */
  readonly decide: (
    verdict: Exclude<ReturnType<AuthorizerShape["authorize"]>, boolean>,
    done: (admitted: boolean) => void
  ) => void
  readonly fold: () => void
  /** A user's callback threw. */
  readonly defect: (where: string, error: unknown) => void
}

const FOLD_INTERVAL = 1000
/** What is said after so many milliseconds without a turn is not held back for more. */
const REST = 0.5
/** Milliseconds of a turn after which what is left of a batch waits for the next one. */
const TURN_BUDGET = 4
/** A session that has waited longer for anything from its peer may be dead: `connect` makes a new one then. */
const LIVE_WITHIN = 2000

const nothing = (): void => {}

export class Hub implements Host {
  readonly counters: TransportCounters
  readonly ring: DeliveryRing
  readonly protocol: Protocol
  readonly loop: EventLoop.EventLoop
  handler: DeliveryHandler | undefined = undefined
  /** Whether the stream has a consumer. */
  consumed = false
  /** Why the transport is over. */
  ended: IntentraError | "scope" | undefined = undefined

  private readonly alarm: EventLoop.Alarm
  private alarmAt = Infinity
  private flushScheduled = false
  private inTurn = false
  /** When the clock was last read for a send. */
  private sendTime = 0
  private lastTurn = -Infinity
  private lastFold = -Infinity
  private reportedDeliveries = 0
  private reportedSends = 0
  /** While a batch is handled. */
  private scratch: Scratch | undefined = undefined
  private readonly waiting = new Set<Connecting>()
  private readonly blocked = new Set<{ readonly peer: SessionPeer; readonly callback: () => void }>()

  constructor(
    readonly socket: UdpSocketShape,
    settings: Settings,
    services: Services,
    private readonly authorizer: AuthorizerShape,
    counters: TransportCounters,
    private readonly output: HubOutput
  ) {
    this.counters = counters
    this.loop = socket.loop
    this.ring = new DeliveryRing(settings.deliveryQueue, settings.deliveryQueueBytes)
    this.protocol = new Protocol(settings, services, this, this.counters)
    this.alarm = this.loop.makeAlarm(this.onAlarm)
    socket.setHandler(this.onBatch)
  }

  private readonly onBatch = (batch: ReceiveBatch): void => {
    const start = this.loop.now()
    this.inTurn = true
    const scratch = Scratch.take()
    this.scratch = scratch
    try {
      this.protocol.receive(start, batch)
    } finally {
      this.scratch = undefined
      scratch.give()
    }
    this.endTurn(start)
  }

  private readonly onAlarm = (): void => {
    this.alarmAt = Infinity
    this.turn(() => this.protocol.timeout(this.loop.now()))
  }

  get outbox() {
    return this.socket.outbox
  }

  get addresses() {
    return this.socket.addresses
  }

  get maxDatagramBytes() {
    return this.socket.maxDatagramBytes
  }

  send = (): void => {
    const { counters, socket } = this
    socket.send()
    counters.sent = socket.stats.sent
    counters.drops[DropReason.code.SendQueueFull] = socket.stats.sendQueueDropped + socket.stats.sendErrors
  }

  /** What a handler gets is its own during the call only; what waits for the stream stays where it is opened. */
  private get lent(): Scratch | undefined {
    return this.handler === undefined ? undefined : this.scratch
  }

  get room(): Uint8Array {
    return this.lent?.bytes ?? this.ring.slab
  }

  makeRoom = (): number => this.lent === undefined ? this.ring.room() : 0

  isTimeUp = (start: number): boolean => this.loop.now() - start >= TURN_BUDGET

  onDefect = (error: unknown): void => this.output.defect("handling a datagram", error)

  /**
   * Something waits to be flushed: at the end of this turn. Outside of one, after a rest, as soon as the code that runs
   * has said all it has to say; else after the I/O of the next turn, so that what many say goes together.
   */
  wake = (): void => {
    if (this.inTurn || this.flushScheduled) return
    this.flushScheduled = true
    if (this.sendTime - this.lastTurn >= REST) this.loop.soon(this.flush)
    else this.loop.defer(this.flush)
  }

  private readonly flush = (): void => {
    this.flushScheduled = false
    if (this.ended !== undefined) return
    this.turn(nothing)
  }

  /** Runs protocol work outside of a receive, then all that a turn ends with. */
  turn(work: () => void): void {
    if (this.inTurn) return work()
    const start = this.loop.now()
    this.inTurn = true
    try {
      work()
    } finally {
      this.endTurn(start)
    }
  }

  protected endTurn(start: number): void {
    try {
      this.protocol.sender.flush(start)
    } finally {
      this.inTurn = false
    }
    this.arm()
    if (this.ring.size > 0) this.ring.wake()
    if (this.blocked.size > 0) this.unblock()
    const { counters } = this
    counters.turns++
    counters.deliveryBytes = this.ring.bytes
    const end = this.loop.now()
    this.lastTurn = end
    if (end - start > counters.longestTurnMs) counters.longestTurnMs = end - start
    if (end - this.lastFold >= FOLD_INTERVAL) {
      this.lastFold = end
      this.look()
      this.output.fold()
      this.reportOverload()
    }
  }

  /** Takes over what the socket counts by itself. */
  look(): void {
    this.counters.kernelDrops = Math.max(0, this.socket.stats.kernelDrops)
  }

  /** Calls back once when the peer's Reliable window may have room, or the session has ended. */
  onRoom(peer: SessionPeer, callback: () => void): () => void {
    const waiter = { peer, callback }
    this.blocked.add(waiter)
    return () => this.blocked.delete(waiter)
  }

  private unblock(): void {
    const woken = new Map<SessionPeer, number>()
    for (const waiter of this.blocked) {
      const { outgoing, state } = waiter.peer.session
      if (state === ACTIVE && outgoing !== undefined) {
        // no more than there is room for: the others would only wait again
        const count = woken.get(waiter.peer) ?? 0
        if (count >= outgoing.room) continue
        woken.set(waiter.peer, count + 1)
      }
      this.blocked.delete(waiter)
      waiter.callback()
    }
  }

  /** One alarm, moved only when the earliest deadline has become earlier or has passed. */
  private arm(): void {
    const next = this.protocol.nextDeadline
    if (next === this.alarmAt) return
    this.alarmAt = next
    if (next === Infinity) this.alarm.clear()
    else this.alarm.set(next)
  }

  private reportOverload(): void {
    const { drops } = this.counters
    const deliveries = drops[DropReason.code.DeliveryOverflow]
    const sends = drops[DropReason.code.Overload]
    if (deliveries > this.reportedDeliveries) {
      this.output.event(
        TransportEvent.Overloaded({ queue: "Deliveries", dropped: deliveries - this.reportedDeliveries })
      )
      this.reportedDeliveries = deliveries
    }
    if (sends > this.reportedSends) {
      this.output.event(TransportEvent.Overloaded({ queue: "SendQueue", dropped: sends - this.reportedSends }))
      this.reportedSends = sends
    }
  }

  hasRoom = (session: Session, length: number): boolean =>
    this.handler !== undefined || (session.handle !== undefined && this.ring.hasRoom(session.handle, length))

  hasLastRoom = (): boolean => this.handler !== undefined || this.ring.hasLastRoom()

  /** Messages go to the handler from now on, those that waited first. */
  setHandler(handler: DeliveryHandler): void {
    for (const { intent, payload, peer, receivedAt } of this.ring.drain()) {
      try {
        handler(peer, payload, intent, receivedAt)
      } catch (error) {
        this.output.defect("the handler of onDelivery", error)
      }
    }
    this.handler = handler
    this.resume()
  }

  /** Takes all deliveries that wait; Reliable messages that were held back come after them. */
  takeDeliveries(): Array<Delivery> {
    const drained = this.ring.drain()
    this.resume()
    return drained
  }

  /** There is room for what was held back. */
  resume(): void {
    if (this.protocol.core.stalled.size > 0 && this.ended === undefined) {
      this.turn(() => this.protocol.resume(this.loop.now()))
    }
  }

  onMessage = (
    session: Session,
    bytes: Uint8Array,
    offset: number,
    length: number,
    intent: number,
    now: number
  ): void => {
    const peer = session.handle
    if (peer === undefined) return
    if (this.handler !== undefined) {
      try {
        this.handler(peer, this.viewOf(bytes, offset, length), Intent.fromCode(intent), now)
      } catch (error) {
        this.output.defect("the handler of onDelivery", error)
      }
      return
    }
    this.counters.drops[DropReason.code.DeliveryOverflow] += this.ring.push(peer, bytes, offset, length, intent, now)
  }

  private viewOf(bytes: Uint8Array, offset: number, length: number): Uint8Array {
    return bytes === this.scratch?.bytes
      ? this.scratch.viewOf(offset, length)
      : new Uint8Array(bytes.buffer, bytes.byteOffset + offset, length)
  }

  onActive = (session: Session): void => {
    const peer = new SessionPeer(this, session)
    session.handle = peer
    this.output.event(TransportEvent.PeerConnected({ peer }))
  }

  onClosed = (session: Session, reason: CloseReason, byPeer: boolean, text: string): void => {
    const peer = session.handle
    if (peer === undefined) return
    peer.closeReason = reason
    this.output.event(TransportEvent.PeerClosed({ peer, reason, byPeer, text, unacknowledged: session.unacknowledged }))
  }

  onRejoined = (session: Session): void => {
    const peer = session.handle
    if (peer === undefined) return
    peer.session = session
    this.output.event(TransportEvent.PeerRejoined({ peer, unacknowledged: session.unacknowledged }))
  }

  onRekeyed = (session: Session): void => {
    if (session.handle !== undefined) this.output.event(TransportEvent.Rekeyed({ peer: session.handle }))
  }

  onRoamed = (session: Session, from: Uint8Array): void => {
    const peer = session.handle
    if (peer !== undefined) {
      this.output.event(TransportEvent.PeerRoamed({ peer, from: Address.decode(from, 0), to: peer.address }))
    }
  }

  onConnected = (connecting: Connecting, session: Session): void => {
    this.waiting.delete(connecting)
    if (session.handle !== undefined) (connecting.handle as Waiting | undefined)?.onConnected(session.handle)
  }

  onConnectFailed = (connecting: Connecting, failure: ConnectFailure, closeReason?: CloseReason): void => {
    this.waiting.delete(connecting)
    const address = Address.decode(connecting.address, 0)
    const error = new IntentraError(explain(failure, Address.format(connecting.address, 0), closeReason))
    this.output.event(
      TransportEvent.ConnectFailed({
        address,
        reason: closeReason ?? (failure === "HandshakeTimeout" ? "Timeout" : "AuthFail")
      })
    )
    ;(connecting.handle as Waiting).onFailed(error)
  }

  authorize = (publicKey: Uint8Array, addressId: number, endpoint: HalfOpen | Connecting): number => {
    let verdict: ReturnType<AuthorizerShape["authorize"]>
    try {
      verdict = this.authorizer.authorize(publicKey, this.addresses.address(addressId))
    } catch (error) {
      this.output.defect("the authorizer", error)
      return REFUSE
    }
    if (typeof verdict === "boolean") return verdict ? ADMIT : REFUSE
    if (endpoint instanceof HalfOpen) {
      this.output.decide(verdict, (admitted) => {
        if (this.ended === undefined) {
          this.turn(() => this.protocol.verdict(this.loop.now(), endpoint, admitted))
        }
      })
    }
    return UNDECIDED
  }

  enqueue(session: Session, payload: Uint8Array, intent: number, priority: number, ttl: number): SendResult {
    const { core, sender } = this.protocol
    // sends in a row share a reading of the clock; what may expire is timed by itself
    if (!this.flushScheduled || ttl !== Infinity) this.sendTime = this.loop.now()
    const now = this.sendTime
    const result = sender.enqueue(now, session, payload, intent, priority, ttl)
    // a burst within one turn leaves in pieces, so that it need not fit the queue
    if (core.queue.count * 2 >= core.limits.sendQueue) sender.flush(now)
    return result
  }

  /** The peer of an active session with this key that is not waiting for an answer. */
  livePeer(remoteKey: Uint8Array): SessionPeer | undefined {
    const { core } = this.protocol
    const session = core.limits.sameIdentity === "allow" ? undefined : core.byIdentity.get(identityKeyOf(remoteKey))
    return session?.handle !== undefined &&
        this.loop.now() - session.unheardSince < LIVE_WITHIN
      ? session.handle
      : undefined
  }

  connect(address: Uint8Array, remoteKey: Uint8Array | undefined, waiting: Waiting, quick = false): Connecting {
    let connecting: Connecting | undefined
    this.turn(() => {
      connecting = this.protocol.connect(this.loop.now(), address, remoteKey, quick)
      connecting.handle = waiting
      this.waiting.add(connecting)
    })
    return connecting as unknown as Connecting
  }

  /** The caller lost interest: in the handshake, or in the session that it has become meanwhile. */
  cancel(connecting: Connecting): void {
    this.waiting.delete(connecting)
    if (this.ended === undefined) this.turn(() => this.protocol.cancel(this.loop.now(), connecting))
  }

  close(session: Session, reason: CloseReason): void {
    if (this.ended === undefined) this.turn(() => this.protocol.close(this.loop.now(), session, reason, ""))
  }

  /** Active sessions' peers. */
  peers(): Array<SessionPeer> {
    const peers: Array<SessionPeer> = []
    for (const session of this.protocol.core.active) {
      if (session.handle !== undefined) peers.push(session.handle)
    }
    return peers
  }

  /** The end: CLOSE to everybody, then nothing is taken any more. */
  end(why: IntentraError | "scope"): void {
    if (this.ended !== undefined) return
    this.inTurn = true
    this.protocol.sender.flush(this.loop.now())
    this.protocol.shutdown(this.loop.now())
    this.inTurn = false
    this.ended = why
    const error = why === "scope"
      ? new IntentraError({ reason: "TransportClosed", detail: "the transport was closed while it connected" })
      : why
    for (const connecting of this.waiting) (connecting.handle as Waiting).onFailed(error)
    this.waiting.clear()
    this.unblock()
    this.counters.queued = 0
    this.counters.oldestQueuedMs = 0
    this.counters.deliveryBytes = 0
    this.alarm.clear()
    this.socket.setHandler(undefined)
    this.output.fold()
    this.ring.wake()
  }
}

const explain = (
  failure: ConnectFailure,
  address: string,
  closeReason: CloseReason | undefined
): { reason: IntentraError["reason"]; detail: string; closeReason?: CloseReason } => {
  switch (failure) {
    case "HandshakeTimeout":
      return {
        reason: "HandshakeTimeout",
        detail: `nobody answered at ${address} within the handshake's time: ` +
          "is the hub running there, is its public key right, and is UDP let through?"
      }
    case "NotAdmitted":
      return {
        reason: "WrongKey",
        detail: `${address} answered with a static key that this transport's own authorizer does not admit at once`
      }
    case "WrongKey":
      return {
        reason: "WrongKey",
        detail: `${address} answered with another static key than the expected one: check the hub's public key`
      }
    case "SessionLimit":
      return { reason: "SessionLimit", detail: "this transport's session table is full: raise maxSessions" }
    case "Refused":
      return {
        reason: "Refused",
        detail: closeReason === "AuthFail"
          ? `${address} does not admit our key: put our public key on its allow-list`
          : `${address} refused the session (${closeReason ?? "no reason given"})`,
        ...(closeReason === undefined ? {} : { closeReason })
      }
  }
}
