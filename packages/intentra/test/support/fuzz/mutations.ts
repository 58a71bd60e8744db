import * as Wire from "../../../src/internal/handshakeMessages.js"
import { HEADER_BYTES } from "../../../src/PacketHeader.js"
import type { Attacker } from "./attacker.js"
import { put16, put32, u32 } from "./bytes.js"
import type { Dice } from "./dice.js"
import { MAX_DATAGRAM } from "./socket.js"
import type { Station } from "./station.js"

/** A conn_id that the target gave. */
const knownId = (dice: Dice, target: Station): number => {
  const size = target.core.table.size
  if (size === 0 || dice.once(20)) return dice.word()
  let skip = dice.below(Math.min(size, 32))
  for (const { connId } of target.core.table.values()) if (skip-- === 0) return connId
  return 0
}

/** Another value in one field of the header, or in the first bytes after it. */
const editField = (dice: Dice, target: Station, arena: Uint8Array, at: number, length: number): void => {
  switch (dice.below(11)) {
    case 0:
      arena[at] = (arena[at] & 15) | (dice.below(16) << 4)
      break
    case 1:
      arena[at] = (arena[at] & 0xf0) | dice.below(dice.once(4) ? 16 : 4)
      break
    case 2:
      arena[at + 1] = dice.word()
      break
    case 3:
      // another epoch
      arena[at + 1] = (arena[at + 1] & ~6) | (dice.below(4) << 1)
      break
    case 4:
      put16(arena, at + 2, dice.word())
      break
    case 5:
    case 6:
      put32(arena, at + 4, knownId(dice, target))
      break
    case 7:
      put32(arena, at + 8, (u32(arena, at + 8) + dice.below(20) - 10) >>> 0)
      break
    case 8:
      put32(arena, at + 8, dice.once(2) ? dice.word() : 0xffffffff)
      break
    case 9:
      put32(arena, at + 12, dice.word())
      break
    case 10:
      if (length > 24) arena[at + 16 + dice.below(8)] = dice.once(2) ? dice.below(7) : dice.word()
      break
  }
}

/** Changes a captured datagram where it lies; returns its new length. */
export const change = (
  attacker: Attacker,
  target: Station,
  arena: Uint8Array,
  at: number,
  given: number,
  roll: number
): number => {
  const { dice } = attacker.world
  let length = given
  if (roll < 30) return length
  if (roll < 45) {
    for (let i = dice.below(8); i >= 0; i--) arena[at + dice.below(length)] ^= 1 << dice.below(8)
  } else if (roll < 55) {
    length = dice.below(length)
  } else if (roll < 60) {
    const end = Math.min(MAX_DATAGRAM, length + 1 + dice.below(64))
    dice.fill(arena, at + length, at + end)
    length = end
  } else if (roll < 66) {
    const other = attacker.captured(target)
    if (other !== undefined) {
      const cut = dice.below(length)
      const rest = other.bytes.subarray(dice.below(other.bytes.length)).subarray(0, MAX_DATAGRAM - cut)
      arena.set(rest, at + cut)
      length = cut + rest.length
    }
  } else if (length >= HEADER_BYTES) {
    for (let i = dice.below(3); i >= 0; i--) editField(dice, target, arena, at, length)
  }
  if (length >= HEADER_BYTES && dice.below(4) > 0) put16(arena, at + 2, length - HEADER_BYTES)
  const isPadded = length === Wire.PADDED_BYTES && (arena[at] & 15) === 2
  if (isPadded && dice.below(3) > 0) attacker.forger.remac(target, arena, at)
  return length
}
