import * as Address from "../Address.js"
import { ReceiveBatch } from "../DatagramBatch.js"
import type { NetworkConditions } from "../NetworkConditions.js"
import { NetworkError } from "../NetworkError.js"
import type { LossCause } from "../NetworkEvent.js"
import { UdpSocketError } from "../UdpSocketError.js"
import { resolve, type UdpSocketOptions } from "../UdpSocketOptions.js"
import { readAddress, readEndpoint } from "./endpoint.js"
import type { Scheduled } from "./eventHeap.js"
import { Link } from "./link.js"
import { type Packet, PacketPool } from "./packet.js"
import { Recorder } from "./recorder.js"
import { type Carrier, SimulatedSocket } from "./simulatedSocket.js"
import { Timeline } from "./timeline.js"
import { Weather } from "./weather.js"

/** The ports that a system chooses from (RFC 6335 section 6). */
const FIRST_EPHEMERAL_PORT = 49_152
const EPHEMERAL_PORTS = 65_536 - FIRST_EPHEMERAL_PORT

/**
 * Sockets, links and packets on one timeline.
 *
 * @internal
 */
export class Simulation implements Carrier {
  readonly timeline = new Timeline()
  readonly weather: Weather
  readonly recorder: Recorder
  private readonly seed: string
  private readonly sockets = new Map<string, SimulatedSocket>()
  private readonly ephemeral = new Map<string, number>()
  private readonly pool = new PacketPool((packet) => this.arrive(packet))
  private shared = new ReceiveBatch(64, 64 * 1024)
  private lastId = 0

  constructor(seed: number | string, conditions: Partial<NetworkConditions>, tracing: "off" | "hash" | "text") {
    this.seed = String(seed)
    this.weather = new Weather(conditions)
    this.recorder = new Recorder(tracing)
  }

  /** Throws a UdpSocketError. */
  bind(options?: UdpSocketOptions): SimulatedSocket {
    const resolved = resolve(options)
    const bytes = new Uint8Array(Address.ADDRESS_BYTES)
    const { host, port } = resolved
    if (!Address.write(host, port, bytes, 0)) throw new UdpSocketError({ reason: "InvalidAddress", host, port })
    const canonical = Address.host(bytes, 0)
    const endpoint = readAddress({ host: canonical, port: port === 0 ? this.freePort(canonical) : port })
    if (endpoint.port === 0 || this.sockets.has(endpoint.text)) {
      throw new UdpSocketError({ reason: "AddressInUse", host, port })
    }
    const socket = new SimulatedSocket(this, this.timeline, resolved, endpoint)
    this.sockets.set(endpoint.text, socket)
    return socket
  }

  unbind(socket: SimulatedSocket): void {
    this.sockets.delete(socket.publicEndpoint.text)
  }

  transmit(source: SimulatedSocket, to: string, arena: Uint8Array, offset: number, length: number): void {
    const { recorder, timeline } = this
    const now = timeline.time
    const id = ++this.lastId
    const from = source.publicEndpoint.text
    recorder.record("sent", now, id, from, to, arena, offset, length)
    const link = this.linkOf(source, to, id)
    const cause = link.lossOf(length, now)
    if (cause !== undefined) {
      recorder.record("lost", now, id, from, to, arena, offset, length, cause)
      return
    }
    const packet = this.pool.take(length)
    packet.id = id
    packet.length = length
    packet.from = from
    packet.to = to
    packet.link = link
    packet.fromBytes.set(source.publicBytes)
    for (let i = 0; i < length; i++) packet.bytes[i] = arena[offset + i]
    if (link.corrupt(packet.bytes, length)) recorder.record("corrupted", now, id, from, to, packet.bytes, 0, length)
    const departure = link.departure(length, now)
    timeline.schedule(packet, link.arrival(departure))
    if (link.random.happens(link.conditions.duplicate)) {
      const copy = this.pool.take(length)
      copy.id = id
      copy.length = length
      copy.from = from
      copy.to = to
      copy.link = link
      copy.fromBytes.set(packet.fromBytes)
      for (let i = 0; i < length; i++) copy.bytes[i] = packet.bytes[i]
      recorder.record("duplicated", now, id, from, to, copy.bytes, 0, length)
      timeline.schedule(copy, link.arrival(departure))
    }
  }

  /** Throws a NetworkError. */
  inject(
    from: string | Address.SocketAddress,
    to: string | Address.SocketAddress,
    bytes: Uint8Array,
    delay: number
  ): void {
    const source = readAddress(from)
    const target = readAddress(to)
    if (!(delay >= 0 && delay < Infinity)) {
      throw new NetworkError({
        reason: "InvalidConditions",
        subject: `delay = ${delay}`,
        expected: "a finite number of milliseconds, 0 or more"
      })
    }
    const packet = this.pool.take(bytes.length)
    packet.id = ++this.lastId
    packet.length = bytes.length
    packet.from = source.text
    packet.to = target.text
    Address.encode(source, packet.fromBytes, 0)
    packet.bytes.set(bytes)
    const { recorder, timeline } = this
    recorder.record("injected", timeline.time, packet.id, packet.from, packet.to, packet.bytes, 0, packet.length)
    timeline.schedule(packet, timeline.time + delay)
  }

  /** Throws a NetworkError. */
  rebindNat(from: string | Address.SocketAddress, to: string | Address.SocketAddress): void {
    const old = readEndpoint(from)
    const next = readEndpoint(to)
    const moved = Array.from(this.sockets.values()).filter(({ publicEndpoint }) =>
      publicEndpoint.host === old.host && (old.port === undefined || old.port === publicEndpoint.port)
    )
    if (moved.length === 0) {
      throw new NetworkError({
        reason: "UnknownAddress",
        subject: old.text,
        expected: "the address that others see now of a socket that is open"
      })
    }
    if (next.port !== undefined && moved.length > 1) {
      throw new NetworkError({
        reason: "InvalidAddress",
        subject: next.text,
        expected: `a host without a port, as ${moved.length} sockets of ${old.text} move`
      })
    }
    const targets = moved.map(({ publicEndpoint }) =>
      readAddress({ host: next.host, port: next.port ?? publicEndpoint.port })
    )
    for (const target of targets) {
      const holder = this.sockets.get(target.text)
      if (holder !== undefined && !moved.includes(holder)) {
        throw new NetworkError({ reason: "AddressInUse", subject: target.text, expected: "an address that is free" })
      }
    }
    for (const socket of moved) this.sockets.delete(socket.publicEndpoint.text)
    moved.forEach((socket, i) => {
      const target = targets[i]
      socket.publicEndpoint = target
      Address.encode(target, socket.publicBytes, 0)
      socket.links.clear()
      this.sockets.set(target.text, socket)
    })
  }

  batch(datagrams: number, bytes: number): ReceiveBatch {
    const { shared } = this
    if (datagrams > shared.capacity || bytes > shared.arena.length) {
      this.shared = new ReceiveBatch(Math.max(datagrams, shared.capacity), Math.max(bytes, shared.arena.length))
    }
    return this.shared
  }

  delivered(packet: Packet): void {
    this.finish(packet, "delivered", undefined)
  }

  lost(packet: Packet, cause: LossCause): void {
    this.finish(packet, "lost", cause)
  }

  scheduleDelivery(delivery: Scheduled): void {
    this.timeline.schedule(delivery, this.timeline.time)
  }

  private finish(packet: Packet, kind: "delivered" | "lost", cause: LossCause | undefined): void {
    const { bytes, from, id, length, to } = packet
    this.recorder.record(kind, this.timeline.time, id, from, to, bytes, 0, length, cause)
    this.pool.give(packet)
  }

  private arrive(packet: Packet): void {
    const { link } = packet
    if (link !== undefined) this.weather.refresh(link)
    const target = this.sockets.get(packet.to)
    if (link?.partitioned === true) this.lost(packet, "partition")
    else if (target === undefined) this.lost(packet, "unreachable")
    else target.receive(packet)
  }

  private linkOf(source: SimulatedSocket, to: string, id: number): Link {
    let link = source.links.get(to)
    if (link === undefined) {
      const known = this.sockets.has(to)
      // Nothing is kept for addresses that nobody holds: there may be any number of them.
      link = new Link(known ? this.seed : `${this.seed} ${id}`, source.publicEndpoint, readEndpoint(to))
      if (known) source.links.set(to, link)
    }
    this.weather.refresh(link)
    return link
  }

  private freePort(host: string): number {
    const start = this.ephemeral.get(host) ?? 0
    for (let i = 0; i < EPHEMERAL_PORTS; i++) {
      const port = FIRST_EPHEMERAL_PORT + (start + i) % EPHEMERAL_PORTS
      if (!this.sockets.has(readAddress({ host, port }).text)) {
        this.ephemeral.set(host, (start + i + 1) % EPHEMERAL_PORTS)
        return port
      }
    }
    return 0
  }
}
