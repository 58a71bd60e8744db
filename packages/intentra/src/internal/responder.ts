import { NoiseError } from "@intentra/noise"
import { Address } from "@intentra/udp"
import { REFUSED_SOURCE } from "../AdmissionTable.js"
import * as CloseReason from "../CloseReason.js"
import * as DropReason from "../DropReason.js"
import { readU32 } from "./bytes.js"
import type { Core } from "./core.js"
import { ADMIT, REFUSE, UNDECIDED } from "./core.js"
import { HalfOpen, isMessage3Of, markMessage3 } from "./halfOpen.js"
import { HandshakeMemory } from "./handshakeMemory.js"
import {
  CHALLENGE_BYTES,
  CHALLENGE_COOKIE,
  cookieFields,
  ECHO,
  ECHO_COOKIE,
  ECHO_NOISE,
  encodeChallenge,
  encodeNoise,
  fixedEnd,
  FLAGS,
  HELLO,
  INITIATOR_CONN_ID,
  KIND,
  MESSAGE_2,
  NOISE_MESSAGE,
  PADDED_BYTES,
  PATTERN,
  PINNED_FLAG,
  RESERVED,
  sealChallenge,
  TIMESTAMP_BYTES,
  verifyMac1
} from "./handshakeMessages.js"
import { newSession } from "./newSession.js"
import type { Session } from "./session.js"
import { ACTIVE, CLOSED, HALF_OPEN, identityKeyOf } from "./session.js"
import * as TransportParameters from "./transportParameters.js"

const { code } = DropReason

/** A repeated message 3 is answered so often at most, and no faster than this. */
const MESSAGE_3_ANSWERS = 8
const MESSAGE_3_INTERVAL = 50

/** No DropReason: the handshake goes on. */
const ADMISSIBLE = -1

/** Diffie-Hellmans of reading an echo and writing message 2, and of reading message 3. */
const DH_OF_ECHO = 4
const DH_OF_MESSAGE_3 = 1

const textOf = (bytes: Uint8Array, offset: number, length: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + offset, length).toString("latin1")

/** The responder: stateless until the cookie comes back, bounded after. It has no repeat timers. */
export class Responder {
  private readonly challenge = new Uint8Array(CHALLENGE_BYTES)
  private readonly macOpen: (data: Uint8Array) => Uint8Array
  private readonly macPinned: (data: Uint8Array) => Uint8Array
  private readonly bySlot = new Map<number, HalfOpen>()
  private readonly byKey = new Map<string, HalfOpen>()
  readonly memory = new HandshakeMemory()

  constructor(
    private readonly core: Core,
    /** Says WAIT in a session whose question is still open. */
    private readonly sayWait: (now: number, session: Session) => void
  ) {
    const { handshake } = core.services
    this.macOpen = handshake.mac1(undefined)
    this.macPinned = handshake.mac1(handshake.publicKey)
  }

  onHello(
    now: number,
    arena: Uint8Array,
    offset: number,
    length: number,
    addresses: Uint8Array,
    addressOffset: number
  ): void {
    const { core } = this
    if (!this.checkFixed(arena, offset, length, HELLO)) return
    if (!core.mayChallenge(now)) return core.drop(code.HandshakeBudget)
    const hello = arena.subarray(offset, offset + length)
    encodeChallenge(this.challenge, readU32(arena, offset + INITIATOR_CONN_ID), hello, 0)
    core.services.gate.cookies.mint(
      now,
      addresses,
      addressOffset,
      cookieFields(arena, offset),
      this.challenge,
      CHALLENGE_COOKIE
    )
    sealChallenge(this.challenge, (arena[offset + FLAGS] & PINNED_FLAG) !== 0 ? this.macPinned : this.macOpen)
    core.counters.accepted[2]++
    core.counters.challenges++
    core.sendToStranger(this.challenge, addresses, addressOffset)
  }

  onEcho(
    now: number,
    arena: Uint8Array,
    offset: number,
    length: number,
    addresses: Uint8Array,
    addressOffset: number
  ): void {
    const { core } = this
    const { admission, cookies } = core.services.gate
    if (!this.checkFixed(arena, offset, length, ECHO)) return
    if (
      !cookies.verify(now, addresses, addressOffset, cookieFields(arena, offset), arena, offset + ECHO_COOKIE)
    ) return core.drop(code.BadCookie)
    const end = fixedEnd(arena, offset, ECHO)
    // the same hello and Noise message 1 from the same address are a repeat: another cookie says that time has passed
    const key = textOf(addresses, addressOffset, Address.ADDRESS_BYTES) +
      textOf(arena, offset + FLAGS, ECHO_COOKIE - FLAGS) + textOf(arena, offset + ECHO_NOISE, end - ECHO_NOISE)
    const known = this.byKey.get(key)
    if (known !== undefined) {
      if (known.message2 === undefined) return core.drop(code.HandshakeRepeated)
      core.counters.accepted[2]++
      return core.sendBytes(known.message2, known.addressId)
    }
    if (this.memory.isFinished(now, key)) return core.drop(code.HandshakeRepeated)
    const dhShort = core.isDhShort(now)
    if (!core.mayCompute(now, DH_OF_ECHO)) return core.drop(code.HandshakeBudget)
    const slot = admission.admit(now, addresses, addressOffset, dhShort)
    if (slot < 0) return core.drop(slot === REFUSED_SOURCE ? code.HandshakeSourceLimited : code.HandshakeRateLimited)
    if (admission.evicted >= 0) this.evict(admission.evicted)
    core.counters.handshakesInFlight = admission.inFlight
    this.begin(now, arena, offset, end, addresses, addressOffset, slot, key)
  }

  private begin(
    now: number,
    arena: Uint8Array,
    offset: number,
    end: number,
    addresses: Uint8Array,
    addressOffset: number,
    slot: number,
    key: string
  ): void {
    const { core } = this
    const { entropy, gate, handshake } = core.services
    const remoteConnId = readU32(arena, offset + INITIATOR_CONN_ID)
    const connId = core.table.newId(now)
    const pattern = arena[offset + PATTERN]
    const quick = pattern === handshake.quickPattern
    const noise = handshake.begin("responder", remoteConnId, pattern)
    const addressId = core.host.addresses.acquire(addresses, addressOffset)
    const halfOpen = new HalfOpen(connId, remoteConnId, slot, key, addressId, noise, quick)
    let failure = code.HandshakeForged
    try {
      const payload = noise.readMessage(arena.subarray(offset + ECHO_NOISE, offset + end))
      if (quick) failure = this.readQuick(halfOpen, payload)
      else {
        const message2 = noise.writeMessage(core.ownParameters(connId, entropy.uint32()))
        halfOpen.message2 = encodeNoise(MESSAGE_2, remoteConnId, message2)
        failure = ADMISSIBLE
      }
    } catch (error) {
      if (!(error instanceof NoiseError)) throw error
    }
    if (failure !== ADMISSIBLE) {
      noise.destroy()
      gate.admission.release(slot)
      core.releaseAddress(addressId)
      core.counters.handshakesInFlight = gate.admission.inFlight
      return core.drop(failure)
    }
    core.table.set(halfOpen)
    this.bySlot.set(slot, halfOpen)
    this.byKey.set(key, halfOpen)
    core.timers.set(halfOpen, now + core.limits.handshakeTimeout)
    if (quick) return this.ask(now, halfOpen, noise.remoteStatic)
    core.counters.accepted[2]++
    if (halfOpen.message2 !== undefined) core.sendBytes(halfOpen.message2, addressId)
  }

  /** IK's first message: a timestamp newer than any that its identity has proven, and its parameters. */
  private readQuick(halfOpen: HalfOpen, payload: Uint8Array): number {
    const remote = halfOpen.noise.remoteStatic
    if (payload.length < TIMESTAMP_BYTES || remote === undefined) return code.HandshakeMalformed
    halfOpen.timestamp = readU32(payload, 0) * 2 ** 32 + readU32(payload, 4)
    halfOpen.parameters = TransportParameters.decode(payload.subarray(TIMESTAMP_BYTES))
    if (halfOpen.parameters === undefined) return code.HandshakeMalformed
    return this.memory.isStale(identityKeyOf(remote), halfOpen.timestamp) ? code.HandshakeRepeated : ADMISSIBLE
  }

  /** Puts the question who may join; the verdict comes at once or later. */
  private ask(now: number, halfOpen: HalfOpen, remote: Uint8Array | undefined): void {
    const { core } = this
    if (remote === undefined) return
    halfOpen.undecided = true
    core.counters.undecided++
    const own = Buffer.compare(remote, core.services.handshake.publicKey) === 0
    const verdict = own ? REFUSE : core.host.authorize(remote, halfOpen.addressId, halfOpen)
    if (verdict !== UNDECIDED) this.verdict(now, halfOpen, verdict === ADMIT)
  }

  onMessage3(
    now: number,
    halfOpen: HalfOpen,
    arena: Uint8Array,
    offset: number,
    length: number,
    addresses: Uint8Array,
    addressOffset: number
  ): void {
    const { core } = this
    if (!core.host.addresses.equals(halfOpen.addressId, addresses, addressOffset)) {
      return core.drop(code.HandshakeUnexpected)
    }
    if (halfOpen.session !== undefined) return this.onWaiting(now, halfOpen, halfOpen.session, arena, offset, length)
    if (!core.mayCompute(now, DH_OF_MESSAGE_3)) return core.drop(code.HandshakeBudget)
    const { noise } = halfOpen
    let parameters: TransportParameters.TransportParameters | undefined
    try {
      // a failed read leaves the state as it was: a forged message 3 does not end the handshake
      parameters = TransportParameters.decode(
        noise.readMessage(arena.subarray(offset + NOISE_MESSAGE, offset + length))
      )
    } catch (error) {
      if (!(error instanceof NoiseError)) throw error
      return core.drop(code.HandshakeForged)
    }
    const remote = noise.remoteStatic
    if (remote === undefined || parameters === undefined) {
      this.forget(now, halfOpen)
      return core.drop(code.HandshakeMalformed)
    }
    const session = newSession(
      core,
      now,
      noise,
      remote,
      false,
      halfOpen.connId,
      halfOpen.remoteConnId,
      addresses,
      addressOffset,
      parameters,
      HALF_OPEN
    )
    markMessage3(session, arena, offset)
    halfOpen.session = session
    this.ask(now, halfOpen, remote)
  }

  /** Message 3 again, though the authorizer has not decided: the initiator shall not take us for dead. */
  private onWaiting(
    now: number,
    halfOpen: HalfOpen,
    session: Session,
    arena: Uint8Array,
    offset: number,
    length: number
  ): void {
    const { core } = this
    if (
      !halfOpen.undecided || now - session.message3AnsweredAt < MESSAGE_3_INTERVAL ||
      !isMessage3Of(session, arena, offset, length)
    ) return core.drop(code.HandshakeRepeated)
    session.message3AnsweredAt = now
    core.counters.accepted[2]++
    this.sayWait(now, session)
  }

  /** The authorizer's answer, at once or later. */
  verdict(now: number, halfOpen: HalfOpen, admitted: boolean): void {
    const { core } = this
    if (!halfOpen.undecided || core.table.get(halfOpen.connId) !== halfOpen) return
    halfOpen.undecided = false
    core.counters.undecided--
    if (halfOpen.quick) return this.answerQuick(now, halfOpen, admitted)
    const { session } = halfOpen
    if (session === undefined) return
    this.forget(now, halfOpen)
    core.table.set(session)
    if (!admitted) {
      core.drop(code.Unauthorized)
      return core.closeSession(now, session, "AuthFail", "this key is not admitted")
    }
    const full = this.isFull(session.identityKey)
    if (full !== undefined) {
      core.drop(code.SessionLimit)
      return core.closeSession(now, session, "LimitExceeded", full)
    }
    core.counters.accepted[2]++
    core.activate(now, session)
  }

  /** Message 2 of IK carries a refusal, or makes the session that its first packet will prove. */
  private answerQuick(now: number, halfOpen: HalfOpen, admitted: boolean): void {
    const { core } = this
    const { noise, parameters } = halfOpen
    const remote = noise.remoteStatic
    if (remote === undefined || parameters === undefined) return
    const full = this.isFull(identityKeyOf(remote)) !== undefined
    const refusal = !admitted ? CloseReason.toCode("AuthFail") : full ? CloseReason.toCode("LimitExceeded") : -1
    const own = core.ownParameters(halfOpen.connId, core.services.entropy.uint32(), refusal)
    halfOpen.message2 = encodeNoise(MESSAGE_2, halfOpen.remoteConnId, noise.writeMessage(own))
    core.sendBytes(halfOpen.message2, halfOpen.addressId)
    if (refusal >= 0) return core.drop(admitted ? code.SessionLimit : code.Unauthorized)
    core.counters.accepted[2]++
    const address = new Uint8Array(Address.ADDRESS_BYTES)
    core.host.addresses.copyTo(halfOpen.addressId, address, 0)
    halfOpen.session = newSession(
      core,
      now,
      noise,
      remote,
      false,
      halfOpen.connId,
      halfOpen.remoteConnId,
      address,
      0,
      parameters,
      HALF_OPEN
    )
  }

  /** IK: a packet under the new keys has been opened, so the initiator is alive and holds its static key. */
  proven(now: number, halfOpen: HalfOpen, session: Session): void {
    const { core } = this
    this.forget(now, halfOpen)
    core.table.set(session)
    this.memory.prove(session.identityKey, halfOpen.timestamp)
    // others may have come since its message 2
    const full = this.isFull(session.identityKey)
    if (full !== undefined) return core.closeSession(now, session, "LimitExceeded", full)
    core.activate(now, session)
  }

  /** The initiator has said CLOSE before its session was active. */
  withdraw(now: number, halfOpen: HalfOpen): void {
    this.forget(now, halfOpen)
    this.discard(halfOpen)
  }

  /** Why there is no room for a session of this identity, undefined when there is. */
  private isFull(identityKey: string): string | undefined {
    const { active, byIdentity, connecting, limits, services } = this.core
    const { neighbours } = services
    const older = byIdentity.get(identityKey)
    if (older !== undefined && limits.sameIdentity === "reject") return "this key has an active session already"
    const known = older !== undefined || neighbours?.mayKnow(identityKey) === true
    if (known && limits.sameIdentity !== "allow") return undefined
    const sessions = active.size + connecting.size + (neighbours?.sessions() ?? 0)
    return sessions >= limits.maxSessions ? "no room for another session" : undefined
  }

  /** Message 3 again, though the session is there: our first packet was lost. */
  onRepeatedMessage3(
    now: number,
    session: Session,
    arena: Uint8Array,
    offset: number,
    length: number,
    addresses: Uint8Array,
    addressOffset: number
  ): boolean {
    if (session.state !== ACTIVE || !isMessage3Of(session, arena, offset, length)) return false
    if (!this.core.host.addresses.equals(session.addressId, addresses, addressOffset)) return false
    if (session.message3Answers >= MESSAGE_3_ANSWERS || now - session.message3AnsweredAt < MESSAGE_3_INTERVAL) {
      return false
    }
    session.message3Answers++
    session.message3AnsweredAt = now
    return true
  }

  timeout(now: number, halfOpen: HalfOpen): void {
    this.forget(now, halfOpen)
    this.discard(halfOpen)
  }

  private evict(slot: number): void {
    const halfOpen = this.bySlot.get(slot)
    if (halfOpen === undefined) return
    this.core.counters.handshakesEvicted++
    this.remove(halfOpen)
    this.discard(halfOpen)
  }

  /** The end of a handshake without a session: a question without a verdict counts as refused. */
  private discard(halfOpen: HalfOpen): void {
    const { session } = halfOpen
    if (halfOpen.undecided) {
      halfOpen.undecided = false
      this.core.counters.undecided--
      this.core.drop(code.Unauthorized)
    }
    // a WAIT that could not be sealed has closed it
    if (session === undefined || session.state === CLOSED) return
    session.destroyKeys()
    this.core.releaseAddress(session.addressId)
    session.detach()
  }

  /** Frees the slot, and remembers the echo for a while so that a late repeat begins nothing. */
  private forget(now: number, halfOpen: HalfOpen): void {
    const { admission } = this.core.services.gate
    admission.release(halfOpen.slot)
    this.core.counters.handshakesInFlight = admission.inFlight
    this.remove(halfOpen)
    this.memory.finish(now, halfOpen.key)
  }

  private remove(halfOpen: HalfOpen): void {
    this.bySlot.delete(halfOpen.slot)
    this.byKey.delete(halfOpen.key)
    this.core.timers.remove(halfOpen)
    this.core.table.delete(halfOpen.connId)
    this.core.releaseAddress(halfOpen.addressId)
    halfOpen.noise.destroy()
  }

  /** Size, fixed fields and mac1 of hello and echo, each counted. */
  private checkFixed(arena: Uint8Array, offset: number, length: number, kind: typeof HELLO | typeof ECHO): boolean {
    const { core } = this
    const { handshake } = core.services
    if (
      length !== PADDED_BYTES || readU32(arena, offset + 4) !== 0 || arena[offset + RESERVED] !== 0 ||
      (arena[offset + FLAGS] & ~PINNED_FLAG) !== 0 ||
      (arena[offset + PATTERN] !== handshake.pattern && arena[offset + PATTERN] !== handshake.quickPattern) ||
      readU32(arena, offset + INITIATOR_CONN_ID) === 0 || arena[offset + KIND] !== kind
    ) {
      core.drop(code.HandshakeMalformed)
      return false
    }
    const end = fixedEnd(arena, offset, kind)
    if (end < 0) {
      core.drop(code.HandshakeMalformed)
      return false
    }
    const mac = (arena[offset + FLAGS] & PINNED_FLAG) !== 0 ? this.macPinned : this.macOpen
    if (!verifyMac1(arena, offset, end, mac)) {
      core.drop(code.BadMac1)
      return false
    }
    return true
  }
}
