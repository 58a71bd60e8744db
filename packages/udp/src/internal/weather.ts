import type * as Address from "../Address.js"
import { defaults, type NetworkConditions, validate } from "../NetworkConditions.js"
import { type Endpoint, readEndpoint } from "./endpoint.js"
import type { Link } from "./link.js"

interface Partition {
  readonly a: ReadonlySet<string>
  readonly b: ReadonlySet<string>
}

const check = (conditions: Partial<NetworkConditions>): void => {
  const error = validate(conditions)
  if (error !== undefined) throw error
}

const isIn = (set: ReadonlySet<string>, host: string, text: string): boolean => set.has(host) || set.has(text)

/**
 * The settings of a network: the default conditions, those of single links, and what is cut off from what. Methods
 * throw a NetworkError and change nothing then.
 *
 * @internal
 */
export class Weather {
  /** Grows with every change, so that links know when to look again. */
  version = 0
  conditions: NetworkConditions
  private readonly overrides = new Map<string, Partial<NetworkConditions>>()
  private partitions: Array<Partition> = []

  constructor(conditions: Partial<NetworkConditions>) {
    check(conditions)
    this.conditions = { ...defaults, ...conditions }
  }

  configure(conditions: Partial<NetworkConditions>): void {
    check(conditions)
    this.conditions = { ...this.conditions, ...conditions }
    this.version++
  }

  link(
    from: string | Address.SocketAddress,
    to: string | Address.SocketAddress,
    conditions: Partial<NetworkConditions> | undefined
  ): void {
    const key = `${readEndpoint(from).text}>${readEndpoint(to).text}`
    if (conditions === undefined) this.overrides.delete(key)
    else {
      check(conditions)
      this.overrides.set(key, { ...this.overrides.get(key), ...conditions })
    }
    this.version++
  }

  partition(a: Iterable<string | Address.SocketAddress>, b: Iterable<string | Address.SocketAddress>): void {
    const text = (input: string | Address.SocketAddress): string => readEndpoint(input).text
    this.partitions.push({ a: new Set(Array.from(a, text)), b: new Set(Array.from(b, text)) })
    this.version++
  }

  heal(): void {
    this.partitions = []
    this.version++
  }

  /** Brings a link up to date; cheap when nothing changed. */
  refresh(link: Link): void {
    if (link.version === this.version) return
    const { from, to } = link
    link.version = this.version
    link.conditions = this.resolve(from, to)
    link.partitioned = this.partitions.some(({ a, b }) =>
      (isIn(a, from.host, from.text) && isIn(b, to.host, to.text)) ||
      (isIn(b, from.host, from.text) && isIn(a, to.host, to.text))
    )
  }

  private resolve(from: Endpoint, to: Endpoint): NetworkConditions {
    if (this.overrides.size === 0) return this.conditions
    // The more exact one wins: hosts, then the receiver's port, then the sender's, then both.
    const layers = [
      this.overrides.get(`${from.host}>${to.host}`),
      this.overrides.get(`${from.host}>${to.text}`),
      this.overrides.get(`${from.text}>${to.host}`),
      this.overrides.get(`${from.text}>${to.text}`)
    ]
    return Object.assign({}, this.conditions, ...layers)
  }
}
