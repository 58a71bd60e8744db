/** The main thread's end of a transport with workers: deliveries, sends, and the control plane. All synchronous. */
import type { SocketAddress } from "@intentra/udp"
import * as Effect from "effect/Effect"
import { receiveMessageOnPort } from "node:worker_threads"
import type { CloseReason } from "../CloseReason.js"
import type { Delivery, DeliveryHandler } from "../Delivery.js"
import * as DropReason from "../DropReason.js"
import * as Intent from "../Intent.js"
import { IntentraError } from "../IntentraError.js"
import { MAX_PACKET_BYTES } from "../PacketHeader.js"
import type { PeerStats } from "../Peer.js"
import { ACCEPTED, OVERLOAD, PAYLOAD_TOO_LARGE, SESSION_CLOSED, WOULD_BLOCK } from "../SendResult.js"
import type { SendResult } from "../SendResult.js"
import { TransportCounters } from "../TransportCounters.js"
import { TransportEvent } from "../TransportEvent.js"
import type { Settings } from "../TransportOptions.js"
import { DeliveryRing } from "./deliveryRing.js"
import type { RingPeer } from "./deliveryRing.js"
import { identityKeyOf } from "./session.js"
import { sumCounters } from "./shardCounters.js"
import { arbitrate } from "./shardIdentities.js"
import { identityPlace, startWorkers } from "./shardLink.js"
import type { ShardLink, ShardMemories, WorkerPlan } from "./shardLink.js"
import { RECORD_INTENT, RECORD_PAYLOAD, RECORD_PEER, RECORD_PRIORITY, RECORD_TIME, WAKE } from "./shardMessages.js"
import type { FromWorker, Introduction, ToWorker } from "./shardMessages.js"
import { ShardPeer } from "./shardPeer.js"

const { code } = DropReason

/** Milliseconds that one turn hands messages over, looked at after so many of them. */
const TURN_BUDGET = 4
const BETWEEN_CLOCKS = 64
/** Milliseconds that workers have to say CLOSE to everybody. */
const END_WITHIN = 1_000

export interface ShardOutput {
  readonly event: (event: TransportEvent) => void
  /** Asks the program's own authorizer. */
  readonly ask: (publicKey: Uint8Array, address: SocketAddress, done: (admitted: boolean) => void) => void
  readonly log: (level: Extract<FromWorker, { readonly type: "log" }>["level"], text: string) => void
  readonly defect: (where: string, error: unknown) => void
}

type Ready = Extract<FromWorker, { readonly type: "ready" }>

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

/** Nobody's messages: asks the delivery ring what it has room for. */
const NOBODY = { ringReliable: 0 } as RingPeer

export class ShardHost {
  readonly ring: DeliveryRing
  readonly links: ReadonlyArray<ShardLink>
  /** What the workers and this thread have counted. */
  readonly counters: TransportCounters
  readonly active = new Set<ShardPeer>()
  handler: DeliveryHandler | undefined = undefined
  /** Whether the stream has a consumer. */
  consumed = false
  /** Why the transport is over. */
  ended: IntentraError | "scope" | undefined = undefined
  publicKey: Uint8Array = new Uint8Array(0)
  /** What the first worker said when it was ready. */
  first: Ready | undefined = undefined

  private readonly own = new TransportCounters()
  private readonly memories: ShardMemories
  private readonly byIdentity = new Map<string, ShardPeer>()
  private readonly pending = new Map<number, Pending>()
  private readonly replies = new Map<number, (reply: FromWorker | undefined) => void>()
  private readonly blocked = new Set<{ readonly peer: ShardPeer; readonly callback: () => void }>()
  private readonly readied: Array<(index: number, ready: Ready | IntentraError) => void> = []
  private readonly scratch = new Uint8Array(MAX_PACKET_BYTES)
  private reportedDeliveries = 0
  private reportedSends = 0
  private nextId = 1
  private nextLink = 0
  private stopping: Promise<void> | undefined = undefined

  constructor(
    count: number,
    plan: WorkerPlan,
    private readonly settings: Settings,
    private readonly output: ShardOutput
  ) {
    this.ring = new DeliveryRing(settings.deliveryQueue, settings.deliveryQueueBytes)
    this.memories = startWorkers(count, plan)
    this.links = this.memories.links
    this.counters = sumCounters(this.links.map(({ counters }) => counters), this.own)
    for (const link of this.links) {
      link.port.on("message", (message: FromWorker | typeof WAKE) => this.receive(link, message))
      link.worker.on("error", (error) => this.crashed(link, error))
      link.worker.on("exit", (exitCode) => this.crashed(link, `it ended with code ${exitCode}`))
    }
  }

  // starting and ending

  /** Calls back when a worker serves its socket, or cannot. */
  onReady(callback: (index: number, ready: Ready | IntentraError) => void): void {
    this.readied.push(callback)
  }

  /** The first worker has bound its port: the others bind the same. */
  begin(first: Ready): void {
    this.first = first
    this.publicKey = first.publicKey
    for (const link of this.links) if (link.index > 0) this.post(link, { type: "bind", port: first.address.port })
  }

  /** The end: nothing is taken any more. The workers say CLOSE to everybody and are over when the promise resolves. */
  end(why: IntentraError | "scope"): Promise<void> {
    this.stopping ??= this.stop(why)
    return this.stopping
  }

  private async stop(why: IntentraError | "scope"): Promise<void> {
    this.ended = why
    const error = why === "scope"
      ? new IntentraError({ reason: "TransportClosed", detail: "the transport was closed while it connected" })
      : why
    for (const { waiting } of this.pending.values()) waiting.onFailed(error)
    this.pending.clear()
    for (const link of this.links) this.post(link, { type: "end" })
    let timer: NodeJS.Timeout | undefined
    const allEnded = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, END_WITHIN)
      this.whenEnded = () => {
        // whoever has not begun has nobody to say CLOSE to
        if (this.links.every((link) => link.ended || !link.ready)) resolve()
      }
      this.whenEnded()
    })
    await allEnded
    clearTimeout(timer)
    for (const link of this.links) link.ended = true
    await Promise.all(this.links.map(({ worker }) => worker.terminate()))
    for (const link of this.links) this.drain(link, Infinity)
    for (const peer of this.active) this.retire(peer, "TransportClosed")
    for (const link of this.links) {
      for (const peer of link.byNumber.values()) this.announce(peer, false, "", peer.unacknowledged)
      link.port.close()
      link.up.wipe()
      link.down.wipe()
    }
    for (const reply of this.replies.values()) reply(undefined)
    this.replies.clear()
    this.unblock()
    this.ring.wake()
  }

  private whenEnded = (): void => {}

  private crashed(link: ShardLink, cause: unknown): void {
    if (link.ended) return
    link.ended = true
    const text = cause instanceof Error ? cause.message : String(cause)
    const error = new IntentraError({
      reason: "SocketFailed",
      detail: `worker ${link.index} of the transport has died (${text}): all of it ends; make a new one`,
      cause
    })
    if (!link.ready) this.ready(link, error)
    if (this.ended === undefined) {
      this.end(error).catch((defect: unknown) => this.output.defect("ending the workers", defect))
      this.wakeConsumer()
    }
    this.whenEnded()
  }

  private ready(link: ShardLink, outcome: Ready | IntentraError): void {
    for (const callback of this.readied) callback(link.index, outcome)
  }

  // what workers say

  private receive(link: ShardLink, message: FromWorker | typeof WAKE): void {
    if (message === WAKE) this.drain(link)
    else this.handle(link, message)
  }

  /** Hands over what a worker has received; what it said before comes before it. */
  private drain(link: ShardLink, budget = TURN_BUDGET): void {
    const { up } = link
    up.look()
    for (let next = receiveMessageOnPort(link.port); next !== undefined; next = receiveMessageOnPort(link.port)) {
      if (next.message !== WAKE) this.handle(link, next.message as FromWorker)
    }
    const start = performance.now()
    let count = 0
    for (let at = up.next(); at >= 0; at = up.next()) {
      this.deliver(link, at)
      if (++count % BETWEEN_CLOCKS === 0 && performance.now() - start >= budget) {
        setImmediate(() => this.drain(link))
        break
      }
    }
    up.release()
    const { fading } = link
    while (fading.length > 0 && up.hasPassed(fading[0].position)) {
      const faded = fading.shift()
      if (faded !== undefined) link.byNumber.delete(faded.peer)
    }
    this.own.longestTurnMs = Math.max(this.own.longestTurnMs, performance.now() - start)
    this.considerHold()
    this.feed(link)
    this.unblock()
    if (this.ring.size > 0) this.ring.wake()
  }

  private deliver(link: ShardLink, at: number): void {
    const { bytes, length: recordLength, view } = link.up
    const peer = link.byNumber.get(view.getUint32(at + RECORD_PEER, true))
    const length = recordLength - RECORD_PAYLOAD
    if (peer === undefined) {
      this.own.drops[code.SessionClosed]++
      return
    }
    const intent = bytes[at + RECORD_INTENT]
    const receivedAt = view.getFloat64(at + RECORD_TIME, true)
    if (this.handler === undefined) {
      this.own.drops[code.DeliveryOverflow] += this.ring.push(
        peer,
        bytes,
        at + RECORD_PAYLOAD,
        length,
        intent,
        receivedAt
      )
      return
    }
    // a view of memory that is not shared: not everything takes one that is
    const payload = new Uint8Array(this.scratch.buffer, 0, length)
    payload.set(new Uint8Array(bytes.buffer, bytes.byteOffset + at + RECORD_PAYLOAD, length))
    this.callHandler(this.handler, peer, payload, Intent.fromCode(intent), receivedAt)
  }

  private callHandler(handler: DeliveryHandler, ...delivery: Parameters<DeliveryHandler>): void {
    try {
      handler(...delivery)
    } catch (error) {
      this.output.defect("the handler of onDelivery", error)
    }
  }

  private handle(link: ShardLink, message: FromWorker): void {
    switch (message.type) {
      case "ready":
        link.ready = true
        return this.ready(link, message)
      case "failed": {
        const error = new IntentraError(message.failure)
        if (!link.ready) return this.ready(link, error)
        return this.crashed(link, error)
      }
      case "ended":
        link.ended = true
        return this.whenEnded()
      case "active":
        return this.introduce(link, message)
      case "closed": {
        const peer = link.byNumber.get(message.peer)
        link.fading.push({ peer: message.peer, position: message.position })
        if (peer === undefined || peer.link !== link || peer.number !== message.peer) return
        peer.lastStats = message.stats
        this.retire(peer, message.reason)
        // what this end has decided meanwhile goes before what the worker found
        const byPeer = message.byPeer && peer.closeReason === message.reason
        return this.announce(peer, byPeer, message.text, message.unacknowledged + ((peer.sent - message.taken) | 0))
      }
      case "log":
        return this.output.log(message.level, message.text)
      case "overloaded":
        return this.output.event(TransportEvent.Overloaded({ queue: message.queue, dropped: message.dropped }))
      case "connectFailed":
        return this.output.event(TransportEvent.ConnectFailed({ address: message.address, reason: message.reason }))
      case "connected":
        return this.connected(message.id, link.byNumber.get(message.peer))
      case "refused":
        return this.refused(message.id, new IntentraError(message.failure))
      case "stats":
      case "live": {
        const reply = this.replies.get(message.id)
        this.replies.delete(message.id)
        return reply?.(message)
      }
      case "ask":
        return this.output.ask(
          message.publicKey,
          message.address,
          (admitted) => this.post(link, { type: "verdict", id: message.id, admitted })
        )
      default:
        return this.handlePeer(link, message)
    }
  }

  private handlePeer(
    link: ShardLink,
    message: Extract<FromWorker, { readonly type: "roamed" | "rejoined" | "rekeyed" | "room" }>
  ): void {
    const peer = link.byNumber.get(message.peer)
    // the number of a session that another one has continued says nothing of the peer any more
    if (peer === undefined || peer.link !== link || peer.number !== message.peer) return
    switch (message.type) {
      case "roamed":
        peer.address = message.to
        return this.output.event(TransportEvent.PeerRoamed({ peer, from: message.from, to: message.to }))
      case "rejoined":
        peer.address = message.address
        return this.output.event(TransportEvent.PeerRejoined({ peer, unacknowledged: message.unacknowledged }))
      case "rekeyed":
        return this.output.event(TransportEvent.Rekeyed({ peer }))
      case "room":
        peer.wants = false
        return this.unblock()
    }
  }

  private post(link: ShardLink, message: ToWorker): void {
    if (!link.ended) link.port.postMessage(message)
  }

  // sessions

  /** A worker has a new session: the one place where all of them meet, in one order. */
  private introduce(link: ShardLink, introduction: Introduction): void {
    const newer = new ShardPeer(this, link, introduction, performance.now())
    const identityKey = identityKeyOf(newer.publicKey)
    const older = this.byIdentity.get(identityKey)
    const { maxSessions, sameIdentity } = this.settings
    const isSmaller = Buffer.compare(this.publicKey, newer.publicKey) < 0
    const outcome = older === undefined || older.link === link
      ? "both"
      : arbitrate(older, newer, isSmaller, sameIdentity)
    if (older !== undefined && outcome === "continue") {
      const { link: oldLink, number, unacknowledged } = older
      link.byNumber.set(newer.number, older)
      older.continueIn(newer)
      this.post(oldLink, { type: "close", peer: number, reason: "Replaced" })
      this.output.event(TransportEvent.PeerRejoined({ peer: older, unacknowledged }))
      return this.resolve(identityKey, older)
    }
    if (older !== undefined && outcome === "yield") {
      link.byNumber.set(newer.number, older)
      return this.post(link, { type: "close", peer: newer.number, reason: "Replaced" })
    }
    if (older !== undefined && outcome === "replace") {
      this.post(older.link, { type: "close", peer: older.number, reason: "Replaced" })
      this.retire(older, "Replaced")
    }
    if (outcome === "refuse" || (this.active.size >= maxSessions && !newer.initiator)) {
      return this.post(link, { type: "close", peer: newer.number, reason: "LimitExceeded" })
    }
    link.byNumber.set(newer.number, newer)
    this.active.add(newer)
    this.byIdentity.set(identityKey, newer)
    Atomics.add(this.memories.identities, identityPlace(identityKey), 1)
    this.output.event(TransportEvent.PeerConnected({ peer: newer }))
    if (!newer.initiator && !isSmaller) this.resolve(identityKey, newer)
  }

  /** A session has ended, or will as soon as its worker hears of it. */
  private retire(peer: ShardPeer, reason: CloseReason): void {
    if (!this.active.delete(peer)) return
    peer.closeReason = reason
    const identityKey = identityKeyOf(peer.publicKey)
    Atomics.sub(this.memories.identities, identityPlace(identityKey), 1)
    if (this.byIdentity.get(identityKey) === peer) {
      this.byIdentity.delete(identityKey)
      // where several are allowed, the newest of the others
      for (const other of this.active) {
        if (this.settings.sameIdentity === "allow" && identityKeyOf(other.publicKey) === identityKey) {
          this.byIdentity.set(identityKey, other)
        }
      }
    }
    this.unblock()
  }

  private announce(peer: ShardPeer, byPeer: boolean, text: string, unacknowledged: number): void {
    const { closeReason: reason, isAnnounced } = peer
    if (isAnnounced || reason === undefined) return
    peer.isAnnounced = true
    this.output.event(TransportEvent.PeerClosed({ peer, reason, byPeer, text, unacknowledged }))
  }

  close(peer: ShardPeer, reason: CloseReason): void {
    if (this.ended !== undefined || peer.closeReason !== undefined) return
    this.post(peer.link, { type: "close", peer: peer.number, reason })
    this.retire(peer, reason)
  }

  // connecting

  /** Handshakes of ours that are not decided. */
  get connecting(): number {
    return this.pending.size
  }

  /** Begins a handshake in the next worker, and returns a number to cancel it by. */
  connect(address: Uint8Array, remoteKey: Uint8Array | undefined, quick: boolean, waiting: ShardWaiting): number {
    const id = this.nextId++
    const link = this.links[this.nextLink++ % this.links.length]
    this.pending.set(id, {
      link,
      identityKey: remoteKey === undefined ? undefined : identityKeyOf(remoteKey),
      waiting
    })
    this.post(link, { type: "connect", id, address, remoteKey, quick })
    return id
  }

  /** The caller lost interest: in the handshake, or in the session that it has become meanwhile. */
  cancel(id: number): void {
    const pending = this.pending.get(id)
    if (pending === undefined) return
    this.pending.delete(id)
    this.post(pending.link, { type: "cancel", id })
  }

  private connected(id: number, peer: ShardPeer | undefined): void {
    const pending = this.pending.get(id)
    this.pending.delete(id)
    if (peer === undefined) {
      pending?.waiting.onFailed(
        new IntentraError({
          reason: "Refused",
          detail: "the session ended as soon as it began",
          closeReason: "Replaced"
        })
      )
    } else if (pending !== undefined) pending.waiting.onConnected(peer)
    // its caller had lost interest before the worker heard of it
    else if (peer.initiator && peer.holders === 0) this.close(peer, "LocalClosed")
  }

  private refused(id: number, error: IntentraError): void {
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

  /** Both ends connect at once, and the other's session stands: whoever waits for this identity has it. */
  private resolve(identityKey: string, peer: ShardPeer): void {
    if (this.settings.sameIdentity === "allow") return
    for (const [id, pending] of this.pending) {
      if (pending.identityKey !== identityKey || pending.link === peer.link) continue
      this.cancel(id)
      pending.waiting.onConnected(peer)
    }
  }

  /** The peer of an active session with this key, if it has been heard lately. */
  livePeer(remoteKey: Uint8Array): Effect.Effect<ShardPeer | undefined> {
    return Effect.suspend(() => {
      const peer = this.settings.sameIdentity === "allow" ? undefined : this.byIdentity.get(identityKeyOf(remoteKey))
      if (peer === undefined) return Effect.succeed(undefined)
      return Effect.map(
        this.request(peer.link, (id) => ({ type: "live", id, peer: peer.number })),
        (reply) => reply?.type === "live" && reply.live && peer.closeReason === undefined ? peer : undefined
      )
    })
  }

  stats(peer: ShardPeer): Effect.Effect<PeerStats> {
    return Effect.map(
      this.request(peer.link, (id) => ({ type: "stats", id, peer: peer.number })),
      (reply) => (reply?.type === "stats" ? reply.stats : undefined) ?? peer.lastStats ?? NO_STATS
    )
  }

  private request(link: ShardLink, message: (id: number) => ToWorker): Effect.Effect<FromWorker | undefined> {
    return Effect.async((resume) => {
      if (this.ended !== undefined) return resume(Effect.succeed(undefined))
      const id = this.nextId++
      this.replies.set(id, (reply) => resume(Effect.succeed(reply)))
      this.post(link, message(id))
      return Effect.sync(() => this.replies.delete(id))
    })
  }

  // sending

  send(peer: ShardPeer, payload: Uint8Array, intent: number, priority: number, ttl: number): SendResult {
    if (peer.closeReason !== undefined || this.ended !== undefined) return SESSION_CLOSED
    if (payload.length > peer.limitOf(intent)) return PAYLOAD_TOO_LARGE
    const isReliable = intent === Intent.RELIABLE
    if (isReliable && peer.credit <= 0) return WOULD_BLOCK
    const { link } = peer
    const { down } = link
    const at = down.reserve(RECORD_PAYLOAD + payload.length)
    if (at < 0) {
      this.wake(link)
      if (isReliable) return WOULD_BLOCK
      this.own.drops[code.Overload]++
      this.own.messagesQueued++
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

  private wake(link: ShardLink): void {
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

  private want(peer: ShardPeer): void {
    if (peer.credit > 0) peer.link.down.starve()
    else if (!peer.wants) {
      peer.wants = true
      this.post(peer.link, { type: "want", peer: peer.number })
    }
  }

  private unblock(): void {
    if (this.blocked.size === 0) return
    const woken = new Map<ShardPeer, number>()
    for (const waiter of this.blocked) {
      const { peer } = waiter
      if (peer.closeReason === undefined && this.ended === undefined) {
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

  // delivering

  /** Messages go to the handler from now on, those that waited first. */
  setHandler(handler: DeliveryHandler): void {
    for (const { intent, payload, peer, receivedAt } of this.ring.drain()) {
      this.callHandler(handler, peer, payload, intent, receivedAt)
    }
    this.handler = handler
    this.considerHold()
  }

  /** Takes all deliveries that wait; Reliable messages that were held back come after them. */
  takeDeliveries(): Array<Delivery> {
    const drained = this.ring.drain()
    this.considerHold()
    return drained
  }

  /** Reliable waits in the workers while there is no room for it here. */
  private considerHold(): void {
    this.own.deliveryBytes = this.ring.bytes
    const { hold } = this.memories
    const must = this.handler === undefined && !this.ring.hasRoom(NOBODY, MAX_PACKET_BYTES) ? 1 : 0
    if (Atomics.exchange(hold, 0, must) === 1 && must === 0) {
      for (const link of this.links) this.feed(link)
    }
  }

  /** Tells a worker that waits for room above that there is some. */
  private feed(link: ShardLink): void {
    if (Atomics.load(this.memories.hold, 0) === 0 && link.up.mustFeed()) this.wake(link)
  }

  /** Folds the counters into metrics, and says what was dropped here since the last time. */
  everySecond(fold: () => void): void {
    fold()
    const dropped = this.own.drops[code.DeliveryOverflow]
    if (dropped > this.reportedDeliveries) {
      this.output.event(TransportEvent.Overloaded({ queue: "Deliveries", dropped: dropped - this.reportedDeliveries }))
    }
    this.reportedDeliveries = dropped
    const refused = this.own.drops[code.Overload]
    if (refused > this.reportedSends) {
      this.output.event(TransportEvent.Overloaded({ queue: "SendQueue", dropped: refused - this.reportedSends }))
    }
    this.reportedSends = refused
  }

  private wakeConsumer(): void {
    this.unblock()
    this.ring.wake()
  }
}

const NO_STATS: PeerStats = {
  rtt: undefined,
  jitter: 0,
  loss: 0,
  packetsSent: 0,
  packetsReceived: 0,
  bytesSent: 0,
  bytesReceived: 0,
  messagesSent: 0,
  messagesReceived: 0,
  dropped: 0,
  queued: 0,
  unacknowledged: 0,
  retransmitted: 0,
  remoteLoss: undefined,
  remoteMessages: undefined,
  datagramBytes: 0,
  age: 0,
  silence: 0
}
