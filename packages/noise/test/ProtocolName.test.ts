import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import { NoiseError, Pattern, ProtocolName } from "../src/index.js"
import { suites, variants } from "./support/handshakes.js"

const refusal = (name: string): NoiseError => {
  try {
    ProtocolName.unsafeParse(name)
  } catch (error) {
    if (error instanceof NoiseError) return error
    throw error
  }
  throw new Error(`${name} was accepted`)
}

describe("ProtocolName", () => {
  it("every pattern, psk variant and suite parses to its parts", () => {
    for (const { pattern, section } of variants) {
      for (const suite of suites) {
        const [, cipher, hash] = suite.split("_")
        const protocol = ProtocolName.unsafeParse(`Noise_${section}_${suite}`)
        assert.deepStrictEqual([protocol.pattern, protocol.cipher as string, protocol.hash as string], [
          pattern,
          cipher,
          hash
        ])
        assert.strictEqual(section, pattern + protocol.psks.map((index) => `psk${index}`).join("+"))
      }
    }
  })

  it.prop("any subset of a pattern's psk modifiers combines", [
    fc.constantFrom(...Pattern.names).chain((name) =>
      fc.record({
        name: fc.constant(name),
        psks: fc.subarray(Array.from({ length: Pattern.get(name).messages.length + 1 }, (_, i) => i))
      })
    )
  ], ([{ name, psks }]) => {
    const modifiers = psks.map((index) => `psk${index}`).join("+")
    assert.deepStrictEqual(ProtocolName.unsafeParse(`Noise_${name}${modifiers}_25519_AESGCM_SHA256`).psks, psks)
  })

  const refused: ReadonlyArray<readonly [name: string, part: string, found: string]> = [
    ["", "prefix", "\"\""],
    ["noise_XX_25519_AESGCM_SHA256", "prefix", "\"noise\""],
    ["Noise_XX_25519_AESGCM", "sections", "4 sections"],
    ["Noise_XX_25519_AESGCM_SHA256_", "sections", "6 sections"],
    ["Noise_XZ_25519_AESGCM_SHA256", "pattern", "\"XZ\""],
    ["Noise__25519_AESGCM_SHA256", "pattern", "\"\""],
    ["Noise_xx_25519_AESGCM_SHA256", "pattern", "\"\""],
    ["Noise_XX2_25519_AESGCM_SHA256", "pattern", "\"XX2\""],
    ["Noise_XXfallback_25519_AESGCM_SHA256", "modifier", "\"fallback\""],
    ["Noise_XXpsk4_25519_AESGCM_SHA256", "modifier", "\"psk4\""],
    ["Noise_NNpsk3_25519_AESGCM_SHA256", "modifier", "\"psk3\""],
    ["Noise_Npsk2_25519_AESGCM_SHA256", "modifier", "\"psk2\""],
    ["Noise_XXpsk_25519_AESGCM_SHA256", "modifier", "\"psk\""],
    ["Noise_XXpsk03_25519_AESGCM_SHA256", "modifier", "\"psk03\""],
    ["Noise_XX+psk3_25519_AESGCM_SHA256", "modifier", "\"\""],
    ["Noise_XXpsk0+_25519_AESGCM_SHA256", "modifier", "\"\""],
    ["Noise_XXpsk0psk1_25519_AESGCM_SHA256", "modifier", "\"psk0psk1\""],
    ["Noise_XXpsk1+psk1_25519_AESGCM_SHA256", "modifier", "\"psk1\" twice"],
    ["Noise_XXpsk0+psk1+psk0_25519_AESGCM_SHA256", "modifier", "\"psk0\" twice"],
    ["Noise_XXpsk2+psk0_25519_AESGCM_SHA256", "modifier", "out of order"],
    ["Noise_XX_448_AESGCM_SHA256", "curve", "\"448\""],
    ["Noise_XX_25519_AES_SHA256", "cipher", "\"AES\""],
    ["Noise_XX_25519_AESGCM_SHA3/256", "hash", "\"SHA3/256\""],
    ["Noise_XX_25519_AESGCM_sha256", "hash", "\"sha256\""]
  ]

  for (const [name, part, found] of refused) {
    it(`${JSON.stringify(name)} is refused for its ${part}, with what is allowed there`, () => {
      const error = refusal(name)
      assert.deepStrictEqual([error.reason, error.part], ["InvalidProtocolName", part])
      assert.include(error.message, found)
      assert.isAbove(error.allowed?.length ?? 0, 0)
      for (const allowed of error.allowed ?? []) assert.include(error.message, allowed)
    })
  }

  it("modifiers out of order are refused with the right order", () => {
    assert.deepStrictEqual(refusal("Noise_XXpsk3+psk0_25519_AESGCM_SHA256").allowed, ["psk0+psk3"])
  })
})
