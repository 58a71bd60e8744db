import type { CipherAlgorithm } from "../OpenSsl.js"
import type { PinnedSlice } from "../PinnedMemory.js"
import { KEY_BYTES, KeyTable, NONCE_BYTES, TAG_BYTES } from "./cipherKeys.js"
import type { Evp, Params } from "./evp.js"
import { must, SMALL_BYTES } from "./evp.js"
import { makePacketCalls } from "./packetCalls.js"
import type { PacketCalls } from "./packetCalls.js"
import { Prefetcher } from "./prefetcher.js"

/**
 * What all keys share: ciphers, the calls of a packet and slots of pinned memory.
 *
 * @internal
 */
export class AeadCiphers {
  readonly calls: PacketCalls
  readonly key: PinnedSlice
  readonly nonce: PinnedSlice
  /** The last 8 bytes of the nonce that OpenSSL says it will use next. */
  readonly next: PinnedSlice
  readonly aad: PinnedSlice
  readonly input: PinnedSlice
  readonly output: PinnedSlice
  readonly step: Params
  readonly prefetcher: Prefetcher | undefined
  readonly keys: { readonly [Algorithm in CipherAlgorithm]: KeyTable }

  constructor(readonly evp: Evp) {
    this.key = evp.slice(KEY_BYTES)
    this.nonce = evp.slice(NONCE_BYTES)
    this.next = evp.slice(8)
    this.aad = evp.slice(SMALL_BYTES)
    this.input = evp.slice(SMALL_BYTES)
    this.output = evp.slice(SMALL_BYTES + TAG_BYTES)
    const step = [evp.text("tlsivgen"), this.next.address, 8] as const
    this.step = evp.params(step)
    this.calls = makePacketCalls(evp, this.nonce.address, step)
    const fetch = (algorithm: CipherAlgorithm): number =>
      must(`EVP_CIPHER_fetch("${algorithm}")`, evp.functions.EVP_CIPHER_fetch(0, evp.text(algorithm), 0))
    const aes = fetch("AES-256-GCM")
    this.prefetcher = Prefetcher.make(evp, aes)
    this.keys = {
      "AES-256-GCM": new KeyTable(this, "AES-256-GCM", aes),
      "ChaCha20-Poly1305": new KeyTable(this, "ChaCha20-Poly1305", fetch("ChaCha20-Poly1305"))
    }
  }
}
