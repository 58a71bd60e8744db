import { createSocket } from "node:dgram"
import type { Socket, SocketOptions } from "node:dgram"

/** What a transport's socket asks for, too. */
const BUFFER_BYTES = 4 * 1024 * 1024

/** IP literals need no resolver, and no tick for it. */
const lookup = (
  host: string,
  _options: unknown,
  callback: (error: null, address: string, family: number) => void
): void => callback(null, host, 4)

/** A socket of `node:dgram` on the loopback, as fast as that goes. */
export const bindRaw = (): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const socket = createSocket({ type: "udp4", lookup: lookup as NonNullable<SocketOptions["lookup"]> })
    socket.once("error", reject)
    socket.bind(0, "127.0.0.1", () => {
      socket.removeListener("error", reject)
      socket.on("error", () => {})
      socket.setRecvBufferSize(BUFFER_BYTES)
      socket.setSendBufferSize(BUFFER_BYTES)
      resolve(socket)
    })
  })
