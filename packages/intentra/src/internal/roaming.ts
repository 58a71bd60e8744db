import { Address } from "@intentra/udp"
import * as Frame from "../Frame.js"
import { TAG_BYTES } from "../PacketCrypto.js"
import { HEADER_BYTES } from "../PacketHeader.js"
import { equal } from "./bytes.js"
import type { Core } from "./core.js"
import type { Sender } from "./sender.js"
import type { Session } from "./session.js"

export const TOKEN_BYTES = 8
/** An unanswered challenge is repeated so often, so long apart; then another address may try. */
const REPEATS = 3
const INTERVAL = 300
/** No more than this goes to an address that has not answered, for each byte that came from it (RFC 9000 section 8). */
const AMPLIFICATION = 3
const CHALLENGE_PACKET_BYTES = HEADER_BYTES + Frame.FRAME_HEADER_BYTES + TOKEN_BYTES + TAG_BYTES

/** A move in progress: the new address has been challenged, and the old one too. */
export class Move {
  repeatAt: number
  repeats = 0
  /** Bytes that may still go to the new address: three times what came from it. */
  allowance = 0
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
  seen(now: number, session: Session, length: number, addresses: Uint8Array, addressOffset: number): void {
    if (session.move !== undefined) {
      if (this.core.host.addresses.equals(session.move.addressId, addresses, addressOffset)) {
        session.move.allowance += AMPLIFICATION * length
      }
      return
    }
    const { entropy } = this.core.services
    const token = new Uint8Array(TOKEN_BYTES)
    const oldToken = new Uint8Array(TOKEN_BYTES)
    entropy.fill(token)
    entropy.fill(oldToken)
    session.move = new Move(this.core.host.addresses.acquire(addresses, addressOffset), token, oldToken, now)
    session.move.allowance = AMPLIFICATION * length
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

  /** PATH_CHALLENGE: answered to where it came from, which need not be where our packets go (RFC 9000 section 8.2.2). */
  onChallenge(
    now: number,
    session: Session,
    token: Uint8Array,
    addresses: Uint8Array,
    addressOffset: number
  ): void {
    const table = this.core.host.addresses
    if (table.equals(session.addressId, addresses, addressOffset)) {
      return this.sender.sendFrame(now, session, Frame.PATH_RESPONSE, token)
    }
    const id = table.acquire(addresses, addressOffset)
    this.sender.sendFrame(now, session, Frame.PATH_RESPONSE, token, id)
    this.core.releaseAddress(id)
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
      this.core.releaseAddress(session.addressId)
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
    this.core.releaseAddress(session.move.addressId)
    session.move = undefined
  }

  private challenge(now: number, session: Session, move: Move): void {
    if (move.allowance >= CHALLENGE_PACKET_BYTES) {
      move.allowance -= CHALLENGE_PACKET_BYTES
      this.sender.sendFrame(now, session, Frame.PATH_CHALLENGE, move.token, move.addressId)
    }
    this.sender.sendFrame(now, session, Frame.PATH_CHALLENGE, move.oldToken)
  }
}
