import type { PinnedSlice } from "../PinnedMemory.js"
import type { Evp, Params } from "./evp.js"
import { must, SMALL_BYTES } from "./evp.js"
import type { NativeFunction } from "./koffi.js"

/** @internal */
export const TAG_BYTES = 16

/** @internal */
export const NONCE_BYTES = 12

/** @internal */
export const KEY_BYTES = 32

const SLAB_KEYS = 128

/**
 * Raw keys, side by side in memory outside V8's heap, where the collector leaves no copies, and the addresses of their
 * contexts. They are apart from the keys' objects: so they can be freed when a key was collected, and thousands of keys
 * that take turns have what each packet needs in few cache lines.
 *
 * @internal
 */
export class KeyTable {
  /** The context of each slot that seals, 0 for none. */
  sealing: Float64Array = new Float64Array(0)
  /** The same for opening. */
  opening: Float64Array = new Float64Array(0)
  private readonly slabs: Array<Uint8Array> = []
  private readonly vacant: Array<number> = []

  constructor(private readonly evp: Evp) {}

  take(key: Uint8Array): number {
    let slot = this.vacant.pop()
    if (slot === undefined) {
      slot = this.slabs.length * SLAB_KEYS
      this.slabs.push(new Uint8Array(new ArrayBuffer(SLAB_KEYS * KEY_BYTES)))
      this.sealing = grown(this.sealing)
      this.opening = grown(this.opening)
      for (let next = slot + SLAB_KEYS - 1; next > slot; next--) this.vacant.push(next)
    }
    this.bytesOf(slot).set(key)
    return slot
  }

  copyKey(slot: number, out: Uint8Array): void {
    out.set(this.bytesOf(slot))
  }

  /** Overwrites the key, frees its contexts, and gives its slot to another one. */
  free(slot: number): void {
    this.sealing[slot] = this.release(this.sealing[slot])
    this.opening[slot] = this.release(this.opening[slot])
    this.bytesOf(slot).fill(0)
    this.vacant.push(slot)
  }

  private release(context: number): 0 {
    if (context !== 0) {
      this.evp.functions.EVP_CIPHER_CTX_free(context)
      this.evp.live--
    }
    return 0
  }

  private bytesOf(slot: number): Uint8Array {
    const start = (slot % SLAB_KEYS) * KEY_BYTES
    return this.slabs[Math.floor(slot / SLAB_KEYS)].subarray(start, start + KEY_BYTES)
  }
}

const grown = (old: Float64Array): Float64Array => {
  const larger = new Float64Array(old.length + SLAB_KEYS)
  larger.set(old)
  return larger
}

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
  readonly aes: number
  readonly chacha: number
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
  readonly keys: KeyTable
  readonly registry = new FinalizationRegistry<number>((slot) => this.keys.free(slot))

  constructor(readonly evp: Evp) {
    const { functions } = evp
    this.keys = new KeyTable(evp)
    this.run = functions.EVP_Cipher
    this.getParams = functions.EVP_CIPHER_CTX_get_params
    this.setParams = functions.EVP_CIPHER_CTX_set_params
    this.beginSealing = functions.EVP_EncryptInit_ex
    this.beginOpening = functions.EVP_DecryptInit_ex2
    this.endSealing = functions.EVP_EncryptFinal_ex
    this.endOpening = functions.EVP_DecryptFinal_ex
    this.control = functions.EVP_CIPHER_CTX_ctrl
    const fetch = (name: string): number =>
      must(`EVP_CIPHER_fetch("${name}")`, functions.EVP_CIPHER_fetch(0, evp.text(name), 0))
    this.aes = fetch("AES-256-GCM")
    this.chacha = fetch("ChaCha20-Poly1305")
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
  }

  newContext(): number {
    const context = this.evp.functions.EVP_CIPHER_CTX_new()
    if (context !== 0) this.evp.live++
    return context
  }
}
