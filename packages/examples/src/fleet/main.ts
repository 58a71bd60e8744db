/**
 * Robot fleet telemetry over loopback: every robot tells its pose a hundred times a second, and its alarms at once; the
 * hub keeps the newest pose of each, and sends a robot with a low battery to its dock.
 *
 *     npx tsx packages/examples/src/fleet/main.ts
 *
 * Only the newest pose counts, so poses are Sequenced: one that comes late is dropped instead of delivered. Alarms and
 * commands must arrive: they are Reliable.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Fiber, Logger, LogLevel, Schedule, Stream } from "effect"
import { Intentra, SendOptions, StaticKey } from "intentra"
import type { ConnectOptions, Delivery, Peer } from "intentra"

const ROBOTS = [1, 2, 3]
const LOW_BATTERY = 0.2

// A pose is a record of 20 bytes: u8 kind, u8 robot, u16 nothing, u32 number, f32 x, f32 y, f32 battery.
const POSE_BYTES = 20
const POSE = 0
const ALARM = 1

// Made once: nothing is parsed or allocated for each message then.
const newestOnly = SendOptions.make({ intent: "Sequenced", priority: 1, ttl: "100 millis" })
const mustArrive = SendOptions.make({ intent: "Reliable", priority: 7 })

const robot = (id: number, hub: ConnectOptions) =>
  Effect.gen(function*() {
    const transport = yield* Intentra
    const peer = yield* transport.connect(hub)
    const record = new Uint8Array(POSE_BYTES)
    const view = new DataView(record.buffer)
    let number = 0
    let battery = 0.2 + id / 10

    view.setUint8(1, id)
    const drive = Effect.suspend(() => {
      number++
      battery -= 0.005
      view.setUint8(0, POSE)
      view.setUint32(4, number)
      view.setFloat32(8, Math.cos(number / 50))
      view.setFloat32(12, Math.sin(number / 50))
      view.setFloat32(16, battery)
      peer.unsafeSend(record, newestOnly) // the bytes are copied: the record is used again
      const isLow = battery < LOW_BATTERY && battery + 0.005 >= LOW_BATTERY
      if (!isLow) return Effect.void
      view.setUint8(0, ALARM)
      return peer.send(record, mustArrive)
    })

    // the hub has one command only
    const docked = yield* transport.deliveries.pipe(Stream.take(1), Stream.runDrain, Effect.fork)
    yield* Effect.raceFirst(Fiber.join(docked), Effect.repeat(drive, Schedule.fixed("10 millis")))
    yield* Console.log(`robot ${id}: docked`)
  })

interface Pose {
  readonly number: number
  readonly x: number
  readonly y: number
  readonly battery: number
}

const readPose = (view: DataView): Pose => ({
  number: view.getUint32(4),
  x: view.getFloat32(8),
  y: view.getFloat32(12),
  battery: view.getFloat32(16)
})

const program = Effect.gen(function*() {
  const hub = yield* Intentra
  const newest = new Map<number, Pose>()
  const alarms: Array<{ readonly peer: Peer; readonly id: number }> = []

  const take = ({ payload, peer }: Delivery): void => {
    const view = new DataView(payload.buffer, payload.byteOffset, payload.length)
    if (payload.length !== POSE_BYTES) return
    const id = view.getUint8(1)
    if (view.getUint8(0) === ALARM) alarms.push({ peer, id })
    else newest.set(id, readPose(view))
  }

  // a chunk is what arrived in one turn of the event loop: take it as a whole
  yield* hub.deliveries.pipe(
    Stream.runForEachChunk((chunk) => {
      for (const delivery of chunk) take(delivery)
      return Effect.forEach(alarms.splice(0), ({ id, peer }) =>
        Effect.zipRight(
          Console.log(`hub: robot ${id} is low at pose ${newest.get(id)?.number}, to the dock`),
          peer.send(new TextEncoder().encode("dock"), mustArrive)
        ))
    }),
    Effect.forkScoped
  )
  yield* hub.events.pipe(
    Stream.runForEach((event) => Console.log(`hub: ${event._tag}`)),
    Effect.forkScoped
  )

  const address = { host: hub.address.host, port: hub.address.port, publicKey: hub.publicKey }
  // each robot has a transport of its own, as if it were another machine
  yield* Effect.forEach(
    ROBOTS,
    (id) => Effect.provide(Effect.scoped(robot(id, address)), Intentra.layer({ key: keys[id].secretKey })),
    { concurrency: "unbounded" }
  )
  for (const [id, { battery, number }] of newest) {
    yield* Console.log(`hub: robot ${id} ended at pose ${number} with ${Math.round(battery * 100)} %`)
  }
  yield* Console.log(`hub: dropped ${JSON.stringify(hub.counters.dropsByReason())}`)
})

// In earnest the keys come from files that "intentra keygen" made, and INTENTRA_ALLOW lists the public halves.
const keys = Effect.runSync(
  Effect.provide(Effect.all([0, ...ROBOTS].map(() => StaticKey.generate)), StaticKey.layer)
)

program.pipe(
  Effect.scoped,
  Effect.provide(Intentra.layer({ key: keys[0].secretKey, allow: ROBOTS.map((id) => keys[id].publicKey) })),
  Logger.withMinimumLogLevel(LogLevel.Warning),
  NodeRuntime.runMain
)
