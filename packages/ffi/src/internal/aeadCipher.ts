import type { CipherAlgorithm } from "../OpenSsl.js"
import type { PinnedSlice } from "../PinnedMemory.js"
import type { AeadCiphers } from "./aeadCiphers.js"
import { EVP_CTRL_GCM_SET_IV_FIXED, KEY_BYTES, NONCE_BYTES, NOWHERE, TAG_BYTES } from "./cipherKeys.js"
import type { KeyTable } from "./cipherKeys.js"
import { SMALL_BYTES } from "./evp.js"
import type { Prefetcher } from "./prefetcher.js"

const TWO_32 = 4294967296
// A native length is a C int here and there.
const MOST_BYTES = 0x7fffffff

/** Fewer contexts than that stay in the caches by themselves. */
const FEW_CONTEXTS = 1024

const isUint32 = (value: number): boolean => value >>> 0 === value

const isCounter = (value: number): boolean => Number.isSafeInteger(value) && value >= 0

/**
 * One key over EVP. A key that is in use has a context for each direction that it is used in, so that the key schedule is
 * made once. AES-256-GCM in the order of counters lets OpenSSL count: the parameter that takes a packet's tag also steps
 * to the next nonce (SP 800-38D, section 8.2.1; `tlsivgen` of EVP_CIPHER-AES(7)), a call less than setting it. Whether
 * it stepped to the nonce that is meant is read back each time, so that no nonce is used on trust.
 *
 * @internal
 */
export class EvpAeadCipher {
  private readonly keys: KeyTable
  /** Where its key and contexts stand; -1 after destroy. */
  private slot: number

  constructor(shared: AeadCiphers, algorithm: CipherAlgorithm, key: Uint8Array) {
    if (key.length !== KEY_BYTES) throw new RangeError(`the key has ${key.length} bytes, not ${KEY_BYTES}`)
    this.keys = shared.keys[algorithm]
    this.slot = this.keys.take(key)
    this.keys.registry.register(this, this.slot, this)
  }

  /** See `OpenSsl.prefetch`. What is no key of this kind is left out. */
  static prefetch(keys: ReadonlyArray<unknown>, count: number, sealing: boolean): void {
    let prefetcher: Prefetcher | undefined
    for (let i = 0; i < count; i++) {
      const key = keys[i]
      if (!(key instanceof EvpAeadCipher) || key.slot < 0) continue
      const contexts = sealing ? key.keys.sealing : key.keys.opening
      if (contexts.count < FEW_CONTEXTS) continue
      const context = contexts.addresses[key.slot]
      if (context === 0) continue
      prefetcher = key.keys.shared.prefetcher
      prefetcher?.add(context, contexts.inners[key.slot])
    }
    prefetcher?.run()
  }

  get algorithm(): CipherAlgorithm {
    return this.keys.algorithm
  }

  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array): number {
    try {
      return this.sealArrays(nonce, aad, plaintext, out)
    } catch {
      return this.gone()
    }
  }

  open(nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array, out: Uint8Array): number {
    try {
      return this.openArrays(nonce, aad, ciphertext, out)
    } catch {
      return this.gone()
    }
  }

  sealPacket(arena: Uint8Array, offset: number, aadLength: number, plaintextLength: number, counter: number): number {
    if (!isCounter(counter) || !isUint32(offset) || !isUint32(aadLength) || !isUint32(plaintextLength)) return -1
    const length = aadLength + plaintextLength + TAG_BYTES
    if (length > MOST_BYTES) return -1
    const { keys, slot } = this
    if (slot < 0) return -1
    const base = keys.shared.evp.cachedAddressOf(arena)
    if (base === 0) {
      try {
        return this.sealElsewhere(arena, offset, aadLength, plaintextLength, counter)
      } catch {
        return this.gone()
      }
    }
    if (offset + length > arena.length) return -1
    if (counter !== keys.prepared[slot]) this.writeNonce(counter)
    const start = base + offset
    const body = start + aadLength
    return this.sealAt(start, aadLength, body, plaintextLength, body, counter) ? length : -1
  }

  openPacket(
    arena: Uint8Array,
    offset: number,
    aadLength: number,
    length: number,
    counter: number,
    out: Uint8Array,
    outOffset: number
  ): number {
    if (!isCounter(counter) || !isUint32(offset) || !isUint32(aadLength) || !isUint32(outOffset)) return -1
    const plaintextLength = length - aadLength - TAG_BYTES
    if (!isUint32(plaintextLength) || length > MOST_BYTES) return -1
    this.writeNonce(counter)
    const { evp } = this.keys.shared
    const base = evp.cachedAddressOf(arena)
    const outBase = evp.cachedAddressOf(out)
    if (base === 0 || outBase === 0) {
      try {
        return this.openElsewhere(arena, offset, aadLength, plaintextLength, out, outOffset)
      } catch {
        return this.gone()
      }
    }
    if (offset + length > arena.length || outOffset + plaintextLength > out.length) return -1
    const start = base + offset
    const source = start + aadLength
    const target = outBase + outOffset
    if (target !== source && target < source + plaintextLength && source < target + plaintextLength) return -1
    if (this.openAt(start, aadLength, source, plaintextLength, target)) return plaintextLength
    if (this.slot >= 0) out.fill(0, outOffset, outOffset + plaintextLength)
    return -1
  }

  destroy(): void {
    if (this.slot < 0) return
    this.keys.registry.unregister(this)
    this.keys.free(this.slot)
    this.slot = -1
  }

  private sealArrays(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array, out: Uint8Array): number {
    const { length } = plaintext
    const sealedLength = length + TAG_BYTES
    if (nonce.length !== NONCE_BYTES || out.length < sealedLength) return -1
    if (sealedLength > MOST_BYTES || aad.length > MOST_BYTES) return -1
    const { shared } = this.keys
    const small = out.length <= SMALL_BYTES
    shared.nonce.bytes.set(nonce)
    const target = small ? shared.output.address : shared.evp.addressOf(out)
    const source = this.address(plaintext, shared.input)
    const aadAt = this.address(aad, shared.aad)
    const sealed = target !== 0 && source !== 0 && aadAt !== 0 &&
      this.sealAt(aadAt, aad.length, source, length, target, NOWHERE)
    if (sealed && small) out.set(shared.output.bytes.subarray(0, sealedLength))
    this.wipe(length)
    return sealed ? sealedLength : -1
  }

  private openArrays(nonce: Uint8Array, aad: Uint8Array, ciphertext: Uint8Array, out: Uint8Array): number {
    const length = ciphertext.length - TAG_BYTES
    if (nonce.length !== NONCE_BYTES || length < 0 || out.length < length) return -1
    if (ciphertext.length > MOST_BYTES || aad.length > MOST_BYTES) return -1
    const { shared } = this.keys
    shared.nonce.bytes.set(nonce)
    const aadAt = this.address(aad, shared.aad)
    const source = this.address(ciphertext, shared.input)
    return this.openInto(aadAt, aad.length, source, length, out, 0)
  }

  private sealElsewhere(
    arena: Uint8Array,
    offset: number,
    aadLength: number,
    plaintextLength: number,
    counter: number
  ): number {
    const length = aadLength + plaintextLength + TAG_BYTES
    if (offset + length > arena.length) return -1
    const { input } = this.keys.shared
    const base = this.address(arena, input)
    if (base === 0) return -1
    this.writeNonce(counter)
    const start = base + offset
    const body = start + aadLength
    const sealed = this.sealAt(start, aadLength, body, plaintextLength, body, counter)
    if (sealed && base === input.address) arena.set(input.bytes.subarray(offset, offset + length), offset)
    this.wipe(plaintextLength)
    return sealed ? length : -1
  }

  private openElsewhere(
    arena: Uint8Array,
    offset: number,
    aadLength: number,
    plaintextLength: number,
    out: Uint8Array,
    outOffset: number
  ): number {
    const begin = offset + aadLength
    if (begin + plaintextLength + TAG_BYTES > arena.length || outOffset + plaintextLength > out.length) return -1
    const distance = out.buffer === arena.buffer ? out.byteOffset + outOffset - arena.byteOffset - begin : 0
    if (distance !== 0 && Math.abs(distance) < plaintextLength) return -1
    const base = this.address(arena, this.keys.shared.input)
    if (base === 0) return -1
    return this.openInto(base + offset, aadLength, base + begin, plaintextLength, out, outOffset)
  }

  private openInto(
    aad: number,
    aadLength: number,
    source: number,
    length: number,
    out: Uint8Array,
    outOffset: number
  ): number {
    const { evp, output } = this.keys.shared
    const small = out.length <= SMALL_BYTES
    const base = small ? output.address : evp.addressOf(out)
    if (aad === 0 || source === 0 || base === 0 || this.slot < 0) return -1
    const opened = this.openAt(aad, aadLength, source, length, small ? base : base + outOffset)
    if (opened && small) out.set(output.bytes.subarray(0, length), outOffset)
    else if (!opened && !small) out.fill(0, outOffset, outOffset + length)
    this.wipe(length)
    return opened ? length : -1
  }

  /** An array's memory went elsewhere between its length and its bytes: see `isWithin`. */
  private gone(): -1 {
    this.wipe(0)
    return -1
  }

  private address(array: Uint8Array, slot: PinnedSlice): number {
    if (array.length > SMALL_BYTES) return this.keys.shared.evp.addressOf(array)
    slot.bytes.set(array)
    return slot.address
  }

  /** What lay in the slots, if it was small enough to. */
  private wipe(plaintextLength: number): void {
    if (plaintextLength > SMALL_BYTES) return
    const { input, output } = this.keys.shared
    input.bytes.fill(0)
    output.bytes.fill(0)
  }

  /** Noise's nonce of a counter: four zeros, then 64 bits, big-endian for AES-256-GCM, little-endian otherwise. */
  private writeNonce(counter: number): void {
    const { counts, shared } = this.keys
    const { view } = shared.nonce
    const high = Math.floor(counter / TWO_32)
    view.setUint32(0, 0)
    if (counts) {
      view.setUint32(4, high)
      view.setUint32(8, counter)
    } else {
      view.setUint32(4, counter, true)
      view.setUint32(8, high, true)
    }
  }

  /** Seals under the counter's nonce, or under the one in the slot for no counter. The tag goes behind the target. */
  private sealAt(
    aad: number,
    aadLength: number,
    source: number,
    length: number,
    target: number,
    counter: number
  ): boolean {
    const { keys, slot } = this
    if (slot < 0) return false
    const { prepared, sealing, shared } = keys
    const made = sealing.addresses[slot]
    const context = made === 0 ? sealing.make(slot) : made
    if (context === 0) return false
    sealing.used[slot] = 1
    const current = prepared[slot]
    prepared[slot] = NOWHERE
    if (!keys.counts || counter === NOWHERE) {
      if (shared.calls.seal(false, context, aad, aadLength, source, length, target)) return true
    } else if (
      (counter === current || this.moveTo(context, counter)) &&
      shared.calls.seal(true, context, aad, aadLength, source, length, target)
    ) {
      if (this.isNext(counter + 1)) prepared[slot] = counter + 1
      return true
    }
    shared.evp.clearErrors()
    return false
  }

  /** Opens under the nonce in the slot. The tag lies behind the source; a refused packet leaves anything in the target. */
  private openAt(aad: number, aadLength: number, source: number, length: number, target: number): boolean {
    const { keys, slot } = this
    if (slot < 0) return false
    const { opening, shared } = keys
    const made = opening.addresses[slot]
    const context = made === 0 ? opening.make(slot) : made
    if (context === 0) return false
    opening.used[slot] = 1
    const opened = shared.calls.open(keys.counts, context, aad, aadLength, source, length, target)
    if (!opened) shared.evp.clearErrors()
    return opened
  }

  /** Sets the nonce in the slot as the next, by the way that lets OpenSSL count on from it. */
  private moveTo(context: number, counter: number): boolean {
    const { evp: { functions }, nonce, step } = this.keys.shared
    return functions.EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_IV_FIXED, -1, nonce.address) === 1 &&
      functions.EVP_CIPHER_CTX_get_params(context, step.address) === 1 && this.isNext(counter)
  }

  private isNext(counter: number): boolean {
    const { view } = this.keys.shared.next
    return view.getUint32(0) === Math.floor(counter / TWO_32) && view.getUint32(4) === counter >>> 0
  }
}
