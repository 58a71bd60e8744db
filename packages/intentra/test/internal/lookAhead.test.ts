import { assert, describe, it } from "@effect/vitest"
import { ReceiveBatch } from "@intentra/udp"
import { writeU32 } from "../../src/internal/bytes.js"
import { ConnectionTable } from "../../src/internal/connectionTable.js"
import type { Core } from "../../src/internal/core.js"
import { LookAhead } from "../../src/internal/lookAhead.js"
import { ACTIVE, CLOSED, CONNECTING } from "../../src/internal/session.js"
import type { Endpoint } from "../../src/internal/session.js"
import { HEADER_BYTES } from "../../src/PacketHeader.js"

const STATES = [ACTIVE, CLOSED, ACTIVE, CONNECTING]

/** Endpoints 1 to `count`, every second one an active session. */
const make = (count: number) => {
  const table = new ConnectionTable(() => 0, 0)
  for (let connId = 1; connId <= count; connId++) {
    const session = {
      connId,
      state: STATES[connId % STATES.length],
      addressId: 1,
      timerAt: 0,
      timerIndex: -1,
      newestPacket: connId,
      current: { receive: connId, replay: { highest: connId } }
    }
    table.set(session as Endpoint)
  }
  const asked: Array<unknown> = []
  const prefetch = (keys: ReadonlyArray<unknown>, known: number, sealing: boolean) =>
    asked.push([keys.slice(0, known), sealing])
  const core = { services: { crypto: { prefetch } }, table } as unknown as Core
  return { asked, lookAhead: new LookAhead(core) }
}

const batchOf = (connIds: ReadonlyArray<number>, length = HEADER_BYTES): ReceiveBatch => {
  const batch = new ReceiveBatch(64, new Uint8Array(64 * 64), 64)
  connIds.forEach((connId, i) => {
    batch.offsets[i] = 64 * i
    batch.lengths[i] = length
    writeU32(batch.arena, 64 * i + 4, connId)
  })
  batch.count = connIds.length
  return batch
}

describe("looking ahead", () => {
  it("asks for the keys of the active sessions that the next datagrams name, in their order, and for no others", () => {
    const { asked, lookAhead } = make(2000)
    const batch = batchOf([2, 4, 1, 6, 0, 999_999, 1998, 2000, 8, 3])
    lookAhead.look(batch, 0, 8)
    lookAhead.look(batch, 8, 10)
    lookAhead.look(batch, 2, 3)
    assert.deepStrictEqual(asked, [[[2, 4, 6, 1998, 2000], false], [[8], false], [[], false]])
  })

  it("reads nothing of datagrams without a header", () => {
    const { asked, lookAhead } = make(2000)
    lookAhead.look(batchOf([2, 4, 6], HEADER_BYTES - 1), 0, 3)
    assert.deepStrictEqual(asked, [[[], false]])
  })

  it("is left out where there are few endpoints", () => {
    const { asked, lookAhead } = make(1000)
    lookAhead.look(batchOf([2, 4, 6]), 0, 3)
    assert.deepStrictEqual(asked, [])
  })
})
