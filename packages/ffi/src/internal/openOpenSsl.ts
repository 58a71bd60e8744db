import { FfiError } from "../FfiError.js"
import type { OpenSsl } from "../OpenSsl.js"
import { EvpAeadCipher } from "./aeadCipher.js"
import { AeadCiphers } from "./aeadCiphers.js"
import { bindEvp, type Evp } from "./evp.js"
import { EvpDigests } from "./evpDigest.js"
import { selfTest } from "./openSslSelfTest.js"
import { EvpX25519 } from "./x25519.js"

/** 3.0.0 as `OpenSSL_version_num` has it. */
const OLDEST = 0x30000000

/** 0xMNN00PP0: major, minor and patch (OpenSSL_version_num(3)). */
const versionText = (number: number): string => `${number >>> 28}.${(number >>> 20) & 0xff}.${(number >>> 4) & 0xff}`

const make = (evp: Evp, version: string): OpenSsl => {
  const ciphers = new AeadCiphers(evp)
  const x25519 = new EvpX25519(evp)
  const digests = new EvpDigests(evp)
  return {
    version,
    joined: ciphers.calls.joined,
    get liveContexts() {
      return evp.live
    },
    makeCipher: (algorithm, key) => new EvpAeadCipher(ciphers, algorithm, key),
    prefetch: EvpAeadCipher.prefetch,
    x25519PublicKey: (secretKey) => x25519.publicKey(secretKey),
    x25519: (secretKey, publicKey) => x25519.sharedSecret(secretKey, publicKey),
    digest: (algorithm, data) => digests.digest(algorithm, data),
    hmac: (algorithm, key, data) => digests.hmac(algorithm, key, data),
    hkdfExpand: (algorithm, key, info, length) => digests.expand(algorithm, key, info, length)
  }
}

/** Bound and tested. `joins`: a packet may be one native call (see `joinX64`). @internal */
export const openOpenSsl = (joins: boolean): OpenSsl | FfiError => {
  const evp = bindEvp(joins)
  if (evp instanceof FfiError) return evp
  const number = evp.functions.OpenSSL_version_num()
  const version = versionText(number)
  if (number < OLDEST) {
    return new FfiError({ reason: "SelfTestFailed", detail: `OpenSSL ${version}, not 3.0 or newer` })
  }
  try {
    const openSsl = make(evp, version)
    return selfTest(openSsl) ?? openSsl
  } catch (cause) {
    return cause instanceof FfiError
      ? cause
      : new FfiError({ reason: "SelfTestFailed", detail: String(cause), cause })
  }
}
