/**
 * One peer process of the demo. It loads the transport and nothing else: no CLI framework, no HTTP.
 *
 * Its parent decides when it ends, by a message or by being gone; Ctrl-C reaches the parent too.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { Intentra } from "intentra/Intentra"
import { IntentraError } from "intentra/IntentraError"
import type { Peer } from "intentra/Peer"
import { SendOptions } from "intentra/SendOptions"
import * as SendResult from "intentra/SendResult"
import * as StaticKey from "intentra/StaticKey"
import * as Telemetry from "../Telemetry.js"
import type { FromPeer, ToPeer } from "./demoMessages.js"
import { HostSampler } from "./hostSampler.js"
import { hostNow } from "./monotonic.js"
import { Pacer } from "./pacer.js"

type Connect = Extract<ToPeer, { type: "connect" }>
type Go = Extract<ToPeer, { type: "go" }>

/** How long after its time a peer still catches up with what it is behind. */
const GRACE_MS = 500
const PROGRESS_MS = 1000

const tell = (message: FromPeer): void => {
  if (process.connected) process.send?.(message)
}

const state = SendOptions.make({ intent: "Sequenced" })

/** Streams telemetry until the time is over; resolves with what the transport took. */
const stream = (peer: Peer, index: number, go: Go): Effect.Effect<number, IntentraError> =>
  Effect.async((resume) => {
    const update = Telemetry.make()
    const bytes = new Uint8Array(Telemetry.TELEMETRY_BYTES)
    const sampler = new HostSampler()
    const period = 1000 / go.hz
    const start = performance.now() + go.phaseMs
    const pacer = new Pacer(start, period, Math.max(1, Math.round(go.durationMs / period)))
    const end = start + go.durationMs + GRACE_MS
    let sent = 0
    let reportedAt = start
    let timer: NodeJS.Timeout | undefined
    let immediate: NodeJS.Immediate | undefined
    update.peer = index
    const tick = (): void => {
      const now = performance.now()
      if (pacer.wait(now) <= 0) {
        sampler.sample(update, now)
        update.update = sent
        update.sentAt = hostNow()
        Telemetry.encode(update, bytes)
        const result = peer.unsafeSend(bytes, state)
        if (result === SendResult.SESSION_CLOSED) return resume(lost(peer))
        if (result === SendResult.ACCEPTED) sent++
        pacer.done++
      }
      if (now - reportedAt >= PROGRESS_MS) {
        reportedAt = now
        tell({ type: "progress", sent })
      }
      if (pacer.finished || now >= end) return resume(Effect.succeed(sent))
      const wait = pacer.wait(performance.now())
      // behind: the next one goes with the next turn, since a newer state within one turn takes the older one's place
      if (wait <= 0) immediate = setImmediate(tick)
      else timer = setTimeout(tick, wait)
    }
    tick()
    return Effect.sync(() => {
      clearTimeout(timer)
      clearImmediate(immediate)
    })
  })

const lost = (peer: Peer): IntentraError =>
  new IntentraError({
    reason: "SessionClosed",
    detail: `the hub ended the session (${peer.closeReason ?? "no reason given"})`
  })

/** Nothing is queued any more, or a second has passed. */
const flushed = (peer: Peer): Effect.Effect<void> =>
  peer.stats.pipe(
    Effect.repeat({ schedule: Schedule.spaced("5 millis"), until: (stats) => stats.queued === 0 }),
    Effect.timeout("1 second"),
    Effect.ignore
  )

const received = <Type extends ToPeer["type"]>(type: Type): Promise<Extract<ToPeer, { type: Type }>> =>
  new Promise((resolve) => {
    process.on("message", (message: ToPeer) => {
      if (message.type === type) resolve(message as Extract<ToPeer, { type: Type }>)
    })
  })

const go = received("go")
const stop = received("stop")

const takePart = (options: Connect): Effect.Effect<void, IntentraError, Intentra> =>
  Effect.scoped(Effect.gen(function*() {
    const transport = yield* Intentra
    const peer = yield* transport.connect({ host: options.host, port: options.port, publicKey: options.hubKey }).pipe(
      Effect.retry({ times: 3, while: (error) => error.reason === "HandshakeTimeout" })
    )
    tell({ type: "connected" })
    const sent = yield* stream(peer, options.index, yield* Effect.promise(() => go))
    yield* flushed(peer)
    tell({ type: "done", sent, drops: { ...transport.counters.dropsByReason() } })
    const closed = Stream.runHead(Stream.filter(transport.events, (event) => event._tag === "PeerClosed"))
    if (peer.closeReason === undefined) yield* closed
    return yield* lost(peer)
  }))

const run = (options: Connect): Effect.Effect<void, IntentraError> =>
  Effect.gen(function*() {
    const key = Redacted.make(yield* StaticKey.decode(options.secretKey, "secret key"))
    yield* takePart(options).pipe(
      Effect.provide(Intentra.layer({ host: options.host, key })),
      Effect.raceFirst(Effect.promise(() => stop))
    )
  })

const leave = (code: number, message?: FromPeer): void => {
  if (message === undefined || !process.connected) process.exit(code)
  process.send?.(message, () => process.exit(code))
}

const main = async (): Promise<void> => {
  tell({ type: "ready" })
  const exit = await Effect.runPromiseExit(run(await received("connect")))
  if (Exit.isSuccess(exit)) return leave(0)
  const failure = Cause.squash(exit.cause)
  leave(1, { type: "failed", message: failure instanceof Error ? failure.message : String(failure) })
}

process.on("SIGINT", () => {})
process.on("disconnect", () => process.exit(0))
void main()
