import { Address } from "@intentra/udp"
import * as Frame from "../Frame.js"
import type { Core } from "./core.js"
import type { Sender } from "./sender.js"
import type { Session } from "./session.js"

export const TOKEN_BYTES = 8
/** An unanswered challenge is repeated so often, so long apart; then another address may try. */
const REPEATS = 3
const INTERVAL = 300

/** A move in progress: the new address has been challenged, and the old one too. */
export class Move {
  repeatAt: number
  repeats = 0
  constructor(
    readonly addressId: number,
    readonly token: Uint8Array,
    readonly oldToken: Uint8Array,
    now: number
  ) {
    this.repeatAt = now + INTERVAL
  }
}

/** A session follows its peer to a new address, once that address has answered a challenge. */
export class Roaming {
  constructor(private readonly core: Core, private readonly sender: Sender) {}

  /** The newest packet of the session came from another address than the validated one. */
  seen(now: number, session: Session, addresses: Uint8Array, addressOffset: number): void {
    if (session.move !== undefined) return
    const { entropy } = this.core.services
    const token = new Uint8Array(TOKEN_BYTES)
    const oldToken = new Uint8Array(TOKEN_BYTES)
    entropy.fill(token)
    entropy.fill(oldToken)
    session.move = new Move(this.core.host.addresses.acquire(addresses, addressOffset), token, oldToken, now)
    this.core.arm(session, session.move.repeatAt)
    this.challenge(now, session, session.move)
  }

  timeout(now: number, session: Session): void {
    const { move } = session
    if (move === undefined || now < move.repeatAt) return
    if (move.repeats >= REPEATS) return this.abandon(session)
    move.repeats++
    move.repeatAt = now + INTERVAL
    this.challenge(now, session, move)
  }

  /** PATH_CHALLENGE: answered to where our packets go. */
  onChallenge(now: number, session: Session, token: Uint8Array): void {
    this.sender.sendFrame(now, session, Frame.PATH_RESPONSE, token)
  }

  onResponse(
    now: number,
    session: Session,
    token: Uint8Array,
    addresses: Uint8Array,
    addressOffset: number
  ): void {
    const { move } = session
    if (move === undefined) return
    const table = this.core.host.addresses
    if (equal(token, move.token) && table.equals(move.addressId, addresses, addressOffset)) {
      const from = new Uint8Array(Address.ADDRESS_BYTES)
      table.copyTo(session.addressId, from, 0)
      table.release(session.addressId)
      session.addressId = move.addressId
      session.move = undefined
      session.resetPath(now)
      this.core.counters.moves++
      this.core.host.onRoamed(session, from)
    } else if (equal(token, move.oldToken) && table.equals(session.addressId, addresses, addressOffset)) {
      // the old address is alive: whoever sent from the new one was not the peer, or has come back
      this.abandon(session)
    }
  }

  abandon(session: Session): void {
    if (session.move === undefined) return
    this.core.host.addresses.release(session.move.addressId)
    session.move = undefined
  }

  private challenge(now: number, session: Session, move: Move): void {
    this.sender.sendFrame(now, session, Frame.PATH_CHALLENGE, move.token, move.addressId)
    this.sender.sendFrame(now, session, Frame.PATH_CHALLENGE, move.oldToken)
  }
}

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
