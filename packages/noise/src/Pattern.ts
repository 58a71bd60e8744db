/**
 * The handshake patterns of the Noise Protocol Framework, revision 34: one-way (section 7.4), fundamental (7.5) and
 * deferred (18.1).
 *
 * @since 0.1.0
 */

/**
 * Which side of a handshake a party is on. The initiator writes the first message.
 *
 * @since 0.1.0
 * @category models
 */
export type Role = "initiator" | "responder"

/**
 * A token of a message pattern (sections 7.1 and 9.2).
 *
 * @since 0.1.0
 * @category models
 */
export type Token = "e" | "s" | "ee" | "es" | "se" | "ss" | "psk"

/**
 * One handshake message: who writes it, and its tokens in order.
 *
 * @since 0.1.0
 * @category models
 */
export interface MessagePattern {
  readonly from: Role
  readonly tokens: ReadonlyArray<Token>
}

/**
 * A handshake pattern: `preMessages` are the keys known beforehand (always an `s`; the initiator's first), `messages`
 * the handshake itself.
 *
 * @since 0.1.0
 * @category models
 */
export interface HandshakePattern {
  readonly preMessages: ReadonlyArray<MessagePattern>
  readonly messages: ReadonlyArray<MessagePattern>
}

/**
 * Every pattern by name, in the notation of the specification on one line: pre-messages stand before `...`, each arrow
 * begins a message. A `1` defers the authentication of the party before it by one message (section 7.6).
 *
 * @since 0.1.0
 * @category constants
 */
export const notation = {
  N: "<- s ... -> e, es",
  K: "-> s <- s ... -> e, es, ss",
  X: "<- s ... -> e, es, s, ss",

  NN: "-> e <- e, ee",
  NK: "<- s ... -> e, es <- e, ee",
  NX: "-> e <- e, ee, s, es",
  XN: "-> e <- e, ee -> s, se",
  XK: "<- s ... -> e, es <- e, ee -> s, se",
  XX: "-> e <- e, ee, s, es -> s, se",
  KN: "-> s ... -> e <- e, ee, se",
  KK: "-> s <- s ... -> e, es, ss <- e, ee, se",
  KX: "-> s ... -> e <- e, ee, se, s, es",
  IN: "-> e, s <- e, ee, se",
  IK: "<- s ... -> e, es, s, ss <- e, ee, se",
  IX: "-> e, s <- e, ee, se, s, es",

  NK1: "<- s ... -> e <- e, ee, es",
  NX1: "-> e <- e, ee, s -> es",
  X1N: "-> e <- e, ee -> s <- se",
  X1K: "<- s ... -> e, es <- e, ee -> s <- se",
  XK1: "<- s ... -> e <- e, ee, es -> s, se",
  X1K1: "<- s ... -> e <- e, ee, es -> s <- se",
  X1X: "-> e <- e, ee, s, es -> s <- se",
  XX1: "-> e <- e, ee, s -> es, s, se",
  X1X1: "-> e <- e, ee, s -> es, s <- se",
  K1N: "-> s ... -> e <- e, ee -> se",
  K1K: "-> s <- s ... -> e, es <- e, ee -> se",
  KK1: "-> s <- s ... -> e <- e, ee, se, es",
  K1K1: "-> s <- s ... -> e <- e, ee, es -> se",
  K1X: "-> s ... -> e <- e, ee, s, es -> se",
  KX1: "-> s ... -> e <- e, ee, se, s -> es",
  K1X1: "-> s ... -> e <- e, ee, s -> se, es",
  I1N: "-> e, s <- e, ee -> se",
  I1K: "<- s ... -> e, es, s <- e, ee -> se",
  IK1: "<- s ... -> e, s <- e, ee, se, es",
  I1K1: "<- s ... -> e, s <- e, ee, es -> se",
  I1X: "-> e, s <- e, ee, s, es -> se",
  IX1: "-> e, s <- e, ee, se, s -> es",
  I1X1: "-> e, s <- e, ee, s -> se, es"
} as const

/**
 * The name of a handshake pattern, without modifiers.
 *
 * @since 0.1.0
 * @category models
 */
export type PatternName = keyof typeof notation

/**
 * Every pattern name, in the order of the table.
 *
 * @since 0.1.0
 * @category constants
 */
export const names: ReadonlyArray<PatternName> = Object.keys(notation) as Array<PatternName>

/**
 * Whether a text is the name of a pattern.
 *
 * @since 0.1.0
 * @category guards
 */
export const isPatternName = (name: string): name is PatternName => Object.hasOwn(notation, name)

const arrows = (text: string): ReadonlyArray<MessagePattern> =>
  Array.from(text.matchAll(/(->|<-)([^-<]*)/g), (match) => ({
    from: match[1] === "->" ? "initiator" : "responder",
    tokens: match[2].split(",").map((token) => token.trim() as Token)
  }))

/**
 * A pattern of the table, parsed.
 *
 * @since 0.1.0
 * @category constructors
 */
export const get = (name: PatternName): HandshakePattern => {
  const [first, second] = notation[name].split("...")
  return second === undefined
    ? { preMessages: [], messages: arrows(first) }
    : { preMessages: arrows(first), messages: arrows(second) }
}

/**
 * A pattern with pre-shared keys (section 9.4): index 0 puts a `psk` token at the start of the first message, index n
 * at the end of message n. Indices are distinct and at most the number of messages.
 *
 * @since 0.1.0
 * @category combinators
 */
export const withPsks = (pattern: HandshakePattern, indices: ReadonlyArray<number>): HandshakePattern => ({
  preMessages: pattern.preMessages,
  messages: pattern.messages.map(({ from, tokens }, i) => ({
    from,
    tokens: [
      ...(i === 0 && indices.includes(0) ? ["psk" as const] : []),
      ...tokens,
      ...(indices.includes(i + 1) ? ["psk" as const] : [])
    ]
  }))
})
