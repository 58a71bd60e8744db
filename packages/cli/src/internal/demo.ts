/** `intentra demo`: a hub in this process, peers in processes of their own, real sockets on the loopback. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { Intentra } from "intentra/Intentra"
import type { IntentraShape } from "intentra/Intentra"
import * as StaticKey from "intentra/StaticKey"
import { CliError } from "../CliError.js"
import { Board, Row } from "./demoBoard.js"
import { PeerProcess } from "./peerProcess.js"
import { addCounts, Console, counts, grouped, millis, writeJson } from "./terminal.js"
import { transportFailed } from "./transportFailed.js"

export interface DemoOptions {
  readonly peers: number
  readonly hz: number
  /** Seconds. */
  readonly duration: number
  /** 0 for any free one. */
  readonly port: number
  readonly json: boolean
}

const HOST = "127.0.0.1"
const CONNECT_MS = 60_000
/** After its time, a peer has this long to say how much it sent. */
const REPORT_MS = 5000
/** The tail of what was sent may take so long to arrive. */
const TAIL_MS = 1000
const FRAME_MS = 250
const LINE_MS = 1000
const LEAST_RATIO = 0.99

const failed = (detail: string, reason: CliError["reason"] = "Peers") => new CliError({ reason, detail })

/** The demo's run: who takes part, what arrived, and what to tell. */
class Run {
  readonly processes: Array<PeerProcess> = []
  private waiters: Array<() => void> = []
  private told = new Set<number>()

  constructor(
    readonly options: DemoOptions,
    readonly hub: IntentraShape,
    readonly board: Board,
    readonly out: Console
  ) {}

  /** Something is new: deaths are told, and what waits looks again. */
  readonly changed = (): void => {
    for (const { failure, index } of this.processes) {
      if (failure === undefined || this.told.has(index)) continue
      this.told.add(index)
      this.out.line(`${failure}; the run goes on without it`)
    }
    const { waiters } = this
    this.waiters = []
    for (const wake of waiters) wake()
  }

  get alive(): ReadonlyArray<PeerProcess> {
    return this.processes.filter((it) => it.failure === undefined)
  }

  get failures(): ReadonlyArray<PeerProcess> {
    return this.processes.filter((it) => it.failure !== undefined)
  }

  /** Until all who live fulfil it. */
  all(condition: (it: PeerProcess) => boolean): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.alive.every(condition) ? Effect.void : Effect.zipRight(
        Effect.async<void>((resume) => {
          this.waiters.push(() => resume(Effect.void))
        }),
        this.all(condition)
      )
    )
  }

  /** What a process told last, or what arrived of it when it died before it could. */
  get sent(): number {
    return this.processes.reduce((sum, it, index) => sum + Math.max(it.sent, this.board.rows[index].reached), 0)
  }

  get drops(): Record<string, number> {
    const drops: Record<string, number> = {}
    addCounts(drops, this.hub.counters.dropsByReason())
    for (const it of this.processes) addCounts(drops, it.drops)
    return drops
  }

  get ratio(): number {
    return this.sent === 0 ? 0 : this.board.delivered / this.sent
  }

  report(title: string): void {
    const { board, hub, options, out, processes } = this
    out.clear()
    const [p50, p99] = [board.ages.percentile(0.5), board.ages.percentile(0.99)]
    out.line(
      `${title}: ${processes.length} peers at ${options.hz} Hz over ${hub.socketKind}, sealed by ${hub.cryptoKind}`
    )
    out.line(
      `sent ${grouped(this.sent)}  delivered ${grouped(board.delivered)}  ratio ${this.ratio.toFixed(4)}  ` +
        `delivery age p50 ${millis(p50)} p99 ${millis(p99)}`
    )
    out.line(`drops: ${counts(this.drops)}`)
    if (!options.json) return
    writeJson({
      peers: processes.length,
      sent: this.sent,
      delivered: board.delivered,
      ratio: this.ratio,
      p50Ms: p50 ?? null,
      p99Ms: p99 ?? null,
      drops: this.drops,
      socket: hub.socketKind,
      crypto: hub.cryptoKind
    })
  }
}

/** Redraws the table, or says a line each second, until it is interrupted. */
const show = (run: Run, started: number): Effect.Effect<never> => {
  const { board, options, out } = run
  return Effect.forever(Effect.zipRight(
    Effect.sleep(out.live ? FRAME_MS : LINE_MS),
    Effect.sync(() => {
      board.look()
      const seconds = Math.min((performance.now() - started) / 1000, options.duration)
      const dropped = Object.values(run.drops).reduce((sum, count) => sum + count, 0)
      if (out.live) {
        const title = `intentra demo  ${run.alive.length} peers at ${options.hz} Hz  ` +
          `${seconds.toFixed(1)} s of ${options.duration} s`
        out.draw(board.table(title, dropped, out.rows - 5))
      } else {
        out.line(`${seconds.toFixed(0).padStart(3)} s  ${board.summary(dropped)}`)
      }
    })
  ))
}

const startPeers = (
  run: Run,
  keys: ReadonlyArray<StaticKey.KeyPair>
): Effect.Effect<void, never, Scope.Scope> => {
  const { address, publicKey } = run.hub
  const hubKey = StaticKey.encode(publicKey)
  return Effect.asVoid(Effect.acquireRelease(
    Effect.sync(() => {
      for (const [index, { secretKey }] of keys.entries()) {
        const hand = {
          type: "connect",
          index,
          host: HOST,
          port: address.port,
          hubKey,
          secretKey: StaticKey.encode(Redacted.value(secretKey))
        } as const
        run.processes.push(new PeerProcess(index, hand, run.changed))
      }
    }),
    () => Effect.promise(() => Promise.all(run.processes.map((it) => it.stop())))
  ))
}

/** All of the tail has arrived, or nothing more is awaited. */
const tail = (run: Run): Effect.Effect<void> =>
  Effect.suspend(() => run.board.delivered >= run.sent ? Effect.void : Effect.zipRight(Effect.sleep(10), tail(run)))

const stream = (run: Run, started: number): Effect.Effect<void, CliError> =>
  Effect.gen(function*() {
    const { options, out } = run
    const durationMs = options.duration * 1000
    run.board.look()
    for (const it of run.alive) {
      // their deadlines are spread over the period, as those of independent hosts are
      it.send({ type: "go", hz: options.hz, durationMs, phaseMs: (it.index * 1000) / options.hz / options.peers })
    }
    yield* run.all((it) => it.done).pipe(
      Effect.timeoutOption(durationMs + REPORT_MS),
      Effect.zipRight(tail(run).pipe(Effect.timeoutOption(TAIL_MS))),
      Effect.raceFirst(show(run, started))
    )
    out.keep()
    run.report(`${options.duration} s`)
    const silent = run.alive.filter((it) => !it.done)
    if (silent.length > 0) {
      return yield* failed(
        `peers ${silent.map((it) => it.index).join(", ")} did not finish in time: is this host too busy?`
      )
    }
    if (run.failures.length > 0) {
      return yield* failed(`${run.failures.length} of ${options.peers} peers died before the end`)
    }
    if (run.ratio < LEAST_RATIO) {
      return yield* failed(
        `only ${(run.ratio * 100).toFixed(2)} % arrived, less than ${LEAST_RATIO * 100} %: the drops above say why`,
        "Delivery"
      )
    }
  })

const demo = (options: DemoOptions, keys: ReadonlyArray<StaticKey.KeyPair>) =>
  Effect.gen(function*() {
    const hub = yield* Intentra
    const out = new Console(options.json)
    const rows = keys.map(({ publicKey }, index) => new Row(index, publicKey))
    const run = new Run(options, hub, new Board(rows), out)
    yield* hub.onDelivery(run.board.onDelivery)
    const began = performance.now()
    out.line(
      `hub on ${HOST}:${hub.address.port} (${hub.socketKind}, ${hub.cryptoKind}), starting ${options.peers} peer processes`
    )
    yield* startPeers(run, keys)
    yield* Effect.timeoutOption(run.all((it) => it.connected), CONNECT_MS)
    const late = run.alive.filter((it) => !it.connected)
    if (late.length > 0) {
      return yield* failed(
        `${late.length} of ${options.peers} peers did not connect within ${CONNECT_MS / 1000} s: is this host too busy?`
      )
    }
    if (run.alive.length === 0) return yield* failed("no peer is left: see the lines above")
    const started = performance.now()
    out.line(`${run.alive.length} peers connected after ${((started - began) / 1000).toFixed(1)} s`)
    yield* stream(run, started).pipe(
      Effect.onInterrupt(() =>
        Effect.sync(() => {
          out.keep()
          run.report(`stopped after ${((performance.now() - started) / 1000).toFixed(1)} s`)
        })
      )
    )
  })

export const runDemo = (options: DemoOptions): Effect.Effect<void, CliError> =>
  Effect.gen(function*() {
    const pair = yield* StaticKey.generate
    const keys = yield* Effect.replicateEffect(StaticKey.generate, options.peers)
    const allow = keys.map(({ publicKey }) => publicKey)
    yield* Effect.scoped(demo(options, keys)).pipe(
      Effect.provide(Intentra.layer({ host: HOST, port: options.port, key: pair.secretKey, allow }))
    )
  }).pipe(
    Effect.provide(StaticKey.layer),
    Effect.catchTag("IntentraError", (error) => Effect.fail(transportFailed(error)))
  )
