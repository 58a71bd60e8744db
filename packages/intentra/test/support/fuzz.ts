/**
 * A structure-aware fuzzer of the whole transport, over the wire and over the API. Stations talk over a small network of
 * its own, made of one seed, that hands datagrams over in batches; an attacker who has seen every datagram sends changed
 * ones among them, and one station is authenticated and lies. All that must hold, whatever comes, is checked after every
 * step.
 */
import { Entropy, layerNode } from "@intentra/crypto"
import { Address, AddressTable, ReceiveBatch, SendBatch } from "@intentra/udp"
import type { EventLoop, UdpSocketShape } from "@intentra/udp"
import { Context, Deferred, Effect, Exit, FiberId, Layer, Redacted, Scope } from "effect"
import * as CloseReason from "../../src/CloseReason.js"
import * as DropReason from "../../src/DropReason.js"
import * as Frame from "../../src/Frame.js"
import { Handshake } from "../../src/Handshake.js"
import type { HandshakeShape } from "../../src/Handshake.js"
import { HandshakeGate } from "../../src/HandshakeGate.js"
import * as Intent from "../../src/Intent.js"
import { layerConcerns } from "../../src/Intentra.js"
import type { IntentraOptions } from "../../src/Intentra.js"
import * as Wire from "../../src/internal/handshakeMessages.js"
import { Hub } from "../../src/internal/hub.js"
import type { Connecting } from "../../src/internal/initiator.js"
import { HalfOpen } from "../../src/internal/responder.js"
import { ACTIVE, OPENING, Session } from "../../src/internal/session.js"
import type { SessionPeer } from "../../src/internal/sessionPeer.js"
import { PacketCrypto } from "../../src/PacketCrypto.js"
import { HEADER_BYTES } from "../../src/PacketHeader.js"
import { RateLimiter } from "../../src/RateLimiter.js"
import { ReplayGuard } from "../../src/ReplayGuard.js"
import { SendOptions } from "../../src/SendOptions.js"
import { ACCEPTED, WOULD_BLOCK } from "../../src/SendResult.js"
import { Strikes } from "../../src/Strikes.js"
import { TransportCounters } from "../../src/TransportCounters.js"
import * as TransportOptions from "../../src/TransportOptions.js"

const BATCH = 512
const MAX_DATAGRAM = 2048
const TAG_BYTES = 16
const { ADDRESS_BYTES } = Address

/** What a run is made of. */
export interface FuzzOptions {
  readonly seed: number
  /** Datagrams that the attacker sends, at least. */
  readonly datagrams: number
  /** Datagrams of one episode, which begins with fresh stations and ends when nothing is left of them. Default 50,000. */
  readonly episode?: number
}

/** What happened. */
export interface FuzzReport {
  episodes: number
  steps: number
  /** Datagrams that the attacker sent. */
  hostile: number
  /** Datagrams that the stations sent. */
  genuine: number
  /** Messages delivered to stations, each checked. */
  delivered: number
  handshakes: number
  rekeys: number
  moves: number
  strikes: number
  /** Sessions alive at the end of an episode, each of which delivered in both directions. */
  survivors: number
  readonly drops: { [reason: string]: number }
  readonly closes: { [reason: string]: number }
  /** Of every datagram that a station sent: same seed, same hash. */
  hash: number
}

/** A law that did not hold, and where. */
export class FuzzFailure extends Error {
  constructor(readonly seed: number, readonly step: number, what: string, cause?: unknown) {
    super(`seed ${seed}, step ${step}: ${what}`, { cause })
    this.name = "FuzzFailure"
  }
}

/** sfc32. */
class Dice {
  private a: number
  private b = 0x9e3779b9
  private c = 0x243f6a88
  private counter = 1

  constructor(seed: number) {
    this.a = seed | 0
    for (let i = 0; i < 12; i++) this.word()
  }

  word(): number {
    const t = (this.a + this.b + this.counter++) | 0
    this.a = this.b ^ (this.b >>> 9)
    this.b = (this.c + (this.c << 3)) | 0
    this.c = ((this.c << 21) | (this.c >>> 11)) + t | 0
    return t >>> 0
  }

  below(n: number): number {
    return Math.floor((this.word() / 2 ** 32) * n)
  }

  /** Once in `n`. */
  once(n: number): boolean {
    return this.below(n) === 0
  }

  pick<A>(items: ReadonlyArray<A>): A {
    return items[this.below(items.length)]
  }

  fill(out: Uint8Array, from: number, to: number): void {
    for (let i = from; i < to; i++) out[i] = this.word()
  }
}

/** A datagram that a station sent. */
interface Packet {
  at: number
  readonly from: Uint8Array
  readonly to: number
  readonly bytes: Uint8Array
}

/** An address 10.x.y.z:port as one number. */
const keyAt = (bytes: Uint8Array, offset: number): number =>
  ((bytes[offset + 5] << 16) | (bytes[offset + 6] << 8) | bytes[offset + 7]) * 65_536 +
  ((bytes[offset + 2] << 8) | bytes[offset + 3])

const addressOf = (x: number, y: number, z: number, port: number): Uint8Array => {
  const out = new Uint8Array(ADDRESS_BYTES)
  out[0] = 4
  out[2] = port >>> 8
  out[3] = port
  out[4] = 10
  out[5] = x
  out[6] = y
  out[7] = z
  return out
}

const u16 = (bytes: Uint8Array, offset: number): number => (bytes[offset] << 8) | bytes[offset + 1]
const u32 = (bytes: Uint8Array, offset: number): number => (u16(bytes, offset) * 65_536) + u16(bytes, offset + 2)
const put16 = (bytes: Uint8Array, offset: number, value: number): void => {
  bytes[offset] = value >>> 8
  bytes[offset + 1] = value
}
const put32 = (bytes: Uint8Array, offset: number, value: number): void => {
  put16(bytes, offset, value >>> 16)
  put16(bytes, offset + 2, value)
}

/** What a socket does at the end of `send`; it is stripped from the declarations. */
const { endTurn } = AddressTable.prototype as unknown as { readonly endTurn: (this: AddressTable) => void }

/** A socket that hands over what the world puts into its batch. */
class FuzzSocket implements UdpSocketShape {
  readonly kind = "simulated"
  readonly granted = { receiveBufferBytes: 0, sendBufferBytes: 0 }
  readonly maxDatagramBytes = MAX_DATAGRAM
  readonly addresses = new AddressTable()
  readonly outbox = new SendBatch(256, 512 * 1024)
  readonly localAddress
  readonly loop: EventLoop.EventLoop
  readonly closed: UdpSocketShape["closed"] = Deferred.unsafeMake(FiberId.none)
  readonly stats = {
    received: 0,
    receivedBytes: 0,
    sent: 0,
    sentBytes: 0,
    sendQueueDropped: 0,
    sendErrors: 0,
    receiveErrors: 0,
    truncated: 0,
    unhandled: 0,
    kernelDrops: 0
  }
  readonly batch = new ReceiveBatch(BATCH, BATCH * MAX_DATAGRAM)
  /** On their way to this socket. */
  pending: Array<Packet> = []
  private end = 0
  private handler: ((batch: ReceiveBatch) => void) | undefined = undefined

  constructor(private readonly world: World, public address: Uint8Array) {
    this.localAddress = Address.decode(address, 0)
    this.loop = world.loop
  }

  setHandler(handler: ((batch: ReceiveBatch) => void) | undefined): void {
    this.handler = handler
  }

  send(): number {
    const { addresses, outbox, stats } = this
    const { count } = outbox
    let accepted = 0
    for (let i = 0; i < count; i++) {
      const id = outbox.addressIds[i]
      if (!addresses.has(id)) {
        this.world.fail(`a datagram is sent to address id ${id}, which stands for nothing`)
        stats.sendErrors++
        continue
      }
      if (!this.world.quiet && this.world.dice.once(5000)) {
        stats.sendQueueDropped++
        continue
      }
      const to = new Uint8Array(ADDRESS_BYTES)
      addresses.copyTo(id, to, 0)
      stats.sent++
      accepted++
      const start = outbox.offsets[i]
      this.world.carry(this, keyAt(to, 0), outbox.arena.slice(start, start + outbox.lengths[i]))
    }
    outbox.clear()
    endTurn.call(addresses)
    return accepted
  }

  /** Room for a datagram of any length in the batch, where the world writes it before it calls `put`. */
  room(): number {
    if (this.batch.count === BATCH || this.end + MAX_DATAGRAM > this.batch.arena.length) this.flush()
    return this.end
  }

  put(length: number, from: Uint8Array): void {
    const { batch } = this
    const i = batch.count++
    batch.offsets[i] = this.end
    batch.lengths[i] = length
    batch.addresses.set(from, i * ADDRESS_BYTES)
    this.end += Math.min(length, MAX_DATAGRAM)
  }

  flush(): void {
    const { batch, handler } = this
    if (batch.count > 0) handler?.(batch)
    batch.count = 0
    this.end = 0
  }

  deliver(now: number): void {
    const { pending } = this
    if (pending.length === 0) return
    this.pending = []
    for (const packet of pending) {
      if (packet.at > now) {
        this.pending.push(packet)
        continue
      }
      this.batch.arena.set(packet.bytes, this.room())
      this.put(packet.bytes.length, packet.from)
    }
    this.flush()
  }
}

class FuzzAlarm implements EventLoop.Alarm {
  at = Infinity
  constructor(readonly callback: () => void) {}
  set(at: number): void {
    this.at = at
  }
  clear(): void {
    this.at = Infinity
  }
}

/** A user's callback threw, as it may. */
const expected = new Error("a user's handler throws")

/** A transport and its user. */
class Station {
  readonly socket: FuzzSocket
  readonly hub: Hub
  readonly handshake: HandshakeShape
  readonly attempts: Array<Connecting> = []
  isCut = false

  constructor(
    readonly world: World,
    readonly index: number,
    readonly options: IntentraOptions,
    address: Uint8Array,
    life: number
  ) {
    this.socket = new FuzzSocket(world, address)
    const key = Redacted.make(new Uint8Array(32).fill(index + 1))
    const entropy = Entropy.layerSeeded(`${world.seed} ${index} ${life}`)
    const services = Effect.runSync(Layer.buildWithScope(
      Layer.merge(layerConcerns({ ...options, key }), entropy).pipe(Layer.provide(Layer.merge(layerNode, entropy))),
      world.scope
    ))
    this.handshake = Context.get(services, Handshake)
    this.hub = new Hub(
      this.socket,
      Effect.runSync(TransportOptions.check(options)),
      {
        crypto: Context.get(services, PacketCrypto),
        entropy: Context.get(services, Entropy),
        handshake: this.handshake,
        gate: Context.get(services, HandshakeGate).make(),
        rateLimiter: Context.get(services, RateLimiter),
        replayGuard: Context.get(services, ReplayGuard),
        strikes: Context.get(services, Strikes)
      },
      { authorize: () => world.dice.once(8) ? undecided : !world.dice.once(20) },
      new TransportCounters(),
      {
        event: (event) => {
          if (event._tag === "PeerClosed") world.closed(this, event.peer as SessionPeer, event.reason, event.text)
        },
        decide: (_verdict, done) => world.later(world.dice.below(6000), () => done(!world.dice.once(4))),
        fold: () => {},
        defect: (where, error) => {
          if (error !== expected) world.fail(`${where} threw`, error)
        }
      }
    )
    if (options.deliveryQueue !== undefined) return
    this.hub.handler = (peer, payload, intent) => world.delivered(this, peer as SessionPeer, payload, intent)
  }

  get core() {
    return this.hub.protocol.core
  }

  /** What came for the consumer of the stream, where there is one. */
  drain(): void {
    if (this.hub.ring.size === 0) return
    for (const { intent, payload, peer } of this.hub.drain()) {
      this.world.delivered(this, peer as SessionPeer, payload, intent)
    }
  }

  peers(): Array<SessionPeer> {
    return this.hub.peers()
  }

  connect(address: Uint8Array, key: Uint8Array | undefined): void {
    if (this.core.active.size + this.core.connecting.size >= this.core.limits.maxSessions) return
    const forget = (): void => {
      const at = this.attempts.indexOf(connecting)
      if (at >= 0) this.attempts.splice(at, 1)
    }
    const connecting = this.hub.connect(address, key, { onConnected: forget, onFailed: forget })
    this.attempts.push(connecting)
  }
}

const undecided = Effect.succeed(true)

/** The number that mallory and the attacker cannot know. */
const SECRET = 0x5eed1e55
const MAGIC = 0xf0
const OVERHEAD = 20

const checksum = (bytes: Uint8Array, end: number, start: number): number => {
  let h = start
  for (let i = 0; i < end; i++) h = Math.imul(h ^ bytes[i], 0x01000193) ^ (h >>> 15)
  return h >>> 0
}

/** Stations, what is between them, and the attacker. */
class World {
  now = 1000
  readonly dice: Dice
  readonly scope = Effect.runSync(Scope.make())
  readonly loop: EventLoop.EventLoop
  readonly stations: Array<Station> = []
  failure: FuzzFailure | undefined = undefined
  step = 0
  hostile = 0

  private readonly alarms: Array<FuzzAlarm> = []
  private deferred: Array<() => void> = []
  private later_: Array<{ readonly at: number; readonly run: () => void }> = []
  private readonly byAddress = new Map<number, FuzzSocket>()
  private loss = 0
  private duplication = 0
  private latency = 5
  /** What the attacker has seen: handshake datagrams and sealed ones. */
  private readonly seen: [Array<Packet>, Array<Packet>] = [[], []]
  private readonly seenNext = [0, 0]
  /** Challenges that came to the attacker's own addresses. */
  private readonly challenges: Array<Packet> = []
  private readonly lives: Array<number> = []
  private readonly counters: Array<number> = []
  private readonly bits = new Map<number, Uint32Array>()
  private readonly newest = new WeakMap<SessionPeer, number>()
  /** Reliable messages that a session took, and those that its other end delivered. */
  private readonly taken = new WeakMap<Session, number>()
  private readonly arrived = new WeakMap<Session, number>()
  private readonly byId = new Map<string, number>()
  private readonly own = new Uint8Array(MAX_DATAGRAM)
  private readonly source = new Uint8Array(ADDRESS_BYTES)
  /** Nobody does anything any more. */
  quiet = false
  /** Nothing but the attacker harms: no loss, no outage, no move, no restart. */
  private readonly isCalm: boolean
  private addresses = 0

  constructor(readonly seed: number, readonly report: FuzzReport) {
    this.dice = new Dice(seed)
    this.loop = {
      now: () => this.now,
      makeAlarm: (callback) => {
        const alarm = new FuzzAlarm(callback)
        this.alarms.push(alarm)
        return alarm
      },
      defer: (callback) => {
        this.deferred.push(callback)
      }
    }
    const { dice } = this
    this.isCalm = dice.once(3)
    const psk = dice.once(4) ? Redacted.make(new Uint8Array(32).fill(9)) : undefined
    const sameIdentity = dice.pick(["replace", "replace", "allow", "reject"] as const)
    const count = 4 + dice.below(6)
    for (let index = 0; index < count; index++) {
      const options: IntentraOptions = {
        psk,
        allow: "any",
        sameIdentity,
        sendQueue: dice.once(3) ? 16 : 1024,
        maxSessions: dice.once(6) ? 4 : 64,
        ...(dice.once(3) ? { deliveryQueue: 4 + dice.below(60) } : {}),
        replayWindow: dice.once(2) ? 1024 : 8192,
        ...(dice.once(3) ? { gate: { inFlight: 4 + dice.below(20) } } : {}),
        ...(dice.once(4) ? { packetsPerSecond: 100, burst: 20 } : {})
      }
      this.lives.push(0)
      this.open(index, options, this.freshAddress())
    }
    for (const station of this.stations.slice(1)) station.connect(this.hub.socket.address, this.hub.handshake.publicKey)
    this.advance(2000)
  }

  get hub(): Station {
    return this.stations[0]
  }

  /** Authenticated, and a liar. */
  get mallory(): Station {
    return this.stations[1]
  }

  fail(what: string, cause?: unknown): void {
    this.failure ??= new FuzzFailure(this.seed, this.step, what, cause)
  }

  later(delay: number, run: () => void): void {
    this.later_.push({ at: this.now + delay, run })
  }

  private freshAddress(): Uint8Array {
    const n = ++this.addresses
    return addressOf(0, n >>> 8, n & 255, 9000 + this.dice.below(4))
  }

  private open(index: number, options: IntentraOptions, address: Uint8Array): void {
    const station = new Station(this, index, options, address, this.lives[index]++)
    this.stations[index] = station
    this.byId.set(station.handshake.identify(station.handshake.publicKey), index)
    this.byAddress.set(keyAt(address, 0), station.socket)
  }

  /** A station has sent something. */
  carry(from: FuzzSocket, to: number, bytes: Uint8Array): void {
    const { dice, report } = this
    report.genuine++
    report.hash = checksum(bytes, Math.min(bytes.length, 48), report.hash ^ bytes.length ^ to)
    const packet: Packet = { at: this.now + dice.below(this.latency), from: from.address, to, bytes }
    const shelf = (bytes[0] & 15) === 2 ? 0 : 1
    if (this.seen[shelf].length < 512) this.seen[shelf].push(packet)
    else this.seen[shelf][this.seenNext[shelf]++ & 511] = packet
    const socket = this.byAddress.get(to)
    if (socket === undefined) {
      if (bytes[16] === Wire.CHALLENGE && shelf === 0) this.challenges[dice.below(64)] = packet
      return
    }
    if (this.isCut(from) || this.isCut(socket) || dice.below(100) < this.loss) return
    socket.pending.push(packet)
    if (dice.below(100) < this.duplication) socket.pending.push({ ...packet, at: packet.at + dice.below(50) })
  }

  private isCut(socket: FuzzSocket): boolean {
    for (const station of this.stations) if (station.socket === socket) return station.isCut
    return true
  }

  /** Lets time pass: alarms, deferred calls and datagrams on their way, each when it is due. */
  advance(millis: number): void {
    const until = this.now + millis
    for (let rounds = 0;; rounds++) {
      if (this.failure !== undefined) return
      if (rounds > 1_000_000) return this.fail("time does not pass: an alarm is set again and again")
      const deferred = this.deferred
      if (deferred.length > 0) {
        this.deferred = []
        for (const run of deferred) run()
        continue
      }
      let next = Infinity
      for (const alarm of this.alarms) if (alarm.at < next) next = alarm.at
      for (const { at } of this.later_) if (at < next) next = at
      for (const { socket } of this.stations) {
        for (const { at } of socket.pending) if (at < next) next = at
      }
      if (next > until) {
        this.now = until
        return
      }
      // datagrams that come within a millisecond come in one batch
      this.now = Math.max(this.now, Math.min(until, Math.ceil(next)))
      for (const alarm of this.alarms) {
        if (alarm.at > this.now) continue
        alarm.at = Infinity
        alarm.callback()
      }
      const due = this.later_.filter(({ at }) => at <= this.now)
      if (due.length > 0) {
        this.later_ = this.later_.filter(({ at }) => at > this.now)
        for (const { run } of due) run()
      }
      for (const { socket } of this.stations) socket.deliver(this.now)
    }
  }

  /** A message of a legitimate station has a number and a checksum that only stations can make. */
  private message(from: number, to: number, length: number, intent: number, index: number): Uint8Array {
    const payload = new Uint8Array(length)
    if (length < OVERHEAD) return payload.fill(from)
    const pair = from * 64 + to
    const number = this.counters[pair] ?? 0
    this.counters[pair] = number + 1
    payload[0] = MAGIC | intent
    payload[1] = from
    payload[2] = to
    payload[3] = this.lives[from]
    put32(payload, 4, number)
    put32(payload, 8, index)
    for (let i = 12; i < length - 8; i++) payload[i] = number + i
    const sum = checksum(payload, length - 8, SECRET)
    put32(payload, length - 8, sum)
    put32(payload, length - 4, checksum(payload, length - 4, sum ^ SECRET))
    return payload
  }

  delivered(to: Station, peer: SessionPeer, payload: Uint8Array, intent: Intent.Intent): void {
    this.report.delivered++
    const from = this.byId.get(peer.id)
    const { length } = payload
    if (from === undefined) return this.fail(`a message from ${peer.id}, who does not exist`)
    if (from !== 1 && to.index !== 1) {
      if (length < OVERHEAD) {
        for (const byte of payload) if (byte !== from) return this.fail(`a short message of station ${from} is changed`)
      } else {
        const sum = checksum(payload, length - 8, SECRET)
        const isGenuine = sum === u32(payload, length - 8) &&
          checksum(payload, length - 4, sum ^ SECRET) === u32(payload, length - 4)
        if (!isGenuine || payload[1] !== from) return this.fail(`a message of station ${from} is forged or changed`)
        if (payload[2] !== to.index) return this.fail(`station ${to.index} got a message for station ${payload[2]}`)
        const code = payload[0] & 15
        const isSequenced = code === Intent.SEQUENCED
        if (code !== Intent.toCode(intent)) return this.fail(`a message has another intent: ${intent}`)
        const number = u32(payload, 4)
        const pair = from * 64 + to.index
        let bits = this.bits.get(pair)
        if (bits === undefined || bits.length * 32 <= number) {
          const larger = new Uint32Array(Math.max(64, (number >>> 4) + 1))
          if (bits !== undefined) larger.set(bits)
          this.bits.set(pair, bits = larger)
        }
        if (((bits[number >>> 5] >>> (number & 31)) & 1) === 1) {
          return this.fail(`message ${number} of station ${from} came twice to station ${to.index}`)
        }
        bits[number >>> 5] |= 1 << (number & 31)
        if (isSequenced) {
          if (number <= (this.newest.get(peer) ?? -1)) {
            return this.fail(`Sequenced went back to ${number} between stations ${from} and ${to.index}`)
          }
          this.newest.set(peer, number)
        } else if (code === Intent.RELIABLE) {
          const next = this.arrived.get(peer.session) ?? 0
          const index = u32(payload, 8)
          if (index !== next) {
            return this.fail(`Reliable ${index} came from station ${from} to station ${to.index} instead of ${next}`)
          }
          this.arrived.set(peer.session, next + 1)
        }
      }
    }
    if (this.quiet || to.hub.handler === undefined) return
    if (this.dice.once(100)) this.send(to, peer, "Realtime")
    if (this.dice.once(4000)) to.hub.close(peer.session, "LocalClosed")
    if (this.dice.once(5000)) throw expected
  }

  /** A session of honest stations ends by them alone; the weather may end it too, the attacker never. */
  closed(station: Station, peer: SessionPeer, reason: CloseReason.CloseReason, text: string): void {
    const other = this.byId.get(peer.id)
    if (station.index === 1 || other === 1) return
    // an initiator that gave up while the authorizer thought leaves a session that nobody ever speaks in
    if (peer.session.packetsReceived === 0) return
    const isHarm = reason === "ProtocolViolation" ||
      (this.isCalm && (reason === "Timeout" || reason === "LimitExceeded"))
    if (isHarm) this.fail(`the session of station ${station.index} with ${other}: ${reason} (${text})`)
  }

  private send(from: Station, peer: SessionPeer, intent: Intent.Intent, plain = false): number {
    const { dice } = this
    const to = this.byId.get(peer.id)
    if (to === undefined) return ACCEPTED
    const largest = peer.maxPayload(intent)
    const length = plain
      ? 64
      : dice.once(20)
      ? largest - 2 + dice.below(4)
      : dice.once(10)
      ? (intent === "Reliable" ? OVERHEAD : 0) + dice.below(largest - OVERHEAD)
      : OVERHEAD + dice.below(120)
    const options = SendOptions.make({
      intent,
      priority: dice.below(8),
      ...(!plain && intent !== "Reliable" && dice.once(6) ? { ttl: 1 + dice.below(40) } : {})
    })
    const { session } = peer
    const index = this.taken.get(session) ?? 0
    const result = peer.unsafeSend(this.message(from.index, to, length, options.intentCode, index), options)
    if (result === ACCEPTED && intent === "Reliable") this.taken.set(session, index + 1)
    return result
  }

  /** One thing that a user, an operator or the weather does. */
  act(): void {
    const { dice, hub, stations } = this
    const station = dice.pick(stations)
    const peers = station.peers()
    const roll = dice.below(1000)
    if (roll < 700) {
      if (peers.length > 0) {
        const peer = dice.pick(peers)
        const most = dice.once(20) ? 300 : 6
        for (let i = dice.below(most); i >= 0; i--) this.send(station, peer, dice.pick(INTENTS))
      }
    } else if (roll < 780) { for (const peer of peers) this.send(station, peer, "Realtime") }
    else if (roll < 880) {
      // to the hub for the most part: whoever lost the session comes again
      const target = dice.once(5) ? dice.pick(stations) : hub
      const isKnown = station.peers().some(({ id }) => this.byId.get(id) === target.index)
      if (!isKnown || dice.once(10)) {
        const key = dice.once(12) ? undefined : dice.once(30) ? this.mallory.handshake.publicKey : target.handshake
          .publicKey
        station.connect(dice.once(40) ? this.freshAddress() : target.socket.address, key)
        if (dice.once(4)) target.connect(station.socket.address, station.handshake.publicKey)
      }
    } else if (roll < 895) {
      if (station.attempts.length > 0) station.hub.cancel(dice.pick(station.attempts))
    } else if (roll < 905) {
      if (peers.length > 0) {
        const peer = dice.pick(peers)
        station.hub.close(peer.session, dice.pick(["LocalClosed", "AuthFail"] as const))
        if (this.send(station, peer, "Realtime", true) === ACCEPTED) this.fail("a closed session took a message")
      }
    } else if (this.isCalm && roll < 983) return
    else if (roll < 915) station.isCut = station !== hub || dice.once(4)
    else if (roll < 940) { for (const one of stations) one.isCut = false }
    else if (roll < 960) {
      this.loss = dice.once(2) ? 0 : dice.below(30)
      this.duplication = dice.once(2) ? 0 : dice.below(20)
      this.latency = 1 + dice.below(dice.once(4) ? 300 : 20)
    } else if (roll < 980) this.rebind(station)
    else if (roll < 983) this.restart(station)
    else if (roll < 990) this.advance(dice.below(3000))
    else if (roll < 994) this.advance(dice.below(30_000))
    else if (roll < 995) this.advance(dice.below(200_000))
    else this.lie()
  }

  /** Its NAT gives a station another address; the old one may go to another station. */
  private rebind(station: Station): void {
    const old = station.socket.address
    const address = this.freshAddress()
    this.byAddress.delete(keyAt(old, 0))
    this.byAddress.set(keyAt(address, 0), station.socket)
    station.socket.address = address
    const other = this.dice.pick(this.stations)
    if (other === station || !this.dice.once(4)) return
    this.byAddress.delete(keyAt(other.socket.address, 0))
    this.byAddress.set(keyAt(old, 0), other.socket)
    other.socket.address = old
  }

  /** The process dies without a word and comes again. */
  private restart(station: Station): void {
    station.socket.setHandler(undefined)
    for (const alarm of this.alarms) if (alarm.at < Infinity && this.isOf(alarm, station)) alarm.clear()
    this.gather(station)
    this.open(station.index, station.options, station.socket.address)
  }

  private isOf(alarm: FuzzAlarm, station: Station): boolean {
    return alarm.callback === station.hub["onAlarm"]
  }

  /** The sums of a station that ends. */
  private gather(station: Station): void {
    const { counters } = station.hub
    const { report } = this
    report.handshakes += counters.handshakes
    report.rekeys += counters.rekeys
    report.moves += counters.moves
    report.strikes += counters.strikes
    for (const reason of DropReason.all) {
      const count = counters.dropped(reason)
      if (count > 0) report.drops[reason] = (report.drops[reason] ?? 0) + count
    }
    for (const reason of CloseReason.all) {
      const count = counters.closes[CloseReason.toCode(reason)]
      if (count > 0) report.closes[reason] = (report.closes[reason] ?? 0) + count
    }
  }

  /** A burst of the attacker's datagrams at one station. */
  attack(): void {
    const { dice, stations } = this
    const target = dice.once(3) ? dice.pick(stations) : this.hub
    for (let i = dice.below(BATCH); i >= 0; i--) this.strike(target)
    target.socket.deliver(this.now)
    target.socket.flush()
  }

  /** Something that was on its way to this station, for the most part. */
  private captured(target: Station): Packet | undefined {
    const { dice } = this
    const shelf = this.seen[dice.once(3) ? 0 : 1]
    if (shelf.length === 0) return undefined
    const to = keyAt(target.socket.address, 0)
    let packet = dice.pick(shelf)
    for (let i = dice.below(4); i > 0 && packet.to !== to; i--) packet = dice.pick(shelf)
    return packet
  }

  /** Somewhere: where the captured datagram came from, where another station is, or anywhere. */
  private from(packet: Packet | undefined): Uint8Array {
    const { dice, source } = this
    const roll = dice.below(4)
    if (roll < 2 && packet !== undefined) return packet.from
    if (roll === 2) return dice.pick(this.stations).socket.address
    source.set(addressOf(200 + dice.below(4), dice.word(), dice.word(), 1024 + dice.below(60_000)))
    return source
  }

  /** One datagram of the attacker's. */
  private strike(target: Station): void {
    const { dice } = this
    const { socket } = target
    const { arena } = socket.batch
    const at = socket.room()
    const packet = this.captured(target)
    const roll = dice.below(100)
    let from = this.from(packet)
    let length: number
    if (packet === undefined || roll < 6) {
      length = dice.below(dice.once(10) ? MAX_DATAGRAM + 80 : 120)
      dice.fill(arena, at, at + Math.min(length, MAX_DATAGRAM))
      if (dice.once(2)) arena[at] = 0x20 | dice.pick([0, 1, 2, 3])
      if (dice.once(2) && length <= MAX_DATAGRAM) put16(arena, at + 2, Math.max(0, length - HEADER_BYTES))
    } else if (roll < 12) {
      length = this.hello(target, arena, at)
    } else if (roll < 17) {
      const challenge = dice.pick(this.challenges)
      length = this.echo(target, challenge, arena, at)
      if (challenge !== undefined && !dice.once(8)) {
        // the cookie is of the address that the challenge went to
        const { to } = challenge
        from = addressOf(
          Math.floor(to / 2 ** 32),
          Math.floor(to / 2 ** 24) & 255,
          Math.floor(to / 65_536) & 255,
          to % 65_536
        )
      }
    } else {
      length = packet.bytes.length
      arena.set(packet.bytes, at)
      length = this.change(target, arena, at, length, roll)
    }
    if (at + length > arena.length) length = arena.length - at
    socket.put(length, from)
    this.hostile++
  }

  /** Changes a captured datagram where it lies; returns its new length. */
  private change(target: Station, arena: Uint8Array, at: number, given: number, roll: number): number {
    const { dice } = this
    let length = given
    if (roll < 30) return length
    if (roll < 45) {
      for (let i = dice.below(8); i >= 0; i--) arena[at + dice.below(length)] ^= 1 << dice.below(8)
    } else if (roll < 55) {
      length = dice.below(length)
    } else if (roll < 60) {
      const end = Math.min(MAX_DATAGRAM, length + 1 + dice.below(64))
      dice.fill(arena, at + length, at + end)
      length = end
    } else if (roll < 66) {
      const other = this.captured(target)
      if (other !== undefined) {
        const cut = dice.below(length)
        const rest = other.bytes.subarray(dice.below(other.bytes.length)).subarray(0, MAX_DATAGRAM - cut)
        arena.set(rest, at + cut)
        length = cut + rest.length
      }
    } else if (length >= HEADER_BYTES) {
      for (let i = dice.below(3); i >= 0; i--) this.editField(target, arena, at, length)
    }
    if (length >= HEADER_BYTES && dice.below(4) > 0) put16(arena, at + 2, length - HEADER_BYTES)
    const isPadded = length === Wire.PADDED_BYTES && (arena[at] & 15) === 2
    if (isPadded && dice.below(3) > 0) this.remac(target, arena, at)
    return length
  }

  private editField(target: Station, arena: Uint8Array, at: number, length: number): void {
    const { dice } = this
    switch (dice.below(11)) {
      case 0:
        arena[at] = (arena[at] & 15) | (dice.below(16) << 4)
        break
      case 1:
        arena[at] = (arena[at] & 0xf0) | dice.below(dice.once(4) ? 16 : 4)
        break
      case 2:
        arena[at + 1] = dice.word()
        break
      case 3:
        // another epoch
        arena[at + 1] = (arena[at + 1] & ~6) | (dice.below(4) << 1)
        break
      case 4:
        put16(arena, at + 2, dice.word())
        break
      case 5:
      case 6:
        put32(arena, at + 4, this.knownId(target))
        break
      case 7:
        put32(arena, at + 8, (u32(arena, at + 8) + dice.below(20) - 10) >>> 0)
        break
      case 8:
        put32(arena, at + 8, dice.once(2) ? dice.word() : 0xffffffff)
        break
      case 9:
        put32(arena, at + 12, dice.word())
        break
      case 10:
        if (length > 24) arena[at + 16 + dice.below(8)] = dice.once(2) ? dice.below(7) : dice.word()
        break
    }
  }

  /** A conn_id that the target gave. */
  private knownId(target: Station): number {
    const { dice } = this
    const size = target.core.table.size
    if (size === 0 || dice.once(20)) return dice.word()
    let skip = dice.below(Math.min(size, 32))
    for (const { connId } of target.core.table.values()) if (skip-- === 0) return connId
    return 0
  }

  /** mac1 anew, as anybody can who knows the target's public key. */
  private remac(target: Station, arena: Uint8Array, at: number): void {
    const isPinned = (arena[at + Wire.FLAGS] & Wire.PINNED_FLAG) !== 0
    const end = Wire.fixedEnd(arena, at, arena[at + Wire.KIND])
    if (end < 0) return
    const mac1 = this.macOf(target, isPinned)
    arena.set(mac1(arena.subarray(at, at + end)).subarray(0, Wire.MAC1_BYTES), at + Wire.MAC1)
  }

  private macOf(target: Station, isPinned: boolean): (data: Uint8Array) => Uint8Array {
    const { handshake } = this.mallory
    return handshake.mac1(isPinned && !handshake.hasPsk ? target.handshake.publicKey : undefined)
  }

  /** A hello that is right in everything, from an address that does not exist. */
  private hello(target: Station, arena: Uint8Array, at: number): number {
    const { dice } = this
    const { handshake } = this.mallory
    const isPinned = !handshake.hasPsk && !dice.once(3)
    const nonce = new Uint8Array(Wire.NONCE_BYTES)
    dice.fill(nonce, 0, nonce.length)
    const mac1 = this.macOf(target, isPinned)
    arena.set(Wire.encodeHello(isPinned, handshake.pattern, dice.word(), nonce, mac1), at)
    // the echo needs the hello again: the nonce finds it
    this.hellos.set(u32(nonce, 0), arena.slice(at, at + Wire.HELLO_FIXED_END))
    if (this.hellos.size > 256) {
      for (const oldest of this.hellos.keys()) {
        this.hellos.delete(oldest)
        break
      }
    }
    return Wire.PADDED_BYTES
  }

  private readonly hellos = new Map<number, Uint8Array>()

  /** An echo with a genuine cookie and any Noise message 1. */
  private echo(target: Station, challenge: Packet | undefined, arena: Uint8Array, at: number): number {
    const { dice } = this
    const hello = challenge === undefined ? undefined : this.hellos.get(u32(challenge.bytes, Wire.CHALLENGE_NONCE))
    if (challenge === undefined || hello === undefined) return this.hello(target, arena, at)
    const isPinned = (hello[Wire.FLAGS] & Wire.PINNED_FLAG) !== 0
    const message1 = new Uint8Array(dice.once(6) ? dice.below(1000) : 32)
    if (!dice.once(10)) dice.fill(message1, 0, message1.length)
    const cookie = challenge.bytes.subarray(Wire.CHALLENGE_COOKIE, Wire.CHALLENGE_COOKIE + Wire.COOKIE_BYTES)
    arena.set(Wire.encodeEcho(hello, cookie, message1, this.macOf(target, isPinned)), at)
    return Wire.PADDED_BYTES
  }

  /** Packets that authenticate, of frames that no honest peer makes. */
  lie(): void {
    const { dice, mallory, own } = this
    for (const session of mallory.core.active) {
      const target = this.stations.find(({ handshake }) => handshake.identify(handshake.publicKey) === session.id)
      const keys = session.keys[session.epoch]
      if (target === undefined || keys === undefined) continue
      for (let i = dice.below(dice.once(20) ? 600 : 24); i >= 0; i--) {
        let end = HEADER_BYTES
        for (let frames = dice.below(6); frames >= 0 && end < 1100; frames--) {
          const type = dice.once(5) ? dice.below(256) : dice.pick(FRAMES)
          const body = dice.once(2) ? (BODIES.get(type) ?? dice.below(40)) : dice.below(dice.once(9) ? 400 : 80)
          end = Frame.begin(own, end, type, dice.once(16) ? dice.word() & 0xffff : body)
          dice.fill(own, end, end + body)
          if (type === Frame.REKEY && body > 2 && !dice.once(4)) {
            own[end] = 1 + dice.below(2)
            own[end + 1] = (session.epoch + dice.below(2)) & 3
          }
          if (type === Frame.RELIABLE || type === Frame.ACK) put32(own, end, dice.below(dice.once(4) ? 600 : 12))
          if (type === Frame.ACK && body >= 25) {
            put32(own, end + 4, 200 + dice.below(200))
            own[end + 8] = session.epoch
            put32(own, end + 9, dice.below(keys.sendSeq + 2))
            put32(own, end + 17, dice.below(40))
            put32(own, end + 21, dice.below(60))
          }
          end += body
        }
        if (dice.once(20)) end = HEADER_BYTES
        const seq = dice.once(40) ? dice.word() : dice.once(20) ? dice.below(2000) : keys.sendSeq++
        own[0] = 0x20 | dice.pick([0, 0, 3, 3, 1])
        own[1] = (dice.below(3) << 6) | (dice.below(8) << 3) | (session.epoch << 1)
        put16(own, 2, end - HEADER_BYTES + TAG_BYTES)
        put32(own, 4, session.remoteConnId)
        put32(own, 8, seq)
        put32(own, 12, dice.once(10) ? dice.word() : dice.below(3))
        const length = keys.send.seal(own, 0, end - HEADER_BYTES, seq)
        if (length < 0) continue
        target.socket.batch.arena.set(own.subarray(0, length), target.socket.room())
        target.socket.put(length, dice.once(6) ? this.from(undefined) : mallory.socket.address)
        this.hostile++
      }
      target.socket.flush()
      if (dice.once(3)) return
    }
  }

  /** Everything that must hold between two turns. */
  check(): void {
    for (const station of this.stations) {
      station.drain()
      this.checkStation(station)
    }
  }

  private checkStation(station: Station): void {
    const { core, hub, index } = station
    const { counters } = hub
    const law = (holds: boolean, what: () => string): void => {
      if (!holds) this.fail(`station ${index}: ${what()}`)
    }
    const equal = (what: string, found: number, wanted: number): void =>
      law(found === wanted, () => `${what}: ${found}, but ${wanted} was expected`)
    let sum = counters.undecided
    for (const count of counters.accepted) sum += count
    for (let code = 0; code < DropReason.code.Stale; code++) sum += counters.drops[code]
    equal("datagrams accepted, dropped or undecided", sum, counters.received)
    equal("defects", counters.dropped("Defect"), 0)
    let messages = counters.messagesSent + core.queue.count + core.unsentReliable
    for (const reason of OUTGOING) messages += counters.dropped(reason)
    // expired and overloaded ones are moved to the counters by the next flush
    equal("messages", messages + core.queue.expired + core.queue.overloaded, counters.messagesQueued)

    let sessions = 0
    let opening = 0
    let moves = 0
    let halfOpen = 0
    let waiting = 0
    let queued = 0
    let active = 0
    for (const endpoint of core.table.values()) {
      if (endpoint instanceof Session) {
        sessions++
        queued += endpoint.queued
        if (endpoint.move !== undefined) moves++
        if (endpoint.state === OPENING) opening++
        if (endpoint.state === ACTIVE) active++
        const isHonest = index !== 1 && this.byId.get(endpoint.id) !== 1
        law(!isHonest || endpoint.strikes.count(this.now) === 0, () => "an honest session has a strike")
        law(endpoint.addressId > 0 && hub.addresses.has(endpoint.addressId), () => "a session without an address")
      } else if (endpoint instanceof HalfOpen) {
        halfOpen++
        if (endpoint.session !== undefined) waiting++
      }
    }
    const pending = core.connecting.size
    equal("active sessions", core.active.size, active)
    equal("the gauge of active sessions", counters.sessionsActive, active)
    law(active <= core.limits.maxSessions, () => `${active} sessions, ${core.limits.maxSessions} allowed`)
    law(core.byIdentity.size <= active, () => "an identity without a session")
    equal("handshakes in flight", core.services.gate.admission.inFlight, halfOpen)
    equal("the gauge of handshakes in flight", counters.handshakesInFlight, halfOpen)
    equal("undecided handshakes", counters.undecided, waiting)
    law(halfOpen <= core.services.gate.admission.limit, () => `${halfOpen} handshakes in flight`)
    equal("queued messages", core.queue.count, queued)
    equal("timers", core.timers.size, sessions - opening + halfOpen + pending)
    equal("addresses", hub.addresses.size, sessions + moves + halfOpen + waiting + pending)
    law(hub.protocol.responder.remembered <= 1024, () => `${hub.protocol.responder.remembered} remembered handshakes`)
  }

  /** The attacker and the weather rest; what is alive then must work, and what is closed must be gone. */
  settle(): void {
    this.quiet = true
    this.loss = 0
    this.duplication = 0
    this.latency = 10
    for (const station of this.stations) station.isCut = false
    // longer than any key lives: a session that cannot go on has ended then
    for (let i = 0; i < 1000 && this.failure === undefined; i++) {
      this.advance(200)
      this.check()
    }
    for (const station of this.stations) {
      for (const peer of station.peers()) {
        const other = this.stations[this.byId.get(peer.id) ?? 0]
        if (station === this.mallory || other === this.mallory) continue
        const before = this.report.delivered
        const intent = this.dice.pick(INTENTS)
        const { session } = peer
        const result = this.send(station, peer, intent, true)
        if (result !== ACCEPTED) {
          if (result === WOULD_BLOCK) {
            this.fail(`the session of stations ${station.index} and ${other.index} takes nothing`)
          }
          continue
        }
        for (let i = 0; i < 20 && this.report.delivered === before; i++) {
          this.advance(100)
          other.drain()
        }
        if (this.report.delivered === before && peer.closeReason === undefined) {
          this.fail(
            `the session of stations ${station.index} and ${other.index} is stuck: it is open and delivers nothing`
          )
        }
        const there = other.core.table.get(session.remoteConnId)
        const arrived = there instanceof Session ? this.arrived.get(there) ?? 0 : -1
        if (session.state === ACTIVE && arrived >= 0 && arrived !== (this.taken.get(session) ?? 0)) {
          this.fail(
            `station ${other.index} has ${arrived} of ${this.taken.get(session)} Reliable of station ${station.index}`
          )
        }
        this.report.survivors++
      }
    }
    for (const station of this.stations) {
      for (const connecting of station.attempts.slice()) station.hub.cancel(connecting)
      for (const peer of station.peers()) station.hub.close(peer.session, "LocalClosed")
    }
    this.advance(300_000)
    this.check()
    for (const { core, hub, index } of this.stations) {
      const left = core.table.size + core.timers.size + core.active.size + core.byIdentity.size + hub.addresses.size +
        core.queue.count + core.unsentReliable + core.ready.length + core.services.gate.admission.inFlight +
        core.connecting.size + core.stalled.size
      if (left > 0) {
        this.fail(
          `station ${index} still holds after five minutes: ${core.table.size} conn_ids, ${core.timers.size} timers, ` +
            `${core.byIdentity.size} identities, ${hub.addresses.size} addresses, ${core.queue.count} messages`
        )
      }
    }
    for (const station of this.stations) this.gather(station)
  }

  close(): void {
    Effect.runSync(Scope.close(this.scope, Exit.void))
  }
}

const OUTGOING = ["Expired", "Superseded", "Overload", "PathShrunk", "SessionClosed"] as const

const INTENTS = ["Realtime", "Sequenced", "Reliable"] as const

const FRAMES = [
  Frame.PADDING,
  Frame.REALTIME,
  Frame.SEQUENCED,
  Frame.RELIABLE,
  Frame.RELIABLE,
  Frame.ACK,
  Frame.ACK,
  Frame.PING,
  Frame.PONG,
  Frame.CLOSE,
  Frame.PATH_CHALLENGE,
  Frame.PATH_RESPONSE,
  Frame.REKEY,
  Frame.REKEY,
  Frame.RESERVED_FIRST
]

/** The lengths that make some bodies well-formed. */
const BODIES = new Map([
  [Frame.PING, 4],
  [Frame.PONG, 12],
  [Frame.RELIABLE, 20],
  [Frame.ACK, 25],
  [Frame.CLOSE, 12],
  [Frame.PATH_CHALLENGE, 8],
  [Frame.PATH_RESPONSE, 8],
  [Frame.REKEY, 50]
])

/**
 * Runs episodes until the datagrams are spent, and yields the sums so far after each; throws {@link FuzzFailure} where a
 * law does not hold.
 */
export function* fuzz(options: FuzzOptions): Generator<FuzzReport, void> {
  const report: FuzzReport = {
    episodes: 0,
    steps: 0,
    hostile: 0,
    genuine: 0,
    delivered: 0,
    handshakes: 0,
    rekeys: 0,
    moves: 0,
    strikes: 0,
    survivors: 0,
    drops: {},
    closes: {},
    hash: 0
  }
  const { episode = 50_000 } = options
  while (report.hostile < options.datagrams) {
    const world = new World(options.seed + report.episodes, report)
    try {
      while (world.hostile < episode && world.failure === undefined) {
        world.step++
        for (let i = world.dice.below(12); i >= 0; i--) world.act()
        world.advance(world.dice.below(12))
        if (!world.dice.once(3)) world.attack()
        if (world.dice.once(10)) world.lie()
        world.advance(world.dice.below(12))
        world.check()
      }
      if (world.failure === undefined) world.settle()
    } catch (error) {
      throw new FuzzFailure(world.seed, world.step, `threw ${String(error)}`, error)
    } finally {
      world.close()
    }
    if (world.failure !== undefined) throw world.failure
    report.episodes++
    report.steps += world.step
    report.hostile += world.hostile
    yield report
  }
}
