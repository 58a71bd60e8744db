/** Sends numbered messages: to a hub, over any number of sessions, or as a hub to all its peers. */
import * as Effect from "effect/Effect"
import type { IntentraOptions } from "intentra/Intentra"
import type { Peer } from "intentra/Peer"
import * as SendResult from "intentra/SendResult"
import { HUB } from "../limits.js"
import { pace } from "../pacing.js"
import { Numbered } from "../payload.js"
import { connect, listening, open } from "../transport.js"
import type { Joining, Listening, Opened } from "../transport.js"
import { CpuTime } from "../usage.js"

export interface Run {
  readonly phase: number
  readonly lane: number
  readonly bytes: number
  readonly seconds: number
  /** `Infinity`: as fast as the transport takes them. */
  readonly perSecond: number
  /** Messages in one turn of the event loop at most. */
  readonly burst: number
}

/** What a run sent. */
export interface Sent {
  /** Messages that the transport took. */
  readonly sent: number
  readonly refused: number
  readonly seconds: number
  readonly cpuNs: number
  readonly datagrams: number
  /** What this end dropped itself. */
  readonly dropped: number
}

/** What waits goes with the next turns. */
const FLUSH_MS = 20

export const make = () => {
  const opened = new Set<Opened>()
  let peers: Array<Peer> = []

  const total = (field: (it: Opened) => number): number => {
    let sum = 0
    for (const it of opened) sum += field(it)
    return sum
  }
  const datagrams = (): number => total(({ transport }) => transport.counters.sent)
  const dropped = (): number =>
    total(({ transport }) => transport.counters.drops.reduce((sum, count) => sum + count, 0))
  const queueFull = (): number => total(({ transport }) => transport.counters.dropped("SendQueueFull"))

  return {
    listen: async (options: IntentraOptions): Promise<Listening> => {
      const it = await open({ ...HUB, ...options })
      opened.add(it)
      return listening(it.transport)
    },
    /** Sends to those who are connected now. */
    gather: async (): Promise<number> => {
      peers = []
      for (const { transport } of opened) {
        for (const peer of await Effect.runPromise(transport.peers)) peers.push(peer)
      }
      return peers.length
    },
    join: (joining: Joining): Promise<number> =>
      connect(joining, (it, _added, peer) => {
        opened.add(it)
        peers.push(peer)
      }),
    run: async ({ burst, bytes, lane, perSecond, phase, seconds }: Run): Promise<Sent> => {
      const numbered = new Numbered(bytes, phase, lane)
      const { payload } = numbered
      const count = peers.length
      const datagramsBefore = datagrams()
      const droppedBefore = dropped()
      const cpu = new CpuTime()
      let sent = 0
      let refused = 0
      let next = 0
      let full = queueFull()
      const send = (messages: number): void => {
        for (let i = 0; i < messages; i++) {
          numbered.write()
          if (peers[next].unsafeSend(payload) === SendResult.ACCEPTED) sent++
          else refused++
          if (++next === count) next = 0
        }
      }
      // the system takes no more for now: the socket has begun to drop
      const held = (): boolean => {
        const now = queueFull()
        const more = now > full
        full = now
        return more
      }
      cpu.begin()
      const paced = await pace({ perSecond, seconds, burst }, send, perSecond === Infinity ? held : undefined)
      const { ns } = cpu
      await new Promise((resolve) => setTimeout(resolve, FLUSH_MS))
      return {
        sent,
        refused,
        seconds: paced.seconds,
        cpuNs: ns,
        datagrams: datagrams() - datagramsBefore,
        dropped: dropped() - droppedBefore
      }
    }
  }
}
