import { noble, node, openSsl } from "@intentra/crypto"
import type { CryptoBackend } from "@intentra/crypto"
import { FfiError } from "@intentra/ffi"

/** Every library of primitives that this machine has, the fastest last. */
export const backends = (): ReadonlyArray<CryptoBackend> => {
  const native = openSsl()
  return native instanceof FfiError ? [noble, node] : [noble, node, native]
}

/** By its name. */
export const backend = (name: string): CryptoBackend => {
  const found = backends().find((it) => it.name === name)
  if (found === undefined) throw new Error(`this machine has no ${name}`)
  return found
}
