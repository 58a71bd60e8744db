import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { Pattern } from "../src/index.js"
import type { HandshakePattern, Role, Token } from "../src/Pattern.js"

const roles: ReadonlyArray<Role> = ["initiator", "responder"]
const dhs: ReadonlyArray<Token> = ["ee", "es", "se", "ss"]

/** The keys a DH token takes: whose, and which (section 7.1, canonical form). */
const dhKeys = (token: Token): { readonly initiator: Token; readonly responder: Token } => ({
  initiator: token[0] as Token,
  responder: token[1] as Token
})

/** A name and psk indices that it admits. */
const patternWithPsks = fc.constantFrom(...Pattern.names).chain((name) =>
  fc.record({
    name: fc.constant(name),
    psks: fc.subarray(Array.from({ length: Pattern.get(name).messages.length + 1 }, (_, i) => i))
  })
)

/** Section 18.3: the rules that the specification derives its patterns by. */
const derive = (name: string): HandshakePattern => {
  const [, i, deferI, r, deferR] = /^([NKXI])(1?)([NKX]?)(1?)$/.exec(name) ?? []
  const oneWay = r === ""
  const responderStatic = oneWay ? "K" : r
  const sent = new Set<string>()
  const done = new Set<Token>()
  const deferred = { initiator: deferI === "1", responder: deferR === "1" }
  const preMessages: Array<{ from: Role; tokens: Array<Token> }> = []
  if (i === "K") preMessages.push({ from: "initiator", tokens: ["s"] })
  if (responderStatic === "K") preMessages.push({ from: "responder", tokens: ["s"] })
  for (const { from } of preMessages) sent.add(`${from} s`)

  const messages: Array<{ from: Role; tokens: Array<Token> }> = []
  for (let position = 0; position < (oneWay ? 1 : 10); position++) {
    const from = roles[position % 2]
    const tokens: Array<Token> = []
    const known = (token: Token) => {
      const keys = dhKeys(token)
      return sent.has(`initiator ${keys.initiator}`) && sent.has(`responder ${keys.responder}`)
    }
    const sendsStatic = from === "initiator"
      ? (position === 0 ? i === "I" || (oneWay && i === "X") : i === "X")
      : responderStatic === "X"
    const skipped = new Set<Token>()
    const due = (token: Token): boolean => {
      if (done.has(token) || skipped.has(token) || !known(token)) return false
      if (token === "ss") return position === 0 && from === "initiator" && done.has("es") && !deferred.initiator
      const whose = token === "se" ? "initiator" : token === "es" ? "responder" : undefined
      if (whose !== undefined && deferred[whose]) {
        deferred[whose] = false
        skipped.add(token)
        return false
      }
      return true
    }
    // The first rule that matches is applied and deleted, until none matches.
    const rules: ReadonlyArray<Token> = from === "initiator"
      ? ["e", "ee", "se", "es", "ss", "s"]
      : ["e", "ee", "se", "es", "s"]
    for (;;) {
      const next = rules.find((token) =>
        token.length === 1
          ? !sent.has(`${from} ${token}`) && (token === "e" || sendsStatic)
          : due(token)
      )
      if (next === undefined) break
      tokens.push(next)
      if (next.length === 1) sent.add(`${from} ${next}`)
      else done.add(next)
    }
    if (tokens.length === 0) break
    messages.push({ from, tokens })
  }
  return { preMessages, messages }
}

describe("Pattern", () => {
  it("the table has 3 one-way, 12 fundamental and 23 deferred patterns", () => {
    const deferred = Pattern.names.filter((name) => name.includes("1"))
    const oneWay = Pattern.names.filter((name) => name.length === 1)
    assert.deepStrictEqual([oneWay.length, Pattern.names.length - deferred.length - oneWay.length, deferred.length], [
      3,
      12,
      23
    ])
  })

  for (const name of Pattern.names) {
    it(`${name} is what the derivation rules of section 18.3 give`, () => {
      assert.deepStrictEqual(Pattern.get(name), derive(name))
    })
  }

  it.prop("messages alternate, beginning with the initiator's", [patternWithPsks], ([{ name, psks }]) => {
    Pattern.withPsks(Pattern.get(name), psks).messages.forEach(({ from }, i) => assert.strictEqual(from, roles[i % 2]))
  })

  it.prop("7.3 rule 1: a DH is made only with keys that both parties have by then", [patternWithPsks], ([{ name }]) => {
    const { messages, preMessages } = Pattern.get(name)
    const sent = new Set<string>()
    for (const { from, tokens } of [...preMessages, ...messages]) {
      for (const token of tokens) {
        if (token.length === 1) {
          sent.add(`${from} ${token}`)
        } else {
          const keys = dhKeys(token)
          assert.isTrue(sent.has(`initiator ${keys.initiator}`), `${name} ${token}`)
          assert.isTrue(sent.has(`responder ${keys.responder}`), `${name} ${token}`)
        }
      }
    }
  })

  it.prop("7.3 rules 2 and 3: no key is sent and no DH is made twice", [patternWithPsks], ([{ name }]) => {
    const { messages, preMessages } = Pattern.get(name)
    const all = [...preMessages, ...messages].flatMap(({ from, tokens }) =>
      tokens.map((token) => dhs.includes(token) ? token : `${from} ${token}`)
    )
    assert.strictEqual(new Set(all).size, all.length)
  })

  it.prop("7.3 rule 4: nobody encrypts under a static DH before an ephemeral one", [patternWithPsks], ([{ name }]) => {
    const { messages } = Pattern.get(name)
    const done = new Set<Token>()
    const sound = (from: Role) => {
      const needs: ReadonlyArray<readonly [Token, Token]> = from === "initiator"
        ? [["se", "ee"], ["ss", "es"]]
        : [["es", "ee"], ["ss", "se"]]
      for (const [after, needed] of needs) {
        assert.isTrue(!done.has(after) || done.has(needed), `${name}: ${from} has ${after} without ${needed}`)
      }
    }
    for (const { from, tokens } of messages) {
      for (const token of tokens) done.add(token)
      sound(from)
    }
    if (messages.length > 1) roles.forEach(sound)
  })

  it.prop("9.3: nobody encrypts after a psk without an ephemeral key of their own", [patternWithPsks], ([one]) => {
    const { messages } = Pattern.withPsks(Pattern.get(one.name), one.psks)
    let psk = false
    const ephemeral = new Set<Role>()
    for (const { from, tokens } of messages) {
      for (const token of tokens) {
        if (token === "e") ephemeral.add(from)
        if (token === "psk") psk = true
        if (token === "s" && psk) assert.isTrue(ephemeral.has(from))
      }
      if (psk) assert.isTrue(ephemeral.has(from))
    }
  })

  it.prop(
    "9.4: psk0 opens the first message, pskN closes message N, and nothing else moves",
    [patternWithPsks],
    ([one]) => {
      const plain = Pattern.get(one.name)
      Pattern.withPsks(plain, one.psks).messages.forEach(({ tokens }, i) => {
        assert.strictEqual(tokens[0] === "psk", i === 0 && one.psks.includes(0))
        assert.strictEqual(tokens[tokens.length - 1] === "psk", one.psks.includes(i + 1))
        assert.deepStrictEqual(tokens.filter((token) => token !== "psk"), plain.messages[i].tokens)
      })
    }
  )

  it("isPatternName knows the table and no property that objects have anyway", () => {
    assert.isTrue(Pattern.names.every(Pattern.isPatternName))
    assert.isFalse(Pattern.isPatternName("constructor"))
  })
})
