/**
 * The application that is tested: it sends a position every 50 ms for a minute, and watches them come in at the other end.
 * It knows nothing of simulations.
 */
import { Effect, Stream } from "effect"
import { Intentra } from "intentra"
import type { ConnectOptions } from "intentra"

/** Sends 1,200 positions to the hub. */
export const vehicle = (hub: ConnectOptions) =>
  Effect.gen(function*() {
    const transport = yield* Intentra
    const peer = yield* transport.connect(hub)
    for (let i = 0; i < 1200; i++) {
      yield* peer.send(new TextEncoder().encode(`position ${i}`), { intent: "Sequenced", ttl: "200 millis" })
      yield* Effect.sleep("50 millis")
    }
  })

/** Tells `see` of every position, and when it came, in monotonic milliseconds. */
export const viewer = (see: (position: number, at: number) => void) =>
  Effect.flatMap(
    Intentra,
    (transport) =>
      Stream.runForEach(transport.deliveries, ({ payload, receivedAt }) =>
        Effect.sync(() =>
          see(Number(new TextDecoder().decode(payload).slice("position ".length)), receivedAt)
        ))
  )
