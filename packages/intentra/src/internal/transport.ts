import { UdpSocket } from "@intentra/udp"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { Authorizer } from "../Authorizer.js"
import { FlightRecorder } from "../FlightRecorder.js"
import type { Concerns, IntentraShape } from "../Intentra.js"
import type { IntentraError } from "../IntentraError.js"
import { PacketCrypto } from "../PacketCrypto.js"
import { TransportCounters } from "../TransportCounters.js"
import { TransportMetrics } from "../TransportMetrics.js"
import * as TransportOptions from "../TransportOptions.js"
import { broadcastTo } from "./broadcast.js"
import { connectWith } from "./connect.js"
import { dhBudget } from "./dhBudget.js"
import { Hub } from "./hub.js"
import type { HubOutput } from "./hub.js"
import { invalidOption } from "./invalidOption.js"
import { deliveriesOf, EventHub } from "./outlets.js"
import { RecordingHub } from "./recordingHub.js"
import { reportOnce } from "./reportOnce.js"
import { servicesOf } from "./servicesOf.js"
import { socketFailed } from "./socketFailed.js"
import { supervise } from "./supervise.js"

/**
 * A transport over the concerns of the context, for as long as the scope lives.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (
  options: TransportOptions.TransportOptions = {}
): Effect.Effect<IntentraShape, IntentraError, Concerns | Scope.Scope> =>
  Effect.gen(function*() {
    const checked = yield* TransportOptions.check(options)
    const context = yield* Effect.context<Concerns>()
    const socket = Context.get(context, UdpSocket)
    const { backend } = Context.get(context, PacketCrypto)
    const clock = yield* Effect.clock
    const settings = {
      ...checked,
      ...dhBudget(backend),
      // wall time is read once: what must grow over restarts counts on from it by the socket's own clock
      wallEpoch: clock.unsafeCurrentTimeMillis() - socket.loop.now()
    }
    const authorizer = Context.get(context, Authorizer)
    const metrics = Context.get(context, TransportMetrics)
    const counters = new TransportCounters()
    const fold = metrics.makeFold(counters)
    const events = new EventHub()
    const fork = yield* FiberSet.makeRuntime<never>()
    const recorder = Option.getOrUndefined(yield* Effect.serviceOption(FlightRecorder))
    if (recorder !== undefined) {
      yield* Effect.mapError(
        recorder.begin(socket, settings),
        (error) => invalidOption(`record: ${error.message}`, error)
      )
    }
    const supervisor = supervise(authorizer, settings.handshakeTimeout, fork, () => hub.peers())
    const output: HubOutput = {
      event: (event) => events.publish(event),
      decide: (verdict, done) => supervisor.ask(() => verdict, done),
      fold,
      defect: reportOnce((where, error) => fork(Effect.logError(`${where} threw`, Cause.die(error))))
    }
    // what these draw while they are made is on the tape: the recording has begun
    const services = servicesOf(context)
    const hub = recorder === undefined
      ? new Hub(socket, settings, services, authorizer, counters, output)
      : new RecordingHub(recorder.tape, socket, settings, services, authorizer, counters, output)
    const cryptoKind = backend ?? "custom"
    yield* Effect.acquireRelease(
      Effect.sync(() => metrics.begin({ socket: socket.kind, crypto: cryptoKind })),
      (ended) => Effect.sync(ended)
    )
    const end = (why: IntentraError | "scope") =>
      Effect.sync(() => {
        hub.end(why)
        events.end()
      })
    yield* Effect.addFinalizer(() => end("scope"))
    yield* Deferred.await(socket.closed).pipe(
      Effect.catchAll((error) => end(socketFailed(error))),
      Effect.forkScoped
    )
    yield* supervisor.watch

    return {
      publicKey: services.handshake.publicKey,
      address: socket.localAddress,
      socketKind: socket.kind,
      cryptoKind,
      ...deliveriesOf(hub),
      events: events.stream,
      connect: connectWith({
        localAddress: socket.localAddress,
        maxSessions: settings.maxSessions,
        shares: settings.sameIdentity !== "allow",
        sessions: () => hub.protocol.core.active.size + hub.protocol.core.connecting.size,
        ended: () => hub.ended,
        livePeer: (remoteKey) => Effect.sync(() => hub.livePeer(remoteKey)),
        begin: (address, remoteKey, quick, waiting) => {
          const connecting = hub.connect(address, remoteKey, waiting, quick)
          return () => hub.cancel(connecting)
        }
      }),
      peers: Effect.sync(() => hub.peers()),
      broadcast: broadcastTo(() => hub.peers()),
      counters,
      foldMetrics: Effect.sync(() => {
        hub.look()
        fold()
      })
    }
  })
