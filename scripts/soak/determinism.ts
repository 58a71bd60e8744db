/** One seed, one run: a fleet's minutes on the simulated network, twice, down to the last byte. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import { IntentraTest, SendOptions } from "../../packages/intentra/src/index.js"
import { Network } from "../../packages/udp/src/index.js"

export interface DeterminismOptions {
  readonly peers: number
  readonly minutes: number
  readonly seed: number
}

const HZ = 5
const TICK_MS = 1000 / HZ
const UPDATE_BYTES = 64
/** Both runs together. */
const GOAL_SECONDS = 30
const GOAL_RATIO = 0.97

interface Run {
  readonly hash: string
  readonly sent: number
  readonly delivered: number
  readonly datagrams: number
  readonly seconds: number
  /** Of this process, all threads. */
  readonly cpuSeconds: number
}

const grouped = (count: number): string => Math.round(count).toLocaleString("en")

const secondsOf = ({ system, user }: NodeJS.CpuUsage): number => (system + user) / 1e6

const keyOf = (n: number): Redacted.Redacted<Uint8Array> => {
  const bytes = new Uint8Array(32).fill(7)
  new DataView(bytes.buffer).setUint32(8, n)
  return Redacted.make(bytes)
}

const run = ({ minutes, peers: count, seed }: DeterminismOptions): Effect.Effect<Run, Error> =>
  Effect.scoped(
    Effect.gen(function*() {
      const began = performance.now()
      const cpu = process.cpuUsage()
      const network = yield* Network.make({ seed, latency: 10, jitter: 5, loss: 0.01, duplicate: 0.01, trace: "hash" })
      const hub = yield* IntentraTest.make(network, { host: "10.0.0.1", key: keyOf(0), allow: "any" })
      const connecting = []
      for (let n = 1; n <= count; n++) {
        const client = yield* IntentraTest.make(network, { host: `10.1.${n >> 8}.${n & 255}`, key: keyOf(n) })
        connecting.push(yield* Effect.fork(client.connect({ ...hub.address, publicKey: hub.publicKey })))
      }
      yield* network.advance("6 seconds")
      const peers = yield* Effect.forEach(connecting, Fiber.join)
      let delivered = 0
      yield* hub.onDelivery(() => {
        delivered++
      })
      const update = new Uint8Array(UPDATE_BYTES)
      const state = SendOptions.make({ intent: "Sequenced" })
      const ticks = Math.round((minutes * 60_000) / TICK_MS)
      let sent = 0
      for (let tick = 0; tick < ticks; tick++) {
        new DataView(update.buffer).setUint32(0, tick)
        for (const peer of peers) if (peer.unsafeSend(update, state) === 0) sent++
        network.unsafeAdvance(TICK_MS)
        // a run is minutes of work for the host's event loop
        if (tick % 100 === 0) yield* Effect.yieldNow()
      }
      yield* network.advance("1 second")
      return {
        hash: network.trace.hash,
        sent,
        delivered,
        datagrams: network.ledger.sent,
        seconds: (performance.now() - began) / 1000,
        cpuSeconds: secondsOf(process.cpuUsage(cpu))
      }
    })
  )

/** Whether both runs were the same, and quick enough. */
export const determinism = async (options: DeterminismOptions): Promise<boolean> => {
  console.log(
    `determinism: ${grouped(options.peers)} peers, ${HZ} updates/s each, ${options.minutes} virtual minutes, ` +
      `seed ${options.seed}`
  )
  const runs: Array<Run> = []
  for (let i = 1; i <= 2; i++) {
    const one = await Effect.runPromise(run(options))
    runs.push(one)
    console.log(
      `run ${i}: hash ${one.hash}, ${one.seconds.toFixed(1)} s (${one.cpuSeconds.toFixed(1)} s of CPU), ${
        grouped(one.delivered)
      } of ${grouped(one.sent)} ` +
        `updates delivered, ${grouped(one.datagrams)} datagrams`
    )
  }
  const [first, second] = runs
  const together = first.seconds + second.seconds
  const ratio = first.delivered / first.sent
  const goals: ReadonlyArray<readonly [string, string, boolean]> = [
    [
      "the same run twice",
      first.hash,
      first.hash === second.hash && first.delivered === second.delivered && first.datagrams === second.datagrams
    ],
    ["delivered", `${(100 * ratio).toFixed(2)} %`, ratio >= GOAL_RATIO],
    ["both runs", `${together.toFixed(1)} s`, together <= GOAL_SECONDS]
  ]
  for (const [name, what, isMet] of goals) console.log(`${isMet ? "met   " : "MISSED"}  ${name}: ${what}`)
  return goals.every(([, , isMet]) => isMet)
}
