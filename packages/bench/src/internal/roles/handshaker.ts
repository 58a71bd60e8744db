/** Shakes hands: as a hub, as an initiator, and as one who only knocks. */
import { layerBackend } from "@intentra/crypto"
import { UdpSocket } from "@intentra/udp"
import type { UdpSocketShape } from "@intentra/udp"
import * as Effect from "effect/Effect"
import { backend } from "../backends.js"
import { layerOver } from "../concerns.js"
import { HUB } from "../limits.js"
import { pace } from "../pacing.js"
import { layerTapped, Stored } from "../tapSocket.js"
import type { TapSocket } from "../tapSocket.js"
import { listening, openLayer } from "../transport.js"
import type { Listening, Opened } from "../transport.js"
import { CpuTime } from "../usage.js"

export interface Listen {
  readonly backend: string
  /** How much faster than time its clock runs: what is limited per second is limited per so much less. */
  readonly speed: number
}

export interface Shake {
  readonly hub: Listening
  readonly handshake: "XX" | "IK"
  /** Handshakes of one identity at the same time. */
  readonly atOnce: number
  readonly seconds: number
}

export interface Shaken {
  readonly handshakes: number
  readonly failed: number
  readonly seconds: number
  readonly cpuNs: number
}

export interface Knock {
  readonly hub: Listening
  readonly seconds: number
  readonly perSecond: number
}

const BURST = 64
const LOOK_MS = 10
const MOST_LOOKS = 500

/** The tap and what it holds, when the first datagram is there. */
const heldBack = async (
  tapped: () => TapSocket | undefined
): Promise<{ readonly inner: UdpSocketShape; readonly lastAddressId: number; readonly store: Stored }> => {
  for (let looks = 0; looks < MOST_LOOKS; looks++) {
    const tap = tapped()
    if (tap?.store !== undefined && tap.store.count > 0) {
      return { inner: tap.inner, lastAddressId: tap.lastAddressId, store: tap.store }
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
  throw new Error("no hello came out of a transport that connects")
}

export const make = () => {
  const cpu = new CpuTime()
  let it: Opened
  let initiators: ReadonlyArray<Opened> = []

  return {
    listen: async ({ backend: name, speed }: Listen): Promise<Listening> => {
      it = await openLayer(layerOver(
        HUB,
        layerTapped(() => {}, {}, speed),
        layerBackend(backend(name))
      ))
      return listening(it.transport)
    },
    begin: (): { readonly handshakes: number; readonly challenges: number } => {
      const { challenges, handshakes } = it.transport.counters
      cpu.begin()
      return { handshakes, challenges }
    },
    state: (): { readonly handshakes: number; readonly challenges: number; readonly cpuNs: number } => {
      const { challenges, handshakes } = it.transport.counters
      return { handshakes, challenges, cpuNs: cpu.ns }
    },
    /** So many transports, each with an identity of its own. */
    prepare: async ({ backend: name, count }: { readonly backend: string; readonly count: number }): Promise<void> => {
      const library = layerBackend(backend(name))
      initiators = await Promise.all(
        Array.from(
          { length: count },
          () => openLayer(layerOver({ sameIdentity: "allow" }, UdpSocket.layerBest(), library))
        )
      )
    },
    /** Every identity connects and leaves again, over and over. */
    shake: async ({ atOnce, handshake, hub, seconds }: Shake): Promise<Shaken> => {
      const target = { host: "127.0.0.1", port: hub.port, publicKey: hub.publicKey, handshake }
      const started = performance.now()
      const end = started + seconds * 1000
      cpu.begin()
      let handshakes = 0
      let failed = 0
      const loop = ({ transport }: Opened): Effect.Effect<void> =>
        Effect.gen(function*() {
          while (performance.now() < end) {
            if (yield* Effect.isSuccess(Effect.scoped(transport.connect(target)))) handshakes++
            else failed++
          }
        })
      const loops = initiators.flatMap((it) => Array.from({ length: atOnce }, () => loop(it)))
      await Effect.runPromise(Effect.all(loops, { concurrency: "unbounded", discard: true }))
      return { handshakes, failed, seconds: (performance.now() - started) / 1000, cpuNs: cpu.ns }
    },
    /** Sends one transport's hello over and over from another socket; counts the answers. */
    knock: async (
      { hub, perSecond, seconds }: Knock
    ): Promise<{ readonly sent: number; readonly answered: number }> => {
      let tapped: TapSocket | undefined
      const initiator = await openLayer(layerOver(
        {},
        layerTapped((socket) => {
          socket.store = new Stored(2048)
          tapped = socket
        })
      ))
      const target = { host: "127.0.0.1", port: hub.port, publicKey: hub.publicKey }
      const connecting = initiator.run(initiator.transport.connect(target)).catch(() => {})
      const { inner, lastAddressId, store } = await heldBack(() => tapped)
      const hello = new Uint8Array(2048)
      const length = store.copyFirst(hello)
      let sent = 0
      let answered = 0
      inner.setHandler((batch) => {
        answered += batch.count
      })
      await pace(
        { perSecond, seconds, burst: BURST },
        (count) => {
          for (let i = 0; i < count; i++) {
            const offset = inner.outbox.reserve(length)
            if (offset < 0) break
            inner.outbox.arena.set(hello.subarray(0, length), offset)
            inner.outbox.commit(length, lastAddressId)
          }
          sent += inner.send()
        }
      )
      await initiator.close()
      await connecting
      return { sent, answered }
    }
  }
}
