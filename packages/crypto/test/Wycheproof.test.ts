import { assert, describe, it } from "@effect/vitest"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { TAG_BYTES } from "../src/index.js"
import { backends, hex, reasonOf, toHex } from "./support.js"

interface File<Group, Test> {
  readonly testGroups: ReadonlyArray<Group & { readonly tests: ReadonlyArray<Test> }>
}

interface AeadGroup {
  readonly keySize: number
  readonly ivSize: number
  readonly tagSize: number
}

interface AeadTest {
  readonly tcId: number
  readonly key: string
  readonly iv: string
  readonly aad: string
  readonly msg: string
  readonly ct: string
  readonly tag: string
  readonly result: "valid" | "invalid"
}

interface DhTest {
  readonly tcId: number
  readonly public: string
  readonly private: string
  readonly shared: string
  readonly result: "valid" | "acceptable" | "invalid"
}

const folder = process.env.INTENTRA_VECTORS
const present = folder !== undefined && folder !== "" && existsSync(join(folder, "wycheproof-aes-gcm.json"))
const read = <Group, Test>(name: string): File<Group, Test> =>
  JSON.parse(readFileSync(join(folder ?? "", name), "utf8")) as File<Group, Test>

if (!present) {
  process.stdout.write("Wycheproof vectors skipped: INTENTRA_VECTORS names no folder that holds them\n")
}

for (const { aead, name, x25519 } of backends) {
  describe.skipIf(!present)(`Wycheproof, ${name}`, () => {
    it("AES-256-GCM with 96-bit nonces: 39 valid cases are equal, 27 invalid ones refused", () => {
      const counts = { valid: 0, invalid: 0 }
      const groups = read<AeadGroup, AeadTest>("wycheproof-aes-gcm.json").testGroups
        .filter((group) => group.keySize === 256 && group.ivSize === 96 && group.tagSize === 128)
      for (const test of groups.flatMap((group) => group.tests)) {
        const key = aead.makeKey("AES-256-GCM", hex(test.key))
        const plaintext = hex(test.msg)
        const packet = hex(test.ct + test.tag)
        const out = new Uint8Array(packet.length)
        const opened = key.open(hex(test.iv), hex(test.aad), packet, out)
        if (test.result === "valid") {
          assert.strictEqual(toHex(out.subarray(0, opened)), test.msg, `case ${test.tcId}`)
          const length = key.seal(hex(test.iv), hex(test.aad), plaintext, out)
          assert.strictEqual(length, plaintext.length + TAG_BYTES)
          assert.strictEqual(toHex(out), test.ct + test.tag, `case ${test.tcId}`)
        } else {
          assert.strictEqual(opened, -1, `case ${test.tcId}`)
        }
        counts[test.result]++
      }
      assert.deepStrictEqual(counts, { valid: 39, invalid: 27 })
    })

    it("X25519: 264 valid and 254 acceptable cases are equal, except that all-zero secrets are refused", {
      timeout: 60_000
    }, () => {
      const counts = { valid: 0, acceptable: 0, invalid: 0 }
      let zero = 0
      for (const test of read<object, DhTest>("wycheproof-x25519.json").testGroups.flatMap((group) => group.tests)) {
        const run = () => x25519.sharedSecret(hex(test.private), hex(test.public))
        if (/^0*$/.test(test.shared)) {
          assert.strictEqual(reasonOf(run), "AllZeroSharedSecret", `case ${test.tcId}`)
          zero++
        } else {
          assert.strictEqual(toHex(run()), test.shared, `case ${test.tcId}`)
        }
        counts[test.result]++
      }
      assert.deepStrictEqual(counts, { valid: 264, acceptable: 254, invalid: 0 })
      assert.isAbove(zero, 10)
    })
  })
}
