import { constantTimeEqual, KEY_BYTES, TAG_BYTES } from "@intentra/crypto"
import type { CryptoBackend } from "@intentra/crypto"
import { CipherState, MAX_MESSAGE_BYTES } from "../CipherState.js"
import type { HandshakeState } from "../HandshakeState.js"
import { NoiseError } from "../NoiseError.js"
import type { NoiseErrorReason } from "../NoiseError.js"
import type { Role, Token } from "../Pattern.js"
import type { Protocol, ProtocolMessage } from "../ProtocolName.js"
import type { SymmetricState } from "./symmetricState.js"

const ZEROS = new Uint8Array(KEY_BYTES)

export interface KeyPair {
  readonly secretKey: Uint8Array
  readonly publicKey: Uint8Array
}

/** Everything a handshake owns. Its arrays of secrets are shared with nobody. */
export interface Parts {
  readonly protocol: Protocol
  readonly role: Role
  readonly crypto: CryptoBackend
  readonly fill: (out: Uint8Array) => void
  readonly symmetric: SymmetricState
  readonly s: KeyPair | undefined
  readonly e: KeyPair | undefined
  readonly fixedEphemeral: Uint8Array | undefined
  readonly rs: Uint8Array | undefined
  readonly re: Uint8Array | undefined
  readonly psks: ReadonlyArray<Uint8Array>
  readonly position: number
  readonly phase: "Handshake" | "Split" | "Destroyed"
}

type Mutable<A> = { -readonly [K in keyof A]: A[K] }

const copyPair = (pair: KeyPair | undefined): KeyPair | undefined =>
  pair && { secretKey: new Uint8Array(pair.secretKey), publicKey: pair.publicKey }

const copyBytes = (bytes: Uint8Array | undefined): Uint8Array | undefined => bytes && new Uint8Array(bytes)

const refuse = (reason: NoiseErrorReason, operation: string, detail: string, cause?: unknown): NoiseError =>
  new NoiseError(cause === undefined ? { reason, operation, detail } : { reason, operation, detail, cause })

export class Handshake implements HandshakeState {
  readonly #state: Mutable<Parts>

  constructor(parts: Parts) {
    this.#state = { ...parts }
  }

  get protocolName(): string {
    return this.#state.protocol.name
  }

  get role(): Role {
    return this.#state.role
  }

  get complete(): boolean {
    return this.#state.position === this.#state.protocol.messages.length
  }

  get remoteStatic(): Uint8Array | undefined {
    return copyBytes(this.#state.rs)
  }

  get remoteEphemeral(): Uint8Array | undefined {
    return copyBytes(this.#state.re)
  }

  get handshakeHash(): Uint8Array {
    return new Uint8Array(this.#state.symmetric.h)
  }

  writeMessage(payload: Uint8Array): Uint8Array {
    const message = this.#next("writeMessage")
    const length = message.overhead + payload.length
    if (length > MAX_MESSAGE_BYTES) {
      throw refuse("MessageTooLong", "writeMessage", `the message would have ${length} bytes`)
    }
    return this.#transact(() => {
      const { crypto, fill, fixedEphemeral, protocol, symmetric } = this.#state
      const out = new Uint8Array(length)
      let offset = 0
      let psk = message.psksBefore
      for (const token of message.tokens) {
        if (token === "e") {
          const pair = fixedEphemeral === undefined
            ? crypto.x25519.generate(fill)
            : { secretKey: new Uint8Array(fixedEphemeral), publicKey: crypto.x25519.publicKey(fixedEphemeral) }
          this.#state.e = pair
          out.set(pair.publicKey, offset)
          offset += KEY_BYTES
          symmetric.mixHash(pair.publicKey)
          if (protocol.psks.length > 0) symmetric.mixKey(pair.publicKey)
        } else if (token === "s") {
          const { publicKey } = this.#need("staticKey", this.#state.s, "writeMessage")
          offset += symmetric.encryptAndHash(publicKey, out.subarray(offset))
        } else if (token === "psk") {
          symmetric.mixKeyAndHash(this.#state.psks[psk++])
        } else {
          this.#mixDh(token, "writeMessage")
        }
      }
      symmetric.encryptAndHash(payload, out.subarray(offset))
      return out
    })
  }

  readMessage(input: Uint8Array): Uint8Array {
    const message = this.#next("readMessage")
    if (input.length > MAX_MESSAGE_BYTES) {
      throw refuse("MessageTooLong", "readMessage", `the message has ${input.length} bytes`)
    }
    if (input.length < message.overhead) {
      throw refuse("MessageTooShort", "readMessage", `the message has ${input.length} bytes, needs ${message.overhead}`)
    }
    return this.#transact(() => {
      const { protocol, symmetric } = this.#state
      let offset = 0
      let psk = message.psksBefore
      for (const token of message.tokens) {
        if (token === "e") {
          const key = new Uint8Array(input.subarray(offset, offset + KEY_BYTES))
          offset += KEY_BYTES
          this.#state.re = key
          symmetric.mixHash(key)
          if (protocol.psks.length > 0) symmetric.mixKey(key)
        } else if (token === "s") {
          const end = offset + KEY_BYTES + (symmetric.hasKey ? TAG_BYTES : 0)
          this.#state.rs = this.#decrypt(input.subarray(offset, end), "static key")
          offset = end
        } else if (token === "psk") {
          symmetric.mixKeyAndHash(this.#state.psks[psk++])
        } else {
          this.#mixDh(token, "readMessage")
        }
      }
      return this.#decrypt(input.subarray(offset), "payload")
    })
  }

  split(): { readonly send: CipherState; readonly receive: CipherState } {
    const { crypto, protocol: { cipher, oneWay }, role } = this.#state
    const [first, second] = this.#splitOnce("split")
    const forward = CipherState.unsafeMake(cipher, first, crypto)
    const backward = oneWay
      ? CipherState.unusable(cipher, crypto)
      : CipherState.unsafeMake(cipher, second, crypto)
    first.fill(0)
    second.fill(0)
    return role === "initiator" ? { send: forward, receive: backward } : { send: backward, receive: forward }
  }

  splitKeys(): { readonly send: Uint8Array; readonly receive: Uint8Array } {
    const { protocol, role } = this.#state
    const [first, second] = this.#splitOnce("splitKeys")
    if (protocol.oneWay) second.fill(0)
    const backward = protocol.oneWay ? new Uint8Array(0) : second
    return role === "initiator" ? { send: first, receive: backward } : { send: backward, receive: first }
  }

  clone(): HandshakeState {
    const state = this.#state
    if (state.phase === "Destroyed") throw refuse("Destroyed", "clone", "the handshake was destroyed")
    return new Handshake({
      ...state,
      symmetric: state.symmetric.copy(),
      s: copyPair(state.s),
      e: copyPair(state.e),
      fixedEphemeral: copyBytes(state.fixedEphemeral),
      psks: state.psks.map((psk) => new Uint8Array(psk))
    })
  }

  destroy(): void {
    this.#release()
    this.#state.symmetric.wipe()
    this.#state.phase = "Destroyed"
  }

  /** The message whose turn it is, or the reason why this call is refused. */
  #next(operation: "writeMessage" | "readMessage"): ProtocolMessage {
    const { phase, position, protocol, role } = this.#state
    if (phase === "Destroyed") throw refuse("Destroyed", operation, "the handshake was destroyed")
    if (this.complete) {
      throw refuse("HandshakeComplete", operation, `all ${protocol.messages.length} messages were exchanged`)
    }
    const message = protocol.messages[position]
    if ((message.from === role) !== (operation === "writeMessage")) {
      throw refuse("OutOfTurn", operation, `message ${position + 1} is the ${message.from}'s, this is the ${role}`)
    }
    return message
  }

  #transact(run: () => Uint8Array): Uint8Array {
    const state = this.#state
    const { e, re, rs, symmetric } = state
    const working = symmetric.copy()
    state.symmetric = working
    try {
      const out = run()
      symmetric.wipe()
      state.position++
      if (this.complete) this.#release()
      return out
    } catch (error) {
      working.wipe()
      if (state.e !== e) state.e?.secretKey.fill(0)
      state.symmetric = symmetric
      state.e = e
      state.re = re
      state.rs = rs
      throw error
    }
  }

  #decrypt(ciphertext: Uint8Array, what: string): Uint8Array {
    const plaintext = this.#state.symmetric.decryptAndHash(ciphertext)
    if (plaintext !== undefined) return plaintext
    throw refuse(
      "DecryptFailed",
      "readMessage",
      `the ${what} of message ${this.#state.position + 1} does not authenticate`
    )
  }

  #mixDh(token: Exclude<Token, "e" | "s" | "psk">, operation: string): void {
    const { crypto, e, re, role, rs, s, symmetric } = this.#state
    const localStatic = token === "ss" || (token !== "ee" && (token === "se") === (role === "initiator"))
    const remoteStatic = token === "ss" || (token !== "ee" && !localStatic)
    const local = this.#need(localStatic ? "staticKey" : "ephemeralKey", localStatic ? s : e, operation)
    const remote = this.#need(remoteStatic ? "remoteStatic" : "remoteEphemeral", remoteStatic ? rs : re, operation)
    let shared: Uint8Array
    try {
      shared = crypto.x25519.sharedSecret(local.secretKey, remote)
    } catch (cause) {
      throw refuse("InvalidPublicKey", operation, `no Diffie-Hellman of ${token} with the remote public key`, cause)
    }
    if (constantTimeEqual(shared, ZEROS)) {
      throw refuse("InvalidPublicKey", operation, `the Diffie-Hellman of ${token} is zero`)
    }
    symmetric.mixKey(shared)
    shared.fill(0)
  }

  /** Every pattern of the table has its keys by the time it uses them; this states it for the types. */
  #need<A>(name: string, value: A | undefined, operation: string): A {
    if (value !== undefined) return value
    throw refuse("MissingKey", operation, `${name} is missing`)
  }

  #splitOnce(operation: string): readonly [Uint8Array, Uint8Array] {
    const { phase, position, protocol, symmetric } = this.#state
    if (phase === "Destroyed") throw refuse("Destroyed", operation, "the handshake was destroyed")
    if (phase === "Split") throw refuse("AlreadySplit", operation, "the transport keys were handed out")
    if (!this.complete) {
      throw refuse(
        "HandshakeIncomplete",
        operation,
        `${position} of ${protocol.messages.length} messages were exchanged`
      )
    }
    const keys = symmetric.split()
    this.#state.phase = "Split"
    return keys
  }

  /** Overwrites what no further message needs. */
  #release(): void {
    const state = this.#state
    state.s?.secretKey.fill(0)
    state.e?.secretKey.fill(0)
    state.fixedEphemeral?.fill(0)
    for (const psk of state.psks) psk.fill(0)
    state.s = undefined
    state.e = undefined
    state.fixedEphemeral = undefined
    state.psks = []
  }
}
