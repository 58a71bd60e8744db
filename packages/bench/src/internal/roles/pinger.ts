/** Sends numbered messages at a steady rate and times how long each takes to come back. */
import { SendOptions } from "intentra/SendOptions"
import { pace } from "../pacing.js"
import { bindRaw } from "../rawSocket.js"
import { open } from "../transport.js"
import type { Listening } from "../transport.js"

export interface Ping {
  readonly bytes: number
  readonly perSecond: number
  readonly seconds: number
}

export interface Pinged {
  /** Round trips in microseconds, in order of arrival. */
  readonly micros: Float64Array
  readonly sent: number
}

/** The last message has this long to come back. */
const TAIL_MS = 200
const RELIABLE_TAIL_MS = 2000

const reliable = SendOptions.make({ intent: "Reliable", priority: 7 })

export const make = () => {
  let payload = new Uint8Array(0)
  let sentAt = new Float64Array(0)
  let micros = new Float64Array(0)
  let count = 0
  let tailMs = TAIL_MS
  let transmit: () => void = () => {}

  const onPong = (message: Uint8Array): void => {
    const now = performance.now()
    const seq = message[0] | (message[1] << 8) | (message[2] << 16) | (message[3] << 24)
    const at = sentAt[seq]
    if (!(at > 0) || count === micros.length) return
    sentAt[seq] = 0
    micros[count++] = (now - at) * 1000
  }

  return {
    join: async (
      { hub, intent }: { readonly hub: Listening; readonly intent: "Realtime" | "Reliable" }
    ): Promise<void> => {
      const options = intent === "Reliable" ? reliable : SendOptions.default
      tailMs = intent === "Reliable" ? RELIABLE_TAIL_MS : TAIL_MS
      const it = await open({})
      const peer = await it.run(
        it.transport.connect({ host: "127.0.0.1", port: hub.port, publicKey: hub.publicKey })
      )
      await it.run(it.transport.onDelivery((_peer, message) => onPong(message)))
      transmit = () => {
        peer.unsafeSend(payload, options)
      }
    },
    joinRaw: async (port: number): Promise<void> => {
      const socket = await bindRaw()
      socket.on("message", onPong)
      transmit = () => socket.send(payload, 0, payload.length, port, "127.0.0.1")
    },
    run: async ({ bytes, perSecond, seconds }: Ping): Promise<Pinged> => {
      const most = Math.ceil(perSecond * seconds) + 1
      payload = new Uint8Array(bytes)
      sentAt = new Float64Array(most)
      micros = new Float64Array(most)
      count = 0
      let sent = 0
      await pace({ perSecond, seconds, burst: 1 }, () => {
        payload[0] = sent
        payload[1] = sent >>> 8
        payload[2] = sent >>> 16
        payload[3] = sent >>> 24
        sentAt[sent++] = performance.now()
        transmit()
      })
      await new Promise((resolve) => setTimeout(resolve, tailMs))
      return { micros: micros.slice(0, count), sent }
    }
  }
}
