/**
 * The Noise Protocol Framework, revision 34, over X25519.
 *
 * @since 0.1.0
 */
export { CipherState, MAX_MESSAGE_BYTES } from "./CipherState.js"
export { make, unsafeMake } from "./HandshakeState.js"
export type { HandshakeOptions, HandshakeState } from "./HandshakeState.js"
export { NoiseError } from "./NoiseError.js"
export type { NoiseErrorReason } from "./NoiseError.js"
export * as Pattern from "./Pattern.js"
export type { PatternName, Role } from "./Pattern.js"
export * as ProtocolName from "./ProtocolName.js"
export type { CipherName } from "./ProtocolName.js"
