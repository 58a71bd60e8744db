import { Entropy, layerBest } from "@intentra/crypto"
import type { CryptoServices } from "@intentra/crypto"
import type { UdpSocket } from "@intentra/udp"
import type * as ConfigError from "effect/ConfigError"
import * as Layer from "effect/Layer"
import { Intentra, layerConcerns } from "intentra/Intentra"
import type { IntentraOptions } from "intentra/Intentra"
import { LIFTED } from "./limits.js"
import { freshKey } from "./transport.js"

/** A transport over a given socket and given primitives, limits lifted. */
export const layerOver = <E>(
  options: IntentraOptions,
  socket: Layer.Layer<UdpSocket, E>,
  primitives: Layer.Layer<CryptoServices, ConfigError.ConfigError> = layerBest
) => {
  const settings = { ...LIFTED, key: freshKey(), ...options }
  return Intentra.layerCore(settings).pipe(
    Layer.provide(layerConcerns(settings)),
    Layer.provide(socket),
    Layer.provide(Layer.merge(primitives, Entropy.layer))
  )
}
