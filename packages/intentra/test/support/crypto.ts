import { layerBest } from "@intentra/crypto"
import { Layer } from "effect"

/** The crypto that the suites run on: the fastest there is, or the one that INTENTRA_CRYPTO names. */
export const layerCrypto = Layer.orDie(layerBest)
