import type { HandshakeState } from "@intentra/noise"
import { NoiseError } from "@intentra/noise"
import { Address } from "@intentra/udp"
import * as CloseReason from "../CloseReason.js"
import * as DropReason from "../DropReason.js"
import { equal, writeU32 } from "./bytes.js"
import type { ConnectFailure, Core } from "./core.js"
import { REFUSE, UNDECIDED } from "./core.js"
import {
  CHALLENGE_BYTES,
  CHALLENGE_COOKIE,
  CHALLENGE_NONCE,
  COOKIE_BYTES,
  encodeEcho,
  encodeHello,
  encodeNoise,
  MESSAGE_3,
  NOISE_MESSAGE,
  NONCE,
  NONCE_BYTES,
  PADDED_BYTES,
  TIMESTAMP_BYTES,
  verifyChallenge
} from "./handshakeMessages.js"
import { newSession } from "./newSession.js"
import type { Endpoint, Session } from "./session.js"
import { CLOSED, CONNECTING, identityKeyOf, OPENING } from "./session.js"
import * as TransportParameters from "./transportParameters.js"

const { code } = DropReason

/** First repeat after this many milliseconds, then twice as long each time up to the last; all jittered by a tenth. */
const FIRST_REPEAT = 200
const LAST_REPEAT = 1000
/**
 * Different cookies echoed without waiting for the repeat timer. A forged challenge costs one of these, not the
 * handshake: every repeat of the hello brings a genuine one, and grants as many again.
 */
const ECHOES_PER_REPEAT = 16

/** Between two attempts to rejoin a silent hub. */
const REJOIN_PAUSE = 15_000
/** Unanswered messages 3 after which the handshake begins anew. */
const MESSAGE_3_TRIES = 5

/** Diffie-Hellmans of reading message 2 and writing message 3. */
const DH_OF_MESSAGE_2 = 3

/** A handshake of ours in progress. Only this side has timers. */
export class Connecting implements Endpoint {
  timerAt = 0
  timerIndex = -1
  state = CONNECTING
  readonly deadline: number
  interval = FIRST_REPEAT
  repeats = 0
  echoesLeft = ECHOES_PER_REPEAT
  echo: Uint8Array | undefined = undefined
  message3: Uint8Array | undefined = undefined
  /** How often it went out since the responder last said that it knows of it. */
  message3Sent = 0
  session: Session | undefined = undefined
  /** The other end's own handshake stands: nothing more is sent, its session is awaited. */
  yielded = false
  failure: ConnectFailure = "HandshakeTimeout"
  closeReason: CloseReason.CloseReason | undefined = undefined
  /** The silent session that this handshake is to replace. */
  rejoins: Session | undefined = undefined
  /** Set by the shell. */
  handle: unknown = undefined

  constructor(
    public connId: number,
    readonly addressId: number,
    readonly address: Uint8Array,
    readonly remoteKey: Uint8Array | undefined,
    readonly nonce: Uint8Array,
    public hello: Uint8Array,
    public message1: Uint8Array,
    readonly mac1: (data: Uint8Array) => Uint8Array,
    /** IK: done with message 2. */
    readonly quick: boolean,
    public noise: HandshakeState,
    now: number,
    timeout: number
  ) {
    this.deadline = now + timeout
  }

  /** The responder has message 3 and waits for its authorizer. */
  waitOn(): void {
    this.message3Sent = 0
  }
}

/** The initiator: hello, echo, message 3, each repeated until something better comes back. */
export class Initiator {
  constructor(private readonly core: Core) {}

  /** Whether our static key is smaller than another. */
  isSmaller(identity: Uint8Array): boolean {
    return Buffer.compare(this.core.services.handshake.publicKey, identity) < 0
  }

  /** Whether a handshake of ours with this identity is at its last message. */
  isOpening(identityKey: string): boolean {
    for (const connecting of this.core.connecting) {
      if (connecting.session?.identityKey === identityKey) return true
    }
    return false
  }

  /** A session has become active: the handshakes of ours for the same identity, but rejoining ones, have their peer. */
  resolve(now: number, session: Session): void {
    for (const connecting of this.core.connecting) {
      const opening = connecting.session
      const matches = opening === undefined
        ? connecting.yielded && connecting.remoteKey !== undefined && equal(connecting.remoteKey, session.identity)
        : opening.identityKey === session.identityKey
      if (!matches || connecting.rejoins !== undefined) continue
      if (opening !== undefined) this.core.abandon(now, opening)
      connecting.state = CLOSED
      this.done(connecting)
      this.core.host.onConnected(connecting, session)
    }
  }

  connect(now: number, address: Uint8Array, remoteKey: Uint8Array | undefined, quick: boolean): Connecting {
    const { entropy, handshake } = this.core.services
    const connId = this.core.table.newId(now)
    const nonce = new Uint8Array(NONCE_BYTES)
    entropy.fill(nonce)
    const mac1 = handshake.mac1(remoteKey)
    const pattern = quick ? handshake.quickPattern : handshake.pattern
    const noise = handshake.begin("initiator", connId, pattern, quick ? remoteKey : undefined)
    let payload = new Uint8Array(0)
    if (quick) {
      const timestamp = this.core.timestamp(now)
      const parameters = this.core.ownParameters(connId, entropy.uint32())
      payload = new Uint8Array(TIMESTAMP_BYTES + parameters.length)
      writeU32(payload, 0, Math.floor(timestamp / 2 ** 32))
      writeU32(payload, 4, timestamp >>> 0)
      payload.set(parameters, TIMESTAMP_BYTES)
    }
    const connecting = new Connecting(
      connId,
      this.core.host.addresses.acquire(address, 0),
      address.slice(),
      remoteKey?.slice(),
      nonce,
      encodeHello(remoteKey !== undefined && !handshake.hasPsk, pattern, connId, nonce, mac1),
      noise.writeMessage(payload),
      mac1,
      quick,
      noise,
      now,
      this.core.limits.handshakeTimeout
    )
    this.core.connecting.add(connecting)
    this.core.table.set(connecting)
    this.core.sendBytes(connecting.hello, connecting.addressId)
    this.schedule(now, connecting)
    return connecting
  }

  timeout(now: number, connecting: Connecting): void {
    if (now >= connecting.deadline) {
      const { session } = connecting
      if (session !== undefined) {
        // whether the responder knows of this session or not, it need not wait for us
        session.connecting = undefined
        this.core.closeSession(now, session, "Timeout", "the handshake took too long")
      }
      this.fail(connecting, connecting.failure, connecting.closeReason)
      return
    }
    if (connecting.yielded) return this.core.timers.set(connecting, connecting.deadline)
    connecting.repeats++
    connecting.interval = Math.min(LAST_REPEAT, connecting.interval * 2)
    connecting.echoesLeft = ECHOES_PER_REPEAT
    if (connecting.message3 !== undefined && connecting.message3Sent >= MESSAGE_3_TRIES) this.restart(now, connecting)
    else if (connecting.message3 !== undefined) {
      connecting.message3Sent++
      this.core.sendBytes(connecting.message3, connecting.addressId)
    } else {
      // the hello brings a fresh challenge in case the cookie has grown old or was forged
      if (connecting.echo !== undefined) this.core.sendBytes(connecting.echo, connecting.addressId)
      if (connecting.echo === undefined || connecting.repeats % 2 === 0) {
        this.core.sendBytes(connecting.hello, connecting.addressId)
      }
    }
    this.schedule(now, connecting)
  }

  /** The responder has forgotten this handshake, it seems: once more from the beginning, under the same deadline. */
  private restart(now: number, connecting: Connecting): void {
    const { core } = this
    const { handshake } = core.services
    if (connecting.session !== undefined) core.abandon(now, connecting.session)
    connecting.session = undefined
    connecting.message3 = undefined
    connecting.echo = undefined
    connecting.interval = FIRST_REPEAT
    // what was abandoned keeps its conn_id for a while
    connecting.connId = core.table.newId(now)
    core.services.entropy.fill(connecting.nonce)
    connecting.noise = handshake.begin("initiator", connecting.connId, handshake.pattern)
    connecting.message1 = connecting.noise.writeMessage(new Uint8Array(0))
    connecting.hello = encodeHello(
      connecting.remoteKey !== undefined && !handshake.hasPsk,
      handshake.pattern,
      connecting.connId,
      connecting.nonce,
      connecting.mac1
    )
    core.table.set(connecting)
    core.sendBytes(connecting.hello, connecting.addressId)
  }

  /** A challenge for `connecting`: its nonce answers our hello, its MAC shows that the sender knows what mac1 shows. */
  onChallenge(connecting: Connecting, arena: Uint8Array, offset: number, length: number): void {
    const { core } = this
    if (length !== CHALLENGE_BYTES) return core.drop(code.HandshakeMalformed)
    if (connecting.message3 !== undefined) return core.drop(code.HandshakeRepeated)
    for (let i = 0; i < NONCE_BYTES; i++) {
      if (arena[offset + CHALLENGE_NONCE + i] !== connecting.hello[NONCE + i]) return core.drop(code.HandshakeForged)
    }
    if (!verifyChallenge(arena, offset, connecting.mac1)) return core.drop(code.HandshakeForged)
    if (connecting.echoesLeft === 0) return core.drop(code.HandshakeRepeated)
    connecting.echoesLeft--
    core.counters.accepted[2]++
    const cookie = arena.subarray(offset + CHALLENGE_COOKIE, offset + CHALLENGE_COOKIE + COOKIE_BYTES)
    connecting.echo = encodeEcho(connecting.hello, cookie, connecting.message1, connecting.mac1)
    core.sendBytes(connecting.echo, connecting.addressId)
  }

  /** Message 2, read on a copy: a forged one changes nothing, and waiting goes on. */
  onMessage2(now: number, connecting: Connecting, arena: Uint8Array, offset: number, length: number): void {
    const { core } = this
    if (length > PADDED_BYTES) return core.drop(code.HandshakeMalformed)
    if (connecting.yielded || connecting.message3 !== undefined) return core.drop(code.HandshakeRepeated)
    if (connecting.echo === undefined) return core.drop(code.HandshakeUnexpected)
    if (!core.mayCompute(now, DH_OF_MESSAGE_2)) return core.drop(code.HandshakeBudget)
    const noise = connecting.noise.clone()
    let parameters: TransportParameters.TransportParameters | undefined
    try {
      parameters = TransportParameters.decode(
        noise.readMessage(arena.subarray(offset + NOISE_MESSAGE, offset + length))
      )
    } catch (error) {
      if (!(error instanceof NoiseError)) throw error
      noise.destroy()
      return core.drop(code.HandshakeForged)
    }
    const remote = noise.remoteStatic
    if (remote === undefined || parameters === undefined || parameters.connId === 0) {
      noise.destroy()
      return core.drop(code.HandshakeMalformed)
    }
    if (connecting.remoteKey !== undefined && !equal(remote, connecting.remoteKey)) {
      noise.destroy()
      connecting.failure = "WrongKey"
      return core.drop(code.HandshakeForged)
    }
    if (connecting.remoteKey === undefined) {
      const verdict = core.host.authorize(remote, connecting.addressId, connecting)
      if (verdict === REFUSE || verdict === UNDECIDED) {
        // an undecided authorizer cannot hold a responder's answer: whoever needs time pins the key instead
        noise.destroy()
        connecting.failure = "NotAdmitted"
        return core.drop(code.Unauthorized)
      }
    }
    core.counters.accepted[2]++
    if (parameters.refusal >= 0) {
      noise.destroy()
      connecting.state = CLOSED
      return this.fail(connecting, "Refused", CloseReason.fromPeerCode(parameters.refusal))
    }
    const other = core.byIdentity.get(identityKeyOf(remote))
    if (
      other !== undefined && !other.initiator && core.limits.sameIdentity !== "allow" &&
      connecting.rejoins === undefined && !this.isSmaller(remote)
    ) {
      // the other end has connected to us meanwhile, and its session stands
      noise.destroy()
      connecting.state = CLOSED
      this.forget(connecting)
      return core.host.onConnected(connecting, other)
    }
    connecting.noise.destroy()
    connecting.noise = noise
    this.finish(now, connecting, remote, parameters)
  }

  private finish(
    now: number,
    connecting: Connecting,
    remote: Uint8Array,
    parameters: TransportParameters.TransportParameters
  ): void {
    const { core } = this
    const { entropy } = core.services
    if (!connecting.quick) {
      const message3 = connecting.noise.writeMessage(core.ownParameters(connecting.connId, entropy.uint32()))
      connecting.message3 = encodeNoise(MESSAGE_3, parameters.connId, message3)
    }
    const session = newSession(
      core,
      now,
      connecting.noise,
      remote,
      true,
      connecting.connId,
      parameters.connId,
      connecting.address,
      0,
      parameters,
      OPENING
    )
    session.connecting = connecting
    connecting.session = session
    core.table.set(session)
    if (connecting.message3 === undefined) {
      // IK is complete, and the responder waits for our first packet
      core.activate(now, session)
      return core.confirm(now, session)
    }
    connecting.message3Sent = 1
    core.sendBytes(connecting.message3, connecting.addressId)
    connecting.interval = FIRST_REPEAT
    this.schedule(now, connecting)
  }

  /** The session was heard under its new keys: the handshake has done its work. */
  done(connecting: Connecting): void {
    this.core.connecting.delete(connecting)
    this.core.timers.remove(connecting)
    this.core.releaseAddress(connecting.addressId)
  }

  /** Gives up: the caller's, or the deadline's. */
  fail(connecting: Connecting, failure: ConnectFailure, closeReason?: CloseReason.CloseReason): void {
    this.forget(connecting)
    if (connecting.rejoins !== undefined) {
      connecting.rejoins.rejoining = undefined
      // the next try comes after as long a silence again
      connecting.rejoins.nextRejoinAt = connecting.deadline + REJOIN_PAUSE
      return
    }
    this.core.host.onConnectFailed(connecting, failure, closeReason)
  }

  forget(connecting: Connecting): void {
    this.core.connecting.delete(connecting)
    this.core.timers.remove(connecting)
    if (connecting.session === undefined) this.core.table.delete(connecting.connId)
    connecting.noise.destroy()
    this.core.releaseAddress(connecting.addressId)
  }

  /** Whether a datagram came from where our handshake goes to. */
  isFrom(connecting: Connecting, addresses: Uint8Array, addressOffset: number): boolean {
    return Address.equals(connecting.address, 0, addresses, addressOffset)
  }

  private schedule(now: number, connecting: Connecting): void {
    const jitter = 0.9 + (this.core.services.entropy.uint32() / 2 ** 32) * 0.2
    this.core.timers.set(connecting, Math.min(connecting.deadline, now + connecting.interval * jitter))
  }
}
