/**
 * What the soak programs use of the packages. Their sources are other TypeScript projects: they are loaded by address,
 * and only what is used here is described.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"

export interface Counters {
  readonly received: number
  readonly sent: number
  readonly sessionsActive: number
  readonly closes: Float64Array
  longestTurnMs: number
  dropsByReason(): { readonly [reason: string]: number }
}

export interface Peer {
  readonly id: string
  unsafeSend(payload: Uint8Array): number
}

export interface Transport {
  readonly publicKey: Uint8Array
  readonly address: { readonly host: string; readonly port: number }
  readonly socketKind: string
  readonly counters: Counters
  readonly connect: (options: {
    readonly host: string
    readonly port: number
    readonly publicKey: Uint8Array
  }) => Effect.Effect<Peer, Error, Scope.Scope>
  readonly onDelivery: (
    handler: (peer: Peer, payload: Uint8Array) => void
  ) => Effect.Effect<void, Error, Scope.Scope>
}

interface Package {
  readonly Intentra: Context.Tag<Transport, Transport> & {
    readonly layer: (options: object) => Layer.Layer<Transport, Error>
  }
}

/** Loads a module of the packages by its path from the root. */
export const load = async <A>(path: string): Promise<A> =>
  await import(new URL(`../../${path}`, import.meta.url).href) as A

/** A transport that lives as long as the process, or until `close`. */
export interface Open {
  readonly transport: Transport
  readonly run: <A>(effect: Effect.Effect<A, Error, Scope.Scope>) => Promise<A>
  readonly close: () => Promise<void>
}

export const open = async (options: object): Promise<Open> => {
  const { Intentra } = await load<Package>("packages/intentra/src/index.ts")
  const scope = Effect.runSync(Scope.make())
  const context = await Effect.runPromise(Layer.buildWithScope(Intentra.layer(options), scope))
  return {
    transport: await Effect.runPromise(Effect.provide(Intentra, context)),
    run: (effect) => Effect.runPromise(Scope.extend(effect, scope)),
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

export const sleep = (millis: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, millis)
  })
