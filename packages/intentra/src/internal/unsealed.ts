import { TAG_BYTES } from "../PacketCrypto.js"
import type { PacketKey } from "../PacketCrypto.js"
import { HEADER_BYTES } from "../PacketHeader.js"
import type { Core } from "./core.js"
import type { Session } from "./session.js"

/** Packets sealed in a row. */
const MOST = 16

/** The receiver of a datagram that must not leave: no address has this id. */
const NOBODY = 0

/** A packet that was not sealed. */
export interface Unsealable {
  readonly session: Session
  /** What the service that seals threw; absent when it refused. */
  readonly error?: unknown
}

/**
 * Packets that are complete in their outboxes but for the seal. They are sealed a few in a row: one by one, as the
 * application sends them, the processor waits for the keys of thousands of sessions; in a row they are fetched ahead.
 *
 * Until a packet is sealed, its datagram is nobody's: whatever goes wrong, nothing leaves in the clear. What was not
 * sealed is only noted, as whoever makes a packet is not prepared for a session that ends meanwhile. All transports of a
 * thread share the list, and each seals all of it before it hands its outbox over: so it stays in the caches where
 * hundreds of them send a packet each.
 */
class Unsealed {
  private count = 0
  /** A service of the user's is sealing; what it sends meanwhile is lost. */
  private sealing = false
  // side by side, with nothing to be made for a packet
  private readonly cores: Array<Core> = []
  private readonly sessions: Array<Session> = []
  private readonly keys: Array<PacketKey> = []
  private readonly numbers = new Float64Array(MOST)
  /** In the outbox. */
  private readonly places = new Int32Array(MOST)
  private readonly receivers = new Int32Array(MOST)

  /** Makes room for a packet, before its bytes are written. */
  makeRoom(): void {
    if (this.count === MOST) this.seal()
  }

  /** Commits a packet of `length` bytes, tag included, to the outbox. */
  commit(core: Core, session: Session, key: PacketKey, seq: number, length: number, receiver: number): void {
    const { outbox } = core.host
    const place = outbox.count
    outbox.commit(length, NOBODY)
    if (this.sealing || this.count === MOST) return
    const i = this.count++
    this.cores[i] = core
    this.sessions[i] = session
    this.keys[i] = key
    this.numbers[i] = seq
    this.places[i] = place
    this.receivers[i] = receiver
  }

  /** Seals all of them, in their order. False when the last one was not sealed, and will not leave. */
  seal(): boolean {
    if (this.sealing) return false
    const { cores, count, keys, numbers, places, receivers, sessions } = this
    this.sealing = true
    if (count > 1) this.fetch()
    let sealed = true
    for (let i = 0; i < count; i++) {
      sealed = sealOne(cores[i], sessions[i], keys[i], numbers[i], places[i], receivers[i])
    }
    this.count = 0
    this.sealing = false
    return sealed
  }

  /** Seals all of them, and forgets whose they were: a session is at its end, perhaps a transport with it. */
  settle(): void {
    this.seal()
    if (this.sealing) return
    this.cores.length = 0
    this.sessions.length = 0
    this.keys.length = 0
  }

  /** Has the keys fetched that are all of one service. */
  private fetch(): void {
    const { cores, count, keys } = this
    const { crypto } = cores[0].services
    if (crypto.prefetch === undefined) return
    for (let i = 1; i < count; i++) if (cores[i].services.crypto !== crypto) return
    try {
      crypto.prefetch(keys, count, true)
    } catch {
      // a hint that fails is none; what is wrong with the service shows where it seals
    }
  }
}

const sealOne = (
  core: Core,
  session: Session,
  key: PacketKey,
  seq: number,
  place: number,
  receiver: number
): boolean => {
  const { addressIds, arena, lengths, offsets } = core.host.outbox
  const plaintextLength = lengths[place] - HEADER_BYTES - TAG_BYTES
  try {
    if (key.sealPacket(arena, offsets[place], HEADER_BYTES, plaintextLength, seq) === lengths[place]) {
      addressIds[place] = receiver
      return true
    }
    core.unsealable.push({ session })
  } catch (error) {
    core.unsealable.push({ session, error })
  }
  return false
}

/** Those of this thread. */
export const unsealed = new Unsealed()
