import { Entropy } from "@intentra/crypto"
import { UdpSocket } from "@intentra/udp"
import { Context, Effect, Exit, Layer, Redacted, Stream } from "effect"
import type { Scope } from "effect"
import { createSocket } from "node:dgram"
import type { Socket } from "node:dgram"
import { once } from "node:events"
import { all, code, level } from "../../src/DropReason.js"
import { Intentra, TransportMetrics } from "../../src/index.js"
import type {
  Delivery,
  DropReason,
  IntentraError,
  IntentraOptions,
  IntentraShape,
  TransportCounters
} from "../../src/index.js"
import type { ShardHost } from "../../src/internal/shardHost.js"
import { makeSharded } from "../../src/internal/shardTransport.js"

/** Whether threads can share a port here. */
export const canShard = await Effect.runPromise(
  Effect.scoped(Effect.exit(Layer.build(UdpSocket.layerBatch()))).pipe(Effect.map(Exit.isSuccess))
)

export interface Sharded {
  readonly hub: IntentraShape
  readonly host: ShardHost
}

/** A transport with workers, and the main thread's end of them. */
export const sharded = (
  options: IntentraOptions = {},
  workers = 2
): Effect.Effect<Sharded, IntentraError, Scope.Scope> => {
  let host: ShardHost | undefined
  return makeSharded(workers, { allow: "any", key: keyOf(200), ...options }, (made) => {
    host = made
  }).pipe(
    Effect.flatMap((hub) => host === undefined ? Effect.dieMessage("no host") : Effect.succeed({ hub, host })),
    Effect.provide(Layer.merge(Entropy.layer, TransportMetrics.layerNoop))
  )
}

export const keyOf = (n: number): Redacted.Redacted<Uint8Array> => Redacted.make(new Uint8Array(32).fill(n))

/** A transport of one thread, as clients have it. */
export const client = (n: number, options: IntentraOptions = {}) =>
  Effect.map(Layer.build(Intentra.layer({ key: keyOf(n), ...options })), Context.get(Intentra))

export const to = (hub: IntentraShape, address = hub.address) => ({
  host: address.host,
  port: address.port,
  publicKey: hub.publicKey
})

/** Waits until something is true, and fails the test when it never is. */
export const until = (what: string, isTrue: () => boolean): Effect.Effect<void> =>
  Effect.repeat(Effect.sleep("2 millis"), { until: isTrue, times: 10_000 }).pipe(
    Effect.flatMap(() => isTrue() ? Effect.void : Effect.dieMessage(`never: ${what}`))
  )

/** All deliveries from now on, as they come. */
export const inbox = (transport: IntentraShape): Effect.Effect<ReadonlyArray<Delivery>, never, Scope.Scope> => {
  const seen: Array<Delivery> = []
  return Effect.as(
    Effect.forkScoped(Stream.runForEach(transport.deliveries, (one) => Effect.sync(() => seen.push(one)))),
    seen
  )
}

export const textOf = ({ payload }: Delivery): string => new TextDecoder().decode(payload)
export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Which worker has the session of a peer of this key. */
export const workerOf = ({ host }: Sharded, publicKey: Uint8Array): number => {
  for (const peer of host.sessions.active) if (Buffer.compare(peer.publicKey, publicKey) === 0) return peer.link.index
  return -1
}

/** received = accepted by type + every drop of a datagram + what the authorizer thinks about. */
export const imbalance = (counters: TransportCounters): number => {
  const drops = all.filter((reason: DropReason.DropReason) => level(reason) === "datagram")
    .reduce((sum, reason) => sum + counters.drops[code[reason]], 0)
  return counters.received - counters.accepted.reduce((a, b) => a + b, 0) - drops - counters.undecided
}

/** A router between one client and the hub, whose outer port changes when it is told to. */
export class Nat {
  private clientPort = 0
  private outer: Socket

  private constructor(private readonly inner: Socket, target: { host: string; port: number }) {
    this.outer = this.open()
    inner.on("message", (message, from) => {
      this.clientPort = from.port
      this.outer.send(message, target.port, target.host)
    })
  }

  static readonly make = (target: { readonly host: string; readonly port: number }) =>
    Effect.acquireRelease(
      Effect.promise(async () => {
        const inner = createSocket("udp4")
        inner.bind(0, "127.0.0.1")
        await once(inner, "listening")
        return new Nat(inner, target)
      }),
      (nat) => Effect.sync(() => nat.close())
    )

  get address() {
    return { host: "127.0.0.1", port: this.inner.address().port }
  }

  /** What the client sends from now on comes from another port, and nothing reaches the old one. */
  rebind(): void {
    this.outer.close()
    this.outer = this.open()
  }

  private open(): Socket {
    const outer = createSocket("udp4")
    outer.on("message", (message) => this.inner.send(message, this.clientPort, "127.0.0.1"))
    return outer
  }

  private close(): void {
    this.inner.close()
    this.outer.close()
  }
}
