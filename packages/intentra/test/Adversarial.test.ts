import { assert, describe, it } from "@effect/vitest"
import * as DropReason from "../src/DropReason.js"
import type { Attack } from "./support/adversarial/attack.js"
import { run } from "./support/adversarial/attack.js"
import { cryptoEdges } from "./support/adversarial/cryptoEdges.js"
import { handshakeDos } from "./support/adversarial/handshakeDos.js"
import { memoryBounds } from "./support/adversarial/memoryBounds.js"
import { metrics } from "./support/adversarial/metrics.js"
import { multiPeer } from "./support/adversarial/multiPeer.js"
import { parser } from "./support/adversarial/parser.js"
import { rateLimits } from "./support/adversarial/rateLimits.js"
import { soak } from "./support/adversarial/soak.js"
import { stateMachine } from "./support/adversarial/stateMachine.js"

/** What is attacked. The tests of each mechanism beside this one go deeper; here every attack is held to all counters. */
const CATEGORIES = {
  parser,
  "crypto edges": cryptoEdges,
  "state machine": stateMachine,
  "rate limits": rateLimits,
  "handshake denial of service": handshakeDos,
  "multi-peer": multiPeer,
  "memory bounds": memoryBounds,
  metrics,
  soak
} satisfies { readonly [category: string]: ReadonlyArray<Attack> }

/** The law, and the reasons that are counted. */
const title = ({ drops, name }: Attack): string => {
  if (drops === "checked") return name
  const reasons = Object.entries(drops).map(([reason, count]) => count === 1 ? reason : `${count} ${reason}`)
  return `${name}: ${reasons.length === 0 ? "nothing dropped" : reasons.join(", ")}`
}

for (const [category, attacks] of Object.entries(CATEGORIES)) {
  describe(category, () => {
    for (const attack of attacks) it(title(attack), () => run(attack), 60_000)
  })
}

/** Reasons that no datagram and no call of a peer can bring about, or that only a service that fails does. */
const OURS: ReadonlyArray<DropReason.DropReason> = ["Defect", "ShardOverflow", "PathShrunk", "SendQueueFull"]

describe("the adversarial suite", () => {
  const all: ReadonlyArray<Attack> = Object.values(CATEGORIES).flatMap((attacks) => attacks)

  it("has at least two hundred attacks, ten in each of nine categories, no two of one name", () => {
    assert.strictEqual(Object.keys(CATEGORIES).length, 9)
    for (const [category, attacks] of Object.entries(CATEGORIES)) assert.isAtLeast(attacks.length, 10, category)
    assert.isAtLeast(all.length, 200)
    assert.strictEqual(new Set(all.map(title)).size, all.length)
  })

  it("provokes every reason to drop that others can bring about", () => {
    const provoked = new Set(all.flatMap(({ drops }) => drops === "checked" ? [] : Object.keys(drops)))
    assert.deepStrictEqual(DropReason.all.filter((reason) => !provoked.has(reason) && !OURS.includes(reason)), [])
  })

  it("fails an attack that moves another counter than it says, and one that moves none", () => {
    const [one] = parser
    assert.throws(() => run({ ...one, drops: {} }), /drops/)
    assert.throws(() => run({ ...one, drops: { AuthFailed: 1 } }), /drops/)
    assert.throws(() => run({ ...one, moves: { strikes: 1 } }), /counters/)
    assert.throws(() => run({ ...one, holds: { addresses: 1 } }), /holds/)
    assert.throws(() => run({ ...one, series: {} }), /series/)
  })
})
