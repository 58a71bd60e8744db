/** How many sessions one hub holds, and what each costs. */
import { freemem } from "node:os"
import { start } from "./child.js"
import type { Child } from "./child.js"
import type { Target } from "./floodRoles.js"
import type { Memory } from "./sessionRoles.js"

export interface SessionsOptions {
  readonly real: number
  readonly logical: number
  /** What is not reached by then is not reached. */
  readonly seconds: number
}

/** Transports of one client process, well below what a process may open. */
const PER_PROCESS = 1000
const PROCESSES = 2
/** Memory that is left to the rest of the machine. */
const SPARE = 2 * 2 ** 30

const grouped = (count: number): string => Math.round(count).toLocaleString("en")
const flags = ["--expose-gc", "--max-old-space-size=8192"]

interface Batch {
  readonly connected: number
  readonly why: string
}

const real = async (wanted: number, seconds: number): Promise<boolean> => {
  const began = performance.now()
  const hub = start("session-hub", flags)
  const clients: Array<Child> = []
  try {
    const target = await hub.ask<Target>("open", wanted + 10)
    const before = await hub.ask<Memory>("state")
    let connected = 0
    let asked = 0
    let why = ""
    const worker = async (): Promise<void> => {
      while (why === "" && asked < wanted) {
        const count = Math.min(PER_PROCESS, wanted - asked)
        asked += count
        if (freemem() < SPARE) {
          why = "the machine has no more memory for clients"
          return
        }
        const client = start("session-clients", flags)
        clients.push(client)
        const batch = await client.ask<Batch>("open", {
          hub: target,
          count,
          millis: began + seconds * 1000 - performance.now()
        })
        connected += batch.connected
        if (batch.why !== "") why = batch.why
      }
    }
    await Promise.all(Array.from({ length: PROCESSES }, worker))
    const took = (performance.now() - began) / 1000
    const after = await hub.ask<Memory & { readonly sessions: number }>("state")
    console.log(
      `real sockets: ${grouped(after.sessions)} sessions of ${
        grouped(wanted)
      } asked, one socket and one identity each, ` +
        `from ${clients.length} processes in ${took.toFixed(0)} s`
    )
    if (connected > 0) {
      console.log(
        `hub: ${grouped((after.held - before.held) / connected)} bytes of objects and ` +
          `${grouped((after.rss - before.rss) / connected)} bytes resident per session`
      )
    }
    if (connected < wanted) console.log(`not all of them: ${why}`)
    return after.sessions === connected && connected > 0
  } finally {
    for (const child of [hub, ...clients]) child.stop()
  }
}

interface Filled {
  readonly sessions: number
  readonly perSession: number
  readonly perKeys: number
  readonly residentPerKeys: number
  readonly rss: number
}

const logical = async (count: number): Promise<boolean> => {
  const began = performance.now()
  const table = start("session-table", flags)
  try {
    const { perKeys, perSession, residentPerKeys, rss, sessions } = await table.ask<Filled>("fill", count)
    console.log(
      `logical: ${grouped(sessions)} sessions in one table in ${((performance.now() - began) / 1000).toFixed(0)} s, ` +
        `${grouped(perSession)} bytes each and ${grouped(perKeys)} more (${
          grouped(residentPerKeys)
        } resident) for keys ` +
        `and replay window; the process has ${grouped(rss / 2 ** 20)} MiB`
    )
    return sessions === count
  } finally {
    table.stop()
  }
}

/** Whether all sessions that were opened are held. */
export const sessions = async (options: SessionsOptions): Promise<boolean> => {
  const inTable = options.logical === 0 || await logical(options.logical)
  const onSockets = options.real === 0 || await real(options.real, options.seconds)
  return inTable && onSockets
}
