/** The three processes of the flood: the hub, its legitimate peers, and whoever floods it. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { randomFillSync } from "node:crypto"
import { createSocket, Socket } from "node:dgram"
import { readFileSync } from "node:fs"
import { answer } from "./child.js"
import type { Open, Peer } from "./library.js"
import { load, open } from "./library.js"

/** Where the hub is. */
export interface Target {
  readonly port: number
  readonly publicKey: Uint8Array
}

export interface HubState {
  readonly delivered: { readonly [peer: string]: number }
  readonly received: number
  readonly sessions: number
  readonly closed: number
  readonly longestTurnMs: number
  readonly drops: { readonly [reason: string]: number }
  readonly rss: number
  readonly kernelDrops: number
  readonly cpuMs: number
  readonly waitedMs: number
}

/** What the kernel dropped because the receive buffer of this port was full; -1 where it does not say. */
const kernelDrops = (port: number): number => {
  try {
    const suffix = `:${port.toString(16).toUpperCase().padStart(4, "0")}`
    const line = readFileSync("/proc/net/udp", "utf8").split("\n").find((it) =>
      it.trim().split(/\s+/)[1]?.endsWith(suffix)
    )
    return line === undefined ? -1 : Number(line.trim().split(/\s+/).at(-1))
  } catch {
    return -1
  }
}

/** Milliseconds that the main thread was ready and had no CPU; -1 where the system does not say. */
const waitedForCpu = (): number => {
  try {
    return Number(readFileSync("/proc/self/schedstat", "utf8").split(" ")[1]) / 1e6
  } catch {
    return -1
  }
}

const freshKey = () => Redacted.make(randomFillSync(new Uint8Array(32)))

export const hub = (): void => {
  let it: Open
  const delivered = new Map<string, number>()
  answer({
    open: async () => {
      it = await open({ allow: "any", key: freshKey() })
      await it.run(it.transport.onDelivery((peer) => {
        delivered.set(peer.id, (delivered.get(peer.id) ?? 0) + 1)
      }))
      return { port: it.transport.address.port, publicKey: it.transport.publicKey } satisfies Target
    },
    mark: () => {
      it.transport.counters.longestTurnMs = 0
    },
    state: (): HubState => {
      const { address, counters } = it.transport
      const { system, user } = process.cpuUsage()
      return {
        delivered: Object.fromEntries(delivered),
        received: counters.received,
        sessions: counters.sessionsActive,
        closed: counters.closes.reduce((sum, count) => sum + count, 0),
        longestTurnMs: counters.longestTurnMs,
        drops: counters.dropsByReason(),
        rss: process.memoryUsage().rss,
        kernelDrops: kernelDrops(address.port),
        cpuMs: (system + user) / 1000,
        waitedMs: waitedForCpu()
      }
    }
  })
}

export interface PeersState {
  readonly sent: number
  readonly refused: number
  readonly captured: ReadonlyArray<Uint8Array>
}

const CAPTURED = 400

export const peers = (): void => {
  const connected: Array<Peer> = []
  const captured: Array<Uint8Array> = []
  // what these peers send is looked at where node:dgram sends it
  process.env.INTENTRA_UDP = "dgram"
  let target: Target
  let sent = 0
  let refused = 0
  let until = Infinity

  // what an eavesdropper would have: sealed packets as they leave
  const { send } = Socket.prototype
  Socket.prototype.send = function(this: Socket, ...args: ReadonlyArray<unknown>) {
    const [bytes, offset, length] = args
    if (captured.length < CAPTURED && bytes instanceof Uint8Array && typeof offset === "number") {
      const end = offset + Number(length)
      if ((bytes[offset] & 15) !== 2) captured.push(bytes.slice(offset, end))
    }
    return Reflect.apply(send, this, args)
  } as typeof send

  const join = async (): Promise<Peer> => {
    const { run, transport } = await open({ key: freshKey() })
    return run(transport.connect({ host: "127.0.0.1", port: target.port, publicKey: target.publicKey }))
  }

  answer({
    open: async ({ count, hub, hz }: { readonly hub: Target; readonly count: number; readonly hz: number }) => {
      target = hub
      for (let i = 0; i < count; i++) connected.push(await join())
      const payload = new Uint8Array(64)
      const started = performance.now()
      let rounds = 0
      const timer = setInterval(() => {
        // a timer that is late sends what it owes
        const owed = Math.floor((performance.now() - started) * hz / 1000)
        for (; rounds < owed; rounds++) {
          if (performance.now() > until) return clearInterval(timer)
          for (const peer of connected) {
            if (peer.unsafeSend(payload) === 0) sent++
            else refused++
          }
        }
      }, 1000 / hz / 2)
    },
    /** Milliseconds until a peer that nobody knows has its session, Infinity when it gave up. */
    newcomer: async () => {
      const opened = await open({ key: freshKey() })
      const before = performance.now()
      try {
        await opened.run(
          opened.transport.connect({ host: "127.0.0.1", port: target.port, publicKey: target.publicKey })
        )
        return performance.now() - before
      } catch {
        return Infinity
      }
    },
    stop: () => {
      until = 0
    },
    state: (): PeersState => ({ sent, refused, captured })
  })
}

interface Wire {
  readonly encodeHello: (
    pinned: boolean,
    pattern: number,
    connId: number,
    nonce: Uint8Array,
    mac: (data: Uint8Array) => Uint8Array
  ) => Uint8Array
  readonly encodeEcho: (
    hello: Uint8Array,
    cookie: Uint8Array,
    message1: Uint8Array,
    mac: (data: Uint8Array) => Uint8Array
  ) => Uint8Array
}

interface Speaker {
  readonly pattern: number
  readonly mac1: (key: Uint8Array) => (data: Uint8Array) => Uint8Array
}

/** Datagrams that are made before the flood begins. */
const PREPARED = 4096

export const flooder = (): void => {
  let sent = 0
  let failed = 0
  let stopped = false
  answer({
    start: async (
      { captured, hub, rate, sockets }: {
        readonly hub: Target
        readonly captured: ReadonlyArray<Uint8Array>
        readonly rate: number
        readonly sockets: number
      }
    ) => {
      const { Handshake } = await load<
        {
          readonly Handshake: Context.Tag<Speaker, Speaker> & {
            readonly layerWith: (options: object) => Layer.Layer<Speaker, Error, unknown>
          }
        }
      >("packages/intentra/src/Handshake.ts")
      const crypto = await load<
        { readonly layerNode: Layer.Layer<unknown>; readonly Entropy: { layer: Layer.Layer<unknown> } }
      >(
        "packages/crypto/src/index.ts"
      )
      const wire = await load<Wire>("packages/intentra/src/internal/handshakeMessages.ts")
      const speaker = await Effect.runPromise(Effect.provide(
        Handshake,
        Layer.provide(
          Handshake.layerWith({ key: Redacted.make(new Uint8Array(32).fill(1)) }),
          Layer.merge(crypto.layerNode, crypto.Entropy.layer)
        )
      ))
      const mac1 = speaker.mac1(hub.publicKey)
      const prepared: Array<Uint8Array> = []
      for (let i = 0; i < PREPARED; i++) {
        const random = randomFillSync(new Uint8Array(64))
        const roll = i % 20
        const model = captured[i % captured.length]
        if (roll < 10) {
          // right in everything: draws a challenge
          prepared.push(wire.encodeHello(true, speaker.pattern, 1 + i, random.subarray(0, 16), mac1))
        } else if (roll < 12) {
          const hello = wire.encodeHello(true, speaker.pattern, 1 + i, random.subarray(0, 16), mac1)
          prepared.push(wire.encodeEcho(hello, random.subarray(16, 32), random.subarray(32, 64), mac1))
        } else if (roll < 16) {
          // forged: a live session's header, ahead of its window, and any bytes
          const forged = model.slice()
          randomFillSync(forged, 16)
          randomFillSync(forged, 9, 3)
          prepared.push(forged)
        } else prepared.push(model)
      }
      const opened: Array<Socket> = []
      for (let i = 0; i < sockets; i++) {
        const socket = createSocket("udp4")
        await new Promise<void>((resolve, reject) => {
          socket.once("error", reject)
          socket.bind(0, `127.${1 + (i % 200)}.${(i * 7) % 250}.${1 + ((i * 13) % 250)}`, resolve)
        })
        socket.on("error", () => {})
        opened.push(socket)
      }
      const started = performance.now()
      let next = 0
      const turn = (): void => {
        if (stopped) return
        const owed = Math.min(2000, Math.floor((performance.now() - started) * rate / 1000) - next)
        for (let i = 0; i < owed; i++, next++) {
          const bytes = prepared[next % PREPARED]
          try {
            opened[(next * 31) % sockets].send(bytes, 0, bytes.length, hub.port, "127.0.0.1")
            sent++
          } catch {
            failed++
          }
        }
        // a loop without a pause would take a core from the hub
        setTimeout(turn, 1)
      }
      turn()
    },
    state: () => ({ sent, failed }),
    stop: () => {
      stopped = true
      return { sent, failed }
    }
  })
}
