/** Phases of sending and receiving between processes, and the floor under them. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { IntentraOptions } from "intentra/Intentra"
import type { BenchError } from "../BenchError.js"
import { ratio, round } from "../Statistics.js"
import { start } from "./child.js"
import type { Child } from "./child.js"
import type { Consumer, Received } from "./roles/receiver.js"
import type { Sent } from "./roles/sender.js"

/** What was sent and what came of it, all senders together. */
export interface Exchange {
  readonly sent: number
  readonly delivered: number
  readonly duplicates: number
  readonly corrupt: number
  /** Each message once, of those that were sent; below zero when some came twice or changed. */
  readonly ratio: number
  readonly offeredPps: number
  /** Delivered, by the receiver's clock. */
  readonly pps: number
  /** CPU time of the receiving process for each message delivered. */
  readonly rxNsPerPacket: number
  /** CPU time of the sending processes for each message sent. */
  readonly txNsPerPacket: number
  readonly messagesPerDatagram: number
  readonly datagramsPerSecond: number
  readonly kernelDrops: number
  readonly senderDrops: number
  readonly drops: { readonly [reason: string]: number }
  readonly longestTurnMs: number
}

export interface Phase {
  readonly phase: number
  readonly bytes: number
  readonly seconds: number
  /** All senders together. */
  readonly perSecond: number
  readonly burst: number
}

/** What is on its way has two seconds to arrive, and a tenth of one to be followed by more. */
const LOOK_MS = 50
const QUIET_LOOKS = 2
const MOST_LOOKS = 40

/** Asks until nothing is missing, or nothing has come for a while. */
export const settled = <A extends { readonly delivered: number }>(
  state: Effect.Effect<A, BenchError>,
  expected: number
): Effect.Effect<A, BenchError> => {
  const look = (before: number, same: number, looks: number): Effect.Effect<A, BenchError> =>
    Effect.flatMap(Effect.zipRight(Effect.sleep(LOOK_MS), state), (now) => {
      const quiet = now.delivered === before ? same + 1 : 0
      return now.delivered >= expected || quiet === QUIET_LOOKS || looks === 0
        ? Effect.succeed(now)
        : look(now.delivered, quiet, looks - 1)
    })
  return look(-1, 0, MOST_LOOKS)
}

/** One phase: all senders at once, at a common rate. */
export const exchange = (
  receiver: Child<"receiver">,
  senders: ReadonlyArray<Child<"sender">>,
  { burst, bytes, perSecond, phase, seconds }: Phase
): Effect.Effect<Exchange, BenchError> =>
  Effect.gen(function*() {
    yield* receiver.ask("begin", { phase, lanes: senders.length })
    const runs = yield* Effect.forEach(
      senders,
      (sender, lane) =>
        sender.ask("run", { phase, lane, bytes, seconds, perSecond: perSecond / senders.length, burst }, seconds),
      { concurrency: "unbounded" }
    )
    const sent = runs.reduce((sum, run) => sum + run.sent, 0)
    const received = yield* settled(receiver.ask("state", undefined), sent)
    return summary(runs, received)
  })

const summary = (runs: ReadonlyArray<Sent>, received: Received): Exchange => {
  const sum = (field: (run: Sent) => number): number => runs.reduce((total, run) => total + field(run), 0)
  const sent = sum((run) => run.sent)
  const seconds = Math.max(...runs.map((run) => run.seconds))
  const { corrupt, delivered, duplicates } = received
  return {
    sent,
    delivered,
    duplicates,
    corrupt,
    ratio: round(ratio(delivered - duplicates - corrupt, sent), 6),
    offeredPps: Math.round(ratio(sent, seconds)),
    pps: Math.round(ratio(delivered, received.seconds)),
    rxNsPerPacket: Math.round(ratio(received.cpuNs, delivered)),
    txNsPerPacket: Math.round(ratio(sum((run) => run.cpuNs), sent)),
    messagesPerDatagram: round(ratio(sent, sum((run) => run.datagrams)), 2),
    datagramsPerSecond: Math.round(ratio(received.datagrams, received.seconds)),
    kernelDrops: received.kernelDrops,
    senderDrops: sum((run) => run.dropped),
    drops: received.drops,
    longestTurnMs: round(received.longestTurnMs, 2)
  }
}

/** What the system calls alone carry. */
export interface Floor {
  readonly floorPps: number
  readonly floorRxNs: number
  readonly floorTxNs: number
}

export interface FloorOptions {
  /** What the transport's socket was: `batch` or `dgram`. */
  readonly socket: string
  /** Of each datagram. */
  readonly bytes: number
  readonly seconds: number
  /** Processes that send. */
  readonly senders: number
  /** Sockets that they have, all together. */
  readonly from: number
  /** Sockets that the receiving process has. */
  readonly to: number
}

const FLOOR_BURST = 512

/** Datagrams as fast as they go between raw sockets, after a short warm-up. */
export const floor = (
  { bytes, from, seconds, senders, socket, to }: FloorOptions
): Effect.Effect<Floor, BenchError> =>
  Effect.scoped(Effect.gen(function*() {
    const receiver = yield* start("rawReceiver")
    const sending = yield* Effect.replicateEffect(start("rawSender"), senders)
    const ports = yield* receiver.ask("open", { socket, count: to, bytes })
    yield* Effect.forEach(
      sending,
      (sender) => sender.ask("open", { socket, count: Math.ceil(from / senders), ports, bytes }),
      { concurrency: "unbounded" }
    )
    const once = (time: number) =>
      Effect.gen(function*() {
        yield* receiver.ask("begin", undefined)
        const runs = yield* Effect.forEach(
          sending,
          (sender) => sender.ask("run", { seconds: time, burst: FLOOR_BURST }, time),
          { concurrency: "unbounded" }
        )
        const sent = runs.reduce((sum, run) => sum + run.sent, 0)
        const cpuNs = runs.reduce((sum, run) => sum + run.cpuNs, 0)
        const received = yield* settled(receiver.ask("state", undefined), sent)
        return {
          floorPps: Math.round(ratio(received.delivered, received.seconds)),
          floorRxNs: Math.round(ratio(received.cpuNs, received.delivered)),
          floorTxNs: Math.round(ratio(cpuNs, sent))
        }
      })
    yield* once(warmUp(seconds))
    return yield* once(seconds)
  }))

/** Seconds before a measured phase, so that code is compiled and buffers are there. */
export const warmUp = (seconds: number): number => Math.max(0.5, Math.min(2, seconds))

/** A round has to be so much faster than all before it to count as faster. */
const FASTER = 1.03
/** So many rounds that were not faster are the end. */
const STALE_ROUNDS = 2
const MOST_ROUNDS = 10

/**
 * Repeats a warm-up until it becomes no faster, for what runs much code a few thousand times a second: to compile that
 * takes V8 seconds, with the cores busy.
 */
export const untilSteady = <E, R>(round: Effect.Effect<number, E, R>): Effect.Effect<void, E, R> =>
  Effect.gen(function*() {
    let best = 0
    let stale = 0
    for (let rounds = 0; stale < STALE_ROUNDS && rounds < MOST_ROUNDS; rounds++) {
      const perSecond = yield* round
      stale = perSecond > best * FASTER ? 0 : stale + 1
      best = Math.max(best, perSecond)
    }
  })

/** A hub and those who send to it, connected. */
export interface Connected {
  readonly receiver: Child<"receiver">
  readonly senders: ReadonlyArray<Child<"sender">>
  readonly socket: string
  readonly crypto: string
}

export interface ConnectedOptions {
  readonly consumer: Consumer
  readonly senders: number
  /** All senders together. */
  readonly sessions: number
  /** A socket and an identity for every session. */
  readonly apart?: boolean
  /** The senders give way to the hub where they share its cores, as those on other machines do. */
  readonly giveWay?: boolean
  readonly options?: IntentraOptions
}

/** Seconds that so many handshakes may take, each with a transport of its own or not. */
export const joinSeconds = (sessions: number, apart = false): number => sessions / (apart ? 10 : 100)

export const connected = (
  { apart = false, consumer, giveWay = false, options = {}, senders, sessions }: ConnectedOptions
): Effect.Effect<Connected, BenchError, Scope.Scope> =>
  Effect.gen(function*() {
    const receiver = yield* start("receiver")
    const sending = yield* Effect.replicateEffect(start("sender"), senders)
    const hub = yield* receiver.ask("listen", { consumer })
    yield* Effect.forEach(
      sending,
      (sender, index) =>
        sender.ask("join", {
          hub,
          sessions: Math.floor(sessions / senders) + (index < sessions % senders ? 1 : 0),
          apart,
          options
        }, joinSeconds(sessions, apart)),
      { concurrency: "unbounded" }
    )
    if (giveWay) yield* Effect.forEach(sending, (sender) => sender.giveWay)
    return { receiver, senders: sending, socket: hub.socket, crypto: hub.crypto }
  })

/** Bytes of a datagram that carries so many Realtime messages: header, frame headers, tag. */
export const datagramBytes = (payload: number, messages = 1): number => 16 + messages * (3 + payload) + 16
