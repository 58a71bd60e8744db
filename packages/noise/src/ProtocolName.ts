/**
 * Noise protocol names (section 8): `Noise_{pattern}{psk modifiers}_25519_{cipher}_{hash}`.
 *
 * @since 0.1.0
 */
import { hashAlgorithms, KEY_BYTES, TAG_BYTES } from "@intentra/crypto"
import type { HashAlgorithm } from "@intentra/crypto"
import { NoiseError } from "./NoiseError.js"
import type { MessagePattern, PatternName } from "./Pattern.js"
import * as Pattern from "./Pattern.js"

/**
 * The cipher functions (section 12): AESGCM is AES-256-GCM, ChaChaPoly is ChaCha20-Poly1305.
 *
 * @since 0.1.0
 * @category models
 */
export type CipherName = "AESGCM" | "ChaChaPoly"

/**
 * One message of a protocol. `overhead` is its size in bytes without the payload: public keys, and the tags of what is
 * encrypted. `psksBefore` counts the `psk` tokens of earlier messages.
 *
 * @since 0.1.0
 * @category models
 */
export interface ProtocolMessage extends MessagePattern {
  readonly overhead: number
  readonly psksBefore: number
}

/**
 * A parsed protocol name. `psks` are the modifiers' indices in ascending order.
 *
 * @since 0.1.0
 * @category models
 */
export interface Protocol {
  readonly name: string
  readonly pattern: PatternName
  readonly psks: ReadonlyArray<number>
  readonly cipher: CipherName
  readonly hash: HashAlgorithm
  readonly oneWay: boolean
  readonly preMessages: ReadonlyArray<MessagePattern>
  readonly messages: ReadonlyArray<ProtocolMessage>
}

/**
 * The ciphers a protocol name may have.
 *
 * @since 0.1.0
 * @category constants
 */
export const ciphers: ReadonlyArray<CipherName> = ["AESGCM", "ChaChaPoly"]

/**
 * The hashes a protocol name may have.
 *
 * @since 0.1.0
 * @category constants
 */
export const hashes: ReadonlyArray<HashAlgorithm> = hashAlgorithms

const refuse = (name: string, part: string, found: string, allowed: ReadonlyArray<string>): NoiseError =>
  new NoiseError({
    reason: "InvalidProtocolName",
    operation: "make",
    detail: `${JSON.stringify(name)} has ${found}; allowed: ${allowed.join(", ")}`,
    part,
    allowed
  })

const oneOf = <A extends string>(name: string, part: string, value: string, allowed: ReadonlyArray<A>): A => {
  const found = allowed.find((one) => one === value)
  if (found === undefined) throw refuse(name, part, `the unknown ${part} ${JSON.stringify(value)}`, allowed)
  return found
}

const pskIndices = (name: string, modifiers: string, messages: number): ReadonlyArray<number> => {
  if (modifiers === "") return []
  const allowed = Array.from({ length: messages + 1 }, (_, i) => `psk${i}`)
  const parts = modifiers.split("+")
  const indices = parts.map((part) => allowed.indexOf(oneOf(name, "modifier", part, allowed)))
  for (let i = 1; i < indices.length; i++) {
    if (indices[i] === indices[i - 1] || indices.indexOf(indices[i]) < i) {
      throw refuse(name, "modifier", `the modifier ${JSON.stringify(parts[i])} twice`, allowed)
    }
  }
  const sorted = [...indices].sort((a, b) => a - b)
  if (sorted.some((index, i) => index !== indices[i])) {
    throw refuse(name, "modifier", "modifiers out of order", [sorted.map((index) => `psk${index}`).join("+")])
  }
  return indices
}

const measure = (messages: ReadonlyArray<MessagePattern>, psk: boolean): ReadonlyArray<ProtocolMessage> => {
  let keyed = false
  let psks = 0
  return messages.map(({ from, tokens }) => {
    const psksBefore = psks
    let overhead = 0
    for (const token of tokens) {
      if (token === "e") {
        overhead += KEY_BYTES
        keyed = keyed || psk
      } else if (token === "s") {
        overhead += KEY_BYTES + (keyed ? TAG_BYTES : 0)
      } else {
        if (token === "psk") psks++
        keyed = true
      }
    }
    return { from, tokens, overhead: overhead + (keyed ? TAG_BYTES : 0), psksBefore }
  })
}

/**
 * Parses a protocol name. psk modifiers are joined by `+`, each at most once, in ascending order (section 8.1), with
 * an index of at most the number of messages. Throws a `NoiseError` with reason `InvalidProtocolName`, whose `part` is
 * `prefix`, `pattern`, `modifier`, `curve`, `cipher` or `hash` and whose `allowed` lists what may stand there.
 *
 * @since 0.1.0
 * @category constructors
 */
export const unsafeParse = (name: string): Protocol => {
  const sections = name.split("_")
  oneOf(name, "prefix", sections[0], ["Noise"])
  if (sections.length !== 5) {
    throw refuse(name, "sections", `${sections.length} sections instead of 5`, [
      "Noise_{pattern}{psk modifiers}_25519_{cipher}_{hash}"
    ])
  }
  const base = /^[A-Z0-9]*/.exec(sections[1])?.[0] ?? ""
  const pattern = oneOf(name, "pattern", base, Pattern.names)
  const plain = Pattern.get(pattern)
  const psks = pskIndices(name, sections[1].slice(base.length), plain.messages.length)
  oneOf(name, "curve", sections[2], ["25519"])
  const cipher = oneOf(name, "cipher", sections[3], ciphers)
  const hash = oneOf(name, "hash", sections[4], hashes)
  const { messages, preMessages } = Pattern.withPsks(plain, psks)
  return {
    name,
    pattern,
    psks,
    cipher,
    hash,
    oneWay: messages.length === 1,
    preMessages,
    messages: measure(messages, psks.length > 0)
  }
}
