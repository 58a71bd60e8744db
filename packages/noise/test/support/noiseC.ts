import { readFileSync } from "node:fs"
import { createRequire } from "node:module"

/** The part of noise-c.wasm (the C implementation of R. Weatherley) that the tests use. A state frees itself on error. */
export interface NoiseC {
  readonly constants: { readonly NOISE_ROLE_INITIATOR: number; readonly NOISE_ROLE_RESPONDER: number }
  readonly HandshakeState: new(protocolName: string, role: number) => NoiseCHandshake
}

export interface NoiseCHandshake {
  Initialize(
    prologue: Uint8Array | null,
    s: Uint8Array | null,
    rs: Uint8Array | null,
    psk: Uint8Array | null
  ): void
  WriteMessage(payload: Uint8Array | null): Uint8Array
  ReadMessage(message: Uint8Array, payloadNeeded: true): Uint8Array
  GetHandshakeHash(): Uint8Array
  GetRemotePublicKey(): Uint8Array | null
  Split(): [NoiseCCipher, NoiseCCipher]
}

export interface NoiseCCipher {
  EncryptWithAd(ad: Uint8Array, plaintext: Uint8Array): Uint8Array
  DecryptWithAd(ad: Uint8Array, ciphertext: Uint8Array): Uint8Array
  free(): void
}

type Create = (options: { readonly wasmBinary: Uint8Array }, callback: (noise: NoiseC) => void) => void

const require = createRequire(import.meta.url)

// The emscripten module installs handlers that end the process on any later rejection.
const withoutHandlers = <A>(run: () => A): A => {
  const before = {
    uncaughtException: process.listeners("uncaughtException"),
    unhandledRejection: process.listeners("unhandledRejection")
  }
  const out = run()
  for (const listener of process.listeners("uncaughtException")) {
    if (!before.uncaughtException.includes(listener)) process.removeListener("uncaughtException", listener)
  }
  for (const listener of process.listeners("unhandledRejection")) {
    if (!before.unhandledRejection.includes(listener)) process.removeListener("unhandledRejection", listener)
  }
  return out
}

export const load = (): Promise<NoiseC> => {
  const create: Create = require("noise-c.wasm")
  const wasmBinary = new Uint8Array(readFileSync(require.resolve("noise-c.wasm/src/noise-c.wasm")))
  return new Promise((resolve) => withoutHandlers(() => create({ wasmBinary }, resolve)))
}
