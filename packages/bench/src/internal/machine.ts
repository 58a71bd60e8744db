import * as Os from "node:os"

/** Where a figure was measured. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly kernel: string
  readonly node: string
}

const here = (): Machine => {
  const cpus = Os.cpus()
  return {
    cpu: cpus[0]?.model ?? "unknown",
    cores: cpus.length,
    kernel: `${Os.type()} ${Os.release()} ${Os.arch()}`,
    node: process.version
  }
}

export const Machine = { here }
