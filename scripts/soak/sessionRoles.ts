/** The processes of the session counts: a hub and its clients on real sockets, and a table of sessions without any. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { randomFillSync } from "node:crypto"
import { answer } from "./child.js"
import type { Target } from "./floodRoles.js"
import type { Open } from "./library.js"
import { load, open } from "./library.js"

declare const gc: (() => void) | undefined

export interface Memory {
  readonly rss: number
  /** Objects and the bytes of their typed arrays, after a collection. */
  readonly held: number
}

const memory = (): Memory => {
  gc?.()
  gc?.()
  const { external, heapUsed, rss } = process.memoryUsage()
  return { rss, held: heapUsed + external }
}

const freshKey = () => Redacted.make(randomFillSync(new Uint8Array(32)))

/** Sessions stay alive though nobody has time for them. */
const IDLE = { idleTimeout: "1 hour", keepalive: "10 minutes", handshakeTimeout: "60 seconds" }

export const sessionHub = (): void => {
  let it: Open
  answer({
    open: async (maxSessions: number) => {
      it = await open({
        ...IDLE,
        allow: "any",
        key: freshKey(),
        maxSessions,
        gate: { inFlight: 4096, perSource: 4096, sourceRate: Infinity, sourceBurst: 4096 }
      })
      return { port: it.transport.address.port, publicKey: it.transport.publicKey } satisfies Target
    },
    state: () => ({ sessions: it.transport.counters.sessionsActive, ...memory() })
  })
}

export const sessionClients = (): void => {
  answer({
    /** How many of `count` transports have a session; stops at the first that cannot have one. */
    open: async ({ count, hub, millis }: { readonly hub: Target; readonly count: number; readonly millis: number }) => {
      // a batched socket has room for megabytes of datagrams, which these thousands of sockets never get
      process.env.INTENTRA_UDP = "dgram"
      const until = performance.now() + millis
      let connected = 0
      let why = ""
      const one = async (): Promise<void> => {
        const { run, transport } = await open({
          ...IDLE,
          key: freshKey(),
          socket: { receiveBufferBytes: 65_536, sendBufferBytes: 65_536, sendQueueBytes: 65_536 }
        })
        await run(transport.connect({ host: "127.0.0.1", port: hub.port, publicKey: hub.publicKey }))
        connected++
      }
      const worker = async (): Promise<void> => {
        while (why === "" && started++ < count) {
          if (performance.now() > until) why = "the time is over"
          try {
            await one()
          } catch (error) {
            why = error instanceof Error ? error.message : String(error)
          }
        }
      }
      let started = 0
      await Promise.all(Array.from({ length: 8 }, worker))
      return { connected, why }
    }
  })
}

interface SessionClass {
  new(
    connId: number,
    remoteConnId: number,
    initiator: boolean,
    identity: Uint8Array,
    id: string,
    addressId: number,
    state: number,
    bucket: unknown,
    datagramCeiling: number,
    rows: unknown,
    now: number
  ): LogicalSession
}

interface LogicalSession {
  readonly connId: number
  readonly identityKey: string
  setKeys(epoch: number, keys: unknown): void
}

/** What each of these makes is not looked at here. */
interface Maker {
  readonly make: (...options: ReadonlyArray<unknown>) => unknown
}

interface Table {
  readonly size: number
  newId(now: number): number
  set(session: LogicalSession): void
}

interface Timers {
  set(session: LogicalSession, at: number): void
}

interface PacketCrypto {
  readonly makeKey: (key: Uint8Array) => unknown
}

/** Sessions that get keys, to know what keys cost. */
const WITH_KEYS = 50_000

/** One session table with many sessions, as a transport holds them: by conn_id, by identity, in the timers. */
export const logicalSessions = (): void => {
  answer({
    fill: async (count: number) => {
      const folder = "packages/intentra/src"
      const { EpochKeys, Session } = await load<{
        readonly Session: SessionClass
        readonly EpochKeys: new(...parts: ReadonlyArray<unknown>) => unknown
      }>(`${folder}/internal/session.ts`)
      const { ConnectionTable } = await load<{
        readonly ConnectionTable: new(draw: () => number, restMs: number) => Table
      }>(`${folder}/internal/connectionTable.ts`)
      const { NumberRows } = await load<{ readonly NumberRows: new() => unknown }>(
        `${folder}/internal/sessionNumbers.ts`
      )
      const { TimerHeap } = await load<{ readonly TimerHeap: new() => Timers }>(`${folder}/internal/timerHeap.ts`)
      const TokenBucket = await load<Maker>(`${folder}/TokenBucket.ts`)
      const ReplayWindow = await load<Maker>(`${folder}/ReplayWindow.ts`)
      const { PacketCrypto } = await load<
        {
          readonly PacketCrypto: Context.Tag<PacketCrypto, PacketCrypto> & {
            readonly layer: Layer.Layer<PacketCrypto, never, unknown>
          }
        }
      >(`${folder}/PacketCrypto.ts`)
      const { layerNode } = await load<{ readonly layerNode: Layer.Layer<unknown> }>("packages/crypto/src/index.ts")
      const crypto = await Effect.runPromise(Effect.provide(PacketCrypto, Layer.provide(PacketCrypto.layer, layerNode)))

      const words = new Uint32Array(1024)
      let word = words.length
      const draw = (): number => {
        if (word === words.length) {
          randomFillSync(words)
          word = 0
        }
        return words[word++]
      }
      const table = new ConnectionTable(draw, 180_000)
      const timers = new TimerHeap()
      const rows = new NumberRows()
      const active = new Set<LogicalSession>()
      const byIdentity = new Map<string, LogicalSession>()
      const state = 3
      const before = memory()
      for (let i = 0; i < count; i++) {
        const identity = randomFillSync(new Uint8Array(32))
        const session = new Session(
          table.newId(0),
          draw(),
          false,
          identity,
          draw().toString(16).padStart(16, "0"),
          i + 1,
          state,
          TokenBucket.make({ rate: 10_000, burst: 500 }),
          2048,
          rows,
          0
        )
        table.set(session)
        timers.set(session, 60_000 + (draw() & 0xffff))
        active.add(session)
        byIdentity.set(session.identityKey, session)
      }
      const without = memory()
      let keyed = 0
      const key = new Uint8Array(32)
      for (const session of active) {
        if (++keyed > WITH_KEYS) break
        randomFillSync(key)
        session.setKeys(0, new EpochKeys(crypto.makeKey(key), crypto.makeKey(key), ReplayWindow.make(8192), 0, 0))
      }
      const withKeys = memory()
      return {
        sessions: table.size,
        perSession: (without.held - before.held) / count,
        perKeys: (withKeys.held - without.held) / Math.min(WITH_KEYS, count),
        residentPerKeys: (withKeys.rss - without.rss) / Math.min(WITH_KEYS, count),
        rss: withKeys.rss
      }
    }
  })
}
