import { readFileSync } from "node:fs"

/** CPU time of this process since a moment, in nanoseconds. */
export class CpuTime {
  private from = process.cpuUsage()

  begin(): void {
    this.from = process.cpuUsage()
  }

  get ns(): number {
    const { system, user } = process.cpuUsage(this.from)
    return (system + user) * 1000
  }
}

/** Datagrams that the kernel dropped because the receive buffers of these ports were full; 0 where it does not say. */
export const kernelDrops = (ports: ReadonlySet<number>): number => {
  let drops = 0
  try {
    for (const line of readFileSync("/proc/net/udp", "utf8").split("\n")) {
      const columns = line.trim().split(/\s+/)
      if (ports.has(Number.parseInt(columns[1]?.split(":")[1] ?? "", 16))) drops += Number(columns.at(-1))
    }
  } catch {
    return 0
  }
  return drops
}

declare const gc: (() => void) | undefined

const FREEING_MS = 500

/** Bytes that this process holds, after a collection where `--expose-gc` allows one. */
export interface Memory {
  readonly rss: number
  /** Objects and the bytes of their typed arrays. */
  readonly held: number
}

export const memory = async (): Promise<Memory> => {
  gc?.()
  // pages that became free go back to the system a moment later, by another thread
  await new Promise((resolve) => setTimeout(resolve, FREEING_MS))
  gc?.()
  const { external, heapUsed, rss } = process.memoryUsage()
  return { rss, held: heapUsed + external }
}
