/** What `intentra top` shows, as lines of text. */
import type { PeerRow, Peers, Stats } from "./hubState.js"
import { counts, grouped, millis, padded, printable } from "./terminal.js"

/** Everything at one moment. */
export interface Look {
  readonly stats: Stats
  readonly peers: Peers
}

const share = (value: number | null): string => value === null ? "-" : `${(value * 100).toFixed(2)} %`

const time = (value: number | null): string => millis(value ?? undefined)

const bytes = (perSecond: number): string =>
  perSecond >= 2 ** 20
    ? `${(perSecond / 2 ** 20).toFixed(1)} MiB/s`
    : `${(perSecond / 1024).toFixed(1)} KiB/s`

const duration = (ms: number): string => {
  const seconds = Math.floor(ms / 1000)
  return seconds < 600 ?
    `${seconds} s` :
    seconds < 36_000 ?
    `${Math.floor(seconds / 60)} min` :
    `${Math.floor(seconds / 3600)} h`
}

const rates = (of: { readonly [reason: string]: number }): string => {
  const all = Object.entries(of).sort(([, a], [, b]) => b - a)
  return all.length === 0 ? "none" : all.map(([reason, rate]) => `${reason} ${grouped(rate)}/s`).join(", ")
}

/** One line. */
export const summaryOf = ({ stats: { phase, sample } }: Look): string => {
  if (sample === null) return `${phase}, nothing to tell yet`
  const { delivery, longestTurnMs, peers, rates: now, rtt } = sample
  return `${phase}  ${grouped(peers)} peers  ${grouped(now.messagesReceived)} messages/s in  ` +
    `${grouped(now.messagesSent)} out  delivery ${share(delivery)}  rtt ${time(rtt.p50)}  ` +
    `longest turn ${time(longestTurnMs)}  drops: ${rates(now.dropped)}`
}

const WIDTHS = [16, 24, 10, 9, 12, 9, 9, 9]
const HEADER = padded(["key", "address", "rtt", "loss", "messages", "dropped", "silent", "age"], WIDTHS)

const rowOf = (peer: PeerRow): string =>
  padded([
    peer.id,
    peer.address,
    time(peer.rttMs),
    share(peer.loss),
    grouped(peer.messagesReceived),
    grouped(peer.dropped),
    duration(peer.silenceMs),
    duration(peer.ageMs)
  ], WIDTHS)

/** All of it, in so many lines of so many characters. What others have sent is harmless to the terminal. */
export const screenOf = (look: Look, rows: number, columns: number): ReadonlyArray<string> => {
  const { peers: { peers, total }, stats: { hub, phase, sample } } = look
  const head: Array<string> = [
    hub === null
      ? `intentra hub: ${phase}`
      : `intentra hub ${hub.address} (${hub.socket}, ${hub.crypto}), ${phase}, public key ${hub.publicKey}`
  ]
  if (sample !== null) {
    const { counts: all, rates: now } = sample
    head.push(
      `peers ${grouped(sample.peers)}  handshakes in flight ${sample.handshakesInFlight}  rekeys ` +
        `${grouped(all.rekeys)}  moves ${grouped(all.moves)}  strikes ${grouped(all.strikes)}`,
      `in   ${grouped(now.messagesReceived)} messages/s  ${grouped(now.packetsReceived)} packets/s  ` +
        `${bytes(now.bytesReceived)}  ${grouped(all.messagesReceived)} messages in all`,
      `out  ${grouped(now.messagesSent)} messages/s  ${grouped(now.packetsSent)} packets/s  ${bytes(now.bytesSent)}  ` +
        `${grouped(all.messagesSent)} messages in all`,
      `delivery ${share(sample.delivery)}  rtt median ${time(sample.rtt.p50)}, 99 % ${time(sample.rtt.p99)}  ` +
        `longest turn ${time(sample.longestTurnMs)}`,
      `waiting: ${grouped(sample.queued)} to be sent (the oldest for ${time(sample.oldestQueuedMs)}), ` +
        `${grouped(sample.deliveryBytes)} B delivered, ${grouped(sample.reorderBytes)} B out of order`,
      `drops now: ${rates(now.dropped)}`,
      `drops in all: ${counts(all.dropped)}`
    )
  }
  const room = Math.max(rows - head.length - 3, 0)
  const shown = peers.slice(0, room)
  const hidden = total - shown.length
  return [
    ...head,
    "",
    HEADER,
    ...shown.map(rowOf),
    ...(hidden > 0 ? [`... and ${grouped(hidden)} more`] : [])
  ].slice(0, rows).map((line) => printable(line).slice(0, columns))
}
