/**
 * Game state replication: a server that owns the world, and two clients that show it smoothly over a bad link.
 *
 *     npx tsx packages/examples/src/game/main.ts
 *
 * The server sends the whole world 20 times a second (Sequenced: the latest wins). A client shows it 60 times a second, a
 * little in the past, between the two snapshots around that moment: lost and late snapshots do not show. Keys that the
 * player presses go the other way. The network is simulated, so that the link is equally bad on every run.
 */
import { Network } from "@intentra/udp"
import { Clock, Console, Effect, Fiber, Logger, LogLevel, Schedule, Stream } from "effect"
import { Intentra, IntentraTest, SendOptions } from "intentra"
import type { ConnectOptions } from "intentra"

const PLAYERS = 2
const SPEED = 5 // units a second
const TICK = 50 // milliseconds between snapshots
const FRAME = 16 // milliseconds between frames
const DELAY = 150 // how far in the past a client shows the world

// A snapshot: f64 time of the server in milliseconds, then f32 x of each player. An input: i8 direction.
const SNAPSHOT_BYTES = 8 + 4 * PLAYERS

const snapshots = SendOptions.make({ intent: "Sequenced", priority: 2, ttl: TICK })
const inputs = SendOptions.make({ intent: "Sequenced", priority: 6, ttl: TICK })

const server = Effect.gen(function*() {
  const hub = yield* Intentra
  const players = new Map<string, { x: number; direction: number }>()

  yield* hub.onDelivery((peer, payload) => {
    const player = players.get(peer.id) ?? { x: 0, direction: 0 }
    players.set(peer.id, player)
    if (payload.length === 1) player.direction = Math.sign(new DataView(payload.buffer, payload.byteOffset).getInt8(0))
  })

  const view = new DataView(new ArrayBuffer(SNAPSHOT_BYTES))
  const tick = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    let index = 0
    view.setFloat64(0, now)
    for (const player of players.values()) {
      player.x += player.direction * SPEED * TICK / 1000
      view.setFloat32(8 + 4 * index++, player.x)
    }
    return hub.broadcast(new Uint8Array(view.buffer), snapshots)
  })
  yield* Effect.repeat(tick, Schedule.fixed(TICK))
})

interface Snapshot {
  readonly time: number
  readonly x: ReadonlyArray<number>
}

/** Snapshots as they came, and the world between them. */
class Interpolation {
  readonly snapshots: Array<Snapshot> = []
  /** The least that the server's clock was seen to lie behind ours: the quickest snapshot knows best. */
  private behind = Infinity

  add(snapshot: Snapshot, now: number): void {
    this.behind = Math.min(this.behind, now - snapshot.time)
    this.snapshots.push(snapshot)
    if (this.snapshots.length > 32) this.snapshots.shift()
  }

  /** Where a player was `DELAY` ago; beyond the newest snapshot it stands still. */
  at(player: number, now: number): number | undefined {
    const time = now - this.behind - DELAY
    const next = this.snapshots.findIndex((snapshot) => snapshot.time >= time)
    if (next === 0) return undefined
    if (next === -1) return this.snapshots.at(-1)?.x[player]
    const [before, after] = [this.snapshots[next - 1], this.snapshots[next]]
    const part = (time - before.time) / (after.time - before.time)
    return before.x[player] + part * (after.x[player] - before.x[player])
  }
}

/** How far something jumped from one frame to the next, at most. */
class Steps {
  largest = 0
  private last: number | undefined = undefined

  add(x: number | undefined): void {
    if (x !== undefined && this.last !== undefined) this.largest = Math.max(this.largest, Math.abs(x - this.last))
    this.last = x
  }
}

const client = (name: string, hub: ConnectOptions) =>
  Effect.gen(function*() {
    const transport = yield* Intentra
    const peer = yield* transport.connect(hub)
    const world = new Interpolation()
    let received = 0

    yield* transport.deliveries.pipe(
      Stream.runForEach(({ payload }) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          received++
          const view = new DataView(payload.buffer, payload.byteOffset, payload.length)
          const x = Array.from({ length: PLAYERS }, (_, player) => view.getFloat32(8 + 4 * player))
          world.add({ time: view.getFloat64(0), x }, now)
        })
      ),
      Effect.forkScoped
    )

    // the player walks to and fro; the key that is held is told again and again, so that a lost one does not matter
    const [left, right] = [Uint8Array.of(-1), Uint8Array.of(1)]
    const walk = Effect.flatMap(
      Clock.currentTimeMillis,
      (now) => peer.send(Math.floor(now / 4000) % 2 === 0 ? right : left, inputs)
    )
    yield* Effect.forkScoped(Effect.repeat(walk, Schedule.fixed("33 millis")))

    const shown = new Steps()
    const raw = new Steps()
    let frames = 0
    const draw = Effect.map(Clock.currentTimeMillis, (now) => {
      frames++
      shown.add(world.at(0, now))
      raw.add(world.snapshots.at(-1)?.x[0])
    })
    yield* Effect.repeat(draw, { schedule: Schedule.fixed(FRAME), times: 600 })
    yield* Console.log(
      `${name}: ${frames} frames from ${received} snapshots, the largest step shown ${shown.largest.toFixed(2)}, ` +
        `in the snapshots ${raw.largest.toFixed(2)}`
    )
  })

const game = Effect.gen(function*() {
  const network = yield* Network
  const hub = yield* IntentraTest.make(network, { host: "10.0.0.1", allow: "any" })
  yield* Effect.forkScoped(Effect.provideService(server, Intentra, hub))
  const address = { host: hub.address.host, port: hub.address.port, publicKey: hub.publicKey }
  const clients = yield* Effect.forEach(["anna", "ben"], (name, index) =>
    client(name, address).pipe(
      Effect.scoped,
      Effect.provide(IntentraTest.layerNetwork({ host: `10.0.0.${index + 2}` })),
      Effect.fork
    ))
  yield* network.advance("15 seconds")
  yield* Effect.forEach(clients, Fiber.join)
})

await Effect.runPromise(
  game.pipe(
    Effect.scoped,
    Effect.provide(Network.layer({ seed: 1, latency: 40, jitter: 15, loss: 0.1 })),
    Logger.withMinimumLogLevel(LogLevel.Warning)
  )
)
