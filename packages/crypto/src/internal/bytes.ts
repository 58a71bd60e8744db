import { CryptoError } from "../CryptoError.js"

/** @internal A copy outside V8's heap: small arrays inside it are moved by the collector, which leaves stale copies. */
export const copySecret = (bytes: Uint8Array): Uint8Array => {
  const copy = new Uint8Array(new ArrayBuffer(bytes.length))
  copy.set(bytes)
  return copy
}

/** @internal */
export const requireKeyLength = (operation: string, key: Uint8Array, expected: number): void => {
  if (key.length !== expected) {
    throw new CryptoError({ reason: "KeyLength", operation, expected, actual: key.length })
  }
}

/** Whether the number is a whole one from 0 to 2^32 - 1: what an offset or a length can be. @internal */
export const isUint32 = (value: number): boolean => value >>> 0 === value
