import { Entropy, layerBackend, node } from "@intentra/crypto"
import type { CryptoBackend } from "@intentra/crypto"
import type { UdpSocket } from "@intentra/udp"
import * as Layer from "effect/Layer"
import { Intentra, layerConcerns } from "intentra/Intentra"
import type { IntentraOptions } from "intentra/Intentra"
import { LIFTED } from "./limits.js"
import { freshKey } from "./transport.js"

/** A transport over a given socket and given primitives, limits lifted. */
export const layerOver = <E>(
  options: IntentraOptions,
  socket: Layer.Layer<UdpSocket, E>,
  backend: CryptoBackend = node
) => {
  const settings = { ...LIFTED, key: freshKey(), ...options }
  return Intentra.layerCore(settings).pipe(
    Layer.provide(layerConcerns(settings)),
    Layer.provide(socket),
    Layer.provide(Layer.merge(layerBackend(backend), Entropy.layer))
  )
}
