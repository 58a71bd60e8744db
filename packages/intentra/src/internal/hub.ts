/** The shell around the protocol: socket, time, deliveries, events. Everything here is synchronous. */
import type { EventLoop, SocketAddress, UdpSocketShape } from "@intentra/udp"
import type { AuthorizerShape } from "../Authorizer.js"
import type { CloseReason } from "../CloseReason.js"
import type { DeliveryHandler } from "../Delivery.js"
import * as DropReason from "../DropReason.js"
import * as Intent from "../Intent.js"
import { IntentraError } from "../IntentraError.js"
import type { SendResult } from "../SendResult.js"
import type { TransportCounters } from "../TransportCounters.js"
import { TransportEvent } from "../TransportEvent.js"
import type { Settings } from "../TransportOptions.js"
import type { ConnectFailure, Host, Services } from "./core.js"
import { UNDECIDED } from "./core.js"
import { DeliveryRing } from "./deliveryRing.js"
import type { Connecting } from "./initiator.js"
import { Protocol } from "./protocol.js"
import { HalfOpen } from "./responder.js"
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
  readonly defect: (error: unknown) => void
}

const FOLD_INTERVAL = 1000
const OVERLOAD_EVENT_INTERVAL = 1000

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
  private lastFold = -Infinity
  private deliveriesDropped = 0
  private overloadEventAt = -Infinity

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
    this.alarm = this.loop.makeAlarm(() => this.turn(() => this.protocol.timeout(this.loop.now())))
    socket.setHandler((batch) => {
      const start = this.loop.now()
      this.inTurn = true
      this.protocol.receive(start, batch)
      this.endTurn(start)
    })
  }

  get outbox() {
    return this.socket.outbox
  }

  get addresses() {
    return this.socket.addresses
  }

  send = (): number => this.socket.send()

  /** Something waits to be flushed: at the end of this turn, or after the I/O of the next. */
  wake = (): void => {
    if (this.inTurn || this.flushScheduled) return
    this.flushScheduled = true
    this.loop.defer(this.flush)
  }

  private readonly flush = (): void => {
    this.flushScheduled = false
    if (this.ended !== undefined) return
    this.turn(() => {})
  }

  /** Runs protocol work outside of a receive, then all that a turn ends with. */
  turn(work: () => void): void {
    if (this.inTurn) return work()
    const start = this.loop.now()
    this.inTurn = true
    work()
    this.endTurn(start)
  }

  private endTurn(start: number): void {
    this.protocol.sender.flush(start)
    this.inTurn = false
    this.arm()
    if (this.ring.size > 0) this.ring.wake()
    const { counters } = this
    counters.turns++
    counters.deliveryBytes = this.ring.bytes
    const end = this.loop.now()
    if (end - start > counters.longestTurnMs) counters.longestTurnMs = end - start
    if (end - this.lastFold >= FOLD_INTERVAL) {
      this.lastFold = end
      this.output.fold()
      this.reportOverload(end)
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

  private reportOverload(now: number): void {
    if (this.deliveriesDropped > 0 && now - this.overloadEventAt >= OVERLOAD_EVENT_INTERVAL) {
      this.overloadEventAt = now
      this.output.event(TransportEvent.Overloaded({ queue: "Deliveries", dropped: this.deliveriesDropped }))
      this.deliveriesDropped = 0
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
    if (!(peer instanceof SessionPeer)) return
    if (this.handler !== undefined) {
      try {
        this.handler(peer, bytes.subarray(offset, offset + length), Intent.fromCode(intent), now)
      } catch (error) {
        this.output.defect(error)
      }
      return
    }
    const dropped = this.ring.push(peer, bytes, offset, length, intent, now)
    if (dropped > 0) {
      this.counters.drops[DropReason.code.DeliveryOverflow] += dropped
      this.deliveriesDropped += dropped
    }
  }

  onActive = (session: Session): void => {
    const peer = new SessionPeer(this, session)
    session.handle = peer
    this.output.event(TransportEvent.PeerConnected({ peer }))
  }

  onClosed = (session: Session, reason: CloseReason, byPeer: boolean, text: string): void => {
    const peer = session.handle
    if (!(peer instanceof SessionPeer)) return
    peer.closeReason = reason
    this.output.event(TransportEvent.PeerClosed({ peer, reason, byPeer, text }))
  }

  onConnected = (connecting: Connecting, session: Session): void => {
    if (session.handle instanceof SessionPeer) (connecting.handle as Waiting).onConnected(session.handle)
  }

  onConnectFailed = (connecting: Connecting, failure: ConnectFailure, closeReason?: CloseReason): void => {
    const address = this.format(connecting)
    const error = new IntentraError({ ...explain(failure, `${address.host}:${address.port}`, closeReason) })
    this.output.event(
      TransportEvent.ConnectFailed({
        address,
        reason: closeReason ?? (failure === "HandshakeTimeout" ? "Timeout" : "AuthFail")
      })
    )
    ;(connecting.handle as Waiting).onFailed(error)
  }

  authorize = (publicKey: Uint8Array, addressId: number, endpoint: HalfOpen | Connecting): number => {
    const verdict = this.authorizer.authorize(publicKey, this.addresses.address(addressId))
    if (typeof verdict === "boolean") return verdict ? 1 : 0
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
    const now = this.loop.now()
    const result = sender.enqueue(now, session, payload, intent, priority, ttl)
    // a burst within one turn leaves in pieces, so that it need not fit the queue
    if (core.queue.count * 2 >= core.limits.sendQueue && !this.inTurn) this.turn(() => {})
    return result
  }

  connect(address: Uint8Array, remoteKey: Uint8Array | undefined, waiting: Waiting): Connecting {
    let connecting: Connecting | undefined
    this.turn(() => {
      connecting = this.protocol.connect(this.loop.now(), address, remoteKey)
      connecting.handle = waiting
    })
    return connecting as unknown as Connecting
  }

  cancel(connecting: Connecting): void {
    if (this.ended === undefined) this.turn(() => this.protocol.cancel(this.loop.now(), connecting))
  }

  close(session: Session, reason: CloseReason): void {
    if (this.ended === undefined) this.turn(() => this.protocol.close(this.loop.now(), session, reason, ""))
  }

  /** Active sessions' peers. */
  peers(): Array<SessionPeer> {
    const peers: Array<SessionPeer> = []
    for (const session of this.protocol.core.byIdentity.values()) {
      if (session.handle instanceof SessionPeer) peers.push(session.handle)
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
    this.alarm.clear()
    this.socket.setHandler(undefined)
    this.output.fold()
    this.ring.wake()
  }

  private format(connecting: Connecting): SocketAddress {
    return this.addresses.address(connecting.addressId)
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
