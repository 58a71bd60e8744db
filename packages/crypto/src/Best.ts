/**
 * The fastest backend that a machine has.
 *
 * @since 0.1.0
 */
import type { ConfigError } from "effect/ConfigError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type CryptoBackend, type CryptoServices, layerBackend } from "./CryptoBackend.js"
import { bestFrom } from "./internal/bestFrom.js"
import { openSsl } from "./OpenSsl.js"

/**
 * The backend that `layerBest` takes: OpenSSL through native calls where they are there, else node:crypto. The config
 * value `INTENTRA_CRYPTO` (`noble`, `node` or `openssl`) forces one; where `openssl` is forced and not available, one
 * line is logged that says why, and node:crypto is taken.
 *
 * @since 0.1.0
 * @category constructors
 */
export const best: Effect.Effect<CryptoBackend, ConfigError> = bestFrom(openSsl)

/**
 * Every service on the fastest backend: `best`. `CryptoInfo` tells which one that is.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerBest: Layer.Layer<CryptoServices, ConfigError> = Layer.unwrapEffect(Effect.map(best, layerBackend))
