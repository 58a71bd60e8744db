import type { HandshakeState } from "@intentra/noise"
import { NoiseError } from "@intentra/noise"
import { REFUSED_SOURCE } from "../AdmissionTable.js"
import * as DropReason from "../DropReason.js"
import { readU32 } from "./bytes.js"
import type { Core } from "./core.js"
import { ADMIT, REFUSE, UNDECIDED } from "./core.js"
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
  verifyMac1
} from "./handshakeMessages.js"
import type { Endpoint } from "./session.js"
import { ACTIVE, EpochKeys, HALF_OPEN, Session } from "./session.js"
import * as TransportParameters from "./transportParameters.js"

const { code } = DropReason

/** Finished handshakes are remembered so long, and so many of them. */
const FINISHED_FOR = 10_000
const FINISHED_LIMIT = 1024
/** Enough of message 3 to know its repeats: the sealed static key. */
const MESSAGE_3_MARK = 48
/** A repeated message 3 is answered so often at most, and no faster than this. */
const MESSAGE_3_ANSWERS = 8
const MESSAGE_3_INTERVAL = 50

/** Diffie-Hellmans of reading an echo and writing message 2, and of reading message 3. */
const DH_OF_ECHO = 3
const DH_OF_MESSAGE_3 = 1

/** Somebody's handshake, past the cookie and not finished. */
export class HalfOpen implements Endpoint {
  timerAt = 0
  timerIndex = -1
  state = HALF_OPEN
  /** The session that waits for the authorizer's verdict. */
  session: Session | undefined = undefined

  constructor(
    readonly connId: number,
    readonly remoteConnId: number,
    readonly slot: number,
    readonly key: string,
    readonly addressId: number,
    readonly noise: HandshakeState,
    readonly message2: Uint8Array
  ) {}
}

/** The responder: stateless until the cookie comes back, bounded after. It has no repeat timers. */
export class Responder {
  private readonly challenge = new Uint8Array(CHALLENGE_BYTES)
  private readonly macOpen: (data: Uint8Array) => Uint8Array
  private readonly macPinned: (data: Uint8Array) => Uint8Array
  private readonly bySlot = new Map<number, HalfOpen>()
  private readonly byKey = new Map<string, HalfOpen>()
  private readonly finished = new Map<string, number>()

  constructor(private readonly core: Core) {
    const { handshake } = core.services
    this.macOpen = handshake.mac1(undefined)
    this.macPinned = handshake.mac1(handshake.publicKey)
  }

  /** Handshakes whose first sight is remembered; for tests of what strangers can allocate. */
  get remembered(): number {
    return this.finished.size
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
    if (core.challengesThisTurn >= core.limits.challengesPerTurn) return core.drop(code.HandshakeBudget)
    core.challengesThisTurn++
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
    // cookie and Noise message 1: the same again is a repeat, whoever sends it
    const key = Buffer.from(arena.buffer, arena.byteOffset + offset + ECHO_COOKIE, end - ECHO_COOKIE).toString("latin1")
    const known = this.byKey.get(key)
    if (known !== undefined) {
      core.counters.accepted[2]++
      return core.sendBytes(known.message2, known.addressId)
    }
    if ((this.finished.get(key) ?? 0) > now) return core.drop(code.HandshakeRepeated)
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
    const noise = handshake.begin("responder", remoteConnId)
    let message2: Uint8Array
    try {
      noise.readMessage(arena.subarray(offset + ECHO_NOISE, offset + end))
      message2 = encodeNoise(MESSAGE_2, remoteConnId, noise.writeMessage(core.ownParameters(connId, entropy.uint32())))
    } catch (error) {
      if (!(error instanceof NoiseError)) throw error
      noise.destroy()
      gate.admission.release(slot)
      core.counters.handshakesInFlight = gate.admission.inFlight
      return core.drop(code.HandshakeForged)
    }
    core.counters.accepted[2]++
    const addressId = core.host.addresses.acquire(addresses, addressOffset)
    const halfOpen = new HalfOpen(connId, remoteConnId, slot, key, addressId, noise, message2)
    core.table.set(halfOpen)
    this.bySlot.set(slot, halfOpen)
    this.byKey.set(key, halfOpen)
    core.timers.set(halfOpen, now + core.limits.handshakeTimeout)
    core.sendBytes(message2, addressId)
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
    if (halfOpen.session !== undefined) return core.drop(code.HandshakeRepeated)
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
    const { crypto, handshake, rateLimiter, replayGuard, strikes } = core.services
    const hash = noise.handshakeHash.slice()
    const keys = noise.splitKeys()
    const session = new Session(
      halfOpen.connId,
      halfOpen.remoteConnId,
      false,
      remote,
      handshake.identify(remote),
      core.host.addresses.acquire(addresses, addressOffset),
      HALF_OPEN,
      rateLimiter.makeSession(),
      rateLimiter.makeForgery(),
      strikes.make(),
      Math.min(core.limits.maxDatagram, parameters.maxDatagram),
      now
    )
    session.keys[0] = new EpochKeys(crypto.makeKey(keys.send), crypto.makeKey(keys.receive), replayGuard.make(), 0, 0)
    session.handshakeHash = hash
    keys.send.fill(0)
    keys.receive.fill(0)
    session.message3 = arena.slice(offset + NOISE_MESSAGE, offset + NOISE_MESSAGE + MESSAGE_3_MARK)
    session.greaseDue = true
    halfOpen.session = session
    const own = Buffer.compare(remote, handshake.publicKey) === 0
    const verdict = own ? REFUSE : core.host.authorize(remote, halfOpen.addressId, halfOpen)
    core.counters.undecided++
    if (verdict !== UNDECIDED) this.verdict(now, halfOpen, verdict === ADMIT)
  }

  /** The authorizer's answer, at once or later. */
  verdict(now: number, halfOpen: HalfOpen, admitted: boolean): void {
    const { core } = this
    const { session } = halfOpen
    if (session === undefined || core.table.get(halfOpen.connId) !== halfOpen) return
    this.forget(now, halfOpen)
    core.table.set(session)
    core.counters.undecided--
    if (!admitted) {
      core.drop(code.Unauthorized)
      return core.closeSession(now, session, "AuthFail", "this key is not admitted")
    }
    const older = core.byIdentity.get(session.identityKey)
    if (older !== undefined && core.limits.sameIdentity === "reject") {
      core.drop(code.Unauthorized)
      return core.closeSession(now, session, "Replaced", "this key has an active session already")
    }
    const taken = core.active.size + core.connecting.size
    if (taken >= core.limits.maxSessions && (older === undefined || core.limits.sameIdentity === "allow")) {
      core.drop(code.SessionLimit)
      return core.closeSession(now, session, "LimitExceeded", "no room for another session")
    }
    core.counters.accepted[2]++
    core.activate(now, session)
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
    const { message3 } = session
    if (message3 === undefined || length < NOISE_MESSAGE + message3.length || session.state !== ACTIVE) return false
    if (!this.core.host.addresses.equals(session.addressId, addresses, addressOffset)) return false
    for (let i = 0; i < message3.length; i++) if (message3[i] !== arena[offset + NOISE_MESSAGE + i]) return false
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

  /** No verdict came in time: its message 3 counts as refused. */
  private discard(halfOpen: HalfOpen): void {
    const { session } = halfOpen
    if (session === undefined) return
    this.core.counters.undecided--
    this.core.drop(code.Unauthorized)
    session.destroyKeys()
    this.core.releaseAddress(session.addressId)
  }

  /** Frees the slot, and remembers the echo for a while so that a late repeat begins nothing. */
  private forget(now: number, halfOpen: HalfOpen): void {
    const { admission } = this.core.services.gate
    admission.release(halfOpen.slot)
    this.core.counters.handshakesInFlight = admission.inFlight
    this.remove(halfOpen)
    for (const [key, until] of this.finished) {
      if (until > now && this.finished.size < FINISHED_LIMIT) break
      this.finished.delete(key)
    }
    this.finished.set(halfOpen.key, now + FINISHED_FOR)
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
      (arena[offset + FLAGS] & ~PINNED_FLAG) !== 0 || arena[offset + PATTERN] !== handshake.pattern ||
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
