/**
 * Transports on a simulated network, driven synchronously: every datagram can be seen, lost, changed and forged, and
 * everything that a transport holds can be looked at.
 */
import { assert } from "@effect/vitest"
import { Entropy, node } from "@intentra/crypto"
import type { NetworkConditions, ReceiveBatch, UdpSocketShape } from "@intentra/udp"
import { Address, Network } from "@intentra/udp"
import type { Redacted } from "effect"
import { Context, Effect, Exit, Layer, Redacted as Redact, Scope } from "effect"
import { Authorizer } from "../../src/Authorizer.js"
import * as DropReason from "../../src/DropReason.js"
import * as Frame from "../../src/Frame.js"
import { Handshake } from "../../src/Handshake.js"
import type { HandshakeShape } from "../../src/Handshake.js"
import * as Intent from "../../src/Intent.js"
import type { Intent as IntentName } from "../../src/Intent.js"
import { layerConcerns } from "../../src/Intentra.js"
import type { IntentraOptions } from "../../src/Intentra.js"
import type { IntentraError } from "../../src/IntentraError.js"
import type { Limits } from "../../src/internal/core.js"
import { Hub } from "../../src/internal/hub.js"
import { servicesOf } from "../../src/internal/servicesOf.js"
import { ACTIVE } from "../../src/internal/session.js"
import type { Session } from "../../src/internal/session.js"
import type { SessionPeer } from "../../src/internal/sessionPeer.js"
import * as PacketHeader from "../../src/PacketHeader.js"
import { SendOptions } from "../../src/SendOptions.js"
import type { SendOptionsInput } from "../../src/SendOptions.js"
import { TransportCounters } from "../../src/TransportCounters.js"
import type { TransportEvent } from "../../src/TransportEvent.js"
import * as TransportOptions from "../../src/TransportOptions.js"
import { layerCrypto } from "./crypto.js"

/** A datagram as a socket gave it to the network. */
export interface Datagram {
  readonly at: number
  readonly from: string
  readonly to: string
  readonly bytes: Uint8Array
}

export interface Received {
  readonly from: string
  readonly text: string
  readonly intent: IntentName
  readonly at: number
}

/** A connect in progress, or what became of it. */
export interface Attempt {
  peer: SessionPeer | undefined
  error: IntentraError | undefined
  /** When it ended; -1 before. */
  at: number
  readonly cancel: () => void
}

export interface StationOptions extends IntentraOptions {
  /** Messages go to the ring of the stream instead of `inbox`. */
  readonly stream?: boolean
  /** Numbers of the protocol that no option sets. */
  readonly limits?: Partial<Limits>
}

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
export const keyOf = (n: number): Redacted.Redacted<Uint8Array> => Redact.make(new Uint8Array(32).fill(n))

export const publicKeyOf = (n: number): Uint8Array => node.x25519.publicKey(Redact.value(keyOf(n)))

const addressBytes = (text: string): Uint8Array => {
  const parsed = Address.parse(text)
  const out = new Uint8Array(Address.ADDRESS_BYTES)
  if (parsed === undefined || !Address.encode(parsed, out, 0)) throw new Error(`${text} is no address`)
  return out
}

/** A property over many cases that share one world would not shrink anyway: few runs, always the same. */
export const seeded = (numRuns: number) => ({ fastCheck: { numRuns, seed: 1905, endOnFailure: true } })

/** The network, and every datagram that was ever sent on it. */
export class Simulation {
  readonly network
  readonly sent: Array<Datagram> = []
  /** Stations so far: a process that comes again draws other keys than before. */
  stations = 0
  private readonly scope = Effect.runSync(Scope.make())

  constructor(conditions: Partial<NetworkConditions.NetworkConditions> = {}, seed: number | string = 1) {
    this.network = Network.unsafeMake({ seed, trace: "hash", latency: 5, ...conditions })
    this.network.tap((event) => {
      if (event.kind === "sent") {
        this.sent.push({ at: event.at, from: event.from, to: event.to, bytes: event.bytes.slice() })
      }
    })
  }

  advance(millis: number): void {
    this.network.unsafeAdvance(millis)
  }

  inject(from: string, to: string, bytes: Uint8Array, delay = 0): void {
    this.network.unsafeInject({ from, to, bytes, delay })
  }

  /** What was sent since a moment that `sent.length` named, from or to an address. */
  since(mark: number, from?: string, to?: string): ReadonlyArray<Datagram> {
    return this.sent.slice(mark).filter((one) =>
      (from === undefined || one.from === from) && (to === undefined || one.to === to)
    )
  }

  build<A, E>(layer: Layer.Layer<A, E>): Context.Context<A> {
    return Effect.runSync(Layer.buildWithScope(layer, this.scope))
  }

  /** A key pair's handshake, for those who speak without a transport. */
  handshake(key: number, psk?: number): HandshakeShape {
    const layer = Handshake.layerWith({ key: keyOf(key), psk: psk === undefined ? undefined : keyOf(psk) }).pipe(
      Layer.provide(Layer.merge(layerCrypto, Entropy.layerSeeded(`handshake ${key}`)))
    )
    return Context.get(this.build(layer), Handshake)
  }

  station(host: string, key: number, options: StationOptions = {}): Station {
    return new Station(this, host, key, options)
  }

  close(): void {
    Effect.runSync(Scope.close(this.scope, Exit.void))
  }
}

/** A transport, open to the eye. */
export class Station {
  readonly hub: Hub
  readonly handshake: HandshakeShape
  readonly address: string
  readonly events: Array<TransportEvent> = []
  readonly inbox: Array<Received> = []
  /** Loses, as the network would, the datagrams that it answers false to. */
  wants: (datagram: Datagram) => boolean = () => true
  /** The socket takes nothing while this is set. */
  full = false
  /** What threw and should not have; it fails the test unless it is expected. */
  defects = 0
  mayThrow = false
  private readonly socket

  constructor(readonly simulation: Simulation, host: string, key: number, options: StationOptions) {
    const port = options.port ?? 9000
    this.address = `${host}:${port}`
    this.socket = simulation.network.unsafeBind({ host, port })
    const entropy = Entropy.layerSeeded(`${this.address} ${key} ${simulation.stations++}`)
    const services = simulation.build(
      Layer.merge(layerConcerns({ key: keyOf(key), ...options }), entropy).pipe(
        Layer.provide(Layer.merge(layerCrypto, entropy))
      )
    )
    this.handshake = Context.get(services, Handshake)
    this.hub = new Hub(
      this.wrap(this.socket),
      { ...Effect.runSync(TransportOptions.check(options)), ...options.limits },
      servicesOf(services),
      Context.get(services, Authorizer),
      new TransportCounters(),
      {
        event: (event) => this.events.push(event),
        decide: () => {
          throw new Error("this station decides at once")
        },
        fold: () => {},
        defect: (...args: ReadonlyArray<unknown>) => {
          this.defects++
          if (!this.mayThrow) throw args[args.length - 1]
        }
      }
    )
    if (options.stream !== true) {
      this.hub.handler = (peer, payload, intent, at) => {
        this.inbox.push({ from: peer.id, text: new TextDecoder().decode(payload), intent, at })
      }
    }
  }

  get counters(): TransportCounters {
    return this.hub.counters
  }

  get core() {
    return this.hub.protocol.core
  }

  get publicKey(): Uint8Array {
    return this.handshake.publicKey
  }

  get id(): string {
    return this.handshake.identify(this.publicKey)
  }

  /** The newest active session with another station. */
  findSession(other: Station): Session | undefined {
    return Array.from(this.core.active).reverse().find(({ id }) => id === other.id)
  }

  /** The same; fails the test when there is none. */
  sessionWith(other: Station): Session {
    const session = this.findSession(other)
    if (session === undefined) throw new Error(`${this.address} has no session with ${other.address}`)
    return session
  }

  peerOf(other: Station): SessionPeer {
    return this.sessionWith(other).handle as SessionPeer
  }

  connect(target: Station | string, publicKey?: Uint8Array): Attempt {
    const key = publicKey ?? (typeof target === "string" ? undefined : target.publicKey)
    const { network } = this.simulation
    const attempt: Attempt = { peer: undefined, error: undefined, at: -1, cancel: () => this.hub.cancel(connecting) }
    const connecting = this.hub.connect(addressBytes(typeof target === "string" ? target : target.address), key, {
      onConnected: (peer) => {
        attempt.peer = peer
        attempt.at = network.now
      },
      onFailed: (error) => {
        attempt.error = error
        attempt.at = network.now
      }
    })
    return attempt
  }

  send(other: Station, text: string, options: SendOptionsInput = {}): number {
    return this.peerOf(other).unsafeSend(bytesOf(text), SendOptions.make(options))
  }

  /** Queues a message without anything leaving: the queue is flushed at the end of the next turn. */
  queue(other: Station, text: string, options: SendOptionsInput = {}): number {
    const { intentCode, priority, ttlMillis } = SendOptions.make(options)
    const { sender } = this.hub.protocol
    const { now } = this.simulation.network
    return sender.enqueue(now, this.sessionWith(other), bytesOf(text), intentCode, priority, ttlMillis)
  }

  /** The process dies: no CLOSE, nothing. */
  crash(): void {
    this.socket.close()
  }

  private wrap(socket: UdpSocketShape): UdpSocketShape {
    const filter = (batch: ReceiveBatch): void => {
      let kept = 0
      for (let i = 0; i < batch.count; i++) {
        const datagram = {
          at: this.simulation.network.now,
          from: Address.format(batch.addresses, batch.addressOffsets[i]),
          to: this.address,
          bytes: batch.arena.slice(batch.offsets[i], batch.offsets[i] + batch.lengths[i])
        }
        if (!this.wants(datagram)) continue
        batch.offsets[kept] = batch.offsets[i]
        batch.lengths[kept] = batch.lengths[i]
        batch.addressOffsets[kept] = batch.addressOffsets[i]
        kept++
      }
      batch.count = kept
    }
    return {
      kind: socket.kind,
      localAddress: socket.localAddress,
      granted: socket.granted,
      maxDatagramBytes: socket.maxDatagramBytes,
      loop: socket.loop,
      addresses: socket.addresses,
      outbox: socket.outbox,
      stats: socket.stats,
      closed: socket.closed,
      send: () => {
        if (!this.full) return socket.send()
        socket.stats.sendQueueDropped += socket.outbox.count
        socket.outbox.clear()
        return 0
      },
      setHandler: (handler) =>
        socket.setHandler(
          handler && ((batch) => {
            filter(batch)
            handler(batch)
          })
        )
    }
  }
}

/** Connects and fails the test when that fails. */
export const connected = (from: Station, to: Station): SessionPeer => {
  const attempt = from.connect(to)
  for (let i = 0; i < 500 && attempt.at < 0; i++) from.simulation.advance(10)
  if (attempt.peer === undefined) throw attempt.error ?? new Error("the handshake never ended")
  from.simulation.advance(100)
  return attempt.peer
}

/** A hub with two clients: one that things are done to, one that must never notice. */
export interface World {
  readonly simulation: Simulation
  readonly hub: Station
  readonly alice: Station
  readonly bob: Station
}

export const HUB = "10.0.0.1:9000"
export const ALICE = "10.0.0.2:9000"
export const BOB = "10.0.0.3:9000"
export const STRANGER = "10.9.9.9:4242"

export const makeWorld = (
  options: {
    readonly hub?: StationOptions
    readonly clients?: StationOptions
    readonly conditions?: Partial<NetworkConditions.NetworkConditions>
  } = {}
): World => {
  const simulation = new Simulation(options.conditions)
  const hub = simulation.station("10.0.0.1", 1, { allow: "any", ...options.hub })
  const alice = simulation.station("10.0.0.2", 2, options.clients)
  const bob = simulation.station("10.0.0.3", 3, options.clients)
  connected(alice, hub)
  connected(bob, hub)
  return { simulation, hub, alice, bob }
}

/** Everything of a session that strangers must not move. */
export const sessionState = (station: Station, session: Session) => {
  const now = station.simulation.network.now
  const keys = session.keys[session.epoch]
  return {
    state: session.state,
    strikes: session.strikes?.count(now) ?? 0,
    tokens: session.bucket.tokens(now),
    lastReceived: session.lastReceived,
    packetsReceived: session.packetsReceived,
    messagesReceived: session.messagesReceived,
    packetsSent: session.packetsSent,
    newestSequenced: session.newestSequenced,
    highest: keys?.replay.highest,
    address: station.hub.addresses.address(session.addressId)
  }
}

/** What a transport holds for others, in numbers of entries. */
export const tableSizes = (station: Station) => ({
  connections: station.core.table.size,
  identities: station.core.byIdentity.size,
  addresses: station.hub.addresses.size,
  timers: station.core.timers.size,
  inFlight: station.core.services.gate.admission.inFlight,
  remembered: station.hub.protocol.responder.memory.size,
  queued: station.core.queue.count,
  ready: station.core.ready.length
})

export type Drops = { readonly [Reason in DropReason.DropReason]?: number }

/** The ledger of received datagrams. */
export const assertLedger = (station: Station): void => {
  const { accepted, drops, received, undecided } = station.counters
  let sum = undecided
  for (const count of accepted) sum += count
  for (const reason of DropReason.all) {
    if (DropReason.level(reason) === "datagram") sum += drops[DropReason.code[reason]]
  }
  assert.strictEqual(sum, received, `${station.address}: received = accepted + drops + undecided`)
}

const OUTGOING = ["Expired", "Superseded", "Overload", "SessionClosed"] as const

/** The ledger of messages on their way out. */
export const assertMessageLedger = (station: Station): void => {
  const { counters, core } = station
  let sum = counters.messagesSent + core.queue.count
  for (const reason of OUTGOING) sum += counters.dropped(reason)
  assert.strictEqual(sum, counters.messagesQueued, `${station.address}: messages queued = sent + dropped + queued`)
}

/** What the drop counters moved by while `act` ran and for `settle` milliseconds after. */
export const dropsDuring = (station: Station, act: () => void, settle = 3): Drops => {
  const before = station.counters.drops.slice()
  act()
  station.simulation.advance(settle)
  const moved: { [Reason in DropReason.DropReason]?: number } = {}
  DropReason.all.forEach((reason, index) => {
    const difference = station.counters.drops[index] - before[index]
    if (difference !== 0) moved[reason] = difference
  })
  assertLedger(station)
  return moved
}

/** `act` moves these counters of `station` by so much, no other one, and gives so many strikes (none). */
export const assertDrops = (station: Station, expected: Drops, act: () => void, strikes = 0): void => {
  const before = station.counters.strikes
  assert.deepStrictEqual(dropsDuring(station, act), expected)
  assert.strictEqual(station.counters.strikes - before, strikes, "strikes")
}

let sayings = 0

/** Both ends of a live session still hear each other, in every intent. */
export const assertDelivers = (a: Station, b: Station): void => {
  for (const [from, to] of [[a, b], [b, a]] as const) {
    for (const intent of ["Realtime", "Sequenced"] as const) {
      const text = `${from.address} says ${++sayings}`
      assert.strictEqual(from.send(to, text, { intent }), 0)
      from.simulation.advance(50)
      if (to.hub.handler === undefined) {
        const got = to.hub.ring.drain().map((one) => new TextDecoder().decode(one.payload))
        assert.include(got, text)
      } else {
        const got = to.inbox.filter((one) => one.text === text)
        assert.deepStrictEqual(got.map((one) => [one.from, one.intent]), [[from.id, intent]])
      }
    }
  }
}

/** `act` leaves the session between the two stations exactly as it was, and alive. */
export const assertUntouched = (a: Station, b: Station, act: () => void): void => {
  const [ab, ba] = [a.sessionWith(b), b.sessionWith(a)]
  const before = [sessionState(a, ab), sessionState(b, ba)]
  act()
  assert.deepStrictEqual([sessionState(a, ab), sessionState(b, ba)], before)
  assert.strictEqual(ab.state, ACTIVE)
  assertDelivers(a, b)
}

export interface SealOptions {
  readonly type?: number
  readonly intent?: number
  readonly priority?: number
  readonly epoch?: number
  readonly ack?: number
  readonly seq?: number
}

/** A packet sealed with a session's own key, whatever it says: what only an authenticated peer can make. */
export const seal = (session: Session, plaintext: Uint8Array, options: SealOptions = {}): Uint8Array => {
  const keys = session.keys[session.epoch]
  if (keys === undefined) throw new Error("the session has no keys any more")
  const seq = options.seq ?? keys.sendSeq++
  const out = new Uint8Array(PacketHeader.HEADER_BYTES + plaintext.length + 16)
  PacketHeader.encode({
    version: PacketHeader.WIRE_VERSION,
    type: options.type ?? PacketHeader.DATA,
    intent: options.intent ?? Intent.REALTIME,
    priority: options.priority ?? 0,
    epoch: options.epoch ?? session.epoch,
    reserved: 0,
    payloadLength: plaintext.length + 16,
    connId: session.remoteConnId,
    seq,
    ack: options.ack ?? 0
  }, out)
  out.set(plaintext, PacketHeader.HEADER_BYTES)
  if (keys.send.sealPacket(out, 0, PacketHeader.HEADER_BYTES, plaintext.length, seq) !== out.length) {
    throw new Error("not sealed")
  }
  return out
}

export const realtime = (text: string): Uint8Array => Frame.encodeAll([{ type: Frame.REALTIME, body: bytesOf(text) }])

export const reliable = (number: number, text: string): Uint8Array => {
  const body = new Uint8Array(4 + text.length)
  new DataView(body.buffer).setUint32(0, number)
  body.set(bytesOf(text), 4)
  return Frame.encodeAll([{ type: Frame.RELIABLE, body }])
}

export const sequenced = (number: number, text: string): Uint8Array => {
  const body = new Uint8Array(4 + text.length)
  new DataView(body.buffer).setUint32(0, number)
  body.set(bytesOf(text), 4)
  return Frame.encodeAll([{ type: Frame.SEQUENCED, body }])
}

/** A header and bytes that nobody sealed. */
export const packet = (
  connId: number,
  options: Partial<PacketHeader.PacketHeader> = {},
  body: Uint8Array = new Uint8Array(32)
): Uint8Array => {
  const out = new Uint8Array(PacketHeader.HEADER_BYTES + body.length)
  PacketHeader.encode({
    version: PacketHeader.WIRE_VERSION,
    type: PacketHeader.DATA,
    intent: 0,
    priority: 0,
    epoch: 0,
    reserved: 0,
    payloadLength: body.length,
    connId,
    seq: 1_000_000,
    ack: 0,
    ...options
  }, out)
  out.set(body, PacketHeader.HEADER_BYTES)
  return out
}

/** The bytes with one bit flipped, counted from the most significant bit of the first byte. */
export const flipped = (bytes: Uint8Array, bit: number): Uint8Array => {
  const out = bytes.slice()
  out[bit >>> 3] ^= 0x80 >>> (bit & 7)
  return out
}

/** Holds back the next datagram from `from` to the station and returns it. */
export const intercept = (station: Station, from: string, act: () => void): Uint8Array => {
  let held: Uint8Array | undefined
  const { wants } = station
  station.wants = (datagram) => {
    if (held !== undefined || datagram.from !== from) return true
    held = datagram.bytes
    return false
  }
  act()
  station.simulation.advance(20)
  station.wants = wants
  if (held === undefined) throw new Error(`nothing came from ${from}`)
  return held
}
