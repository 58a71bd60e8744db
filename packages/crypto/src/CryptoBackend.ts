/**
 * What a library of primitives must offer, and the layer that turns one into services.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import { Aead, type AeadShape } from "./Aead.js"
import { Hash, type HashShape } from "./Hash.js"
import { Hkdf, type HkdfShape } from "./Hkdf.js"
import { Mac, type MacShape } from "./Mac.js"
import { X25519, type X25519Shape } from "./X25519.js"

/**
 * The backends: the noble libraries, node:crypto, and OpenSSL through native calls.
 *
 * @since 0.1.0
 * @category models
 */
export type CryptoBackendName = "noble" | "node" | "openssl"

/**
 * A record of synchronous primitives. All backends give the same bytes for the same input and refuse the same inputs.
 *
 * @since 0.1.0
 * @category models
 */
export interface CryptoBackend {
  readonly name: CryptoBackendName
  readonly aead: AeadShape
  readonly x25519: X25519Shape
  readonly hash: HashShape
  readonly mac: MacShape
  readonly hkdf: HkdfShape
}

/**
 * Which backend the other services come from: for logs, reports and metrics.
 *
 * @since 0.1.0
 * @category tags
 */
export class CryptoInfo
  extends Context.Tag("@intentra/crypto/CryptoInfo")<CryptoInfo, { readonly name: CryptoBackendName }>()
{}

/**
 * The services that a backend provides.
 *
 * @since 0.1.0
 * @category models
 */
export type CryptoServices = Aead | X25519 | Hash | Mac | Hkdf | CryptoInfo

/**
 * The services of a backend. It acquires nothing and cannot fail.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerBackend = (backend: CryptoBackend): Layer.Layer<CryptoServices> =>
  Layer.succeedContext(
    Context.make(Aead, backend.aead).pipe(
      Context.add(X25519, backend.x25519),
      Context.add(Hash, backend.hash),
      Context.add(Mac, backend.mac),
      Context.add(Hkdf, backend.hkdf),
      Context.add(CryptoInfo, { name: backend.name })
    )
  )
