import { FfiError, LinuxSocket } from "@intentra/ffi"
import { Effect, Layer } from "effect"
import { networkInterfaces } from "node:os"
import { Network, UdpSocket } from "../../src/index.js"
import type { SocketKit } from "./contract.js"

/** Turns the real event loop until the predicate holds; the test's own time limit ends what never comes. */
export const hostUntil = (predicate: () => boolean): Effect.Effect<void> =>
  Effect.async((resume) => {
    let stopped = false
    const look = (): void => {
      if (predicate()) resume(Effect.void)
      else if (!stopped) setImmediate(look)
    }
    look()
    return Effect.sync(() => {
      stopped = true
    })
  })

export const dgram = (host: string): SocketKit<never> => ({
  name: `layerDgram on ${host}`,
  host,
  layer: UdpSocket.layerDgram,
  environment: Layer.empty,
  until: hostUntil
})

export const batch = (host: string): SocketKit<never> => ({
  ...dgram(host),
  name: `layerBatch on ${host}`,
  layer: UdpSocket.layerBatch
})

const library = LinuxSocket.load()

/** Whether this machine has batched sockets. */
export const hasBatch = !(library instanceof FfiError)

/** Whether they answer from the address that was asked. */
export const hasLocals = !(library instanceof FfiError) && library.localAddresses
if (library instanceof FfiError) console.log(`the tests of layerBatch are skipped: ${library.message}`)

export type Send = LinuxSocket.LinuxSockets["sendmmsg"]

/** The library of this machine, some of whose calls are others. */
export const replacing = (
  callsOver: (real: LinuxSocket.LinuxSockets) => Partial<LinuxSocket.LinuxSockets>
): LinuxSocket.LinuxSocketLibrary => {
  if (library instanceof FfiError) throw library
  const real = library.sockets
  return { ...library, sockets: Object.assign(Object.create(real) as LinuxSocket.LinuxSockets, callsOver(real)) }
}

/** The library of this machine, whose `sendmmsg` answers otherwise. */
export const answering = (answer: (real: Send) => Send): LinuxSocket.LinuxSocketLibrary =>
  replacing((real) => ({ sendmmsg: answer(real.sendmmsg) }))

export const simulated = (host: string): SocketKit<Network> => ({
  name: `layerSimulated on ${host}`,
  host,
  layer: UdpSocket.layerSimulated,
  environment: Layer.orDie(Network.layer({ seed: 1 })),
  until: (predicate) =>
    Effect.flatMap(Network, (network) =>
      Effect.iterate(0, {
        while: (turns) => !predicate() && turns < 1_000,
        body: (turns) => Effect.as(network.advance(1), turns + 1)
      }).pipe(Effect.filterOrDieMessage((turns) => turns < 1_000, "nothing came in a second of virtual time")))
})

export const hasIPv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === "::1")
)
