/** Somebody who speaks the handshake by hand, message by message, from any address, right or wrong. */
import { assert } from "@effect/vitest"
import type { HandshakeState } from "@intentra/noise"
import type { HandshakeShape } from "../../src/Handshake.js"
import {
  CHALLENGE,
  CHALLENGE_BYTES,
  CHALLENGE_COOKIE,
  COOKIE_BYTES,
  ECHO,
  ECHO_NOISE,
  ECHO_NOISE_LENGTH,
  encodeChallenge,
  encodeEcho,
  encodeHello,
  encodeNoise,
  HELLO,
  INITIATOR_CONN_ID,
  KIND,
  MESSAGE_2,
  MESSAGE_3,
  NOISE_MESSAGE,
  sealChallenge
} from "../../src/internal/handshakeMessages.js"
import * as TransportParameters from "../../src/internal/transportParameters.js"
import type { Datagram, Simulation, Station } from "./simulation.js"

export { CHALLENGE, ECHO, HELLO, MESSAGE_2, MESSAGE_3 }

/** The kind of a handshake datagram, 0 for a sealed one. */
export const kindOf = (bytes: Uint8Array): number => (bytes[0] & 15) === 2 ? bytes[KIND] : 0

export const u32 = (bytes: Uint8Array, offset: number): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset)

const parameters = (connId: number): Uint8Array =>
  TransportParameters.encode({ connId, maxDatagram: 2048, packetsPerSecond: 10_000 }, 0)

const nonceOf = (n: number): Uint8Array => {
  const nonce = new Uint8Array(16)
  new DataView(nonce.buffer).setUint32(0, n)
  return nonce
}

export interface StrangerOptions {
  readonly connId?: number
  /** Key mac1 with the target's static key. */
  readonly pinned?: boolean
  /** Noise message 1 instead of a genuine one. */
  readonly message1?: Uint8Array
}

export class Stranger {
  readonly noise: HandshakeState
  readonly hello: Uint8Array
  readonly message1: Uint8Array
  readonly connId: number
  private readonly mac1

  constructor(
    readonly simulation: Simulation,
    readonly address: string,
    readonly target: Station,
    handshake: HandshakeShape,
    options: StrangerOptions = {}
  ) {
    this.connId = options.connId ?? 0x51a46e
    const pinned = options.pinned ?? !handshake.hasPsk
    this.mac1 = handshake.mac1(pinned ? target.publicKey : undefined)
    this.hello = encodeHello(pinned, handshake.pattern, this.connId, nonceOf(this.connId), this.mac1)
    this.noise = handshake.begin("initiator", this.connId)
    const message1 = this.noise.writeMessage(new Uint8Array(0))
    this.message1 = options.message1 ?? message1
  }

  /** Sends, and returns what comes back to this address within a few milliseconds. */
  say(bytes: Uint8Array, from: string = this.address): ReadonlyArray<Datagram> {
    const mark = this.simulation.sent.length
    this.simulation.inject(from, this.target.address, bytes)
    this.simulation.advance(2)
    return this.simulation.since(mark, this.target.address, from)
  }

  /** A cookie for this stranger's hello, from the genuine challenge. */
  cookie(): Uint8Array {
    const [challenge] = this.say(this.hello)
    assert.strictEqual(kindOf(challenge.bytes), CHALLENGE)
    return challenge.bytes.slice(CHALLENGE_COOKIE, CHALLENGE_COOKIE + COOKIE_BYTES)
  }

  echo(cookie: Uint8Array = this.cookie()): Uint8Array {
    return encodeEcho(this.hello, cookie, this.message1, this.mac1)
  }

  /** Hello and echo: the target holds a half-open handshake then, this is its message 2. */
  open(): Uint8Array {
    const [message2] = this.say(this.echo())
    assert.strictEqual(kindOf(message2.bytes), MESSAGE_2)
    return message2.bytes
  }

  /** Message 3 for that message 2, and the conn_id that the target gave. */
  message3(message2: Uint8Array, payload: Uint8Array = parameters(this.connId)) {
    const found = TransportParameters.decode(this.noise.readMessage(message2.subarray(NOISE_MESSAGE)))
    if (found === undefined) throw new Error("message 2 has no parameters")
    return { connId: found.connId, bytes: encodeNoise(MESSAGE_3, found.connId, this.noise.writeMessage(payload)) }
  }
}

/**
 * A challenge that answers this hello with a cookie that nobody minted; with `mac` by somebody who knows what mac1 is
 * keyed with.
 */
export const forgeChallenge = (
  hello: Uint8Array,
  filler: number,
  mac?: (data: Uint8Array) => Uint8Array
): Uint8Array => {
  const out = new Uint8Array(CHALLENGE_BYTES)
  encodeChallenge(out, u32(hello, INITIATOR_CONN_ID), hello, 0)
  out.fill(filler, CHALLENGE_COOKIE)
  if (mac !== undefined) sealChallenge(out, mac)
  return out
}

/** A message 2 for this echo by somebody who holds another static key. */
export const forgeMessage2 = (echo: Uint8Array, handshake: HandshakeShape, connId = 77): Uint8Array => {
  const initiator = u32(echo, INITIATOR_CONN_ID)
  const noise = handshake.begin("responder", initiator)
  noise.readMessage(
    echo.subarray(ECHO_NOISE, ECHO_NOISE + ((echo[ECHO_NOISE_LENGTH] << 8) | echo[ECHO_NOISE_LENGTH + 1]))
  )
  return encodeNoise(MESSAGE_2, initiator, noise.writeMessage(parameters(connId)))
}

export { encodeNoise, NOISE_MESSAGE }
