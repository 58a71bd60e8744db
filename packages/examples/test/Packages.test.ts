import { assert, describe, it } from "@effect/vitest"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "./support/markdown.js"

interface Manifest {
  readonly name: string
  readonly version: string
  readonly private?: boolean
  readonly description?: string
  readonly license?: string
  readonly engines?: { readonly node?: string }
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

const read = <A>(...path: ReadonlyArray<string>): A => JSON.parse(readFileSync(join(root, ...path), "utf8"))

const manifests = readdirSync(join(root, "packages"))
  .filter((folder) => existsSync(join(root, "packages", folder, "package.json")))
  .map((folder) => read<Manifest>("packages", folder, "package.json"))
const published = manifests.filter((manifest) => manifest.private !== true)

describe("packages", () => {
  it("all published packages have one version, and changesets keep it so", () => {
    const { fixed } = read<{ readonly fixed: ReadonlyArray<ReadonlyArray<string>> }>(".changeset", "config.json")
    assert.strictEqual(fixed.length, 1)
    assert.deepStrictEqual([...fixed[0]].sort(), published.map(({ name }) => name).sort())
    assert.strictEqual(new Set(published.map(({ version }) => version)).size, 1)
  })

  it("every package says what it is, under which licence, and for which Node", () => {
    for (const { description, engines, license, name } of published) {
      assert.isAbove(description?.length ?? 0, 20, name)
      assert.strictEqual(license, "MIT OR Apache-2.0", name)
      assert.strictEqual(engines?.node, read<Manifest>("package.json").engines?.node, name)
    }
  })

  it("effect is a peer of every library, in the version that the repository is tested with", () => {
    const tested = read<Manifest>("package.json").devDependencies?.effect
    for (const { dependencies, name, peerDependencies } of published) {
      assert.strictEqual(peerDependencies?.effect ?? dependencies?.effect, tested, name)
      // a command has nobody to bring its own
      assert.strictEqual(dependencies?.effect === undefined, name !== "@intentra/cli", name)
    }
  })

  it("only the command and the metrics routes know a platform", () => {
    for (const { dependencies, name, peerDependencies } of published) {
      const needs = Object.keys({ ...dependencies, ...peerDependencies })
      const knowsPlatform = needs.some((need) => need.startsWith("@effect/"))
      assert.strictEqual(knowsPlatform, ["@intentra/cli", "@intentra/prometheus"].includes(name), name)
    }
  })
})
