/**
 * The HandshakeState of the Noise Protocol Framework (section 5.3): pure, synchronous, transactional.
 *
 * @since 0.1.0
 */
import { KEY_BYTES, node } from "@intentra/crypto"
import type { CryptoBackend } from "@intentra/crypto"
import * as Effect from "effect/Effect"
import { randomFillSync } from "node:crypto"
import type { CipherState } from "./CipherState.js"
import { Handshake } from "./internal/handshake.js"
import { SymmetricState } from "./internal/symmetricState.js"
import { NoiseError } from "./NoiseError.js"
import type { Role } from "./Pattern.js"
import type { Protocol } from "./ProtocolName.js"
import * as ProtocolName from "./ProtocolName.js"

/**
 * What a handshake begins with. Keys are raw 32-byte arrays; every array is copied.
 *
 * @since 0.1.0
 * @category models
 */
export interface HandshakeOptions {
  /** `Noise_{pattern}{psk modifiers}_25519_{AESGCM|ChaChaPoly}_{SHA256|SHA512|BLAKE2s|BLAKE2b}` */
  readonly protocolName: string
  readonly role: Role
  /** Bytes that both parties must agree on, of any length. Absent is the same as empty. */
  readonly prologue?: Uint8Array | undefined
  /** The local static secret key. Ignored where the pattern gives this role no static key. */
  readonly staticKey?: Uint8Array | undefined
  /**
   * The public key of `staticKey`, for whoever begins many handshakes: a multiplication less for each. It is not
   * checked against it (that is the multiplication): with another one no handshake gets beyond the message that
   * proves it. Default: computed.
   */
  readonly staticPublicKey?: Uint8Array | undefined
  /** A fixed ephemeral secret key, for known-answer tests only: one used twice gives the session away. */
  readonly ephemeralKey?: Uint8Array | undefined
  /** The remote static public key, where the pattern has it as a pre-message, and only there. */
  readonly remoteStatic?: Uint8Array | undefined
  /** One pre-shared key per psk modifier, in the order of the modifiers. */
  readonly psks?: ReadonlyArray<Uint8Array> | undefined
  /** The primitives. Default: node:crypto. */
  readonly crypto?: CryptoBackend | undefined
  /** Where ephemeral keys are drawn from. Default: the operating system's generator. */
  readonly entropy?: { readonly fill: (out: Uint8Array) => void } | undefined
}

/**
 * One party's side of a handshake.
 *
 * Transactional: a `writeMessage` or `readMessage` that throws leaves every variable as it was, so a forged message
 * costs a Diffie-Hellman at most, and the genuine one can still be read. Inputs are never written to; outputs are the
 * caller's own.
 *
 * @since 0.1.0
 * @category models
 */
export interface HandshakeState {
  readonly protocolName: string
  readonly role: Role
  /** Whether every message has been written and read. */
  readonly complete: boolean
  /** The remote static public key, given or received. Proven only when the handshake is complete. */
  readonly remoteStatic: Uint8Array | undefined
  readonly remoteEphemeral: Uint8Array | undefined
  /**
   * The hash of all that was exchanged, 32 or 64 bytes. On completion it is the same for both parties and unique to the
   * handshake: the channel binding of section 11.2. It is not a key.
   */
  readonly handshakeHash: Uint8Array
  /**
   * The next message, carrying `payload`. Throws a `NoiseError`: `OutOfTurn`, `HandshakeComplete`, `Destroyed`,
   * `MessageTooLong`, `InvalidPublicKey`.
   */
  writeMessage(payload: Uint8Array): Uint8Array
  /**
   * The payload of the next message. Throws a `NoiseError`: `OutOfTurn`, `HandshakeComplete`, `Destroyed`,
   * `MessageTooShort`, `MessageTooLong`, `InvalidPublicKey`, `DecryptFailed`.
   */
  readMessage(message: Uint8Array): Uint8Array
  /**
   * The transport ciphers, by role; the chaining key is overwritten. After a one-way pattern the direction towards the
   * initiator refuses every use with `OneWay`. Throws a `NoiseError`: `HandshakeIncomplete`, `AlreadySplit`,
   * `Destroyed`.
   */
  split(): { readonly send: CipherState; readonly receive: CipherState }
  /**
   * `split` for transports with explicit nonces: the two raw 32-byte keys, the caller's to overwrite. After a one-way
   * pattern the key of the direction towards the initiator is an empty array, which no cipher accepts. Throws as
   * `split` does; one of the two may be called, once.
   */
  splitKeys(): { readonly send: Uint8Array; readonly receive: Uint8Array }
  /** Overwrites every secret this state owns. Public values stay readable. */
  destroy(): void
  /**
   * An independent copy, secrets included; each copy wants its own `destroy`. Let only one of the copies send what it
   * writes: two messages written from the same state may share key and nonce. Throws a `NoiseError`: `Destroyed`.
   */
  clone(): HandshakeState
}

/** Names parsed before; a program has a handful of them. */
const parsed = new Map<string, Protocol>()
const MOST_PARSED = 64

const protocolOf = (name: string): Protocol => {
  const known = parsed.get(name)
  if (known !== undefined) return known
  const protocol = ProtocolName.unsafeParse(name)
  if (parsed.size >= MOST_PARSED) parsed.clear()
  parsed.set(name, protocol)
  return protocol
}

const keyError = (reason: "MissingKey" | "UnexpectedKey" | "InvalidKeyLength", part: string, detail: string) =>
  new NoiseError({ reason, operation: "make", detail, part })

const copyKey = (part: string, key: Uint8Array | undefined): Uint8Array | undefined => {
  if (key === undefined) return undefined
  if (key.length === KEY_BYTES) return new Uint8Array(key)
  throw keyError("InvalidKeyLength", part, `${part} has ${key.length} bytes instead of ${KEY_BYTES}`)
}

const wants = (protocol: Protocol, role: Role, where: "preMessages" | "messages"): boolean =>
  protocol[where].some((message) => message.from === role && message.tokens.includes("s"))

const copyPsks = (protocol: Protocol, psks: ReadonlyArray<Uint8Array>): ReadonlyArray<Uint8Array> => {
  if (psks.length !== protocol.psks.length) {
    throw keyError(
      psks.length < protocol.psks.length ? "MissingKey" : "UnexpectedKey",
      "psks",
      `psks has ${psks.length} keys, ${protocol.name} takes ${protocol.psks.length}`
    )
  }
  return psks.flatMap((psk, i) => copyKey(`psks[${i}]`, psk) ?? [])
}

/**
 * A handshake at its first message. Throws a `NoiseError`: `InvalidProtocolName`, `MissingKey`, `UnexpectedKey`,
 * `InvalidKeyLength`; its `part` names the option.
 *
 * @example
 * import { unsafeMake } from "@intentra/noise"
 *
 * const protocolName = "Noise_NN_25519_ChaChaPoly_BLAKE2s"
 * const initiator = unsafeMake({ protocolName, role: "initiator" })
 * const responder = unsafeMake({ protocolName, role: "responder" })
 * responder.readMessage(initiator.writeMessage(new Uint8Array(0)))
 * initiator.readMessage(responder.writeMessage(new Uint8Array(0)))
 *
 * @since 0.1.0
 * @category constructors
 */
export const unsafeMake = (options: HandshakeOptions): HandshakeState => {
  const { role } = options
  const crypto = options.crypto ?? node
  const protocol = protocolOf(options.protocolName)
  const other: Role = role === "initiator" ? "responder" : "initiator"

  const knowsRemote = wants(protocol, other, "preMessages")
  if (knowsRemote && options.remoteStatic === undefined) {
    throw keyError("MissingKey", "remoteStatic", `remoteStatic is missing: ${protocol.name} knows the ${other}'s key`)
  }
  if (!knowsRemote && options.remoteStatic !== undefined) {
    throw keyError(
      "UnexpectedKey",
      "remoteStatic",
      `remoteStatic is not verified by the ${role} of ${protocol.name}; compare it with the one received instead`
    )
  }
  const hasStatic = wants(protocol, role, "preMessages") || wants(protocol, role, "messages")
  if (hasStatic && options.staticKey === undefined) {
    throw keyError("MissingKey", "staticKey", `staticKey is missing: the ${role} of ${protocol.name} has one`)
  }
  const rs = copyKey("remoteStatic", options.remoteStatic)
  const psks = copyPsks(protocol, options.psks ?? [])
  const fixedEphemeral = copyKey("ephemeralKey", options.ephemeralKey)
  const secretKey = copyKey("staticKey", hasStatic ? options.staticKey : undefined)
  const publicKey = copyKey("staticPublicKey", hasStatic ? options.staticPublicKey : undefined)
  const s = secretKey && { secretKey, publicKey: publicKey ?? crypto.x25519.publicKey(secretKey) }

  const symmetric = SymmetricState.initialize(crypto, protocol.cipher, protocol.hash, protocol.name)
  symmetric.mixHash(options.prologue ?? new Uint8Array(0))
  for (const message of protocol.preMessages) {
    const key = message.from === role ? s?.publicKey : rs
    if (key !== undefined) symmetric.mixHash(key)
  }
  return new Handshake({
    protocol,
    role,
    crypto,
    fill: options.entropy === undefined ? randomFillSync : (out) => options.entropy?.fill(out),
    symmetric,
    s,
    e: undefined,
    fixedEphemeral,
    rs,
    re: undefined,
    psks,
    position: 0,
    phase: "Handshake"
  })
}

/**
 * `unsafeMake` as an Effect that fails with the `NoiseError`.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: HandshakeOptions): Effect.Effect<HandshakeState, NoiseError> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed(unsafeMake(options))
    } catch (error) {
      return error instanceof NoiseError ? Effect.fail(error) : Effect.die(error)
    }
  })
