/**
 * Market data to a closed circle of subscribers over loopback: prices are refreshed as a whole, trades arrive every one
 * and in order.
 *
 *     npx tsx packages/examples/src/market/main.ts
 *
 * A sheet of all prices is Sequenced: whoever cannot keep up misses sheets, never gets old ones, and slows nobody down.
 * Trades are Reliable: a subscriber that falls behind too far with them is sent away, to begin anew from the sheet. With
 * the network's pre-shared key, strangers meet silence.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Deferred, Effect, Logger, LogLevel, Redacted, Schedule, Stream } from "effect"
import { Intentra, SendOptions, SendResult } from "intentra"
import type { ConnectOptions } from "intentra"
import { randomBytes } from "node:crypto"

const SUBSCRIBERS = 4
const SYMBOLS = 100
const SHEETS = 100
const TRADES = 500

// A sheet: u8 kind, then i32 price in ticks of each symbol. A trade: u8 kind, u32 number, u16 symbol, i32 price.
const SHEET = 0
const TRADE = 1

const sheets = SendOptions.make({ intent: "Sequenced", ttl: "20 millis" })
const trades = SendOptions.make({ intent: "Reliable", priority: 7 })

/** Walks the prices at random, and trades now and then. */
const feed = Effect.gen(function*() {
  const hub = yield* Intentra
  const prices = new Int32Array(SYMBOLS).fill(10_000)
  const sheet = new DataView(new ArrayBuffer(1 + 4 * SYMBOLS))
  const trade = new DataView(new ArrayBuffer(11))
  sheet.setUint8(0, SHEET)
  trade.setUint8(0, TRADE)
  let traded = 0
  let refusals = 0

  const sendTrade = Effect.gen(function*() {
    const symbol = traded % SYMBOLS
    trade.setUint32(1, ++traded)
    trade.setUint16(5, symbol)
    trade.setInt32(7, prices[symbol])
    const { refused } = yield* hub.broadcast(new Uint8Array(trade.buffer), trades)
    for (const { peer, result } of refused) {
      refusals++
      // too many trades unacknowledged: waiting for this one would make all others wait
      if (result === SendResult.WOULD_BLOCK) yield* peer.close("LimitExceeded")
    }
  })

  const refresh = Effect.gen(function*() {
    for (let symbol = 0; symbol < SYMBOLS; symbol++) {
      prices[symbol] += Math.round(Math.random() * 4 - 2)
      sheet.setInt32(1 + 4 * symbol, prices[symbol])
    }
    yield* hub.broadcast(new Uint8Array(sheet.buffer), sheets)
    yield* Effect.repeatN(sendTrade, TRADES / SHEETS - 1)
  })
  yield* Effect.repeat(refresh, { schedule: Schedule.fixed("10 millis"), times: SHEETS - 1 })
  yield* Console.log(`feed: ${SHEETS} sheets of ${SYMBOLS} prices and ${traded} trades, ${refusals} refused`)
})

const subscriber = (id: number, hub: ConnectOptions, ready: Deferred.Deferred<void>) =>
  Effect.gen(function*() {
    const transport = yield* Intentra
    yield* transport.connect(hub)
    yield* Deferred.succeed(ready, undefined)
    const prices = new Int32Array(SYMBOLS)
    let sheetsTaken = 0
    let last = 0
    let inOrder = true

    yield* transport.deliveries.pipe(
      Stream.map(({ payload }) => {
        const view = new DataView(payload.buffer, payload.byteOffset, payload.length)
        if (view.getUint8(0) === TRADE) {
          const number = view.getUint32(1)
          inOrder = inOrder && number === last + 1
          last = number
          prices[view.getUint16(5)] = view.getInt32(7)
        } else {
          sheetsTaken++
          for (let symbol = 0; symbol < SYMBOLS; symbol++) prices[symbol] = view.getInt32(1 + 4 * symbol)
        }
        return last
      }),
      Stream.takeUntil((number) => number === TRADES),
      Stream.runDrain
    )
    yield* Console.log(`subscriber ${id}: trade ${last} ${inOrder ? "in order" : "OUT OF ORDER"}`)
    return sheetsTaken
  })

const program = Effect.gen(function*() {
  const hub = yield* Intentra
  const address = { host: hub.address.host, port: hub.address.port, publicKey: hub.publicKey }
  const ready = yield* Effect.all(Array.from({ length: SUBSCRIBERS }, () => Deferred.make<void>()))
  const circle = Effect.forEach(
    ready,
    (isReady, id) =>
      Effect.provide(Effect.scoped(subscriber(id, address, isReady)), Intentra.layer({ key: key(), psk })),
    { concurrency: "unbounded" }
  )
  const start = Effect.zipRight(Effect.forEach(ready, Deferred.await), feed)
  const [taken] = yield* Effect.all([circle, start], { concurrency: "unbounded" })
  yield* Console.log(`every subscriber took at least ${Math.min(...taken)} sheets of ${SHEETS}`)
})

const key = () => Redacted.make(new Uint8Array(randomBytes(32)))
// Whoever has it belongs to the circle: in earnest every host reads it from a file, INTENTRA_PSK or a secret store.
const psk = key()

program.pipe(
  Effect.scoped,
  Effect.provide(Intentra.layer({ key: key(), psk, allow: "any" })),
  Logger.withMinimumLogLevel(LogLevel.Warning),
  NodeRuntime.runMain
)
