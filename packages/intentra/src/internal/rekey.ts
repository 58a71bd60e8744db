import type { HandshakeState } from "@intentra/noise"
import { NoiseError } from "@intentra/noise"
import * as Frame from "../Frame.js"
import { equal } from "./bytes.js"
import type { Core } from "./core.js"
import type { Sender } from "./sender.js"
import type { Session } from "./session.js"
import { EpochKeys } from "./session.js"

/** The session's initiator asks for new keys so long after the last, its responder 6 s later, both jittered by 6 s. */
const REKEY_AFTER = 108_000
const REKEY_JITTER = 6_000
/** No key is used longer than this; the session ends when no new one has come. */
const REJECT_AFTER = 180_000
/** Packets sealed after which new keys are asked for. */
export const REKEY_AFTER_PACKETS = 2 ** 27
/** The old key opens late packets so long. Nobody rekeys faster than this. */
const OLD_KEY_FOR = 10_000
const FIRST_REPEAT = 250
/** A repeated request is answered no more often than this. */
const ANSWER_INTERVAL = 50
const LAST_REPEAT = 1_000
/** Rekeys begun in one turn: a fleet that was born together must not compute together. */
const STARTS_PER_TURN = 8

/** Diffie-Hellmans of reading a request and writing its answer. */
const DH_OF_REQUEST = 5

const REQUEST = 1
const ANSWER = 2

/** Our request for new keys. */
class Request {
  interval = FIRST_REPEAT
  repeatAt: number
  constructor(readonly epoch: number, readonly noise: HandshakeState, readonly body: Uint8Array, now: number) {
    this.repeatAt = now + FIRST_REPEAT
  }
}

/** What a session knows of its rekeying. */
export class Rekeying {
  request: Request | undefined = undefined
  /** The request that was answered, and the answer, for its repeats. */
  question: Uint8Array | undefined = undefined
  answer: Uint8Array | undefined = undefined
  /** Keys that may open but not seal yet: nothing under them has been opened. -1: none. */
  pendingEpoch = -1
  /** The epoch that only opens late packets. -1: none. */
  oldEpoch = -1
  oldUntil = Infinity
  /** When to send under the new key again, as nothing under it has come back yet. */
  confirmAt = Infinity
  /** When the request was last answered. */
  answeredAt = -Infinity
  /** When a request was last found wrong. */
  failedAt = -Infinity
  rekeyAt: number

  constructor(initiator: boolean, public bornAt: number, jitter: number, public hash: Uint8Array) {
    this.rekeyAt = bornAt + after(initiator, jitter)
  }

  get deadline(): number {
    return Math.min(
      this.request === undefined ? (this.pendingEpoch < 0 ? this.rekeyAt : Infinity) : this.request.repeatAt,
      this.oldUntil,
      this.confirmAt,
      this.bornAt + REJECT_AFTER
    )
  }

  destroy(): void {
    this.request?.noise.destroy()
    this.request = undefined
    this.hash.fill(0)
  }
}

const after = (initiator: boolean, jitter: number): number =>
  REKEY_AFTER + jitter * REKEY_JITTER + (initiator ? 0 : REKEY_JITTER)

/** Noise KK inside the live session: new keys without a pause. */
export class Rekey {
  startsThisTurn = 0

  constructor(private readonly core: Core, private readonly sender: Sender) {}

  begin(now: number, session: Session, hash: Uint8Array): void {
    session.rekeying = new Rekeying(session.initiator, now, this.jitter(), hash)
  }

  /** Deadlines of an active session. */
  timeout(now: number, session: Session): void {
    const { rekeying } = session
    if (rekeying === undefined) return
    if (now >= rekeying.oldUntil) this.retireOld(session, rekeying)
    if (now >= rekeying.bornAt + REJECT_AFTER) {
      return this.core.closeSession(now, session, "LimitExceeded", "no new keys within 180 s")
    }
    // a request wants an answer, so silence after it tells as much as silence after a PING
    if (rekeying.request !== undefined && session.unheardSince === Infinity) session.unheardSince = now
    if (now >= rekeying.confirmAt) {
      rekeying.confirmAt = now + FIRST_REPEAT
      this.sender.sendControl(now, session)
    }
    if (rekeying.request !== undefined) {
      if (now < rekeying.request.repeatAt) return
      rekeying.request.interval = Math.min(LAST_REPEAT, rekeying.request.interval * 2)
      rekeying.request.repeatAt = now + rekeying.request.interval
      this.sender.sendFrame(now, session, Frame.REKEY, rekeying.request.body)
      // the repeats keep the keepalive from being due, so they say what it would say
      if (!session.pingOpen) this.sender.sendControl(now, session)
    } else if (now >= rekeying.rekeyAt) {
      this.start(now, session)
    }
  }

  /** Asks for new keys, unless that is going on. */
  start(now: number, session: Session): void {
    const { rekeying } = session
    if (rekeying === undefined || rekeying.request !== undefined || rekeying.pendingEpoch >= 0) return
    if (this.startsThisTurn >= STARTS_PER_TURN || rekeying.oldEpoch >= 0) {
      rekeying.rekeyAt = now + 1 + this.jitter() * 100
      return
    }
    this.startsThisTurn++
    const epoch = (session.epoch + 1) & 3
    const noise = this.noise(session, rekeying, "initiator", epoch)
    const body = frameBody(REQUEST, epoch, noise.writeMessage(new Uint8Array(0)))
    rekeying.request = new Request(epoch, noise, body, now)
    this.core.arm(session, rekeying.request.repeatAt)
    this.sender.sendFrame(now, session, Frame.REKEY, body)
  }

  /** A REKEY frame. False when it is misbehaviour: the inner handshake of an authentic packet does not authenticate. */
  onFrame(now: number, session: Session, body: Uint8Array): boolean {
    const { rekeying } = session
    if (rekeying === undefined) return true
    const epoch = body[1]
    if (body[0] === REQUEST) return this.onRequest(now, session, rekeying, epoch, body)
    if (body[0] === ANSWER) return this.onAnswer(now, session, rekeying, epoch, body)
    return false
  }

  /** Sends something, and again until a packet under the present key has come back. */
  confirm(now: number, session: Session): void {
    const { rekeying } = session
    if (rekeying === undefined) return
    rekeying.confirmAt = now + FIRST_REPEAT
    session.awaitsNewKeys = true
    this.core.arm(session, rekeying.confirmAt)
    this.sender.sendControl(now, session)
  }

  private onRequest(now: number, session: Session, rekeying: Rekeying, epoch: number, body: Uint8Array): boolean {
    if (rekeying.question !== undefined && rekeying.answer !== undefined && equal(rekeying.question, body)) {
      if (now - rekeying.answeredAt >= ANSWER_INTERVAL) {
        rekeying.answeredAt = now
        this.sender.sendFrame(now, session, Frame.REKEY, rekeying.answer)
      }
      return true
    }
    // late repeats, and requests that come too soon
    if (epoch !== ((session.epoch + 1) & 3) || rekeying.pendingEpoch >= 0 || rekeying.oldEpoch >= 0) return true
    if (rekeying.request !== undefined) {
      // both asked at once: the session's initiator wins
      if (session.initiator) return true
      rekeying.request.noise.destroy()
      rekeying.request = undefined
    }
    // after one that did not authenticate the next ones are misbehaviour unread: computing has its price
    if (now - rekeying.failedAt < OLD_KEY_FOR) return false
    if (!this.core.mayCompute(now, DH_OF_REQUEST)) return true
    const noise = this.noise(session, rekeying, "responder", epoch)
    try {
      noise.readMessage(body.subarray(2))
      rekeying.answer = frameBody(ANSWER, epoch, noise.writeMessage(new Uint8Array(0)))
    } catch (error) {
      noise.destroy()
      rekeying.failedAt = now
      if (error instanceof NoiseError) return false
      throw error
    }
    rekeying.question = body.slice()
    this.install(session, rekeying, noise, epoch)
    rekeying.pendingEpoch = epoch
    session.awaitsNewKeys = true
    rekeying.answeredAt = now
    this.sender.sendFrame(now, session, Frame.REKEY, rekeying.answer)
    return true
  }

  private onAnswer(now: number, session: Session, rekeying: Rekeying, epoch: number, body: Uint8Array): boolean {
    const { request } = rekeying
    if (request === undefined || request.epoch !== epoch) return true
    try {
      request.noise.readMessage(body.subarray(2))
    } catch (error) {
      if (error instanceof NoiseError) return false
      throw error
    }
    rekeying.request = undefined
    this.install(session, rekeying, request.noise, epoch)
    this.switchTo(now, session, rekeying, epoch)
    // the other end seals under the new key when it has opened something under it
    this.confirm(now, session)
    return true
  }

  /** A packet of `epoch` has been opened. */
  opened(now: number, session: Session, epoch: number): void {
    if (!session.awaitsNewKeys) return
    const { rekeying } = session
    if (rekeying === undefined) return
    if (epoch === session.epoch) rekeying.confirmAt = Infinity
    if (rekeying.pendingEpoch === epoch) {
      rekeying.pendingEpoch = -1
      this.switchTo(now, session, rekeying, epoch)
    }
    session.awaitsNewKeys = rekeying.confirmAt < Infinity || rekeying.pendingEpoch >= 0
  }

  private noise(
    session: Session,
    rekeying: Rekeying,
    role: "initiator" | "responder",
    epoch: number
  ): HandshakeState {
    const prologue = new Uint8Array(rekeying.hash.length + 1)
    prologue.set(rekeying.hash)
    prologue[rekeying.hash.length] = epoch
    return this.core.services.handshake.beginRekey(role, session.identity, prologue)
  }

  private install(session: Session, rekeying: Rekeying, noise: HandshakeState, epoch: number): void {
    const { crypto, replayGuard } = this.core.services
    rekeying.hash = noise.handshakeHash.slice()
    const keys = noise.splitKeys()
    const serial = (session.current?.serial ?? 0) + 1
    session.setKeys(
      epoch,
      new EpochKeys(crypto.makeKey(keys.send), crypto.makeKey(keys.receive), replayGuard.make(), serial, 0)
    )
    keys.send.fill(0)
    keys.receive.fill(0)
    noise.destroy()
  }

  private switchTo(now: number, session: Session, rekeying: Rekeying, epoch: number): void {
    rekeying.oldEpoch = session.epoch
    rekeying.oldUntil = now + OLD_KEY_FOR
    this.core.arm(session, rekeying.oldUntil)
    session.epoch = epoch
    const keys = session.keysOf(epoch)
    if (keys !== undefined) keys.firstOrder = session.packetOrder
    rekeying.bornAt = now
    rekeying.rekeyAt = now + after(session.initiator, this.jitter())
    this.core.counters.rekeys++
    this.core.host.onRekeyed(session)
  }

  private retireOld(session: Session, rekeying: Rekeying): void {
    session.keysOf(rekeying.oldEpoch)?.destroy()
    session.setKeys(rekeying.oldEpoch, undefined)
    rekeying.oldEpoch = -1
    rekeying.oldUntil = Infinity
    rekeying.question = undefined
    rekeying.answer = undefined
  }

  private jitter(): number {
    return this.core.services.entropy.uint32() / 2 ** 32
  }
}

const frameBody = (step: number, epoch: number, message: Uint8Array): Uint8Array => {
  const body = new Uint8Array(2 + message.length)
  body[0] = step
  body[1] = epoch
  body.set(message, 2)
  return body
}
