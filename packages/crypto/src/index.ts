/**
 * AEAD, X25519, hashes, MAC, HKDF and entropy as Effect services, with synchronous methods.
 *
 * @since 0.1.0
 */
export * from "./Aead.js"
export * from "./Best.js"
export * from "./CryptoBackend.js"
export * from "./CryptoError.js"
export * from "./Entropy.js"
export * from "./Hash.js"
export * from "./Hkdf.js"
export * from "./Mac.js"
export * from "./Noble.js"
export * from "./Node.js"
export * from "./OpenSsl.js"
export * from "./X25519.js"
