/** What sealed datagrams say, read with the receiver's own keys and without touching its state. */
import * as Frame from "../../src/Frame.js"
import { ACTIVE, OPENING } from "../../src/internal/session.js"
import type { Session } from "../../src/internal/session.js"
import { HEADER_BYTES } from "../../src/PacketHeader.js"
import type { Station } from "./simulation.js"
import { kindOf, u32 } from "./stranger.js"

const plaintext = new Uint8Array(4096)

export const epochOf = (bytes: Uint8Array): number => (bytes[1] >> 1) & 3
export const seqOf = (bytes: Uint8Array): number => u32(bytes, 8)
export const isSealed = (bytes: Uint8Array): boolean => (bytes[0] & 15) !== 2

/** The frames of a datagram for `to`; none when it is not sealed, or when `to` cannot open it. */
export const framesOf = (to: Station, bytes: Uint8Array): ReadonlyArray<Frame.Frame> => {
  if (!isSealed(bytes) || kindOf(bytes) !== 0) return []
  const endpoint = to.core.table.get(u32(bytes, 4))
  if (endpoint === undefined || (endpoint.state !== ACTIVE && endpoint.state !== OPENING)) return []
  const keys = (endpoint as Session).keys[epochOf(bytes)]
  if (keys === undefined) return []
  const length = keys.receive.openPacket(bytes, 0, HEADER_BYTES, bytes.length, seqOf(bytes), plaintext, 0)
  return length < 0 ? [] : Frame.decodeAll(plaintext.slice(0, length)) ?? []
}

export const says = (to: Station, bytes: Uint8Array, type: number): boolean =>
  framesOf(to, bytes).some((frame) => frame.type === type)
