/** The floor under a receiver: the same system calls, neither protocol nor crypto. */
import type { Socket } from "node:dgram"
import { receiveNative } from "../nativeSocket.js"
import { bindRaw } from "../rawSocket.js"
import { CpuTime, kernelDrops } from "../usage.js"

export interface RawReceiverOptions {
  /** What the transport's socket is: `batch` or `dgram`. */
  readonly socket: string
  /** Sockets. */
  readonly count: number
  /** Of every datagram. */
  readonly bytes: number
}

export interface RawReceived {
  readonly delivered: number
  readonly seconds: number
  readonly cpuNs: number
  readonly kernelDrops: number
}

export const make = () => {
  const cpu = new CpuTime()
  const ports = new Set<number>()
  const sockets: Array<Socket> = []
  let delivered = 0
  let firstAt = -1
  let lastAt = -1
  let droppedBefore = 0
  // the time is read for each, not once a turn: to drain thousands of sockets is one turn, and may take a second
  const take = (count: number): void => {
    delivered += count
    lastAt = performance.now()
    if (firstAt < 0) firstAt = lastAt
  }
  const bind = async (socket: string, bytes: number): Promise<Socket> => {
    if (socket === "batch") return receiveNative(bytes, take)
    const bound = await bindRaw()
    bound.on("message", () => take(1))
    return bound
  }
  return {
    /** The ports of the sockets. */
    open: async ({ bytes, count, socket }: RawReceiverOptions): Promise<ReadonlyArray<number>> => {
      for (let i = 0; i < count; i++) {
        const bound = await bind(socket, bytes)
        sockets.push(bound)
        ports.add(bound.address().port)
      }
      return [...ports]
    },
    begin: (): void => {
      delivered = 0
      firstAt = -1
      lastAt = -1
      droppedBefore = kernelDrops(ports)
      cpu.begin()
    },
    state: (): RawReceived => ({
      delivered,
      seconds: Math.max(0, lastAt - firstAt) / 1000,
      cpuNs: cpu.ns,
      kernelDrops: kernelDrops(ports) - droppedBefore
    })
  }
}
