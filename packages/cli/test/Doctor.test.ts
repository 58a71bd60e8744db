import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { gather } from "../src/internal/doctorFacts.js"
import type { Facts } from "../src/internal/doctorFacts.js"
import { diagnose } from "../src/internal/doctorFindings.js"

const MIB = 2 ** 20

const well: Facts = {
  platform: "linux x64",
  release: "6.1.0",
  node: "20.20.2",
  portable: { ok: true, value: { receiveBufferBytes: 4 * MIB, sendBufferBytes: 4 * MIB } },
  batched: { ok: true, value: { receiveBufferBytes: 8 * MIB, sendBufferBytes: 8 * MIB } },
  native: { ok: true, value: { segmentation: true, coalescing: true, dropCounts: true } },
  openSsl: { ok: true, value: "3.0.19" },
  rmemMax: 4 * MIB,
  wmemMax: 4 * MIB,
  openFiles: 20_000,
  firewalls: []
}

const koffi = { ok: false, why: "koffi cannot be loaded", reason: "KoffiMissing" } as const
const elsewhere = { ok: false, why: "Linux only", reason: "PlatformUnsupported" } as const
const small = { ok: true, value: { receiveBufferBytes: 425_984, sendBufferBytes: 425_984 } } as const

const cases: ReadonlyArray<readonly [string, Partial<Facts>, check: string, status: string, mend: RegExp | undefined]> =
  [
    ["an old Node", { node: "20.18.3" }, "node", "broken", /install Node 20\.19 or newer/],
    ["a newer Node", { node: "22.0.0" }, "node", "ok", undefined],
    ["no UDP at all", { portable: { ok: false, why: "denied", reason: "Failed" } }, "udp", "broken", /container/],
    ["no koffi", { batched: koffi, native: koffi }, "batched sockets", "slow", /^npm install koffi$/],
    ["no koffi", { openSsl: koffi }, "crypto", "slow", /^npm install koffi$/],
    ["another platform", { batched: elsewhere, native: elsewhere }, "batched sockets", "hint", undefined],
    [
      "an old kernel",
      { native: { ok: true, value: { segmentation: false, coalescing: true, dropCounts: true } } },
      "GSO (UDP_SEGMENT)",
      "slow",
      /Linux 4\.18/
    ],
    [
      "an old kernel",
      { native: { ok: true, value: { segmentation: true, coalescing: false, dropCounts: true } } },
      "GRO (UDP_GRO)",
      "slow",
      /Linux 5\.0/
    ],
    [
      "small buffers",
      { batched: small, rmemMax: 212_992 },
      "receive buffer",
      "slow",
      /sysctl -w net\.core\.rmem_max=4194304/
    ],
    [
      "small buffers",
      { batched: small, wmemMax: 212_992 },
      "send buffer",
      "slow",
      /sysctl -w net\.core\.wmem_max=4194304/
    ],
    [
      "small buffers elsewhere",
      { batched: elsewhere, portable: small, rmemMax: undefined },
      "receive buffer",
      "slow",
      /ipc/
    ],
    ["few files", { openFiles: 256 }, "open files", "slow", /ulimit -n 1024/],
    ["no files", { openFiles: 10 }, "open files", "broken", /ulimit -n 1024/],
    ["any number of files", { openFiles: Infinity }, "open files", "ok", undefined],
    ["ufw", { firewalls: ["ufw"] }, "firewall (ufw)", "hint", /^sudo ufw allow 9001\/udp$/],
    ["firewalld", { firewalls: ["firewalld"] }, "firewall (firewalld)", "hint", /--add-port=9001\/udp/],
    ["nftables", { firewalls: ["nftables"] }, "firewall (nftables)", "hint", /udp dport 9001 accept/]
  ]

describe("intentra doctor", () => {
  it("has nothing to mend where nothing is wrong", () => {
    const findings = diagnose(well, 9001)
    assert.isAbove(findings.length, 8)
    assert.deepStrictEqual(findings.filter(({ mend, status }) => status !== "ok" || mend !== undefined), [])
  })

  it.each(cases)("%s: says what it costs and how it is mended", (_, change, check, status, mend) => {
    const finding = diagnose({ ...well, ...change }, 9001).find((it) => it.check === check)
    assert.strictEqual(finding?.status, status)
    if (mend === undefined) assert.isUndefined(finding?.mend)
    else assert.match(finding?.mend ?? "", mend)
  })

  it("whatever is broken or slow on a platform that could have it has a way to be mended", () => {
    for (const [, change] of cases) {
      for (const { mend, status } of diagnose({ ...well, ...change }, 9001)) {
        if (status === "broken" || status === "slow") assert.isDefined(mend)
      }
    }
  })

  it.live("looks at this machine, on which these tests run", () =>
    Effect.gen(function*() {
      const facts = yield* gather
      assert.isTrue(facts.portable.ok)
      assert.deepStrictEqual(diagnose(facts, 9000).filter(({ status }) => status === "broken"), [])
    }))
})
