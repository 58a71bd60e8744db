/**
 * A network that exists in memory and in virtual time only: latency, loss, partitions, NAT and adversaries for testing
 * applications, the same on every run.
 *
 * @since 0.1.0
 */
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scheduler from "effect/Scheduler"
import type * as Scope from "effect/Scope"
import type { SocketAddress } from "./Address.js"
import type { EventLoop } from "./EventLoop.js"
import { Simulation } from "./internal/simulation.js"
import type { NetworkConditions } from "./NetworkConditions.js"
import { NetworkError } from "./NetworkError.js"
import type { NetworkEvent, NetworkLedger } from "./NetworkEvent.js"
import { UdpSocketError } from "./UdpSocketError.js"
import type { UdpSocketOptions } from "./UdpSocketOptions.js"
import type { UdpSocketShape } from "./UdpSocketShape.js"

export type { BurstLoss, NetworkConditions } from "./NetworkConditions.js"
export { NetworkError, type NetworkReason } from "./NetworkError.js"
export type { LossCause, NetworkEvent, NetworkLedger } from "./NetworkEvent.js"

/**
 * A host (`10.0.0.1`, `fd00::1`) or a host and port (`10.0.0.1:9000`, `[fd00::1]:9000`, a `SocketAddress`). A host
 * alone means all of its ports.
 *
 * @since 0.1.0
 * @category models
 */
export type Endpoint = string | SocketAddress

/**
 * The seed, what is recorded, and the conditions of every link that has none of its own.
 *
 * @since 0.1.0
 * @category models
 */
export interface NetworkOptions extends Partial<NetworkConditions> {
  /** Same seed and same calls give the same trace. Default 0. */
  readonly seed?: number | string
  /** `hash` keeps a hash of every event, `text` a line for each too. Default `off`. */
  readonly trace?: "off" | "hash" | "text"
}

/**
 * A datagram that no socket sent. `from` and `to` need a port. Conditions do not touch it: it arrives after exactly
 * `delay` milliseconds (0 by default).
 *
 * @since 0.1.0
 * @category models
 */
export interface Injection {
  readonly from: Endpoint
  readonly to: Endpoint
  readonly bytes: Uint8Array
  readonly delay?: number
}

/**
 * A simulated network. The methods called `unsafe` do at once what those of the same name without it do as an Effect,
 * and throw the typed error.
 *
 * @since 0.1.0
 * @category models
 */
export interface NetworkShape {
  /** Milliseconds of virtual time since the start. */
  readonly now: number
  /** Virtual time for Effect: sleeps, schedules and timeouts. `Network.layer` installs it. */
  readonly clock: Clock.Clock
  /** Runs the fibers of the simulation, so that they take no time of the host. `Network.layer` installs it. */
  readonly scheduler: Scheduler.Scheduler
  /** Virtual time for code without Effect; the sockets of the network have the same one. */
  readonly loop: EventLoop

  /**
   * Lets `duration` of virtual time pass: everything due happens in order, and after each event all fibers run until
   * they wait. The host's event loop turns before, after and now and then, for fibers that wait for the host. To wait
   * inside the simulation use `Effect.sleep`; advancing from within is a defect.
   */
  readonly advance: (duration: Duration.DurationInput) => Effect.Effect<void>
  /** The same at once, in milliseconds, without turning the host's event loop. */
  readonly unsafeAdvance: (millis: number) => void

  /** The conditions of every link that has none of its own. */
  readonly conditions: NetworkConditions
  /** Changes them, from the next datagram on. What is not named stays. */
  readonly configure: (conditions: Partial<NetworkConditions>) => Effect.Effect<void, NetworkError>
  readonly unsafeConfigure: (conditions: Partial<NetworkConditions>) => void
  /**
   * Changes the conditions of one direction, on top of the general ones; `undefined` gives it the general ones again.
   * Where several fit, the more exact one wins.
   */
  readonly link: (
    from: Endpoint,
    to: Endpoint,
    conditions: Partial<NetworkConditions> | undefined
  ) => Effect.Effect<void, NetworkError>
  readonly unsafeLink: (from: Endpoint, to: Endpoint, conditions: Partial<NetworkConditions> | undefined) => void
  /**
   * Cuts every way between the two sets, both directions, datagrams on their way included. Partitions add up until
   * `heal`.
   */
  readonly partition: (a: Iterable<Endpoint>, b: Iterable<Endpoint>) => Effect.Effect<void, NetworkError>
  readonly unsafePartition: (a: Iterable<Endpoint>, b: Iterable<Endpoint>) => void
  /** Ends all partitions. */
  readonly heal: Effect.Effect<void>
  readonly unsafeHeal: () => void
  /**
   * Gives the sockets that others see at `from` the address `to` to be seen at, as a NAT does that lost its table. They
   * send on; what is sent to the old address is lost. A host as `to` keeps the ports.
   */
  readonly rebindNat: (from: Endpoint, to: Endpoint) => Effect.Effect<void, NetworkError>
  readonly unsafeRebindNat: (from: Endpoint, to: Endpoint) => void

  /** Puts a datagram into the network, from any source. */
  readonly inject: (injection: Injection) => Effect.Effect<void, NetworkError>
  readonly unsafeInject: (injection: Injection) => void
  /** Tells everything that happens to every datagram; returns what ends it. The listener must not throw. */
  readonly tap: (listener: (event: NetworkEvent) => void) => () => void
  /** The sums so far, live. */
  readonly ledger: NetworkLedger
  /** What was recorded so far: 16 hexadecimal digits, and one line per event when the option says `text`. */
  readonly trace: { readonly hash: string; readonly text: string }

  /** Opens a socket until its scope closes. */
  readonly bind: (options?: UdpSocketOptions) => Effect.Effect<UdpSocketShape, UdpSocketError, Scope.Scope>
  /** Opens a socket until `close` is called. */
  readonly unsafeBind: (options?: UdpSocketOptions) => UdpSocketShape & { readonly close: () => void }
}

const attempt = <A, E>(isExpected: (error: unknown) => error is E, f: () => A): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(f())
    } catch (error) {
      return isExpected(error) ? Effect.fail(error) : Effect.die(error)
    }
  })

const isNetworkError = (error: unknown): error is NetworkError => error instanceof NetworkError
const isSocketError = (error: unknown): error is UdpSocketError => error instanceof UdpSocketError

class NetworkImpl implements NetworkShape {
  readonly clock: Clock.Clock
  readonly scheduler: Scheduler.Scheduler
  readonly loop: EventLoop
  readonly ledger: NetworkLedger
  readonly trace: NetworkShape["trace"]
  readonly heal = Effect.sync(() => this.unsafeHeal())
  private readonly simulation: Simulation

  constructor(options: NetworkOptions) {
    const { seed = 0, trace = "off", ...conditions } = options
    const simulation = new Simulation(seed, conditions, trace)
    this.simulation = simulation
    this.clock = simulation.timeline.clock
    this.scheduler = simulation.timeline.scheduler
    this.loop = simulation.timeline
    this.ledger = simulation.recorder.ledger
    this.trace = {
      get hash() {
        return simulation.recorder.traceHash
      },
      get text() {
        return simulation.recorder.traceText
      }
    }
  }

  get now(): number {
    return this.simulation.timeline.time
  }

  get conditions(): NetworkConditions {
    return this.simulation.weather.conditions
  }

  advance = (duration: Duration.DurationInput): Effect.Effect<void> =>
    this.simulation.timeline.advance(Duration.toMillis(duration))

  unsafeAdvance = (millis: number): void => {
    const { timeline } = this.simulation
    const until = timeline.time + millis
    let done = false
    while (!done) done = timeline.run(until, Infinity)
  }

  configure = (conditions: Partial<NetworkConditions>) =>
    attempt(isNetworkError, () => this.unsafeConfigure(conditions))

  unsafeConfigure = (conditions: Partial<NetworkConditions>): void => this.simulation.weather.configure(conditions)

  link = (from: Endpoint, to: Endpoint, conditions: Partial<NetworkConditions> | undefined) =>
    attempt(isNetworkError, () => this.unsafeLink(from, to, conditions))

  unsafeLink = (from: Endpoint, to: Endpoint, conditions: Partial<NetworkConditions> | undefined): void =>
    this.simulation.weather.link(from, to, conditions)

  partition = (a: Iterable<Endpoint>, b: Iterable<Endpoint>) =>
    attempt(isNetworkError, () => this.unsafePartition(a, b))

  unsafePartition = (a: Iterable<Endpoint>, b: Iterable<Endpoint>): void => this.simulation.weather.partition(a, b)

  unsafeHeal = (): void => this.simulation.weather.heal()

  rebindNat = (from: Endpoint, to: Endpoint) => attempt(isNetworkError, () => this.unsafeRebindNat(from, to))

  unsafeRebindNat = (from: Endpoint, to: Endpoint): void => this.simulation.rebindNat(from, to)

  inject = (injection: Injection) => attempt(isNetworkError, () => this.unsafeInject(injection))

  unsafeInject = ({ bytes, delay = 0, from, to }: Injection): void => this.simulation.inject(from, to, bytes, delay)

  tap = (listener: (event: NetworkEvent) => void): () => void => this.simulation.recorder.tap(listener)

  bind = (options?: UdpSocketOptions): Effect.Effect<UdpSocketShape, UdpSocketError, Scope.Scope> =>
    Effect.acquireRelease(
      attempt(isSocketError, () => this.simulation.bind(options)),
      (socket) => Effect.sync(() => socket.close())
    )

  unsafeBind = (options?: UdpSocketOptions): UdpSocketShape & { readonly close: () => void } =>
    this.simulation.bind(options)
}

/**
 * The simulated network.
 *
 * @example
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Network } from "@intentra/udp/Network"
 *
 * const program = Effect.gen(function*() {
 *   const network = yield* Network
 *   yield* network.link("10.0.0.1", "10.0.0.2", { loss: 0.1, latency: 40, jitter: 5 })
 *   yield* network.advance("1 hour")
 * }).pipe(Effect.provide(Network.layer({ seed: 1 })))
 * ```
 *
 * @since 0.1.0
 * @category tags
 */
export class Network extends Context.Tag("@intentra/udp/Network")<Network, NetworkShape>() {
  /**
   * A network of its own, without installing its clock; throws a `NetworkError` for conditions out of range.
   *
   * @since 0.1.0
   */
  static unsafeMake(options: NetworkOptions = {}): NetworkShape {
    return new NetworkImpl(options)
  }

  /**
   * A network of its own, without installing its clock.
   *
   * @since 0.1.0
   */
  static make(options: NetworkOptions = {}): Effect.Effect<NetworkShape, NetworkError> {
    return attempt(isNetworkError, () => new NetworkImpl(options))
  }

  /**
   * A network, and its virtual time for everything that is provided with it: `Effect.sleep`, schedules and timeouts wait
   * for `advance`.
   *
   * @since 0.1.0
   */
  static layer(options: NetworkOptions = {}): Layer.Layer<Network, NetworkError> {
    return Layer.unwrapEffect(Effect.map(Network.make(options), (network) => Network.layerOf(network)))
  }

  /**
   * A network that exists already, and its virtual time.
   *
   * @since 0.1.0
   */
  static layerOf(network: NetworkShape): Layer.Layer<Network> {
    return Layer.setScheduler(network.scheduler).pipe(
      Layer.provideMerge(Layer.setClock(network.clock)),
      Layer.provideMerge(Layer.succeed(Network, network))
    )
  }

  /**
   * Lets virtual time pass; see `NetworkShape.advance`.
   *
   * @since 0.1.0
   */
  static advance(duration: Duration.DurationInput): Effect.Effect<void, never, Network> {
    return Effect.flatMap(Network, (network) => network.advance(duration))
  }
}
