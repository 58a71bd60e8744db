import * as Effect from "effect/Effect"
import type { IntentraShape } from "intentra/Intentra"
import { formatEndpoint } from "./endpoint.js"
import { counts, grouped, millis, padded } from "./terminal.js"

const WIDTHS = [16, 24, 10, 10, 7, 10]
const HEADER = padded(["key", "address", "updates", "rtt", "loss", "connected"], WIDTHS)

/** The first peers, and the whole hub below them. */
export const hubTable = (hub: IntentraShape, rate: number, room: number): Effect.Effect<ReadonlyArray<string>> =>
  Effect.gen(function*() {
    const peers = yield* hub.peers
    const shown = peers.slice(0, peers.length <= room ? room : room - 1)
    const lines = yield* Effect.forEach(shown, (peer) =>
      Effect.map(peer.stats, (stats) =>
        padded([
          peer.id,
          formatEndpoint(peer.address),
          grouped(stats.messagesReceived),
          millis(stats.rtt),
          `${(stats.loss * 100).toFixed(1)} %`,
          `${grouped(stats.age / 1000)} s`
        ], WIDTHS)))
    const hidden = peers.length - shown.length
    return [
      HEADER,
      ...lines,
      ...(hidden > 0 ? [`... and ${grouped(hidden)} more`] : []),
      `${grouped(peers.length)} peers  ${grouped(rate)} updates/s  ` +
      `${grouped(hub.counters.messagesReceived)} in all  drops: ${counts(hub.counters.dropsByReason())}`
    ]
  })
