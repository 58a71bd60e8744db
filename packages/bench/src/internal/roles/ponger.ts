/** Sends every message back to whoever sent it: as a hub, or as a plain socket. */
import * as Effect from "effect/Effect"
import { HUB } from "../limits.js"
import { bindRaw } from "../rawSocket.js"
import { listening, open } from "../transport.js"
import type { Listening } from "../transport.js"

export const make = () => ({
  listen: async (): Promise<Listening> => {
    const it = await open(HUB)
    await it.run(Effect.asVoid(it.transport.onDelivery((peer, payload) => {
      peer.unsafeSend(payload)
    })))
    return listening(it.transport)
  },
  listenRaw: async (): Promise<number> => {
    const socket = await bindRaw()
    socket.on("message", (message, { address, port }) => socket.send(message, port, address))
    return socket.address().port
  }
})
