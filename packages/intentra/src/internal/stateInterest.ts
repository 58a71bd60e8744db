import * as Wire from "./stateWire.js"

const encoder = new TextEncoder()

/** Which keys somebody wants. */
export class StateInterest {
  /** Subscriptions that share this one. */
  users = 0

  constructor(
    readonly everything: boolean,
    private readonly keys: ReadonlySet<string>,
    private readonly prefixes: ReadonlyArray<string>
  ) {}

  matches(key: string): boolean {
    if (this.everything || this.keys.has(key)) return true
    for (const prefix of this.prefixes) if (key.startsWith(prefix)) return true
    return false
  }
}

export const everything = new StateInterest(true, new Set(), [])

/** The terms as they travel: kind, length, bytes of each. */
export const encodeTerms = (keys: Iterable<string>, prefixes: Iterable<string>): Uint8Array => {
  const parts: Array<number> = []
  const add = (kind: number, text: string) => {
    const bytes = encoder.encode(text)
    const writer = new Wire.WireWriter(16)
    writer.u8(kind)
    writer.varint(bytes.length)
    for (const byte of writer.message()) parts.push(byte)
    for (const byte of bytes) parts.push(byte)
  }
  for (const key of keys) add(Wire.EXACT, key)
  for (const prefix of prefixes) add(Wire.PREFIX, prefix)
  return Uint8Array.from(parts)
}

/** What the terms say; undefined when they are malformed. */
export const decodeTerms = (isEverything: boolean, terms: Uint8Array): StateInterest | undefined => {
  if (isEverything) return terms.length === 0 ? everything : undefined
  const keys = new Set<string>()
  const prefixes: Array<string> = []
  const reader = new Wire.WireReader()
  reader.open(terms, 0)
  while (!reader.done) {
    const kind = reader.u8()
    const length = reader.varint()
    const start = reader.skip(length)
    if (reader.failed || (kind !== Wire.EXACT && kind !== Wire.PREFIX)) return undefined
    const text = Wire.decodeText(terms.subarray(start, start + length))
    if (text === undefined) return undefined
    if (kind === Wire.EXACT) keys.add(text)
    else prefixes.push(text)
  }
  return reader.failed ? undefined : new StateInterest(false, keys, prefixes)
}
