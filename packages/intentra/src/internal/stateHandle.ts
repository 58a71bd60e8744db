import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type * as StateChannel from "../StateChannel.js"
import { StateChannelError } from "../StateChannelError.js"
import type { StateChange, StateEntry } from "../StateEntry.js"
import type { StateConsumer } from "./stateConsumer.js"
import { checkInterest } from "./stateSettings.js"
import type { StateSubscription } from "./stateSubscription.js"

export const channelClosed = new StateChannelError({
  reason: "ChannelClosed",
  detail: "the channel or subscription has been closed: its scope has ended"
})

/** All changes that wait for a consumer, once there are any; none when there will be no more. */
const take = <A>(
  consumer: StateConsumer<A>
): Effect.Effect<Chunk.Chunk<StateChange<A>>, Option.Option<never>> =>
  Effect.suspend(() => {
    const changes = consumer.drain()
    if (changes.length > 0) return Effect.succeed(Chunk.unsafeFromArray(changes))
    if (consumer.ended) return Effect.fail(Option.none())
    return Effect.zipRight(
      Effect.async<void>((resume) => {
        consumer.onWake(() => resume(Effect.void))
        return Effect.sync(() => consumer.forgetWaiter())
      }),
      take(consumer)
    )
  })

const apply = <A>(
  view: HashMap.HashMap<string, StateEntry<A>>,
  changes: Chunk.Chunk<StateChange<A>>
): HashMap.HashMap<string, StateEntry<A>> =>
  HashMap.mutate(view, (draft) => {
    for (const change of changes) {
      if (change._tag === "Deleted") HashMap.remove(draft, change.key)
      else HashMap.set(draft, change.key, change.entry)
    }
  })

/** The user's handle of a subscription. */
export const makeHandle = <A>(
  subscription: StateSubscription<A>,
  period: number,
  now: () => number
): StateChannel.StateSubscription<A> => {
  const consumer = Effect.acquireRelease(
    Effect.sync(() => subscription.addConsumer()),
    (one) => Effect.sync(() => subscription.removeConsumer(one))
  )
  const view: Effect.Effect<
    SubscriptionRef.SubscriptionRef<HashMap.HashMap<string, StateEntry<A>>>,
    never,
    Scope.Scope
  > = Effect.gen(function*() {
    const one = yield* consumer
    const ref = yield* SubscriptionRef.make(
      apply(HashMap.empty<string, StateEntry<A>>(), Chunk.unsafeFromArray(one.drain()))
    )
    yield* take(one).pipe(
      Effect.flatMap((changes) => SubscriptionRef.update(ref, (entries) => apply(entries, changes))),
      Effect.zipRight(Effect.sleep(period)),
      Effect.forever,
      Effect.ignore,
      Effect.forkScoped
    )
    return ref
  })
  return {
    changes: Stream.unwrapScoped(Effect.map(consumer, (one) => Stream.repeatEffectChunkOption(take(one)))),
    view,
    get: (key) => Effect.sync(() => Option.fromNullable(subscription.find(key)?.read())),
    synced: Effect.suspend(() => {
      if (subscription.ended) return Effect.fail(channelClosed)
      if (subscription.synced) return Effect.void
      return Effect.async<void, StateChannelError>((resume) => {
        const forget = subscription.whenSynced(() =>
          resume(subscription.ended ? Effect.fail(channelClosed) : Effect.void)
        )
        return Effect.sync(forget)
      })
    }),
    setInterest: (interest) =>
      Effect.flatMap(checkInterest(interest), ([wanted, terms]) =>
        Effect.suspend(() => {
          if (subscription.ended) return Effect.fail(channelClosed)
          subscription.setInterest(wanted, terms, now())
          return Effect.void
        }))
  }
}
