/**
 * Seals messages ahead of time and sends them later as fast as it is told, so that one process can offer more than the
 * other can take.
 */
import type { Peer } from "intentra/Peer"
import * as SendResult from "intentra/SendResult"
import { layerOver } from "../concerns.js"
import { pace } from "../pacing.js"
import { Numbered } from "../payload.js"
import { layerTapped, Stored } from "../tapSocket.js"
import type { TapSocket } from "../tapSocket.js"
import { openLayer } from "../transport.js"
import type { Listening } from "../transport.js"
import { CpuTime } from "../usage.js"
import type { Sent } from "./sender.js"

export interface Preparation {
  readonly phase: number
  readonly bytes: number
  readonly count: number
}

export interface Blast {
  readonly perSecond: number
  readonly seconds: number
  /** Datagrams in one turn of the event loop at most. */
  readonly burst: number
}

const AT_ONCE = 256

export const make = () => {
  let socket: TapSocket
  let peer: Peer
  let stored = new Stored(2048)
  return {
    join: async (hub: Listening): Promise<void> => {
      const it = await openLayer(layerOver(
        { coalesce: false },
        layerTapped((tapped) => {
          socket = tapped
        })
      ))
      peer = await it.run(
        it.transport.connect({ host: "127.0.0.1", port: hub.port, publicKey: hub.publicKey })
      )
    },
    prepare: async ({ bytes, count, phase }: Preparation): Promise<number> => {
      const numbered = new Numbered(bytes, phase, 0)
      stored = new Stored(bytes + 64)
      socket.store = stored
      for (let left = count; left > 0; left -= AT_ONCE) {
        for (let i = Math.min(left, AT_ONCE); i > 0; i--) {
          numbered.write()
          if (peer.unsafeSend(numbered.payload) !== SendResult.ACCEPTED) throw new Error("the session has ended")
        }
        await new Promise((resolve) => setImmediate(resolve))
      }
      await new Promise((resolve) => setTimeout(resolve, 20))
      socket.store = undefined
      return stored.count
    },
    /** Sends what was prepared, until it or the time is over. */
    blast: async ({ burst, perSecond, seconds }: Blast): Promise<Sent> => {
      const { inner } = socket
      const { stats } = inner
      const cpu = new CpuTime()
      const before = stats.sendQueueDropped
      const started = performance.now()
      let ended = started
      let sent = 0
      let dropped = before
      const send = (count: number): void => {
        let left = count
        while (left > 0 && stored.left > 0) {
          const taken = stored.take(left, inner.outbox, socket.lastAddressId)
          inner.send()
          sent += taken
          left -= taken
        }
        if (left < count) ended = performance.now()
      }
      const held = (): boolean => {
        const more = stats.sendQueueDropped > dropped
        dropped = stats.sendQueueDropped
        return more
      }
      await pace({ perSecond, seconds, burst }, send, held)
      return {
        sent,
        refused: 0,
        seconds: (ended - started) / 1000,
        cpuNs: cpu.ns,
        datagrams: sent,
        dropped: stats.sendQueueDropped - before
      }
    }
  }
}
