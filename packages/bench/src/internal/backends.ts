import { noble, node, openSsl } from "@intentra/crypto"
import type { CryptoBackend } from "@intentra/crypto"
import { FfiError } from "@intentra/ffi"

/** Every library of primitives that this machine has, the fastest last. */
export const backends = (): ReadonlyArray<CryptoBackend> => {
  const native = openSsl()
  return native instanceof FfiError ? [noble, node] : [noble, node, native]
}

/** Whether packets are sealed without node:crypto or JavaScript between, as far as it can be known. */
export const isNative = (): boolean => {
  const chosen = process.env.INTENTRA_CRYPTO
  return chosen !== "node" && chosen !== "noble" && !(openSsl() instanceof FfiError)
}

/** By its name. */
export const backend = (name: string): CryptoBackend => {
  const found = backends().find((it) => it.name === name)
  if (found === undefined) throw new Error(`this machine has no ${name}`)
  return found
}
