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
import { TransportCounters } from "../TransportCounters.js"
import { TransportEvent } from "../TransportEvent.js"
import type { Settings } from "../TransportOptions.js"
import { DeliveryRing } from "./deliveryRing.js"
import type { RingPeer } from "./deliveryRing.js"
import { sumCounters } from "./shardCounters.js"
import { startWorkers } from "./shardLink.js"
import type { ShardLink, ShardMemories, WorkerPlan } from "./shardLink.js"
import { RECORD_INTENT, RECORD_PAYLOAD, RECORD_PEER, RECORD_TIME, WAKE } from "./shardMessages.js"
import type { FromWorker, ToWorker } from "./shardMessages.js"
import { ShardPeer } from "./shardPeer.js"
import { ShardSender } from "./shardSender.js"
import { ShardSessions } from "./shardSessions.js"
import type { ShardWaiting } from "./shardSessions.js"

const { code } = DropReason

/** Milliseconds that one turn hands messages over, looked at after so many of them. */
const TURN_BUDGET = 4
const BETWEEN_CLOCKS = 64
/** Milliseconds that workers have to say CLOSE to everybody. */
const END_WITHIN = 3_000

export interface ShardOutput {
  readonly event: (event: TransportEvent) => void
  /** Asks the program's own authorizer. */
  readonly ask: (publicKey: Uint8Array, address: SocketAddress, done: (admitted: boolean) => void) => void
  readonly log: (level: Extract<FromWorker, { readonly type: "log" }>["level"], text: string) => void
  readonly defect: (where: string, error: unknown) => void
}

type Ready = Extract<FromWorker, { readonly type: "ready" }>

/** Nobody's messages: asks the delivery ring what it has room for. */
const NOBODY = { ringReliable: 0 } as RingPeer

export class ShardHost {
  readonly ring: DeliveryRing
  readonly links: ReadonlyArray<ShardLink>
  /** What the workers and this thread have counted. */
  readonly counters: TransportCounters
  readonly sessions: ShardSessions
  readonly sender: ShardSender
  handler: DeliveryHandler | undefined = undefined
  /** Whether the stream has a consumer. */
  consumed = false
  /** Why the transport is over. */
  ended: IntentraError | "scope" | undefined = undefined
  /** What the first worker said when it was ready. */
  first: Ready | undefined = undefined

  private readonly own = new TransportCounters()
  private readonly memories: ShardMemories
  private readonly replies = new Map<number, (reply: FromWorker | undefined) => void>()
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
    settings: Settings,
    private readonly output: ShardOutput
  ) {
    this.ring = new DeliveryRing(settings.deliveryQueue, settings.deliveryQueueBytes)
    this.memories = startWorkers(count, plan)
    this.links = this.memories.links
    this.sender = new ShardSender(this.own)
    this.sessions = new ShardSessions(
      settings,
      this.memories.identities,
      (link, message) => this.post(link, message),
      output.event
    )
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
    this.sessions.publicKey = first.publicKey
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
    this.sessions.cancelAll(error)
    this.sender.end()
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
    for (const peer of this.sessions.active) this.sessions.retire(peer, "TransportClosed")
    for (const link of this.links) {
      for (const peer of link.byNumber.values()) this.sessions.announce(peer, false, "", peer.unacknowledged)
      link.port.close()
      link.up.wipe()
      link.down.wipe()
    }
    for (const reply of this.replies.values()) reply(undefined)
    this.replies.clear()
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
      this.ring.wake()
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
    let more = false
    up.look()
    for (let next = receiveMessageOnPort(link.port); next !== undefined; next = receiveMessageOnPort(link.port)) {
      // it may tell of what came after the look, and nobody tells of that again
      if (next.message === WAKE) more = true
      else this.handle(link, next.message as FromWorker)
    }
    const start = performance.now()
    let count = 0
    for (let at = up.next(); at >= 0; at = up.next()) {
      this.deliver(link, at)
      if (++count % BETWEEN_CLOCKS === 0 && performance.now() - start >= budget) {
        more = true
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
    this.sender.unblock()
    if (this.ring.size > 0) this.ring.wake()
    if (!more) return
    if (budget === Infinity) this.drain(link, budget)
    else setImmediate(() => this.drain(link))
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
        this.sessions.add(new ShardPeer(this, link, message, performance.now()))
        return this.sender.unblock()
      case "closed": {
        const peer = link.byNumber.get(message.peer)
        link.fading.push({ peer: message.peer, position: message.position })
        if (peer === undefined || peer.link !== link || peer.number !== message.peer) return
        peer.lastStats = message.stats
        this.sessions.retire(peer, message.reason)
        this.sender.unblock()
        // what this end has decided meanwhile goes before what the worker found
        const byPeer = message.byPeer && peer.closeReason === message.reason
        const unacknowledged = message.unacknowledged + ((peer.sent - message.taken) | 0)
        return this.sessions.announce(peer, byPeer, message.text, unacknowledged)
      }
      case "log":
        return this.output.log(message.level, message.text)
      case "overloaded":
        return this.output.event(TransportEvent.Overloaded({ queue: message.queue, dropped: message.dropped }))
      case "connectFailed":
        return this.output.event(TransportEvent.ConnectFailed({ address: message.address, reason: message.reason }))
      case "connected":
        return this.sessions.connected(message.id, link.byNumber.get(message.peer))
      case "refused":
        return this.sessions.refused(message.id, new IntentraError(message.failure))
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
        return this.sender.unblock()
    }
  }

  private post(link: ShardLink, message: ToWorker): void {
    if (!link.ended) link.port.postMessage(message)
  }

  // requests

  close(peer: ShardPeer, reason: CloseReason): void {
    if (this.ended !== undefined) return
    this.sessions.close(peer, reason)
    this.sender.unblock()
  }

  /** Begins a handshake in the next worker; returns what `ShardSessions.connect` does. */
  connect(address: Uint8Array, remoteKey: Uint8Array | undefined, quick: boolean, waiting: ShardWaiting): () => void {
    const link = this.links[this.nextLink++ % this.links.length]
    return this.sessions.connect(this.nextId++, link, address, remoteKey, quick, waiting)
  }

  /** The peer of an active session with this key, if it has been heard lately. */
  livePeer(remoteKey: Uint8Array): Effect.Effect<ShardPeer | undefined> {
    return Effect.suspend(() => {
      const peer = this.sessions.find(remoteKey)
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
    if (Atomics.load(this.memories.hold, 0) === 0 && link.up.mustFeed()) this.sender.wake(link)
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
