import { FastCheck } from "effect"
import type { AeadAlgorithm, CryptoBackend } from "../src/index.js"
import { noble, node, openSsl } from "../src/index.js"

const native = openSsl()

// A machine may have no koffi; one that has it must pass the self-test.
if ("reason" in native && native.reason === "SelfTestFailed") throw native
if ("reason" in native) process.stdout.write(`the OpenSSL backend is skipped: ${native.message}\n`)

/** Every backend that this machine has; noble, the reference, is the first. */
export const backends: ReadonlyArray<CryptoBackend> = "aead" in native ? [noble, node, native] : [noble, node]

export const aeadAlgorithms: ReadonlyArray<AeadAlgorithm> = ["AES-256-GCM", "ChaCha20-Poly1305"]

export const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s+/g, ""), "hex"))

export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

export const ascii = (text: string): Uint8Array => new TextEncoder().encode(text)

// Without a size FastCheck draws lengths of about ten at most, whatever the greatest is.
export const bytes = (maxLength: number, minLength = 0): FastCheck.Arbitrary<Uint8Array> =>
  FastCheck.uint8Array({ minLength, maxLength, size: "max" })

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

/** What may be where a plaintext would have been, had its packet been opened. */
export const untouchedOrZeros = (after: Uint8Array, before: Uint8Array): boolean =>
  after.every((byte) => byte === 0) || after.every((byte, i) => byte === before[i])

export const reasonOf = (run: () => unknown): string => {
  try {
    run()
  } catch (error) {
    return (error as { readonly reason?: string }).reason ?? String(error)
  }
  return "no error"
}
