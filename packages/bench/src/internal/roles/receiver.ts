/** Takes numbered messages and counts them: as a hub, or as many peers of one. */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { IntentraOptions } from "intentra/Intentra"
import { SendOptions } from "intentra/SendOptions"
import { HUB } from "../limits.js"
import { Tally } from "../payload.js"
import { connect, listening, open } from "../transport.js"
import type { Joining, Listening, Opened } from "../transport.js"
import { CpuTime, kernelDrops } from "../usage.js"

/** How messages reach the application. */
export type Consumer = "callback" | "stream"

export interface ReceiverOptions {
  readonly consumer: Consumer
  readonly options?: IntentraOptions
}

/** What arrived in a phase. */
export interface Received {
  readonly delivered: number
  readonly duplicates: number
  readonly corrupt: number
  /** From the first message to the last. */
  readonly seconds: number
  readonly cpuNs: number
  readonly datagrams: number
  readonly kernelDrops: number
  readonly drops: { readonly [reason: string]: number }
  readonly longestTurnMs: number
  /** The most that the process grew by. */
  readonly rssGrowth: number
}

const SAMPLE_MS = 50

/** Reliable messages go back to whoever sent them; the others are counted. */
const reliable = SendOptions.make({ intent: "Reliable", priority: 7 })

export const make = () => {
  const tally = new Tally()
  const cpu = new CpuTime()
  const opened: Array<Opened> = []
  const ports = new Set<number>()
  let droppedBefore = 0
  let datagramsBefore = 0
  let dropsBefore = new Map<string, number>()
  let rssBefore = 0
  let rssMost = 0
  let sampling: NodeJS.Timeout | undefined

  const sample = (): void => {
    rssMost = Math.max(rssMost, process.memoryUsage.rss())
  }

  const consume = (it: Opened, consumer: Consumer): Promise<void> => {
    const { transport } = it
    ports.add(transport.address.port)
    opened.push(it)
    if (consumer === "callback") {
      return it.run(transport.onDelivery((peer, payload, intent, receivedAt) => {
        if (intent === "Reliable") peer.unsafeSend(payload, reliable)
        else tally.take(payload, receivedAt)
      }))
    }
    // work that needs no effect is done at once: an effect that holds its chunk keeps it alive through many collections
    const counted = Stream.runForEachChunk(transport.deliveries, (chunk) => {
      for (const { payload, receivedAt } of Chunk.toReadonlyArray(chunk)) tally.take(payload, receivedAt)
      return Effect.void
    })
    return it.run(Effect.asVoid(Effect.forkScoped(counted)))
  }

  const datagrams = (): number => opened.reduce((sum, { transport }) => sum + transport.counters.received, 0)

  const drops = (): Map<string, number> => {
    const all = new Map<string, number>()
    for (const { transport } of opened) {
      for (const [reason, count] of Object.entries(transport.counters.dropsByReason())) {
        all.set(reason, (all.get(reason) ?? 0) + count)
      }
    }
    return all
  }

  return {
    listen: async ({ consumer, options }: ReceiverOptions): Promise<Listening> => {
      const it = await open({ ...HUB, ...options })
      await consume(it, consumer)
      return listening(it.transport)
    },
    join: (joining: Joining): Promise<number> =>
      connect(joining, async (it, added) => {
        if (added) await consume(it, "callback")
      }),
    begin: ({ lanes, phase }: { readonly phase: number; readonly lanes: number }): void => {
      tally.begin(phase, lanes)
      droppedBefore = kernelDrops(ports)
      datagramsBefore = datagrams()
      dropsBefore = drops()
      for (const { transport } of opened) transport.counters.longestTurnMs = 0
      rssBefore = process.memoryUsage.rss()
      rssMost = rssBefore
      sampling ??= setInterval(sample, SAMPLE_MS)
      cpu.begin()
    },
    state: (): Received => {
      const since: Record<string, number> = {}
      for (const [reason, count] of drops()) {
        const more = count - (dropsBefore.get(reason) ?? 0)
        if (more > 0) since[reason] = more
      }
      return {
        delivered: tally.delivered,
        duplicates: tally.duplicates,
        corrupt: tally.corrupt,
        seconds: Math.max(0, tally.lastAt - tally.firstAt) / 1000,
        cpuNs: cpu.ns,
        datagrams: datagrams() - datagramsBefore,
        kernelDrops: kernelDrops(ports) - droppedBefore,
        drops: since,
        longestTurnMs: Math.max(...opened.map(({ transport }) => transport.counters.longestTurnMs)),
        rssGrowth: rssMost - rssBefore
      }
    }
  }
}
