import type * as CloseReason from "../../../src/CloseReason.js"
import * as Intent from "../../../src/Intent.js"
import type { Session } from "../../../src/internal/session.js"
import type { SessionPeer } from "../../../src/internal/sessionPeer.js"
import { checksum, put32, u32 } from "./bytes.js"
import type { Station } from "./station.js"
import type { World } from "./world.js"

/** The number that mallory and the attacker cannot know. */
const SECRET = 0x5eed1e55
const MAGIC = 0xf0

/** Of a message that can be told from a forged one, at least. */
export const OVERHEAD = 24

/** One number for a session as its messages name it: the receiving station and the conn_id that it chose. */
export const sessionTag = (station: number, connId: number): number => station * 2 ** 32 + connId

/** What was sent and what came: whether a message is genuine, came once and in order, and why sessions ended. */
export class Ledger {
  /** Messages of one station to another so far. */
  private readonly counters: Array<number> = []
  /** The numbers of the messages that came from one station to another. */
  private readonly bits = new Map<number, Uint32Array>()
  private readonly newest = new WeakMap<SessionPeer, number>()
  /** Reliable messages that a session took. */
  readonly taken = new WeakMap<Session, number>()
  /**
   * Those that its other end delivered, by {@link sessionTag}: a handle that went on in a new session may still be told
   * what the old one had received.
   */
  readonly arrived = new Map<number, number>()
  /** The sessions that a handle has had, as its owner was told, and in which of them it heard its last Reliable message. */
  private readonly told = new WeakMap<SessionPeer, { readonly sessions: Array<number>; heard: number }>()

  constructor(private readonly world: World) {}

  /** A message of a legitimate station has a number and a checksum that only stations can make. */
  message(from: number, to: number, length: number, intent: number, index: number, connId: number): Uint8Array {
    const payload = new Uint8Array(length)
    if (length < OVERHEAD) return payload.fill(from)
    const pair = from * 64 + to
    const number = this.counters[pair] ?? 0
    this.counters[pair] = number + 1
    payload[0] = MAGIC | intent
    payload[1] = from
    payload[2] = to
    payload[3] = this.world.lives[from]
    put32(payload, 4, number)
    put32(payload, 8, connId)
    put32(payload, 12, index)
    for (let i = 16; i < length - 8; i++) payload[i] = number + i
    const sum = checksum(payload, length - 8, SECRET)
    put32(payload, length - 8, sum)
    put32(payload, length - 4, checksum(payload, length - 4, sum ^ SECRET))
    return payload
  }

  delivered(to: Station, peer: SessionPeer, payload: Uint8Array, intent: Intent.Intent): void {
    const { world } = this
    world.report.delivered++
    const from = world.byId.get(peer.id)
    const { length } = payload
    if (from === undefined) return world.fail(`a message from ${peer.id}, who does not exist`)
    if (from !== 1 && to.index !== 1) {
      if (length < OVERHEAD) {
        for (const byte of payload) {
          if (byte !== from) return world.fail(`a short message of station ${from} is changed`)
        }
      } else {
        const sum = checksum(payload, length - 8, SECRET)
        const isGenuine = sum === u32(payload, length - 8) &&
          checksum(payload, length - 4, sum ^ SECRET) === u32(payload, length - 4)
        if (!isGenuine || payload[1] !== from) return world.fail(`a message of station ${from} is forged or changed`)
        if (payload[2] !== to.index) return world.fail(`station ${to.index} got a message for station ${payload[2]}`)
        const code = payload[0] & 15
        const isSequenced = code === Intent.SEQUENCED
        if (code !== Intent.toCode(intent)) return world.fail(`a message has another intent: ${intent}`)
        const number = u32(payload, 4)
        const pair = from * 64 + to.index
        let bits = this.bits.get(pair)
        if (bits === undefined || bits.length * 32 <= number) {
          const larger = new Uint32Array(Math.max(64, (number >>> 4) + 1))
          if (bits !== undefined) larger.set(bits)
          this.bits.set(pair, bits = larger)
        }
        if (((bits[number >>> 5] >>> (number & 31)) & 1) === 1) {
          return world.fail(`message ${number} of station ${from} came twice to station ${to.index}`)
        }
        bits[number >>> 5] |= 1 << (number & 31)
        if (isSequenced) {
          if (number <= (this.newest.get(peer) ?? -1)) {
            return world.fail(`Sequenced went back to ${number} between stations ${from} and ${to.index}`)
          }
          this.newest.set(peer, number)
        } else if (code === Intent.RELIABLE) {
          const tag = sessionTag(to.index, u32(payload, 8))
          const next = this.arrived.get(tag) ?? 0
          const index = u32(payload, 12)
          if (index !== next) {
            return world.fail(`Reliable ${index} came from station ${from} to station ${to.index} instead of ${next}`)
          }
          this.arrived.set(tag, next + 1)
          const told = this.told.get(peer)
          const heard = told?.sessions.indexOf(tag) ?? -1
          if (told === undefined || heard < 0) {
            return world.fail(`station ${to.index} was not told that station ${from} goes on in another session`)
          }
          if (heard < told.heard) return world.fail(`a session that was replaced still delivers to station ${to.index}`)
          told.heard = heard
        }
      }
    }
  }

  /** Reliable begins anew: with a new handle, or in another session of one. */
  began(station: Station, peer: SessionPeer): void {
    const tag = sessionTag(station.index, peer.session.connId)
    const told = this.told.get(peer)
    if (told === undefined) this.told.set(peer, { sessions: [tag], heard: 0 })
    else told.sessions.push(tag)
  }

  /** A session of honest stations ends by them alone; the weather may end it too, the attacker never. */
  closed(station: Station, peer: SessionPeer, reason: CloseReason.CloseReason, text: string): void {
    const { world } = this
    const other = world.byId.get(peer.id)
    if (station.index === 1 || other === 1) return
    // an initiator that gave up while the authorizer thought leaves a session in which it says so, and nothing else
    if (peer.session.packetsReceived <= 1) return
    const isHarm = reason === "ProtocolViolation" ||
      (world.isCalm && (reason === "Timeout" || reason === "LimitExceeded"))
    if (isHarm) world.fail(`the session of station ${station.index} with ${other}: ${reason} (${text})`)
  }
}
