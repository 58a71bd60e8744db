import type { EntropyShape } from "@intentra/crypto"
import { Address, AddressTable, ReceiveBatch, SendBatch } from "@intentra/udp"
import type { EventLoop, UdpSocketShape } from "@intentra/udp"
import { makeStats } from "@intentra/udp/UdpSocketShape"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberId from "effect/FiberId"
import type { AuthorizerShape } from "../Authorizer.js"
import * as CloseReason from "../CloseReason.js"
import * as Intent from "../Intent.js"
import type { ReplayDifference, ReplayedMessage } from "../Replay.js"
import { TransportCounters } from "../TransportCounters.js"
import type { Settings } from "../TransportOptions.js"
import { equal } from "./bytes.js"
import type { Services } from "./core.js"
import { Hub } from "./hub.js"
import type { HubOutput } from "./hub.js"
import type { Connecting } from "./initiator.js"
import type { Session } from "./session.js"
import * as Format from "./tapeFormat.js"
import { NOTHING, TapeDamage } from "./tapeReader.js"
import type { TapeReader } from "./tapeReader.js"

const { ADDRESS_BYTES } = Address
const KEY_BYTES = 32
/** A century: no clock of a recording goes beyond, and milliseconds can be told apart up to there. */
const LATEST = 100 * 366 * 86_400_000

/** There is nothing more to compare. It is thrown through the transport, whose own catching must not hide it. */
class Stop extends Error {
  override readonly name = "Stop"
}

/** Never asked anything: the recorded verdicts are. */
const later = Effect.succeed(false)

/** A transport that lives on a recording: it reads what was read, is called as it was called, and must say the same. */
export class Player {
  inputs = 0
  datagrams = 0
  received = 0
  elapsed = 0
  readonly messages: Array<ReplayedMessage> = []
  readonly defects: Array<unknown> = []
  readonly counters = new TransportCounters()
  difference: ReplayDifference | undefined = undefined
  isComplete = false
  isDone = false

  private hub: Hub | undefined = undefined
  private handler: ((batch: ReceiveBatch) => void) | undefined = undefined
  private alarm: (() => void) | undefined = undefined
  private readonly deferred: Array<() => void> = []
  private readonly sessions = new Map<number, Session>()
  private readonly connects = new Map<number, Connecting>()
  private readonly questions = new Map<number, (admitted: boolean) => void>()
  private asked = 0
  private windows = 0
  private firstClock = -1
  private lastClock = 0
  private readonly outbox: SendBatch
  private readonly addresses = new AddressTable()

  constructor(private readonly reader: TapeReader, private readonly header: Format.Header) {
    this.outbox = new SendBatch(header.socket.outboxDatagrams, header.socket.outboxBytes)
  }

  readonly entropy: EntropyShape = {
    fill: (out) => {
      this.expect(Format.FILL)
      const length = this.reader.u32()
      const at = this.reader.take(length)
      if (length !== out.length) throw this.differ(`${out.length} bytes are drawn where ${length} were`)
      out.set(this.reader.chunk.subarray(at, at + length))
    },
    uint32: () => {
      this.expect(Format.WORD)
      return this.reader.u32()
    }
  }

  /** Makes the transport; what it draws while it is made is the first that was recorded. */
  begin(settings: Settings, makeServices: () => Services): void {
    this.guard(() => {
      const hub = new Hub(this.socket(), settings, makeServices(), this.authorizer, this.counters, this.output)
      this.hub = hub
      const { onActive, onRejoined } = hub
      hub.onActive = (session) => {
        this.sessions.set(session.connId, session)
        onActive(session)
      }
      hub.onRejoined = (session) => {
        this.sessions.set(session.connId, session)
        onRejoined(session)
      }
      hub.hasRoom = () => {
        this.expect(Format.ROOM)
        return this.reader.u8() !== 0
      }
      hub.hasLastRoom = () => {
        this.expect(Format.ROOM)
        return this.reader.u8() !== 0
      }
      hub.onMessage = (session, bytes, offset, length, intent, now) => {
        this.messages.push({
          peer: session.id,
          publicKey: session.identity,
          intent: Intent.fromCode(intent),
          payload: bytes.slice(offset, offset + length),
          receivedAt: now - this.firstClock
        })
        this.callback()
      }
    })
  }

  /** Replays so many inputs, or as many as there are. Throws `TapeDamage`. */
  advance(count: number): void {
    for (let i = 0; i < count && !this.isDone; i++) this.guard(() => this.next())
  }

  private next(): void {
    const kind = this.reader.peek()
    if (kind === NOTHING || this.hub === undefined) {
      this.isDone = true
      return
    }
    if (kind !== Format.FINISHED) return this.input(this.hub)
    this.reader.take(1)
    this.isComplete = true
    this.isDone = true
    if (this.reader.peek() !== NOTHING) throw this.reader.corrupt("records follow the last one")
  }

  /** Runs a part of the replay: what the transport lets through is a defect of its own, as it was then. */
  private guard(run: () => void): void {
    try {
      run()
    } catch (error) {
      if (!(error instanceof Stop) && !(error instanceof TapeDamage)) this.defects.push(error)
    }
    const { stop } = this.reader
    if (stop === undefined) return
    this.isDone = true
    if (stop instanceof TapeDamage) throw stop
  }

  private input(hub: Hub): void {
    const { reader } = this
    const kind = reader.peek()
    const offset = reader.offset
    if (kind > Format.END) throw this.differ(`the recording goes on with ${Format.nameOf(kind)}, the replay is done`)
    reader.take(1)
    this.inputs++
    switch (kind) {
      case Format.BATCH:
        return this.batch()
      case Format.ALARM:
        return this.alarm?.()
      case Format.FLUSH: {
        const callback = this.deferred.shift()
        if (callback === undefined) throw this.differ("the recorded transport flushed, the replayed one has nothing to")
        return callback()
      }
      case Format.CONNECT: {
        const at = reader.take(ADDRESS_BYTES)
        const address = reader.chunk.slice(at, at + ADDRESS_BYTES)
        const flags = reader.u8()
        const keyAt = reader.take(KEY_BYTES)
        const key = (flags & Format.PINNED) === 0 ? undefined : reader.chunk.slice(keyAt, keyAt + KEY_BYTES)
        const quick = (flags & Format.QUICK) !== 0
        if (quick && key === undefined) throw reader.corrupt("a quick connect pins no key")
        const connecting = hub.connect(address, key, { onConnected: () => {}, onFailed: () => {} }, quick)
        this.connects.set(connecting.connId, connecting)
        return
      }
      case Format.CANCEL: {
        const connId = reader.u32()
        const connecting = this.connects.get(connId)
        if (connecting === undefined) throw this.differ("a connect was interrupted that the replay knows nothing of")
        this.connects.delete(connId)
        return hub.cancel(connecting)
      }
      case Format.SEND: {
        const session = this.session(reader.u32())
        const intent = reader.u8()
        const priority = reader.u8()
        const ttl = reader.f64()
        const length = reader.u16()
        const stored = reader.u16()
        const at = reader.take(stored)
        if (intent > Intent.SEQUENCED || priority > 7 || !(ttl >= 0) || stored > length) {
          throw reader.corrupt("a call of send has options that no call can have")
        }
        const payload = stored === length ? reader.chunk.subarray(at, at + length) : new Uint8Array(length)
        hub.enqueue(session, payload, intent, priority, ttl)
        return
      }
      case Format.CLOSE: {
        const session = this.session(reader.u32())
        const reason = CloseReason.all[reader.u8()]
        if (reason === undefined) throw reader.corrupt("a call of close has a reason that no call can have")
        return hub.close(session, reason)
      }
      case Format.VERDICT: {
        const question = reader.u32()
        const done = this.questions.get(question)
        if (done === undefined) throw this.differ("an authorizer's verdict came that the replay did not ask for")
        this.questions.delete(question)
        return done(reader.u8() !== 0)
      }
      case Format.RESUME:
        return hub.resume()
      case Format.END:
        return hub.end("scope")
      default:
        this.inputs--
        throw reader.corrupt(`${Format.nameOf(kind)} at offset ${offset}`)
    }
  }

  private session(connId: number): Session {
    const session = this.sessions.get(connId)
    if (session === undefined) throw this.differ("a session was used that the replay does not have")
    return session
  }

  /** The transport has called user code: what that did then is done now. */
  private callback(): void {
    this.windows = this.windows === 0xffffffff ? 1 : this.windows + 1
    const window = this.windows
    const { hub, reader } = this
    if (hub === undefined) return
    while (reader.isNested(window)) {
      reader.take(5)
      this.input(hub)
    }
  }

  private expect(kind: number): void {
    const found = this.reader.peek()
    // the recording ends within an input: the process did
    if (found === NOTHING) throw this.stop()
    if (found !== kind) {
      throw this.differ(`the replay wants ${Format.nameOf(kind)}, the recording has ${Format.nameOf(found)}`)
    }
    this.reader.take(1)
  }

  private stop(): Stop {
    const stop = new Stop()
    this.reader.stop = stop
    return stop
  }

  private differ(detail: string, recorded?: Uint8Array, replayed?: Uint8Array): Stop {
    this.difference ??= {
      input: this.inputs,
      datagram: this.datagrams,
      offset: this.reader.offset,
      detail,
      recorded,
      replayed
    }
    return this.stop()
  }

  private batch(): void {
    const { header, reader } = this
    const count = reader.u16()
    const batch = new ReceiveBatch(count, 0)
    for (let i = 0; i < count; i++) {
      const source = reader.take(ADDRESS_BYTES)
      batch.addresses.set(reader.chunk.subarray(source, source + ADDRESS_BYTES), batch.addressOffsets[i])
      batch.lengths[i] = reader.u32()
      batch.offsets[i] = reader.take(Math.min(batch.lengths[i], header.socket.maxDatagramBytes))
    }
    batch.arena = reader.chunk
    batch.count = count
    this.received += count
    this.handler?.(batch)
  }

  private readonly send = (): number => {
    const { addresses, outbox, reader } = this
    const { count } = outbox
    if (count === 0) return 0
    this.expect(Format.SENT)
    const recorded = reader.u16()
    const to = new Uint8Array(ADDRESS_BYTES)
    for (let i = 0; i < Math.min(count, recorded); i++) {
      const addressAt = reader.take(ADDRESS_BYTES)
      const address = reader.chunk.subarray(addressAt, addressAt + ADDRESS_BYTES)
      const length = reader.u32()
      const at = reader.take(length)
      const then = reader.chunk.subarray(at, at + length)
      const now = outbox.arena.subarray(outbox.offsets[i], outbox.offsets[i] + outbox.lengths[i])
      if (!equal(then, now)) throw this.differ("a datagram is another one", then.slice(), now.slice())
      to.fill(0)
      addresses.copyTo(outbox.addressIds[i], to, 0)
      if (!equal(address, to)) {
        throw this.differ(
          `a datagram goes to ${Address.format(to, 0)} instead of ${Address.format(address, 0)}`,
          then,
          now
        )
      }
      this.datagrams++
    }
    if (count !== recorded) throw this.differ(`${count} datagrams are sent at once where ${recorded} were`)
    outbox.clear()
    return count
  }

  private readonly loop: EventLoop.EventLoop = {
    now: () => {
      this.expect(Format.CLOCK)
      const now = this.reader.f64()
      if (!(now >= this.lastClock && now <= LATEST)) throw this.reader.corrupt("the clock steps")
      this.lastClock = now
      if (this.firstClock < 0) this.firstClock = now
      this.elapsed = now - this.firstClock
      return now
    },
    makeAlarm: (callback) => {
      this.alarm = callback
      return { set: () => {}, clear: () => {} }
    },
    defer: (callback) => {
      this.deferred.push(callback)
    },
    soon: (callback) => {
      this.deferred.push(callback)
    }
  }

  private readonly authorizer: AuthorizerShape = {
    authorize: () => {
      this.callback()
      this.expect(Format.AUTHORIZE)
      const verdict = this.reader.u8()
      return verdict === Format.VERDICT_LATER ? later : verdict === Format.VERDICT_YES
    }
  }

  private readonly output: HubOutput = {
    event: () => {},
    fold: () => {},
    decide: (_verdict, done) => {
      this.questions.set(this.asked++, done)
      this.callback()
    },
    defect: (_where, error) => {
      if (!(error instanceof Stop) && !(error instanceof TapeDamage)) this.defects.push(error)
    }
  }

  private socket(): UdpSocketShape {
    const { host, maxDatagramBytes, port } = this.header.socket
    return {
      kind: "simulated",
      localAddress: { host, port },
      granted: { receiveBufferBytes: 0, sendBufferBytes: 0 },
      maxDatagramBytes,
      loop: this.loop,
      addresses: this.addresses,
      outbox: this.outbox,
      stats: makeStats(),
      closed: Deferred.unsafeMake(FiberId.none),
      send: this.send,
      setHandler: (handler) => {
        this.handler = handler
      }
    }
  }
}
