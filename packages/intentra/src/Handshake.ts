/**
 * Who we are and how we prove it: Noise XX or IK (XXpsk3 or IKpsk2 with a network PSK) under our static key, and the keys
 * of mac1.
 *
 * @since 0.1.0
 */
import { Aead, CryptoInfo, Entropy, Hash, Hkdf, Mac, X25519 } from "@intentra/crypto"
import type { CryptoBackend } from "@intentra/crypto"
import type { HandshakeState } from "@intentra/noise"
import { unsafeMake } from "@intentra/noise"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { IntentraError } from "./IntentraError.js"
import { equal, writeU32 } from "./internal/bytes.js"
import { PATTERN_IK, PATTERN_IKPSK2, PATTERN_XX, PATTERN_XXPSK3 } from "./internal/handshakeMessages.js"
import { secretCopy } from "./internal/secretCopy.js"
import { WIRE_VERSION } from "./PacketHeader.js"

/**
 * Begins and answers handshakes: patterns, keys and prologues.
 *
 * @since 0.1.0
 * @category models
 */
export interface HandshakeShape {
  /** Our static public key, 32 bytes. */
  readonly publicKey: Uint8Array
  /** The pattern byte of hello and echo for a full handshake (XX, or XXpsk3 with a network PSK). */
  readonly pattern: number
  /** The same for a quick one with a responder whose key is known (IK, or IKpsk2). */
  readonly quickPattern: number
  /** Whether a network PSK is set: a wrong mac1 meets silence then, whoever sent it. */
  readonly hasPsk: boolean
  /**
   * mac1 of a message to the owner of `responderKey` (`undefined`: not known). With a network PSK the key is the
   * network's in both cases.
   */
  readonly mac1: (responderKey: Uint8Array | undefined) => (data: Uint8Array) => Uint8Array
  /**
   * A fresh handshake: `connId` the initiator's, `pattern` (default: the full one), `remoteKey` the responder's static key, which the initiator of a quick
   * pattern must give.
   */
  readonly begin: (
    role: "initiator" | "responder",
    connId: number,
    pattern?: number,
    remoteKey?: Uint8Array
  ) => HandshakeState
  /** A handshake for new keys inside a live session: Noise KK (KKpsk0) with the peer of this static key. */
  readonly beginRekey: (
    role: "initiator" | "responder",
    remoteKey: Uint8Array,
    prologue: Uint8Array
  ) => HandshakeState
  /** A short name for a static key: 16 hex digits of its SHA-256. */
  readonly identify: (publicKey: Uint8Array) => string
}

/**
 * The keys that handshakes are made with.
 *
 * @since 0.1.0
 * @category models
 */
export interface HandshakeOptions {
  /** Our static secret key, 32 bytes. */
  readonly key: Redacted.Redacted<Uint8Array>
  /** The network's pre-shared key, 32 bytes. */
  readonly psk?: Redacted.Redacted<Uint8Array> | undefined
}

const ascii = (text: string): Uint8Array => Uint8Array.from(text, (character) => character.charCodeAt(0))

const MAC1_LABEL = ascii("intentra 2 mac1")
const PROLOGUE_LABEL = ascii("intentra")

/** By pattern byte. */
const PATTERN_NAMES = ["XX", "XXpsk3", "IK", "IKpsk2"]

/**
 * The handshake, as a service.
 *
 * @since 0.1.0
 * @category tags
 */
export class Handshake extends Context.Tag("intentra/Handshake")<Handshake, HandshakeShape>() {
  /** The copies of the keys are overwritten when the scope closes. */
  static readonly layerWith = (
    options: HandshakeOptions
  ): Layer.Layer<Handshake, IntentraError, Aead | X25519 | Hash | Mac | Hkdf | Entropy> =>
    Layer.scoped(
      Handshake,
      Effect.gen(function*() {
        const info = yield* Effect.serviceOption(CryptoInfo)
        const backend: CryptoBackend = {
          name: Option.isSome(info) ? info.value.name : "node",
          aead: yield* Aead,
          x25519: yield* X25519,
          hash: yield* Hash,
          mac: yield* Mac,
          hkdf: yield* Hkdf
        }
        const entropy = yield* Entropy
        const staticKey = yield* secretCopy("the static key", options.key)
        const psk = options.psk === undefined ? undefined : yield* secretCopy("the network PSK", options.psk)
        const publicKey = backend.x25519.publicKey(staticKey)
        const pattern = psk === undefined ? PATTERN_XX : PATTERN_XXPSK3
        const quickPattern = psk === undefined ? PATTERN_IK : PATTERN_IKPSK2
        const mac1Key = (material: Uint8Array) =>
          backend.hkdf.derive("SHA256", material, new Uint8Array(0), MAC1_LABEL, 32)
        const shared = mac1Key(psk ?? new Uint8Array(32))
        // whoever connects often mostly connects to the same one
        let lastResponder = new Uint8Array(0)
        let lastMac1Key = shared
        const mac1KeyOf = (responderKey: Uint8Array): Uint8Array => {
          if (!equal(lastResponder, responderKey)) {
            lastMac1Key = mac1Key(responderKey)
            lastResponder = responderKey.slice()
          }
          return lastMac1Key
        }
        return {
          publicKey,
          pattern,
          quickPattern,
          hasPsk: psk !== undefined,
          mac1: (responderKey) => {
            const key = psk !== undefined || responderKey === undefined ? shared : mac1KeyOf(responderKey)
            return (data) => backend.mac.hmac("SHA256", key, data)
          },
          begin: (role, connId, chosen = pattern, remoteKey) => {
            const prologue = new Uint8Array(PROLOGUE_LABEL.length + 6)
            prologue.set(PROLOGUE_LABEL)
            prologue[PROLOGUE_LABEL.length] = WIRE_VERSION
            prologue[PROLOGUE_LABEL.length + 1] = chosen
            writeU32(prologue, PROLOGUE_LABEL.length + 2, connId)
            return unsafeMake({
              protocolName: `Noise_${PATTERN_NAMES[chosen]}_25519_AESGCM_SHA256`,
              role,
              prologue,
              staticKey,
              staticPublicKey: publicKey,
              remoteStatic: role === "initiator" ? remoteKey : undefined,
              psks: psk === undefined ? undefined : [psk],
              crypto: backend,
              entropy
            })
          },
          beginRekey: (role, remoteKey, prologue) =>
            unsafeMake({
              protocolName: psk === undefined ? "Noise_KK_25519_AESGCM_SHA256" : "Noise_KKpsk0_25519_AESGCM_SHA256",
              role,
              prologue,
              staticKey,
              staticPublicKey: publicKey,
              remoteStatic: remoteKey,
              psks: psk === undefined ? undefined : [psk],
              crypto: backend,
              entropy
            }),
          identify: (key) => Buffer.from(backend.hash.digest("SHA256", key).subarray(0, 8)).toString("hex")
        }
      })
    )
}
