import { FfiError } from "../FfiError.js"
import * as PinnedMemory from "../PinnedMemory.js"
import type { PinnedSlice } from "../PinnedMemory.js"
import { writeAddress } from "./address.js"
import type { CallRecord, CallSequence, CallTable } from "./callSequence.js"
import { bindAll, loadKoffi } from "./koffi.js"
import type { Koffi, NativeFunction, Signature } from "./koffi.js"
import { memoryMaps } from "./memoryMaps.js"
import { joinX64, prefetchX64 } from "./x64Code.js"

const P = "uintptr_t"

const signatures = {
  OpenSSL_version_num: ["ulong", []],
  ERR_peek_error: ["ulong", []],
  ERR_clear_error: ["void", []],
  EVP_CIPHER_fetch: [P, [P, P, P]],
  EVP_CIPHER_CTX_new: [P, []],
  EVP_CIPHER_CTX_free: ["void", [P]],
  EVP_CIPHER_CTX_ctrl: ["int", [P, "int", "int", P]],
  EVP_CIPHER_CTX_get_params: ["int", [P, P]],
  EVP_CIPHER_CTX_set_params: ["int", [P, P]],
  EVP_EncryptInit_ex: ["int", [P, P, P, P, P]],
  EVP_DecryptInit_ex2: ["int", [P, P, P, P, P]],
  EVP_EncryptFinal_ex: ["int", [P, P, P]],
  EVP_DecryptFinal_ex: ["int", [P, P, P]],
  EVP_Cipher: ["int", [P, P, P, "uint"]],
  EVP_MD_fetch: [P, [P, P, P]],
  EVP_Digest: ["int", [P, P, P, P, P, P]],
  EVP_PKEY_CTX_new: [P, [P, P]],
  EVP_PKEY_CTX_new_from_name: [P, [P, P, P]],
  EVP_PKEY_CTX_free: ["void", [P]],
  EVP_PKEY_fromdata_init: ["int", [P]],
  EVP_PKEY_fromdata: ["int", [P, P, "int", P]],
  EVP_PKEY_derive_init: ["int", [P]],
  EVP_PKEY_derive_set_peer_ex: ["int", [P, P, "int"]],
  EVP_PKEY_derive: ["int", [P, P, P]],
  EVP_PKEY_new_raw_private_key_ex: [P, [P, P, P, P, P]],
  EVP_PKEY_set1_encoded_public_key: ["int", [P, P, P]],
  EVP_PKEY_get_raw_public_key: ["int", [P, P, P]],
  EVP_PKEY_free: ["void", [P]]
} as const satisfies Record<string, Signature>

/** @internal */
export type EvpFunctions = { readonly [Name in keyof typeof signatures]: NativeFunction }

/** Arrays of up to so many bytes may lie on V8's moving heap: they are copied, not addressed. @internal */
export const SMALL_BYTES = 64

const OSSL_PARAM_BYTES = 40
const OSSL_PARAM_OCTET_STRING = 5
const PARAM_DATA = 16

/** @internal */
export type ParamEntry = readonly [name: number, data: number, bytes: number]

/** One array of `OSSL_PARAM`, whose entries are octet strings. @internal */
export class Params {
  readonly address: number
  private readonly words: Uint32Array

  constructor(
    slice: PinnedSlice,
    entries: ReadonlyArray<ParamEntry>
  ) {
    const { view } = slice
    this.address = slice.address
    this.words = new Uint32Array(slice.bytes.buffer, slice.bytes.byteOffset, slice.bytes.length / 4)
    entries.forEach(([name, data, bytes], i) => {
      const at = i * OSSL_PARAM_BYTES
      view.setBigUint64(at, BigInt(name), true)
      view.setUint32(at + 8, OSSL_PARAM_OCTET_STRING, true)
      view.setBigUint64(at + PARAM_DATA, BigInt(data), true)
      view.setBigUint64(at + 24, BigInt(bytes), true)
    })
  }

  /** Where the first entry's bytes are. */
  pointFirst(address: number): void {
    writeAddress(this.words, PARAM_DATA / 4, address)
  }
}

// The types know resizable buffers from ES2024 on.
const isResizable = (buffer: ArrayBufferLike): boolean =>
  Reflect.get(buffer, "resizable") === true || Reflect.get(buffer, "growable") === true

const MEMORY_BYTES = 8192
const CACHED_ARRAYS = 4

/**
 * OpenSSL's functions and the memory that they are called with. All calls are synchronous, so that one of each slot is
 * enough; what was secret in a slot is overwritten before a call returns.
 *
 * @internal
 */
export class Evp {
  /** The number of cipher contexts that were made and not freed. */
  live = 0
  private readonly memory: PinnedMemory.PinnedMemory
  private readonly arrays: Array<Uint8Array> = []
  private readonly addresses: Array<number> = []
  private replaced = 0
  /** Of all arrays that were asked for, where the last few are others: many transports in a thread have many. */
  private readonly known = new WeakMap<Uint8Array, number>()

  constructor(
    private readonly koffi: Koffi,
    readonly functions: EvpFunctions,
    /** Whether calls may be joined by machine code. */
    private readonly joins: boolean
  ) {
    this.memory = PinnedMemory.make(MEMORY_BYTES)
  }

  slice(bytes: number): PinnedSlice {
    return this.memory.slice(bytes)
  }

  /** The address of a text that ends in a zero byte. */
  text(text: string): number {
    const slice = this.memory.slice(text.length + 1)
    for (let i = 0; i < text.length; i++) slice.bytes[i] = text.charCodeAt(i)
    return slice.address
  }

  params(...entries: ReadonlyArray<ParamEntry>): Params {
    // the entry after the last stays zero: it ends the array
    return new Params(this.memory.slice((entries.length + 1) * OSSL_PARAM_BYTES), entries)
  }

  /** The address of the first byte of an array of more than 64 bytes; 0 when its memory went elsewhere. */
  addressOf(array: Uint8Array): number {
    // The buffer is asked, because of a fault of V8 11: code that was optimized after it saw arrays over resizable
    // buffers goes on giving the length of an array whose buffer was detached.
    return array.byteOffset + array.length <= array.buffer.byteLength ? Number(this.koffi.address(array)) : 0
  }

  /**
   * `addressOf` for the arrays that a packet path goes on about; the last few are at hand. An array's memory stays where
   * it is for as long as the array does; when it is detached nevertheless, the array has no length. 0 for an array that
   * has to be looked at each time: a small one, one over a resizable buffer, one whose memory went elsewhere.
   */
  cachedAddressOf(array: Uint8Array): number {
    const { arrays } = this
    for (let i = 0; i < arrays.length; i++) if (arrays[i] === array) return this.addresses[i]
    return this.remember(array)
  }

  private remember(array: Uint8Array): number {
    const address = this.known.get(array) ?? this.learn(array)
    if (address === 0) return 0
    const at = this.replaced
    this.replaced = (at + 1) % CACHED_ARRAYS
    this.arrays[at] = array
    this.addresses[at] = address
    return address
  }

  private learn(array: Uint8Array): number {
    if (array.length <= SMALL_BYTES || isResizable(array.buffer)) return 0
    const address = this.addressOf(array)
    if (address !== 0) this.known.set(array, address)
    return address
  }

  /** Sequences of calls as one native call each, where that can be. */
  join<Sequences extends string>(
    record: CallRecord,
    table: CallTable<keyof EvpFunctions, Sequences>
  ): { readonly [Name in Sequences]: CallSequence } | undefined {
    return this.joins ? joinX64(this.koffi, memoryMaps(this.koffi), record, table) : undefined
  }

  /** See `prefetchX64`; `undefined` where no calls are joined either. */
  prefetch(list: number, lines: readonly [number, number]): CallSequence | undefined {
    return this.joins ? prefetchX64(this.koffi, memoryMaps(this.koffi), list, lines) : undefined
  }

  /** The 64 bits at an address, which must be one of ours. */
  wordAt(address: number): number {
    return Number(this.koffi.decode(address, "uint64_t"))
  }

  /** A fresh cipher context; 0 when there is none to be had. */
  newContext(): number {
    const context = this.functions.EVP_CIPHER_CTX_new()
    if (context !== 0) this.live++
    return context
  }

  /** Frees a cipher context, which OpenSSL overwrites. */
  freeContext(context: number): void {
    this.functions.EVP_CIPHER_CTX_free(context)
    this.live--
  }

  /** OpenSSL's queue of errors is Node's too: what a refused call left in it must not be taken for Node's own. */
  clearErrors(): void {
    if (this.functions.ERR_peek_error() !== 0) this.functions.ERR_clear_error()
  }
}

/** @internal */
export const bindEvp = (joins: boolean): Evp | FfiError => {
  const koffi = loadKoffi()
  if (koffi instanceof FfiError) return koffi
  const functions = bindAll(koffi, signatures)
  return functions instanceof FfiError ? functions : new Evp(koffi, functions, joins)
}

/** What OpenSSL must have answered with, 1 or an address. Throws otherwise: only set-up uses it. @internal */
export const must = (call: string, answer: number): number => {
  if (answer > 0) return answer
  throw new FfiError({ reason: "SelfTestFailed", detail: `${call} answered ${answer}` })
}
