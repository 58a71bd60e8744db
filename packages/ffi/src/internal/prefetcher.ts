import type { PinnedSlice } from "../PinnedMemory.js"
import { writeAddress } from "./address.js"
import type { CallSequence } from "./callSequence.js"
import type { Evp } from "./evp.js"

/** As many contexts as the first-level cache holds at once. */
const MOST = 16

/** What an EVP_CIPHER_CTX takes, and what is behind it of AES-256-GCM and ChaCha20-Poly1305: 184, 968 and 856 bytes. */
const CONTEXT_BYTES = 184
const LINES = [3, 16] as const

/** Addresses of programs have 47 bits, and of the first 64 KiB there are none. */
const isAddress = (word: number): boolean => word >= 2 ** 16 && word < 2 ** 47 && word % 16 === 0

/**
 * Where a context keeps the address of what is behind it, which OpenSSL tells nobody: the one word that looks like an
 * address and is another in each of two contexts of the same cipher and key. -1 when there is none, or several.
 */
const findInner = (evp: Evp, cipher: number): number => {
  const key = evp.slice(32).address
  const contexts = [evp.newContext(), evp.newContext()]
  try {
    const words = contexts.map((context) =>
      context !== 0 && evp.functions.EVP_EncryptInit_ex(context, cipher, 0, key, 0) === 1
        ? Array.from({ length: CONTEXT_BYTES / 8 }, (_, i) => evp.wordAt(context + 8 * i))
        : []
    )
    const found = words[0].flatMap((word, i) =>
      isAddress(word) && isAddress(words[1][i] ?? 0) && word !== words[1][i] ? [8 * i] : []
    )
    return found.length === 1 ? found[0] : -1
  } finally {
    for (const context of contexts) if (context !== 0) evp.freeContext(context)
    evp.clearErrors()
  }
}

/**
 * Brings contexts into the processor's caches before packets want them: with thousands of keys that take turns, each of
 * their twenty cache lines is a wait of its own otherwise. It only ever asks for lines; where it asks for wrong ones,
 * nothing is lost but time.
 *
 * @internal
 */
export class Prefetcher {
  private readonly words: Uint32Array
  private count = 0

  private constructor(
    private readonly evp: Evp,
    private readonly inner: number,
    list: PinnedSlice,
    private readonly fetch: CallSequence
  ) {
    this.words = new Uint32Array(list.bytes.buffer, list.bytes.byteOffset, list.bytes.length / 4)
  }

  /** `undefined` where there is no machine code, and where OpenSSL's contexts are not as they are known. */
  static make(evp: Evp, cipher: number): Prefetcher | undefined {
    const list = evp.slice(8 + 16 * MOST)
    const fetch = evp.prefetch(list.address, LINES)
    const inner = fetch === undefined ? -1 : findInner(evp, cipher)
    return fetch === undefined || inner < 0 ? undefined : new Prefetcher(evp, inner, list, fetch)
  }

  /** The address of what is behind a context. */
  innerOf(context: number): number {
    return this.evp.wordAt(context + this.inner)
  }

  /** A context that will soon be used, and what is behind it. */
  add(context: number, inner: number): void {
    const at = 2 + 4 * this.count
    writeAddress(this.words, at, context)
    writeAddress(this.words, at + 2, inner)
    if (++this.count === MOST) this.run()
  }

  /** Asks for all that were added. */
  run(): void {
    if (this.count === 0) return
    this.words[0] = this.count
    this.count = 0
    this.fetch()
  }
}
