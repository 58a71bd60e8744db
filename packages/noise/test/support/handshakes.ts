import { constantTimeEqual, node } from "@intentra/crypto"
import type { CryptoBackend } from "@intentra/crypto"
import { randomBytes } from "node:crypto"
import { Pattern, ProtocolName, unsafeMake } from "../../src/index.js"
import type { HandshakeOptions, HandshakeState, PatternName } from "../../src/index.js"

export const suites: ReadonlyArray<string> = ProtocolName.ciphers.flatMap((cipher) =>
  ProtocolName.hashes.map((hash) => `25519_${cipher}_${hash}`)
)

/** Every pattern without modifiers, with each single one, and with all at once. */
export const variants: ReadonlyArray<{ readonly pattern: PatternName; readonly section: string }> = Pattern.names
  .flatMap((pattern) => {
    const psks = Array.from({ length: Pattern.get(pattern).messages.length + 1 }, (_, i) => `psk${i}`)
    return ["", ...psks, psks.join("+")].map((modifiers) => ({ pattern, section: `${pattern}${modifiers}` }))
  })

export const randomKey = (): Uint8Array => new Uint8Array(randomBytes(32))

export interface Sides {
  readonly initiator: HandshakeOptions
  readonly responder: HandshakeOptions
}

/** Options for both sides, with fresh keys, as the protocol wants them. */
export const sides = (protocolName: string, extra: Partial<HandshakeOptions> = {}): Sides => {
  const protocol = ProtocolName.unsafeParse(protocolName)
  const psks = protocol.psks.map(randomKey)
  const keys = { initiator: randomKey(), responder: randomKey() }
  const known = (role: Pattern.Role) => protocol.preMessages.some((message) => message.from === role)
  return {
    initiator: {
      protocolName,
      role: "initiator",
      staticKey: keys.initiator,
      remoteStatic: known("responder") ? node.x25519.publicKey(keys.responder) : undefined,
      psks,
      ...extra
    },
    responder: {
      protocolName,
      role: "responder",
      staticKey: keys.responder,
      remoteStatic: known("initiator") ? node.x25519.publicKey(keys.initiator) : undefined,
      psks,
      ...extra
    }
  }
}

export interface Pair {
  readonly initiator: HandshakeState
  readonly responder: HandshakeState
}

export const pair = (protocolName: string, extra: Partial<HandshakeOptions> = {}): Pair => {
  const options = sides(protocolName, extra)
  return { initiator: unsafeMake(options.initiator), responder: unsafeMake(options.responder) }
}

/** Writer and reader of a message, by its index. */
export const turn = ({ initiator, responder }: Pair, index: number): readonly [HandshakeState, HandshakeState] =>
  index % 2 === 0 ? [initiator, responder] : [responder, initiator]

/** Exchanges messages until `until` of them were, or all. */
export const exchange = (both: Pair, until = Infinity): Pair => {
  for (let i = 0; i < until && !both.initiator.complete; i++) {
    const [writer, reader] = turn(both, i)
    const payload = new Uint8Array([i, 1, 2])
    if (!constantTimeEqual(reader.readMessage(writer.writeMessage(payload)), payload)) {
      throw new Error(`the payload of message ${i + 1} changed`)
    }
  }
  return both
}

/** A backend that remembers every array of secrets that went through it. */
export const spying = (): { readonly crypto: CryptoBackend; readonly secrets: Array<Uint8Array> } => {
  const secrets: Array<Uint8Array> = []
  const publicKeys: Array<Uint8Array> = []
  const keep = (bytes: Uint8Array): Uint8Array => {
    secrets.push(bytes)
    return bytes
  }
  const publish = (bytes: Uint8Array): Uint8Array => {
    publicKeys.push(bytes)
    return bytes
  }
  const crypto: CryptoBackend = {
    ...node,
    aead: { makeKey: (algorithm, key) => node.aead.makeKey(algorithm, keep(key)) },
    x25519: {
      publicKey: (secretKey) => publish(node.x25519.publicKey(keep(secretKey))),
      generate: (fill) => {
        const made = node.x25519.generate(fill)
        keep(made.secretKey)
        publish(made.publicKey)
        return made
      },
      sharedSecret: (secretKey, publicKey) => keep(node.x25519.sharedSecret(keep(secretKey), publicKey))
    },
    hkdf: {
      derive: (algorithm, ikm, salt, info, length) => {
        // In psk handshakes ephemeral public keys are mixed in as well.
        if (!publicKeys.some((publicKey) => constantTimeEqual(publicKey, ikm))) keep(ikm)
        return keep(node.hkdf.derive(algorithm, ikm, keep(salt), info, length))
      }
    }
  }
  return { crypto, secrets }
}
