import type { EventLoop } from "@intentra/udp"
import { Effect, Exit, Redacted, Scope } from "effect"
import * as CloseReason from "../../../src/CloseReason.js"
import * as DropReason from "../../../src/DropReason.js"
import type { IntentraOptions } from "../../../src/Intentra.js"
import { Attacker } from "./attacker.js"
import { addressOf, checksum, keyAt } from "./bytes.js"
import { Dice } from "./dice.js"
import { Ledger } from "./ledger.js"
import { FuzzFailure } from "./report.js"
import type { FuzzReport } from "./report.js"
import { FuzzAlarm } from "./socket.js"
import type { FuzzSocket, Packet } from "./socket.js"
import { Station } from "./station.js"

/** Stations, the time, and the network between them. */
export class World {
  now = 1000
  readonly dice: Dice
  readonly scope = Effect.runSync(Scope.make())
  readonly loop: EventLoop.EventLoop
  readonly stations: Array<Station> = []
  /** The index of the station of an identity. */
  readonly byId = new Map<string, number>()
  /** How often a station of this index was started. */
  readonly lives: Array<number> = []
  readonly attacker = new Attacker(this)
  readonly ledger = new Ledger(this)
  /** Percent of datagrams lost and doubled, and the longest way in milliseconds. */
  readonly weather = { loss: 0, duplication: 0, latency: 5 }
  failure: FuzzFailure | undefined = undefined
  step = 0
  hostile = 0
  /** Nobody does anything any more. */
  quiet = false
  /** Numbers of Reliable messages begin with this one, so that some go over the end of 32 bits. */
  readonly firstReliable: number
  /** Nothing but the attacker harms: no loss, no outage, no move, no restart. */
  readonly isCalm: boolean

  private readonly alarms: Array<FuzzAlarm> = []
  private deferred: Array<() => void> = []
  private later_: Array<{ readonly at: number; readonly run: () => void }> = []
  private readonly byAddress = new Map<number, FuzzSocket>()
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
      },
      soon: (callback) => {
        this.deferred.push(callback)
      }
    }
    const { dice } = this
    this.isCalm = dice.once(3)
    this.firstReliable = dice.pick([0, 0, 2 ** 32 - 30, 2 ** 31 - 30])
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
        ...(dice.once(4) ? { packetsPerSecond: 100, burst: 20 } : {}),
        ...(dice.once(6) ? { pacePacketsPerSecond: 50 + dice.below(500) } : {}),
        coalesce: !dice.once(4)
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

  freshAddress(): Uint8Array {
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
    const { dice, report, weather } = this
    report.genuine++
    report.hash = checksum(bytes, Math.min(bytes.length, 48), report.hash ^ bytes.length ^ to)
    const packet: Packet = { at: this.now + dice.below(weather.latency), from: from.address, to, bytes }
    const socket = this.byAddress.get(to)
    this.attacker.see(packet, socket !== undefined)
    if (socket === undefined) return
    if (this.isCut(from) || this.isCut(socket) || dice.below(100) < weather.loss) return
    socket.pending.push(packet)
    if (dice.below(100) < weather.duplication) socket.pending.push({ ...packet, at: packet.at + dice.below(50) })
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

  /** Its NAT gives a station another address; the old one may go to another station. */
  rebind(station: Station): void {
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
  restart(station: Station): void {
    station.socket.setHandler(undefined)
    for (const alarm of this.alarms) if (alarm.at < Infinity && this.isOf(alarm, station)) alarm.clear()
    this.gather(station)
    this.open(station.index, station.options, station.socket.address)
  }

  private isOf(alarm: FuzzAlarm, station: Station): boolean {
    return alarm.callback === station.hub["onAlarm"]
  }

  /** The sums of a station that ends. */
  gather(station: Station): void {
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

  close(): void {
    Effect.runSync(Scope.close(this.scope, Exit.void))
  }
}
