import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Mailbox from "effect/Mailbox"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Delivery, DeliveryHandler } from "../Delivery.js"
import { IntentraError } from "../IntentraError.js"
import type { TransportEvent } from "../TransportEvent.js"
import type { Waiter } from "./waiter.js"

/** What messages come out of. */
export interface Source {
  readonly ring: Waiter & { readonly size: number }
  handler: DeliveryHandler | undefined
  consumed: boolean
  ended: IntentraError | "scope" | undefined
  readonly setHandler: (handler: DeliveryHandler) => void
  readonly takeDeliveries: () => Array<Delivery>
}

const EVENTS = 1024

/** `deliveries` and `onDelivery` of a transport: one consumer at a time. `name` is what the stream is called in errors. */
export const deliveriesOf = (source: Source, name = "deliveries") => {
  const busy = new IntentraError({
    reason: "ConsumerBusy",
    detail: `${name} has a consumer already: share one stream with Stream.share or Stream.broadcast`
  })
  const pull: Effect.Effect<Chunk.Chunk<Delivery>, Option.Option<IntentraError>> = Effect.suspend(() => {
    if (source.ring.size > 0) return Effect.succeed(Chunk.unsafeFromArray(source.takeDeliveries()))
    if (source.ended === "scope") return Effect.fail(Option.none())
    if (source.ended !== undefined) return Effect.fail(Option.some(source.ended))
    return Effect.zipRight(
      Effect.async<void>((resume) => {
        source.ring.onWake(() => resume(Effect.void))
        return Effect.sync(() => source.ring.forgetWaiter())
      }),
      pull
    )
  })
  const occupy = Effect.suspend(() => {
    if (source.consumed || source.handler !== undefined) return Effect.fail(busy)
    source.consumed = true
    return Effect.void
  })
  const deliveries: Stream.Stream<Delivery, IntentraError> = Stream.unwrapScoped(
    Effect.as(
      Effect.acquireRelease(occupy, () =>
        Effect.sync(() => {
          source.consumed = false
        })),
      Stream.repeatEffectChunkOption(pull)
    )
  )
  const onDelivery = (handler: DeliveryHandler): Effect.Effect<void, IntentraError, Scope.Scope> =>
    Effect.acquireRelease(
      Effect.suspend(() => {
        if (source.consumed || source.handler !== undefined) return Effect.fail(busy)
        source.setHandler(handler)
        return Effect.void
      }),
      () =>
        Effect.sync(() => {
          source.handler = undefined
        })
    )
  return { deliveries, onDelivery }
}

/** Events to any number of subscribers, a queue for each: a slow one misses its own oldest events and nobody else's. */
export class EventHub {
  private readonly subscribers = new Set<Mailbox.Mailbox<TransportEvent>>()
  private isOver = false

  publish(event: TransportEvent): void {
    for (const subscriber of this.subscribers) subscriber.unsafeOffer(event)
  }

  /** All streams end. */
  end(): void {
    this.isOver = true
    for (const subscriber of this.subscribers) subscriber.unsafeDone(Exit.void)
  }

  readonly stream: Stream.Stream<TransportEvent> = Stream.unwrapScoped(
    Effect.map(
      Effect.acquireRelease(
        Effect.tap(
          Mailbox.make<TransportEvent>({ capacity: EVENTS, strategy: "sliding" }),
          (mailbox) => this.isOver ? mailbox.done(Exit.void) : Effect.sync(() => this.subscribers.add(mailbox))
        ),
        (mailbox) => Effect.sync(() => this.subscribers.delete(mailbox))
      ),
      (mailbox) => Mailbox.toStream(mailbox)
    )
  )
}
