/**
 * Who may join: asked once for each peer, when it has proven that it holds its static key.
 *
 * @since 0.1.0
 */
import type { SocketAddress } from "@intentra/udp"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { hex } from "./internal/bytes.js"

/**
 * Says who may join, and when that has changed.
 *
 * @since 0.1.0
 * @category models
 */
export interface AuthorizerShape {
  /**
   * Decides at once with a boolean, or later with an Effect (a failure or a defect refuses, so does no verdict within
   * the handshake's time). The key is 32 bytes; the address is the one that the handshake proved.
   */
  readonly authorize: (publicKey: Uint8Array, address: SocketAddress) => boolean | Effect.Effect<boolean, unknown>
  /**
   * Emits when verdicts may have changed: every session that a peer began is asked about again then, and closed with
   * AuthFail if it is refused now.
   */
  readonly changes?: Stream.Stream<unknown> | undefined
}

/**
 * Who may join, as a service.
 *
 * @since 0.1.0
 * @category tags
 */
export class Authorizer extends Context.Tag("intentra/Authorizer")<Authorizer, AuthorizerShape>() {
  /** Admits the listed static keys (32 bytes each) and nobody else. An empty list admits nobody. */
  static readonly layerAllow = (publicKeys: Iterable<Uint8Array>): Layer.Layer<Authorizer> => {
    const allowed = new Set(Array.from(publicKeys, hex))
    return Layer.succeed(Authorizer, { authorize: (publicKey) => allowed.has(hex(publicKey)) })
  }
  /** Admits nobody: the default, for programs that only connect outward. */
  static readonly layerNobody: Layer.Layer<Authorizer> = Authorizer.layerAllow([])
  /** Admits everybody who completes the handshake. With a network PSK that is every member of the network. */
  static readonly layerAny: Layer.Layer<Authorizer> = Layer.succeed(Authorizer, { authorize: () => true })
  /** Admits the keys that the reference holds at the time; taking one out closes its session. */
  static readonly layerRef = (
    publicKeys: SubscriptionRef.SubscriptionRef<ReadonlyArray<Uint8Array>>
  ): Layer.Layer<Authorizer> =>
    Layer.succeed(Authorizer, {
      authorize: (publicKey) =>
        Effect.map(SubscriptionRef.get(publicKeys), (keys) => keys.some((key) => hex(key) === hex(publicKey))),
      changes: publicKeys.changes
    })
  /** A program's own decision. */
  static readonly layerWith = (authorize: AuthorizerShape["authorize"]): Layer.Layer<Authorizer> =>
    Layer.succeed(Authorizer, { authorize })
}
