import * as Wire from "./stateWire.js"

const encoder = new TextEncoder()

/** In order, without those that another one begins: of two that both match, the shorter is enough. */
const shortest = (prefixes: ReadonlyArray<string>): ReadonlyArray<string> => {
  const kept: Array<string> = []
  // by code units, as strings compare
  for (const prefix of prefixes.toSorted((a, b) => a < b ? -1 : a > b ? 1 : 0)) {
    const last = kept.at(-1)
    if (last === undefined || !prefix.startsWith(last)) kept.push(prefix)
  }
  return kept
}

/** Which keys somebody wants. */
export class StateInterest {
  /** Subscriptions that share this one. */
  users = 0
  private readonly prefixes: ReadonlyArray<string>

  constructor(
    readonly everything: boolean,
    private readonly keys: ReadonlySet<string>,
    prefixes: ReadonlyArray<string>
  ) {
    this.prefixes = shortest(prefixes)
  }

  matches(key: string): boolean {
    if (this.everything || this.keys.has(key)) return true
    // whoever names hundreds of prefixes must not cost a publisher hundreds of comparisons a key: the one that begins
    // the key, if any, is the last that is not behind it
    const { prefixes } = this
    let low = 0
    let high = prefixes.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (prefixes[middle] <= key) low = middle + 1
      else high = middle
    }
    return low > 0 && key.startsWith(prefixes[low - 1])
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
