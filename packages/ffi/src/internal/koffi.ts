import type * as KoffiModule from "koffi"
import { createRequire } from "node:module"
import { FfiError } from "../FfiError.js"

/** Koffi's module, as far as it is used here. */
export type Koffi = typeof KoffiModule

/** A native function: numbers and addresses in, a number out. */
export type NativeFunction = (...args: ReadonlyArray<number>) => number

let loaded: Koffi | FfiError | undefined

/**
 * Koffi, or why there is none. It is looked for once in a process and never at import time: nobody who does not ask for
 * native calls pays for them.
 *
 * @internal
 */
export const loadKoffi = (): Koffi | FfiError => {
  loaded ??= load()
  return loaded
}

const load = (): Koffi | FfiError => {
  const platform = `${process.platform} ${process.arch}`
  if (platform !== "linux x64" && platform !== "linux arm64") {
    return new FfiError({ reason: "PlatformUnsupported", detail: platform })
  }
  try {
    return createRequire(import.meta.url)("koffi") as Koffi
  } catch (cause) {
    return new FfiError({
      reason: "KoffiMissing",
      detail: cause instanceof Error ? cause.message.split("\n")[0] : String(cause),
      cause
    })
  }
}

/** One function that is wanted: what it returns and takes, in C's words. */
export type Signature = readonly [returns: string, takes: ReadonlyArray<string>]

/**
 * The functions of the running program and its C library, by name. An address is a `uintptr_t`, a plain number here.
 *
 * @internal
 */
export const bindAll = <Names extends string>(
  koffi: Koffi,
  signatures: { readonly [Name in Names]: Signature }
): { readonly [Name in Names]: NativeFunction } | FfiError => {
  const functions: Partial<Record<Names, NativeFunction>> = {}
  const program = koffi.load(null)
  for (const name of Object.keys(signatures) as Array<Names>) {
    const [returns, takes] = signatures[name]
    try {
      functions[name] = program.func(name, returns, [...takes]) as NativeFunction
    } catch (cause) {
      return new FfiError({ reason: "SymbolMissing", detail: name, cause })
    }
  }
  return functions as { readonly [Name in Names]: NativeFunction }
}
