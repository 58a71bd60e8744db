/**
 * Native calls: the one package that knows addresses.
 *
 * @since 0.1.0
 */
export * from "./FfiError.js"
export * as LinuxSocket from "./LinuxSocket.js"
export * as OpenSsl from "./OpenSsl.js"
export * as PinnedMemory from "./PinnedMemory.js"
