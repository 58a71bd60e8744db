/**
 * Seals and opens packets: AES-256-GCM, the 16-byte header as associated data, and the Noise nonce of its packet
 * number (4 zero bytes, 64-bit big-endian counter), so that any Noise library can check a packet.
 *
 * @since 0.1.0
 */
import { Aead, CryptoInfo } from "@intentra/crypto"
import type { AeadKey, AeadShape, CryptoBackend } from "@intentra/crypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"

/**
 * Bytes that sealing adds.
 *
 * @since 0.1.0
 * @category constants
 */
export const TAG_BYTES = 16

/**
 * One direction's key of one epoch, for packets whose associated data is their header. Its methods never throw; they
 * answer with a length, or -1 (see `AeadKey`).
 *
 * @since 0.1.0
 * @category models
 */
export type PacketKey = Pick<AeadKey, "sealPacket" | "openPacket" | "destroy">

/**
 * Makes the keys that packets are sealed and opened with.
 *
 * @since 0.1.0
 * @category models
 */
export interface PacketCryptoShape {
  /** What computes: `noble`, `node` or `openssl`; absent for one of the user's own. */
  readonly backend?: CryptoBackend["name"] | undefined
  readonly makeKey: (key: Uint8Array) => PacketKey
  /** A hint for thousands of sessions (see `AeadShape`), for keys of `makeKey` only; absent where nothing is to be won. */
  readonly prefetch?: ((keys: ReadonlyArray<PacketKey>, count: number, sealing: boolean) => void) | undefined
}

/**
 * Over any {@link Aead}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (aead: AeadShape, backend?: CryptoBackend["name"]): PacketCryptoShape => ({
  backend,
  makeKey: (key) => aead.makeKey("AES-256-GCM", key),
  // the keys of one service are those that it has made
  prefetch: aead.prefetch === undefined
    ? undefined
    : (keys, count, sealing) => aead.prefetch?.(keys as ReadonlyArray<AeadKey>, count, sealing)
})

/**
 * What seals and opens packets, as a service.
 *
 * @since 0.1.0
 * @category tags
 */
export class PacketCrypto extends Context.Tag("intentra/PacketCrypto")<PacketCrypto, PacketCryptoShape>() {
  /** Over the {@link Aead} of the context. */
  static readonly layer: Layer.Layer<PacketCrypto, never, Aead> = Layer.effect(
    PacketCrypto,
    Effect.gen(function*() {
      const info = yield* Effect.serviceOption(CryptoInfo)
      return make(yield* Aead, Option.getOrUndefined(info)?.name)
    })
  )
}
