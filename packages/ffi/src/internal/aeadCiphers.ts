import type { CipherAlgorithm } from "../OpenSsl.js"
import type { PinnedSlice } from "../PinnedMemory.js"
import { KEY_BYTES, KeyTable } from "./cipherKeys.js"
import type { Evp, Params } from "./evp.js"
import { must, SMALL_BYTES } from "./evp.js"
import type { NativeFunction } from "./koffi.js"

/** @internal */
export const TAG_BYTES = 16

/** @internal */
export const NONCE_BYTES = 12

/**
 * What all keys share: ciphers, parameters and slots of pinned memory.
 *
 * @internal
 */
export class AeadCiphers {
  // What a packet calls, as fields: a lookup by name in the table of all functions is slower.
  readonly run: NativeFunction
  readonly getParams: NativeFunction
  readonly setParams: NativeFunction
  readonly beginSealing: NativeFunction
  readonly beginOpening: NativeFunction
  readonly endSealing: NativeFunction
  readonly endOpening: NativeFunction
  readonly control: NativeFunction
  readonly key: PinnedSlice
  readonly nonce: PinnedSlice
  /** The last 8 bytes of the nonce that OpenSSL says it will use next. */
  readonly next: PinnedSlice
  /** Where the last call of a packet says that it wrote nothing: all was written before. */
  readonly final: PinnedSlice
  readonly aad: PinnedSlice
  readonly input: PinnedSlice
  readonly output: PinnedSlice
  readonly takeTag: Params
  readonly takeTagAndStep: Params
  readonly step: Params
  readonly giveTag: Params
  readonly giveTagAndNonce: Params
  readonly keys: { readonly [Algorithm in CipherAlgorithm]: KeyTable }

  constructor(readonly evp: Evp) {
    const { functions } = evp
    this.run = functions.EVP_Cipher
    this.getParams = functions.EVP_CIPHER_CTX_get_params
    this.setParams = functions.EVP_CIPHER_CTX_set_params
    this.beginSealing = functions.EVP_EncryptInit_ex
    this.beginOpening = functions.EVP_DecryptInit_ex2
    this.endSealing = functions.EVP_EncryptFinal_ex
    this.endOpening = functions.EVP_DecryptFinal_ex
    this.control = functions.EVP_CIPHER_CTX_ctrl
    this.key = evp.slice(KEY_BYTES)
    this.nonce = evp.slice(NONCE_BYTES)
    this.next = evp.slice(8)
    this.final = evp.slice(TAG_BYTES)
    this.aad = evp.slice(SMALL_BYTES)
    this.input = evp.slice(SMALL_BYTES)
    this.output = evp.slice(SMALL_BYTES + TAG_BYTES)
    const tag = [evp.text("tag"), 0, TAG_BYTES] as const
    const step = [evp.text("tlsivgen"), this.next.address, 8] as const
    this.takeTag = evp.params(tag)
    this.takeTagAndStep = evp.params(tag, step)
    this.step = evp.params(step)
    this.giveTag = evp.params(tag)
    this.giveTagAndNonce = evp.params(tag, [evp.text("tlsivinv"), this.nonce.address, NONCE_BYTES])
    const table = (algorithm: CipherAlgorithm): KeyTable =>
      new KeyTable(
        this,
        algorithm,
        must(`EVP_CIPHER_fetch("${algorithm}")`, functions.EVP_CIPHER_fetch(0, evp.text(algorithm), 0))
      )
    this.keys = { "AES-256-GCM": table("AES-256-GCM"), "ChaCha20-Poly1305": table("ChaCha20-Poly1305") }
  }
}
