import type { HandshakeState } from "@intentra/noise"
import * as TokenBucket from "../TokenBucket.js"
import type { Core } from "./core.js"
import { EpochKeys, Session } from "./session.js"
import type { TransportParameters } from "./transportParameters.js"

/** Packets that the pacer lets go at once after a pause. */
const PACE_BURST = 16

/** The session that a complete handshake makes: keys from Split(), in the state that the caller says. */
export const newSession = (
  core: Core,
  now: number,
  noise: HandshakeState,
  remote: Uint8Array,
  initiator: boolean,
  connId: number,
  remoteConnId: number,
  address: Uint8Array,
  addressOffset: number,
  parameters: TransportParameters,
  state: number
): Session => {
  const { crypto, handshake, rateLimiter, replayGuard } = core.services
  const hash = noise.handshakeHash.slice()
  const keys = noise.splitKeys()
  const session = new Session(
    connId,
    remoteConnId,
    initiator,
    remote,
    handshake.identify(remote),
    core.host.addresses.acquire(address, addressOffset),
    state,
    rateLimiter.makeSession(),
    Math.min(core.limits.maxDatagram, parameters.maxDatagram),
    core.rows,
    now
  )
  session.setKeys(
    0,
    new EpochKeys(crypto.makeKey(keys.send), crypto.makeKey(keys.receive), replayGuard.make(), 0, 0)
  )
  session.handshakeHash = hash
  if (core.limits.pacePacketsPerSecond < Infinity) {
    const rate = Math.min(core.limits.pacePacketsPerSecond, Math.max(1, parameters.packetsPerSecond))
    session.pacer = TokenBucket.make({ rate, burst: PACE_BURST })
  }
  session.greaseDue = true
  keys.send.fill(0)
  keys.receive.fill(0)
  noise.destroy()
  return session
}
