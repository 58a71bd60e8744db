import type { CipherAlgorithm } from "../OpenSsl.js"
import type { AeadCiphers } from "./aeadCiphers.js"
import { CipherContexts, grown } from "./cipherContexts.js"

/** @internal */
export const KEY_BYTES = 32

/** @internal */
export const NONCE_BYTES = 12

/** @internal */
export const TAG_BYTES = 16

/** Of EVP_CIPHER_CTX_ctrl (openssl/evp.h). @internal */
export const EVP_CTRL_GCM_SET_IV_FIXED = 0x12

const SLAB_KEYS = 128

/** Not in any state: no counter is. @internal */
export const NOWHERE = -1

/**
 * Raw keys of one algorithm, side by side in memory outside V8's heap, where the collector leaves no copies, and their
 * contexts. They are apart from the keys' objects: so they can be freed when a key was collected, and thousands of keys
 * that take turns have what each packet needs in few cache lines.
 *
 * @internal
 */
export class KeyTable {
  /** AES-256-GCM, whose nonces OpenSSL can count. */
  readonly counts: boolean
  readonly sealing: CipherContexts
  readonly opening: CipherContexts
  /** The counter whose nonce is set for sealing in a slot's context, if any. */
  prepared: Float64Array = new Float64Array(0)
  readonly registry = new FinalizationRegistry<number>((slot) => this.free(slot))
  private readonly slabs: Array<Uint8Array> = []
  private readonly vacant: Array<number> = []

  constructor(readonly shared: AeadCiphers, readonly algorithm: CipherAlgorithm, private readonly cipher: number) {
    this.counts = algorithm === "AES-256-GCM"
    this.sealing = new CipherContexts(
      shared.evp,
      shared.prefetcher,
      (context, isNew, slot) => this.giveKey(slot, (key) => this.beginSealing(context, isNew, key)),
      (slot) => {
        this.prepared[slot] = NOWHERE
      }
    )
    this.opening = new CipherContexts(
      shared.evp,
      shared.prefetcher,
      (context, isNew, slot) => this.giveKey(slot, (key) => this.beginOpening(context, isNew, key)),
      () => {}
    )
  }

  take(key: Uint8Array): number {
    let slot = this.vacant.pop()
    if (slot === undefined) {
      slot = this.slabs.length * SLAB_KEYS
      this.slabs.push(new Uint8Array(new ArrayBuffer(SLAB_KEYS * KEY_BYTES)))
      const slots = slot + SLAB_KEYS
      this.sealing.grow(slots)
      this.opening.grow(slots)
      this.prepared = grown(this.prepared, new Float64Array(slots))
      for (let next = slots - 1; next > slot; next--) this.vacant.push(next)
    }
    this.bytesOf(slot).set(key)
    this.prepared[slot] = NOWHERE
    return slot
  }

  /** Overwrites the key, frees its contexts, and gives its slot to another one. */
  free(slot: number): void {
    this.sealing.free(slot)
    this.opening.free(slot)
    this.bytesOf(slot).fill(0)
    this.vacant.push(slot)
  }

  /** Lends the slot's key, as an address, to one call. */
  private giveKey(slot: number, call: (key: number) => boolean): boolean {
    const { evp, key } = this.shared
    key.bytes.set(this.bytesOf(slot))
    const done = call(key.address)
    key.bytes.fill(0)
    if (!done) evp.clearErrors()
    return done
  }

  private beginSealing(context: number, isNew: boolean, key: number): boolean {
    return this.shared.evp.functions.EVP_EncryptInit_ex(context, isNew ? this.cipher : 0, 0, key, 0) === 1
  }

  private beginOpening(context: number, isNew: boolean, key: number): boolean {
    const { evp: { functions }, nonce } = this.shared
    if (functions.EVP_DecryptInit_ex2(context, isNew ? this.cipher : 0, key, 0, 0) !== 1) return false
    // no nonce can be given as a parameter before one was fixed; this one is never used
    return !this.counts || !isNew ||
      functions.EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_IV_FIXED, -1, nonce.address) === 1
  }

  private bytesOf(slot: number): Uint8Array {
    const start = (slot % SLAB_KEYS) * KEY_BYTES
    return this.slabs[Math.floor(slot / SLAB_KEYS)].subarray(start, start + KEY_BYTES)
  }
}
