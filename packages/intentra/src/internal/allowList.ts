import * as Effect from "effect/Effect"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { IntentraError } from "../IntentraError.js"
import { publicKeyFrom } from "./publicKeyFrom.js"

/** Who may join, as an option: keys, everybody, or keys that may change while the transport runs. */
export type AllowList =
  | ReadonlyArray<Uint8Array | string>
  | SubscriptionRef.SubscriptionRef<ReadonlyArray<Uint8Array>>
  | "any"

export const isLive = (
  allow: AllowList | undefined
): allow is SubscriptionRef.SubscriptionRef<ReadonlyArray<Uint8Array>> =>
  typeof allow === "object" && SubscriptionRef.SubscriptionRefTypeId in allow

/** The keys of a list, 32 bytes each. Fails with `InvalidOptions`, which says the place of the one that is none. */
export const listedKeys = (
  keys: ReadonlyArray<Uint8Array | string>
): Effect.Effect<ReadonlyArray<Uint8Array>, IntentraError> =>
  Effect.forEach(keys, (key, index) => publicKeyFrom(key, `allow[${index}]`))
