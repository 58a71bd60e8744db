/** A worker thread of a transport: one hub over a socket of its own. */
import { Entropy, Mac } from "@intentra/crypto"
import { UdpSocket } from "@intentra/udp"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { workerData } from "node:worker_threads"
import { Authorizer } from "../Authorizer.js"
import type { AuthorizerShape } from "../Authorizer.js"
import { layerShared } from "../HandshakeGate.js"
import { IntentraError } from "../IntentraError.js"
import { TransportCounters } from "../TransportCounters.js"
import { writeU32 } from "./bytes.js"
import { layerConcerns, layerPrimitives } from "./concerns.js"
import { dhBudget } from "./dhBudget.js"
import { servicesOf } from "./servicesOf.js"
import { clockOrigin } from "./shardClock.js"
import { failureOf, ShardHub } from "./shardHub.js"
import { identityPlace } from "./shardLink.js"
import { WAKE } from "./shardMessages.js"
import type { FromWorker, ToWorker, WorkerData } from "./shardMessages.js"
import { ShardRing } from "./shardRing.js"
import { drawOwn, ShardSocket } from "./shardSocket.js"
import type { Neighbour } from "./shardSocket.js"
import { socketFailed } from "./socketFailed.js"

const data = workerData as WorkerData
const { common, cookieRoot, index, key, neighbours, options, port, psk, settings } = data
const workers = neighbours.length

const tell = (message: FromWorker | typeof WAKE): void => port.postMessage(message)

const LABEL = new TextEncoder().encode("intentra 2 cookie secret")

/** Every worker derives the same secret of a period from the root that the main thread drew. */
const layerGate = Layer.unwrapEffect(Effect.map(Mac, (mac) =>
  layerShared(options.gate ?? {}, {
    fill: (out, period) => {
      const input = new Uint8Array(LABEL.length + 4)
      input.set(LABEL)
      writeU32(input, LABEL.length, period)
      const secret = mac.hmac("SHA256", cookieRoot, input)
      out.set(secret.subarray(0, out.length))
      secret.fill(0)
    },
    admissions: new Int32Array(common.admissions),
    seed: data.seed
  })))

const wipe = Effect.sync(() => {
  key.fill(0)
  psk?.fill(0)
})

/** The log is the main thread's. */
const forward = Logger.make<unknown, void>(({ cause, logLevel, message }) => {
  const level = LogLevel.greaterThanEqual(logLevel, LogLevel.Error)
    ? "Error"
    : LogLevel.greaterThanEqual(logLevel, LogLevel.Warning)
    ? "Warning"
    : LogLevel.greaterThanEqual(logLevel, LogLevel.Info)
    ? "Info"
    : "Debug"
  const words = (Array.isArray(message) ? message : [message]).map(String)
  if (!Cause.isEmpty(cause)) words.push(Cause.pretty(cause))
  tell({ type: "log", level, text: words.join(" ") })
})

/** Verdicts that the main thread has been asked for. */
const questions = new Map<number, (admitted: boolean) => void>()
let nextQuestion = 1

const asking: AuthorizerShape = {
  authorize: (publicKey, address) =>
    Effect.async<boolean>((resume) => {
      const id = nextQuestion++
      questions.set(id, (admitted) => resume(Effect.succeed(admitted)))
      tell({ type: "ask", id, publicKey, address })
    })
}

const nextMessage = <Type extends ToWorker["type"]>(type: Type) =>
  Effect.async<Extract<ToWorker, { readonly type: Type | "end" }>>((resume) => {
    const listen = (message: ToWorker | typeof WAKE): void => {
      if (message === WAKE || (message.type !== type && message.type !== "end")) return
      port.off("message", listen)
      resume(Effect.succeed(message as Extract<ToWorker, { readonly type: Type | "end" }>))
    }
    port.on("message", listen)
    return Effect.sync(() => port.off("message", listen))
  })

const openSocket = (boundPort: number) =>
  Effect.map(
    Layer.build(UdpSocket.layerBatch({ ...options.socket, host: options.host, port: boundPort, reusePort: true })),
    Context.get(UdpSocket)
  ).pipe(Effect.mapError(socketFailed))

const serve = Effect.gen(function*() {
  const told = index === 0 ? { type: "bind" as const, port: options.port } : yield* nextMessage("bind")
  if (told.type === "end") return
  const context = yield* Layer.build(
    Layer.merge(
      layerConcerns({
        ...options,
        key: Redacted.make(key),
        psk: psk === undefined ? undefined : Redacted.make(psk)
      }),
      layerGate
    ).pipe(Layer.provideMerge(Layer.merge(layerPrimitives, Entropy.layer)))
  ).pipe(Effect.ensuring(wipe))
  const inner = yield* openSocket(told.port)
  const counters = new TransportCounters()
  const sessions = new Int32Array(common.sessions)
  const identities = new Int32Array(common.identities)
  const socket = new ShardSocket(inner, {
    index,
    counters,
    clockShift: clockOrigin() - data.clockOrigin,
    neighbours: neighbours.map((other): Neighbour | undefined =>
      other && {
        outgoing: new ShardRing(other.outgoing),
        incoming: new ShardRing(other.incoming),
        tell: () => other.port.postMessage(WAKE)
      }
    )
  })
  const services = servicesOf(context)
  const { crypto, entropy, handshake } = services
  const hub = new ShardHub(
    socket,
    { ...settings, ...dhBudget(crypto.backend) },
    {
      ...services,
      neighbours: {
        drawConnId: drawOwn(entropy.uint32, index, workers),
        sessions: () => sessions.reduce((sum, _, at) => at === index ? sum : sum + Atomics.load(sessions, at), 0),
        mayKnow: (identityKey) => Atomics.load(identities, identityPlace(identityKey)) > 0
      }
    },
    data.asks ? asking : Context.get(context, Authorizer),
    counters,
    {
      decide: (verdict, done) => void Effect.runFork(Effect.map(Effect.orElseSucceed(verdict, () => false), done)),
      defect: (where, error) =>
        tell({
          type: "log",
          level: "Error",
          text: `${where} threw ${error instanceof Error ? error.stack ?? error.message : String(error)}`
        })
    },
    {
      up: new ShardRing(data.up),
      down: new ShardRing(data.down),
      peers: new Int32Array(data.peers),
      counters: new Float64Array(data.counters),
      hold: new Int32Array(data.hold),
      sessions,
      index
    },
    tell
  )
  const isOver = yield* Deferred.make<void, IntentraError>()
  const listen = (message: ToWorker | typeof WAKE): void => {
    if (message === WAKE) return hub.onWake()
    if (message.type === "verdict") {
      questions.get(message.id)?.(message.admitted)
      questions.delete(message.id)
    } else if (message.type === "end") Deferred.unsafeDone(isOver, Effect.void)
    else hub.handle(message)
  }
  port.on("message", listen)
  for (const neighbour of neighbours) neighbour?.port.on("message", socket.receiveRelayed)
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      if (hub.ended === undefined) hub.takeAll()
      hub.end("scope")
      port.off("message", listen)
      cookieRoot.fill(0)
    })
  )
  yield* Deferred.await(inner.closed).pipe(
    Effect.catchAll((error) => Deferred.fail(isOver, socketFailed(error))),
    Effect.forkScoped
  )
  tell({
    type: "ready",
    address: socket.localAddress,
    publicKey: handshake.publicKey,
    socketKind: socket.kind,
    cryptoKind: crypto.backend ?? "custom"
  })
  yield* Deferred.await(isOver)
})

const finish = Effect.sync(() => {
  wipe.pipe(Effect.runSync)
  cookieRoot.fill(0)
  tell({ type: "ended" })
  port.close()
  for (const neighbour of neighbours) neighbour?.port.close()
})

Effect.runFork(
  Effect.scoped(serve).pipe(
    Effect.catchAllCause((cause) =>
      Effect.sync(() => {
        const error = Option.getOrElse(
          Cause.failureOption(cause),
          () => new IntentraError({ reason: "SocketFailed", detail: Cause.pretty(cause) })
        )
        tell({ type: "failed", failure: failureOf(error) })
      })
    ),
    Effect.ensuring(finish),
    Effect.provide(Logger.replace(Logger.defaultLogger, forward)),
    Logger.withMinimumLogLevel(LogLevel.Debug)
  )
)
