/**
 * The OpenSSL backend: the OpenSSL that Node runs on, called through @intentra/ffi without node:crypto between. The
 * fastest by far; there where koffi is installed and has a build for the platform (Linux on x64 and arm64).
 *
 * @since 0.1.0
 */
import { FfiError, OpenSsl } from "@intentra/ffi"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { KEY_BYTES } from "./Aead.js"
import { type CryptoBackend, type CryptoServices, layerBackend } from "./CryptoBackend.js"
import { makeHkdf, makeX25519 } from "./internal/backend.js"
import { requireKeyLength } from "./internal/bytes.js"

const make = (native: OpenSsl.OpenSsl): CryptoBackend => ({
  name: "openssl",
  aead: {
    makeKey: (algorithm, key) => {
      requireKeyLength("Aead.makeKey", key, KEY_BYTES)
      return native.makeCipher(algorithm, key)
    },
    prefetch: native.prefetch
  },
  x25519: makeX25519(native.x25519PublicKey, native.x25519),
  hash: { digest: native.digest },
  mac: { hmac: native.hmac },
  hkdf: makeHkdf((algorithm, ikm, salt, info, length) => {
    // no salt is a salt of zeros, and HMAC pads its key with zeros
    const key = native.hmac(algorithm, salt, ikm)
    const out = native.hkdfExpand(algorithm, key, info, length)
    key.fill(0)
    return out
  })
})

let loaded: CryptoBackend | FfiError | undefined

/**
 * The OpenSSL backend, or why there is none. Bound and tested with known vectors at the first call; it never throws.
 *
 * Keys hold OpenSSL contexts, memory that the collector does not see: `destroy` frees them at once, the collector frees
 * those of keys that were forgotten, some time later.
 *
 * @since 0.1.0
 * @category constructors
 */
export const openSsl = (): CryptoBackend | FfiError => {
  if (loaded === undefined) {
    const native = OpenSsl.load()
    loaded = native instanceof FfiError ? native : make(native)
  }
  return loaded
}

/**
 * Every service on the OpenSSL backend. Fails where native calls are not available: see `layerBest`.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerOpenSsl: Layer.Layer<CryptoServices, FfiError> = Layer.unwrapEffect(
  Effect.suspend(() => {
    const backend = openSsl()
    return backend instanceof FfiError ? Effect.fail(backend) : Effect.succeed(layerBackend(backend))
  })
)
