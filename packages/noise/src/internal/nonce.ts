import type { CipherName } from "../ProtocolName.js"

/** Writes the 96-bit AEAD nonce of the 64-bit counter hi * 2^32 + lo (section 12.3, 12.4). */
export const writeNonce = (out: Uint8Array, cipher: CipherName, hi: number, lo: number): void => {
  if (cipher === "AESGCM") {
    for (let i = 0; i < 4; i++) {
      out[4 + i] = hi >>> (24 - 8 * i)
      out[8 + i] = lo >>> (24 - 8 * i)
    }
  } else {
    for (let i = 0; i < 4; i++) {
      out[4 + i] = lo >>> (8 * i)
      out[8 + i] = hi >>> (8 * i)
    }
  }
}

export const aeadOf = { AESGCM: "AES-256-GCM", ChaChaPoly: "ChaCha20-Poly1305" } as const
