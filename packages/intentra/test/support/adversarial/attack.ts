/** Attacks as a table: each names the reasons and counters that it moves, and whatever else moves fails it. */
import { assert } from "@effect/vitest"
import { Effect, Metric, MetricState } from "effect"
import type { CloseReason } from "../../../src/CloseReason.js"
import * as CloseReasons from "../../../src/CloseReason.js"
import * as Frame from "../../../src/Frame.js"
import { TransportMetrics } from "../../../src/TransportMetrics.js"
import type { Drops, Station, StationOptions, World } from "../simulation.js"
import {
  assertDelivers,
  assertLedger,
  assertUntouched,
  dropsDuring,
  makeWorld,
  realtime,
  seal,
  STRANGER,
  tableSizes
} from "../simulation.js"
import { Stranger } from "../stranger.js"

/** Counters of a transport besides those of its drops. */
interface Moves {
  /** Packets and handshake messages that were taken. */
  readonly accepted: number
  /** Messages handed to the user. */
  readonly delivered: number
  readonly strikes: number
  /** Sessions that ended, by reason. */
  readonly closes: { readonly [Reason in CloseReason]?: number }
  /** Sessions that began, after their handshake. */
  readonly handshakes: number
  readonly challenges: number
  /** Handshakes in flight that made room for others. */
  readonly evicted: number
  readonly rekeys: number
  readonly moves: number
}

export type Sizes = Partial<ReturnType<typeof tableSizes>>

/** Who is behind it, and so what must stay exactly as it was. */
type Who =
  /** Somebody without keys: both sessions stay as they were. */
  | "stranger"
  /** The first client: the other one's session stays as it was. */
  | "peer"
  /** It lasts so long that honest traffic comes between: both sessions live after it. */
  | "time"

export interface Attack {
  /** The law that it does not break. */
  readonly name: string
  readonly who?: Who
  readonly world?: { readonly hub?: StationOptions; readonly clients?: StationOptions }
  /** What the target drops, by reason, exactly; `checked` where the attack itself looks at what moved. */
  readonly drops: Drops | "checked"
  /** What else the target counts, exactly; `any` where honest traffic comes between. */
  readonly moves?: Partial<Moves> | "any"
  /** What the target holds more than before; default nothing. */
  readonly holds?: Sizes
  /** What each series of the metrics grows by, exactly: bytes and times are left out. Default: not looked at. */
  readonly series?: { readonly [series: string]: number }
  /** Milliseconds after which it is looked at. */
  readonly settle?: number
  /** Prepares what may be counted elsewhere; the returned attack is what is measured, at the hub or another station. */
  readonly prepare: (world: World) => (() => void) | { readonly at: Station; readonly act: () => void }
}

const countsOf = ({ counters }: Station) => ({
  accepted: counters.accepted.reduce((sum, one) => sum + one, 0),
  delivered: counters.messagesReceived,
  strikes: counters.strikes,
  handshakes: counters.handshakes,
  challenges: counters.challenges,
  evicted: counters.handshakesEvicted,
  rekeys: counters.rekeys,
  moves: counters.moves
})

/** What `after` has more than `before`, without what did not change. */
const growth = (
  before: { readonly [name: string]: number },
  after: { readonly [name: string]: number }
): { readonly [name: string]: number } => {
  const grown: { [name: string]: number } = {}
  for (const [name, value] of Object.entries(after)) if (value !== before[name]) grown[name] = value - before[name]
  return grown
}

const closesOf = ({ counters }: Station): { readonly [reason: string]: number } =>
  Object.fromEntries(CloseReasons.all.map((reason) => [reason, counters.closes[CloseReasons.toCode(reason)]]))

/** Where stations are; strangers come from elsewhere. */
const isStation = (address: string): boolean => address.startsWith("10.0.0.")

/** Every series of ours that counts packets, messages or sessions. */
const seriesNow = (): { readonly [series: string]: number } => {
  const found: { [series: string]: number } = {}
  for (const { metricKey: { name, tags }, metricState } of Effect.runSync(Metric.snapshot)) {
    if (!name.startsWith("intentra_") || /_bytes_(sent|received)_|bytes_sent|bytes_received|_ms$/.test(name)) continue
    const labels = tags.map(({ key, value }) => `${key}=${value}`).join(",")
    const value = MetricState.isCounterState(metricState)
      ? metricState.count
      : MetricState.isGaugeState(metricState)
      ? metricState.value
      : NaN
    found[labels === "" ? name : `${name}{${labels}}`] = Number(value)
  }
  return found
}

const { makeFold } = Effect.runSync(Effect.provide(TransportMetrics, TransportMetrics.layer))

/** Runs one attack in a world of its own. */
export const run = (attack: Attack): void => {
  const { drops, holds = {}, moves = {}, prepare, series, settle = 3, who = "stranger", world: options } = attack
  const world = makeWorld(options)
  const { alice, bob, hub, simulation } = world
  const prepared = prepare(world)
  const { act, at: target } = typeof prepared === "function" ? { act: prepared, at: hub } : prepared
  simulation.advance(50)
  const fold = makeFold(target.counters)
  const measured = (): void => {
    fold()
    const seriesBefore = seriesNow()
    const before = { counts: countsOf(target), closes: closesOf(target), sizes: tableSizes(target) }
    const [into, back] = [new Map<string, number>(), new Map<string, number>()]
    const add = (sums: Map<string, number>, address: string, bytes: number): void => {
      sums.set(address, (sums.get(address) ?? 0) + bytes)
    }
    const untap = simulation.network.tap(({ bytes, from, kind, to }) => {
      if (kind === "injected") add(into, from, bytes.length)
      else if (kind === "sent" && from === target.address) add(back, to, bytes.length)
    })
    const dropped = dropsDuring(target, act, settle)
    if (drops !== "checked") assert.deepStrictEqual(dropped, drops, "drops")
    untap()
    if (moves !== "any") {
      const { closes = {}, ...counts } = moves
      assert.deepStrictEqual(growth(before.counts, countsOf(target)), counts, "counters")
      assert.deepStrictEqual(growth(before.closes, closesOf(target)), closes, "closes")
    }
    const sizes = tableSizes(target)
    assert.isAtMost(sizes.remembered, 1024)
    // who is remembered is forgotten in passing, when others come
    if (who === "time") sizes.remembered = before.sizes.remembered
    assert.deepStrictEqual(growth(before.sizes, sizes), holds, "holds")
    fold()
    if (series !== undefined) assert.deepStrictEqual(growth(seriesBefore, seriesNow()), series, "series")
    // no stranger draws more than it has sent; who moves is challenged with three times that at most
    const factor = who === "stranger" ? 1 : 3
    for (const [address, bytes] of back) {
      if (!isStation(address)) assert.isAtMost(bytes, factor * (into.get(address) ?? 0), `answers to ${address}`)
    }
  }
  if (who === "time") {
    measured()
    for (const client of [alice, bob]) assertDelivers(client, hub)
  } else {
    assertUntouched(bob, hub, () => {
      if (who === "peer") measured()
      else assertUntouched(alice, hub, measured)
    })
  }
  for (const station of [hub, alice, bob]) assertLedger(station)
  simulation.close()
}

/** Injects at the hub. */
export const send = ({ hub, simulation }: World, from: string, bytes: Uint8Array): void =>
  simulation.inject(from, hub.address, bytes)

/** The same as an attack. */
export const sending = (from: string, make: (world: World) => Uint8Array): Attack["prepare"] => (world) => {
  const bytes = make(world)
  return () => send(world, from, bytes)
}

/** The conn_id that the first client's packets carry. */
export const connIdOf = ({ alice, hub }: World): number => alice.sessionWith(hub).remoteConnId

/** An authentic packet of the first client. */
export const genuine = (world: World, text = "genuine"): Uint8Array =>
  seal(world.alice.sessionWith(world.hub), realtime(text))

export const strangerIn = (world: World, connId = 0x51a46e, address = STRANGER, key = 40): Stranger =>
  new Stranger(world.simulation, address, world.hub, world.simulation.handshake(key), { connId })

/** The bytes with others from `offset` on. */
export const patched = (bytes: Uint8Array, offset: number, ...values: ReadonlyArray<number>): Uint8Array => {
  const out = bytes.slice()
  out.set(values, offset)
  return out
}

/** The bytes, xored with a mask at one place. */
export const masked = (bytes: Uint8Array, offset: number, mask: number): Uint8Array =>
  patched(bytes, offset, bytes[offset] ^ mask)

/** The first bytes, or more of them with zeros behind, with a payload_len that says so. */
export const resized = (bytes: Uint8Array, length: number): Uint8Array => {
  const out = new Uint8Array(length)
  out.set(bytes.subarray(0, length))
  new DataView(out.buffer).setUint16(2, length - 16)
  return out
}

export const frame = (type: number, ...body: ReadonlyArray<number>): Uint8Array =>
  Frame.encodeAll([{ type, body: Uint8Array.from(body) }])

export const zeros = (type: number, length: number): Uint8Array =>
  Frame.encodeAll([{ type, body: new Uint8Array(length) }])

export const joined = (...parts: ReadonlyArray<Uint8Array>): Uint8Array =>
  Uint8Array.from(parts.flatMap((one) => Array.from(one)))

/** So often. */
export const times = (count: number, act: (i: number) => void): void => {
  for (let i = 0; i < count; i++) act(i)
}
