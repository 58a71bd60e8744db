import * as Frame from "../../../src/Frame.js"
import { HEADER_BYTES } from "../../../src/PacketHeader.js"
import { put16, put32 } from "./bytes.js"
import { MAX_DATAGRAM } from "./socket.js"
import type { World } from "./world.js"

const TAG_BYTES = 16

const FRAMES = [
  Frame.PADDING,
  Frame.REALTIME,
  Frame.SEQUENCED,
  Frame.RELIABLE,
  Frame.RELIABLE,
  Frame.ACK,
  Frame.ACK,
  Frame.PING,
  Frame.PONG,
  Frame.CLOSE,
  Frame.WAIT,
  Frame.PATH_CHALLENGE,
  Frame.PATH_RESPONSE,
  Frame.REKEY,
  Frame.REKEY,
  Frame.RESERVED_FIRST
]

/** The lengths that make some bodies well-formed. */
const BODIES = new Map([
  [Frame.PING, 4],
  [Frame.PONG, 12],
  [Frame.RELIABLE, 20],
  [Frame.ACK, 25],
  [Frame.CLOSE, 12],
  [Frame.WAIT, 0],
  [Frame.PATH_CHALLENGE, 8],
  [Frame.PATH_RESPONSE, 8],
  [Frame.REKEY, 50]
])

/** Mallory sends packets that authenticate, of frames that no honest peer makes. */
export const lie = (world: World): void => {
  const { dice, mallory } = world
  const own = new Uint8Array(MAX_DATAGRAM)
  for (const session of mallory.core.active) {
    const target = world.stations.find(({ handshake }) => handshake.identify(handshake.publicKey) === session.id)
    const keys = session.keys[session.epoch]
    if (target === undefined || keys === undefined) continue
    for (let i = dice.below(dice.once(20) ? 600 : 24); i >= 0; i--) {
      let end = HEADER_BYTES
      for (let frames = dice.below(6); frames >= 0 && end < 1100; frames--) {
        const type = dice.once(5) ? dice.below(256) : dice.pick(FRAMES)
        const body = dice.once(2) ? (BODIES.get(type) ?? dice.below(40)) : dice.below(dice.once(9) ? 400 : 80)
        end = Frame.begin(own, end, type, dice.once(16) ? dice.word() & 0xffff : body)
        dice.fill(own, end, end + body)
        if (type === Frame.REKEY && body > 2 && !dice.once(4)) {
          own[end] = 1 + dice.below(2)
          own[end + 1] = (session.epoch + dice.below(2)) & 3
        }
        if (type === Frame.RELIABLE || type === Frame.ACK) {
          put32(own, end, world.firstReliable + dice.below(dice.once(4) ? 600 : 12))
        }
        if (type === Frame.ACK && body >= 25) {
          put32(own, end + 4, world.firstReliable + 200 + dice.below(200))
          own[end + 8] = session.epoch
          put32(own, end + 9, dice.below(keys.sendSeq + 2))
          put32(own, end + 17, world.firstReliable + dice.below(40))
          put32(own, end + 21, world.firstReliable + dice.below(60))
        }
        end += body
      }
      if (dice.once(20)) end = HEADER_BYTES
      const seq = dice.once(40) ? dice.word() : dice.once(20) ? dice.below(2000) : keys.sendSeq++
      own[0] = 0x20 | dice.pick([0, 0, 3, 3, 1])
      own[1] = (dice.below(3) << 6) | (dice.below(8) << 3) | (session.epoch << 1)
      put16(own, 2, end - HEADER_BYTES + TAG_BYTES)
      put32(own, 4, session.remoteConnId)
      put32(own, 8, seq)
      put32(own, 12, dice.once(10) ? dice.word() : world.firstReliable + dice.below(3))
      const length = keys.send.sealPacket(own, 0, HEADER_BYTES, end - HEADER_BYTES, seq)
      if (length < 0) continue
      target.socket.batch.arena.set(own.subarray(0, length), target.socket.room())
      target.socket.put(length, dice.once(6) ? world.attacker.from(undefined) : mallory.socket.address)
      world.hostile++
    }
    target.socket.flush()
    if (dice.once(3)) return
  }
}
