import { assert } from "@effect/vitest"
import type { NetworkShape, UdpSocketOptions, UdpSocketShape } from "../../src/index.js"
import { copyOut, idOf, put, type Received } from "./contract.js"

/** A simulated socket with what it received, when. */
export interface Peer {
  readonly socket: UdpSocketShape & { readonly close: () => void }
  readonly received: ReadonlyArray<Received & { readonly at: number }>
  readonly sendTo: (peer: Peer, bytes: Uint8Array) => void
  readonly text: string
}

export const peer = (network: NetworkShape, options: UdpSocketOptions): Peer => {
  const socket = network.unsafeBind(options)
  const received: Array<Received & { readonly at: number }> = []
  socket.setHandler((batch) => {
    for (let i = 0; i < batch.count; i++) {
      received.push({ ...copyOut(batch, i, socket.maxDatagramBytes), at: network.now })
    }
  })
  const ids = new Map<string, number>()
  return {
    socket,
    received,
    text: `${socket.localAddress.host}:${socket.localAddress.port}`,
    sendTo: (to, bytes) => {
      const key = `${to.socket.localAddress.host} ${to.socket.localAddress.port}`
      let id = ids.get(key)
      if (id === undefined) ids.set(key, id = idOf(socket, to.socket.localAddress))
      put(socket, id, bytes)
      socket.send()
    }
  }
}

/** Two peers, 10.0.0.1:1 and 10.0.0.2:2. */
export const pair = (network: NetworkShape): readonly [Peer, Peer] => [
  peer(network, { host: "10.0.0.1", port: 1 }),
  peer(network, { host: "10.0.0.2", port: 2 })
]

/** The law of the ledger. */
export const assertBalanced = ({ ledger }: NetworkShape): void => {
  const { delivered, duplicated, inFlight, injected, lost, lostTotal, sent } = ledger
  assert.strictEqual(sent + duplicated + injected, delivered + lostTotal + inFlight)
  assert.strictEqual(lostTotal, Object.values(lost).reduce((sum, n) => sum + n, 0))
  assert.isAtLeast(inFlight, 0)
}
