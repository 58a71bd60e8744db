import * as SubscriptionRef from "effect/SubscriptionRef"

/** Who may join, as an option: keys, everybody, or keys that may change while the transport runs. */
export type AllowList =
  | ReadonlyArray<Uint8Array | string>
  | SubscriptionRef.SubscriptionRef<ReadonlyArray<Uint8Array>>
  | "any"

export const isLive = (
  allow: AllowList | undefined
): allow is SubscriptionRef.SubscriptionRef<ReadonlyArray<Uint8Array>> =>
  typeof allow === "object" && SubscriptionRef.SubscriptionRefTypeId in allow
