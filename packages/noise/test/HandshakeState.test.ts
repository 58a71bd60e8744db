import { assert, describe, it } from "@effect/vitest"
import { makeSeeded, noble, node } from "@intentra/crypto"
import { Effect, FastCheck as fc } from "effect"
import { createCipheriv, createHash, createHmac } from "node:crypto"
import { make, MAX_MESSAGE_BYTES, NoiseError, ProtocolName, unsafeMake } from "../src/index.js"
import type { HandshakeOptions, HandshakeState, NoiseErrorReason } from "../src/index.js"
import { bytes, empty, hex, utf8 } from "./support/bytes.js"
import { exchange, pair, randomKey, sides, spying, suites, turn, variants } from "./support/handshakes.js"
import type { Pair } from "./support/handshakes.js"

const XX = "Noise_XX_25519_AESGCM_SHA256"
const sections = fc.constantFrom(...variants.map(({ section }) => section))
const suite = fc.constantFrom(...suites)

const refusal = (run: () => unknown): NoiseError => {
  try {
    run()
  } catch (error) {
    if (error instanceof NoiseError) return error
    throw error
  }
  return assert.fail("not refused")
}

const refuses = (reason: NoiseErrorReason, run: () => unknown): NoiseError => {
  const error = refusal(run)
  assert.strictEqual(error.reason, reason, error.message)
  return error
}

const view = (state: HandshakeState) => ({
  hash: hex(state.handshakeHash),
  remoteStatic: state.remoteStatic && hex(state.remoteStatic),
  remoteEphemeral: state.remoteEphemeral && hex(state.remoteEphemeral),
  complete: state.complete
})

const transportAgrees = (both: Pair, oneWay: boolean): void => {
  const initiator = both.initiator.split()
  const responder = both.responder.split()
  const ad = utf8("ad")
  for (let i = 0; i < 2; i++) {
    const message = utf8(`message ${i}`)
    const forward = initiator.send.encryptWithAd(ad, message)
    assert.strictEqual(hex(responder.receive.decryptWithAd(ad, forward)), hex(message))
    if (oneWay) {
      refuses("OneWay", () => responder.send.encryptWithAd(ad, message))
      refuses("OneWay", () => initiator.receive.decryptWithAd(ad, forward))
      refuses("OneWay", () => responder.send.rekey())
      continue
    }
    const backward = responder.send.encryptWithAd(ad, message)
    assert.strictEqual(hex(initiator.receive.decryptWithAd(ad, backward)), hex(message))
    assert.notStrictEqual(hex(forward), hex(backward))
  }
}

const meet = (protocolName: string): void => {
  const both = exchange(pair(protocolName))
  assert.isTrue(both.initiator.complete && both.responder.complete)
  assert.strictEqual(hex(both.initiator.handshakeHash), hex(both.responder.handshakeHash))
  transportAgrees(both, ProtocolName.unsafeParse(protocolName).oneWay)
}

describe("handshakes", () => {
  for (const suite of suites) {
    it(`every pattern of ${suite} ends in the same hash and keys for both`, () => {
      for (const { pattern, section } of variants) if (pattern === section) meet(`Noise_${section}_${suite}`)
    })
  }

  for (const suite of ["25519_AESGCM_SHA256", "25519_ChaChaPoly_BLAKE2b"]) {
    it(`every psk variant of ${suite} ends in the same hash and keys for both`, () => {
      for (const { pattern, section } of variants) if (pattern !== section) meet(`Noise_${section}_${suite}`)
    })
  }

  it.prop(
    "a static public key that is given changes no byte, and is not computed again",
    [sections, suite, fc.string()],
    ([section, name, seed]) => {
      const options = sides(`Noise_${section}_${name}`)
      let computed = 0
      const counting: typeof node = {
        ...node,
        x25519: { ...node.x25519, publicKey: (key) => (computed++, node.x25519.publicKey(key)) }
      }
      const given = (option: HandshakeOptions): HandshakeOptions => ({
        ...option,
        crypto: counting,
        staticPublicKey: node.x25519.publicKey(option.staticKey ?? empty)
      })
      const run = (change: (option: HandshakeOptions) => HandshakeOptions): Array<string> => {
        const entropy = makeSeeded(seed)
        const both = {
          initiator: unsafeMake({ ...change(options.initiator), entropy }),
          responder: unsafeMake({ ...change(options.responder), entropy })
        }
        const messages: Array<string> = []
        for (let i = 0; !both.initiator.complete; i++) {
          const [writer, reader] = turn(both, i)
          const message = writer.writeMessage(utf8("payload"))
          messages.push(hex(message))
          reader.readMessage(message)
        }
        return messages
      }
      assert.deepStrictEqual(run(given), run((option) => option))
      assert.strictEqual(computed, 0)
    },
    { fastCheck: { numRuns: 30 } }
  )

  it("a static public key of another secret key proves nothing: the handshake ends at the message that carries it", () => {
    const staticPublicKey = node.x25519.publicKey(randomKey())
    const responder = pair(XX)
    const wrongResponder = unsafeMake({ ...sides(XX).responder, staticPublicKey })
    wrongResponder.readMessage(responder.initiator.writeMessage(empty))
    refuses("DecryptFailed", () => responder.initiator.readMessage(wrongResponder.writeMessage(empty)))

    const initiator = pair(XX)
    const wrongInitiator = unsafeMake({ ...sides(XX).initiator, staticPublicKey })
    initiator.responder.readMessage(wrongInitiator.writeMessage(empty))
    wrongInitiator.readMessage(initiator.responder.writeMessage(empty))
    refuses("DecryptFailed", () => initiator.responder.readMessage(wrongInitiator.writeMessage(empty)))
  })

  it.prop("both backends write the same bytes", [sections, suite, fc.string()], ([section, name, seed]) => {
    const options = sides(`Noise_${section}_${name}`)
    const run = (crypto: typeof node) => {
      const entropy = makeSeeded(seed)
      const both = {
        initiator: unsafeMake({ ...options.initiator, crypto, entropy }),
        responder: unsafeMake({ ...options.responder, crypto, entropy })
      }
      const written: Array<string> = []
      for (let i = 0; !both.initiator.complete; i++) {
        const [writer, reader] = turn(both, i)
        const message = writer.writeMessage(utf8(seed))
        reader.readMessage(message)
        written.push(hex(message))
      }
      const { receive, send } = both.initiator.splitKeys()
      return [...written, hex(send), hex(receive), hex(both.initiator.handshakeHash)]
    }
    assert.deepStrictEqual(run(noble), run(node))
  }, { fastCheck: { numRuns: 20 } })

  it("each side learns the static key that the other sent", () => {
    const options = sides(XX)
    const both = exchange({ initiator: unsafeMake(options.initiator), responder: unsafeMake(options.responder) })
    assert.deepStrictEqual(both.initiator.remoteStatic, node.x25519.publicKey(options.responder.staticKey ?? empty))
    assert.deepStrictEqual(both.responder.remoteStatic, node.x25519.publicKey(options.initiator.staticKey ?? empty))
  })

  it("ephemeral keys are fresh in every handshake", () => {
    const options = sides(XX)
    const first = unsafeMake(options.initiator).writeMessage(empty)
    assert.notStrictEqual(hex(first), hex(unsafeMake(options.initiator).writeMessage(empty)))
  })

  it("another prologue or another psk does not authenticate", () => {
    const options = sides("Noise_NKpsk0_25519_AESGCM_SHA256")
    const message = unsafeMake(options.initiator).writeMessage(empty)
    refuses("DecryptFailed", () => unsafeMake({ ...options.responder, prologue: utf8("x") }).readMessage(message))
    refuses("DecryptFailed", () => unsafeMake({ ...options.responder, psks: [randomKey()] }).readMessage(message))
    assert.strictEqual(unsafeMake(options.responder).readMessage(message).length, 0)
  })
})

describe("the steps of the specification", () => {
  const hash = (...parts: ReadonlyArray<Uint8Array>) => createHash("sha256").update(Buffer.concat(parts)).digest()
  const hmac = (key: Uint8Array, ...parts: ReadonlyArray<Uint8Array>) =>
    createHmac("sha256", key).update(Buffer.concat(parts)).digest()
  /** HKDF of section 4.3 with three outputs. */
  const hkdf = (chainingKey: Uint8Array, input: Uint8Array): readonly [Buffer, Buffer, Buffer] => {
    const key = hmac(chainingKey, input)
    const first = hmac(key, Buffer.of(1))
    const second = hmac(key, first, Buffer.of(2))
    return [first, second, hmac(key, second, Buffer.of(3))]
  }

  it.prop("NNpsk0 begins as sections 5 and 9 say, step by step", [bytes(32, 32), bytes(32, 32), bytes(0, 40)], ([
    psk,
    ephemeralKey,
    payload
  ]) => {
    const protocolName = "Noise_NNpsk0_25519_AESGCM_SHA256"
    const prologue = utf8("prologue")
    const e = node.x25519.publicKey(ephemeralKey)
    const start = Buffer.alloc(32)
    start.write(protocolName)
    const [ck, mixed] = hkdf(start, psk)
    const h = hash(hash(hash(start, prologue), mixed), e)
    const [, k] = hkdf(ck, e)
    const cipher = createCipheriv("aes-256-gcm", k, Buffer.alloc(12)).setAAD(h)
    const expected = Buffer.concat([e, cipher.update(payload), cipher.final(), cipher.getAuthTag()])
    const state = unsafeMake({ protocolName, role: "initiator", prologue, psks: [psk], ephemeralKey })
    assert.strictEqual(hex(state.writeMessage(payload)), hex(expected))
    assert.strictEqual(hex(state.handshakeHash), hex(hash(h, expected.subarray(32))))
  })

  it.prop("a psk after the first message sets hash and key as section 9.2 says", [bytes(32, 32), bytes(32, 32)], ([
    psk,
    ephemeralKey
  ]) => {
    const protocolName = "Noise_NNpsk1_25519_AESGCM_SHA256"
    const e = node.x25519.publicKey(ephemeralKey)
    const start = Buffer.alloc(32)
    start.write(protocolName)
    const [ck] = hkdf(start, e)
    const [, mixed, k] = hkdf(ck, psk)
    const h = hash(hash(hash(start), e), mixed)
    const cipher = createCipheriv("aes-256-gcm", k, Buffer.alloc(12)).setAAD(h)
    const expected = Buffer.concat([e, cipher.update(psk), cipher.final(), cipher.getAuthTag()])
    const state = unsafeMake({ protocolName, role: "initiator", psks: [psk], ephemeralKey })
    assert.strictEqual(hex(state.writeMessage(psk)), hex(expected))
  })
})

describe("transactions", () => {
  /** A protocol, how far it got, and a way to spoil its next message. */
  const spoiled = fc.record({ section: sections, suite, at: fc.nat(), bit: fc.nat(), payload: bytes(0, 40) })

  const next = (section: string, name: string, at: number) => {
    const protocol = ProtocolName.unsafeParse(`Noise_${section}_${name}`)
    const position = at % protocol.messages.length
    const both = exchange(pair(protocol.name), position)
    const [writer, reader] = turn(both, position)
    return { both, protocol, reader, writer, overhead: protocol.messages[position].overhead, position }
  }

  const finish = (both: Pair, from: number): void => {
    for (let i = from; !both.initiator.complete; i++) {
      const [writer, reader] = turn(both, i)
      reader.readMessage(writer.writeMessage(empty))
    }
    assert.strictEqual(hex(both.initiator.handshakeHash), hex(both.responder.handshakeHash))
    assert.deepStrictEqual(both.initiator.splitKeys().send, both.responder.splitKeys().receive)
  }

  it.prop("a message with a flipped bit is refused and changes nothing, or was in the clear", [spoiled], ([one]) => {
    const { both, position, reader, writer } = next(one.section, one.suite, one.at)
    const message = writer.writeMessage(one.payload)
    if (message.length === 0) return
    const forged = message.slice()
    const bit = one.bit % (forged.length * 8)
    forged[bit >> 3] ^= 1 << (bit & 7)
    const before = view(reader)
    const trial = reader.clone()
    try {
      trial.readMessage(forged)
    } catch (error) {
      assert.instanceOf(error, NoiseError)
      assert.include(["DecryptFailed", "InvalidPublicKey"], error.reason)
      assert.deepStrictEqual(view(trial), before)
      assert.strictEqual(hex(trial.readMessage(message)), hex(one.payload))
      finish(writer.role === "initiator" ? { ...both, responder: trial } : { ...both, initiator: trial }, position + 1)
      return
    }
    // Nothing authenticates what is sent before the first key, but the hash tells.
    assert.notStrictEqual(hex(trial.handshakeHash), hex(writer.handshakeHash))
    assert.isTrue(position === 0)
  })

  it.prop("a message cut short is refused, changes nothing, and the genuine one still works", [spoiled], ([one]) => {
    const { overhead, reader, writer } = next(one.section, one.suite, one.at)
    const message = writer.writeMessage(one.payload)
    const length = one.bit % Math.max(1, overhead)
    if (overhead === 0) return
    const before = view(reader)
    refuses("MessageTooShort", () => reader.readMessage(message.subarray(0, length)))
    assert.deepStrictEqual(view(reader), before)
    assert.strictEqual(hex(reader.readMessage(message)), hex(one.payload))
    assert.strictEqual(hex(reader.handshakeHash), hex(writer.handshakeHash))
  })

  it.prop("an ephemeral key of low order is refused where it is used, and the genuine message still works", [
    fc.constantFrom("NK", "XX", "IK", "KK", "NNpsk0", "X1X1"),
    suite
  ], ([section, name]) => {
    const { initiator, responder } = pair(`Noise_${section}_${name}`)
    const first = initiator.writeMessage(empty)
    responder.readMessage(first)
    const second = responder.writeMessage(empty)
    const forged = second.slice()
    forged.fill(0, 0, 32)
    const before = view(initiator)
    refuses("InvalidPublicKey", () => initiator.readMessage(forged))
    assert.deepStrictEqual(view(initiator), before)
    initiator.readMessage(second)
    assert.strictEqual(hex(initiator.handshakeHash), hex(responder.handshakeHash))
  })

  it("a write that fails changes nothing and overwrites the ephemeral key it drew", () => {
    const { crypto, secrets } = spying()
    const responder = unsafeMake({ protocolName: "Noise_NN_25519_AESGCM_SHA256", role: "responder", crypto })
    responder.readMessage(new Uint8Array(32))
    const before = view(responder)
    secrets.length = 0
    refuses("InvalidPublicKey", () => responder.writeMessage(empty))
    assert.deepStrictEqual(view(responder), before)
    assert.isAbove(secrets.length, 0)
    for (const secret of secrets) assert.isTrue(secret.every((byte) => byte === 0))
    refuses("InvalidPublicKey", () => responder.writeMessage(empty))
  })

  it.prop("reading and writing leave their inputs alone", [spoiled], ([one]) => {
    const { reader, writer } = next(one.section, one.suite, one.at)
    const payload = one.payload.slice()
    const message = writer.writeMessage(payload)
    const copy = message.slice()
    const read = reader.readMessage(message)
    assert.deepStrictEqual([payload, message], [one.payload, copy])
    read.fill(0xff)
    assert.deepStrictEqual([payload, message], [one.payload, copy])
    message.fill(0xff)
    assert.strictEqual(hex(reader.handshakeHash), hex(writer.handshakeHash))
  })

  it("inputs are copied and outputs are the caller's own", () => {
    const plain = sides("Noise_KKpsk0_25519_AESGCM_SHA256", { prologue: utf8("prologue") })
    const copy = (options: HandshakeOptions): HandshakeOptions => ({
      ...options,
      prologue: options.prologue?.slice(),
      staticKey: options.staticKey?.slice(),
      remoteStatic: options.remoteStatic?.slice(),
      psks: options.psks?.map((psk) => psk.slice())
    })
    const options = copy(plain.initiator)
    const initiator = unsafeMake(options)
    for (const input of [options.prologue, options.staticKey, options.remoteStatic, ...options.psks ?? []]) {
      input?.fill(1)
    }
    initiator.handshakeHash.fill(1)
    initiator.remoteStatic?.fill(1)
    const both = exchange({ initiator, responder: unsafeMake(copy(plain.responder)) })
    assert.strictEqual(hex(both.initiator.handshakeHash), hex(both.responder.handshakeHash))
    const { initiator: genuine } = plain
    assert.isTrue([genuine.staticKey, genuine.remoteStatic].every((key) => key?.some((byte) => byte > 1)))
  })

  it("a clone outlives the destruction of its original, ephemeral key included", () => {
    const both = exchange(pair("Noise_XXpsk0+psk3_25519_AESGCM_SHA256"), 1)
    const initiator = both.initiator.clone()
    both.initiator.destroy()
    finish({ initiator, responder: both.responder }, 1)
  })

  it("a clone goes its own way", () => {
    const both = exchange(pair(XX), 1)
    const copy = both.responder.clone()
    const before = view(copy)
    both.initiator.readMessage(both.responder.writeMessage(empty))
    assert.deepStrictEqual(view(copy), before)
    both.responder.destroy()
    const message = copy.writeMessage(empty)
    assert.notStrictEqual(hex(copy.handshakeHash), before.hash)
    assert.strictEqual(message.length, 32 + 48 + 16)
    refuses("Destroyed", () => both.responder.clone())
  })
})

describe("the order of calls", () => {
  it.prop("whoever is not to write is refused, and nothing changes", [sections], ([section]) => {
    const both = pair(`Noise_${section}_25519_AESGCM_SHA256`)
    for (let i = 0; !both.initiator.complete; i++) {
      const [writer, reader] = turn(both, i)
      refuses("OutOfTurn", () => reader.writeMessage(empty))
      refuses("OutOfTurn", () => writer.readMessage(new Uint8Array(200)))
      refuses("HandshakeIncomplete", () => reader.split())
      refuses("HandshakeIncomplete", () => writer.splitKeys())
      reader.readMessage(writer.writeMessage(empty))
    }
    for (const state of [both.initiator, both.responder]) {
      refuses("HandshakeComplete", () => state.writeMessage(empty))
      refuses("HandshakeComplete", () => state.readMessage(empty))
    }
  })

  it("transport keys are handed out once", () => {
    for (const first of ["split", "splitKeys"] as const) {
      const { initiator } = exchange(pair(XX))
      initiator[first]()
      refuses("AlreadySplit", () => initiator.split())
      refuses("AlreadySplit", () => initiator.splitKeys())
      refuses("AlreadySplit", () => initiator.clone().split())
      refuses("HandshakeComplete", () => initiator.writeMessage(empty))
    }
  })

  it.prop("splitKeys gives the keys of split, crossed between the roles", [sections, suite], ([section, name]) => {
    const both = exchange(pair(`Noise_${section}_${name}`))
    const ciphers = both.initiator.clone().split()
    const initiator = both.initiator.splitKeys()
    const responder = both.responder.splitKeys()
    assert.deepStrictEqual([initiator.send, initiator.receive], [responder.receive, responder.send])
    assert.strictEqual(initiator.send.length, 32)
    const aead = node.aead.makeKey(name.includes("AESGCM") ? "AES-256-GCM" : "ChaCha20-Poly1305", initiator.send)
    const sealed = new Uint8Array(20)
    aead.seal(new Uint8Array(12), empty, utf8("text"), sealed)
    assert.strictEqual(hex(ciphers.send.encryptWithAd(empty, utf8("text"))), hex(sealed))
    assert.strictEqual(initiator.receive.length, ProtocolName.unsafeParse(`Noise_${section}_${name}`).oneWay ? 0 : 32)
  })

  it("a message has at most 65,535 bytes, the payload gets what keys and tags leave", () => {
    const { initiator, responder } = exchange(pair(XX), 1)
    const room = MAX_MESSAGE_BYTES - 32 - 48 - 16
    const before = view(responder)
    refuses("MessageTooLong", () => responder.writeMessage(new Uint8Array(room + 1)))
    assert.deepStrictEqual(view(responder), before)
    refuses("MessageTooLong", () => initiator.readMessage(new Uint8Array(MAX_MESSAGE_BYTES + 1)))
    const message = responder.writeMessage(new Uint8Array(room))
    assert.strictEqual(message.length, MAX_MESSAGE_BYTES)
    assert.strictEqual(initiator.readMessage(message).length, room)
  })
})

describe("secrets", () => {
  it.prop("destroy overwrites every secret, at any point of a handshake", [
    sections,
    suite,
    fc.integer({ min: 1, max: 5 })
  ], ([
    section,
    name,
    at
  ]) => {
    const { crypto, secrets } = spying()
    const options = sides(`Noise_${section}_${name}`, { crypto })
    secrets.length = 0
    const both = exchange({ initiator: unsafeMake(options.initiator), responder: unsafeMake(options.responder) }, at)
    both.initiator.destroy()
    both.responder.destroy()
    assert.isAbove(secrets.length, 0)
    for (const secret of secrets) assert.isTrue(secret.every((byte) => byte === 0))
    for (const state of [both.initiator, both.responder]) {
      refuses("Destroyed", () => state.writeMessage(empty))
      refuses("Destroyed", () => state.readMessage(empty))
      refuses("Destroyed", () => state.split())
      refuses("Destroyed", () => state.splitKeys())
      refuses("Destroyed", () => state.clone())
    }
  })

  it("a refused message leaves no secret that it brought about", () => {
    const { crypto, secrets } = spying()
    const { initiator, responder } = pair("Noise_NKpsk0_25519_AESGCM_SHA256", { crypto })
    const forged = initiator.writeMessage(empty)
    forged[forged.length - 1] ^= 1
    secrets.length = 0
    refuses("DecryptFailed", () => responder.readMessage(forged))
    responder.destroy()
    assert.isAbove(secrets.length, 0)
    for (const secret of secrets) assert.isTrue(secret.every((byte) => byte === 0))
  })

  it.prop(
    "after split nothing secret is left behind but the ciphers' own copies",
    [sections, suite],
    ([section, name]) => {
      const { crypto, secrets } = spying()
      const both = exchange(pair(`Noise_${section}_${name}`, { crypto }))
      both.initiator.split()
      both.responder.split()
      for (const secret of secrets) assert.isTrue(secret.every((byte) => byte === 0))
    }
  )

  it("an error shows no key", () => {
    const staticKey = randomKey()
    const error = refusal(() => unsafeMake({ protocolName: XX, role: "initiator", staticKey, remoteStatic: staticKey }))
    assert.notInclude(JSON.stringify(error) + error.message + String(error.stack), hex(staticKey))
  })
})

describe("options", () => {
  const key = randomKey()
  const name = (section: string) => `Noise_${section}_25519_AESGCM_SHA256`
  const refused: ReadonlyArray<readonly [NoiseErrorReason, string, HandshakeOptions]> = [
    ["MissingKey", "staticKey", { protocolName: XX, role: "initiator" }],
    ["MissingKey", "staticKey", { protocolName: name("NK"), role: "responder" }],
    ["MissingKey", "remoteStatic", { protocolName: name("NK"), role: "initiator" }],
    ["MissingKey", "remoteStatic", { protocolName: name("KN"), role: "responder" }],
    ["MissingKey", "psks", { protocolName: name("NNpsk0"), role: "initiator" }],
    ["MissingKey", "psks", { protocolName: name("NNpsk0+psk2"), role: "initiator", psks: [key] }],
    ["UnexpectedKey", "psks", { protocolName: name("NN"), role: "initiator", psks: [key] }],
    ["UnexpectedKey", "remoteStatic", { protocolName: XX, role: "initiator", staticKey: key, remoteStatic: key }],
    ["UnexpectedKey", "remoteStatic", {
      protocolName: name("NK"),
      role: "responder",
      staticKey: key,
      remoteStatic: key
    }],
    ["InvalidKeyLength", "staticPublicKey", {
      protocolName: XX,
      role: "initiator",
      staticKey: key,
      staticPublicKey: key.subarray(1)
    }],
    ["InvalidKeyLength", "staticKey", { protocolName: XX, role: "initiator", staticKey: key.subarray(1) }],
    ["InvalidKeyLength", "ephemeralKey", { protocolName: name("NN"), role: "initiator", ephemeralKey: empty }],
    ["InvalidKeyLength", "remoteStatic", {
      protocolName: name("NK"),
      role: "initiator",
      remoteStatic: new Uint8Array(33)
    }],
    ["InvalidKeyLength", "psks[0]", { protocolName: name("NNpsk0"), role: "initiator", psks: [empty] }],
    ["InvalidProtocolName", "hash", { protocolName: "Noise_NN_25519_AESGCM_MD5", role: "initiator" }]
  ]

  for (const [reason, part, options] of refused) {
    it.effect(`${options.protocolName} for the ${options.role}: ${reason} ${part}, thrown by unsafeMake, failed by make`, () =>
      Effect.gen(function*() {
        const thrown = refuses(reason, () => unsafeMake(options))
        assert.strictEqual(thrown.part, part)
        assert.include(thrown.message, part)
        const failed = yield* Effect.flip(make(options))
        assert.deepStrictEqual([failed.reason, failed.message], [thrown.reason, thrown.message])
      }))
  }

  it("a static key that the pattern has no use for does not change the handshake", () => {
    const options: HandshakeOptions = { protocolName: name("NN"), role: "initiator", ephemeralKey: key }
    assert.strictEqual(
      hex(unsafeMake({ ...options, staticKey: key }).writeMessage(empty)),
      hex(unsafeMake(options).writeMessage(empty))
    )
  })

  it.effect("make gives the state of unsafeMake", () =>
    Effect.gen(function*() {
      const options: HandshakeOptions = { protocolName: name("NN"), role: "initiator", ephemeralKey: key }
      const state = yield* make(options)
      assert.deepStrictEqual(state.writeMessage(empty), unsafeMake(options).writeMessage(empty))
      assert.deepStrictEqual([state.role, state.protocolName], [options.role, options.protocolName])
    }))
})
