/** State channels on a simulated network. */
import { Entropy } from "@intentra/crypto"
import { Network } from "@intentra/udp"
import type { NetworkShape } from "@intentra/udp"
import { Context, Effect, Layer, Option, Schema, Stream } from "effect"
import type { Scope } from "effect"
import { createHash } from "node:crypto"
import { Channels, Intentra, IntentraTest, StateChannel } from "../../src/index.js"
import type {
  ChannelsShape,
  IntentraError,
  IntentraOptions,
  IntentraShape,
  StateChange,
  StateChannelError
} from "../../src/index.js"
import { connect } from "../internal/harness.js"

class Numbers extends Context.Tag("test/Numbers")<Numbers, StateChannel.StateChannel<number>>() {}

type Options = Partial<StateChannel.StateChannelSettings>

/** One process: a transport, its channels, and one channel of numbers. */
export interface Site {
  readonly network: NetworkShape
  readonly transport: IntentraShape
  readonly channels: ChannelsShape
  readonly numbers: StateChannel.StateChannel<number>
  /** What others know its transport as. */
  readonly id: string
}

/** A channel of numbers by options of its own, on the channels of a site. */
export const open = (
  network: NetworkShape,
  seed: string,
  options: StateChannel.StateChannelOptions<number, number>,
  channels: ChannelsShape
): Effect.Effect<StateChannel.StateChannel<number>, StateChannelError, Scope.Scope> =>
  Effect.map(
    inside(network, seed, Layer.provide(StateChannel.layer(Numbers, options), Layer.succeed(Channels, channels))),
    Context.get(Numbers)
  )

/** In the time of the network, with entropy made of a seed. */
const inside = <A, E, R>(
  network: NetworkShape,
  seed: string,
  layer: Layer.Layer<A, E, R>
): Effect.Effect<Context.Context<A>, E, R | Scope.Scope> =>
  Layer.build(layer.pipe(Layer.provide(Entropy.layerSeeded(seed)), Layer.provide(Network.layerOf(network))))

export const site = (
  network: NetworkShape,
  host: string,
  options: Options = {},
  transportOptions: IntentraOptions & { readonly seed?: string } = {}
): Effect.Effect<Site, IntentraError | StateChannelError, Scope.Scope> =>
  Effect.gen(function*() {
    const transport = yield* IntentraTest.make(network, { host, allow: "any", ...transportOptions })
    const context = yield* inside(
      network,
      `${host} ${transportOptions.seed ?? ""}`,
      StateChannel.layer(Numbers, { name: "numbers", schema: Schema.Number, ...options }).pipe(
        Layer.provideMerge(Channels.layer),
        Layer.provide(Layer.succeed(Intentra, transport))
      )
    )
    return {
      network,
      transport,
      id: idOf(transport.publicKey),
      channels: Context.get(context, Channels),
      numbers: Context.get(context, Numbers)
    }
  })

/** A publisher at 10.0.0.1 and subscribers from 10.0.0.2 on that are connected to it. */
export const sites = (
  network: NetworkShape,
  count: number,
  options: Options = {}
) =>
  Effect.gen(function*() {
    const publisher = yield* site(network, "10.0.0.1", options)
    const others = yield* Effect.forEach(Array.from({ length: count }, (_, n) => n), (n) =>
      Effect.gen(function*() {
        const other = yield* site(network, `10.0.0.${n + 2}`, options)
        const peer = yield* connect(network, other.transport, publisher.transport)
        return { ...other, peer }
      }))
    return { publisher, others }
  })

/** What a publisher has done, each step with a number of its own that is the value published. */
export class History {
  readonly state = new Map<string, number>()
  private steps = 0
  private readonly deletions = new Map<string, Array<number>>()

  publish(key: string): number {
    this.state.set(key, ++this.steps)
    return this.steps
  }

  delete(key: string): void {
    this.state.delete(key)
    const deletions = this.deletions.get(key) ?? []
    deletions.push(++this.steps)
    this.deletions.set(key, deletions)
  }

  /** The first deletion of a key after a step; undefined when there was none. */
  deletionAfter(key: string, step: number): number | undefined {
    return this.deletions.get(key)?.find((one) => one > step)
  }
}

/** What a subscriber has been told, followed through its changes alone. */
export class Mirror {
  readonly values = new Map<string, number>()
  readonly stale = new Set<string>()
  readonly told: Array<StateChange<number>> = []
  /** What went back: versions, values, keys that were deleted. */
  readonly faults: Array<string> = []
  private readonly versions = new Map<string, readonly [number, number]>()
  private readonly steps = new Map<string, number>()

  constructor(private readonly history: History | undefined) {}

  take(change: StateChange<number>): void {
    this.told.push(change)
    const { key } = change
    const step = this.steps.get(key) ?? 0
    if (change._tag === "Deleted") {
      if (!this.values.delete(key)) this.faults.push(`${key} was deleted twice`)
      this.stale.delete(key)
      const deleted = this.history?.deletionAfter(key, step)
      if (deleted !== undefined) this.steps.set(key, deleted)
      else if (this.history !== undefined) this.faults.push(`${key} was never deleted after ${step}`)
      return
    }
    const { incarnation, value, version } = change.entry
    const [lastIncarnation, lastVersion] = this.versions.get(key) ?? [0, 0]
    if (incarnation < lastIncarnation || (incarnation === lastIncarnation && version < lastVersion)) {
      this.faults.push(`${key} went back from ${lastVersion} to ${version}`)
    }
    if (this.history !== undefined && value < step) this.faults.push(`${key} went back from step ${step} to ${value}`)
    this.steps.set(key, value)
    this.versions.set(key, [incarnation, version])
    this.values.set(key, value)
    if (change._tag === "Stale") this.stale.add(key)
    else this.stale.delete(key)
  }
}

export const mirror = (
  network: NetworkShape,
  subscription: StateChannel.StateSubscription<number>,
  history?: History
): Effect.Effect<Mirror, never, Scope.Scope> =>
  Effect.gen(function*() {
    const seen = new Mirror(history)
    yield* Effect.forkScoped(
      Effect.provide(
        Stream.runForEach(subscription.changes, (change) => Effect.sync(() => seen.take(change))),
        Network.layerOf(network)
      )
    )
    return seen
  })

const idOf = (publicKey: Uint8Array): string =>
  createHash("sha256").update(publicKey).digest().subarray(0, 8).toString("hex")

export const publishAll = (numbers: StateChannel.StateChannel<number>, values: Readonly<Record<string, number>>) =>
  Effect.forEach(Object.entries(values), ([key, value]) => numbers.publish(key, value), { discard: true })

export const valueOf = (subscription: StateChannel.StateSubscription<number>, key: string) =>
  Effect.map(subscription.get(key), (entry) => Option.getOrUndefined(Option.map(entry, ({ value }) => value)))

export const plain = (values: ReadonlyMap<string, number>): Record<string, number> =>
  Object.fromEntries([...values].sort(([a], [b]) => a < b ? -1 : 1))
