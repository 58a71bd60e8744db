/** The floor under a sender: plain datagrams from any number of sockets to any number of ports. */
import { NativeSender } from "../nativeSocket.js"
import { pace } from "../pacing.js"
import { bindRaw } from "../rawSocket.js"
import { CpuTime } from "../usage.js"

export interface RawSenderOptions {
  /** What the transport's socket is: `batch` or `dgram`. */
  readonly socket: string
  /** Sockets. */
  readonly count: number
  readonly ports: ReadonlyArray<number>
  readonly bytes: number
}

export interface RawRun {
  readonly seconds: number
  /** Datagrams in one turn of the event loop at most. */
  readonly burst: number
}

export interface RawSent {
  readonly sent: number
  readonly seconds: number
  readonly cpuNs: number
}

/** A socket that sends to its ports in turn. */
interface RawSocket {
  readonly blocked: boolean
  readonly send: (count: number) => number
}

/** Bytes that may wait in Node before a turn is left out. */
const MOST_WAITING = 256 * 1024

const dgram = async (ports: ReadonlyArray<number>, bytes: number): Promise<RawSocket> => {
  const socket = await bindRaw()
  const payload = new Uint8Array(bytes)
  let to = 0
  return {
    get blocked() {
      return socket.getSendQueueSize() > MOST_WAITING
    },
    send: (count) => {
      for (let i = 0; i < count; i++) {
        socket.send(payload, 0, bytes, ports[to], "127.0.0.1")
        if (++to === ports.length) to = 0
      }
      return count
    }
  }
}

export const make = () => {
  const sockets: Array<RawSocket> = []
  return {
    open: async ({ bytes, count, ports, socket }: RawSenderOptions): Promise<void> => {
      for (let i = 0; i < count; i++) {
        sockets.push(socket === "batch" ? new NativeSender(ports, bytes) : await dgram(ports, bytes))
      }
    },
    /** As fast as it goes: one socket all of a burst, several one datagram each in turn. */
    run: async ({ burst, seconds }: RawRun): Promise<RawSent> => {
      const cpu = new CpuTime()
      const alone = sockets.length === 1
      let sent = 0
      let from = 0
      const send = (datagrams: number): void => {
        if (alone) {
          sent += sockets[0].send(datagrams)
          return
        }
        for (let i = 0; i < datagrams; i++) {
          sent += sockets[from].send(1)
          if (++from === sockets.length) from = 0
        }
      }
      const held = (): boolean => alone && sockets[0].blocked
      const paced = await pace({ perSecond: Infinity, seconds, burst }, send, held)
      return { sent, seconds: paced.seconds, cpuNs: cpu.ns }
    }
  }
}
