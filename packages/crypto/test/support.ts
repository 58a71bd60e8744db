import { FastCheck } from "effect"
import type { AeadAlgorithm, CryptoBackend } from "../src/index.js"
import { noble, node } from "../src/index.js"

export const backends: ReadonlyArray<CryptoBackend> = [noble, node]

export const aeadAlgorithms: ReadonlyArray<AeadAlgorithm> = ["AES-256-GCM", "ChaCha20-Poly1305"]

export const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s+/g, ""), "hex"))

export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

export const ascii = (text: string): Uint8Array => new TextEncoder().encode(text)

export const bytes = (maxLength: number, minLength = 0): FastCheck.Arbitrary<Uint8Array> =>
  FastCheck.uint8Array({ minLength, maxLength })

/** A view that starts at any of eight alignments of a larger buffer, with `slack` bytes of the view behind `length`. */
export const view = (length: number, offset: number, slack = 0): Uint8Array =>
  new Uint8Array(new ArrayBuffer(offset + length + slack + 8), offset, length + slack)

export const unaligned = (source: Uint8Array, offset: number): Uint8Array => {
  const copy = view(source.length, offset)
  copy.set(source)
  return copy
}

export const flip = (source: Uint8Array, bit: number): Uint8Array => {
  const copy = source.slice()
  copy[bit >> 3] ^= 1 << (bit & 7)
  return copy
}

export const reasonOf = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    return (error as { readonly reason?: string }).reason ?? String(error)
  }
  return "no error"
}
