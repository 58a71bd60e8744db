import { Address } from "@intentra/udp"
import * as Wire from "../../../src/internal/handshakeMessages.js"
import { HEADER_BYTES } from "../../../src/PacketHeader.js"
import { addressAt, addressOf, keyAt, put16 } from "./bytes.js"
import { Forger } from "./forger.js"
import { change } from "./mutations.js"
import { BATCH, MAX_DATAGRAM } from "./socket.js"
import type { Packet } from "./socket.js"
import type { Station } from "./station.js"
import type { World } from "./world.js"

/** Has no key, sees every datagram, and sends what it likes from any address. */
export class Attacker {
  readonly forger: Forger
  /** What the attacker has seen: handshake datagrams and sealed ones. */
  private readonly seen: [Array<Packet>, Array<Packet>] = [[], []]
  private readonly seenNext = [0, 0]
  /** Challenges that came to the attacker's own addresses. */
  private readonly challenges: Array<Packet> = []
  private readonly source = new Uint8Array(Address.ADDRESS_BYTES)

  constructor(readonly world: World) {
    this.forger = new Forger(world)
  }

  /** A station has sent this, to another one or to nobody. */
  see(packet: Packet, isAnswered: boolean): void {
    const { bytes } = packet
    const shelf = (bytes[0] & 15) === 2 ? 0 : 1
    if (this.seen[shelf].length < 512) this.seen[shelf].push(packet)
    else this.seen[shelf][this.seenNext[shelf]++ & 511] = packet
    if (isAnswered || bytes[16] !== Wire.CHALLENGE || shelf !== 0) return
    this.challenges[this.world.dice.below(64)] = packet
  }

  /** A burst of the attacker's datagrams at one station. */
  attack(): void {
    const { dice, hub, now, stations } = this.world
    const target = dice.once(3) ? dice.pick(stations) : hub
    for (let i = dice.below(BATCH); i >= 0; i--) this.strike(target)
    target.socket.deliver(now)
    target.socket.flush()
  }

  /** Something that was on its way to this station, for the most part. */
  captured(target: Station): Packet | undefined {
    const { dice } = this.world
    const shelf = this.seen[dice.once(3) ? 0 : 1]
    if (shelf.length === 0) return undefined
    const to = keyAt(target.socket.address, 0)
    let packet = dice.pick(shelf)
    for (let i = dice.below(4); i > 0 && packet.to !== to; i--) packet = dice.pick(shelf)
    return packet
  }

  /** Somewhere: where the captured datagram came from, where another station is, or anywhere. */
  from(packet: Packet | undefined): Uint8Array {
    const { source } = this
    const { dice, stations } = this.world
    const roll = dice.below(4)
    if (roll < 2 && packet !== undefined) return packet.from
    if (roll === 2) return dice.pick(stations).socket.address
    source.set(addressOf(200 + dice.below(4), dice.word(), dice.word(), 1024 + dice.below(60_000)))
    return source
  }

  /** One datagram of the attacker's. */
  private strike(target: Station): void {
    const { forger, world } = this
    const { dice } = world
    const { socket } = target
    const { arena } = socket.batch
    const at = socket.room()
    const packet = this.captured(target)
    const roll = dice.below(100)
    let from = this.from(packet)
    let length: number
    if (packet === undefined || roll < 6) {
      length = dice.below(dice.once(10) ? MAX_DATAGRAM + 80 : 120)
      dice.fill(arena, at, at + Math.min(length, MAX_DATAGRAM))
      if (dice.once(2)) arena[at] = 0x20 | dice.pick([0, 1, 2, 3])
      if (dice.once(2) && length <= MAX_DATAGRAM) put16(arena, at + 2, Math.max(0, length - HEADER_BYTES))
    } else if (roll < 12) {
      length = forger.hello(target, arena, at)
    } else if (roll < 17) {
      const challenge = dice.pick(this.challenges)
      length = forger.echo(target, challenge, arena, at)
      if (challenge !== undefined && !dice.once(8)) {
        // the cookie is of the address that the challenge went to
        from = addressAt(challenge.to)
      }
    } else {
      length = packet.bytes.length
      arena.set(packet.bytes, at)
      length = change(this, target, arena, at, length, roll)
    }
    if (at + length > arena.length) length = arena.length - at
    socket.put(length, from)
    world.hostile++
  }
}
