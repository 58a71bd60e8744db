import { TAG_BYTES } from "../PacketCrypto.js"
import type { PacketKey } from "../PacketCrypto.js"
import { HEADER_BYTES } from "../PacketHeader.js"
import type { Core } from "./core.js"
import type { Session } from "./session.js"

/** Packets sealed in a row. */
const MOST = 16

/** The receiver of a datagram that must not leave: no address has this id. */
const NOBODY = 0

interface Failure {
  readonly core: Core
  readonly session: Session
  /** What the service that seals threw; absent when it refused. */
  readonly error?: unknown
}

/**
 * Packets that are complete in their outboxes but for the seal. They are sealed a few in a row: one by one, as the
 * application sends them, the processor waits for the keys of thousands of sessions; in a row they are fetched ahead.
 *
 * Until a packet is sealed, its datagram is nobody's: whatever goes wrong, nothing leaves in the clear. All transports of
 * a thread share the list, and each seals all of it before it hands its outbox over: so it stays in the caches where
 * hundreds of them send a packet each.
 */
class Unsealed {
  private count = 0
  private readonly cores: Array<Core> = []
  private readonly sessions: Array<Session> = []
  private readonly keys: Array<PacketKey> = []
  private readonly numbers = new Float64Array(MOST)
  /** Their places in the outbox. */
  private readonly places = new Int32Array(MOST)
  private readonly receivers = new Int32Array(MOST)

  /** Commits a packet of `length` bytes, tag included, to the outbox. */
  commit(core: Core, session: Session, key: PacketKey, seq: number, length: number, addressId: number): void {
    if (this.count === MOST) this.seal(core)
    const { outbox } = core.host
    const i = this.count++
    this.cores[i] = core
    this.sessions[i] = session
    this.keys[i] = key
    this.numbers[i] = seq
    this.places[i] = outbox.count
    this.receivers[i] = addressId
    outbox.commit(length, NOBODY)
  }

  /** Seals all of them, in their order. False when one of them was not sealed, and will not leave. */
  seal({ services: { crypto } }: Core): boolean {
    const { cores, count, keys, numbers, places, receivers, sessions } = this
    if (count === 0) return true
    if (count > 1) crypto.prefetch?.(keys, count, true)
    let failures: Array<Failure> | undefined
    for (let i = 0; i < count; i++) {
      const { addressIds, arena, lengths, offsets } = cores[i].host.outbox
      const place = places[i]
      const plaintextLength = lengths[place] - HEADER_BYTES - TAG_BYTES
      try {
        const length = keys[i].sealPacket(arena, offsets[place], HEADER_BYTES, plaintextLength, numbers[i])
        if (length === lengths[place]) {
          addressIds[place] = receivers[i]
          continue
        }
        failures ??= []
        failures.push({ core: cores[i], session: sessions[i] })
      } catch (error) {
        failures ??= []
        failures.push({ core: cores[i], session: sessions[i], error })
      }
    }
    this.count = 0
    // what follows may write to the outbox, and here
    failures?.forEach(fail)
    return failures === undefined
  }
}

const fail = (failure: Failure): void => {
  const { core, session } = failure
  if ("error" in failure) core.host.onDefect(failure.error)
  else core.sealingFailed(session)
}

/** Those of this thread. */
export const unsealed = new Unsealed()
