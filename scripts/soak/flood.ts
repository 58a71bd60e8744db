/** A hub that is flooded while it serves: what its peers notice. */
import { loadavg } from "node:os"
import { start } from "./child.js"
import type { HubState, PeersState, Target } from "./floodRoles.js"
import { sleep } from "./library.js"

export interface FloodOptions {
  readonly seconds: number
  readonly rate: number
}

const PEERS = 20
const HZ = 100
const SOCKETS = 256
const GOAL_RATIO = 0.99
const GOAL_CONNECT_MS = 2000
/** Growth of memory that is the garbage collector's slack and no leak. */
const FLAT_BYTES = 64 * 2 ** 20

/** A hub that waits for a CPU for more of its time than this is measured on a busy machine. */
const BUSY = 0.1

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`
const grouped = (count: number): string => Math.round(count).toLocaleString("en")

const sum = (counts: { readonly [name: string]: number }): number =>
  Object.values(counts).reduce((total, count) => total + count, 0)

const difference = (after: HubState["drops"], before: HubState["drops"]): string =>
  Object.entries(after)
    .map(([reason, count]) => [reason, count - (before[reason] ?? 0)] as const)
    .filter(([, count]) => count > 0)
    .map(([reason, count]) => `${reason} ${grouped(count)}`)
    .join(", ")

/** Whether every goal was met. */
export const flood = async ({ rate, seconds }: FloodOptions): Promise<boolean> => {
  const hub = start("flood-hub")
  const peers = start("flood-peers")
  const flooder = start("flooder")
  try {
    const target = await hub.ask<Target>("open")
    await peers.ask("open", { hub: target, count: PEERS, hz: HZ })
    await sleep(2000)
    const { captured } = await peers.ask<PeersState>("state")
    await hub.ask("mark")
    const before = await hub.ask<HubState>("state")
    const peersBefore = await peers.ask<PeersState>("state")
    await flooder.ask("start", { hub: target, captured, rate, sockets: SOCKETS })
    const began = performance.now()
    const newcomers: Array<number> = []
    for (let i = 1; i <= 3; i++) {
      await sleep(Math.max(0, began + (seconds * 1000 * i) / 4 - performance.now()))
      newcomers.push(await peers.ask<number>("newcomer"))
    }
    await sleep(Math.max(0, began + seconds * 1000 - performance.now()))
    const flooded = await flooder.ask<{ readonly sent: number; readonly failed: number }>("stop")
    const took = (performance.now() - began) / 1000
    await peers.ask("stop")
    await sleep(1000)
    const after = await hub.ask<HubState>("state")
    const peersAfter = await peers.ask<PeersState>("state")

    const sent = peersAfter.sent - peersBefore.sent
    const delivered = sum(after.delivered) - sum(before.delivered)
    const ratio = delivered / sent
    const slowest = Math.max(...newcomers)
    const grown = after.rss - before.rss
    const closed = after.closed - before.closed
    const lines: ReadonlyArray<readonly [string, string, boolean]> = [
      [
        "delivery of legitimate peers",
        `${(100 * ratio).toFixed(2)} % (${grouped(delivered)} of ${
          grouped(sent)
        } messages, ${PEERS} peers at ${HZ} Hz)`,
        ratio >= GOAL_RATIO
      ],
      [
        "newcomers connected after",
        newcomers.map((millis) => `${millis.toFixed(0)} ms`).join(", "),
        slowest < GOAL_CONNECT_MS
      ],
      ["memory of the hub", `${mebibytes(before.rss)} before, ${mebibytes(after.rss)} after`, grown < FLAT_BYTES],
      ["sessions closed", `${closed} of ${after.sessions}`, closed === 0]
    ]
    console.log(
      `flood: ${grouped(flooded.sent / took)} packets/s of ${grouped(rate)} asked, from ${SOCKETS} addresses, ` +
        `${took.toFixed(1)} s; load average ${loadavg()[0].toFixed(1)}`
    )
    console.log(
      `hub: ${grouped((after.received - before.received) / took)} datagrams/s read, ` +
        `${grouped(after.kernelDrops - before.kernelDrops)} dropped by the kernel, longest turn ` +
        `${after.longestTurnMs.toFixed(1)} ms, on a CPU ${
          (after.cpuMs - before.cpuMs).toFixed(0)
        } ms, ready without one ` +
        `${(after.waitedMs - before.waitedMs).toFixed(0)} ms`
    )
    console.log(`drops: ${difference(after.drops, before.drops)}`)
    for (const [name, what, isMet] of lines) console.log(`${isMet ? "met   " : "MISSED"}  ${name}: ${what}`)
    const starved = (after.waitedMs - before.waitedMs) / (took * 1000 + 1000)
    if (starved > BUSY) {
      console.log(
        `the machine was busy: for ${(100 * starved).toFixed(0)} % of the time the hub was ready and had no CPU, ` +
          "and what the kernel drops then is no fault of the hub; measure again when it is quiet"
      )
    }
    return lines.every(([, , isMet]) => isMet)
  } finally {
    for (const child of [hub, peers, flooder]) child.stop()
  }
}
