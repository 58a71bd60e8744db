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
import { HEADER_BYTES } from "./PacketHeader.js"

/**
 * Bytes that sealing adds.
 *
 * @since 0.1.0
 * @category constants
 */
export const TAG_BYTES = 16

/**
 * One direction's key of one epoch. Neither method throws.
 *
 * @since 0.1.0
 * @category models
 */
export interface PacketKey {
  /**
   * Seals in place: the datagram begins at `offset` with its header, `plaintextLength` bytes follow; they are
   * overwritten by the ciphertext and its tag. Returns the datagram's length, -1 when that failed.
   */
  readonly seal: (arena: Uint8Array, offset: number, plaintextLength: number, seq: number) => number
  /**
   * Opens the datagram of `length` bytes at `offset` into `out`, from `outOffset` (default 0) on. Returns the plaintext's
   * length, -1 when it does not authenticate.
   */
  readonly open: (
    arena: Uint8Array,
    offset: number,
    length: number,
    seq: number,
    out: Uint8Array,
    outOffset?: number
  ) => number
  /** Overwrites the key. */
  readonly destroy: () => void
}

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
}

class AeadPacketKey implements PacketKey {
  constructor(private readonly key: AeadKey) {}

  seal(arena: Uint8Array, offset: number, plaintextLength: number, seq: number): number {
    return this.key.sealPacket(arena, offset, HEADER_BYTES, plaintextLength, seq)
  }

  open(arena: Uint8Array, offset: number, length: number, seq: number, out: Uint8Array, outOffset = 0): number {
    return this.key.openPacket(arena, offset, HEADER_BYTES, length, seq, out, outOffset)
  }

  destroy(): void {
    this.key.destroy()
  }
}

/**
 * Over any {@link Aead}.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (aead: AeadShape, backend?: CryptoBackend["name"]): PacketCryptoShape => ({
  backend,
  makeKey: (key) => new AeadPacketKey(aead.makeKey("AES-256-GCM", key))
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
