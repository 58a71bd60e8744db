/** A transport inside a process of a scenario, for code that is not made of Effects. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { Intentra } from "intentra/Intentra"
import type { IntentraOptions, IntentraShape } from "intentra/Intentra"
import type { Peer } from "intentra/Peer"
import { randomFillSync } from "node:crypto"
import { LIFTED } from "./limits.js"

/** Where a transport is, and what it is made of: as it says itself. */
export interface Listening {
  readonly port: number
  readonly publicKey: Uint8Array
  readonly socket: string
  readonly crypto: string
}

export interface Opened {
  readonly transport: IntentraShape
  /** Runs an effect whose resources live as long as the transport. */
  readonly run: <A, E>(effect: Effect.Effect<A, E, Scope.Scope>) => Promise<A>
  readonly close: () => Promise<void>
}

export const freshKey = (): Redacted.Redacted<Uint8Array> => Redacted.make(randomFillSync(new Uint8Array(32)))

/** Opens a transport over a layer of it. */
export const openLayer = async <E>(layer: Layer.Layer<Intentra, E>): Promise<Opened> => {
  const scope = Effect.runSync(Scope.make())
  const transport = Context.get(await Effect.runPromise(Layer.buildWithScope(layer, scope)), Intentra)
  return {
    transport,
    run: (effect) => Effect.runPromise(Scope.extend(effect, scope)),
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

/** Opens a transport as an application does, limits lifted, with a key for this run. */
export const open = (options: IntentraOptions): Promise<Opened> =>
  openLayer(Intentra.layer({ ...LIFTED, key: freshKey(), ...options }))

/** The name of what seals. */
const cryptoOf = (transport: IntentraShape): string => "cryptoKind" in transport ? String(transport.cryptoKind) : "node"

export const listening = (transport: IntentraShape): Listening => ({
  port: transport.address.port,
  publicKey: transport.publicKey,
  socket: transport.socketKind,
  crypto: cryptoOf(transport)
})

/** Sessions to be had with a hub. */
export interface Joining {
  readonly hub: Listening
  readonly sessions: number
  /** A socket and an identity for every session; else all share one. */
  readonly apart?: boolean
  readonly options?: IntentraOptions
}

/** Handshakes at the same time. */
const CONNECTING = 8

/** Connects, and tells of every session as it comes: with its transport, and whether that is a new one. */
export const connect = async (
  { apart = false, hub, options, sessions }: Joining,
  onPeer: (it: Opened, added: boolean, peer: Peer) => unknown
): Promise<number> => {
  const target = { host: "127.0.0.1", port: hub.port, publicKey: hub.publicKey }
  const create = (): Promise<Opened> => open({ sameIdentity: "allow", ...options })
  const shared = apart ? undefined : await create()
  let left = sessions
  let connected = 0
  const join = async (): Promise<void> => {
    while (left > 0) {
      const first = left === sessions
      left--
      const it = shared ?? await create()
      const peer = await it.run(
        it.transport.connect(target).pipe(
          Effect.retry({ times: 3, while: (error) => error.reason === "HandshakeTimeout" })
        )
      )
      await onPeer(it, apart || first, peer)
      connected++
    }
  }
  await Promise.all(Array.from({ length: Math.min(CONNECTING, sessions) }, join))
  return connected
}
