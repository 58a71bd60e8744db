import { layerBest } from "@intentra/crypto"
import type { Aead, CryptoServices, Entropy, Hash, Hkdf, Mac, X25519 } from "@intentra/crypto"
import type { UdpSocket } from "@intentra/udp"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { Authorizer } from "../Authorizer.js"
import { FlightRecorder } from "../FlightRecorder.js"
import { Handshake } from "../Handshake.js"
import { HandshakeGate } from "../HandshakeGate.js"
import type { Concerns, IntentraOptions } from "../Intentra.js"
import type { IntentraError } from "../IntentraError.js"
import * as KeyLog from "../KeyLog.js"
import { PacketCrypto } from "../PacketCrypto.js"
import { RateLimiter } from "../RateLimiter.js"
import { ReplayGuard } from "../ReplayGuard.js"
import { Strikes } from "../Strikes.js"
import { TransportMetrics } from "../TransportMetrics.js"
import { isLive, listedKeys } from "./allowList.js"
import { invalidOption } from "./invalidOption.js"
import { temporaryKey } from "./temporaryKey.js"

type Primitives = Aead | X25519 | Hash | Mac | Hkdf

/** The fastest crypto that there is, or the one that `INTENTRA_CRYPTO` names. */
export const layerPrimitives: Layer.Layer<CryptoServices, IntentraError> = Layer.mapError(
  layerBest,
  (error) => invalidOption(`INTENTRA_CRYPTO: ${String(error)}`)
)

/** What the transport draws from; on the tape of a flight recorder, which comes with it, when the options ask for one. */
export const layerEntropy = (
  options: IntentraOptions,
  entropy: Layer.Layer<Entropy>
): Layer.Layer<Entropy, IntentraError> =>
  options.record === undefined
    ? entropy
    : FlightRecorder.layer(options.record, options).pipe(
      Layer.mapError((error) => invalidOption(`record: ${error.message}`, error)),
      Layer.provide(entropy)
    )

const layerAuthorizer = (allow: IntentraOptions["allow"]): Layer.Layer<Authorizer, IntentraError> =>
  allow === "any"
    ? Authorizer.layerAny
    : isLive(allow)
    ? Authorizer.layerRef(allow)
    : Layer.unwrapEffect(Effect.map(listedKeys(allow ?? []), Authorizer.layerAllow))

/** With our key: the given one, or one for the life of the layer. */
const layerHandshake = (
  options: IntentraOptions
): Layer.Layer<Handshake, IntentraError, Primitives | Entropy> =>
  Layer.unwrapEffect(
    Effect.gen(function*() {
      const key = options.key ?? (yield* temporaryKey).secretKey
      const recorder = yield* Effect.serviceOption(FlightRecorder)
      if (Option.isSome(recorder)) recorder.value.keep({ key, psk: options.psk })
      return Handshake.layerWith({ key, psk: options.psk })
    })
  )

const layerPacketCrypto = (path: string | undefined): Layer.Layer<PacketCrypto, IntentraError, Aead> =>
  path === undefined
    ? PacketCrypto.layer
    : KeyLog.layer(path).pipe(
      Layer.mapError((error) => invalidOption(`keyLog: ${error.message}`, error)),
      Layer.provide(PacketCrypto.layer)
    )

/**
 * All concerns but the socket, from options, over the primitives and entropy of the context.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerConcerns = (
  options: IntentraOptions = {}
): Layer.Layer<Exclude<Concerns, UdpSocket | Entropy>, IntentraError, Primitives | Entropy> =>
  Layer.mergeAll(
    layerPacketCrypto(options.keyLog),
    layerHandshake(options),
    HandshakeGate.layerWith(options.gate),
    layerAuthorizer(options.allow),
    RateLimiter.layerWith(options),
    ReplayGuard.layerWith(options.replayWindow),
    Strikes.layerWith({ limit: options.strikeLimit, window: options.strikeWindow }),
    TransportMetrics.layer
  )
